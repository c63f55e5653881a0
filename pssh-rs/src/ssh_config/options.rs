//! Parses the output of `ssh -G` to the options of a host.

use super::expand::Tokens;
use super::run::Dump;
use super::scan::{ALGORITHMS, Scan};
use super::{AddressFamily, Answer, HostKeyCheck, HostOptions, Local, ServerAlive};
use cerveza_manners::matches_wildcards;
use cerveza_results::Phase;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The arguments of a keyword, as they stand in the configuration.
pub type Template = Vec<Vec<u8>>;

/// What all answers are made with.
pub struct Maker<'a> {
    pub local: &'a Local,
    /// What ssh prints where nothing is configured.
    pub defaults: &'a Dump,
    /// The algorithms that the user has written.
    algorithms: &'a BTreeSet<String>,
    /// Whether `ServerAliveInterval 0`, which is also ssh's default, was written down.
    alive_off: bool,
    /// Equal options are kept once.
    kept: HashSet<Arc<HostOptions>>,
}

/// Who is answered for.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    pub hostname: &'a str,
    pub name: &'a str,
    pub user: &'a str,
    pub port: u16,
}

impl<'a> Maker<'a> {
    pub fn new(local: &'a Local, defaults: &'a Dump, scan: &'a Scan) -> Maker<'a> {
        Maker { local, defaults, algorithms: &scan.algorithms, alive_off: scan.alive_off, kept: HashSet::new() }
    }

    /// `templates` stand for values that the dump may hold for another host.
    pub fn answer(
        &mut self,
        host: Host<'_>,
        dump: &Dump,
        templates: &HashMap<&str, Template>,
    ) -> Result<Answer, String> {
        let alias = dump.text("hostkeyalias");
        let tokens = tokens(self.local, host, alias.as_deref());
        let proxy = |keyword: &str| {
            let value = dump.bytes(keyword).filter(|value| !value.eq_ignore_ascii_case(b"none"));
            let value = value.map(|value| tokens.proxy(value)).transpose();
            value.map(|value| value.map(text)).map_err(|error| format!("{keyword}: {error}"))
        };
        let (proxy_jump, proxy_command) = (proxy("proxyjump")?, proxy("proxycommand")?);
        let options = self.keep(options(dump, self, templates, &tokens)?);
        let (hostname, user) = (host.hostname.to_string(), host.user.to_string());
        Ok(Answer { hostname, user, port: host.port, proxy_jump, proxy_command, options })
    }

    fn keep(&mut self, options: HostOptions) -> Arc<HostOptions> {
        if let Some(kept) = self.kept.get(&options) {
            return Arc::clone(kept);
        }
        let options = Arc::new(options);
        self.kept.insert(Arc::clone(&options));
        options
    }
}

pub fn tokens<'a>(local: &'a Local, host: Host<'a>, key_alias: Option<&'a str>) -> Tokens<'a> {
    Tokens { local, hostname: host.hostname, name: host.name, key_alias, port: host.port, user: host.user }
}

/// A template filled in for one host. A variable's name and `none` stand for themselves.
pub fn filled(keyword: &str, template: &Template, tokens: &Tokens<'_>) -> Result<Template, String> {
    let fill = |value: &Vec<u8>| match keyword {
        "hostname" => tokens.hostname(value),
        "globalknownhostsfile" if !value.starts_with(b"~") => Ok(value.clone()),
        _ => tokens.path(value),
    };
    template.iter().map(fill).collect()
}

