//! Reads a cloud-config-archive, which is a YAML list of parts, and checks it.

use crate::cloud_config::check::another_root;
use crate::cloud_config::yaml_node::{Content, Node};
use crate::cloud_config::yaml_outline::{Root, YamlOutline};
use crate::cloud_init::content_type::{ContentType, Folder, PartType};
use crate::cloud_init::run_order;

/// Returns what is wrong with an archive, a list of texts and mappings, and with its parts. `check` checks one part.
pub(crate) fn problems(text: &str, check: impl Fn(&PartType, Option<&str>, &[u8]) -> Vec<String>) -> Vec<String> {
    let outline = match YamlOutline::of(text) {
        Err(problem) => return vec![problem],
        Ok(outline) => outline,
    };
    let mut problems = outline.problems;
    problems.extend(another_root(outline.root, Root::List, "has no entries"));
    for (at, node) in Node::read(text).iter().flat_map(Node::items).enumerate() {
        problems.extend(in_entry(node, &check).into_iter().map(|problem| format!("entry {}: {problem}", at + 1)));
    }
    problems
}

/// Returns the parts of an archive (`_explode_archive` in cloud-init's user_data.py).
pub(crate) fn entries(text: &str) -> Vec<Entry> {
    Node::read(text).iter().flat_map(Node::items).filter_map(entry).collect()
}

pub(crate) struct Entry {
    pub name: Option<String>,
    pub declared: Option<String>,
    pub content: String,
    pub merge_type: Option<String>,
}

impl Entry {
    /// Returns the type. A part with an unknown beginning is a cloud-config.
    pub fn part_type(&self) -> PartType {
        match &self.declared {
            Some(declared) => PartType::of(&declared.to_lowercase(), self.content.as_bytes()),
            None => PartType::Known(ContentType::of(self.content.as_bytes()).unwrap_or(ContentType::CloudConfig)),
        }
    }

    /// Returns the folder from which it runs, if it is a script.
    pub fn folder(&self) -> Option<Folder> {
        run_order::folder_of(self.part_type().content_type(), self.content.as_bytes())
    }
}

fn entry(node: &Node) -> Option<Entry> {
    let field = |key: &str| node.get(key).and_then(Node::text).map(str::to_string);
    match node.content {
        Content::Mapping(_) => Some(Entry {
            name: field("filename"),
            declared: field("type").filter(|declared| !declared.is_empty()),
            content: field("content").unwrap_or_default(),
            merge_type: field("Merge-Type").or(field("X-Merge-Type")),
        }),
        _ => node.text().map(|content| Entry {
            name: None,
            declared: None,
            content: content.to_string(),
            merge_type: None,
        }),
    }
}

fn in_entry(node: &Node, check: impl Fn(&PartType, Option<&str>, &[u8]) -> Vec<String>) -> Vec<String> {
    const NONE_AT_ALL: &str = "cloud-init would take none of the user-data";
    // The others become headers, which only text can.
    let is_free = |key: &str, value: &Node| match key {
        "filename" | "launch-index" => true,
        "type" => value.content == Content::Plain(serde_json::Value::Null),
        _ => false,
    };
    let not_text = node.pairs().iter().find(|(key, value)| value.text().is_none() && !is_free(key, value));
    let Some(entry) = entry(node) else {
        return vec!["is neither text nor a mapping: cloud-init would skip it".to_string()];
    };
    if let Some((key, _)) = not_text {
        return vec![format!("{key} is not text: {NONE_AT_ALL}")];
    }
    if entry.declared.as_deref().is_some_and(|declared| !declared.contains('/')) {
        return vec![format!("its type has no slash: {NONE_AT_ALL}")];
    }
    let part_type = entry.part_type();
    if let Some(ContentType::Include | ContentType::IncludeOnce | ContentType::CloudConfigArchive) =
        part_type.content_type()
    {
        return vec!["cloud-init opens no such part within an archive: it would ignore it".to_string()];
    }
    if let PartType::Gzip(_) = part_type {
        return vec!["cloud-init unpacks no part within an archive: it would ignore it".to_string()];
    }
    let declared = entry.declared.clone().unwrap_or_else(|| part_type.to_string());
    check(&part_type, Some(&declared), entry.content.as_bytes())
}
