//! A YAML text as PyYAML reads it: its root, and what in it `safe_load` does not take. The grammar is libyaml's, which is
//! PyYAML's but for tabs; events of another parser tell the rest, with its lines.

use regex::Regex;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde::de::IgnoredAny;
use serde_yaml::Value;
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
    pub problems: Vec<String>,
}

/// A list or mapping around a node.
struct Open {
    anchor: usize,
    /// Of a mapping its keys so far, whether they are plain, and their lines.
    keys: Option<HashMap<(bool, String), usize>>,
    /// The key whose value comes next.
    key: Option<String>,
}

impl Outline {
    pub fn of(text: &str) -> Result<Outline, String> {
        if is_beyond_reading(text) {
            return Err(format!("is too large or nested too deep: {IGNORED}"));
        }
        // Line ends to PyYAML, which reads YAML 1.1.
        let text = &text.replace(['\u{85}', '\u{2028}', '\u{2029}'], "\n");
        if let Some(at) = text.find(|c: char| c.is_control() && !"\t\n\r".contains(c)) {
            let line = text[..at].matches('\n').count() + 1;
            return Err(format!("line {line} has a control character, which YAML has not: {IGNORED}"));
        }
        serde_yaml::from_str::<IgnoredAny>(text).or_else(|error| match error.to_string() {
            // PyYAML takes a block's first line that is indented by a tab too.
            message if message.starts_with("found a tab character where an indentation space") => Ok(IgnoredAny),
            message if message.contains("more than one document") => {
                Err(format!("is several YAML documents: {IGNORED}"))
            }
            message => Err(format!("is no YAML: {message}: {IGNORED}")),
        })?;
        let mut outline = Outline { root: Root::Empty, problems: Vec::new() };
        let mut open: Vec<Open> = Vec::new();
        let mut opaque: Vec<Range<usize>> = Vec::new();
        for event in Parser::new_from_str(text) {
            let (event, span) = match event {
                Ok(event) => event,
                // This is YAML 1.2. Of what it does not take but libyaml does, little more can be said.
                Err(error) => {
                    outline.root = root_of(text);
                    let at = error.marker().index();
                    if error.info().starts_with("':' must be followed by")
                        && text.chars().nth(at.saturating_sub(1)) == Some('\t')
                    {
                        outline.problems.push(bare_tab_at(error.marker().line()));
                    }
                    return Ok(outline);
                }
            };
            outline.see(&event, span, &mut open);
            if let Event::Scalar(_, style, ..) = event
                && style != ScalarStyle::Plain
            {
                opaque.push(span.start.index()..span.end.index());
            }
        }
        if let Some(line) = bare_tab(text, &opaque) {
            outline.problems.push(bare_tab_at(line));
        }
        Ok(outline)
    }

    fn see(&mut self, event: &Event, span: Span, open: &mut Vec<Open>) {
        let line = span.start.line();
        let (root, anchor, tag) = match event {
            Event::Scalar(_, _, anchor, tag) => (Root::Plain, *anchor, tag),
            Event::SequenceStart(anchor, tag) => (Root::List, *anchor, tag),
            Event::MappingStart(anchor, tag) => (Root::Mapping, *anchor, tag),
            Event::Alias(_) => (Root::Plain, 0, &None),
            Event::SequenceEnd | Event::MappingEnd => {
                open.pop();
                return;
            }
            _ => return,
        };
        if open.is_empty() {
            self.root = root;
        }
        self.problems.extend(type_problem(event, tag.as_deref()).map(|why| format!("line {line} {why}: {IGNORED}")));
        if let Event::Alias(of) = event
            && open.iter().any(|open| open.anchor == *of)
        {
            self.problems
                .push(format!("line {line} is within what it refers to: cloud-init would take none of the user-data"));
        }
        if let Some(Open { keys: Some(keys), key, .. }) = open.last_mut() {
            match key.take() {
                Some(key) => self.see_value(event, &key, line),
                None => *key = Some(self.see_key(event, keys, line)),
            }
        }
        match root {
            Root::List => open.push(Open { anchor, keys: None, key: None }),
            Root::Mapping => open.push(Open { anchor, keys: Some(HashMap::new()), key: None }),
            _ => {}
        }
    }

    fn see_value(&mut self, event: &Event, key: &str, line: usize) {
        if key == "<<" && matches!(event, Event::Scalar(..)) {
            self.problems.push(format!("line {line} merges what is no mapping: {IGNORED}"));
        }
    }

