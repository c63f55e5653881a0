//! ssh's patterns: `*` and `?` over bytes, as in match.c.

/// Whether the pattern matches all of the text.
pub fn matches(text: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut from) = (0, 0);
    // Where to go on if what follows the last `*` does not fit: one byte more is left to the star.
    let mut star = None;
    while at < text.len() {
        match pattern.get(from) {
            Some(b'*') => {
                star = Some((at, from + 1));
                from += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[at] => (at, from) = (at + 1, from + 1),
            _ => match star {
                Some((taken, rest)) => {
                    star = Some((taken + 1, rest));
                    (at, from) = (taken + 1, rest);
                }
                None => return false,
            },
        }
    }
    pattern[from..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match_as_in_ssh() {
        for (text, pattern) in
            [("web1", "web?"), ("web1", "*"), ("", "*"), ("a.b.c", "*.c"), ("aXbXc", "a*X?"), ("", "")]
        {
            assert!(matches(text.as_bytes(), pattern.as_bytes()), "{text} {pattern}");
        }
        for (text, pattern) in [("web", "web?"), ("web12", "web?"), ("", "?"), ("Web", "web"), ("ab", "a*c")] {
            assert!(!matches(text.as_bytes(), pattern.as_bytes()), "{text} {pattern}");
        }
        let (text, pattern) = ("a".repeat(5000), "*a".repeat(500) + "b");
        assert!(!matches(text.as_bytes(), pattern.as_bytes()), "and hostile ones end soon");
    }
}
