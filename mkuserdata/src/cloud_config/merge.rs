//! Merges the cloud-configs of one user-data as cloud-init does, to find the lists and mappings that it loses.

use crate::cloud_config::archive;
use crate::cloud_config::merge_how;
use crate::cloud_config::merge_how::{APPEND, Mergers};
use crate::cloud_config::yaml_node::{Content, Node};
use crate::cloud_init::content_type::{ContentType, PartType};
use crate::cloud_init::run_order::{self, RUNCMD};
use regex::Regex;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// Stands for an expression in a template that cloud-init renders. It is a private character of Unicode, so no text has it.
pub(crate) const RENDERED: char = '\u{e000}';

/// A cloud-config and how it is merged.
#[derive(Clone, Debug)]
pub(crate) struct CloudConfig {
    /// Its number in an archive, if it is in one.
    pub entry: Option<usize>,
    pub node: Node,
    /// How it is merged with those before it: its own `merge_how` and the header of its part.
    mergers: Option<String>,
    /// The only instance of a launch that uses it.
    launch_index: Option<i64>,
}

/// Returns the cloud-configs in a part: one, or those of an archive. It skips what cloud-init would not read.
pub(crate) fn configs(
    part_type: &PartType,
    content: &[u8],
    merge_type: Option<&str>,
    launch_index: Option<i64>,
) -> Vec<CloudConfig> {
    let Ok(text) = std::str::from_utf8(content) else { return Vec::new() };
    match part_type.content_type() {
        Some(ContentType::CloudConfigArchive) => {
            let of_entry = |(at, entry): (usize, archive::Entry)| {
                let config = CloudConfig::read(&entry.part_type(), &entry.content, entry.merge_type.as_deref())?;
                Some(CloudConfig { entry: Some(at + 1), ..config })
            };
            archive::entries(text).into_iter().enumerate().filter_map(of_entry).collect()
        }
        _ => {
            let config = CloudConfig::read(part_type, text, merge_type);
            config.map(|config| CloudConfig { launch_index, ..config }).into_iter().collect()
        }
    }
}

impl CloudConfig {
    fn read(part_type: &PartType, text: &str, merge_type: Option<&str>) -> Option<CloudConfig> {
        let text: Cow<str> = match part_type.content_type() {
            Some(ContentType::CloudConfig) => text.into(),
            Some(ContentType::Jinja)
                if run_order::behind_first_line(text.as_bytes()) == Some(ContentType::CloudConfig) =>
            {
                without_jinja(text).into()
            }
            _ => return None,
        };
        let node = Node::read(&text).filter(|node| matches!(node.content, Content::Mapping(_)))?;
        let own = merge_how::merge_how(&node);
        let mergers: Vec<&str> = own.as_deref().into_iter().chain(merge_type).filter(|text| !text.is_empty()).collect();
        let mergers = (!mergers.is_empty()).then(|| mergers.join("+"));
        Some(CloudConfig { entry: None, node, mergers, launch_index: None })
    }

    /// Returns whether any instance merges both.
    fn meets(&self, other: &CloudConfig) -> bool {
        self.launch_index.is_none() || other.launch_index.is_none() || self.launch_index == other.launch_index
    }

    fn line_of(&self, key: &str) -> String {
        let line = self.node.get(key).and_then(|value| value.line);
        line.map(|line| format!(" (line {line})")).unwrap_or_default()
    }
}

/// Returns a template of cloud-init as YAML: all branches at once, with [`RENDERED`] for each expression.
fn without_jinja(text: &str) -> String {
    static JINJA: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?s)\{%.*?%\}|\{#.*?#\}|\{\{.*?\}\}").ok());
    let Some(jinja) = JINJA.as_ref() else { return text.to_string() };
    let plain = jinja.replace_all(text, |found: &regex::Captures| match &found[0] {
        expression if expression.starts_with("{{") => RENDERED.to_string(),
        // Lines keep their numbers.
        statement => "\n".repeat(statement.matches('\n').count()),
    });
    plain.into_owned()
}

/// The result of merging.
#[derive(Default)]
pub(crate) struct Merged {
    pub clashes: Vec<Clash>,
    /// The indexes of the cloud-configs whose `runcmd` is run.
    pub runcmd: Vec<usize>,
}

/// Two cloud-configs of which one loses the list or mapping of a key to the other.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Clash {
    pub first: usize,
    pub second: usize,
    pub key: String,
    noun: &'static str,
    keeps_second: bool,
}

