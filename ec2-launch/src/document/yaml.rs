//! Reads YAML into nodes with their positions in the text. A plain scalar is kept as it is written: `1.10` stays
//! `1.10`.

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};
use std::collections::HashMap;
use std::fmt;

/// Aliases can make a few bytes into gigabytes.
const MOST_NODES: usize = 50_000;
const DEEPEST: usize = 64;

/// A line and a column, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where the node begins. The node of an alias is where its anchor is.
    pub position: Position,
    pub content: Content,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A scalar without quotes.
    Plain(String),
    /// A scalar in quotes, a block scalar, or one with the tag `!!str`.
    Quoted(String),
    List(Vec<Node>),
    Mapping(Vec<Pair>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    pub key: Node,
    pub value: Node,
    /// Whether it comes from a merge key (`<<`): then a key of the mapping's own replaces it. Merged pairs are last,
    /// and of two the first counts.
    pub is_merged: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The tag of the document, without `!`.
    pub tag: Option<String>,
    pub root: Node,
}

/// Why a text is not YAML.
#[derive(Clone, Debug, PartialEq)]
pub struct YamlError {
    pub position: Position,
    pub message: String,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Position {
    fn from_span(span: Span) -> Position {
        Position { line: span.start.line(), column: span.start.col() + 1 }
    }
}

impl Node {
    /// Returns the text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Plain(text) | Content::Quoted(text) => Some(text),
            Content::List(_) | Content::Mapping(_) => None,
        }
    }

    /// Returns the text of a scalar without quotes.
    pub fn plain(&self) -> Option<&str> {
        match &self.content {
            Content::Plain(text) => Some(text),
            _ => None,
        }
    }

    pub fn pairs(&self) -> Option<&[Pair]> {
        match &self.content {
            Content::Mapping(pairs) => Some(pairs),
            _ => None,
        }
    }

    /// Returns whether it is YAML's null: no value, `~` or `null`.
    pub fn is_null(&self) -> bool {
        self.plain().is_some_and(|text| matches!(text, "" | "~" | "null" | "Null" | "NULL"))
    }

    fn size(&self) -> usize {
        match &self.content {
            Content::Plain(_) | Content::Quoted(_) => 1,
            Content::List(items) => 1 + items.iter().map(Node::size).sum::<usize>(),
            Content::Mapping(pairs) => 1 + pairs.iter().map(|pair| 1 + pair.value.size()).sum::<usize>(),
        }
    }
}

/// Reads the documents of a text, without those that are empty.
pub fn read(text: &str) -> Result<Vec<Document>, YamlError> {
    let mut builder = Builder::default();
    // An editor's byte order mark is not a part of the first key.
    let text = text.trim_start_matches('\u{feff}');
    for event in Parser::new_from_str(text) {
        match event {
            Ok((event, span)) => builder.add_event(event, Position::from_span(span))?,
            Err(error) => return Err(explain(text, &error)),
        }
    }
    builder.documents.retain(|document| !document.root.is_null());
    Ok(builder.documents)
}

fn explain(text: &str, error: &ScanError) -> YamlError {
    let marker = error.marker();
    let mut position = Position { line: marker.line(), column: marker.col() + 1 };
    // The parser names what is before or after the indentation with a tab.
    if error.info().contains("tab") {
        let indented = text.lines().enumerate().filter_map(|(number, line)| {
            let blanks = line.len() - line.trim_start_matches(' ').len();
            line[blanks..].starts_with('\t').then_some(Position { line: number + 1, column: blanks + 1 })
        });
        position = indented.min_by_key(|tab| tab.line.abs_diff(marker.line())).unwrap_or(position);
    }
    YamlError { position, message: format!("not valid YAML: {}", error.info()) }
}

/// Makes nodes of a parser's events.
#[derive(Default)]
struct Builder {
    documents: Vec<Document>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    tag: Option<String>,
}

