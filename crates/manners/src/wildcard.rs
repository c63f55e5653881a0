//! Wildcards: `*` stands for any characters, `?` for one.

/// Returns whether a pattern of bytes matches all of the text.
pub fn matches_wildcards(pattern: &[u8], text: &[u8]) -> bool {
    matches_pattern(pattern, text, |part| *part == b'*', |part, byte| *part == b'?' || part == byte)
}

/// Returns whether the pattern matches the value. `is_star` says which parts of the pattern stand for any characters,
/// `fits` whether another part matches a character. Takes linear time for each star.
pub fn matches_pattern<P, C>(
    pattern: &[P],
    text: &[C],
    is_star: impl Fn(&P) -> bool,
    fits: impl Fn(&P, &C) -> bool,
) -> bool {
    let (mut part, mut at) = (0, 0);
    // Where to continue if a part does not match: the last star then stands for one more character.
    let mut last_star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(part) {
            Some(star) if is_star(star) => {
                part += 1;
                last_star = Some((part, at));
            }
            Some(other) if fits(other, &text[at]) => (part, at) = (part + 1, at + 1),
            _ => match &mut last_star {
                Some((after, start)) => {
                    *start += 1;
                    (part, at) = (*after, *start);
                }
                None => return false,
            },
        }
    }
    pattern[part..].iter().all(is_star)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_any_text_and_question_marks_one_byte() {
        for (pattern, text) in [
            ("web?", "web1"),
            ("*", "web1"),
            ("*", ""),
            ("*.c", "a.b.c"),
            ("a*X?", "aXbXc"),
            ("", ""),
            ("a*b*c", "aXbYbZc"),
        ] {
            assert!(matches_wildcards(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in
            [("web?", "web"), ("web?", "web12"), ("?", ""), ("web", "Web"), ("a*c", "ab"), ("a*b*c", "aXbYbZ")]
        {
            assert!(!matches_wildcards(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!matches_wildcards(("*a".repeat(500) + "b").as_bytes(), "a".repeat(5000).as_bytes()));
    }
}
