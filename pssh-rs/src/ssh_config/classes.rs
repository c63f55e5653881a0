//! Groups hosts that ssh's configuration cannot tell apart, so that few runs of `ssh -G` answer for many hosts.
//!
//! ssh reads its files line by line, and only patterns decide which lines count. Two hosts that match every pattern in the
//! same way, by name, address, user, and every name that HostName may make of them, take the same way through all files.

use super::query::Query;
use super::scan::Scan;
use cerveza_manners::matches_wildcards;
use std::collections::{HashMap, HashSet};

/// Returns the hosts of each class, by their index.
pub fn classes(scan: &Scan, queries: &[Query]) -> Vec<Vec<usize>> {
    let patterns = Patterns::new(scan);
    let mut numbers = HashMap::new();
    let mut classes: Vec<Vec<usize>> = Vec::new();
    for (index, query) in queries.iter().enumerate() {
        if scan.unsure.is_some() || !query.is_plain() {
            classes.push(vec![index]);
            continue;
        }
        let number = *numbers.entry(patterns.signature(query)).or_insert(classes.len());
        match classes.get_mut(number) {
            Some(class) => class.push(index),
            None => classes.push(vec![index]),
        }
    }
    classes
}

/// Returns the hosts of a class to ask about: two that differ in all in which any of the class differ, else all.
pub fn representatives(class: &[usize], queries: &[Query]) -> Vec<usize> {
    let parts = |index: usize| {
        let query = &queries[index];
        [Some(query.name.clone()), query.address.clone(), query.user.clone(), query.port.map(|port| port.to_string())]
    };
    let differing = |one: usize, other: usize| {
        let (one, other) = (parts(one), parts(other));
        [0, 1, 2, 3].map(|part| one[part] != other[part])
    };
    let [first, rest @ ..] = class else { return Vec::new() };
    let varying = rest.iter().fold([false; 4], |varying, other| {
        let differs = differing(*first, *other);
        [0, 1, 2, 3].map(|part| varying[part] || differs[part])
    });
    match rest.iter().rev().find(|other| differing(*first, **other) == varying) {
        Some(second) => vec![*first, *second],
        None => class.to_vec(),
    }
}

/// The patterns of the configuration.
struct Patterns<'a> {
    /// Those with wildcards, as they are and in lower case.
    wild: Vec<(&'a [u8], Vec<u8>)>,
    /// The others in lower case.
    literal: HashSet<Vec<u8>>,
    /// Each HostName that names the host.
    hostnames: Vec<String>,
}

impl<'a> Patterns<'a> {
    fn new(scan: &'a Scan) -> Patterns<'a> {
        let (wild, literal): (Vec<_>, Vec<_>) =
            scan.patterns.iter().partition(|pattern| pattern.iter().any(|byte| b"*?".contains(byte)));
        Patterns {
            wild: wild.into_iter().map(|pattern| (pattern.as_slice(), pattern.to_ascii_lowercase())).collect(),
            literal: literal.into_iter().map(|pattern| pattern.to_ascii_lowercase()).collect(),
            hostnames: scan.hostnames.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
        }
    }

    /// Returns all that the configuration can tell of a host.
    fn signature(&self, query: &Query) -> Vec<u8> {
        let (name, address) = (&query.name, query.address.as_ref());
        // The name that ssh connects to is in lower case.
        let is_lower = !name.contains(|c: char| c.is_ascii_uppercase());
        let given = [address.is_some(), address == Some(name), is_lower, query.user.is_some(), query.port.is_some()];
        let mut signature = given.map(u8::from).to_vec();
        // A given address is the first value of HostName, so no other counts.
        let hostnames = if address.is_some() { &[][..] } else { &self.hostnames };
        let hostnames = hostnames.iter().map(|hostname| hostname.replace("%h", name).to_ascii_lowercase());
        let subjects = [Some(name), address, query.user.as_ref()].into_iter().flatten().cloned();
        for subject in subjects.chain(hostnames) {
            self.add_matches(subject.as_bytes(), &mut signature);
        }
        signature
    }

    /// ssh compares some with and some without regard to case, so both count.
    fn add_matches(&self, subject: &[u8], signature: &mut Vec<u8>) {
        let lower = subject.to_ascii_lowercase();
        for (number, (pattern, lower_pattern)) in (0_u32..).zip(&self.wild) {
            let matches = [matches_wildcards(pattern, subject), matches_wildcards(lower_pattern, &lower)];
            if matches != [false; 2] {
                signature.extend(number.to_le_bytes());
                signature.extend(matches.map(u8::from));
            }
        }
        signature.extend(u32::MAX.to_le_bytes());
        if self.literal.contains(&lower) {
            signature.extend(subject);
        }
        signature.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ssh_config::HostSpec;

    fn query(name: &str, address: Option<&str>, port: Option<u16>) -> Query {
        Query::new(&HostSpec { name, address, user: None, port }).unwrap()
    }

    #[test]
    fn hosts_are_in_one_class_if_no_pattern_tells_them_apart() {
        let scan = Scan {
            patterns: ["web?", "DB*", "app1", "*.b"].map(|pattern| pattern.as_bytes().to_vec()).into(),
            hostnames: [b"%h.b".to_vec()].into(),
            ..Scan::default()
        };
        let names = ["web1", "web2", "web10", "db1", "DB1", "app1", "app2", "web3.b", "10"];
        let queries = names.map(|name| query(name, None, None));
        let by_name: Vec<Vec<&str>> = classes(&scan, &queries)
            .into_iter()
            .map(|class| class.into_iter().map(|index| names[index]).collect())
            .collect();
        let expected: [&[&str]; 7] =
            [&["web1", "web2"], &["web10", "app2"], &["db1"], &["DB1"], &["app1"], &["web3.b"], &["10"]];
        assert_eq!(by_name, expected);
        let unsure = Scan { unsure: Some("x".to_string()), ..scan };
        assert_eq!(classes(&unsure, &queries).len(), names.len());
    }

    #[test]
    fn the_two_hosts_that_are_asked_about_differ_in_all_that_varies() {
        let of = |queries: &[Query]| representatives(&(0..queries.len()).collect::<Vec<_>>(), queries);
        assert_eq!(of(&[query("a", None, None)]), [0]);
        assert_eq!(of(&["a", "b", "c"].map(|name| query(name, None, None))), [0, 2]);
        assert_eq!(of(&[1, 2, 3].map(|port| query("a", None, Some(port)))), [0, 2]);
        let mixed = [("a", "1.1.1.1"), ("b", "1.1.1.2"), ("c", "1.1.1.1")];
        assert_eq!(of(&mixed.map(|(name, address)| query(name, Some(address), None))), [0, 1]);
        let never_both = [("a", "1.1.1.1"), ("a", "1.1.1.2"), ("c", "1.1.1.1")];
        assert_eq!(of(&never_both.map(|(name, address)| query(name, Some(address), None))), [0, 1, 2]);
    }
}
