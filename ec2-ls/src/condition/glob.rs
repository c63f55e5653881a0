//! Wildcards as EC2's filters have them.

use cerveza_manners::matches_pattern;

/// A pattern for a whole text: `*` stands for any characters, `?` for one, and `\` takes the meaning from the character
/// after it. Upper and lower case differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    /// As it was written.
    pub text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Any,
    One,
    Char(char),
}

impl Glob {
    pub fn new(text: impl Into<String>) -> Glob {
        let (text, mut parts) = (text.into(), Vec::new());
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            parts.push(match c {
                '*' => Part::Any,
                '?' => Part::One,
                '\\' => Part::Char(chars.next().unwrap_or('\\')),
                c => Part::Char(c),
            });
        }
        Glob { text, parts }
    }

    pub fn matches(&self, value: &str) -> bool {
        let value: Vec<char> = value.chars().collect();
        let is_star = |part: &Part| *part == Part::Any;
        matches_pattern(&self.parts, &value, is_star, |part, c| *part == Part::One || *part == Part::Char(*c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns whether the pattern matches by the API reference, read from left to right.
    fn is_match(pattern: &[char], value: &[char]) -> bool {
        match pattern {
            [] => value.is_empty(),
            ['*', rest @ ..] => (0..=value.len()).any(|skipped| is_match(rest, &value[skipped..])),
            ['?', rest @ ..] => !value.is_empty() && is_match(rest, &value[1..]),
            ['\\', c, rest @ ..] | [c, rest @ ..] => value.first() == Some(c) && is_match(rest, &value[1..]),
        }
    }

    proptest! {
        #[test]
        fn glob_matches_as_the_api_reference_says(pattern in r"[ab*?\\é]{0,8}", value in r"[abA*?\\é]{0,8}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(Glob::new(pattern.as_str()).matches(&value), is_match(&chars(&pattern), &chars(&value)));
        }
    }

    #[test]
    fn example_of_the_api_reference_matches() {
        assert!(Glob::new(r"\*amazon\?\\").matches(r"*amazon?\"));
        assert!(!Glob::new(r"\*amazon\?\\").matches(r"xamazon?\"));
    }
}
