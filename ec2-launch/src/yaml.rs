//! YAML as people write it in profiles: one or a list, `yes` as a boolean, a clear word on an unknown key.

use serde::{Deserialize, Deserializer};
use serde_yaml::Value;
use strsim::damerau_levenshtein;

/// A single text or a list of them.
pub fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let wrong = || serde::de::Error::custom("expected a text or a list of texts");
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(Vec::new()),
        Value::Sequence(items) => items.iter().map(|item| text(item).ok_or_else(wrong)).collect(),
        other => Ok(vec![text(&other).ok_or_else(wrong)?]),
    }
}

/// A boolean, also in the words of YAML 1.1, which profiles of 2011 were written in.
pub fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    match &value {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        Value::String(text) => yes_or_no(text).map(Some).ok_or_else(|| serde::de::Error::custom("expected yes or no")),
        _ => Err(serde::de::Error::custom("expected yes or no")),
    }
}

pub fn yes_or_no(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "y" | "on" | "true" => Some(true),
        "no" | "n" | "off" | "false" => Some(false),
        _ => None,
    }
}

/// `line 7: unknown key "securty group": did you mean "security group"?` or the parser's own words, with the line.
pub fn explain(error: &serde_yaml::Error) -> String {
    let text = error.to_string();
    let place = error.location().map(|at| format!("line {}: ", at.line())).unwrap_or_default();
    // serde's sentence for it: unknown field `x`, expected one of `a`, `b`
    let Some((_, fields)) = text.split_once("unknown field ") else {
        let text = match text.rfind(" at line ") {
            Some(end) => &text[..end],
            None => &text,
        };
        return format!("{place}{text}");
    };
    let mut names = fields.split('`').skip(1).step_by(2);
    let unknown = names.next().unwrap_or_default();
    let nearest = names.min_by_key(|name| damerau_levenshtein(name, unknown));
    match nearest.filter(|name| damerau_levenshtein(name, unknown) <= name.len().max(4) / 2) {
        Some(nearest) => format!("{place}unknown key {unknown:?}: did you mean {nearest:?}?"),
        None => format!("{place}unknown key {unknown:?}"),
    }
}
