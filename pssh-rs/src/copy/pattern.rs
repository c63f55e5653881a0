//! Remote paths with `*`, `?` and `[..]`, matched as a shell does; no shell is involved.

use cerveza_manners::matches_pattern;

/// One step of a path.
#[derive(Clone, Debug)]
pub enum Step {
    Name(Vec<u8>),
    Pattern(Pattern),
}

/// A pattern for the names in one folder.
#[derive(Clone, Debug)]
pub struct Pattern(Vec<Part>);

/// A part of a pattern. A character is one of UTF-8, or a byte that is not part of one.
#[derive(Clone, Debug)]
enum Part {
    Star,
    AnyCharacter,
    Character(Vec<u8>),
    /// The ranges of `[..]`, or of `[!..]`.
    Class {
        negated: bool,
        ranges: Vec<(Vec<u8>, Vec<u8>)>,
    },
}

impl Step {
    pub fn parse(step: &[u8]) -> Result<Step, String> {
        let characters = characters(step);
        let mut parts = Vec::new();
        let mut rest = characters.as_slice();
        while let [first, after @ ..] = rest {
            rest = after;
            parts.push(match *first {
                b"*" => Part::Star,
                b"?" => Part::AnyCharacter,
                b"[" if let Some(end) = class_end(after) => {
                    rest = &after[end + 1..];
                    let class = class(&after[..end]);
                    class.ok_or_else(|| format!("{:?} is no pattern", String::from_utf8_lossy(step)))?
                }
                b"\\" if let [escaped, after @ ..] = after => {
                    rest = after;
                    Part::Character(escaped.to_vec())
                }
                character => Part::Character(character.to_vec()),
            });
        }
        let name: Option<Vec<&[u8]>> = parts.iter().map(Part::character).collect();
        Ok(match name {
            Some(name) => Step::Name(name.concat()),
            None => Step::Pattern(Pattern(parts)),
        })
    }
}

impl Pattern {
    /// Only a pattern that begins with a dot matches names that do.
    pub fn matches(&self, name: &[u8]) -> bool {
        let begins_with_dot = self.0.first().and_then(Part::character) == Some(b".");
        (begins_with_dot || !name.starts_with(b"."))
            && matches_pattern(&self.0, &characters(name), |part| matches!(part, Part::Star), |part, c| part.matches(c))
    }
}

impl Part {
    fn character(&self) -> Option<&[u8]> {
        match self {
            Part::Character(character) => Some(character),
            _ => None,
        }
    }

    fn matches(&self, character: &[u8]) -> bool {
        match self {
            Part::Star | Part::AnyCharacter => true,
            Part::Character(own) => own == character,
            // The bytes of characters are in the same order as the characters.
            Part::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (low.as_slice()..=high).contains(&character)) != *negated
            }
        }
    }
}

fn characters(text: &[u8]) -> Vec<&[u8]> {
    let mut characters = Vec::new();
    for chunk in text.utf8_chunks() {
        characters.extend(chunk.valid().split_inclusive(|_: char| true).map(str::as_bytes));
        characters.extend(chunk.invalid().chunks(1));
    }
    characters
}

/// Returns where the `]` of a class is. One that comes first is a member of the class.
fn class_end(text: &[&[u8]]) -> Option<usize> {
    let first = usize::from(is_negated(text)) + 1;
    text.iter().skip(first).position(|character| *character == b"]").map(|at| first + at)
}

fn is_negated(class: &[&[u8]]) -> bool {
    matches!(class, [b"!" | b"^", ..])
}

/// Returns `None` for a range whose end is before its start.
fn class(members: &[&[u8]]) -> Option<Part> {
    let negated = is_negated(members);
    let mut ranges = Vec::new();
    let mut rest = &members[usize::from(negated)..];
    while let [low, after @ ..] = rest {
        let (high, after) = match after {
            [b"-", high, after @ ..] => (high, after),
            _ => (low, after),
        };
        if low > high {
            return None;
        }
        ranges.push((low.to_vec(), high.to_vec()));
        rest = after;
    }
    Some(Part::Class { negated, ranges })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(pattern: &str, name: &[u8]) -> bool {
        match Step::parse(pattern.as_bytes()).unwrap() {
            Step::Pattern(pattern) => pattern.matches(name),
            Step::Name(plain) => plain == name,
        }
    }

    #[test]
    fn patterns_match_what_a_shell_matches() {
        assert!(finds("*.log", b"a.log") && finds("*.log", b"\xff\n.log") && !finds("*.log", b".log"));
        assert!(finds(".*", b".log") && !finds("*", b".hidden"));
        assert!(finds("a?c", "aéc".as_bytes()) && finds("a?c", b"a\xffc") && !finds("a?c", b"ac"));
        assert!(finds("[a-c]x", b"bx") && !finds("[!a-c]x", b"bx") && finds("[]x]", b"]") && finds("[a-]", b"-"));
        assert!(finds(r"\*", b"*") && !finds(r"\*", b"a"));
        assert!(finds("a[b", b"a[b") && finds("a.b", b"a.b") && !finds("a.b*", b"axb"));
        assert!(finds("[à-é]", "è".as_bytes()) && finds("[!a]", "é".as_bytes()) && finds("é*", "éa".as_bytes()));
        assert!(Step::parse(b"[z-a]").is_err());
        assert!(!finds(&"*a".repeat(50), &[b'a'; 40]));
    }
}