/// Merges cloud-configs in their order, as cloud-init's handlers/cloud_config.py does; its default is
/// `dict(replace)+list()+str()`. A plain value that replaces another may be intended, but a list or mapping loses its content.
pub(crate) fn merge(configs: &[&CloudConfig]) -> Merged {
    let mut clashes = Vec::new();
    // Those whose value of a key is in the result so far.
    let mut owners: HashMap<&str, Vec<usize>> = HashMap::new();
    for (second, config) in configs.iter().enumerate() {
        let mergers = config.mergers.as_deref().map(Mergers::of);
        for (key, value) in config.node.pairs().iter().filter(|(key, _)| !is_about_merging(key)) {
            let owners = owners.entry(key).or_default();
            let joins_lists = mergers.as_ref().is_some_and(|mergers| mergers.joins_lists);
            let replaces = mergers.as_ref().is_none_or(|mergers| mergers.replaces);
            let hands_lists_on = mergers.as_ref().is_some_and(|mergers| mergers.hands_lists_on);
            for &first in owners.iter().filter(|first| configs[**first].meets(config)) {
                let Some(before) = configs[first].node.get(key) else { continue };
                // Explicit mergers are believed, unless they join lists that never reach them.
                let is_lost = match &mergers {
                    None => !is_kept(before, value),
                    Some(_) if !joins_lists => false,
                    Some(_) if replaces => loses_list(before, value),
                    Some(_) => !hands_lists_on && loses_list(value, before),
                };
                let noun = match (&before.content, &mergers) {
                    (Content::List(_), _) => "list",
                    (_, None) => "mapping",
                    (_, Some(_)) => "list in",
                };
                if is_lost {
                    clashes.push(Clash { first, second, key: key.clone(), noun, keeps_second: replaces });
                }
            }
            if replaces && config.launch_index.is_none() {
                owners.clear();
            }
            if replaces || hands_lists_on || owners.is_empty() {
                owners.push(second);
            }
        }
    }
    Merged { clashes, runcmd: owners.remove(RUNCMD).unwrap_or_default() }
}

fn is_about_merging(key: &str) -> bool {
    matches!(key, "merge_how" | "merge_type" | "launch-index")
}

/// Returns whether everything in the lists and mappings of `before` is in `after` too.
fn is_kept(before: &Node, after: &Node) -> bool {
    match (&before.content, &after.content) {
        (Content::List(before), Content::List(after)) => {
            let after: HashSet<String> = after.iter().map(|item| item.to_json().to_string()).collect();
            before.iter().all(|item| after.contains(&item.to_json().to_string()))
        }
        (Content::Mapping(before), Content::Mapping(_)) => {
            before.iter().all(|(key, value)| after.get(key).is_some_and(|after| is_kept(value, after)))
        }
        (Content::List(before), _) => before.is_empty(),
        (Content::Mapping(before), _) => before.is_empty(),
        _ => true,
    }
}

/// Returns whether a list at the same place in both has items that are in `lost` only.
fn loses_list(lost: &Node, kept: &Node) -> bool {
    match (&lost.content, &kept.content) {
        (Content::List(_), Content::List(_)) => !is_kept(lost, kept),
        (Content::Mapping(lost), Content::Mapping(_)) => {
            lost.iter().any(|(key, value)| kept.get(key).is_some_and(|kept| loses_list(value, kept)))
        }
        _ => false,
    }
}

impl Clash {
    /// Returns the message about what is lost. `name` names a cloud-config.
    pub fn say(&self, configs: &[&CloudConfig], name: impl Fn(usize) -> String) -> String {
        let Clash { first, second, key, noun, keeps_second } = self;
        let (config, later) = (configs[*second], name(*second));
        let kept = if *keeps_second { &later } else { &name(*first) };
        let both = format!(
            "{}{} and {later}{} both have the {noun} {key}: cloud-init would keep only that of {kept}",
            name(*first),
            configs[*first].line_of(key),
            config.line_of(key)
        );
        match &config.mergers {
            Some(mergers) => format!("{both}. The merge type {mergers} never reaches it: '{APPEND}' does"),
            None if config.entry.is_some() => format!("{both}. With merge_how: '{APPEND}' in the later it keeps both"),
            None => format!("{both}. With mkuserdata --merge append, or merge_how in the later, it keeps both"),
        }
    }
}
