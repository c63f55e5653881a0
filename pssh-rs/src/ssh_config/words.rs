//! How the words of the configuration match a host. This tells hosts apart.

use super::options::{Host, tokens};
use super::query::{Query, is_numeric};
use super::scan::Scan;
use super::{Local, expand};
use cerveza_manners::matches_wildcards;
use std::collections::HashMap;

/// The words of the configuration, those without wildcards by their text.
pub struct Words<'a> {
    wild: Vec<(u32, &'a [u8], Vec<u8>)>,
    literal: HashMap<Vec<u8>, Vec<(u32, &'a [u8])>>,
    /// Each HostName that names the host.
    names: Vec<&'a [u8]>,
}

impl<'a> Words<'a> {
    pub fn new(scan: &'a Scan) -> Words<'a> {
        let names = scan.templates("hostname").iter().flat_map(|words| words.first().map(Vec::as_slice));
        let names = names.filter(|name| expand::names_host(name)).collect();
        let mut words = Words { wild: Vec::new(), literal: HashMap::new(), names };
        for (at, word) in (0..).zip(&scan.words) {
            let lower = word.to_ascii_lowercase();
            match word.iter().any(|byte| b"*?".contains(byte)) {
                true => words.wild.push((at, word, lower)),
                false => words.literal.entry(lower).or_default().push((at, word)),
            }
        }
        words
    }

    /// All that the configuration can tell of a host.
    pub fn signature(&self, query: &Query) -> Vec<u32> {
        let optional = |value: bool| u32::from(value);
        let mut all =
            vec![optional(query.address.is_some()), optional(query.user.is_some()), optional(query.port.is_some())];
        // An address that is given is HostName's first value, and so its only one.
        let names = if query.address.is_some() { &[][..] } else { &self.names };
        let made = names.iter().map(|name| made_name(name, &query.name).into_bytes());
        let given = [Some(&query.name), query.address.as_ref(), query.user.as_ref()];
        for subject in given.into_iter().flatten().map(|text| text.clone().into_bytes()).chain(made) {
            // Sets the subjects apart.
            all.push(u32::MAX);
            self.matched(&subject, &mut all);
        }
        all
    }

    /// ssh compares some with and some without regard to case, and some in lower case: all three are told.
    fn matched(&self, subject: &[u8], all: &mut Vec<u32>) {
        let lower = subject.to_ascii_lowercase();
        let mut tell = |at: u32, ways: [bool; 3]| {
            if ways != [false; 3] {
                all.extend([at, ways.into_iter().fold(0, |sum, way| sum * 2 + u32::from(way))]);
            }
        };
        for (at, word) in self.literal.get(&lower).into_iter().flatten() {
            tell(*at, [true, *word == subject, *word == lower]);
        }
        for (at, word, lower_word) in &self.wild {
            let ways = [(&*lower, &**lower_word), (subject, *word), (&*lower, *word)];
            tell(*at, ways.map(|(subject, word)| matches_wildcards(word, subject)));
        }
    }
}

/// A HostName with the host's name in it. Bytes that are no text make it differ from all that ssh prints.
pub fn made_name(template: &[u8], name: &str) -> String {
    let local = Local::default();
    let host = Host { hostname: name, name, user: "", port: 0 };
    let made = tokens(&local, host, None).hostname(template);
    let made = made.map_or_else(|error| error, |made| String::from_utf8_lossy(&made).into_owned());
    if is_numeric(&made) { made } else { made.to_ascii_lowercase() }
}
