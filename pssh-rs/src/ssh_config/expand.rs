//! Tokens (`%h`), `${VARIABLES}` and `~` in values, as ssh expands them.

use super::query::{is_host, is_user};
use std::env;
use std::os::unix::ffi::OsStrExt;

/// What ssh knows of this machine and of who runs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Local {
    pub home: Vec<u8>,
    pub user: String,
    pub uid: String,
    /// `%L`, and with its domain `%l`.
    pub short_host: String,
    pub host: String,
}

/// What the tokens of one host stand for.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a> {
    pub local: &'a Local,
    pub hostname: &'a str,
    pub name: &'a str,
    pub key_alias: Option<&'a str>,
    pub port: u16,
    pub user: &'a str,
}

/// The tokens that differ from host to host. `%C` and `%j` are digests and names that we do not have.
const OF_HOST: &str = "hnkprCj";

impl Local {
    /// From the answer to `ControlPath=~/|%u|%i|%L|%l`.
    pub fn parse(facts: &[u8]) -> Option<Local> {
        let mut parts = facts.rsplitn(5, |&byte| byte == b'|');
        let mut text = || parts.next().map(|part| String::from_utf8_lossy(part).into_owned());
        let (host, short_host, uid, user) = (text()?, text()?, text()?, text()?);
        let home = parts.next()?;
        let home = home.strip_suffix(b"/").unwrap_or(home).to_vec();
        Some(Local { home, user, uid, short_host, host })
    }
}

impl Tokens<'_> {
    /// A file's name, as in IdentityFile and UserKnownHostsFile.
    pub fn path(&self, value: &[u8]) -> Result<Vec<u8>, String> {
        let value = match value {
            b"~" => self.local.home.clone(),
            _ => match value.strip_prefix(b"~/") {
                Some(rest) => [self.local.home.as_slice(), b"/", rest].concat(),
                None if value.starts_with(b"~") => {
                    return Err(format!("another user's home in {:?}", String::from_utf8_lossy(value)));
                }
                None => value.to_vec(),
            },
        };
        self.expand(&value, "hnkprduiLl", true)
    }

    /// What a shell of this machine is given: it takes no value that ssh since 9.6 would not.
    pub fn proxy(&self, value: &[u8]) -> Result<Vec<u8>, String> {
        let used = tokens(value);
        let refused = |token: char, value: &str, fine: fn(&str) -> bool| used.contains(&token) && !fine(value);
        if refused('h', self.hostname, is_host) || refused('n', self.name, is_host) {
            return Err("the host's name is not one that ssh would give to a shell".to_string());
        }
        if refused('k', self.key_alias.unwrap_or(self.name), is_host) {
            return Err("the host's HostKeyAlias is not one that ssh would give to a shell".to_string());
        }
        if refused('r', self.user, is_user) {
            return Err("the user's name is not one that ssh would give to a shell".to_string());
        }
        self.expand(value, "hnkpr", false)
    }

    pub fn hostname(&self, value: &[u8]) -> Result<Vec<u8>, String> {
        self.expand(value, "h", false)
    }

    fn expand(&self, value: &[u8], allowed: &str, variables: bool) -> Result<Vec<u8>, String> {
        let shown = || String::from_utf8_lossy(value);
        let mut out = Vec::with_capacity(value.len());
        let mut rest = value;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if variables && byte == b'$' && after.starts_with(b"{") {
                let end = after.iter().position(|&byte| byte == b'}');
                let end = end.ok_or_else(|| format!("an unfinished ${{ in {:?}", shown()))?;
                let name = String::from_utf8_lossy(&after[1..end]);
                let found = env::var_os(&*name).ok_or_else(|| format!("{name} is not set, as {:?} wants", shown()))?;
                out.extend_from_slice(found.as_bytes());
                rest = &after[end + 1..];
            } else if byte == b'%' {
                let token = *after.first().ok_or_else(|| format!("a lone % in {:?}", shown()))?;
                rest = &after[1..];
                match self.token(char::from(token)) {
                    _ if token == b'%' => out.push(b'%'),
                    Some(value) if allowed.contains(char::from(token)) => out.extend_from_slice(&value),
                    _ => return Err(format!("%{} in {:?}", char::from(token), shown())),
                }
            } else {
                out.push(byte);
            }
        }
        Ok(out)
    }

    fn token(&self, token: char) -> Option<Vec<u8>> {
        let text = match token {
            'd' => return Some(self.local.home.clone()),
            'h' => self.hostname,
            'n' => self.name,
            'k' => self.key_alias.unwrap_or(self.name),
            'p' => return Some(self.port.to_string().into_bytes()),
            'r' => self.user,
            'u' => &self.local.user,
            'i' => &self.local.uid,
            'L' => &self.local.short_host,
            'l' => &self.local.host,
            _ => return None,
        };
        Some(text.as_bytes().to_vec())
    }
}

/// Whether a value differs from host to host.
pub fn names_host(value: &[u8]) -> bool {
    tokens(value).into_iter().any(|token| OF_HOST.contains(token))
}

fn tokens(value: &[u8]) -> Vec<char> {
    let mut bytes = value.iter();
    let mut found = Vec::new();
    while let Some(&byte) = bytes.next() {
        if byte == b'%' {
            found.extend(bytes.next().map(|&token| char::from(token)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_expanded_and_nothing_hostile_reaches_a_shell() {
        let local = Local::parse(b"/home/a|b/|me|1000|box|box.lan").unwrap();
        assert_eq!(local.home, b"/home/a|b");
        let tokens = Tokens { local: &local, hostname: "web1.x", name: "web1", key_alias: None, port: 2, user: "u;v" };
        let path = |value: &str| tokens.path(value.as_bytes()).map(|path| String::from_utf8(path).unwrap());
        assert_eq!(
            path("~/k/%h-%n-%k-%p-%r-%u-%i-%L-%l-%%h").unwrap(),
            "/home/a|b/k/web1.x-web1-web1-2-u;v-me-1000-box-box.lan-%h"
        );
        assert_eq!(path("%d/$x").unwrap(), "/home/a|b/$x");
        assert_eq!(path("${PATH}").unwrap(), env::var("PATH").unwrap());
        assert!(["${NO_SUCH_VARIABLE}", "${", "%", "%C", "~bob/k"].into_iter().all(|value| path(value).is_err()));
        assert_eq!(tokens.proxy(b"nc %h %p $HOME ${X} %%").unwrap(), b"nc web1.x 2 $HOME ${X} %");
        assert!(tokens.proxy(b"nc -l %r %h").is_err());
        assert!(Tokens { hostname: "$(x)", ..tokens }.proxy(b"nc %h").is_err());
        assert!(names_host(b"%%%h") && !names_host(b"%%h %d"));
    }
}
