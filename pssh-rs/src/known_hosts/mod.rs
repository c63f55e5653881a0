//! The keys that hosts are known by: read once from known_hosts files, asked for every host, added to on first contact.

mod accept;
mod entry;

use accept::AcceptFile;
use cerveza_manners::{Failure, Result};
use entry::{Entry, Marker, parse};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

/// What known_hosts says of the key that a host showed. A place is `FILE:LINE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Known,
    Unknown,
    /// The host is known by another key.
    Changed {
        place: String,
    },
    Revoked {
        place: String,
    },
}

#[derive(Debug, Default)]
pub struct KnownHosts {
    entries: Vec<Entry>,
    /// Entries by each plain name in them: a file of thousands of hosts costs no scan a host.
    exact: HashMap<String, Vec<usize>>,
    /// Entries with wildcards or a hashed name.
    matched: Vec<usize>,
    accept: Option<AcceptFile>,
}

impl KnownHosts {
    /// Reads the files. One that is missing is skipped, unless `required`. Lines that are not understood are given to
    /// `warn`, save a `@revoked` one: who ignores it might trust what was revoked.
    pub fn read(files: &[PathBuf], required: bool, mut warn: impl FnMut(String)) -> Result<KnownHosts> {
        let mut known = KnownHosts::default();
        for file in files {
            match std::fs::read(file) {
                Ok(bytes) => known.take(&file.display().to_string(), &String::from_utf8_lossy(&bytes), &mut warn)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound && !required => {}
                Err(error) => {
                    let failure =
                        Failure::usage(format!("cannot read the known_hosts file {}: {error}", file.display()));
                    return Err(match error.kind() {
                        io::ErrorKind::NotFound => failure.hint("--host-key accept-new makes it on first contact"),
                        _ => failure,
                    });
                }
            }
        }
        Ok(known)
    }

    /// Lets unknown keys be accepted and added to `file`, which is made if need be.
    pub fn accept_into(&mut self, file: &Path) -> Result<()> {
        let accept = AcceptFile::open(file).map_err(|error| {
            Failure::usage(format!("cannot write to the known_hosts file {}: {error}", file.display()))
        })?;
        self.accept = Some(accept);
        Ok(())
    }

    fn take(&mut self, file: &str, text: &str, warn: &mut impl FnMut(String)) -> Result<()> {
        let (mut bad, mut first_bad) = (0, 0);
        for (number, line) in text.lines().enumerate() {
            let number = number + 1;
            match parse(line, || format!("{file}:{number}")) {
                Ok(Some(entry)) => self.add(entry),
                Ok(None) => {}
                Err(()) if line.trim_start().starts_with("@revoked") => {
                    return Err(Failure::usage(format!("{file}:{number}: a @revoked line that is not understood"))
                        .hint("correct or remove the line: its key must not be trusted"));
                }
                Err(()) => {
                    bad += 1;
                    first_bad = if first_bad == 0 { number } else { first_bad };
                }
            }
        }
        match bad {
            0 => {}
            1 => warn(format!("{file}:{first_bad}: a line that is not understood is skipped")),
            more => {
                warn(format!("{file}:{first_bad}: this line and {} more that are not understood are skipped", more - 1))
            }
        }
        Ok(())
    }

    fn add(&mut self, entry: Entry) {
        let at = self.entries.len();
        match entry.plain_names() {
            Some(names) => {
                for name in names {
                    self.exact.entry(name).or_default().push(at);
                }
            }
            None => self.matched.push(at),
        }
        self.entries.push(entry);
    }

    /// The entries for a name as [`lookup_name`] spells it, in file order. Of no use are certificate authorities:
    /// libssh2 takes no host certificates.
    fn entries_for(&self, name: &str) -> Vec<&Entry> {
        let exact = self.exact.get(name).into_iter().flatten();
        let matched = self.matched.iter().filter(|at| self.entries[**at].matches(name));
        let mut found: Vec<usize> = exact.chain(matched).copied().collect();
        found.sort_unstable();
        found.dedup();
        let entries = found.into_iter().map(|at| &self.entries[at]);
        entries.filter(|entry| entry.marker != Marker::CertAuthority).collect()
    }

    /// Judges the key of a host that goes by `names` (its name and its address). Known by one of them is known; another
    /// key under any of them is a changed host; a revoked key is refused whatever else is written.
    pub fn judge(&self, names: &[&str], port: u16, key: &[u8]) -> Verdict {
        let (mut known, mut changed) = (false, None);
        for name in names {
            let of_port = self.entries_for(&lookup_name(name, port));
            // A line without a port speaks for the port that has no line of its own, but never against a key there.
            let of_name = match port {
                22 => Vec::new(),
                _ => self.entries_for(&lookup_name(name, 22)),
            };
            let revoked = |entry: &&&Entry| entry.marker == Marker::Revoked && entry.key == key;
            if let Some(entry) = of_port.iter().chain(&of_name).find(revoked) {
                return Verdict::Revoked { place: entry.place.clone() };
            }
            let plain = |entry: &&&Entry| entry.marker == Marker::None;
            if of_port.iter().filter(plain).any(|entry| entry.key == key) {
                known = true;
            } else if let Some(entry) = of_port.iter().find(plain) {
                changed.get_or_insert_with(|| entry.place.clone());
            } else if of_name.iter().filter(plain).any(|entry| entry.key == key) {
                known = true;
            }
        }
        match (changed, known) {
            (Some(place), _) => Verdict::Changed { place },
            (None, true) => Verdict::Known,
            (None, false) => Verdict::Unknown,
        }
    }

