//! Tokens (`%h`), `${VARIABLES}` and `~` in values, as ssh expands them.

use super::query::{Query, is_host, is_user};
use super::run::Dump;
use std::env;
use std::os::unix::ffi::OsStrExt;

/// What ssh knows of this machine and of the user who runs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalFacts {
    pub home: Vec<u8>,
    pub user: String,
    uid: String,
    /// `%L`, and with its domain `%l`.
    short_host: String,
    host: String,
}

/// What the tokens of one host stand for.
#[derive(Clone, Debug)]
pub struct Host<'a> {
    pub local: &'a LocalFacts,
    pub hostname: String,
    pub name: String,
    key_alias: Option<String>,
    pub port: u16,
    pub user: String,
}

impl LocalFacts {
    /// Asks for the facts: ssh takes them from the user database, not from the environment. The option has no other use
    /// here.
    pub const QUESTION: &str = "ControlPath=~/|%u|%i|%L|%l";

    /// Parses the answer to `QUESTION`.
    pub fn parse(answer: &[u8]) -> Option<LocalFacts> {
        let mut parts = answer.rsplitn(5, |&byte| byte == b'|');
        let mut text = || parts.next().map(|part| String::from_utf8_lossy(part).into_owned());
        let (host, short_host, uid, user) = (text()?, text()?, text()?, text()?);
        let home = parts.next()?;
        let home = home.strip_suffix(b"/").unwrap_or(home).to_vec();
        Some(LocalFacts { home, user, uid, short_host, host })
    }
}

impl<'a> Host<'a> {
    pub fn new(query: &Query, dump: &Dump, local: &'a LocalFacts) -> Host<'a> {
        let (address, user) = (query.address.clone(), query.user.clone());
        Host {
            local,
            hostname: address.or_else(|| dump.text("hostname")).unwrap_or_else(|| query.name.clone()),
            name: query.name.clone(),
            key_alias: dump.text("hostkeyalias"),
            port: query.port.or_else(|| dump.text("port")?.parse().ok()).unwrap_or(22),
            user: user.or_else(|| dump.text("user")).unwrap_or_else(|| local.user.clone()),
        }
    }

    /// Expands the name of a file, as in IdentityFile.
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

    /// Expands a command for a shell of this machine. Refuses values that ssh since 9.6 refuses.
    pub fn proxy(&self, value: &[u8]) -> Result<Vec<u8>, String> {
        let key_alias = self.key_alias.as_ref().unwrap_or(&self.name);
        let is_used = |token: u8| value.windows(2).any(|pair| pair == [b'%', token]);
        let (what, text) = if is_used(b'h') && !is_host(&self.hostname) {
            ("name", &self.hostname)
        } else if is_used(b'n') && !is_host(&self.name) {
            ("name", &self.name)
        } else if is_used(b'k') && !is_host(key_alias) {
            ("HostKeyAlias", key_alias)
        } else if is_used(b'r') && !is_user(&self.user) {
            ("user", &self.user)
        } else {
            return self.expand(value, "hnkpr", false);
        };
        Err(format!("the host's {what} {text:?} is not one that ssh gives to a shell"))
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

    /// `%C` and `%j` are digests and names that we do not have.
    fn token(&self, token: char) -> Option<Vec<u8>> {
        let text = match token {
            'd' => return Some(self.local.home.clone()),
            'h' => &self.hostname,
            'n' => &self.name,
            'k' => self.key_alias.as_ref().unwrap_or(&self.name),
            'p' => return Some(self.port.to_string().into_bytes()),
            'r' => &self.user,
            'u' => &self.local.user,
            'i' => &self.local.uid,
            'L' => &self.local.short_host,
            'l' => &self.local.host,
            _ => return None,
        };
        Some(text.as_bytes().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_expanded_and_hostile_values_reach_no_shell() {
        let local = LocalFacts::parse(b"/home/a|b/|me|1000|box|box.lan").unwrap();
        assert_eq!(local.home, b"/home/a|b");
        let [hostname, name, user] = ["web1.x", "web1", "u;v"].map(str::to_string);
        let host = Host { local: &local, hostname, name, key_alias: None, port: 2, user };
        let path = |value: &str| host.path(value.as_bytes()).map(|path| String::from_utf8(path).unwrap());
        assert_eq!(
            path("~/k/%h-%n-%k-%p-%r-%u-%i-%L-%l-%%h").unwrap(),
            "/home/a|b/k/web1.x-web1-web1-2-u;v-me-1000-box-box.lan-%h"
        );
        assert_eq!(path("%d/$x").unwrap(), "/home/a|b/$x");
        assert_eq!(path("${PATH}").unwrap(), env::var("PATH").unwrap());
        assert!(["${NO_SUCH_VARIABLE}", "${", "%", "%C", "~bob/k"].into_iter().all(|value| path(value).is_err()));
        assert_eq!(host.proxy(b"nc %h %p $HOME ${X} %%").unwrap(), b"nc web1.x 2 $HOME ${X} %");
        let why = "the host's user \"u;v\" is not one that ssh gives to a shell";
        assert_eq!(host.proxy(b"nc -l %r %h").unwrap_err(), why);
        assert!(Host { hostname: "$(x)".to_string(), ..host }.proxy(b"nc %h").is_err());
    }
}
