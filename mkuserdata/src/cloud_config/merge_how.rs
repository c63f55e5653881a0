//! X-Merge-Type and `merge_how`: how cloud-init merges a cloud-config with those before it.

use crate::cloud_config::yaml_node::{Content, Node};
use cerveza_manners::{Failure, Result};

/// The value that `append` stands for, from cloud-init's documentation on merging.
pub(crate) const APPEND: &str = "list(append)+dict(no_replace,recurse_list)+str()";

/// The mergers and their settings (cloudinit/mergers/m_*.py).
const MERGERS: [(&str, &[&str]); 3] = [
    (
        "list",
        &["append", "prepend", "replace", "no_replace", "recurse_str", "recurse_dict", "recurse_array", "recurse_list"],
    ),
    (
        "dict",
        &["replace", "no_replace", "allow_delete", "recurse_str", "recurse_dict", "recurse_array", "recurse_list"],
    ),
    ("str", &["append"]),
];

/// Returns the full value. Fails if cloud-init would not understand it.
pub(crate) fn merge_type(value: &str) -> Result<String> {
    if value == "append" {
        return Ok(APPEND.to_string());
    }
    match problem(value) {
        None => Ok(value.to_string()),
        Some(why) => Err(Failure::usage(format!("--merge {value}: {why}")).hint(format!("as in '{APPEND}'"))),
    }
}

/// Returns why cloud-init would not merge by this value (`string_extract_mergers` in its mergers/__init__.py).
pub(crate) fn problem(value: &str) -> Option<String> {
    if value.chars().any(char::is_control) {
        return Some("it has a control character".to_string());
    }
    let mut merges_mappings = false;
    for merger in mergers(&canonical(value)) {
        let (name, settings) = match merger {
            Ok(merger) => merger,
            Err(merger) => return Some(format!("{merger} is not of the form NAME(SETTING,...)")),
        };
        let Some((_, known)) = MERGERS.iter().find(|(known, _)| *known == name) else {
            return Some(format!("there is no merger {name}, but list, dict and str"));
        };
        merges_mappings |= name == "dict";
        if let Some(setting) = settings.iter().find(|setting| !known.contains(setting)) {
            return Some(format!("{name} has no setting {setting}, but {}", known.join(", ")));
        }
    }
    // A cloud-config is a mapping: what nothing merges stays what it was.
    (!merges_mappings).then(|| "without dict() cloud-init would leave the whole cloud-config out".to_string())
}

/// Returns the `merge_how` of a cloud-config in the form of a header (`dict_extract_mergers` in mergers/__init__.py).
pub(crate) fn merge_how(config: &Node) -> Option<String> {
    let given = ["merge_how", "merge_type"].into_iter().filter_map(|key| config.get(key));
    let given = given.into_iter().find(|given| given.content != Content::Plain(serde_json::Value::Null))?;
    let merger = |item: &Node| {
        let words = |items: &[Node]| items.iter().filter_map(Node::text).collect::<Vec<_>>().join(",");
        match item.items() {
            [] => {
                let settings = item.get("settings").map(|settings| words(settings.items())).unwrap_or_default();
                format!("{}({settings})", item.get("name").and_then(Node::text).unwrap_or_default())
            }
            [name, settings @ ..] => format!("{}({})", name.text().unwrap_or_default(), words(settings)),
        }
    };
    Some(match given.text() {
        Some(text) => text.to_string(),
        None => given.items().iter().map(merger).collect::<Vec<_>>().join("+"),
    })
}

/// What happens to a key that earlier cloud-configs have too.
pub(crate) struct Mergers {
    /// The later value replaces the earlier one. Otherwise the earlier one stays, and they are merged as deep as the settings
    /// say.
    pub replaces: bool,
    /// Lists are joined, if `hands_lists_on`.
    pub joins_lists: bool,
    pub hands_lists_on: bool,
}

impl Mergers {
    /// The first of several mergers of one type counts (`LookupMerger` in cloud-init's mergers/__init__.py).
    pub fn of(value: &str) -> Mergers {
        let lower = canonical(value);
        let has = |merger: &str, any: &[&str]| {
            let found = mergers(&lower).flatten().find(|(name, _)| *name == merger);
            found.is_some_and(|(_, settings)| settings.iter().any(|setting| any.contains(setting)))
        };
        Mergers {
            replaces: has("dict", &["replace"]),
            joins_lists: has("list", &["append", "prepend"]),
            hands_lists_on: has("dict", &["recurse_array", "recurse_list"]),
        }
    }
}

fn canonical(value: &str) -> String {
    value.to_ascii_lowercase().replace('-', "_")
}

/// Returns the name and settings of each merger, or its text if it is malformed.
fn mergers(canonical: &str) -> impl Iterator<Item = std::result::Result<(&str, Vec<&str>), &str>> {
    let given = canonical.split('+').map(str::trim).filter(|merger| !merger.is_empty());
    given.map(|merger| parsed(merger).ok_or(merger))
}

fn parsed(merger: &str) -> Option<(&str, Vec<&str>)> {
    let (name, rest) = merger.split_once('(')?;
    let settings = rest.strip_suffix(')')?.split(',').map(str::trim).filter(|setting| !setting.is_empty());
    Some((name, settings.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_merge_types_are_unchanged() {
        for value in ["dict()", "list(append)+dict(recurse_array)+str()", "dict(no-replace, recurse-list)+list(append)"]
        {
            assert_eq!(merge_type(value).unwrap(), value);
        }
        assert_eq!(merge_type("append").unwrap(), APPEND);
        assert_eq!(merge_type(APPEND).unwrap(), APPEND);
    }

    #[test]
    fn invalid_merge_types_are_refused() {
        let why = |value: &str| merge_type(value).unwrap_err().message;
        let left_out = "without dict() cloud-init would leave the whole cloud-config out";
        assert_eq!(why(""), format!("--merge : {left_out}"));
        assert_eq!(why("list(append)+str()"), format!("--merge list(append)+str(): {left_out}"));
        assert_eq!(why("list"), "--merge list: list is not of the form NAME(SETTING,...)");
        assert_eq!(why("set()"), "--merge set(): there is no merger set, but list, dict and str");
        assert_eq!(why("str(replace)"), "--merge str(replace): str has no setting replace, but append");
        assert!(why("list(append)\nX: y").ends_with("it has a control character"));
    }
}