    /// The key as text, and what is wrong with it. `keys` has those before it.
    fn see_key(&mut self, event: &Event, keys: &mut HashMap<(bool, String), usize>, line: usize) -> String {
        let Event::Scalar(key, style, ..) = event else {
            if !matches!(event, Event::Alias(_)) {
                self.problems.push(format!(
                    "line {line} has a list or mapping as key, as {{{{ }}}} without quotes around is one: {IGNORED}"
                ));
            }
            return String::new();
        };
        // 1 and "1" are two keys.
        let is_plain = *style == ScalarStyle::Plain;
        if let Some(first) = keys.insert((is_plain, key.to_string()), line).filter(|_| key != "<<") {
            self.problems
                .push(format!("line {line} has the key of line {first} again: cloud-init would take the last"));
        }
        key.to_string()
    }
}

fn bare_tab_at(line: usize) -> String {
    format!("line {line} has a tab outside of quotes: {IGNORED}")
}

/// What no part of user-data comes near, in bytes.
const MOST: usize = 4 * 1024 * 1024;

/// Whether it is too large, or brackets stand in brackets deeper than PyYAML goes. libyaml would take minutes for it.
pub(crate) fn is_beyond_reading(text: &str) -> bool {
    const DEEPEST: usize = 400;
    let mut depth = 0usize;
    let mut nests_deeper = || {
        text.bytes().any(|byte| {
            match byte {
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth > DEEPEST
        })
    };
    text.len() > MOST || nests_deeper()
}

fn root_of(text: &str) -> Root {
    match serde_yaml::from_str(text) {
        Ok(Value::Sequence(_)) => Root::List,
        Ok(Value::Null) => Root::Empty,
        Ok(Value::Mapping(_)) | Err(_) => Root::Mapping,
        Ok(_) => Root::Plain,
    }
}

/// Why `SafeLoader` would make no value of the node.
fn type_problem(event: &Event, tag: Option<&Tag>) -> Option<String> {
    if let Some(tag) = tag.filter(|tag| !is_known(tag)) {
        return Some(format!("has the tag {}{}", tag.handle, tag.suffix));
    }
    let fits = match (event, tag) {
        (Event::Scalar(text, style, ..), tag) => scalar_fits(text, *style, tag),
        (Event::Alias(_), _) | (_, None) => true,
        (Event::SequenceStart(..), Some(tag)) => matches!(core_type(tag), None | Some("seq" | "omap" | "pairs")),
        (_, Some(tag)) => matches!(core_type(tag), None | Some("map" | "set")),
    };
    (!fits).then(|| "has a value that is not of its type in YAML 1.1".to_string())
}

/// Whether `SafeLoader` has a constructor for it.
fn is_known(tag: &Tag) -> bool {
    const KNOWN: [&str; 12] =
        ["null", "bool", "int", "float", "binary", "timestamp", "omap", "pairs", "set", "str", "seq", "map"];
    match core_type(tag) {
        Some(core) => KNOWN.contains(&core),
        // `!` alone is no tag of its own.
        None => tag.suffix.is_empty() || (tag.handle.is_empty() && tag.suffix == "!"),
    }
}

/// The type of YAML's own that the tag names: `!!str`, or `!<tag:yaml.org,2002:str>`.
fn core_type(tag: &Tag) -> Option<&str> {
    const CORE: &str = "tag:yaml.org,2002:";
    match tag.handle.as_str() {
        CORE => Some(&tag.suffix),
        _ => tag.suffix.strip_prefix(CORE),
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
    match tag.map(|tag| core_type(tag).unwrap_or_default()) {
        Some("int") => return text.bytes().any(|byte| byte.is_ascii_digit()),
        // What is no base64 is skipped.
        Some("binary") => {
            let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
            return text.bytes().filter(is_base64).count() % 4 == 0;
        }
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
    fn what_pyyaml_takes_and_yaml_1_2_does_not_is_taken() {
        for text in [
            "x: \"foo\nbar\"\nrun:\n- |\n  a\tb\n",
            "x: [a,\nb]\ny: |\n  a\tb\n",
            "x: \"a\n\tb\"\n",
            "x: |\n  \tc\n",
            "x: 'a\u{85}b'\n",
            "{1: x, \"1\": y}\n",
        ] {
            let outline = Outline::of(text).unwrap();
            assert_eq!((outline.root, outline.problems), (Root::Mapping, vec![]), "{text:?}");
        }
    }

    #[test]
    fn what_would_take_minutes_or_never_ends_is_told() {
        assert!(found(&format!("a: {}", "[".repeat(200_000))).starts_with("is too large or nested too deep: "));
        assert!(found("a: &a [*a]\n").contains("is within what it refers to"));
        assert_eq!(found("a: &a [1]\nb: [*a, *a]\n"), "");
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
        for text in [
            "a: !!str 1\n",
            "a: !!binary |\n  a-Gk=\n  ....\n",
            "a: !<tag:yaml.org,2002:str> 1\n",
            "a: ! x\n",
            "a: !!set {b, c}\n",
        ] {
            assert_eq!(found(text), "", "{text}");
        }
    }
}