fn options(
    dump: &Dump,
    maker: &Maker<'_>,
    templates: &HashMap<&str, Template>,
    tokens: &Tokens<'_>,
) -> Result<HostOptions, String> {
    let defaults = maker.defaults;
    let flag = |keyword: &str| dump.bytes(keyword).is_some_and(|value| value == b"yes" || value == b"true");
    let some = |keyword: &str| dump.text(keyword).filter(|value| !value.eq_ignore_ascii_case("none"));
    let differs = |keyword: &str| dump.bytes(keyword) != defaults.bytes(keyword);
    let set = |keyword: &str| dump.text(keyword).filter(|_| differs(keyword));
    let number = |keyword: &str| dump.text(keyword).and_then(|value| value.parse::<u32>().ok()).unwrap_or(0);
    let value = |keyword: &str| match templates.get(keyword) {
        Some(template) => filled(keyword, template, tokens).map(Some),
        None => Ok(dump.bytes(keyword).map(|value| as_printed(keyword, value, tokens))),
    };
    let one = |keyword: &str| value(keyword).map(|value| value.map(|words| text(words.join(&b' '))));

    let mut needs = needs_openssh(dump);
    let mut files = |keyword: &str| {
        let mut files = Vec::new();
        for file in dump.all(keyword).filter(|file| !file.eq_ignore_ascii_case(b"none")) {
            match tokens.path(file) {
                Ok(file) => files.push(path(file)),
                Err(why) => needs.push((Phase::Auth, format!("{keyword} ({why})"))),
            }
        }
        files
    };
    let (identity_files, certificate_files) = (files("identityfile"), files("certificatefile"));
    let bind_address = match some("bindaddress").map(|address| address.parse()) {
        Some(Err(_)) => {
            needs.push((Phase::Connect, "BindAddress (a name)".to_string()));
            None
        }
        address => address.and_then(Result::ok),
    };
    let revoked_host_keys = match some("revokedhostkeys").map(|file| tokens.path(file.as_bytes())) {
        Some(Err(why)) => {
            needs.push((Phase::HostKey, format!("RevokedHostKeys ({why})")));
            None
        }
        file => file.and_then(Result::ok).map(path),
    };
    let algorithms = ALGORITHMS.into_iter().filter_map(|keyword| dump.text(keyword));
    let algorithms = algorithms.flat_map(|list| list.split(',').map(str::to_string).collect::<Vec<_>>());
    let known = |keyword: &str| {
        let files = value(keyword)?.unwrap_or_default();
        let files = files.into_iter().filter(|file| !file.eq_ignore_ascii_case(b"none"));
        Ok::<Vec<PathBuf>, String>(files.map(path).collect())
    };
    Ok(HostOptions {
        identity_files,
        identity_files_set: dump.all("identityfile").ne(defaults.all("identityfile")),
        certificate_files,
        identities_only: flag("identitiesonly"),
        identity_agent: one("identityagent")?,
        user_known_hosts: known("userknownhostsfile")?,
        global_known_hosts: known("globalknownhostsfile")?,
        host_key_check: match dump.bytes("stricthostkeychecking") {
            Some(b"accept-new") => HostKeyCheck::AcceptNew,
            Some(b"false" | b"no" | b"off") => HostKeyCheck::Off,
            _ => HostKeyCheck::Strict,
        },
        host_key_alias: some("hostkeyalias"),
        host_key_algorithms: set("hostkeyalgorithms"),
        ciphers: set("ciphers"),
        macs: set("macs"),
        kex_algorithms: set("kexalgorithms"),
        named_algorithms: algorithms.filter(|name| maker.algorithms.contains(name)).collect(),
        compression: flag("compression"),
        environment: environment(dump),
        hash_known_hosts: flag("hashknownhosts"),
        revoked_host_keys,
        proxy_use_fdpass: flag("proxyusefdpass"),
        connect_timeout: Some(number("connecttimeout")).filter(|&time| time > 0).map(seconds),
        server_alive: server_alive(dump, maker.alive_off),
        bind_address,
        address_family: match dump.bytes("addressfamily") {
            Some(b"inet") => AddressFamily::Inet,
            Some(b"inet6") => AddressFamily::Inet6,
            _ => AddressFamily::Any,
        },
        needs_openssh: needs,
    })
}

