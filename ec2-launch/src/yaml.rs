//! YAML as people write it in profiles: tags anywhere, one or a list, `yes` for true, and where in the file it stands.

use cerveza_manners::nearest;
use serde_yaml::{Mapping, Value};

/// Known keys, each with its other names, all as [`canonical`] writes them.
pub type Keys = [(&'static str, &'static [&'static str])];

/// A profile's text, which knows the line of a key: the parser forgets it.
pub struct Source<'a> {
    text: &'a str,
}

impl<'a> Source<'a> {
    /// An editor's byte order mark would make the whole file one text.
    pub fn new(text: &'a str) -> Source<'a> {
        Source { text: text.trim_start_matches('\u{feff}') }
    }

    /// The document without its tags, which are the report's own (`!InstanceProfile`), and with merge keys (`<<`)
    /// merged.
    pub fn mapping(&self) -> Result<Mapping, String> {
        let mut value: Value = serde_yaml::from_str(self.text).map_err(|error| explain(&error))?;
        value.apply_merge().map_err(|error| explain(&error))?;
        match untag(value) {
            Value::Null => Err("it is empty".to_string()),
            Value::Mapping(mapping) => Ok(mapping),
            _ => Err("it is no mapping of keys to values".to_string()),
        }
    }

    /// `line 3: key pair: expected ...`
    pub fn wrong(&self, key: &str, why: &str) -> String {
        format!("{}{key}: {why}", self.line(key))
    }

    /// `line 4: unknown key "securty group": did you mean "security group"?`
    pub fn unknown(&self, key: &str, known: &Keys) -> String {
        let names = known.iter().flat_map(|(name, others)| std::iter::once(*name).chain(others.iter().copied()));
        let hint = nearest(&canonical(key), names).map(|near| format!(": did you mean {near:?}?")).unwrap_or_default();
        format!("{}unknown key {key:?}{hint}", self.line(key))
    }

    /// The first line that has the key at its start.
    fn line(&self, key: &str) -> String {
        let has_key = |line: &str| {
            let line = line.trim_start_matches(['-', ' ', '\t', '{', '"', '\'']);
            line.strip_prefix(key).is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
        };
        let line = self.text.lines().position(has_key);
        line.map(|line| format!("line {}: ", line + 1)).unwrap_or_default()
    }
}

/// Keys are the same with blanks, `_` and `-`, in capitals and not.
pub fn canonical(key: &str) -> String {
    key.trim().replace(['_', '-'], " ").to_lowercase()
}

/// The known name that a key goes by.
pub fn known(key: &str, known: &Keys) -> Option<&'static str> {
    let key = canonical(key);
    known.iter().find(|(name, others)| *name == key || others.contains(&key.as_str())).map(|(name, _)| *name)
}

/// A text; a number or a boolean as it is written.
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// A list of texts, or a single one.
pub fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        value if is_nothing(value) => Some(Vec::new()),
        Value::Sequence(items) => items.iter().map(text).collect(),
        value => Some(vec![text(value)?]),
    }
}

/// A boolean, also in the words of YAML 1.1, which profiles of 2011 were written in.
pub fn flag(value: &Value) -> Option<bool> {
    match text(value)?.to_ascii_lowercase().as_str() {
        "yes" | "y" | "on" | "true" => Some(true),
        "no" | "n" | "off" | "false" => Some(false),
        _ => None,
    }
}

/// What people write for nothing: `~`, `no`, an empty text or list, Python's `None`.
pub fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Sequence(items) => items.is_empty(),
        Value::Mapping(mapping) => mapping.is_empty(),
        Value::String(text) if text.trim().is_empty() => true,
        Value::String(text) if matches!(text.to_ascii_lowercase().as_str(), "none" | "null" | "nil") => true,
        value => flag(value) == Some(false),
    }
}

pub fn untag(value: Value) -> Value {
    match value {
        Value::Tagged(tagged) => untag(tagged.value),
        Value::Sequence(items) => items.into_iter().map(untag).collect(),
        Value::Mapping(mapping) => {
            Value::Mapping(mapping.into_iter().map(|(key, value)| (key, untag(value))).collect())
        }
        value => value,
    }
}

/// The parser's words, with the line in front.
fn explain(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let text = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
    match error.location() {
        Some(at) => format!("line {}: {text}", at.line()),
        None => text.to_string(),
    }
}
