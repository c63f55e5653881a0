//! The fields that columns show: a key of the records, or a value computed from one.

use crate::visible;
use cerveza_record::{Value, path_splits};
use std::time::SystemTime;

/// A row of output: gives the value of a key, if there is one.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<Value>;

/// Returns the value at a dotted path, such as `tags.role`. A key may contain dots (`tags.kubernetes.io/role`). For a list,
/// returns the values of its items as a list.
fn at_path(row: Lookup<'_>, path: &str) -> Option<Value> {
    path_splits(path).find_map(|(key, rest)| match rest {
        None => row(key),
        Some(rest) => within(&row(key)?, rest),
    })
}

fn within(value: &Value, path: &str) -> Option<Value> {
    match value {
        Value::Object(map) => at_path(&|key| map.get(key).cloned(), path),
        Value::Array(items) => {
            let found: Vec<Value> = items.iter().filter_map(|item| within(item, path)).collect();
            (!found.is_empty()).then_some(Value::Array(found))
        }
        _ => None,
    }
}

/// A column of a table: its header and the record's key it shows.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    pub header: &'static str,
    pub key: &'static str,
}

/// A column that is shown.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// For a table.
    pub header: String,
    /// For csv and tsv.
    pub path: String,
}

impl Field {
    /// Returns the fields of these paths, or of all `columns` if there are none. Known fields keep their headers.
    pub fn all(paths: &[String], columns: &[Column]) -> Vec<Field> {
        let known =
            |path: &str| columns.iter().find(|column| column.key == path).map(|column| column.header.to_string());
        let field = |path: &str| Field {
            header: known(path).unwrap_or_else(|| visible(&path.to_uppercase().replace('_', " ")).into_owned()),
            path: path.to_string(),
        };
        match paths {
            [] => columns.iter().map(|column| field(column.key)).collect(),
            paths => paths.iter().map(|path| field(path)).collect(),
        }
    }
}

/// Returns the value of a row at `path`. `age`, in seconds, is computed from `launch_time` unless the row has it.
pub(crate) fn value_at(row: Lookup<'_>, path: &str, now: SystemTime) -> Option<Value> {
    at_path(row, path).or_else(|| match path {
        "age" => row("launch_time").map(|time| age(&time, now).map_or(Value::Null, Value::from)),
        _ => None,
    })
}

fn age(launch_time: &Value, now: SystemTime) -> Option<u64> {
    let launched = humantime::parse_rfc3339_weak(launch_time.as_str()?).ok()?;
    Some(now.duration_since(launched).unwrap_or_default().as_secs())
}

/// Returns the bytes that base64 stands for: four characters are three bytes, except for the padding. Nobody can read
/// user-data in a table, and it may have secrets.
fn decoded_size(base64: &str) -> usize {
    base64.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').count() * 3 / 4
}

/// Returns a cell's text for people: empty if it is missing; lists and objects on one line, without JSON's quotes.
pub(crate) fn shown(path: &str, value: Option<&Value>) -> String {
    let text = match (path, value) {
        (_, None | Some(Value::Null)) => String::new(),
        ("age", Some(Value::Number(seconds))) => seconds.as_u64().map_or_else(|| seconds.to_string(), short_age),
        ("user_data", Some(Value::String(base64))) => decoded_size(base64).to_string(),
        (_, Some(value)) => plain(value),
    };
    visible(&text).into_owned()
}

