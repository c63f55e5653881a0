//! Values by a dotted path: `zone`, `tags.role`, `volumes.size_gib`.

use crate::Record;
use serde_json::Value;
use std::iter;

/// Splits a path at each of its dots, the longest key first, because a key may have dots in it
/// (`tags.example.com/team`). Gives each key with the path that is left within its value.
pub fn path_splits(path: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let dots = path.rmatch_indices('.').map(|(at, _)| (&path[..at], Some(&path[at + 1..])));
    iter::once((path, None)).chain(dots)
}

/// Returns whether a value at `path` may lie under the top-level `key`.
pub fn leads_into(path: &str, key: &str) -> bool {
    path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Record {
    /// Returns the values at `path`: a key, then keys of objects within, with dots between them. A list gives each of
    /// its items; null is not a value.
    pub fn values_at(&self, path: &str) -> Vec<Value> {
        let mut values = Vec::new();
        if let Some((value, rest)) = path_splits(path).find_map(|(key, rest)| Some((self.get(key)?, rest))) {
            collect(value, rest, &mut values);
        }
        values
    }

    /// Returns the first text at `path` that is not empty.
    pub fn text_at(&self, path: &str) -> Option<String> {
        let values = self.values_at(path);
        values.iter().filter_map(Value::as_str).find(|text| !text.is_empty()).map(str::to_string)
    }
}

fn collect(value: Value, path: Option<&str>, values: &mut Vec<Value>) {
    match (value, path) {
        (Value::Null, _) => {}
        (Value::Array(items), _) => items.into_iter().for_each(|item| collect(item, path, values)),
        (Value::Object(mut map), Some(path)) => {
            if let Some((value, rest)) = path_splits(path).find_map(|(key, rest)| Some((map.remove(key)?, rest))) {
                collect(value, rest, values);
            }
        }
        (_, Some(_)) => {}
        (value, None) => values.push(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"host":"web1","zone":"a","none":null,"n":1.0,"tags":{"role":"db","a.b/c":"x","a":{"b":1}},
        "groups":["g1",null,"g2"],"volumes":[{"size":8},{"size":20},{}],"tags.top":"y"}"#;

    fn at(path: &str) -> String {
        Value::from(Record::parse(RECORD).unwrap().values_at(path)).to_string()
    }

    #[test]
    fn a_path_leads_through_objects_and_lists() {
        assert_eq!(["zone", "n", "tags.role"].map(at), [r#"["a"]"#, "[1.0]", r#"["db"]"#]);
        assert_eq!(["groups", "volumes.size"].map(at), [r#"["g1","g2"]"#, "[8,20]"]);
        assert_eq!(at("tags.a"), r#"[{"b":1}]"#);
    }

    #[test]
    fn what_is_missing_or_null_is_no_value() {
        for path in ["none", "nothing", "zone.x", "tags.x", "tags.role.x", "none.x", "", ".", "tags."] {
            assert_eq!(at(path), "[]", "{path}");
        }
    }

    #[test]
    fn a_key_may_have_dots() {
        assert_eq!(["tags.a.b/c", "tags.a.b", "tags.top"].map(at), [r#"["x"]"#, "[1]", r#"["y"]"#]);
        assert!(leads_into("tags.role", "tags") && leads_into("zone", "zone") && leads_into("a.b.c", "a.b"));
        assert!(!leads_into("tags.role", "tag") && !leads_into("zone", "zone.x"));
    }
}
