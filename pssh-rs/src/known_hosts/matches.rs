//! What the known_hosts files say about one host, and about the key that it shows.

use super::certificate::Certificate;
use super::entry::{Entry, Marker};
use super::index::Index;
use super::pinned::HostKeys;
use crate::base::key_blob::{fingerprint, key_type};

/// A host as known_hosts may name it: by its name or its address, either of which is enough.
#[derive(Clone, Debug)]
pub struct HostId<'a> {
    pub names: Vec<&'a str>,
    pub port: u16,
}

impl<'a> HostId<'a> {
    pub fn new(name: &'a str, address: &'a str, port: u16) -> HostId<'a> {
        let names = if name.eq_ignore_ascii_case(address) { vec![name] } else { vec![name, address] };
        HostId { names, port }
    }

    /// A host with a HostKeyAlias, which replaces its name, address and port.
    pub fn alias(alias: &'a str) -> HostId<'a> {
        HostId { names: vec![alias], port: 22 }
    }

    /// The first of its names.
    pub fn name(&self) -> &'a str {
        self.names.first().copied().unwrap_or_default()
    }

    /// Returns its first name as known_hosts spells it.
    pub fn lookup_name(&self) -> String {
        lookup_name(self.name(), self.port)
    }
}

/// What is known of the key that a host showed. A place is `FILE:LINE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Known,
    Unknown,
    /// The host is known by another key.
    Changed {
        place: String,
        known_type: String,
    },
    Revoked {
        place: String,
    },
}

/// The lines that match one host.
#[derive(Debug, Default)]
pub struct KnownHostMatches<'a> {
    names: Vec<NameMatches<'a>>,
    revoked: Vec<&'a Entry>,
    /// Certificate authorities, each with the host's name for which it is trusted.
    authorities: Vec<(&'a str, &'a Entry)>,
}

/// The keys that one of a host's names is known by.
#[derive(Debug)]
struct NameMatches<'a> {
    name: &'a str,
    entries: Vec<&'a Entry>,
    /// Whether any other key is a changed one.
    binding: bool,
}

impl<'a> KnownHostMatches<'a> {
    /// Searches the files, in their order. Done once for each host, because hashed names make it slow.
    pub fn find<'b>(host: &HostId<'a>, files: impl Iterator<Item = &'a Index> + Clone) -> KnownHostMatches<'a> {
        let mut matches = KnownHostMatches::default();
        let entries = |name: &str, port| {
            let name = lookup_name(name, port);
            files.clone().flat_map(move |file| file.entries_for(&name)).collect::<Vec<_>>()
        };
        for name in &host.names {
            let with_port = matches.sort_by_marker(name, entries(name, host.port));
            let without_port =
                if host.port == 22 { Vec::new() } else { matches.sort_by_marker(name, entries(name, 22)) };
            // A line without a port makes a key known on any port, but no key changed on another port.
            let binding = !with_port.is_empty();
            let entries = if binding { with_port } else { without_port };
            matches.names.push(NameMatches { name, entries, binding });
        }
        matches
    }

    /// Replaces all but the revoked keys by the keys of the host's record.
    pub fn pin(&mut self, keys: &'a HostKeys) {
        self.names = vec![NameMatches { name: "", entries: keys.0.iter().collect(), binding: true }];
        self.authorities.clear();
    }

