//! A YAML text as PyYAML reads it: its root, and what in it `safe_load` does not take. The grammar is libyaml's, which is
//! PyYAML's; events tell the rest, with its lines.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use regex::Regex;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde::de::IgnoredAny;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

/// What cloud-init does with a part that PyYAML does not take.
pub(crate) const IGNORED: &str = "cloud-init would ignore it";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Empty,
    Plain,
    List,
    Mapping,
}

/// A YAML text as far as it matters here.
#[derive(Debug)]
pub(crate) struct Outline {
    pub root: Root,
    /// The texts at the root of a mapping.
    pub top: HashMap<String, String>,
    pub problems: Vec<String>,
}

/// What is open around a node.
enum Open {
    List,
    /// The keys so far by their lines, and the key whose value comes next.
    Mapping(HashMap<String, usize>, Option<String>),
}

impl Outline {
    pub fn of(text: &str) -> Result<Outline, String> {
        // Line ends to PyYAML, which reads YAML 1.1.
        let text = &text.replace(['\u{85}', '\u{2028}', '\u{2029}'], "\n");
        if let Some(at) = text.find(|c: char| c.is_control() && !"\t\n\r".contains(c)) {
            let line = text[..at].matches('\n').count() + 1;
            return Err(format!("line {line} has a control character, which YAML has not: {IGNORED}"));
        }
        serde_yaml::from_str::<IgnoredAny>(text).map_err(|error| match error.to_string() {
            message if message.contains("more than one document") => format!("is several YAML documents: {IGNORED}"),
            message => format!("is no YAML: {message}: {IGNORED}"),
        })?;
        let mut outline = Outline { root: Root::Empty, top: HashMap::new(), problems: Vec::new() };
        let mut open: Vec<Open> = Vec::new();
        let mut opaque: Vec<Range<usize>> = Vec::new();
        // Where the grammars differ this one has nothing to say.
        for (event, span) in Parser::new_from_str(text).map_while(Result::ok) {
            outline.see(&event, span, &mut open);
            if let Event::Scalar(_, style, ..) = event
                && style != ScalarStyle::Plain
            {
                opaque.push(span.start.index()..span.end.index());
            }
        }
        if let Some(line) = bare_tab(text, &opaque) {
            outline.problems.push(format!("line {line} has a tab outside of quotes: {IGNORED}"));
        }
        Ok(outline)
    }

    fn see(&mut self, event: &Event, span: Span, open: &mut Vec<Open>) {
        let line = span.start.line();
        let (root, tag) = match event {
            Event::Scalar(_, _, _, tag) => (Root::Plain, tag),
            Event::SequenceStart(_, tag) => (Root::List, tag),
            Event::MappingStart(_, tag) => (Root::Mapping, tag),
            Event::Alias(_) => (Root::Plain, &None),
            Event::SequenceEnd | Event::MappingEnd => {
                open.pop();
                return;
            }
            _ => return,
        };
        let is_known = tag.as_deref().is_none_or(is_known);
        if let Some(tag) = tag.as_deref().filter(|_| !is_known) {
            self.problems.push(format!("line {line} has the tag {}{}: {IGNORED}", tag.handle, tag.suffix));
        }
        let fits = match (event, tag.as_deref()) {
            (Event::Scalar(text, style, ..), tag) => scalar_fits(text, *style, tag),
            (Event::Alias(_), _) | (_, None) => true,
            (Event::SequenceStart(..), Some(tag)) => matches!(tag.suffix.as_str(), "seq" | "omap" | "pairs" | "!" | ""),
            (_, Some(tag)) => matches!(tag.suffix.as_str(), "map" | "set" | "!" | ""),
        };
        if is_known && !fits {
            self.problems.push(format!("line {line} has a value that is not of its type in YAML 1.1: {IGNORED}"));
        }
        let depth = open.len();
        match open.last_mut() {
            None => self.root = root,
            Some(Open::List) => {}
            Some(Open::Mapping(_, key @ Some(_))) => {
                let key = key.take().unwrap_or_default();
                if key == "<<" && matches!(event, Event::Scalar(..)) {
                    self.problems.push(format!("line {line} merges what is no mapping: {IGNORED}"));
                }
                if let (1, Event::Scalar(value, ..)) = (depth, event) {
                    self.top.insert(key, value.to_string());
                }
            }
            Some(Open::Mapping(keys, next)) => {
                *next = Some(String::new());
                match event {
                    Event::Scalar(key, ..) => {
                        *next = Some(key.to_string());
                        if let Some(first) = keys.insert(key.to_string(), line).filter(|_| key != "<<") {
                            self.problems.push(format!(
                                "line {line} has the key of line {first} again: cloud-init would take the last"
                            ));
                        }
                    }
                    Event::Alias(_) => {}
                    _ => self.problems.push(format!(
                        "line {line} has a list or mapping as key, as {{{{ }}}} without quotes around is one: {IGNORED}"
                    )),
                }
            }
        }
        match root {
            Root::List => open.push(Open::List),
            Root::Mapping => open.push(Open::Mapping(HashMap::new(), None)),
            _ => {}
        }
    }
}

