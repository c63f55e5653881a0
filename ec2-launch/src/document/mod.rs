//! A profile as canonical JSON, with the place of each value.

pub(crate) mod key_help;
pub(crate) mod keys;
pub(crate) mod reader;
pub(crate) mod schema;
pub(crate) mod values;
pub(crate) mod volume_list;
pub(crate) mod words;
pub(crate) mod yaml;

use crate::document::keys::{ProfileKey, Shape, VOLUME_KEYS, is_place};
use crate::document::words::is_word_for_nothing;
use crate::document::yaml::Position;
use cerveza_ec2::Kind;
use cerveza_manners::Failure;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;

/// Canonical keys with their values. It reads back as the same document, as JSON and as YAML.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Document {
    pub values: Map<String, Value>,
    /// Where each value is, by its path: `ami/us-east-1`, `volumes/1/size`. That of the document has an empty path.
    pub places: BTreeMap<String, Location>,
}

/// `FILE:LINE:COLUMN`, or what an error calls a text that is not in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Location {
    pub file: String,
    pub position: Option<Position>,
}

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub place: Location,
    pub message: String,
}

/// What is wrong with a value: its path in the document, and why.
pub type ValueProblem = (String, String);

/// As many problems are shown at once.
const MOST_PROBLEMS: usize = 20;

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "{}:{position}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Makes one failure of all problems, a line each.
pub fn failure(mut problems: Vec<Problem>) -> Failure {
    let position = |problem: &Problem| problem.place.position.map(|position| (position.line, position.column));
    problems.sort_by(|a, b| (&a.place.file, position(a)).cmp(&(&b.place.file, position(b))));
    // What an alias refers to is read several times.
    problems.dedup();
    let more = problems.len().saturating_sub(MOST_PROBLEMS);
    let mut lines: Vec<String> = problems.iter().take(MOST_PROBLEMS).map(Problem::to_string).collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    Failure::usage(lines.join("\n"))
}

impl Document {
    /// Returns the place of a value, or of what it is in.
    pub fn place(&self, path: &str) -> Location {
        let mut path = path;
        loop {
            match (self.places.get(path), path) {
                (Some(place), _) => return place.clone(),
                (None, "") => return Location { file: "the profile".to_string(), position: None },
                (None, _) => path = path.rfind('/').map_or("", |end| &path[..end]),
            }
        }
    }

    /// Forgets the places of what is within a value.
    pub fn forget(&mut self, path: &str) {
        let within = join(path, "");
        let known = self.places.range(within.clone()..).map(|(known, _)| known);
        let known: Vec<String> = known.take_while(|known| known.starts_with(&within)).cloned().collect();
        for path in known {
            self.places.remove(&path);
        }
    }

    /// Takes the values of `over`, which count. Objects are merged key by key, lists are replaced, and null takes a
    /// value away.
    pub fn merge(&mut self, over: Document) {
        let Document { values, places } = over;
        for (key, value) in values {
            let old = self.values.shift_remove(&key);
            let merged = self.merged(&key, old, value, &places);
            self.values.insert(key, merged);
        }
        self.places.extend(places.get("").map(|place| (String::new(), place.clone())));
    }

    fn merged(&mut self, path: &str, old: Option<Value>, new: Value, places: &BTreeMap<String, Location>) -> Value {
        match (old, new) {
            (Some(Value::Object(mut old)), Value::Object(new)) if is_per_place(&old) == is_per_place(&new) => {
                for (key, value) in new {
                    let merged = self.merged(&join(path, &key), old.shift_remove(&key), value, places);
                    old.insert(key, merged);
                }
                self.places.extend(places.get(path).map(|place| (path.to_string(), place.clone())));
                Value::Object(old)
            }
            (_, new) => {
                self.forget(path);
                let within = join(path, "");
                let taken = places.iter().filter(|(known, _)| *known == path || known.starts_with(&within));
                self.places.extend(taken.map(|(known, place)| (known.clone(), place.clone())));
                new
            }
        }
    }

    /// Leaves out what is nothing, and puts keys into the table's order and names into their own.
    pub fn arrange(&mut self, keys: &[ProfileKey]) {
        self.values = arranged(std::mem::take(&mut self.values), keys);
    }

