//! Makes the configuration of a host from the output of `ssh -G`.

use super::expand::Host;
use super::run::Dump;
use super::scan::{ALGORITHMS, Scan};
use super::{AddressFamily, HostConfig, HostOptions, ServerAlive};
use crate::base::policy::HostKeyPolicy;
use cerveza_manners::matches_wildcards;
use cerveza_results::Phase;
use std::collections::{BTreeMap, HashSet};
use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Makes the configurations of all hosts. Equal options are kept once.
pub struct ConfigBuilder<'a> {
    /// What ssh prints if nothing is configured.
    defaults: &'a Dump,
    scan: &'a Scan,
    kept: HashSet<Arc<HostOptions>>,
}

impl<'a> ConfigBuilder<'a> {
    pub fn new(defaults: &'a Dump, scan: &'a Scan) -> ConfigBuilder<'a> {
        ConfigBuilder { defaults, scan, kept: HashSet::new() }
    }

    pub fn build(&mut self, host: &Host<'_>, dump: &Dump) -> Result<HostConfig, String> {
        let proxy = |keyword: &str| {
            let value = dump.bytes(keyword).filter(|value| !value.eq_ignore_ascii_case(b"none"));
            let value = value.map(|value| host.proxy(value)).transpose();
            value.map(|value| value.map(text)).map_err(|error| format!("{keyword}: {error}"))
        };
        let (proxy_jump, proxy_command) = (proxy("proxyjump")?, proxy("proxycommand")?);
        let reader = Reader { dump, defaults: self.defaults, scan: self.scan, host, needs: Vec::new() };
        let options = self.keep(reader.options());
        let (hostname, user) = (host.hostname.clone(), host.user.clone());
        Ok(HostConfig { hostname, user, port: host.port, proxy_jump, proxy_command, options })
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

/// Reads the values of one host.
struct Reader<'a> {
    dump: &'a Dump,
    defaults: &'a Dump,
    scan: &'a Scan,
    host: &'a Host<'a>,
    /// What this host needs that only ssh has.
    needs: Vec<(Phase, String)>,
}

