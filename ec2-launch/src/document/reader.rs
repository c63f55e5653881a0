//! Checks a document's values against the table of keys, and makes canonical JSON of them: keys by their canonical names,
//! values of the type that the key has, `null` for what is said to be nothing.

use super::keys::{IMAGE_KEYS, INSTANCE_KEYS, ProfileKey, Shape, VOLUME_KEYS, canonical, find, is_place};
use super::volume_list;
use super::words::{flag, found, gibibytes, is_nothing};
use super::{Document, Place, Problem};
use crate::document::yaml::{Content, Node, Pair};
use cerveza_ec2::Kind;
use cerveza_manners::nearest;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::net::Ipv4Addr;

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
    /// Whether the text has lines that a user knows: that of --set has not.
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

    fn place(&self, node: &Node) -> Place {
        Place { file: self.shown.to_string(), position: self.has_lines.then_some(node.position) }
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
        self.keep(path, pairs, &mut values);
        values
    }

    /// Makes `delete on termination` of its opposite.
    fn keep(&mut self, path: &str, pairs: &[&Pair], values: &mut Map<String, Value>) {
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

    /// Reads a value. Returns `None` for one that is wrong, and null for one that is said to be nothing.
    pub fn value(&mut self, at: At, node: &Node, shape: Shape) -> Option<Value> {
        self.document.forget(at.path);
        self.note_place(at.path, node);
        match shape {
            Shape::Kind(kind) => self.kind(at, node, kind),
            Shape::Verbatim => self.verbatim(at, node),
            Shape::Gibibytes if node.is_null() => Some(Value::Null),
            Shape::Gibibytes => {
                let size = node.text().and_then(gibibytes);
                size.map(Value::from).or_else(|| self.expected(at, node, "a size from 1 to 65536 GiB"))
            }
            Shape::Image => self.image(at, node),
            Shape::ElasticIp => match (flag(node), node.text()) {
                (Some(true), _) => Some(true.into()),
                _ if is_nothing(node) => Some(Value::Null),
                (_, Some(text)) if text.starts_with("eipalloc-") || text.parse::<Ipv4Addr>().is_ok() => {
                    Some(text.into())
                }
                _ => self.expected(at, node, "yes, no or an address"),
            },
            Shape::Kernel if flag(node) == Some(true) => {
                self.expected(at, node, "the kernel release that `uname -r` prints on the host")
            }
            Shape::Kernel => self.kind(at, node, Kind::Text),
            Shape::PerPlace(inner) => self.per_place(at, node, *inner),
            Shape::Object(keys) => self.mapping(at, node, keys),
            Shape::Volumes => volume_list::read(self, at, node),
        }
    }

    fn kind(&mut self, at: At, node: &Node, kind: Kind) -> Option<Value> {
        match kind {
            Kind::Text if is_nothing(node) => Some(Value::Null),
            Kind::Text => match node.text() {
                Some(text) => Some(text.into()),
                None => self.expected(at, node, "one text"),
            },
            Kind::Flag if node.is_null() => Some(Value::Null),
            Kind::Flag => flag(node).map(Value::from).or_else(|| self.expected(at, node, "yes or no")),
            Kind::Number { .. } if node.is_null() => Some(Value::Null),
            Kind::Number { least, most } => {
                let number = node.text().and_then(|text| text.parse::<i64>().ok());
                let number = number.filter(|number| (least..=most).contains(number)).map(Value::from);
                number.or_else(|| self.expected(at, node, &format!("a number from {least} to {most}")))
            }
            Kind::Choice(choices) => self.choice(at, node, choices),
            Kind::List(kind) => self.list(at, node, *kind),
            Kind::Object(keys) => {
                let keys: Vec<ProfileKey> = keys.iter().map(ProfileKey::from).collect();
                self.mapping(at, node, &keys)
            }
            Kind::Texts if is_nothing(node) => Some(Value::Null),
            Kind::Texts => self.texts(at, node),
        }
    }

    fn verbatim(&mut self, at: At, node: &Node) -> Option<Value> {
        match node.text() {
            _ if node.is_null() => Some(Value::Null),
            Some(text) => Some(text.into()),
            None => self.expected(at, node, "one text"),
        }
    }

    fn choice(&mut self, at: At, node: &Node, choices: &[&str]) -> Option<Value> {
        let known = |text: &str| choices.iter().find(|choice| choice.eq_ignore_ascii_case(text));
        let switch = flag(node).map(|on| if on { "enabled" } else { "disabled" });
        match node.text().and_then(known).or(switch.and_then(known)) {
            Some(choice) => Some((*choice).into()),
            None if node.is_null() => Some(Value::Null),
            None => {
                let near = node.text().and_then(|text| nearest(text, choices.iter().copied()));
                let hint = near.map(|near| format!(": did you mean {near:?}?")).unwrap_or_default();
                let (written, found) = (at.written, found(node));
                self.refuse(node, format!("{written}: expected one of {}, not {found}{hint}", choices.join(", ")));
                None
            }
        }
    }

    /// Reads a list, or one value as the list of that.
    fn list(&mut self, at: At, node: &Node, kind: Kind) -> Option<Value> {
        let items = match &node.content {
            Content::List(items) => items,
            _ if is_nothing(node) => return Some(Value::Null),
            Content::Mapping(_) if !matches!(kind, Kind::Object(_)) => {
                return self.expected(at, node, "a text or a list of texts");
            }
            _ => std::slice::from_ref(node),
        };
        let mut values = Vec::new();
        for (number, item) in items.iter().enumerate() {
            let path = join(at.path, &number.to_string());
            // A text in a list is never meant to say that there is nothing.
            let shape = if matches!(kind, Kind::Text) { Shape::Verbatim } else { Shape::Kind(kind) };
            match self.value(At { path: &path, ..at }, item, shape) {
                Some(Value::Null) => self.refuse(item, format!("{}: an empty item", at.written)),
                Some(value) => values.push(value),
                None => {}
            }
        }
        Some(if values.is_empty() { Value::Null } else { values.into() })
    }

    /// Reads keys with values in a key's value.
    pub fn mapping(&mut self, at: At, node: &Node, keys: &[ProfileKey]) -> Option<Value> {
        match node.pairs() {
            Some(pairs) => Some(self.object(at.path, &pairs.iter().collect::<Vec<_>>(), keys).into()),
            None if is_nothing(node) => Some(Value::Null),
            None => self.expected(at, node, "keys with values"),
        }
    }

    fn texts(&mut self, at: At, node: &Node) -> Option<Value> {
        let Some(pairs) = node.pairs() else { return self.expected(at, node, "keys with texts") };
        self.named(at, pairs, |reader, at, pair| match pair.value.plain() {
            // A tag may be empty. `~` takes away the tag of the profile that this one extends.
            Some("") => Some("".into()),
            _ => reader.value(at, &pair.value, Shape::Verbatim),
        })
    }

    fn per_place(&mut self, at: At, node: &Node, inner: Shape) -> Option<Value> {
        let Some(pairs) = node.pairs().filter(|pairs| !is_one_image(pairs, inner)) else {
            return self.value(at, node, inner);
        };
        self.named(at, pairs, |reader, at, pair| {
            let place = pair.key.text().unwrap_or_default();
            if !is_place(place) {
                reader.refuse(&pair.key, format!("{}: {place:?} is neither a region nor a zone", at.written));
                return None;
            }
            reader.value(at, &pair.value, inner)
        })
    }

    /// Reads pairs whose keys are names.
    fn named(
        &mut self,
        at: At,
        pairs: &[Pair],
        mut read: impl FnMut(&mut Self, At, &Pair) -> Option<Value>,
    ) -> Option<Value> {
        let mut values = Map::new();
        for pair in pairs {
            let Some(name) = pair.key.text() else {
                self.refuse(&pair.key, format!("{}: a key that is not text", at.written));
                continue;
            };
            if values.contains_key(name) {
                if !pair.is_merged {
                    self.refuse(&pair.key, format!("{}: {name} is given twice", at.written));
                }
                continue;
            }
            let path = join(at.path, name);
            self.note_place(&path, &pair.value);
            if let Some(value) = read(self, At { path: &path, ..at }, pair) {
                values.insert(name.to_string(), value);
            }
        }
        Some(values.into())
    }

    fn image(&mut self, at: At, node: &Node) -> Option<Value> {
        match (&node.content, node.text()) {
            _ if is_nothing(node) => Some(Value::Null),
            (Content::Mapping(_), _) => self.mapping(at, node, IMAGE_KEYS),
            (_, Some(text)) if text.starts_with("ami-") || text.starts_with("resolve:ssm:") => Some(text.into()),
            _ => self.expected(at, node, "an ami- id, resolve:ssm:PARAMETER, or name and owner"),
        }
    }

    pub fn expected<T>(&mut self, at: At, node: &Node, what: &str) -> Option<T> {
        self.refuse(node, format!("{}: expected {what}, not {}", at.written, found(node)));
        None
    }
}

/// Appends a key or a number to a path.
pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}/{key}") }
}

fn is_one_image(pairs: &[Pair], inner: Shape) -> bool {
    let is_key = |pair: &Pair| pair.key.text().is_some_and(|key| find(key, IMAGE_KEYS).is_some());
    matches!(inner, Shape::Image) && pairs.iter().any(is_key)
}
