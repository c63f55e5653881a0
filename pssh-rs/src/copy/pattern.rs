//! Remote paths with `*`, `?` and `[..]`, matched as a shell does; no shell is involved.

use regex::bytes::{Regex, RegexBuilder};

/// One step of a path.
#[derive(Clone, Debug)]
pub enum Step {
    Name(Vec<u8>),
    Pattern(Pattern),
}

/// What names of one folder may be.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Regex,
    /// Only a pattern that begins with a dot finds names that do.
    hidden: bool,
}

/// One character of UTF-8, or a byte that is none.
const ANY: &str = r"(?:[\x00-\x7f]|[\xc2-\xf4][\x80-\xbf]+|[\x80-\xff])";

impl Step {
    pub fn parse(step: &[u8]) -> Result<Step, String> {
        let mut regex = String::from(r"\A");
        let mut name = Vec::new();
        let mut is_pattern = false;
        let mut rest = step;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'*' | b'?' => {
                    is_pattern = true;
                    regex.push_str(ANY);
                    if byte == b'*' {
                        regex.push('*');
                    }
                }
                b'[' if let Some((class, after)) = class(after) => {
                    is_pattern = true;
                    regex.push_str(&class);
                    rest = after;
                }
                _ => {
                    let byte = match (byte, after.split_first()) {
                        (b'\\', Some((&next, after))) => {
                            rest = after;
                            next
                        }
                        _ => byte,
                    };
                    name.push(byte);
                    regex.push_str(&format!(r"\x{byte:02x}"));
                }
            }
        }
        if !is_pattern {
            return Ok(Step::Name(name));
        }
        regex.push_str(r"\z");
        let regex = RegexBuilder::new(&regex).unicode(false).dot_matches_new_line(true).size_limit(1 << 20).build();
        let regex = regex.map_err(|_| format!("{:?} is no pattern", String::from_utf8_lossy(step)))?;
        Ok(Step::Pattern(Pattern { regex, hidden: step.starts_with(b".") }))
    }
}

impl Pattern {
    pub fn finds(&self, name: &[u8]) -> bool {
        (self.hidden || !name.starts_with(b".")) && self.regex.is_match(name)
    }
}

/// `[..]` after its `[`, as a regular expression, and what follows it; `None` where it is not closed. Of bytes: outside
/// ASCII there are no ranges.
fn class(text: &[u8]) -> Option<(String, &[u8])> {
    let (negated, text) = match text.first() {
        Some(b'!' | b'^') => (true, &text[1..]),
        _ => (false, text),
    };
    // A bracket that comes first is one of them.
    let end = 1 + text.iter().skip(1).position(|byte| *byte == b']')?;
    let (inside, after) = (&text[..end], &text[end + 1..]);
    let mut class = String::from(if negated { "[^" } else { "[" });
    let mut at = 0;
    while at < inside.len() {
        let low = inside[at];
        let high = match inside.get(at + 1..at + 3) {
            Some([b'-', high]) => {
                at += 2;
                *high
            }
            _ => low,
        };
        at += 1;
        class.push_str(&format!(r"\x{low:02x}-\x{high:02x}"));
    }
    class.push(']');
    Some((class, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(pattern: &str, name: &[u8]) -> bool {
        match Step::parse(pattern.as_bytes()).unwrap() {
            Step::Pattern(pattern) => pattern.finds(name),
            Step::Name(plain) => plain == name,
        }
    }

    #[test]
    fn patterns_find_what_a_shell_would() {
        assert!(finds("*.log", b"a.log") && finds("*.log", b"\xff\n.log") && !finds("*.log", b".log"));
        assert!(finds(".*", b".log") && !finds("*", b".hidden"));
        assert!(finds("a?c", "aéc".as_bytes()) && finds("a?c", b"a\xffc") && !finds("a?c", b"ac"));
        assert!(finds("[a-c]x", b"bx") && !finds("[!a-c]x", b"bx") && finds("[]x]", b"]") && finds("[a-]", b"-"));
        assert!(finds(r"\*", b"*") && !finds(r"\*", b"a"));
        assert!(finds("a[b", b"a[b") && finds("a.b", b"a.b") && !finds("a.b*", b"axb"));
        assert!(Step::parse(b"[z-a]").is_err());
        assert!(!finds(&"*a".repeat(50), &[b'a'; 40]));
    }
}
