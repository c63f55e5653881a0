//! Finds what in the configuration can make the answers of two hosts differ: patterns, and values that name the host.
//!
//! This does not parse ssh_config(5) completely: it finds more than matters, and sets `unsure` if it does not
//! understand a line.

use super::ConfigSource;
use crate::base::user_file;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

#[derive(Debug, Default)]
pub struct Scan {
    /// Every word of a `Host`, `Match` or `ProxyJump` line, whatever it is there for.
    pub patterns: BTreeSet<Vec<u8>>,
    /// Each HostName that names the host.
    pub hostnames: BTreeSet<Vec<u8>>,
    /// The settings of the user that the default engine does not act on, each as it is written.
    pub unused: BTreeMap<String, String>,
    /// The algorithms that the user has written.
    pub algorithms: BTreeSet<String>,
    /// Whether some line is `ServerAliveInterval 0`.
    pub alive_off: bool,
    /// Of each name of a file of known hosts that has a blank, the part from there to the next token or variable, which
    /// ssh prints as it is.
    pub known_hosts_blanks: BTreeSet<Vec<u8>>,
    /// Why ssh must be asked about each host.
    pub unsure: Option<String>,
}

/// The keywords with names of algorithms.
pub const ALGORITHMS: [&str; 4] = ["hostkeyalgorithms", "ciphers", "macs", "kexalgorithms"];

/// Files below it belong to the machine, so its users cannot change their settings.
const SYSTEM: &[u8] = b"/etc/";

/// The criteria of `Match` that are settled by patterns and by this machine. `exec` is apart.
const CRITERIA: [&str; 9] =
    ["host", "originalhost", "user", "localuser", "localnetwork", "tagged", "version", "sessiontype", "command"];

/// Settings that count, or that are not missed: they are about terminals and questions, or belong to another setting, of
/// which a warning tells.
const SILENT: &str = "addressfamily batchmode bindaddress bindinterface canonicaldomains canonicalizefallbacklocal \
    canonicalizehostname canonicalizemaxdots canonicalizepermittedcnames certificatefile \
    challengeresponseauthentication checkhostip ciphers clearallforwardings compression connecttimeout controlpath \
    controlpersist enableescapecommandline escapechar exitonforwardfailure forkafterauthentication forwardx11timeout \
    forwardx11trusted gatewayports globalknownhostsfile hashknownhosts host hostkeyalgorithms hostkeyalias hostname \
    identitiesonly identityagent identityfile ignoreunknown include kbdinteractiveauthentication kexalgorithms \
    knownhostscommand localcommand loglevel logverbose macs match numberofpasswordprompts passwordauthentication \
    pkcs11provider port preferredauthentications proxycommand proxyjump proxyusefdpass pubkeyauthentication \
    revokedhostkeys sendenv serveralivecountmax serveraliveinterval sessiontype setenv stdinnull streamlocalbindmask \
    streamlocalbindunlink stricthostkeychecking syslogfacility tag tcpkeepalive tunneldevice updatehostkeys user \
    userknownhostsfile verifyhostkeydns visualhostkey xauthlocation";

impl Scan {
    /// Reads the files that ssh's log names, and the options.
    pub fn new(source: &ConfigSource<'_>, log: &[u8]) -> Scan {
        let mut scan = Scan::default();
        for file in files(log) {
            match user_file::read(Path::new(OsStr::from_bytes(file))) {
                Ok(text) => {
                    text.split(|&byte| byte == b'\n').for_each(|line| scan.line(line, !file.starts_with(SYSTEM)))
                }
                Err(error) => scan.doubt(format!("{} cannot be read: {error}", String::from_utf8_lossy(file))),
            }
        }
        for option in source.options {
            scan.line(option.as_bytes(), true);
        }
        scan.jumps(source.jump.unwrap_or_default().as_bytes());
        scan
    }

    pub fn doubt(&mut self, why: String) {
        self.unsure.get_or_insert(why);
    }