    pub fn to_json(&self) -> Value {
        Value::Object(self.values.clone())
    }

    /// Returns the document in YAML, which reads back as the same document, here and by other programs.
    pub fn to_yaml(&self) -> String {
        let mut text = String::new();
        write_object(&mut text, &self.values, 0);
        text
    }
}

fn is_per_place(values: &Map<String, Value>) -> bool {
    !values.is_empty() && values.keys().all(|key| is_place(key))
}

fn arranged(mut values: Map<String, Value>, keys: &[ProfileKey]) -> Map<String, Value> {
    let mut ordered = Map::new();
    for key in keys {
        if let Some(value) = values.shift_remove(key.name).and_then(|value| arranged_value(value, key.shape)) {
            ordered.insert(key.name.to_string(), value);
        }
    }
    ordered
}

fn arranged_value(value: Value, shape: Shape) -> Option<Value> {
    match (value, shape) {
        (Value::Null, _) => None,
        (Value::Object(values), Shape::Object(keys)) => not_empty(arranged(values, keys)),
        (Value::Object(values), Shape::Kind(Kind::Object(keys))) => {
            let keys: Vec<ProfileKey> = keys.iter().map(ProfileKey::from).collect();
            not_empty(arranged(values, &keys))
        }
        (Value::Object(mut values), _) => {
            values.retain(|_, value| !value.is_null());
            values.sort_keys();
            not_empty(values)
        }
        (Value::Array(items), shape) => {
            let shape = match shape {
                Shape::Kind(Kind::List(kind)) => Shape::Kind(*kind),
                Shape::Volumes => Shape::Object(VOLUME_KEYS),
                shape => shape,
            };
            let items: Vec<Value> = items.into_iter().filter_map(|item| arranged_value(item, shape)).collect();
            if items.is_empty() { None } else { Some(items.into()) }
        }
        (value, _) => Some(value),
    }
}

fn not_empty(values: Map<String, Value>) -> Option<Value> {
    if values.is_empty() { None } else { Some(values.into()) }
}

fn write_object(text: &mut String, values: &Map<String, Value>, indent: usize) {
    for (number, (key, value)) in values.iter().enumerate() {
        // The first key of a list's item is in the line of its dash.
        if number > 0 || !text.ends_with("- ") {
            text.push_str(&" ".repeat(indent));
        }
        text.push_str(&scalar(key));
        text.push(':');
        write_value(text, value, indent);
    }
}

fn write_value(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(values) => {
            text.push('\n');
            write_object(text, values, indent + 2);
        }
        Value::Array(items) if items.iter().all(|item| !item.is_object()) => {
            let items: Vec<String> = items.iter().map(scalar_value).collect();
            text.push_str(&format!(" [{}]\n", items.join(", ")));
        }
        Value::Array(items) => {
            text.push('\n');
            for item in items {
                text.push_str(&format!("{}- ", " ".repeat(indent + 2)));
                match item {
                    Value::Object(values) => write_object(text, values, indent + 4),
                    item => text.push_str(&format!("{}\n", scalar_value(item))),
                }
            }
        }
        value => text.push_str(&format!(" {}\n", scalar_value(value))),
    }
}

fn scalar_value(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        value => value.to_string(),
    }
}

/// Returns a text without quotes if all readers of YAML take it for that text, else as a JSON string, which YAML has
/// too.
fn scalar(text: &str) -> String {
    let is_simple = |c: char| c.is_ascii_alphanumeric() || "/_.-: ".contains(c);
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(is_simple)
        && !text.contains(": ")
        && !text.ends_with([':', ' '])
        && !is_word_for_nothing(text)
        && !matches!(text.to_ascii_lowercase().as_str(), "y" | "yes" | "on" | "true");
    if is_plain { text.to_string() } else { Value::from(text).to_string() }
}

/// Returns the path with a key or a number at its end.
pub fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}/{key}") }
}

/// Turns what is wrong with values into problems at their places.
pub fn problems(document: &Document, wrong: Vec<ValueProblem>) -> Vec<Problem> {
    wrong.into_iter().map(|(path, message)| Problem { place: document.place(&path), message }).collect()
}