    /// Keeps the revoked keys and the authorities. Returns the hosts' own keys.
    fn sort_by_marker(&mut self, name: &'a str, entries: Vec<&'a Entry>) -> Vec<&'a Entry> {
        let mut own = Vec::new();
        for entry in entries {
            match entry.marker {
                Marker::None => own.push(entry),
                Marker::Revoked => self.revoked.push(entry),
                Marker::CertAuthority => self.authorities.push((name, entry)),
            }
        }
        own
    }

    /// Returns the place of the line that revokes a key, which may also be an authority's.
    pub fn revoked(&self, key: &[u8]) -> Option<&'a str> {
        self.revoked.iter().find(|entry| entry.key == key).map(|entry| entry.place.as_str())
    }

    /// Judges a key. One name that knows it is enough. If any name is known by other keys only, the host has changed. A
    /// revoked key is refused in any case.
    pub fn judge(&self, key: &[u8]) -> Verdict {
        if let Some(place) = self.revoked(key) {
            return Verdict::Revoked { place: place.to_string() };
        }
        let mut verdict = Verdict::Unknown;
        for NameMatches { entries, binding, .. } in &self.names {
            let of_type = || entries.iter().find(|entry| entry.key_type() == key_type(key));
            if entries.iter().any(|entry| entry.key == key) {
                verdict = Verdict::Known;
            } else if let Some(entry) = of_type().or(entries.first()).filter(|_| *binding) {
                return Verdict::Changed { place: entry.place.clone(), known_type: entry.key_type().to_string() };
            }
        }
        verdict
    }

    /// Checks whether a certificate makes its key known. An error says why not. That neither key is revoked has to be
    /// checked before.
    pub fn certify(&self, certificate: &Certificate, now: u64) -> Result<(), String> {
        let trusting = self.authorities.iter().filter(|(_, entry)| entry.key == certificate.authority);
        let mut names: Vec<&str> = trusting.map(|(name, _)| *name).collect();
        names.dedup();
        if names.is_empty() {
            let authority = fingerprint(&certificate.authority);
            return Err(format!(
                "it is signed by the CA {authority}, which no @cert-authority line trusts for this host"
            ));
        }
        certificate.check(&names, now)
    }

    /// Whether the host may prove itself by a certificate.
    pub fn has_authorities(&self) -> bool {
        !self.authorities.is_empty()
    }

    /// Whether a certificate authority is trusted for this name.
    pub fn has_authority_for(&self, name: &str) -> bool {
        self.authorities.iter().any(|(trusting, _)| *trusting == name)
    }

    /// Whether the host is known by this name.
    pub fn has_key_for(&self, name: &str) -> bool {
        self.names.iter().any(|known| known.name == name && !known.entries.is_empty())
    }

    /// Returns the place of the line that makes a key the host's own, or an authority's.
    pub fn place_of(&self, key: &[u8]) -> Option<&'a str> {
        let own = self.names.iter().flat_map(|name| &name.entries).copied();
        let authorities = self.authorities.iter().map(|(_, entry)| *entry);
        own.chain(authorities).find(|entry| entry.key == key).map(|entry| entry.place.as_str())
    }

    /// Returns the types of the keys that the host is known by (`ssh-ed25519`), as far as its names agree. The host must
    /// be asked for these first, because a key of another type looks like a changed host.
    pub fn key_types(&self) -> Vec<&'a str> {
        let (binding, other): (Vec<_>, Vec<_>) = self.names.iter().partition(|name| name.binding);
        let mut types: Vec<&str> = Vec::new();
        for name in binding.into_iter().chain(other) {
            let mut of_name: Vec<&str> = name.entries.iter().map(|entry| entry.key_type()).collect();
            of_name.dedup();
            let agreed: Vec<&str> = types.iter().copied().filter(|name| of_name.contains(name)).collect();
            if types.is_empty() {
                types = of_name;
            } else if !agreed.is_empty() {
                types = agreed;
            }
        }
        types
    }
}