/// A list or mapping whose end has not come.
struct Open {
    position: Position,
    anchor: usize,
    items: Vec<Node>,
    is_mapping: bool,
}

impl Builder {
    fn add_event(&mut self, event: Event, position: Position) -> Result<(), YamlError> {
        let refuse = |message: &str| Err(YamlError { position, message: message.to_string() });
        match event {
            Event::SequenceStart(anchor, tag) => self.start(anchor, tag.as_deref(), position, false),
            Event::MappingStart(anchor, tag) => self.start(anchor, tag.as_deref(), position, true),
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => {
                    self.nodes += node.size();
                    self.put_node(0, node)
                }
                None => refuse("an alias within its own anchor"),
            },
            Event::Scalar(text, style, anchor, tag) => {
                self.note_tag(tag.as_deref());
                let is_text = tag.is_some_and(|tag| matches!(tag.suffix.as_str(), "str" | "") || tag.handle.is_empty());
                let content = if style == ScalarStyle::Plain && !is_text {
                    Content::Plain(text.into_owned())
                } else {
                    Content::Quoted(text.into_owned())
                };
                self.put_node(anchor, Node { position, content })
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return refuse("an end without a beginning") };
                let content =
                    if open.is_mapping { Content::Mapping(pairs(open.items)?) } else { Content::List(open.items) };
                self.put_node(open.anchor, Node { position: open.position, content })
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    /// Keeps the tag of a document's root.
    fn note_tag(&mut self, tag: Option<&Tag>) {
        if self.open.is_empty() {
            self.tag = tag.map(|tag| tag.suffix.clone());
        }
    }

    fn start(
        &mut self,
        anchor: usize,
        tag: Option<&Tag>,
        position: Position,
        is_mapping: bool,
    ) -> Result<(), YamlError> {
        self.note_tag(tag);
        self.open.push(Open { position, anchor, items: Vec::new(), is_mapping });
        match self.open.len() {
            ..=DEEPEST => Ok(()),
            _ => Err(YamlError { position, message: format!("nested deeper than {DEEPEST} levels") }),
        }
    }

    fn put_node(&mut self, anchor: usize, node: Node) -> Result<(), YamlError> {
        let position = node.position;
        self.nodes += 1;
        if anchor > 0 {
            self.nodes += node.size();
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut() {
            Some(open) => open.items.push(node),
            None => self.documents.push(Document { tag: self.tag.take(), root: node }),
        }
        match self.nodes {
            ..=MOST_NODES => Ok(()),
            _ => Err(YamlError { position, message: format!("more than {MOST_NODES} values, aliases counted") }),
        }
    }
}

/// Returns the pairs of a mapping from its keys and values in turn.
fn pairs(items: Vec<Node>) -> Result<Vec<Pair>, YamlError> {
    let (mut own, mut merged) = (Vec::new(), Vec::new());
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        if key.plain() != Some("<<") {
            own.push(Pair { key, value, is_merged: false });
            continue;
        }
        let position = value.position;
        let parts = match value.content {
            Content::List(items) => items,
            content => vec![Node { position, content }],
        };
        for part in parts {
            let Content::Mapping(pairs) = part.content else {
                let message = "<<: expected an alias *NAME of an anchor &NAME with keys and values".to_string();
                return Err(YamlError { position: part.position, message });
            };
            merged.extend(pairs.into_iter().map(|pair| Pair { is_merged: true, ..pair }));
        }
    }
    own.extend(merged);
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(text: &str) -> Vec<Node> {
        read(text).unwrap().into_iter().map(|document| document.root).collect()
    }

    fn refused(text: &str) -> String {
        let error = read(text).unwrap_err();
        format!("{}: {}", error.position, error.message)
    }

    /// Keys and values in short.
    fn shown(node: &Node) -> String {
        match &node.content {
            Content::Plain(text) => text.clone(),
            Content::Quoted(text) => format!("{text:?}"),
            Content::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
            Content::Mapping(pairs) => {
                let pair = |pair: &Pair| {
                    format!("{}{}={}", if pair.is_merged { "<" } else { "" }, shown(&pair.key), shown(&pair.value))
                };
                format!("{{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn plain_scalars_are_kept_as_they_are_written() {
        let text = "[1.10, 1e3, 0x1F, 010, yes, 2024-01-01, 1:30, ~, , 'no', !!str null, \"\\u00e9\"]";
        let kept = "[1.10 1e3 0x1F 010 yes 2024-01-01 1:30 ~ \"no\" \"null\" \"é\"]";
        assert_eq!(shown(&roots(&text.replace(" ,", ""))[0]), kept);
        assert!(roots("a:\n").remove(0).pairs().unwrap()[0].value.is_null());
        assert!(!roots("a: ''\n").remove(0).pairs().unwrap()[0].value.is_null());
    }

    #[test]
    fn every_node_knows_its_line_and_column() {
        let root = roots("# c\na: {b: [1, 22], c: é}\nd:\n  - e: 1\n    f: 2\n").remove(0);
        let pairs = root.pairs().unwrap();
        let inner = pairs[0].value.pairs().unwrap();
        let Content::List(items) = &inner[0].value.content else { panic!("{root:?}") };
        let Content::List(volumes) = &pairs[1].value.content else { panic!("{root:?}") };
        let second = &volumes[0].pairs().unwrap()[1];
        let positions = [&inner[0].key, &items[1], &inner[1].value, &pairs[1].key, &second.key, &second.value];
        let positions = positions.map(|node| node.position.to_string());
        assert_eq!(positions, ["2:5", "2:12", "2:20", "3:1", "5:5", "5:8"]);
    }

    #[test]
    fn documents_have_tags_and_empty_ones_are_left_out() {
        let documents = read("--- !InstanceProfile\na: 1\n---\n--- !VolumeProfile {b: 2}\n---\nc: !X 3\n").unwrap();
        let tags: Vec<_> = documents.iter().map(|document| document.tag.as_deref()).collect();
        assert_eq!(tags, [Some("InstanceProfile"), Some("VolumeProfile"), None]);
        assert_eq!(read("# nothing\n"), Ok(vec![]));
        assert_eq!(shown(&roots("\u{feff}a: 1\n")[0]), "{a=1}");
    }

    #[test]
    fn aliases_are_followed_and_merge_keys_come_last() {
        let root = roots("a: &x {b: 1, c: 2}\nd: *x\ne:\n  <<: [*x, {c: 3}]\n  b: 4\n").remove(0);
        assert_eq!(shown(&root), "{a={b=1 c=2} d={b=1 c=2} e={b=4 <b=1 <c=2 <c=3}}");
        assert_eq!(refused("a: &x [*x]\n"), "1:8: an alias within its own anchor");
        assert_eq!(refused("<<: 1\n"), "1:5: <<: expected an alias *NAME of an anchor &NAME with keys and values");
    }

    #[test]
    fn what_is_not_yaml_or_too_large_is_refused_where_it_is() {
        assert!(refused("a: 1\n\tb: 2\n").starts_with("2:"), "{}", refused("a: 1\n\tb: 2\n"));
        assert!(refused("a: {b: 1\n").contains("not valid YAML: "), "{}", refused("a: {b: 1\n"));
        assert!(refused("a: *b\n").starts_with("1:4: not valid YAML: "), "{}", refused("a: *b\n"));
        let deep = "[".repeat(100) + &"]".repeat(100);
        assert_eq!(refused(&deep), "1:65: nested deeper than 64 levels");
        assert!(refused(&"[".repeat(5000)).starts_with("1:"));
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_string();
        for n in 1..9 {
            let before = n - 1;
            text += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{before}"); 10].join(", "));
        }
        assert!(refused(&text).ends_with("more than 50000 values, aliases counted"), "{}", refused(&text));
    }
}
