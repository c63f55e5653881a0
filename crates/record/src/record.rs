//! One host as one JSON object.

use crate::fields::Fields;
use serde_json::Value;
use std::fmt;

/// A JSON object whose `host` is a non-empty string. Values are kept as they were written, so what no tool reads
/// costs no parsing and comes out byte for byte.
#[derive(Clone, Debug)]
pub struct Record {
    host: String,
    fields: Fields,
}

/// Why a text is not a record. `Display` does not include the line's number, which the reader adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordError {
    /// Not JSON, or not an object; the column counts bytes from 1.
    Json {
        why: String,
        column: usize,
    },
    NoHost,
    HostNotAString,
    EmptyHost,
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::Json { why, column } => write!(f, "broken JSON at column {column}: {why}"),
            RecordError::NoHost => write!(f, "the record has no \"host\""),
            RecordError::HostNotAString => write!(f, "\"host\" is not a string"),
            RecordError::EmptyHost => write!(f, "\"host\" is empty"),
        }
    }
}

impl std::error::Error for RecordError {}

impl Record {
    /// Returns a record of nothing but its host. An empty name is a bug of the caller.
    pub fn named(host: impl Into<String>) -> Record {
        Record::with_capacity(host, 1)
    }

    /// As [`Record::named`], with room for so many keys: a listing has many records.
    pub fn with_capacity(host: impl Into<String>, keys: usize) -> Record {
        let mut record = Record { host: String::new(), fields: Fields::with_capacity(keys) };
        record.set("host", host.into());
        record
    }

    /// Reads one JSON object; of a key given twice the last value counts.
    pub fn parse(text: &str) -> Result<Record, RecordError> {
        Record::parse_some(text, |_| true)
    }

    /// Reads one JSON object as [`Record::parse`] does. Keeps `host` and the keys that `is_wanted` accepts.
    pub fn parse_some(text: &str, is_wanted: impl Fn(&str) -> bool) -> Result<Record, RecordError> {
        let fields = Fields::parse(text, |key| key == "host" || is_wanted(key)).map_err(|error| json_error(&error))?;
        let host = fields.get("host").ok_or(RecordError::NoHost)?;
        let host: String = serde_json::from_str(host).map_err(|_| RecordError::HostNotAString)?;
        if host.is_empty() { Err(RecordError::EmptyHost) } else { Ok(Record { host, fields }) }
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns whether there is such a key, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.fields.get(key).is_some()
    }

    /// Returns the value of `key`. `None` also for what JSON allows and no Rust string can hold (a lone surrogate).
    pub fn get(&self, key: &str) -> Option<Value> {
        serde_json::from_str(self.fields.get(key)?).ok()
    }

    /// Returns the value of `key` where it is a string.
    pub fn str(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.fields.get(key)?).ok()
    }

    /// Sets `key`: in its place where the record has it, else at the end.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) {
        let value = value.into();
        if key == "host" {
            self.host = value.as_str().unwrap_or_default().to_string();
            debug_assert!(!self.host.is_empty(), "a host without a name");
        }
        self.fields.set(key, &value.to_string());
    }

    /// Removes `key`; the others keep their order.
    pub fn remove(&mut self, key: &str) {
        debug_assert!(key != "host");
        self.fields.remove(key);
    }

    /// Takes every key of `other`, in its order: what both have gets the other's value.
    pub fn merge(&mut self, other: Record) {
        self.host = other.host;
        for (key, value) in other.fields.iter() {
            self.fields.set(key, value);
        }
    }

    /// [`Record::merge`] where there is something to merge.
    pub fn merge_some(&mut self, other: Option<&Record>) {
        if let Some(other) = other {
            self.merge(other.clone());
        }
    }

    /// Returns the keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|(key, _)| key)
    }

    /// Returns the keys with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Value)> {
        self.fields.iter().filter_map(|(key, value)| Some((key, serde_json::from_str(value).ok()?)))
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Record) -> bool {
        self.fields.iter().eq(other.fields.iter())
    }
}

impl fmt::Display for Record {
    /// Returns the record as one line of JSON, without a newline: JSON escapes those within strings.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.fields, f)
    }
}

fn json_error(error: &serde_json::Error) -> RecordError {
    RecordError::Json { why: reason(error), column: error.column() }
}

/// serde_json's reason without its " at line 1 column N", which counts lines within the one line given to it.
pub(crate) fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_passes_unchanged_and_in_order() {
        let line =
            r#"{"z":1.0,"host":"web1","a":[1e3, {"n":12345678901234567890123}],"m":null,"s":"a\nb\u001b\ud800"}"#;
        assert_eq!(Record::parse(line).unwrap().to_string(), line);
    }

    #[test]
    fn set_keeps_the_place_of_a_known_key_and_appends_a_new_one() {
        let mut record = Record::parse(r#"{"state":"running","host":"web1"}"#).unwrap();
        record.set("state", "stopped");
        record.set("action", "stop");
        assert_eq!(record.to_string(), r#"{"state":"stopped","host":"web1","action":"stop"}"#);
    }

    #[test]
    fn remove_keeps_the_order_of_the_rest() {
        let mut record = Record::parse(r#"{"a":1,"error":"x","host":"h","b":2}"#).unwrap();
        record.remove("error");
        assert_eq!(record.to_string(), r#"{"a":1,"host":"h","b":2}"#);
    }

    #[test]
    fn a_host_that_is_given_twice_is_an_error() {
        let why = Record::parse(r#"{"host":"a","host":"b"}"#).unwrap_err().to_string();
        assert_eq!(why, "broken JSON at column 18: \"host\" is given twice");
    }

    #[test]
    fn what_is_no_record_says_why() {
        let why = |text| Record::parse(text).unwrap_err().to_string();
        assert_eq!(why(r#"{"name":"x"}"#), "the record has no \"host\"");
        assert_eq!(why(r#"{"host":7}"#), "\"host\" is not a string");
        assert_eq!(why(r#"{"host":""}"#), "\"host\" is empty");
        assert_eq!(why(r#"{"host":"x""#), "broken JSON at column 11: EOF while parsing an object");
        assert_eq!(why(r#"{"host":"x"} y"#), "broken JSON at column 14: trailing characters");
    }

    fn some(text: &str) -> Result<String, String> {
        let is_wanted = |key: &str| key == "zone";
        Record::parse_some(text, is_wanted).map(|record| record.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn only_host_and_the_wanted_keys_are_kept() {
        let line = r#"{"x":{"zone":[1,"]"]},"z\u006fne":{"a":1.0},"host":"web1","y":null}"#;
        assert_eq!(some(line).unwrap(), r#"{"zone":{"a":1.0},"host":"web1"}"#);
        assert_eq!(some(r#"{"host":"a","zone":1,"zone":2}"#).unwrap(), r#"{"host":"a","zone":2}"#);
    }

    #[test]
    fn the_errors_are_those_of_a_whole_record() {
        for text in [
            "{",
            r#"{"host":"x""#,
            r#"{"host":"x"} y"#,
            r#"{"host":7}"#,
            r#"{"host":""}"#,
            r#"{"x":1}"#,
            r#"{"a":tru,"host":"x"}"#,
            r#"{"a":"\q","host":"x"}"#,
            r#"{"host":"x","a":01}"#,
            "[1]",
            "{x",
        ] {
            assert_eq!(
                some(text),
                Record::parse(text).map(|_| String::new()).map_err(|error| error.to_string()),
                "{text}"
            );
        }
    }
}
