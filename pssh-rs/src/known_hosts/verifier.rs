//! The decision about a host's key, for both engines: which algorithms are requested, whether the key that a host shows is
//! accepted, and the options by which ssh decides in the same way.

use crate::base::key_blob::{fingerprint, is_certificate, key_type};
use crate::base::policy::HostKeyPolicy;
use crate::base::shutdown::Stop;
use crate::base::wait::WaitError;
use crate::known_hosts::{Certificate, HostId, HostKeys, KnownHostMatches, KnownHosts, Verdict};
use std::io::ErrorKind;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// All that the decision about one host's key depends on.
pub struct HostKeyVerifier<'a> {
    host: HostId<'a>,
    known: &'a KnownHosts,
    pinned: Option<&'a HostKeys>,
    policy: HostKeyPolicy,
    hash_names: bool,
    matches: KnownHostMatches<'a>,
}

/// The host keys to ask for.
#[derive(Debug, Default)]
pub struct HostKeyQuery<'a> {
    /// The types of the keys that the host is known by.
    pub types: Vec<&'a str>,
    /// Whether an authority is known that may have signed its key.
    pub certificates: bool,
    /// ssh_config's HostKeyAlgorithms: no others are allowed.
    pub allowed: Option<&'a str>,
}

/// Why a key is not accepted.
#[derive(Debug)]
pub enum HostKeyError {
    /// The reason, and what to do.
    Refused(String),
    Stopped,
}

