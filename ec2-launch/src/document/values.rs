//! Reads the value of a key by the shape that the table of keys gives it.

use super::keys::{IMAGE_KEYS, ProfileKey, Shape, find, is_place};
use super::reader::{At, Reader};
use super::words::{flag, found, gibibytes, is_nothing};
use super::{join, volume_list};
use crate::document::yaml::{Content, Node, Pair};
use cerveza_ec2::Kind;
use cerveza_manners::nearest;
use serde_json::{Map, Value};
use std::net::Ipv4Addr;

impl Reader<'_> {
    /// Reads a value. Returns `None` for one that is wrong, and null for one that means nothing.
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
            Shape::Volumes => volume_list::read_volumes(self, at, node),
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
}

fn is_one_image(pairs: &[Pair], inner: Shape) -> bool {
    let is_key = |pair: &Pair| pair.key.text().is_some_and(|key| find(key, IMAGE_KEYS).is_some());
    matches!(inner, Shape::Image) && pairs.iter().any(is_key)
}
