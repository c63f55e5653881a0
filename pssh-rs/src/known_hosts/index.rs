//! Known_hosts lines by the names they speak of, and what they say of one host.

use super::entry::{Entry, Marker, key_type, parse};
use cerveza_manners::{Failure, Result};
use std::collections::HashMap;

/// What known_hosts says of the key that a host showed. A place is `FILE:LINE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Known,
    Unknown,
    /// The host is known by another key, which is of this type.
    Changed {
        place: String,
        known_type: String,
    },
    Revoked {
        place: String,
    },
}

#[derive(Debug, Default)]
pub struct Index {
    entries: Vec<Entry>,
    /// Entries by each plain name in them: a file of thousands of hosts costs no scan a host.
    exact: HashMap<String, Vec<usize>>,
    /// Entries with wildcards or a hashed name.
    matched: Vec<usize>,
}

impl Index {
    /// Adds the lines of `text`. `place` tells where a line is by its number. Lines that are not understood are given to
    /// `warn`, save a `@revoked` one: who ignores it might trust what was revoked.
    pub fn take(&mut self, text: &str, place: impl Fn(usize) -> String, mut warn: impl FnMut(String)) -> Result<()> {
        let (mut bad, mut first_bad) = (0, String::new());
        for (number, line) in text.lines().enumerate() {
            let place = || place(number + 1);
            match parse(line, place) {
                Ok(Some(entry)) => self.add(entry),
                Ok(None) => {}
                Err(()) if line.trim_start().starts_with("@revoked") => {
                    return Err(Failure::usage(format!("{}: a @revoked line that is not understood", place()))
                        .hint("correct or remove the line: its key must not be trusted"));
                }
                Err(()) => {
                    bad += 1;
                    if bad == 1 {
                        first_bad = place();
                    }
                }
            }
        }
        match bad {
            0 => {}
            1 => warn(format!("{first_bad}: a line that is not understood is skipped")),
            more => warn(format!("{first_bad}: this line and {} more that are not understood are skipped", more - 1)),
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

    /// The entries for a name as [`lookup_name`] spells it, in file order.
    fn entries_for(&self, name: &str) -> Vec<&Entry> {
        let exact = self.exact.get(name).into_iter().flatten();
        let matched = self.matched.iter().filter(|at| self.entries[**at].matches(name));
        let mut found: Vec<usize> = exact.chain(matched).copied().collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|at| &self.entries[at]).collect()
    }

    /// What is written of a host that goes by `names` (its name and its address). Hashed names make this dear: it is
    /// asked once a host.
    pub fn find(&self, names: &[&str], port: u16) -> Found<'_> {
        let mut found = Found::default();
        for name in names {
            let mut of_port = found.sort_out(self.entries_for(&lookup_name(name, port)));
            let of_name = match port {
                22 => Vec::new(),
                _ => found.sort_out(self.entries_for(&lookup_name(name, 22))),
            };
            // A line without a port speaks for the port that has no line of its own, but never against a key there.
            let binding = !of_port.is_empty();
            if !binding {
                of_port = of_name;
            }
            found.names.push(Lines { entries: of_port, binding });
        }
        found
    }
}

/// What is written of one host.
#[derive(Debug, Default)]
pub struct Found<'a> {
    names: Vec<Lines<'a>>,
    revoked: Vec<&'a Entry>,
}

/// The lines that count for one of its names.
#[derive(Debug)]
struct Lines<'a> {
    entries: Vec<&'a Entry>,
    /// Whether a key that is not among them is a changed one.
    binding: bool,
}

