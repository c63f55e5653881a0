//! A cloud-config-archive: a YAML list of parts.

use crate::cloud_config::check::another_root;
use crate::cloud_config::yaml_outline::{Outline, Root, is_beyond_reading};
use crate::cloud_init::content_type::{Folder, Kind, PartType};
use crate::cloud_init::run_order;
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
        run_order::folder_of(self.part_type().kind(), self.content.as_bytes())
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