    /// Reads one line; `own` are those of the user.
    fn line(&mut self, line: &[u8], own: bool) {
        let (keyword, rest) = keyword(line);
        if keyword.is_empty() || keyword.starts_with('#') {
            return;
        }
        match keyword.as_str() {
            "host" => words(rest, false).iter().for_each(|word| self.pattern(word)),
            "match" => self.criteria(rest),
            "proxyjump" => self.jumps(rest),
            "hostname" => self.hostnames.extend(words(rest, false).into_iter().filter(|name| name.contains(&b'%'))),
            "userknownhostsfile" | "globalknownhostsfile" => {
                let files = words(rest, false);
                let part = |file: &Vec<u8>| {
                    let rest = &file[file.iter().position(|byte| *byte == b' ')?..];
                    rest.split(|byte| b"%$".contains(byte)).next().map(<[u8]>::to_vec)
                };
                self.known_hosts_blanks.extend(files.iter().filter_map(part));
            }
            "serveraliveinterval" => self.alive_off |= is_zero(rest),
            // Only later versions of ssh expand such values.
            "include" | "user" | "tag" if rest.contains(&b'%') => self.doubt(format!("a token in {keyword}")),
            _ => {}
        }
        if own && ALGORITHMS.contains(&keyword.as_str()) && !rest.starts_with(b"-") {
            let names = rest.strip_prefix(b"+").or(rest.strip_prefix(b"^")).unwrap_or(rest);
            let names = names.split(|&byte| b", \t\"".contains(&byte)).filter(|name| !name.is_empty());
            self.algorithms.extend(names.map(|name| String::from_utf8_lossy(name).into_owned()));
        }
        if own && !SILENT.split_whitespace().any(|silent| silent == keyword) {
            let line = String::from_utf8_lossy(line);
            let mut words = line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
            self.unused.entry(keyword).or_insert_with(|| words.next().unwrap_or_default().to_string());
        }
    }

    fn pattern(&mut self, word: &[u8]) {
        let bare = |word: &[u8]| word.strip_prefix(b"!").unwrap_or(word).to_vec();
        self.patterns.extend(word.split(|&byte| byte == b',').map(bare));
        self.patterns.insert(bare(word));
    }

    fn criteria(&mut self, list: &[u8]) {
        let mut words = words(list, true).into_iter();
        while let Some(word) = words.next() {
            let criterion = String::from_utf8_lossy(&word).to_ascii_lowercase();
            match criterion.trim_start_matches('!') {
                comment if comment.starts_with('#') => break,
                "all" | "canonical" | "final" => {}
                "exec" => {
                    // A command without the host in it answers the same for all.
                    if words.next().is_none_or(|command| command.contains(&b'%')) {
                        self.doubt("Match exec".to_string());
                    }
                }
                criterion if CRITERIA.contains(&criterion) => match words.next() {
                    Some(word) => self.pattern(&word),
                    None => self.doubt(format!("Match {criterion}")),
                },
                criterion => self.doubt(format!("Match {criterion}")),
            }
        }
    }

    /// ssh refuses a host that is its own jump host, so that host is unlike others.
    fn jumps(&mut self, list: &[u8]) {
        let host = |byte: &u8| b",@:[]/ \t".contains(byte);
        self.patterns.extend(list.split(host).filter(|word| !word.is_empty()).map(<[u8]>::to_vec));
    }
}

/// Whether it is no time at all: `0`, `0s`, `"0"`.
fn is_zero(time: &[u8]) -> bool {
    let word = words(time, false).into_iter().next().unwrap_or_default();
    word.contains(&b'0') && !word.iter().any(|byte| (b'1'..=b'9').contains(byte))
}

/// Returns the files that `ssh -vvv` says it read. Its log cuts long paths and escapes odd ones: those cannot be opened.
pub fn files(log: &[u8]) -> BTreeSet<&[u8]> {
    const READ: &[u8] = b"debug1: Reading configuration data ";
    log.split(|&byte| byte == b'\n')
        .filter_map(|line| line.strip_suffix(b"\r").unwrap_or(line).strip_prefix(READ))
        .collect()
}