impl<'a> HostKeyVerifier<'a> {
    /// Searches known_hosts, which is slow if many names in it are hashed. `pinned` are the keys of the host's record. They
    /// replace known_hosts with every policy, but a revoked key stays revoked. `hash_names`: whether an accepted key is
    /// stored under a hashed name.
    pub fn new(
        host: HostId<'a>,
        known: &'a KnownHosts,
        pinned: Option<&'a HostKeys>,
        policy: HostKeyPolicy,
        hash_names: bool,
    ) -> HostKeyVerifier<'a> {
        let mut matches = known.find(&host);
        if let Some(keys) = pinned {
            matches.pin(keys);
        }
        HostKeyVerifier { host, known, pinned, policy, hash_names, matches }
    }

    pub fn query(&self) -> HostKeyQuery<'a> {
        HostKeyQuery { types: self.matches.key_types(), certificates: self.matches.has_authorities(), allowed: None }
    }

    /// Checks the key or certificate that the host has proved to hold, as the key exchange returned it.
    pub fn check(&self, shown: Option<&[u8]>, deadline: Instant, stop: &Stop) -> Result<(), HostKeyError> {
        let refused = |error: String| Err(HostKeyError::Refused(error));
        let Some(shown) = shown else {
            return refused("the server showed no host key".to_string());
        };
        if !is_certificate(key_type(shown)) {
            return self.check_key(shown, deadline, stop);
        }
        let Ok(certificate) = Certificate::parse(shown) else {
            return refused("the host's certificate is malformed: have its key signed again".to_string());
        };
        if let Some(place) = self.matches.revoked(&certificate.authority) {
            let authority = fingerprint(&certificate.authority);
            return refused(format!(
                "the host's certificate is signed by the CA {authority}, which is revoked by {place}: have its key signed \
                 by another authority"
            ));
        }
        let key = certificate.key.as_slice();
        if let Some(place) = self.matches.revoked(key) {
            return refused(revoked(key, place));
        }
        let Err(why) = self.matches.certify(&certificate, now()) else {
            return Ok(());
        };
        // Like ssh: the key may be known without its certificate.
        self.check_key(key, deadline, stop).map_err(|error| match error {
            HostKeyError::Refused(error) => {
                HostKeyError::Refused(format!("the host's certificate is not accepted: {why}; {error}"))
            }
            HostKeyError::Stopped => HostKeyError::Stopped,
        })
    }

    /// Describes the key or certificate that the host showed, and where it is known from.
    pub fn describe(&self, shown: Option<&[u8]>) -> String {
        let Some(shown) = shown else { return "(none)".to_string() };
        let certificate = Certificate::parse(shown).ok().filter(|_| is_certificate(key_type(shown)));
        let key = certificate.as_ref().map_or(shown, |certificate| &certificate.key);
        let authority = certificate.as_ref().and_then(|certificate| {
            let place = self.matches.place_of(&certificate.authority)?;
            Some(format!("signed by the CA {} of {place}", fingerprint(&certificate.authority)))
        });
        let known = if self.policy == HostKeyPolicy::Off && self.pinned.is_none() {
            "not checked".to_string()
        } else {
            let place = || self.matches.place_of(key).map(|place| format!("known from {place}"));
            authority.or_else(place).unwrap_or_else(|| "not known before".to_string())
        };
        format!("{} {} ({known})", key_type(shown), fingerprint(key))
    }

    fn check_key(&self, key: &[u8], deadline: Instant, stop: &Stop) -> Result<(), HostKeyError> {
        let verdict = match (self.matches.judge(key), self.policy) {
            (Verdict::Unknown, HostKeyPolicy::Off) => Verdict::Known,
            (Verdict::Unknown, HostKeyPolicy::AcceptNew) => self.accept(key, deadline, stop)?,
            (verdict, _) => verdict,
        };
        let shown = fingerprint(key);
        Err(HostKeyError::Refused(match verdict {
            Verdict::Known => return Ok(()),
            Verdict::Unknown => {
                format!("the host key {shown} is not known: check it, then add it with --host-key accept-new")
            }
            Verdict::Changed { place, known_type } => {
                let new_type = key_type(key);
                let types = if known_type == new_type {
                    String::new()
                } else {
                    format!(" (it is of type {new_type}, the known one of type {known_type})")
                };
                let remedy = if self.pinned.is_some() { "correct the record" } else { "remove that line" };
                format!(
                    "the host key {shown} is not the one of {place}{types}: this may be another machine; if it was set up \
                     again, {remedy}"
                )
            }
            Verdict::Revoked { place } => revoked(key, &place),
        }))
    }

    fn accept(&self, key: &[u8], deadline: Instant, stop: &Stop) -> Result<Verdict, HostKeyError> {
        let why = match self.known.accept(&self.host, key, self.hash_names, deadline, stop) {
            Ok(verdict) => return Ok(verdict),
            Err(WaitError::Stopped) => return Err(HostKeyError::Stopped),
            Err(WaitError::Deadline) => "another program holds its lock".to_string(),
            Err(WaitError::Io(error)) => match error.kind() {
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                    format!("{error}: make it writable, or name another file first with --known-hosts")
                }
                _ => error.to_string(),
            },
            Err(WaitError::Ssh(error)) => error.to_string(),
        };
        let (name, file) = (self.host.name(), self.known.accept_file());
        Err(HostKeyError::Refused(format!("cannot store the host key of {name:?} in {file}: {why}")))
    }

    /// Returns the pinned keys as lines of a known_hosts file, for ssh to use instead of its own files.
    pub fn pinned_lines(&self) -> Option<String> {
        self.pinned.map(|keys| keys.known_hosts(&self.host.lookup_name()))
    }

    /// Returns the options of ssh that make it decide in the same way. It searches known_hosts for the address only, so it
    /// needs a HostKeyAlias for a host that is known by its name.
    pub fn ssh_options(&self) -> Vec<String> {
        let mut options = Vec::new();
        // `ask` would fail without a message, because ssh cannot ask.
        if self.pinned.is_some() || self.policy == HostKeyPolicy::Strict {
            options.push("StrictHostKeyChecking=yes".to_string());
        }
        let alias = match self.host.names[..] {
            _ if self.pinned.is_some() => Some(self.host.lookup_name()),
            // Certificates are for names without ports.
            [name, address] if self.matches.has_authority_for(name) && !self.matches.has_authority_for(address) => {
                Some(name.to_string())
            }
            [name, address] => {
                let is_new = self.policy == HostKeyPolicy::AcceptNew && !self.matches.has_key_for(address);
                (is_new || self.matches.has_key_for(name)).then(|| self.host.lookup_name())
            }
            _ => None,
        };
        options.extend(alias.map(|alias| format!("HostKeyAlias={alias}")));
        options
    }
}

fn revoked(key: &[u8], place: &str) -> String {
    format!("the host key {} is revoked by {place}: create a new key on the host", fingerprint(key))
}

