//! Reads the words of values: yes, no, nothing, a size.

use crate::document::yaml::{Content, Node};

/// Returns a boolean, also in the words of YAML 1.1, which profiles of 2011 were written in.
pub fn flag(node: &Node) -> Option<bool> {
    match node.text()?.to_ascii_lowercase().as_str() {
        "yes" | "y" | "on" | "true" => Some(true),
        "no" | "n" | "off" | "false" => Some(false),
        _ => None,
    }
}

/// Returns what people write for nothing: `~`, `no`, an empty text or list, Python's `None`.
pub fn is_nothing(node: &Node) -> bool {
    match &node.content {
        Content::Plain(text) => node.is_null() || is_word_for_nothing(text),
        Content::Quoted(text) => text.is_empty(),
        Content::List(items) => items.is_empty(),
        Content::Mapping(pairs) => pairs.is_empty(),
    }
}

/// Returns whether a plain text says that there is nothing.
pub fn is_word_for_nothing(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "none" | "null" | "nil" | "no" | "n" | "off" | "false")
}

/// Returns a whole number; with a unit it is GiB or TiB, as EC2 counts volumes.
pub fn gibibytes(text: &str) -> Option<i64> {
    let text = text.to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let factor = match text[digits.len()..].trim() {
        "" | "g" | "gb" | "gib" => 1,
        "t" | "tb" | "tib" => 1024,
        _ => return None,
    };
    let number = digits.parse::<i64>().ok()?.checked_mul(factor)?;
    // The largest volume has 64 TiB (Amazon EBS user guide, "Amazon EBS volume types").
    (1..=65_536).contains(&number).then_some(number)
}

/// Returns what was found where something else was expected.
pub fn found(node: &Node) -> String {
    match &node.content {
        Content::Plain(text) | Content::Quoted(text) => format!("{text:?}"),
        Content::List(_) => "a list".to_string(),
        Content::Mapping(_) => "keys with values".to_string(),
    }
}