    /// The types of the keys that the host is known by (`ssh-ed25519`): it must be asked for one of these first, else a
    /// key of another type looks like a changed host.
    pub fn key_types(&self, names: &[&str], port: u16) -> Vec<&str> {
        let mut types = Vec::new();
        let mut seen = HashSet::new();
        for lookup in names.iter().flat_map(|name| [lookup_name(name, port), lookup_name(name, 22)]) {
            for entry in self.entries_for(&lookup) {
                if entry.marker == Marker::None && seen.insert(entry.key_type()) {
                    types.push(entry.key_type());
                }
            }
        }
        types
    }

    /// Accepts an unknown key on first contact. `Changed` when another key was accepted for the name meanwhile.
    pub fn accept(&self, name: &str, port: u16, key: &[u8]) -> io::Result<Verdict> {
        match &self.accept {
            Some(accept) => accept.add(&lookup_name(name, port), key),
            None => Ok(Verdict::Unknown),
        }
    }
}

/// A name as known_hosts spells it.
fn lookup_name(name: &str, port: u16) -> String {
    let name = name.to_lowercase();
    match port {
        22 => name,
        _ => format!("[{name}]:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::{BASE64_STANDARD, Engine};

    const A: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";
    const B: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn judge(lines: &str, names: &[&str], port: u16, key: &str) -> Verdict {
        let lines = lines.replace("KEY-A", &format!("ssh-ed25519 {A}")).replace("KEY-B", &format!("ssh-ed25519 {B}"));
        let mut known = KnownHosts::default();
        known.take("f", &lines, &mut |warning| panic!("{warning}")).unwrap();
        known.judge(names, port, &BASE64_STANDARD.decode(key).unwrap())
    }

    fn at(line: usize) -> String {
        format!("f:{line}")
    }

    #[test]
    fn a_name_or_its_address_is_enough_and_a_mismatch_on_either_is_not() {
        assert_eq!(judge("web1 KEY-A\n", &["web1", "10.0.0.1"], 22, A), Verdict::Known);
        assert_eq!(judge("10.0.0.1 KEY-A\n", &["web1", "10.0.0.1"], 22, A), Verdict::Known);
        assert_eq!(
            judge("\nweb1 KEY-A\n10.0.0.1 KEY-B\n", &["web1", "10.0.0.1"], 22, A),
            Verdict::Changed { place: at(3) }
        );
        assert_eq!(judge("web2 KEY-A\n", &["web1", "10.0.0.1"], 22, A), Verdict::Unknown);
        assert_eq!(judge("web1 KEY-B\nweb1 KEY-A\n", &["web1"], 22, A), Verdict::Known);
    }

    #[test]
    fn a_port_has_its_own_lines_and_falls_back_to_those_without_one() {
        assert_eq!(judge("[web1]:2222 KEY-A\n", &["web1"], 2222, A), Verdict::Known);
        assert_eq!(judge("[web1]:2222 KEY-A\n", &["web1"], 22, A), Verdict::Unknown);
        assert_eq!(judge("web1 KEY-A\n", &["web1"], 2222, A), Verdict::Known);
        assert_eq!(judge("web1 KEY-B\n", &["web1"], 2222, A), Verdict::Unknown);
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
    fn revoked_beats_known_and_authorities_are_ignored() {
        assert_eq!(judge("web1 KEY-A\n@revoked * KEY-A\n", &["web1"], 22, A), Verdict::Revoked { place: at(2) });
        assert_eq!(judge("web1 KEY-A\n@revoked * KEY-B\n", &["web1"], 22, A), Verdict::Known);
        assert_eq!(judge("@cert-authority * KEY-B\n", &["web1"], 22, A), Verdict::Unknown);
    }

    #[test]
    fn a_line_not_understood_is_said_and_a_revoked_one_ends_the_run() {
        let mut said = Vec::new();
        let mut known = KnownHosts::default();
        known
            .take("f", &format!("# x\nweb1\nweb1 ssh-ed25519 !!\nweb2\tssh-ed25519  {A} c\n"), &mut |warning| {
                said.push(warning)
            })
            .unwrap();
        assert_eq!(said, ["f:2: this line and 1 more that are not understood are skipped"]);
        assert_eq!(known.key_types(&["web2"], 22), ["ssh-ed25519"]);
        let failure = known.take("f", "@revoked * nonsense\n", &mut |_| {}).unwrap_err();
        assert_eq!(failure.message, "f:1: a @revoked line that is not understood");
    }
}