/// The user's own values, else our defaults. ssh's default interval is 0, so only `off` tells that a user wants that.
fn server_alive(dump: &Dump, off: bool) -> ServerAlive {
    let number = |keyword: &str| dump.text(keyword).and_then(|value| value.parse::<u32>().ok());
    let default = ServerAlive::default();
    ServerAlive {
        interval: match number("serveraliveinterval") {
            None => default.interval,
            Some(0) if !off => default.interval,
            Some(time) => seconds(time),
        },
        count_max: number("serveralivecountmax").unwrap_or(default.count_max),
    }
}

/// A value that ssh printed for this very host, or that is the same for all: ssh before 8.4 leaves `~` to us.
fn as_printed(keyword: &str, value: &[u8], tokens: &Tokens<'_>) -> Template {
    let home = |word: &[u8]| match word.starts_with(b"~/") {
        true => tokens.path(word).unwrap_or_else(|_| word.to_vec()),
        false => word.to_vec(),
    };
    match keyword {
        "userknownhostsfile" | "globalknownhostsfile" => {
            value.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).map(home).collect()
        }
        "identityagent" => vec![home(value)],
        _ => vec![value.to_vec()],
    }
}

/// What SendEnv takes of our own environment, and SetEnv, which decides where both name a variable.
fn environment(dump: &Dump) -> Vec<(String, String)> {
    let mut environment = BTreeMap::new();
    let patterns: Vec<&[u8]> = dump.all("sendenv").collect();
    for (name, value) in env::vars_os().filter(|_| !patterns.is_empty()) {
        // Only text goes well with the servers of others.
        let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) else { continue };
        if patterns.iter().any(|pattern| matches_wildcards(pattern, name.as_bytes())) {
            environment.insert(name, value);
        }
    }
    for set in dump.all("setenv") {
        if let Some((name, value)) = String::from_utf8_lossy(set).split_once('=') {
            environment.insert(name.to_string(), value.to_string());
        }
    }
    environment.into_iter().collect()
}

/// Only what is clear: without it the host would be reached otherwise than by ssh, or not at all. Each with the phase that
/// needs it.
fn needs_openssh(dump: &Dump) -> Vec<(Phase, String)> {
    let named = |keyword: &str| dump.bytes(keyword).is_some_and(|value| !value.eq_ignore_ascii_case(b"none"));
    let is = |keyword: &str, values: &[&[u8]]| dump.bytes(keyword).is_some_and(|value| values.contains(&value));
    let methods = dump.text("preferredauthentications");
    let no_keys = methods.as_ref().is_some_and(|methods| !methods.split(',').any(|method| method == "publickey"));
    let needs = [
        (named("bindinterface"), Phase::Connect, "BindInterface".to_string()),
        (named("knownhostscommand"), Phase::HostKey, "KnownHostsCommand".to_string()),
        (is("verifyhostkeydns", &[b"yes", b"true"]), Phase::HostKey, "VerifyHostKeyDNS".to_string()),
        (named("pkcs11provider"), Phase::Auth, "PKCS11Provider".to_string()),
        (is("pubkeyauthentication", &[b"no", b"false"]), Phase::Auth, "PubkeyAuthentication no".to_string()),
        (no_keys, Phase::Auth, format!("PreferredAuthentications {}", methods.unwrap_or_default())),
    ];
    needs.into_iter().filter(|(needed, ..)| *needed).map(|(_, phase, name)| (phase, name)).collect()
}

/// What ssh has where it is not there to be asked.
pub fn usual(home: Option<&Path>) -> HostOptions {
    const KEYS: [&str; 3] = ["id_rsa", "id_ecdsa", "id_ed25519"];
    const KNOWN: [&str; 2] = ["known_hosts", "known_hosts2"];
    let all = |names: &[&str]| {
        home.map_or(Vec::new(), |home| names.iter().map(|name| home.join(".ssh").join(name)).collect())
    };
    HostOptions {
        identity_files: all(&KEYS),
        user_known_hosts: all(&KNOWN),
        global_known_hosts: ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from).into(),
        ..HostOptions::default()
    }
}

fn seconds(time: u32) -> Duration {
    Duration::from_secs(time.into())
}

fn path(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}
