//! Reads a YAML document into nodes with line numbers. Plain scalars have the types of YAML 1.1, as in PyYAML: `yes` is true
//! and 2024-01-01 is a date.

use crate::cloud_config::yaml_outline::is_beyond_reading;
use regex::Regex;
use saphyr_parser::{Event, Parser, ScalarStyle, Tag};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The limit for nodes, because aliases can turn a few bytes into gigabytes.
const MOST_NODES: usize = 200_000;
/// The nesting limit, which is that of serde_yaml.
const DEEPEST: usize = 128;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    /// For a value in a mapping, the line of its key. `None` if only libyaml could read the text: it gives no lines.
    pub line: Option<usize>,
    pub content: Content,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// Null, a boolean, a number or text.
    Plain(Value),
    /// A date or time, for which JSON has no type.
    Time(String),
    List(Vec<Node>),
    Mapping(Vec<(String, Node)>),
}

impl Node {
    /// Returns `None` if it is not YAML, or too large.
    pub fn read(text: &str) -> Option<Node> {
        if is_beyond_reading(text) {
            return None;
        }
        let mut builder = Builder::default();
        for event in Parser::new_from_str(text) {
            match event {
                Ok((event, span)) => builder.add(event, span.start.line())?,
                // YAML 1.2 refuses some texts that libyaml takes.
                Err(_) => return from_libyaml(text),
            }
        }
        builder.root
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.pairs().iter().find(|(found, _)| found == key).map(|(_, value)| value)
    }

    /// Returns the keys and values of a mapping.
    pub fn pairs(&self) -> &[(String, Node)] {
        match &self.content {
            Content::Mapping(pairs) => pairs,
            _ => &[],
        }
    }

    pub fn items(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Plain(value) => value.as_str(),
            _ => None,
        }
    }

    /// Returns the node as JSON. A date becomes a mapping, because cloud-init does not take it for text and JSON has no dates.
    pub fn to_json(&self) -> Value {
        match &self.content {
            Content::Plain(value) => value.clone(),
            Content::Time(text) => json!({ "date": text }),
            Content::List(items) => items.iter().map(Node::to_json).collect(),
            Content::Mapping(pairs) => pairs.iter().map(|(key, value)| (key.clone(), value.to_json())).collect(),
        }
    }

    fn size(&self) -> usize {
        let inner = self.items().iter().chain(self.pairs().iter().map(|(_, value)| value));
        1 + inner.map(Node::size).sum::<usize>()
    }
}

/// Builds nodes from the events of a parser.
#[derive(Default)]
struct Builder {
    root: Option<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
}

/// A list or mapping that has not ended.
struct Open {
    line: usize,
    anchor: usize,
    items: Vec<Node>,
    is_mapping: bool,
}

impl Builder {
    fn add(&mut self, event: Event, line: usize) -> Option<()> {
        let (anchor, content) = match event {
            Event::SequenceStart(anchor, _) => return self.start(anchor, line, false),
            Event::MappingStart(anchor, _) => return self.start(anchor, line, true),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor)?;
                self.nodes += node.size();
                (0, node.content.clone())
            }
            Event::Scalar(text, style, anchor, tag) => (anchor, scalar(&text, style, tag.as_deref())),
            Event::SequenceEnd | Event::MappingEnd => {
                let open = self.open.pop()?;
                let content =
                    if open.is_mapping { Content::Mapping(pairs(open.items)) } else { Content::List(open.items) };
                return self.put(open.anchor, Node { line: Some(open.line), content });
            }
            _ => return Some(()),
        };
        self.put(anchor, Node { line: Some(line), content })
    }

    fn start(&mut self, anchor: usize, line: usize, is_mapping: bool) -> Option<()> {
        self.open.push(Open { line, anchor, items: Vec::new(), is_mapping });
        (self.open.len() <= DEEPEST).then_some(())
    }

    fn put(&mut self, anchor: usize, node: Node) -> Option<()> {
        self.nodes += 1;
        if anchor > 0 {
            self.nodes += node.size();
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.items.push(node),
            // Another document is an error elsewhere.
            None => _ = self.root.get_or_insert(node),
        }
        (self.nodes <= MOST_NODES).then_some(())
    }
}

/// Returns the pairs of a mapping, whose keys and values alternate in `items`. Its own keys override those of `<<`, and later
/// ones override earlier ones.
fn pairs(items: Vec<Node>) -> Vec<(String, Node)> {
    let (mut merged, mut own) = (Vec::new(), Vec::new());
    let mut items = items.into_iter();
    while let (Some(key), Some(mut value)) = (items.next(), items.next()) {
        let name = match &key.content {
            Content::Plain(Value::String(text)) => text.clone(),
            Content::Time(text) => text.clone(),
            _ => key.to_json().to_string(),
        };
        match &value.content {
            Content::Mapping(pairs) if name == "<<" => merged.extend(pairs.clone()),
            Content::List(items) if name == "<<" => {
                merged.extend(items.iter().rev().flat_map(|item| item.pairs().to_vec()));
            }
            _ => {
                value.line = key.line;
                own.push((name, value));
            }
        }
    }
    let mut pairs: Vec<(String, Node)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (name, value) in merged.into_iter().chain(own) {
        match places.get(&name) {
            Some(place) => pairs[*place].1 = value,
            None => {
                places.insert(name.clone(), pairs.len());
                pairs.push((name, value));
            }
        }
    }
    pairs
}

