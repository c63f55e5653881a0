//! The lines of one known_hosts file, by the names in them.

use super::entry::{Entry, parse};
use super::hashed::HashedName;
use cerveza_manners::{Failure, Result};
use std::collections::HashMap;

#[derive(Debug, Default)]
pub struct Index {
    entries: Vec<Entry>,
    /// Entries by each plain name in them, so a file of thousands of hosts is not scanned for each host.
    exact: HashMap<String, Vec<usize>>,
    /// Entries with wildcards.
    patterns: Vec<usize>,
    hashed: Vec<(HashedName, usize)>,
}

impl Index {
    /// Adds the lines of `text`. `place` returns where a line is by its number. `warn` gets the lines that are not
    /// understood. A `@revoked` line that is not understood is an error, because the key it revokes might be trusted.
    pub fn read_lines(
        &mut self,
        text: &str,
        place: impl Fn(usize) -> String,
        mut warn: impl FnMut(String),
    ) -> Result<()> {
        let (mut bad, mut first_bad) = (0, String::new());
        for (number, line) in text.lines().enumerate() {
            let place = || place(number + 1);
            match parse(line, place) {
                Ok(Some(entry)) => self.add_entry(entry),
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

    pub fn add_entry(&mut self, entry: Entry) {
        let at = self.entries.len();
        if let Some(hashed) = entry.hashed_name() {
            self.hashed.push((hashed, at));
        } else if let Some(names) = entry.plain_names() {
            for name in names {
                self.exact.entry(name).or_default().push(at);
            }
        } else {
            self.patterns.push(at);
        }
        self.entries.push(entry);
    }

    /// Returns the entries for a name as known_hosts spells it, in the order of the file. Hashed names make this slow.
    pub fn entries_for(&self, name: &str) -> Vec<&Entry> {
        let exact = self.exact.get(name).into_iter().flatten();
        let patterns = self.patterns.iter().filter(|at| self.entries[**at].matches(name));
        let hashed = self.hashed.iter().filter(|(hashed, _)| hashed.matches(name)).map(|(_, at)| at);
        let mut found: Vec<usize> = exact.chain(patterns).chain(hashed).copied().collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().map(|at| &self.entries[at]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

    fn at(line: usize) -> String {
        format!("f:{line}")
    }

    #[test]
    fn a_malformed_line_is_a_warning_and_a_malformed_revoked_line_an_error() {
        let mut warnings = Vec::new();
        let mut index = Index::default();
        let text = format!("# x\nweb1\nweb1 ssh-ed25519 !!\nweb2\tssh-ed25519  {A} c\n");
        index.read_lines(&text, at, |warning| warnings.push(warning)).unwrap();
        assert_eq!(warnings, ["f:2: this line and 1 more that are not understood are skipped"]);
        assert_eq!(index.entries_for("web2").len(), 1);
        let failure = index.read_lines("@revoked * nonsense\n", at, |_| {}).unwrap_err();
        assert_eq!(failure.message, "f:1: a @revoked line that is not understood");
    }
}
