//! Reads only the wanted keys of a record.

use crate::record::{host_of, json_error};
use crate::{Record, RecordError};
use indexmap::IndexMap;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

impl Record {
    /// Reads one JSON object as [`Record::parse`] does. Keeps `host` and the keys that `is_wanted` accepts.
    pub fn parse_some(text: &str, is_wanted: impl Fn(&str) -> bool) -> Result<Record, RecordError> {
        let mut parser = serde_json::Deserializer::from_str(text);
        let fields = Fields(&is_wanted).deserialize(&mut parser).map_err(|error| json_error(&error))?;
        parser.end().map_err(|error| json_error(&error))?;
        Ok(Record { host: host_of(&fields)?, fields })
    }
}

struct Fields<'f, F>(&'f F);

impl<'de, F: Fn(&str) -> bool> DeserializeSeed<'de> for Fields<'_, F> {
    type Value = IndexMap<String, Box<RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for Fields<'_, F> {
    type Value = IndexMap<String, Box<RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = IndexMap::new();
        while let Some(key) = map.next_key_seed(Key(self.0))? {
            match key {
                Some(key) => _ = fields.insert(key, map.next_value()?),
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(fields)
    }
}

/// A key that is copied only if it is wanted.
struct Key<'f, F>(&'f F);

impl<'de, F: Fn(&str) -> bool> DeserializeSeed<'de> for Key<'_, F> {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<F: Fn(&str) -> bool> Visitor<'_> for Key<'_, F> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok((key == "host" || self.0(key)).then(|| key.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