/// Whether `SafeLoader` has a constructor for it.
fn is_known(tag: &Tag) -> bool {
    const KNOWN: [&str; 12] =
        ["null", "bool", "int", "float", "binary", "timestamp", "omap", "pairs", "set", "str", "seq", "map"];
    match tag.handle.as_str() {
        "tag:yaml.org,2002:" => KNOWN.contains(&tag.suffix.as_str()),
        // `!` alone is no tag of its own.
        _ => tag.suffix.is_empty() || (tag.handle.is_empty() && tag.suffix == "!"),
    }
}

/// Whether `SafeLoader` can make a value of the scalar, whose type it tells from how it looks (PyYAML's resolver.py).
fn scalar_fits(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> bool {
    static TIMESTAMP: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let time = r"(?:[Tt]|[ \t]+)([0-9][0-9]?):([0-9][0-9]):([0-9][0-9])(?:\.[0-9]*)?";
        let zone = r"(?:[ \t]*(?:Z|[-+]([0-9][0-9]?)(?::[0-9][0-9])?))?";
        let pattern = format!("^([0-9]{{4}})-([0-9][0-9]?)-([0-9][0-9]?)(?:{time}{zone})?$");
        Regex::new(&pattern).ok()
    });
    match tag.map(|tag| tag.suffix.as_str()) {
        Some("int") => return text.bytes().any(|byte| byte.is_ascii_digit()),
        Some("binary") => return BASE64_STANDARD.decode(text.replace(char::is_whitespace, "")).is_ok(),
        Some("seq" | "map" | "set" | "omap" | "pairs") => return text.is_empty(),
        Some(_) => return true,
        None => {}
    }
    if style != ScalarStyle::Plain {
        return true;
    }
    let digits = text.trim_start_matches(['-', '+']);
    if text == "="
        || (digits.starts_with("0x_") || digits.starts_with("0b_")) && digits[2..].bytes().all(|byte| byte == b'_')
    {
        return false;
    }
    let Some(found) = TIMESTAMP.as_ref().and_then(|timestamp| timestamp.captures(text)) else { return true };
    let number = |at: usize| found.get(at).and_then(|digits| digits.as_str().parse::<u32>().ok());
    let (year, month, day) = (number(1).unwrap_or(0), number(2).unwrap_or(0), number(3).unwrap_or(0));
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + u32::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    let in_range = |at: usize, most: u32| number(at).is_none_or(|number| number <= most);
    year > 0 && (1..=days).contains(&day) && in_range(4, 23) && in_range(5, 59) && in_range(6, 59) && in_range(7, 23)
}

