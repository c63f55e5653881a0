//! The keys of a record with their values, in a form that takes little memory: a listing has many records.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::fmt;

/// An ordered map from keys to values, which are JSON as it was written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    /// Each key, followed by its value. What was replaced or removed stays here.
    text: String,
    places: Vec<Place>,
}

/// Where a key and its value are in the text.
#[derive(Clone, Copy, Debug)]
struct Place {
    key: usize,
    value: usize,
    end: usize,
}

/// In a map of more keys, duplicates are found with a hash table.
const FEW_KEYS: usize = 64;

impl Fields {
    pub fn with_capacity(keys: usize) -> Fields {
        Fields { text: String::new(), places: Vec::with_capacity(keys) }
    }

    /// Reads the keys of a JSON object that `is_wanted` accepts. Of a key given twice the last value counts, in the
    /// place of the first.
    pub fn parse(text: &str, is_wanted: impl Fn(&str) -> bool) -> serde_json::Result<Fields> {
        let mut parser = serde_json::Deserializer::from_str(text);
        let mut fields = Wanted(&is_wanted, text.len()).deserialize(&mut parser)?;
        parser.end()?;
        fields.unite_duplicates();
        fields.text.shrink_to_fit();
        Ok(fields)
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.find(key).map(|at| self.value(&self.places[at]))
    }

    /// Sets `key`: in its place if it is there, else at the end.
    pub fn set(&mut self, key: &str, value: &str) {
        let place = self.write(key, value);
        match self.find(key) {
            Some(at) => self.places[at] = place,
            None => self.places.push(place),
        }
    }

    /// Removes `key`; the others keep their order.
    pub fn remove(&mut self, key: &str) {
        if let Some(at) = self.find(key) {
            self.places.remove(at);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.places.iter().map(|place| (self.key(place), self.value(place)))
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.places.iter().position(|place| self.key(place) == key)
    }

    fn key(&self, place: &Place) -> &str {
        &self.text[place.key..place.value]
    }

    fn value(&self, place: &Place) -> &str {
        &self.text[place.value..place.end]
    }

    fn write(&mut self, key: &str, value: &str) -> Place {
        let start = self.text.len();
        self.text.push_str(key);
        self.text.push_str(value);
        Place { key: start, value: start + key.len(), end: self.text.len() }
    }

    fn unite_duplicates(&mut self) {
        let mut places: Vec<Place> = Vec::with_capacity(self.places.len());
        let mut known: HashMap<&str, usize> = HashMap::new();
        let few = self.places.len() <= FEW_KEYS;
        for place in &self.places {
            let key = self.key(place);
            let first =
                if few { places.iter().position(|earlier| self.key(earlier) == key) } else { known.get(key).copied() };
            match first {
                Some(at) => places[at] = *place,
                None => {
                    if !few {
                        known.insert(key, places.len());
                    }
                    places.push(*place);
                }
            }
        }
        self.places = places;
    }
}

impl fmt::Display for Fields {
    /// Writes a JSON object without white space between its fields.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = "{\"";
        for (key, value) in self.iter() {
            f.write_str(before)?;
            write_escaped(f, key)?;
            f.write_str("\":")?;
            f.write_str(value)?;
            before = ",\"";
        }
        f.write_str(if self.places.is_empty() { "{}" } else { "}" })
    }
}

/// Writes what is between the quotes of a key.
fn write_escaped(f: &mut fmt::Formatter<'_>, key: &str) -> fmt::Result {
    if key.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        return f.write_str(key);
    }
    let quoted = serde_json::Value::from(key).to_string();
    f.write_str(&quoted[1..quoted.len() - 1])
}

/// Reads the wanted keys of an object; its text has so many bytes.
struct Wanted<'f, F>(&'f F, usize);

impl<'de, F: Fn(&str) -> bool> DeserializeSeed<'de> for Wanted<'_, F> {
    type Value = Fields;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Fields, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for Wanted<'_, F> {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields { text: String::with_capacity(self.1), places: Vec::with_capacity(FEW_KEYS) };
        loop {
            let key = fields.text.len();
            match map.next_key_seed(Key(self.0, &mut fields.text))? {
                None => return Ok(fields),
                Some(false) => _ = map.next_value::<IgnoredAny>()?,
                Some(true) if &fields.text[key..] == "host" && fields.find("host").is_some() => {
                    return Err(A::Error::custom("\"host\" is given twice"));
                }
                Some(true) => {
                    let value = fields.text.len();
                    fields.text.push_str(map.next_value::<&RawValue>()?.get());
                    fields.places.push(Place { key, value, end: fields.text.len() });
                }
            }
        }
    }
}

/// Writes a key that is wanted to the text. Gives whether it is.
struct Key<'f, F>(&'f F, &'f mut String);

impl<'de, F: Fn(&str) -> bool> DeserializeSeed<'de> for Key<'_, F> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<F: Fn(&str) -> bool> Visitor<'_> for Key<'_, F> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        let is_wanted = self.0(key);
        if is_wanted {
            self.1.push_str(key);
        }
        Ok(is_wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_key_given_twice_the_last_value_counts_in_the_place_of_the_first() {
        for keys in [2, FEW_KEYS, 5 * FEW_KEYS] {
            let pairs = |value: &str| (0..keys).map(|n| format!("\"k{n}\":{value}")).collect::<Vec<_>>().join(",");
            let twice = format!("{{{},{}}}", pairs("1"), pairs("[2]"));
            assert_eq!(Fields::parse(&twice, |_| true).unwrap().to_string(), format!("{{{}}}", pairs("[2]")));
        }
    }

    #[test]
    fn a_key_is_escaped_where_json_needs_it() {
        let text = r#"{"a\"b":1,"\u0041\n":2}"#;
        let fields = Fields::parse(text, |_| true).unwrap();
        assert_eq!(fields.get("A\n"), Some("2"));
        assert_eq!(fields.to_string(), r#"{"a\"b":1,"A\n":2}"#);
    }

    #[test]
    fn what_is_set_and_removed_keeps_the_order() {
        let mut fields = Fields::parse(r#"{ "a" : 1, "b": [ 2 ], "c": null }"#, |_| true).unwrap();
        fields.set("b", "{}");
        fields.set("d", "\"\"");
        fields.remove("a");
        fields.remove("x");
        assert_eq!(fields.to_string(), r#"{"b":{},"c":null,"d":""}"#);
    }
}