/// In seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Returns the algorithms to offer, as a list for libssh2. Certificates come first if an authority is known that may have
/// signed them. Otherwise they are left out, because they would prove nothing. The types of known keys come next, because
/// a key of another type looks like a changed host. DSA is left out, and RSA certificates with SHA-1.
pub fn host_key_algorithms(supported: &[&str], query: &HostKeyQuery<'_>) -> String {
    let is_known = |name: &str| {
        let of_key = name.strip_suffix("-cert-v01@openssh.com").unwrap_or(name);
        match of_key {
            "rsa-sha2-512" | "rsa-sha2-256" => query.types.contains(&"ssh-rsa"),
            name => query.types.contains(&name),
        }
    };
    let mut algorithms: Vec<&str> = supported.to_vec();
    algorithms.retain(|name| {
        if is_certificate(name) { query.certificates && !name.starts_with("ssh-rsa-") } else { *name != "ssh-dss" }
    });
    if let Some(allowed) = query.allowed {
        algorithms.retain(|name| allowed.split(',').any(|allowed| allowed == *name));
    }
    // The sort is stable, so libssh2's order stays within each part.
    algorithms.sort_by_key(|name| (!is_certificate(name), !is_known(name)));
    algorithms.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known_hosts::KnownHostsStore;
    use base64::prelude::{BASE64_STANDARD, Engine};
    use cerveza_record::{Record, json};
    use std::fs;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};
    use std::time::Duration;
    use tempfile::TempDir;

    /// A folder where ssh-keygen makes keys and certificates.
    struct Keys(TempDir);

    impl Keys {
        fn new() -> Keys {
            Keys(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn keygen(&self, args: &[&str]) {
            let mut keygen = Command::new("ssh-keygen");
            let output = keygen.arg("-q").args(args).current_dir(self.0.path()).stdin(Stdio::null()).output().unwrap();
            assert!(output.status.success(), "{args:?}: {output:?}");
        }

        /// Makes a key and returns its line of a .pub file.
        fn key(&self, name: &str, kind: &[&str]) -> String {
            self.keygen(&[&["-N", "", "-C", "c", "-f", name, "-t"], kind].concat());
            fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap()
        }

        /// Signs the key `name` by `ca` and returns the certificate as the host would show it.
        fn sign(&self, ca: &str, name: &str, args: &[&str]) -> Vec<u8> {
            self.keygen(&[&["-s", ca, "-I", "id"], args, &[&format!("{name}.pub")]].concat());
            blob(&fs::read_to_string(self.path(&format!("{name}-cert.pub"))).unwrap())
        }

        fn known(&self, lines: &str) -> KnownHosts {
            let file = self.path("known_hosts");
            fs::write(&file, lines).unwrap();
            KnownHostsStore::default()
                .view(std::slice::from_ref(&file), true, Some(&file), |warning| panic!("{warning}"))
                .unwrap()
        }
    }

    fn blob(line: &str) -> Vec<u8> {
        BASE64_STANDARD.decode(line.split(' ').nth(1).unwrap()).unwrap()
    }

    fn decide(verifier: &HostKeyVerifier<'_>, shown: &[u8]) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(5);
        match verifier.check(Some(shown), deadline, &Stop::new().unwrap()) {
            Ok(()) => Ok(()),
            Err(HostKeyError::Refused(error)) => Err(error),
            Err(HostKeyError::Stopped) => panic!("nobody stopped it"),
        }
    }

    fn check(known: &KnownHosts, shown: &[u8]) -> Result<(), String> {
        let host = HostId::new("web1.example", "10.0.0.1", 2222);
        decide(&HostKeyVerifier::new(host, known, None, HostKeyPolicy::Strict, false), shown)
    }

    const HOST: [&str; 3] = ["-h", "-n", "web1.example"];

    #[test]
    fn an_authority_of_any_type_makes_a_key_of_any_type_known() {
        let keys = Keys::new();
        let hosts = [&["ed25519"][..], &["ecdsa"], &["ecdsa", "-b", "384"], &["rsa", "-b", "2048"]];
        let hosts = hosts.map(|kind| (format!("host-{}", kind.concat()), kind));
        for (name, kind) in &hosts {
            keys.key(name, kind);
        }
        for (ca, kind, how) in [
            ("ed", &["ed25519"][..], &[][..]),
            ("p256", &["ecdsa"], &[]),
            ("p384", &["ecdsa", "-b", "384"], &[]),
            ("p521", &["ecdsa", "-b", "521"], &[]),
            ("rsa", &["rsa", "-b", "2048"], &["-t", "rsa-sha2-512"]),
            ("rsa256", &["rsa", "-b", "2048"], &["-t", "rsa-sha2-256"]),
        ] {
            let line = keys.key(ca, kind);
            let known = keys.known(&format!("@cert-authority *.example,10.0.0.* {line}"));
            for (name, _) in &hosts {
                let mut certificate = keys.sign(ca, name, &[&HOST, how].concat());
                assert_eq!(check(&known, &certificate), Ok(()), "{ca} {name}");
                // One byte of the principal's name.
                let at = certificate.windows(4).position(|window| window == b"web1").unwrap();
                certificate[at] ^= 1;
                let error = check(&known, &certificate).unwrap_err();
                assert!(error.contains("its signature by SHA256:"), "{error}");
            }
        }
    }

    #[test]
    fn the_error_names_the_rule_that_a_certificate_breaks() {
        let keys = Keys::new();
        let (ca, other) = (keys.key("ca", &["ed25519"]), keys.key("other", &["ed25519"]));
        keys.key("host", &["ed25519"]);
        keys.key("rsa", &["rsa", "-b", "2048"]);
        let rsa = fs::read_to_string(keys.path("rsa.pub")).unwrap();
        let known = keys.known(&format!("@cert-authority *.example {ca}@cert-authority *.example {rsa}"));
        let long_ago = ["-V", "20200101000000:20210101000000"];
        let not_yet = ["-V", "20900101000000:20910101000000"];
        for (signer, args, why) in [
            ("ca", &[&HOST[..], &long_ago].concat()[..], "it expired on 202"),
            ("ca", &[&HOST[..], &not_yet].concat(), "it is not valid before 20"),
            ("ca", &["-h", "-n", "a,b"], "\"web1.example\" is not among its principals \"a\", \"b\""),
            // The authority speaks for the name, not for the address.
            ("ca", &["-h", "-n", "10.0.0.1"], "\"web1.example\" is not among its principals"),
            ("ca", &["-h", "-n", "p1,p2,p3,p4,p5,p6,p7,p8"], "\"p6\" and 2 more"),
            ("ca", &["-h"], "it names no principals"),
            ("ca", &["-n", "web1.example"], "it is a user's certificate"),
            ("other", &HOST, "which no @cert-authority line trusts"),
            ("rsa", &[&HOST[..], &["-t", "ssh-rsa"]].concat(), "made with SHA-1"),
        ] {
            let error = check(&known, &keys.sign(signer, "host", args)).unwrap_err();
            assert!(error.contains(why), "{why}: {error}");
            assert!(error.contains("the host key SHA256:"), "{error}");
        }
        assert!(!other.is_empty());
        for principals in ["*.example", "x,WEB1.example"] {
            assert_eq!(check(&known, &keys.sign("ca", "host", &["-h", "-n", principals])), Ok(()));
        }
    }

    #[test]
    fn revoked_keys_and_authorities_are_always_refused() {
        let keys = Keys::new();
        let (ca, host) = (keys.key("ca", &["ed25519"]), keys.key("host", &["ed25519"]));
        let certificate = keys.sign("ca", "host", &HOST);
        let trusted = format!("@cert-authority * {ca}web1.example {host}");
        for (revoked, why) in [(&ca, "by the CA SHA256:"), (&host, "the host key SHA256:")] {
            let error = check(&keys.known(&format!("{trusted}@revoked * {revoked}")), &certificate).unwrap_err();
            assert!(
                error.contains(why) && error.contains("is revoked by") && error.contains("known_hosts:3"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_key_is_known_without_its_certificate_too() {
        let keys = Keys::new();
        let (ca, host) = (keys.key("ca", &["ed25519"]), keys.key("host", &["ed25519"]));
        let certificate = keys.sign("ca", "host", &["-h", "-n", "other"]);
        let authority = format!("@cert-authority * {ca}");
        assert_eq!(check(&keys.known(&format!("{authority}[web1.example]:2222 {host}")), &certificate), Ok(()));
        assert_eq!(check(&keys.known(&format!("web1.example {host}")), &certificate), Ok(()));
        let error = check(&keys.known(&format!("{authority}[web1.example]:2222 {ca}")), &certificate).unwrap_err();
        assert!(error.contains("is not the one of") && error.contains("is among its principals \"other\""), "{error}");
        // First contact keeps the key itself.
        let known = keys.known(&authority);
        let accept = HostKeyVerifier::new(HostId::alias("web1"), &known, None, HostKeyPolicy::AcceptNew, false);
        assert_eq!(decide(&accept, &certificate), Ok(()));
        let kept = format!("{authority}web1 {}\n", host.trim_end().trim_end_matches(" c"));
        assert_eq!(fs::read_to_string(keys.path("known_hosts")).unwrap(), kept);
    }

    #[test]
    fn a_damaged_certificate_is_refused() {
        let keys = Keys::new();
        let ca = keys.key("ca", &["ecdsa"]);
        keys.key("host", &["ecdsa"]);
        let certificate = keys.sign("ca", "host", &HOST);
        let known = keys.known(&format!("@cert-authority * {ca}"));
        assert_eq!(check(&known, &certificate), Ok(()));
        for len in 0..certificate.len() {
            assert!(check(&known, &certificate[..len]).is_err(), "{len}");
        }
        for at in 0..certificate.len() {
            let mut certificate = certificate.clone();
            certificate[at] ^= 0x80;
            assert!(check(&known, &certificate).is_err(), "{at}");
        }
        assert!(check(&known, &[certificate.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn the_keys_of_a_record_decide_under_every_policy() {
        let keys = Keys::new();
        let (one, two) = (keys.key("one", &["ed25519"]), keys.key("two", &["ecdsa"]));
        let record = |lines: &[&String]| {
            let mut record = Record::named("web1");
            record.set("host_keys", json!(lines));
            HostKeys::from_record(&record).unwrap().unwrap()
        };
        let pinned = record(&[&one]);
        let known = keys.known(&format!("web1 {two}"));
        for policy in [HostKeyPolicy::Strict, HostKeyPolicy::AcceptNew, HostKeyPolicy::Off] {
            let verifier = HostKeyVerifier::new(HostId::alias("web1"), &known, Some(&pinned), policy, false);
            assert_eq!(verifier.query().types, ["ssh-ed25519"]);
            assert_eq!(decide(&verifier, &blob(&one)), Ok(()));
            let error = decide(&verifier, &blob(&two)).unwrap_err();
            assert!(error.contains("is not the one of the record's host_keys") && error.contains("correct"), "{error}");
        }
        let revoking = keys.known(&format!("@revoked * {one}"));
        let verifier =
            HostKeyVerifier::new(HostId::alias("web1"), &revoking, Some(&pinned), HostKeyPolicy::Strict, false);
        assert!(decide(&verifier, &blob(&one)).unwrap_err().contains("is revoked by"));
        let none = KnownHosts::default();
        let off = HostKeyVerifier::new(HostId::alias("web1"), &none, None, HostKeyPolicy::Off, false);
        assert_eq!(decide(&off, &blob(&one)), Ok(()));
    }

    #[test]
    fn ssh_searches_the_name_or_the_address_by_which_the_host_is_known() {
        let keys = Keys::new();
        let key = keys.key("key", &["ed25519"]);
        let options = |lines: &str, policy, pinned: Option<&HostKeys>| {
            let known = keys.known(lines);
            let host = HostId::new("Web1", "10.0.0.1", 2222);
            HostKeyVerifier::new(host, &known, pinned, policy, false).ssh_options().join(" ")
        };
        let accept = |lines: &str| options(lines, HostKeyPolicy::AcceptNew, None);
        assert_eq!(accept(&format!("[web1]:2222 {key}[10.0.0.1]:2222 {key}")), "HostKeyAlias=[web1]:2222");
        assert_eq!(accept(&format!("[10.0.0.1]:2222 {key}")), "");
        assert_eq!(accept(""), "HostKeyAlias=[web1]:2222");
        assert_eq!(accept(&format!("@cert-authority web1 {key}")), "HostKeyAlias=Web1");
        assert_eq!(options("", HostKeyPolicy::Strict, None), "StrictHostKeyChecking=yes");
        assert_eq!(options("", HostKeyPolicy::Off, None), "");
        let mut record = Record::named("web1");
        record.set("host_keys", json!([key]));
        let pinned = HostKeys::from_record(&record).unwrap().unwrap();
        let options = options("", HostKeyPolicy::Off, Some(&pinned));
        assert_eq!(options, "StrictHostKeyChecking=yes HostKeyAlias=[web1]:2222");
    }

    #[test]
    fn algorithms_of_known_keys_come_first_and_certificates_where_an_authority_is_known() {
        let supported = [
            "ssh-ed25519-cert-v01@openssh.com",
            "rsa-sha2-512-cert-v01@openssh.com",
            "ssh-rsa-cert-v01@openssh.com",
            "ssh-ed25519",
            "ecdsa-sha2-nistp256",
            "rsa-sha2-512",
            "rsa-sha2-256",
            "ssh-rsa",
            "ssh-dss",
        ];
        let order = |types: &[&str], certificates| {
            host_key_algorithms(&supported, &HostKeyQuery { types: types.to_vec(), certificates, allowed: None })
        };
        assert_eq!(order(&[], false), "ssh-ed25519,ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256,ssh-rsa");
        assert_eq!(order(&["ssh-rsa"], false), "rsa-sha2-512,rsa-sha2-256,ssh-rsa,ssh-ed25519,ecdsa-sha2-nistp256");
        assert_eq!(
            order(&["ssh-rsa"], true),
            "rsa-sha2-512-cert-v01@openssh.com,ssh-ed25519-cert-v01@openssh.com,\
             rsa-sha2-512,rsa-sha2-256,ssh-rsa,ssh-ed25519,ecdsa-sha2-nistp256"
        );
    }
}