/// Returns the value of a scalar (resolver.py and constructor.py of PyYAML).
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Content {
    let is_text = style != ScalarStyle::Plain;
    match tag.map(|tag| tag.suffix.trim_start_matches("tag:yaml.org,2002:")) {
        None if is_text => Content::Plain(text.into()),
        None | Some("int" | "float" | "bool" | "null" | "timestamp") => resolved(text),
        Some(_) => Content::Plain(text.into()),
    }
}

fn resolved(text: &str) -> Content {
    static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let (date, time) = ("[0-9]{2}-[0-9]{2}$", r"[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}");
        Regex::new(&format!("^[0-9]{{4}}-({date}|{time})")).ok()
    });
    let value = match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => true.into(),
        "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => false.into(),
        _ if TIME.as_ref().is_some_and(|time| time.is_match(text)) => return Content::Time(text.to_string()),
        _ => integer(text).or_else(|| float(text)).unwrap_or_else(|| text.into()),
    };
    Content::Plain(value)
}

fn integer(text: &str) -> Option<Value> {
    static INTEGER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(concat!(
            "^[-+]?(0b[01_]+|0[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$",
            "|^[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+$"
        ))
        .ok()
    });
    INTEGER.as_ref()?.find(text)?;
    // Nothing here depends on the value of one in another base than ten.
    let number = text.replace('_', "").parse::<i64>();
    Some(number.map_or_else(|_| f64::MAX.into(), Value::from))
}

fn float(text: &str) -> Option<Value> {
    static FLOAT: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(concat!(
            r"^([-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+][0-9]+)?|\.[0-9][0-9_]*([eE][-+][0-9]+)?",
            r"|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"
        ))
        .ok()
    });
    FLOAT.as_ref()?.find(text)?;
    // JSON has no infinity, and nothing here depends on how large it is.
    let number = text.replace('_', "").parse::<f64>().ok().filter(|number| number.is_finite());
    Some(number.unwrap_or(f64::MAX).into())
}

/// Reads with libyaml: without lines, and with the types of YAML 1.2.
fn from_libyaml(text: &str) -> Option<Node> {
    let mut value: serde_yaml::Value = serde_yaml::from_str(text).ok()?;
    value.apply_merge().ok()?;
    Some(without_lines(serde_json::to_value(value).ok()?))
}

fn without_lines(value: Value) -> Node {
    let content = match value {
        Value::Array(items) => Content::List(items.into_iter().map(without_lines).collect()),
        Value::Object(pairs) => {
            Content::Mapping(pairs.into_iter().map(|(key, value)| (key, without_lines(value))).collect())
        }
        value => Content::Plain(value),
    };
    Node { line: None, content }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json_of(text: &str) -> Value {
        Node::read(text).map_or(Value::Null, |node| node.to_json())
    }

    #[test]
    fn scalars_have_the_types_of_yaml_1_1() {
        let text = "[yes, 'yes', off, ~, 010, 0o10, 0x1F, 1_000, 1:30, -5, 1.5, 1e3, .inf, !!str 1, \"2\", a]";
        let huge = f64::MAX;
        assert_eq!(
            json_of(text),
            json!([true, "yes", false, null, 10, "0o10", huge, 1000, huge, -5, 1.5, "1e3", huge, "1", "2", "a"])
        );
        assert_eq!(Node::read("2024-01-01").unwrap().content, Content::Time("2024-01-01".to_string()));
    }

    #[test]
    fn keys_keep_their_lines_and_aliases_are_followed() {
        let node = Node::read("# c\na: &x {b: 1}\nc:\n- *x\n- <<: *x\n  d: 2\n").unwrap();
        assert_eq!(node.to_json(), json!({"a": {"b": 1}, "c": [{"b": 1}, {"b": 1, "d": 2}]}));
        assert_eq!(node.get("c").unwrap().line, Some(3));
        assert_eq!(node.get("c").unwrap().items()[1].get("d").unwrap().line, Some(6));
        assert_eq!(json_of("a: {x: 1, y: 2}\nb: 1\na: 3\n"), json!({"a": 3, "b": 1}));
    }

    #[test]
    fn text_that_only_libyaml_reads_has_no_lines() {
        let node = Node::read("x: \"foo\nbar\"\ny: [1]\n").unwrap();
        assert_eq!((node.to_json(), node.get("y").unwrap().line), (json!({"x": "foo bar", "y": [1]}), None));
    }

    #[test]
    fn yaml_that_grows_without_bound_is_not_read() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_string();
        for n in 1..9 {
            let before = n - 1;
            text += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{before}"); 10].join(", "));
        }
        assert_eq!(Node::read(&text), None);
        assert_eq!(Node::read(&"- ".repeat(5000)), None);
        assert_eq!(Node::read("a: [\n"), None);
        assert_eq!(Node::read("a: &a [*a]\n"), None);
    }
}
