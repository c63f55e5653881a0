//! Checks the syntax of YAML as PyYAML's `safe_load` does. libyaml has the same grammar except for tabs. A second parser gives
//! events with lines, in which duplicate keys, unknown tags and tabs are found.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde::de::IgnoredAny;
use serde_yaml::Value;
use std::collections::HashMap;
use std::ops::Range;

/// What cloud-init does with a part that PyYAML refuses.
pub(crate) const IGNORED: &str = "cloud-init would ignore it";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Empty,
    Plain,
    List,
    Mapping,
}

/// The type of the root of a YAML text, and what is wrong with the text.
#[derive(Debug)]
pub(crate) struct YamlOutline {
    pub root: Root,
    pub problems: Vec<String>,
}

/// The keys of a mapping that has not ended.
#[derive(Default)]
struct Keys {
    /// The lines of the keys so far, and whether each is plain: 1 and "1" are two keys.
    lines: HashMap<(bool, String), usize>,
    is_value_next: bool,
}

impl YamlOutline {
    pub fn of(text: &str) -> Result<YamlOutline, String> {
        if is_beyond_reading(text) {
            return Err(format!("is too large or nested too deep: {IGNORED}"));
        }
        if let Some(at) = text.find(|c: char| c.is_control() && !"\t\n\r".contains(c)) {
            let line = text[..at].matches('\n').count() + 1;
            return Err(format!("line {line} has a control character, which YAML does not allow: {IGNORED}"));
        }
        serde_yaml::from_str::<IgnoredAny>(text).or_else(|error| match error.to_string() {
            // PyYAML takes a block's first line that is indented by a tab too.
            message if message.starts_with("found a tab character where an indentation space") => Ok(IgnoredAny),
            message if message.contains("more than one document") => {
                Err(format!("has several YAML documents: {IGNORED}"))
            }
            message => Err(format!("is not YAML: {message}: {IGNORED}")),
        })?;
        let mut outline = YamlOutline { root: Root::Empty, problems: Vec::new() };
        let mut open: Vec<Option<Keys>> = Vec::new();
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

    /// `open` has an entry for each list or mapping around the event, with keys if it is a mapping.
    fn see(&mut self, event: &Event, span: Span, open: &mut Vec<Option<Keys>>) {
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
        if open.is_empty() {
            self.root = root;
        }
        if let Some(tag) = tag.as_deref().filter(|tag| !is_known(tag)) {
            self.problems.push(format!("line {line} has the tag {}{}: {IGNORED}", tag.handle, tag.suffix));
        }
        if let Some(Some(keys)) = open.last_mut() {
            if !keys.is_value_next {
                self.see_key(event, &mut keys.lines, line);
            }
            keys.is_value_next = !keys.is_value_next;
        }
        match root {
            Root::List => open.push(None),
            Root::Mapping => open.push(Some(Keys::default())),
            _ => {}
        }
    }

    /// Checks a key. `lines` has the keys before it.
    fn see_key(&mut self, event: &Event, lines: &mut HashMap<(bool, String), usize>, line: usize) {
        match event {
            Event::Scalar(key, style, ..) => {
                let key = (*style == ScalarStyle::Plain, key.to_string());
                let is_merge = key.1 == "<<";
                if let Some(first) = lines.insert(key, line).filter(|_| !is_merge) {
                    self.problems
                        .push(format!("line {line} has the key of line {first} again: cloud-init would take the last"));
                }
            }
            Event::Alias(_) => {}
            _ => self.problems.push(format!(
                "line {line} has a list or mapping as key, as {{{{ }}}} without quotes is one: {IGNORED}"
            )),
        }
    }
}

fn bare_tab_at(line: usize) -> String {
    format!("line {line} has a tab outside of quotes: {IGNORED}")
}

/// The limit in bytes, far above the size of any part.
const MOST: usize = 4 * 1024 * 1024;

/// Returns whether it is too large, or brackets are nested deeper than PyYAML allows. libyaml would need minutes for it.
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

/// Returns whether PyYAML's `SafeLoader` knows the tag.
fn is_known(tag: &Tag) -> bool {
    const KNOWN: [&str; 12] =
        ["null", "bool", "int", "float", "binary", "timestamp", "omap", "pairs", "set", "str", "seq", "map"];
    match core_type(tag) {
        Some(core) => KNOWN.contains(&core),
        // `!` alone is no tag of its own.
        None => tag.suffix.is_empty() || (tag.handle.is_empty() && tag.suffix == "!"),
    }
}

/// Returns the standard type that the tag names, as `!!str` or `!<tag:yaml.org,2002:str>`.
fn core_type(tag: &Tag) -> Option<&str> {
    const CORE: &str = "tag:yaml.org,2002:";
    match tag.handle.as_str() {
        CORE => Some(&tag.suffix),
        _ => tag.suffix.strip_prefix(CORE),
    }
}

/// Returns the line of the first tab outside of comments and `opaque`, the ranges of quoted text. PyYAML refuses tabs there.
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
        YamlOutline::of(text).map_or_else(|problem| problem, |outline| outline.problems.join("; "))
    }

    #[test]
    fn duplicate_keys_are_found_at_any_depth() {
        let again = |text: &str| found(text).replace(": cloud-init would take the last", "");
        assert_eq!(again("a: 1\nb: 1\na: 2\n"), "line 3 has the key of line 1 again");
        assert_eq!(again("a:\n- {b: 1, b: 2}\n"), "line 2 has the key of line 2 again");
        assert_eq!(again("a: {b: 1}\nc: {b: 1}\nb: b\n"), "");
        assert_eq!(again("x: &x {a: 1}\ny: &y {a: 2}\nz:\n  <<: *x\n  <<: *y\n"), "");
    }

    #[test]
    fn braces_without_quotes_are_not_a_key() {
        for text in ["hostname: {{ host }}\n", "a:\n  b: {{ x }}\n", "{{ a }}: 1\n", "[a]: 1\n", "? {a: 1}\n: 2\n"] {
            assert!(found(text).contains(" has a list or mapping as key"), "{text}: {}", found(text));
        }
        assert_eq!(found("hostname: '{{ host }}'\n"), "");
    }

    #[test]
    fn tabs_outside_of_quotes_blocks_and_comments_are_found() {
        for text in ["a:\tb\n", "a: b\t\n", "a: b\tc\n", "- [1,\n\t2]\n", "a: b\t# c\n", "é: \"x\"\n日:\t1\n"] {
            assert!(found(text).contains(" has a tab outside of quotes"), "{text:?}: {}", found(text));
        }
        for text in ["a: \"b\tc\"\n", "a: |\n  b\tc\n  \td\n", "# a\tb\na: 1 #\tc\n", "é: 'x\ty'\n"] {
            assert_eq!(found(text), "", "{text:?}");
        }
    }

    #[test]
    fn yaml_that_only_pyyaml_accepts_is_accepted() {
        for text in [
            "x: \"foo\nbar\"\nrun:\n- |\n  a\tb\n",
            "x: [a,\nb]\ny: |\n  a\tb\n",
            "x: \"a\n\tb\"\n",
            "x: |\n  \tc\n",
            "{1: x, \"1\": y}\n",
        ] {
            let outline = YamlOutline::of(text).unwrap();
            assert_eq!((outline.root, outline.problems), (Root::Mapping, vec![]), "{text:?}");
        }
    }

    #[test]
    fn yaml_that_would_take_minutes_is_refused() {
        assert!(found(&format!("a: {}", "[".repeat(200_000))).starts_with("is too large or nested too deep: "));
    }

    #[test]
    fn unknown_tags_are_found() {
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