/// Returns a name as known_hosts spells it.
fn lookup_name(name: &str, port: u16) -> String {
    let name = name.to_lowercase();
    if port == 22 { name } else { format!("[{name}]:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::{BASE64_STANDARD, Engine};

    const A: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";
    const B: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const RSA: &str = "AAAAB3NzaC1yc2EAAAADAQABAAAAAgEB";

    fn index(lines: &str) -> Index {
        let lines = lines.replace("KEY-A", &format!("ssh-ed25519 {A}")).replace("KEY-B", &format!("ssh-ed25519 {B}"));
        let lines = lines.replace("KEY-RSA", &format!("ssh-rsa {RSA}"));
        let mut index = Index::default();
        index.read_lines(&lines, at, |warning| panic!("{warning}")).unwrap();
        index
    }

    fn judge(lines: &str, names: &[&str], port: u16, key: &str) -> Verdict {
        KnownHostMatches::find(&HostId { names: names.to_vec(), port }, [&index(lines)].into_iter()).judge(&decode(key))
    }

    fn decode(key: &str) -> Vec<u8> {
        BASE64_STANDARD.decode(key).unwrap()
    }

    fn at(line: usize) -> String {
        format!("f:{line}")
    }

    fn changed(line: usize) -> Verdict {
        Verdict::Changed { place: at(line), known_type: "ssh-ed25519".to_string() }
    }

    #[test]
    fn a_name_or_its_address_is_enough_and_a_mismatch_on_either_is_not() {
        assert_eq!(judge("web1 KEY-A\n", &["web1", "10.0.0.1"], 22, A), Verdict::Known);
        assert_eq!(judge("10.0.0.1 KEY-A\n", &["web1", "10.0.0.1"], 22, A), Verdict::Known);
        assert_eq!(judge("\nweb1 KEY-A\n10.0.0.1 KEY-B\n", &["web1", "10.0.0.1"], 22, A), changed(3));
        assert_eq!(judge("web2 KEY-A\n", &["web1", "10.0.0.1"], 22, A), Verdict::Unknown);
        assert_eq!(judge("web1 KEY-B\nweb1 KEY-A\n", &["web1"], 22, A), Verdict::Known);
        // The line of the key's own type is the one to look at.
        assert_eq!(judge("web1 KEY-RSA\nweb1 KEY-B\n", &["web1"], 22, A), changed(2));
    }

    #[test]
    fn a_port_has_its_own_lines_and_falls_back_to_those_without_one() {
        assert_eq!(judge("[web1]:2222 KEY-A\n", &["web1"], 2222, A), Verdict::Known);
        assert_eq!(judge("[web1]:2222 KEY-A\n", &["web1"], 22, A), Verdict::Unknown);
        assert_eq!(judge("web1 KEY-A\n", &["web1"], 2222, A), Verdict::Known);
        assert_eq!(judge("web1 KEY-B\n", &["web1"], 2222, A), Verdict::Unknown);
        assert_eq!(judge("web1 KEY-A\n[web1]:2222 KEY-B\n", &["web1"], 2222, A), changed(2));
    }

    #[test]
    fn the_types_asked_for_are_those_of_the_lines_that_count() {
        let types = |lines: &str, port| {
            let host = HostId::new("web1", "10.0.0.1", port);
            KnownHostMatches::find(&host, [&index(lines)].into_iter()).key_types().join(" ")
        };
        assert_eq!(types("web1 KEY-A\nweb1 KEY-RSA\n", 22), "ssh-ed25519 ssh-rsa");
        // The line without a port does not count beside one with it.
        assert_eq!(types("web1 KEY-A\n[web1]:2222 KEY-RSA\n", 2222), "ssh-rsa");
        assert_eq!(types("web1 KEY-A\n", 2222), "ssh-ed25519");
        // A type that only one of the names knows would look changed under the other.
        assert_eq!(types("[web1]:2222 KEY-RSA\n[10.0.0.1]:2222 KEY-A\n[10.0.0.1]:2222 KEY-RSA\n", 2222), "ssh-rsa");
        assert_eq!(types("web1 KEY-A\n[10.0.0.1]:2222 KEY-RSA\n", 2222), "ssh-rsa");
        assert_eq!(types("web1 KEY-A\n10.0.0.1 KEY-RSA\n", 22), "ssh-ed25519");
        assert_eq!(types("@revoked web1 KEY-A\n", 22), "");
    }

    #[test]
    fn wildcards_negation_and_case() {
        let lines = "*.example.com,!bad.example.com,10.0.0.? KEY-A\n";
        assert_eq!(judge(lines, &["Web1.Example.COM"], 22, A), Verdict::Known);
        assert_eq!(judge(lines, &["bad.example.com"], 22, A), Verdict::Unknown);
        assert_eq!(judge(lines, &["10.0.0.7"], 22, A), Verdict::Known);
        assert_eq!(judge(lines, &["10.0.0.70"], 22, A), Verdict::Unknown);
        assert_eq!(judge("[*]:2222 KEY-A\n", &["any"], 2222, A), Verdict::Known);
    }

    #[test]
    fn a_hashed_name_is_found() {
        // As ssh-keygen -H wrote it for web1.
        let line = format!("|1|m96vjFJAxbEhxrIZ7rdq99MqxDo=|3f4pYt18WTtcjbQyec/gL32V/BY= ssh-ed25519 {A}\n");
        assert_eq!(judge(&line, &["web1"], 22, A), Verdict::Known);
        assert_eq!(judge(&line, &["web2"], 22, A), Verdict::Unknown);
    }

    #[test]
    fn revoked_beats_known_and_an_authority_is_no_key_of_a_host() {
        assert_eq!(judge("web1 KEY-A\n@revoked * KEY-A\n", &["web1"], 22, A), Verdict::Revoked { place: at(2) });
        assert_eq!(judge("[web1]:9 KEY-A\n@revoked * KEY-A\n", &["web1"], 9, A), Verdict::Revoked { place: at(2) });
        assert_eq!(judge("web1 KEY-A\n@revoked * KEY-B\n", &["web1"], 22, A), Verdict::Known);
        assert_eq!(judge("@cert-authority * KEY-B\n", &["web1"], 22, A), Verdict::Unknown);
    }

    #[test]
    fn files_keep_their_order_and_an_alias_has_no_port() {
        let (one, two) = (index("web1 KEY-RSA\n"), index("web1 KEY-B\n"));
        let found = KnownHostMatches::find(&HostId::alias("web1"), [&one, &two].into_iter());
        assert_eq!(found.key_types(), ["ssh-rsa", "ssh-ed25519"]);
        assert_eq!(found.judge(&decode(B)), Verdict::Known);
        assert_eq!(HostId::new("web1", "WEB1", 22).names, ["web1"]);
    }
}
