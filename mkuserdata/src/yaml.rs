//! Parts in YAML, read as cloud-init reads them: PyYAML's `safe_load`, of which the root has to be of one type.

use crate::kind::{Kind, PartType};
use serde_yaml::Value;

const IGNORED: &str = "cloud-init would ignore it";

/// What is wrong with a cloud-config, which is a mapping.
pub(crate) fn cloud_config(text: &str) -> Option<String> {
    match load(text) {
        Err(problem) => Some(problem),
        Ok(Value::Mapping(_)) => None,
        Ok(Value::Null) => Some(format!("has nothing but comments: {IGNORED}")),
        Ok(other) => Some(format!("is {}, no YAML mapping: {IGNORED}", noun(&other))),
    }
}

/// What is wrong with an archive, a list of texts and mappings.
pub(crate) fn archive(text: &str) -> Option<String> {
    match load(text) {
        Err(problem) => Some(problem),
        Ok(Value::Sequence(entries)) => {
            entries.iter().enumerate().find_map(|(at, value)| Some(format!("entry {} {}", at + 1, wrong_entry(value)?)))
        }
        Ok(Value::Null) => Some(format!("has no entries: {IGNORED}")),
        Ok(other) => Some(format!("is {}, no YAML list: {IGNORED}", noun(&other))),
    }
}

/// `_explode_archive` in user_data.py.
fn wrong_entry(value: &Value) -> Option<&'static str> {
    const NONE_AT_ALL: &str = "has no text as content: cloud-init would take none of the user-data";
    let Some(entry) = entry(value.clone()) else {
        return Some("is neither text nor a mapping: cloud-init would skip it");
    };
    if value.get("content").is_some_and(|content| !content.is_string()) {
        return Some(NONE_AT_ALL);
    }
    if entry.declared.as_deref().is_some_and(|declared| !declared.contains('/')) {
        return Some("has a type without a slash: cloud-init would take none of the user-data");
    }
    match entry.part_type().kind() {
        Some(Kind::Include | Kind::IncludeOnce | Kind::CloudConfigArchive) => {
            Some("is to be opened in turn, which cloud-init does not do: it would ignore it")
        }
        _ => None,
    }
}

/// The parts of an archive: name, type and content, each if it is given.
pub(crate) fn entries(text: &str) -> Vec<Entry> {
    let Ok(Value::Sequence(entries)) = load(text) else { return Vec::new() };
    entries.into_iter().filter_map(entry).collect()
}

fn entry(value: Value) -> Option<Entry> {
    let field = |map: &serde_yaml::Mapping, key: &str| map.get(key).and_then(Value::as_str).map(str::to_string);
    match value {
        Value::String(content) => Some(Entry { name: None, declared: None, content }),
        Value::Mapping(map) => Some(Entry {
            name: field(&map, "filename"),
            declared: field(&map, "type"),
            content: field(&map, "content").unwrap_or_default(),
        }),
        _ => None,
    }
}

pub(crate) struct Entry {
    pub name: Option<String>,
    pub declared: Option<String>,
    pub content: String,
}

impl Entry {
    /// `_explode_archive` in user_data.py: what begins in no way it knows is a cloud-config.
    pub fn part_type(&self) -> PartType {
        match &self.declared {
            Some(declared) => PartType::of(&declared.to_lowercase(), self.content.as_bytes()),
            None => PartType::Known(Kind::of(self.content.as_bytes()).unwrap_or(Kind::CloudConfig)),
        }
    }
}

/// The error without what the text says there: it may be a secret.
fn load(text: &str) -> Result<Value, String> {
    // PyYAML's reader, unlike others, takes no control characters at all.
    if let Some(at) = text.find(|c: char| c.is_control() && !"\t\n\r\u{85}".contains(c)) {
        let line = text[..at].matches('\n').count() + 1;
        return Err(format!("line {line} has a control character, which YAML has not: {IGNORED}"));
    }
    serde_yaml::from_str(text).map_err(|error| {
        let message = error.to_string();
        match error.location() {
            _ if message.contains("duplicate entry") => {
                "has a key twice: cloud-init would take the last of them".to_string()
            }
            _ if message.contains("more than one document") => format!("is several YAML documents: {IGNORED}"),
            Some(place) => format!("line {} is no YAML: {IGNORED}", place.line()),
            None => format!("is no YAML: {IGNORED}"),
        }
    })
}

fn noun(value: &Value) -> &'static str {
    match value {
        Value::Sequence(_) => "a list",
        Value::Mapping(_) => "a mapping",
        Value::Tagged(_) => "of a type of its own",
        _ => "a plain value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloud_config_is_a_mapping() {
        let found = |text: &str| cloud_config(text).unwrap_or_default();
        assert_eq!(found("#cloud-config\na: [1, {b: c}]\n"), "");
        assert_eq!(found("#cloud-config\n---\na: 1\n"), "");
        assert_eq!(found("#cloud-config\n- a\n"), "is a list, no YAML mapping: cloud-init would ignore it");
        assert_eq!(found("#cloud-config\nhello\n"), "is a plain value, no YAML mapping: cloud-init would ignore it");
        assert_eq!(found("#cloud-config\n# a: 1\n"), "has nothing but comments: cloud-init would ignore it");
        assert_eq!(found("#cloud-config\na: 1\na: 2\n"), "has a key twice: cloud-init would take the last of them");
        assert_eq!(found("#cloud-config\na: 1\n b: [\n"), "line 3 is no YAML: cloud-init would ignore it");
        assert_eq!(
            found("#cloud-config\na:\t\x07\n"),
            "line 2 has a control character, which YAML has not: cloud-init would ignore it"
        );
        assert_eq!(found("#cloud-config\na: 1\n---\nb: 1\n"), "is several YAML documents: cloud-init would ignore it");
    }

    #[test]
    fn an_archive_is_a_list() {
        let found = |text: &str| archive(text).unwrap_or_default();
        assert_eq!(found("#cloud-config-archive\n- '#!/bin/sh'\n- {content: x}\n"), "");
        assert_eq!(found("a: 1\n"), "is a mapping, no YAML list: cloud-init would ignore it");
        assert_eq!(found("- a\n- 7\n"), "entry 2 is neither text nor a mapping: cloud-init would skip it");
        let entries = entries("- '#!/bin/sh'\n- {content: x, type: text/plain, filename: f}\n- 7\n");
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[1].name.as_deref(), entries[1].declared.as_deref()), (Some("f"), Some("text/plain")));
    }
}