/// The line of the first tab outside of comments and of `opaque`, ranges of characters in which one may be: PyYAML takes
/// none between tokens, nor in text without quotes.
fn bare_tab(text: &str, opaque: &[Range<usize>]) -> Option<usize> {
    let (mut line, mut in_comment, mut after_blank) = (1, false, true);
    let mut opaque = opaque.iter().peekable();
    for (at, c) in text.chars().enumerate() {
        while opaque.next_if(|range| range.end <= at).is_some() {}
        let is_opaque = opaque.peek().is_some_and(|range| range.contains(&at));
        match c {
            '\n' => {
                line += 1;
                in_comment = false;
            }
            _ if is_opaque || in_comment => {}
            '\t' => return Some(line),
            '#' => in_comment = after_blank,
            _ => {}
        }
        after_blank = c.is_whitespace();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> String {
        Outline::of(text).map_or_else(|problem| problem, |outline| outline.problems.join("; "))
    }

    #[test]
    fn a_key_twice_is_told_wherever_it_is() {
        let again = |text: &str| found(text).replace(": cloud-init would take the last", "");
        assert_eq!(again("a: 1\nb: 1\na: 2\n"), "line 3 has the key of line 1 again");
        assert_eq!(again("a:\n- {b: 1, b: 2}\n"), "line 2 has the key of line 2 again");
        assert_eq!(again("a: {b: 1}\nc: {b: 1}\nb: b\n"), "");
        assert_eq!(again("x: &x {a: 1}\ny: &y {a: 2}\nz:\n  <<: *x\n  <<: *y\n"), "");
    }

    #[test]
    fn a_template_that_nobody_rendered_is_no_key() {
        for text in ["hostname: {{ host }}\n", "a:\n  b: {{ x }}\n", "{{ a }}: 1\n", "[a]: 1\n", "? {a: 1}\n: 2\n"] {
            assert!(found(text).contains(" has a list or mapping as key"), "{text}: {}", found(text));
        }
        assert_eq!(found("hostname: '{{ host }}'\n"), "");
    }

    #[test]
    fn values_that_look_like_another_type_have_to_be_of_it() {
        for text in [
            "=",
            "2024-02-30",
            "2024-13-45",
            "0000-01-01",
            "2001-12-14 25:00:00",
            "2001-12-14T21:59:43Z+25",
            "0x_",
            "!!int x",
            "!!binary x",
            "!!seq {a: 1}",
            "!!map [a]",
        ] {
            let told = found(&format!("a: {text}\n")).contains(" is not of its type in YAML 1.1");
            // A time zone behind another is no time at all, but text.
            assert_eq!(told, text != "2001-12-14T21:59:43Z+25", "{text}");
        }
        assert!(found("<<: 1\n").contains("merges what is no mapping"));
        for text in
            ["2024-02-29", "2001-12-14t21:59:43.10-05:00", "0x1f", "'='", "a=b", "!!int 3", "!!set {a, b}", "2024-1-1"]
        {
            assert_eq!(found(&format!("a: {text}\n")), "", "{text}");
        }
    }

    #[test]
    fn tabs_are_for_quotes_blocks_and_comments() {
        for text in ["a:\tb\n", "a: b\t\n", "a: b\tc\n", "- [1,\n\t2]\n", "a: b\t# c\n", "é: \"x\"\n日:\t1\n"] {
            assert!(found(text).contains(" has a tab outside of quotes"), "{text:?}: {}", found(text));
        }
        for text in ["a: \"b\tc\"\n", "a: |\n  b\tc\n  \td\n", "# a\tb\na: 1 #\tc\n", "é: 'x\ty'\n"] {
            assert_eq!(found(text), "", "{text:?}");
        }
    }

    #[test]
    fn tags_that_pyyaml_does_not_know_are_told() {
        for text in ["a: !Ref foo\n", "a: !vault |\n  x\n", "a: !!python/object:os.system x\n", "a: !!merge x\n"] {
            assert!(
                found(text).contains(" has the tag !") || found(text).contains(" has the tag tag:"),
                "{text}: {}",
                found(text)
            );
        }
        for text in ["a: !!str 1\n", "a: !!binary aGk=\n", "a: ! x\n", "a: !!set {b, c}\n"] {
            assert_eq!(found(text), "", "{text}");
        }
    }
}