impl<'a> Found<'a> {
    /// Keeps the revoked keys and gives the good ones. Of no use are certificate authorities: libssh2 takes no host
    /// certificates.
    fn sort_out(&mut self, entries: Vec<&'a Entry>) -> Vec<&'a Entry> {
        self.revoked.extend(entries.iter().filter(|entry| entry.marker == Marker::Revoked));
        entries.into_iter().filter(|entry| entry.marker == Marker::None).collect()
    }

    /// Judges a key. Known by one name is known; another key under any of them is a changed host; a revoked key is
    /// refused whatever else is written.
    pub fn judge(&self, key: &[u8]) -> Verdict {
        if let Some(entry) = self.revoked.iter().find(|entry| entry.key == key) {
            return Verdict::Revoked { place: entry.place.clone() };
        }
        let mut known = false;
        for lines in &self.names {
            let of_type = || lines.entries.iter().find(|entry| entry.key_type() == key_type(key));
            if lines.entries.iter().any(|entry| entry.key == key) {
                known = true;
            } else if let Some(entry) = of_type().or(lines.entries.first()).filter(|_| lines.binding) {
                return Verdict::Changed { place: entry.place.clone(), known_type: entry.key_type().to_string() };
            }
        }
        match known {
            true => Verdict::Known,
            false => Verdict::Unknown,
        }
    }

    /// The types of the keys that the host is known by (`ssh-ed25519`), as far as its names agree: it must be asked for
    /// one of these first, else a key of another type looks like a changed host.
    pub fn key_types(&self) -> Vec<&'a str> {
        let (binding, other): (Vec<_>, Vec<_>) = self.names.iter().partition(|lines| lines.binding);
        let mut types: Vec<&str> = Vec::new();
        for lines in binding.into_iter().chain(other) {
            let mut of_name: Vec<&str> = lines.entries.iter().map(|entry| entry.key_type()).collect();
            of_name.dedup();
            let agreed: Vec<&str> = types.iter().copied().filter(|name| of_name.contains(name)).collect();
            match (types.is_empty(), agreed.is_empty()) {
                (true, _) => types = of_name,
                (false, false) => types = agreed,
                (false, true) => {}
            }
        }
        types
    }
}

/// A name as known_hosts spells it.
pub fn lookup_name(name: &str, port: u16) -> String {
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
    const RSA: &str = "AAAAB3NzaC1yc2EAAAADAQABAAAAAgEB";

    fn index(lines: &str) -> Index {
        let lines = lines.replace("KEY-A", &format!("ssh-ed25519 {A}")).replace("KEY-B", &format!("ssh-ed25519 {B}"));
        let lines = lines.replace("KEY-RSA", &format!("ssh-rsa {RSA}"));
        let mut index = Index::default();
        index.take(&lines, at, |warning| panic!("{warning}")).unwrap();
        index
    }

    fn judge(lines: &str, names: &[&str], port: u16, key: &str) -> Verdict {
        index(lines).find(names, port).judge(&BASE64_STANDARD.decode(key).unwrap())
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
            let types: Vec<String> =
                index(lines).find(&["web1", "10.0.0.1"], port).key_types().into_iter().map(str::to_string).collect();
            types.join(" ")
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
    fn revoked_beats_known_and_authorities_are_ignored() {
        assert_eq!(judge("web1 KEY-A\n@revoked * KEY-A\n", &["web1"], 22, A), Verdict::Revoked { place: at(2) });
        assert_eq!(judge("[web1]:9 KEY-A\n@revoked * KEY-A\n", &["web1"], 9, A), Verdict::Revoked { place: at(2) });
        assert_eq!(judge("web1 KEY-A\n@revoked * KEY-B\n", &["web1"], 22, A), Verdict::Known);
        assert_eq!(judge("@cert-authority * KEY-B\n", &["web1"], 22, A), Verdict::Unknown);
    }

    #[test]
    fn a_line_not_understood_is_said_and_a_revoked_one_ends_the_run() {
        let mut said = Vec::new();
        let mut index = Index::default();
        let text = format!("# x\nweb1\nweb1 ssh-ed25519 !!\nweb2\tssh-ed25519  {A} c\n");
        index.take(&text, at, |warning| said.push(warning)).unwrap();
        assert_eq!(said, ["f:2: this line and 1 more that are not understood are skipped"]);
        assert_eq!(index.find(&["web2"], 22).key_types(), ["ssh-ed25519"]);
        let failure = index.take("@revoked * nonsense\n", at, |_| {}).unwrap_err();
        assert_eq!(failure.message, "f:1: a @revoked line that is not understood");
    }
}