impl Reader<'_> {
    fn options(mut self) -> HostOptions {
        self.add_needs();
        HostOptions {
            identity_files: self.files(Phase::Auth, "IdentityFile"),
            identity_files_set: self.dump.all("identityfile").ne(self.defaults.all("identityfile")),
            certificate_files: self.files(Phase::Auth, "CertificateFile"),
            identities_only: self.is("identitiesonly", &["yes", "true"]),
            identity_agent: self.dump.bytes("identityagent").map(|agent| text(self.in_home(agent))),
            user_known_hosts: self.known_hosts("UserKnownHostsFile"),
            global_known_hosts: self.known_hosts("GlobalKnownHostsFile"),
            host_key_policy: match self.dump.bytes("stricthostkeychecking") {
                Some(b"accept-new") => HostKeyPolicy::AcceptNew,
                Some(b"false" | b"no" | b"off") => HostKeyPolicy::Off,
                // yes, and ask: no question is asked.
                _ => HostKeyPolicy::Strict,
            },
            host_key_alias: self.value("hostkeyalias"),
            host_key_algorithms: self.changed("hostkeyalgorithms"),
            ciphers: self.changed("ciphers"),
            macs: self.changed("macs"),
            kex_algorithms: self.changed("kexalgorithms"),
            named_algorithms: self.named_algorithms(),
            compression: self.is("compression", &["yes", "true"]),
            environment: self.environment(),
            hash_known_hosts: self.is("hashknownhosts", &["yes", "true"]),
            revoked_host_keys: self.files(Phase::HostKey, "RevokedHostKeys").pop(),
            proxy_use_fdpass: self.is("proxyusefdpass", &["yes", "true"]),
            connect_timeout: self.number("connecttimeout").filter(|&time| time > 0).map(seconds),
            server_alive: self.server_alive(),
            bind_address: self.value("bindaddress").and_then(|address| address.parse().ok()),
            address_family: match self.dump.bytes("addressfamily") {
                Some(b"inet") => AddressFamily::Inet,
                Some(b"inet6") => AddressFamily::Inet6,
                _ => AddressFamily::Any,
            },
            needs_openssh: self.needs,
        }
    }

    /// Returns a value, unless it is `none`.
    fn value(&self, keyword: &str) -> Option<String> {
        self.dump.text(keyword).filter(|value| !value.eq_ignore_ascii_case("none"))
    }

    /// Returns a value that is not ssh's default.
    fn changed(&self, keyword: &str) -> Option<String> {
        self.dump.text(keyword).filter(|_| self.dump.bytes(keyword) != self.defaults.bytes(keyword))
    }

    fn is(&self, keyword: &str, values: &[&str]) -> bool {
        self.dump.text(keyword).is_some_and(|value| values.contains(&value.as_str()))
    }

    fn number(&self, keyword: &str) -> Option<u32> {
        self.dump.text(keyword).and_then(|value| value.parse().ok())
    }

    /// Returns files that ssh prints one a line, and as they are in the configuration.
    fn files(&mut self, phase: Phase, keyword: &str) -> Vec<PathBuf> {
        let lower = keyword.to_ascii_lowercase();
        let mut files = Vec::new();
        for file in self.dump.all(&lower).filter(|file| !file.eq_ignore_ascii_case(b"none")) {
            match self.host.path(file) {
                Ok(file) => files.push(path(file)),
                Err(why) => self.needs.push((phase, format!("{keyword} ({why})"))),
            }
        }
        files
    }

    /// Returns files that ssh prints in one line and expanded. It does not show which blanks are part of a name.
    fn known_hosts(&mut self, keyword: &str) -> Vec<PathBuf> {
        let lower = keyword.to_ascii_lowercase();
        let files = self.dump.bytes(&lower).unwrap_or_default();
        let has = |part: &Vec<u8>| files.windows(part.len()).any(|found| found == part.as_slice());
        if self.changed(&lower).is_some() && self.scan.known_hosts_blanks.iter().any(has) {
            self.needs.push((Phase::HostKey, format!("{keyword} (a name with a blank)")));
            return Vec::new();
        }
        let files = files.split(|&byte| byte == b' ');
        let files = files.filter(|file| !file.is_empty() && !file.eq_ignore_ascii_case(b"none"));
        files.map(|file| path(self.in_home(file))).collect()
    }

    /// Expands `~`, which ssh before 8.4 prints as it is.
    fn in_home(&self, file: &[u8]) -> Vec<u8> {
        match file.strip_prefix(b"~/") {
            Some(below) => [self.host.local.home.as_slice(), b"/", below].concat(),
            None => file.to_vec(),
        }
    }

    /// Returns the algorithms in use that the user has written.
    fn named_algorithms(&self) -> Vec<String> {
        let lists = ALGORITHMS.into_iter().filter_map(|keyword| self.dump.text(keyword));
        let names = lists.flat_map(|list| list.split(',').map(str::to_string).collect::<Vec<_>>());
        names.filter(|name| self.scan.algorithms.contains(name)).collect()
    }

    /// The default interval of ssh is 0, so only the scan shows whether the user wants that.
    fn server_alive(&self) -> ServerAlive {
        let default = ServerAlive::default();
        let interval = self.number("serveraliveinterval").filter(|&time| time > 0 || self.scan.alive_off);
        ServerAlive {
            interval: interval.map_or(default.interval, seconds),
            count_max: self.number("serveralivecountmax").unwrap_or(default.count_max),
        }
    }

    /// Returns what SendEnv takes of our own environment, and SetEnv, which decides if both name a variable.
    fn environment(&self) -> Vec<(String, String)> {
        let mut environment = BTreeMap::new();
        let patterns: Vec<&[u8]> = self.dump.all("sendenv").collect();
        for (name, value) in env::vars_os().filter(|_| !patterns.is_empty()) {
            let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) else { continue };
            if patterns.iter().any(|pattern| matches_wildcards(pattern, name.as_bytes())) {
                environment.insert(name, value);
            }
        }
        for set in self.dump.all("setenv") {
            if let Some((name, value)) = String::from_utf8_lossy(set).split_once('=') {
                environment.insert(name.to_string(), value.to_string());
            }
        }
        environment.into_iter().collect()
    }

    /// Adds the settings without which the host would be reached in another way than by ssh, or not at all.
    fn add_needs(&mut self) {
        let is_no = |keyword: &str| self.is(keyword, &["no", "false"]);
        let methods = self.dump.text("preferredauthentications").unwrap_or_default();
        let has_keys = methods.is_empty() || methods.split(',').any(|method| method == "publickey");
        let has_address = self.value("bindaddress").is_none_or(|address| address.parse::<std::net::IpAddr>().is_ok());
        let is_verified = self.is("verifyhostkeydns", &["yes", "true"]);
        let needs = [
            (self.value("bindinterface").is_some(), Phase::Connect, "BindInterface"),
            (!has_address, Phase::Connect, "BindAddress (a name)"),
            (self.value("knownhostscommand").is_some(), Phase::HostKey, "KnownHostsCommand"),
            (is_verified, Phase::HostKey, "VerifyHostKeyDNS"),
            (self.value("pkcs11provider").is_some(), Phase::Auth, "PKCS11Provider"),
            (is_no("pubkeyauthentication"), Phase::Auth, "PubkeyAuthentication no"),
            (!has_keys, Phase::Auth, &format!("PreferredAuthentications {methods}")),
        ];
        let needs = needs.into_iter().filter(|(is_needed, ..)| *is_needed);
        self.needs = needs.map(|(_, phase, name)| (phase, name.to_string())).collect();
    }
}

/// Returns the defaults of ssh, for machines without it.
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
