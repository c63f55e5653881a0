//! `--group`: groups hosts with the same status, exit code and output, and stores each output once.

use crate::display::diff::Differ;
use crate::display::style::{RED, Style};
use crate::output::capture::Output;
use crate::output::outcome::{HostStatus, Outcome};
use cerveza_manners::visible;
use cerveza_record::natural_cmp;
use hostrange::fold;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, HashMap};

/// Each line of output begins with one of these, so it cannot look like a header.
pub const STDOUT: &[u8] = b"  ";
pub const STDERR: &[u8] = b"! ";
const STATUS: &[u8] = b"= ";

/// What the hosts of a group share.
#[derive(PartialEq, Eq, Hash)]
struct Same {
    status: HostStatus,
    exit_code: Option<u32>,
    signal: Option<String>,
    stdout: Output,
    stderr: Output,
}

#[derive(Default)]
struct Members {
    hosts: Vec<String>,
    /// The errors of hosts, such as why they were not reached, each with its hosts.
    errors: BTreeMap<String, Vec<String>>,
}

#[derive(Default)]
pub struct Groups(HashMap<Same, Members>);

pub struct Group {
    pub status: HostStatus,
    pub stdout: Output,
    pub stderr: Output,
    exit_code: Option<u32>,
    signal: Option<String>,
    hosts: Vec<String>,
    errors: BTreeMap<String, Vec<String>>,
}

impl Groups {
    pub fn add(&mut self, host: &str, outcome: Outcome) {
        let Outcome { status, exit_code, signal, stdout, stderr, error, .. } = outcome;
        let members = self.0.entry(Same { status, exit_code, signal, stdout, stderr }).or_default();
        members.hosts.push(host.to_string());
        if let Some(error) = error {
            members.errors.entry(error).or_default().push(host.to_string());
        }
    }

    /// Returns the groups in the order in which they are shown: failures last, because the end of the output is seen first, and
    /// small groups after large ones.
    pub fn sorted(self) -> Vec<Group> {
        let groups = self.0.into_iter().map(|(same, Members { mut hosts, errors })| {
            hosts.sort_by(|a, b| natural_cmp(a, b));
            let Same { status, exit_code, signal, stdout, stderr } = same;
            Group { status, stdout, stderr, exit_code, signal, hosts, errors }
        });
        let mut groups: Vec<Group> = groups.collect();
        groups.sort_by(Group::compare);
        groups
    }
}

impl Group {
    fn compare(&self, other: &Group) -> Ordering {
        let key = |group: &Group| (group.status, !group.is_silent(), Reverse(group.hosts.len()));
        key(self).cmp(&key(other)).then_with(|| natural_cmp(&self.hosts[0], &other.hosts[0]))
    }

    pub fn is_silent(&self) -> bool {
        self.stdout.bytes.is_empty() && self.stderr.bytes.is_empty()
    }

    /// Returns whether the command ended by itself.
    pub fn ended(&self) -> bool {
        matches!(self.status, HostStatus::Ok | HostStatus::Failed | HostStatus::Signaled)
    }

    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Adds the group: its hosts, their errors, and their output.
    pub fn show(&self, text: &mut Vec<u8>, style: &Style) {
        self.show_header(text, style, "");
        style.push_lines(text, STDOUT, &self.stdout.bytes);
        style.push_lines(text, STDERR, &self.stderr.bytes);
    }

    /// Adds the group with the difference of its output from that of another.
    pub fn show_against(&self, text: &mut Vec<u8>, style: &Style, differ: &mut Differ, base: &Group) {
        if self.is_silent() && !self.ended() {
            return self.show_header(text, style, "");
        }
        if (&self.stdout, &self.stderr) == (&base.stdout, &base.stderr) {
            return self.show_header(text, style, ", output as above");
        }
        self.show_header(text, style, "");
        differ.show(text, style, STDOUT, &base.stdout.bytes, &self.stdout.bytes);
        differ.show(text, style, STDERR, &base.stderr.bytes, &self.stderr.bytes);
    }

