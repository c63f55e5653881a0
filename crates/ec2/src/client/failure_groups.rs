//! Groups the failures of many hosts by their reason, so each reason is reported once.

use cerveza_manners::{Failure, is_opaque};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};

/// Returns what the failures of hosts have in common that failed for the same reason: the text without what names the
/// host, an address, a port, a resource or an opaque token.
fn reason(host: &str, failure: &Failure) -> String {
    let mut is_port = false;
    let words = failure.message.split_whitespace().filter(|word| !is_opaque(word.trim_end_matches(['.', ','])));
    let words = words.map(|word| {
        let bare = word.trim_start_matches(|c| is_punctuation(c) && c != ':').trim_end_matches(is_punctuation);
        let is_name = bare == host || is_address(bare) || std::mem::replace(&mut is_port, bare == "port");
        if is_name { word.replace(bare, "...") } else { elide_ids(word) }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() && !matches!(c, '[' | ']')
}

/// Returns whether a word is an IP address, with a port or without.
fn is_address(word: &str) -> bool {
    word.parse::<IpAddr>().is_ok() || word.parse::<SocketAddr>().is_ok()
}

fn elide_ids(word: &str) -> String {
    let is_end = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let parts = word.split_inclusive(is_end).map(|part| {
        let id = part.trim_end_matches(is_end);
        if is_resource_id(id) { format!("...{}", &part[id.len()..]) } else { part.to_string() }
    });
    parts.collect()
}

/// Returns whether a word has the form of an id, as `i-0123456789abcdef0`.
fn is_resource_id(word: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    word.split_once('-').is_some_and(|(kind, digits)| {
        !kind.is_empty()
            && kind.bytes().all(|byte| byte.is_ascii_lowercase())
            && !digits.is_empty()
            && digits.bytes().all(is_hex)
    })
}

/// Returns the message of two failures with the same reason, with the words of the reason where they differ. If there
/// is an opaque token, that of the first failure stands for all.
fn common(first: &str, second: &str, reason: &str) -> String {
    let words = |text| str::split_whitespace(text).collect::<Vec<_>>();
    let (first_words, second, reason) = (words(first), words(second), words(reason));
    if first_words == second || first_words.len() != reason.len() || second.len() != reason.len() {
        return first.to_string();
    }
    let words = first_words.iter().zip(second).zip(reason);
    words.map(|((first, second), reason)| if *first == second { first } else { reason }).collect::<Vec<_>>().join(" ")
}

/// Returns the failures by their reason, each with its hosts. A message leaves out what is different for each host, and
/// only the last of several failures with the same hint has the hint.
pub fn grouped<'a>(failures: impl IntoIterator<Item = (&'a str, &'a Failure)>) -> Vec<(Vec<&'a str>, Failure)> {
    let mut places: HashMap<(String, u8), usize> = HashMap::new();
    let mut groups: Vec<(Vec<&str>, Failure)> = Vec::new();
    for (host, failure) in failures {
        let reason = reason(host, failure);
        match places.entry((reason.clone(), failure.status.code())) {
            Entry::Vacant(entry) => {
                entry.insert(groups.len());
                groups.push((vec![host], failure.clone()));
            }
            Entry::Occupied(entry) => {
                let (hosts, group) = &mut groups[*entry.get()];
                hosts.push(host);
                group.message = common(&group.message, &failure.message, &reason);
            }
        }
    }
    let mut hints = HashSet::new();
    for (_, failure) in groups.iter_mut().rev() {
        failure.hint.take_if(|hint| !hints.insert(hint.clone()));
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the groups of hosts, each with its message.
    fn groups(failures: &[(&str, Failure)]) -> Vec<String> {
        let groups = grouped(failures.iter().map(|(host, failure)| (*host, failure)));
        groups.into_iter().map(|(hosts, failure)| format!("{}: {failure}", hosts.join(","))).collect()
    }

    #[test]
    fn failures_that_differ_in_an_opaque_token_have_one_reason() {
        let denied = |token: &str| {
            let token = token.repeat(200);
            Failure::unreached(format!(
                "StopInstances in us-east-1: UnauthorizedOperation: You are not authorized. Encoded authorization failure message: {token}"
            ))
        };
        let first = denied("aB3_-");
        let said = format!("web1,web2: {first}");
        assert_eq!(groups(&[("web1", first), ("web2", denied("xY9+/"))]), [said]);
    }

    #[test]
    fn failures_that_differ_in_a_name_have_one_reason() {
        let of = |why: &str, differs: &str| Failure::unreached(why.replace('_', differs));
        for (why, first, second, shown) in [
            (
                "GetConsoleOutput in us-east-1: Denied: not on instance/_.",
                "i-0123456789abcdef0",
                "i-0123456789abcdef1",
                "GetConsoleOutput in us-east-1: Denied: not on instance/....",
            ),
            (
                "skipped (cannot connect to _ port 22: refused)",
                "127.0.0.1",
                "::1",
                "skipped (cannot connect to ... port 22: refused)",
            ),
            ("cannot connect to _: refused", "127.0.0.1:22", "[::1]:23", "cannot connect to ...: refused"),
            ("port _: refused", "22", "2222", "port ...: refused"),
            ("_ does not answer", "web1", "web2", "... does not answer"),
            ("several have this name: _, i-0", "i-1", "i-2", "several have this name: ..., i-0"),
        ] {
            let failures = [("web1", of(why, first)), ("web2", of(why, second))];
            assert_eq!(groups(&failures), [format!("web1,web2: {shown}")]);
            // The failure of a single host is reported in full.
            assert_eq!(groups(&failures[..1]), [format!("web1: {}", failures[0].1)]);
        }
        let others =
            ["exit code 1", "exit code 2", "web1 is named web3 now", "it is in us-east-1a", "it is in us-east-1b"];
        let others = others.map(|why| ("web1", Failure::unreached(why)));
        assert_eq!(groups(&others).len(), 5);
    }

    #[test]
    fn a_hint_is_given_once() {
        let failures = [("a", "one", "x"), ("b", "two", "y"), ("c", "three", "x")];
        let failures = failures.map(|(host, why, hint)| (host, Failure::unreached(why).hint(hint)));
        let groups = grouped(failures.iter().map(|(host, failure)| (*host, failure)));
        let hints: Vec<_> = groups.iter().map(|(_, failure)| failure.hint.as_deref()).collect();
        assert_eq!(hints, [None, Some("y"), Some("x")]);
    }
}
