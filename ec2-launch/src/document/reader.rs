//! Checks a document's values against the table of keys, and makes canonical JSON of them: keys by their canonical
//! names, values of the type that the key has, `null` for words that mean nothing.

use super::keys::{INSTANCE_KEYS, ProfileKey, VOLUME_KEYS, canonical, find};
use super::words::found;
use super::{Document, Location, Problem, join};
use crate::document::yaml::{Node, Pair};
use cerveza_manners::nearest;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// Where a value is in the document, as `volumes/1/size`, and the key as it is written.
#[derive(Clone, Copy)]
pub struct At<'a> {
    pub path: &'a str,
    pub written: &'a str,
}

/// Reads one document. Problems are collected, so a user sees all of them at once.
pub struct Reader<'a> {
    /// What errors call the text.
    shown: &'a str,
    /// Whether errors name lines of the text; not for the text of --set.
    has_lines: bool,
    pub document: Document,
    pub problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub fn new(shown: &'a str, has_lines: bool) -> Reader<'a> {
        Reader { shown, has_lines, document: Document::default(), problems: Vec::new() }
    }

    /// Reads the keys of an instance profile. Those under `aws` count where a key is at the top too, as in the report.
    pub fn instance(mut self, root: &Node) -> Result<Document, Vec<Problem>> {
        let is_aws = |pair: &&Pair| pair.key.text().is_some_and(|key| canonical(key) == "aws");
        let pairs = self.root_pairs(root);
        let own: Vec<&Pair> = pairs.iter().filter(|pair| !is_aws(pair)).collect();
        self.document.values = self.object("", &own, &INSTANCE_KEYS);
        let mut aws = pairs.iter().filter(is_aws);
        let first = aws.next();
        if let Some(second) = aws.find(|pair| !pair.is_merged) {
            self.refuse(&second.key, "aws: it is given twice".to_string());
        }
        if let Some(pair) = first {
            match pair.value.pairs() {
                Some(pairs) => {
                    let values = self.object("", &pairs.iter().collect::<Vec<_>>(), &INSTANCE_KEYS);
                    self.document.values.extend(values);
                }
                None if pair.value.is_null() => {}
                None => self.refuse(&pair.value, "aws: expected keys with values".to_string()),
            }
        }
        self.finish(root)
    }

    /// Reads the keys of a volume profile.
    pub fn volume(mut self, root: &Node) -> Result<Document, Vec<Problem>> {
        let pairs = self.root_pairs(root);
        self.document.values = self.object("", &pairs.iter().collect::<Vec<_>>(), VOLUME_KEYS);
        self.finish(root)
    }

    fn root_pairs<'b>(&mut self, root: &'b Node) -> &'b [Pair] {
        root.pairs().unwrap_or_else(|| {
            self.refuse(root, "expected keys with values".to_string());
            &[]
        })
    }

    fn finish(mut self, root: &Node) -> Result<Document, Vec<Problem>> {
        self.note_place("", root);
        if self.problems.is_empty() { Ok(self.document) } else { Err(self.problems) }
    }

    fn place(&self, node: &Node) -> Location {
        Location { file: self.shown.to_string(), position: self.has_lines.then_some(node.position) }
    }

    /// Notes where a value is that is not read by `value`.
    pub fn note_place(&mut self, path: &str, node: &Node) {
        let place = self.place(node);
        self.document.places.insert(path.to_string(), place);
    }

    pub fn refuse(&mut self, node: &Node, message: String) {
        self.problems.push(Problem { place: self.place(node), message });
    }

    /// Reads keys with values. `path` is that of the object.
    pub fn object(&mut self, path: &str, pairs: &[&Pair], keys: &[ProfileKey]) -> Map<String, Value> {
        let mut values = Map::new();
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for pair in pairs {
            let Some(written) = pair.key.text() else {
                self.refuse(&pair.key, "a key that is not text".to_string());
                continue;
            };
            let Some(key) = find(written, keys) else {
                self.unknown_key(&pair.key, written, keys);
                continue;
            };
            if let Some(first) = seen.get(key.name) {
                if !pair.is_merged {
                    let key_name = if written == key.name { "it" } else { key.name };
                    self.refuse(&pair.key, format!("{written}: {key_name} is given twice, first in line {first}"));
                }
                continue;
            }
            seen.insert(key.name, pair.key.position.line);
            let path = join(path, key.name);
            if let Some(value) = self.value(At { path: &path, written }, &pair.value, key.shape) {
                values.insert(key.name.to_string(), value);
            }
        }
        self.invert_keep(path, pairs, &mut values);
        values
    }

    /// Replaces `keep` by its opposite, `delete on termination`.
    fn invert_keep(&mut self, path: &str, pairs: &[&Pair], values: &mut Map<String, Value>) {
        let Some(keep) = values.shift_remove("keep") else { return };
        let place = self.document.places.remove(&join(path, "keep"));
        if values.contains_key("delete on termination") {
            let written = |pair: &&&Pair| pair.key.text().is_some_and(|key| canonical(key) == "keep");
            if let Some(pair) = pairs.iter().find(written) {
                let message = "keep: it contradicts delete on termination; use one of them".to_string();
                self.refuse(&pair.key, message);
            }
        } else if let Some(keep) = keep.as_bool() {
            let name = "delete on termination";
            values.insert(name.to_string(), (!keep).into());
            self.document.places.extend(place.map(|place| (join(path, name), place)));
        }
    }

    fn unknown_key(&mut self, node: &Node, written: &str, keys: &[ProfileKey]) {
        let names = keys.iter().flat_map(|key| std::iter::once(key.name).chain(key.aliases.iter().copied()));
        let hint = nearest(&canonical(written), names).map(|near| format!(": did you mean {near:?}?"));
        self.refuse(node, format!("unknown key {written:?}{}", hint.unwrap_or_default()));
    }

    pub fn expected<T>(&mut self, at: At, node: &Node, what: &str) -> Option<T> {
        self.refuse(node, format!("{}: expected {what}, not {}", at.written, found(node)));
        None
    }
}