    fn show_header(&self, text: &mut Vec<u8>, style: &Style, note: &str) {
        let mut header = fold(self.hosts.iter().map(String::as_str));
        if self.hosts.len() > 1 {
            header.push_str(&format!(" ({})", self.hosts.len()));
        }
        let mut result = self.status.name().to_string();
        if let Some(code) = self.exit_code.filter(|code| *code != 0) {
            result.push_str(&format!(", exit status {code}"));
        }
        if let Some(signal) = &self.signal {
            result.push_str(&format!(", signal {}", visible(signal)));
        }
        if self.is_silent() && self.ended() && note.is_empty() {
            result.push_str(", no output");
        }
        result.push_str(note);
        if self.status != HostStatus::Ok {
            result = style.coloured(RED, &result);
        }
        text.extend_from_slice(format!("{}: {result}\n", style.coloured("1", &header)).as_bytes());
        // The header has the exit status or the signal.
        let is_in_header = self.exit_code.is_some_and(|code| code != 0) || self.signal.is_some();
        for (error, hosts) in self.errors.iter().filter(|_| !is_in_header || self.status == HostStatus::Ok) {
            let line = if hosts.len() == self.hosts.len() {
                visible(error).into_owned()
            } else {
                format!("{}: {}", fold(hosts.iter().map(String::as_str)), visible(error))
            };
            text.extend_from_slice(STATUS);
            text.extend_from_slice(style.coloured(RED, &line).as_bytes());
            text.push(b'\n');
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::display::style::tests::outcome;
    use proptest::prelude::*;
    use std::collections::HashSet;

    pub fn groups(hosts: &[(&str, Outcome)]) -> Vec<Group> {
        let mut groups = Groups::default();
        hosts.iter().for_each(|(host, outcome)| groups.add(host, outcome.clone()));
        groups.sorted()
    }

    #[test]
    fn hosts_that_did_the_same_are_named_once_and_bad_ones_come_last() {
        let said = |status, error: &str| Outcome { error: Some(error.to_string()), ..outcome(status, "", "") };
        let failed = Outcome { exit_code: Some(2), stderr: Output::of("no\n"), ..said(HostStatus::Failed, "exit 2") };
        let all = groups(&[
            ("db1", said(HostStatus::Unreachable, "connection to 10.0.0.1 refused")),
            ("web3", failed),
            ("web10", outcome(HostStatus::Ok, "6.1\n", "")),
            ("db2", said(HostStatus::Unreachable, "no answer")),
            ("web2", outcome(HostStatus::Ok, "5.15\n", "")),
            ("db3", said(HostStatus::Unreachable, "no answer")),
            ("web1", outcome(HostStatus::Ok, "5.15\n", "")),
            ("quiet1", outcome(HostStatus::Ok, "", "")),
            ("quiet2", outcome(HostStatus::Ok, "", "")),
        ]);
        let mut text = Vec::new();
        all.iter().for_each(|group| group.show(&mut text, &Style::default()));
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "quiet[1-2] (2): ok, no output\n\
             web[1-2] (2): ok\n  5.15\n\
             web10: ok\n  6.1\n\
             web3: failed, exit status 2\n! no\n\
             db[1-3] (3): unreachable\n\
             = db1: connection to 10.0.0.1 refused\n\
             = db[2-3]: no answer\n"
        );
    }

    #[test]
    fn output_that_looks_like_a_header_is_seen_to_be_output() {
        let mut text = Vec::new();
        groups(&[("a", outcome(HostStatus::Ok, "web[1-9] (9): ok\n\x1b[2J", ""))])[0]
            .show(&mut text, &Style::default());
        assert_eq!(String::from_utf8(text).unwrap(), "a: ok\n  web[1-9] (9): ok\n  \\u{1b}[2J\n");
    }

    proptest! {
        #[test]
        fn every_host_is_in_one_group_with_all_that_did_the_same(
            ended in proptest::collection::vec((0..3u32, 0..3usize, 0..2usize), 0..40),
        ) {
            let hosts: Vec<(String, Outcome)> = ended.iter().enumerate().map(|(number, (code, out, err))| {
                let ended = outcome(HostStatus::Failed, &"x".repeat(*out), &"y".repeat(*err));
                (format!("n{number}"), Outcome { exit_code: Some(*code), ..ended })
            }).collect();
            let hosts: Vec<(&str, Outcome)> = hosts.iter().map(|(host, outcome)| (host.as_str(), outcome.clone())).collect();
            let all = groups(&hosts);
            prop_assert_eq!(all.len(), ended.iter().collect::<HashSet<_>>().len());
            let mut named: Vec<&str> = all.iter().flat_map(|group| group.hosts.iter().map(String::as_str)).collect();
            prop_assert_eq!(named.len(), hosts.len());
            named.sort_unstable();
            named.dedup();
            prop_assert_eq!(named.len(), hosts.len());
        }
    }
}