/// Returns a cell's text for programs: empty if it is missing; a list of plain values is separated by commas; other
/// lists and objects are JSON.
pub(crate) fn flat(path: &str, value: Option<&Value>) -> String {
    let is_nested = |value: &Value| value.is_array() || value.is_object();
    match (path, value) {
        (_, None | Some(Value::Null)) => String::new(),
        ("age", Some(Value::Number(seconds))) => seconds.as_u64().map_or_else(|| seconds.to_string(), short_age),
        (_, Some(Value::Array(items))) if !items.iter().any(is_nested) => {
            items.iter().map(plain).collect::<Vec<_>>().join(",")
        }
        (_, Some(value)) if is_nested(value) => value.to_string(),
        (_, Some(value)) => plain(value),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{key}={}", plain(value)));
            pairs.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// Returns a time as `45s`, `12m`, `5h` or `412d`.
fn short_age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cerveza_record::{Record, json};
    use std::time::Duration;

    #[test]
    fn a_table_shows_the_size_of_user_data() {
        assert_eq!(["", "YQ==", "YWI=", "YWJj", "YWJj\nZA=="].map(decoded_size), [0, 1, 2, 3, 4]);
        assert_eq!(shown("user_data", Some(&json!("YWI="))), "2");
        assert_eq!(flat("user_data", Some(&json!("YWI="))), "YWI=");
    }

    #[test]
    fn path_leads_through_objects_and_lists() {
        let record = Record::parse(
            r#"{"host":"a","tags":{"role":"web","k8s.io/role":"x","n":null},"volumes":[{"size":8},{},{"size":9}],"a.b":1}"#,
        )
        .unwrap();
        let at = |path| at_path(&|key| record.get(key), path);
        assert_eq!(at("host"), Some(json!("a")));
        assert_eq!(at("tags.role"), Some(json!("web")));
        assert_eq!(at("tags.k8s.io/role"), Some(json!("x")));
        assert_eq!(at("tags.n"), Some(json!(null)));
        assert_eq!(at("volumes.size"), Some(json!([8, 9])));
        assert_eq!(at("a.b"), Some(json!(1)));
        for nothing in ["tags.missing", "host.x", "volumes.x", "", ".", "tags."] {
            assert_eq!(at(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn age_is_the_time_since_the_launch() {
        let now = humantime::parse_rfc3339_weak("2026-11-29T12:00:00Z").unwrap();
        let age = |record: &str| {
            let record = Record::parse(record).unwrap();
            shown("age", value_at(&|key| record.get(key), "age", now).as_ref())
        };
        assert_eq!(age(r#"{"host":"a","launch_time":"2026-11-29T11:59:15Z"}"#), "45s");
        assert_eq!(age(r#"{"host":"a","launch_time":"2026-11-29T07:00:00.000Z"}"#), "5h");
        assert_eq!(age(r#"{"host":"a","launch_time":"2025-10-13T07:00:00Z"}"#), "412d");
        assert_eq!(age(r#"{"host":"a","launch_time":"2026-11-29T12:00:09Z"}"#), "0s");
        assert_eq!(age(r#"{"host":"a","launch_time":null}"#), "");
        assert_eq!(age(r#"{"host":"a","launch_time":"?"}"#), "");
        assert_eq!(age(r#"{"host":"a"}"#), "");
        assert_eq!(age(r#"{"host":"a","age":"old","launch_time":"2026-11-29T11:59:15Z"}"#), "old");
        assert_eq!(short_age(Duration::from_secs(3599).as_secs()), "59m");
    }

    #[test]
    fn lists_and_objects_are_one_cell() {
        let cells = |value: Value| (shown("x", Some(&value)), flat("x", Some(&value)));
        let both = |text: &str| (text.to_string(), text.to_string());
        assert_eq!(cells(json!(["web", 1, null])), both("web,1,"));
        assert_eq!(cells(json!({"a": "b", "n": 1})), ("a=b n=1".to_string(), r#"{"a":"b","n":1}"#.to_string()));
        assert_eq!(cells(json!([{"a": 1}])), ("a=1".to_string(), r#"[{"a":1}]"#.to_string()));
        assert_eq!(cells(json!("a\tb\u{1b}")), ("a\\tb\\u{1b}".to_string(), "a\tb\u{1b}".to_string()));
        assert_eq!((shown("x", None), flat("x", Some(&json!(null)))), (String::new(), String::new()));
    }
}
