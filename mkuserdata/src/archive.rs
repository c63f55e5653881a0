//! A cloud-config-archive: a YAML list of parts.

use crate::kind::{Folder, Kind, PartType};
use crate::order;
use crate::outline::{Outline, Root, is_beyond_reading};
use crate::yaml::another_root;
use serde_yaml::Value;

/// What is wrong with an archive, a list of texts and mappings, and with the parts in it, which `check` looks at.
pub(crate) fn problems(text: &str, check: impl Fn(&PartType, Option<&str>, &[u8]) -> Vec<String>) -> Vec<String> {
    let outline = match Outline::of(text) {
        Err(problem) => return vec![problem],
        Ok(outline) => outline,
    };
    let mut problems = outline.problems;
    problems.extend(another_root(outline.root, Root::List, "has no entries"));
    for (at, value) in values(text).into_iter().enumerate() {
        problems.extend(in_entry(value, &check).into_iter().map(|problem| format!("entry {}: {problem}", at + 1)));
    }
    problems
}

/// The parts of an archive that cloud-init opens (`_explode_archive` in its user_data.py).
pub(crate) fn entries(text: &str) -> Vec<Entry> {
    values(text).into_iter().filter_map(entry).collect()
}

fn values(text: &str) -> Vec<Value> {
    if is_beyond_reading(text) {
        return Vec::new();
    }
    match serde_yaml::from_str(text) {
        Ok(mut value @ Value::Sequence(_)) => {
            // It fails where `<<` is no mapping, which is told of the outline.
            let _ = Value::apply_merge(&mut value);
            value.as_sequence_mut().map(std::mem::take).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

pub(crate) struct Entry {
    pub name: Option<String>,
    pub declared: Option<String>,
    pub content: String,
    pub merge_type: Option<String>,
    pub launch_index: Option<i64>,
}

impl Entry {
    /// What begins in no way that cloud-init knows is a cloud-config.
    pub fn part_type(&self) -> PartType {
        match &self.declared {
            Some(declared) => PartType::of(&declared.to_lowercase(), self.content.as_bytes()),
            None => PartType::Known(Kind::of(self.content.as_bytes()).unwrap_or(Kind::CloudConfig)),
        }
    }

    /// The folder that it will run from.
    pub fn folder(&self) -> Option<Folder> {
        order::folder_of(self.part_type().kind(), self.content.as_bytes())
    }
}

fn entry(value: Value) -> Option<Entry> {
    let field = |map: &serde_yaml::Mapping, key: &str| map.get(key).and_then(Value::as_str).map(str::to_string);
    match value {
        Value::String(content) => {
            Some(Entry { name: None, declared: None, content, merge_type: None, launch_index: None })
        }
        Value::Mapping(map) => Some(Entry {
            name: field(&map, "filename"),
            declared: field(&map, "type").filter(|declared| !declared.is_empty()),
            content: field(&map, "content").unwrap_or_default(),
            merge_type: field(&map, "Merge-Type").or(field(&map, "X-Merge-Type")),
            launch_index: map.get("launch-index").and_then(Value::as_i64),
        }),
        _ => None,
    }
}

fn in_entry(value: Value, check: impl Fn(&PartType, Option<&str>, &[u8]) -> Vec<String>) -> Vec<String> {
    const NONE_AT_ALL: &str = "cloud-init would take none of the user-data";
    let not_text = value.as_mapping().and_then(|map| {
        // The others become headers, which only text can.
        let is_free = |key: &Value, value: &Value| match key.as_str() {
            Some("filename" | "launch-index") => true,
            Some("type") => value.is_null(),
            _ => matches!(value, Value::Tagged(_)),
        };
        map.iter().find(|(key, value)| !key.is_string() || !(value.is_string() || is_free(key, value)))
    });
    let not_text = not_text.map(|(key, _)| key.as_str().unwrap_or("a key").to_string());
    let Some(entry) = entry(value) else {
        return vec!["is neither text nor a mapping: cloud-init would skip it".to_string()];
    };
    if let Some(key) = not_text {
        return vec![format!("{key} is no text: {NONE_AT_ALL}")];
    }
    if entry.declared.as_deref().is_some_and(|declared| !declared.contains('/')) {
        return vec![format!("its type has no slash: {NONE_AT_ALL}")];
    }
    let part_type = entry.part_type();
    if let Some(Kind::Include | Kind::IncludeOnce | Kind::CloudConfigArchive) = part_type.kind() {
        return vec!["cloud-init opens no such part within an archive: it would ignore it".to_string()];
    }
    if let PartType::Gzip(_) = part_type {
        return vec!["cloud-init unpacks no part within an archive: it would ignore it".to_string()];
    }
    let declared = entry.declared.clone().unwrap_or_else(|| part_type.to_string());
    check(&part_type, Some(&declared), entry.content.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn an_archive_is_a_list_of_sound_parts() {
        let found = |text: &str| problems(text, check::problems).join("; ");
        assert_eq!(found("#cloud-config-archive\n- \"#!/bin/sh\\n\"\n- {content: 'x: 1'}\n"), "");
        assert_eq!(found("a: 1\n"), "is a mapping, no YAML list: cloud-init would ignore it");
        assert_eq!(found("- 'a: 1'\n- 7\n"), "entry 2: is neither text nor a mapping: cloud-init would skip it");
        assert!(found("- {content: 7}\n").starts_with("entry 1: content is no text: "));
        assert!(found("- {type: cloud-config, content: 'a: 1'}\n").starts_with("entry 1: its type has no slash: "));
        assert!(found("- \"#include\\nhttp://x/\\n\"\n").starts_with("entry 1: cloud-init opens no such part "));
        assert!(found("- 'a: ['\n").starts_with("entry 1: is no YAML: "));
        // Also by who only asks for the parts.
        assert!(entries(&format!("- {}{}", "[".repeat(2_000_000), "]".repeat(2_000_000))).is_empty());
        let entries = entries("- '#!/bin/sh'\n- {content: x, type: text/plain, filename: f}\n- 7\n");
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[1].name.as_deref(), entries[1].declared.as_deref()), (Some("f"), Some("text/plain")));
    }
}