/// A line's keyword in lower case, and what follows it: `Keyword value`, `Keyword=value`, `"Keyword" = value`.
fn keyword(line: &[u8]) -> (String, &[u8]) {
    let line = line.trim_ascii();
    let end = line.iter().position(|byte| byte.is_ascii_whitespace() || *byte == b'=').unwrap_or(line.len());
    let keyword = String::from_utf8_lossy(&line[..end]).replace('"', "").to_ascii_lowercase();
    let rest = line[end..].trim_ascii();
    (keyword, rest.strip_prefix(b"=").unwrap_or(rest).trim_ascii())
}

/// The words of a line as ssh splits them: at blanks outside of quotes, with backslashes before quotes, backslashes and
/// such blanks.
fn words(line: &[u8], at_equals: bool) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = line.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (byte, quote) {
            (b'\\', _)
                if bytes.peek().is_some_and(|next| b"'\"\\".contains(next) || *next == b' ' && quote.is_none()) =>
            {
                word.get_or_insert_default().extend(bytes.next());
            }
            (b'"' | b'\'', None) => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (_, Some(end)) if byte == end => quote = None,
            (b'=', None) if at_equals => words.extend(word.take()),
            (b'#', None) if word.is_none() => break,
            (_, None) if byte.is_ascii_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Scan {
        let mut scan = Scan::default();
        text.lines().for_each(|line| scan.line(line.as_bytes(), true));
        scan
    }

    #[test]
    fn all_patterns_that_may_tell_hosts_apart_are_found() {
        let found =
            scan("Host a \"b*\" !c # d\n match=host x,!y user=bob exec \"true\"\nProxyJump u@[gw]:3,h2\nPort 3");
        let words: Vec<_> = found.patterns.iter().map(|word| String::from_utf8_lossy(word)).collect();
        assert_eq!(words, ["3", "a", "b*", "bob", "c", "gw", "h2", "u", "x", "x,!y", "y"]);
        assert_eq!(found.unsure, None);
        let found = scan("HostName=%h.x\nhostname %h.x\nHostName a");
        assert_eq!(found.hostnames, [b"%h.x".to_vec()].into());
        let blanks = |text| scan(text).known_hosts_blanks.into_iter().map(|part| String::from_utf8(part).unwrap());
        assert_eq!(blanks("UserKnownHostsFile a b").count(), 0);
        assert!(blanks("UserKnownHostsFile c \"~/a b/%h\" \"d e f\"").eq([" b/", " e f"]));
        assert!(blanks("UserKnownHostsFile c a\\ b").eq([" b"]));
    }

    #[test]
    fn settings_of_the_machine_are_not_those_of_the_user() {
        let text =
            "ForwardAgent yes\nPort 3\nCiphers=+a1,a2\nMACs -m1\nKexAlgorithms ^k1\n\"GSSAPIAuthentication\" yes";
        let found = scan(text);
        assert_eq!(found.unused.values().collect::<Vec<_>>(), ["ForwardAgent", "GSSAPIAuthentication"]);
        assert_eq!(found.algorithms.iter().collect::<Vec<_>>(), ["a1", "a2", "k1"]);
        let mut machine = Scan::default();
        text.lines().for_each(|line| machine.line(line.as_bytes(), false));
        assert!(machine.unused.is_empty() && machine.algorithms.is_empty());
    }

    #[test]
    fn keepalives_are_off_if_a_line_says_so() {
        assert!(["ServerAliveInterval 0", "serveraliveinterval=\"0s\" # off"].iter().all(|text| scan(text).alive_off));
        assert!(
            ["ServerAliveInterval 10", "ServerAliveInterval 1m0s", "Port 0"].iter().all(|text| !scan(text).alive_off)
        );
    }

    #[test]
    fn a_line_that_is_not_understood_makes_the_scan_unsure() {
        for text in ["Match exec \"nc %h 22\"", "Match host a exec 'x %n'", "Match moon full", "Match host", "User %h"]
        {
            assert!(scan(text).unsure.is_some(), "{text}");
        }
        assert!(scan("Match final host a\nMatch !localuser b\nMatch all").unsure.is_none());
    }
}
