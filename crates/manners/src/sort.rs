//! `--sort`: its keys, and the order of rows.

use crate::completion::record_keys;
use crate::field::{Lookup, value_at};
use cerveza_record::{Value, natural_cmp};
use std::cmp::Ordering;
use std::time::SystemTime;

#[derive(clap::Args, Clone, Debug, Default)]
pub struct SortArgs {
    /// Sort by these keys, as in zone,-launch_time
    ///
    /// Keys of the records are separated by commas; `-` before a key sorts in descending order. Numbers are sorted by
    /// value, and names in natural order (web2 before web10). Hosts without the key come last.
    #[arg(long, value_name = "KEY", value_delimiter = ',', allow_hyphen_values = true, value_parser = parse_key, add = record_keys())]
    pub sort: Vec<SortKey>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortKey {
    pub path: String,
    pub is_descending: bool,
}

fn parse_key(text: &str) -> Result<SortKey, String> {
    let (path, is_descending) = text.strip_prefix('-').map_or((text, false), |path| (path, true));
    if path.is_empty() || path.starts_with('-') {
        Err("give a key of the records, with - before it for descending order, as in zone,-launch_time".into())
    } else {
        Ok(SortKey { path: path.to_string(), is_descending })
    }
}

/// The values that a row is sorted by.
pub(crate) type SortValues = Vec<SortValue>;

pub(crate) enum SortValue {
    Number(f64),
    Text(String),
    Missing,
}

pub(crate) fn sort_values(keys: &[SortKey], row: Lookup<'_>, now: SystemTime) -> SortValues {
    keys.iter().map(|key| SortValue::new(value_at(row, &key.path, now))).collect()
}

/// Compares two rows by the first key in which they differ.
pub(crate) fn compare(keys: &[SortKey], a: &SortValues, b: &SortValues) -> Ordering {
    let orders = keys.iter().zip(a.iter().zip(b)).map(|(key, (a, b))| a.compare(b, key.is_descending));
    orders.fold(Ordering::Equal, Ordering::then)
}

impl SortValue {
    fn new(value: Option<Value>) -> SortValue {
        match value {
            None | Some(Value::Null) => SortValue::Missing,
            Some(Value::Number(number)) => number.as_f64().map_or(SortValue::Missing, SortValue::Number),
            Some(Value::String(text)) => match number_in(&text) {
                Some(number) => SortValue::Number(number),
                None => SortValue::Text(text),
            },
            Some(other) => SortValue::Text(other.to_string()),
        }
    }

    /// Numbers come before text. Missing values come last in both directions.
    fn compare(&self, other: &SortValue, is_descending: bool) -> Ordering {
        let order = match (self, other) {
            (SortValue::Missing, SortValue::Missing) => Ordering::Equal,
            (SortValue::Missing, _) => return Ordering::Greater,
            (_, SortValue::Missing) => return Ordering::Less,
            (SortValue::Number(a), SortValue::Number(b)) => a.total_cmp(b),
            (SortValue::Number(_), SortValue::Text(_)) => Ordering::Less,
            (SortValue::Text(_), SortValue::Number(_)) => Ordering::Greater,
            (SortValue::Text(a), SortValue::Text(b)) => natural_cmp(a, b),
        };
        if is_descending { order.reverse() } else { order }
    }
}

/// Parses a number as in a tag: digits, with an optional sign and point.
fn number_in(text: &str) -> Option<f64> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    text.parse().ok().filter(|_| text.bytes().all(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cerveza_record::Record;

    #[test]
    fn a_key_may_be_descending() {
        let key = |text| parse_key(text).map(|key| (key.path, key.is_descending));
        assert_eq!(key("zone"), Ok(("zone".to_string(), false)));
        assert_eq!(key("-tags.role"), Ok(("tags.role".to_string(), true)));
        assert!(key("").is_err() && key("-").is_err() && key("--no-header").is_err());
    }

    #[test]
    fn rows_sort_by_number_and_name_and_missing_ones_come_last() {
        let sorted = |keys: &[&str]| {
            let keys: Vec<SortKey> = keys.iter().map(|key| parse_key(key).unwrap()).collect();
            let lines = [
                r#"{"host":"web10","n":2,"tags":{"w":"10"},"ip":"10.0.0.9"}"#,
                r#"{"host":"web2","n":10.5,"tags":{"w":"9.5"},"ip":"10.0.0.10"}"#,
                r#"{"host":"db1","n":2,"tags":{"w":"x"},"ip":null}"#,
                r#"{"host":"db2","tags":{}}"#,
            ];
            let mut rows: Vec<(SortValues, Record)> = lines
                .map(|line| Record::parse(line).unwrap())
                .map(|record| (sort_values(&keys, &|key| record.get(key), SystemTime::UNIX_EPOCH), record))
                .into();
            rows.sort_by(|(a, _), (b, _)| compare(&keys, a, b));
            rows.iter().map(|(_, record)| record.host().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(sorted(&["host"]), ["db1", "db2", "web2", "web10"]);
        assert_eq!(sorted(&["-host"]), ["web10", "web2", "db2", "db1"]);
        assert_eq!(sorted(&["n", "host"]), ["db1", "web10", "web2", "db2"]);
        assert_eq!(sorted(&["-n", "-host"]), ["web2", "web10", "db1", "db2"]);
        assert_eq!(sorted(&["tags.w"]), ["web2", "web10", "db1", "db2"]);
        assert_eq!(sorted(&["ip"]), ["web10", "web2", "db1", "db2"]);
        assert_eq!(sorted(&["nosuch"]), ["web10", "web2", "db1", "db2"]);
    }
}
