//! Makes text from outside (tags, remote output, file names) safe to show on a terminal.

use cerveza_record::is_hidden;
use std::borrow::Cow;
use unicode_width::UnicodeWidthStr;

/// Escapes what would move a terminal's cursor, change its state or reorder its text: control characters (C0, DEL, C1),
/// line separators and bidirectional controls. The escapes are like those of Rust (`\n`, `\u{1b}`).
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_hidden(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Removes the numbers that Rust writes after errors of the system, as in `Connection refused (os error 111)`.
pub fn without_error_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let mut shown = parts.next().unwrap_or_default().to_string();
    for part in parts {
        match part.trim_start_matches(|c: char| c.is_ascii_digit()).strip_prefix(')') {
            Some(rest) => shown.push_str(rest),
            None => shown.extend([" (os error ", part]),
        }
    }
    shown
}

/// Escapes text of many lines. Removes colours, and ends each line with a newline.
pub fn visible_lines(text: &str) -> String {
    let text = console::strip_ansi_codes(text);
    text.lines().map(|line| visible(&line.trim_end_matches('\r').replace('\t', "    ")).into_owned() + "\n").collect()
}

/// Returns how many columns of a terminal a text takes.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// The longest word. A longer one without a blank or a comma is not for people to read.
const LONGEST_WORD: usize = 200;

/// Returns whether a word is an opaque token, such as AWS's encoded messages.
pub fn is_opaque(word: &str) -> bool {
    word.len() > LONGEST_WORD && word.bytes().all(is_of_token)
}

fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'=' | b'/')
}

/// Shortens opaque tokens to their first 20 characters.
pub fn shorten(text: &str) -> Cow<'_, str> {
    let is_end = |c: char| !c.is_ascii() || !is_of_token(c as u8);
    if !text.split(is_end).any(is_opaque) {
        return Cow::Borrowed(text);
    }
    let words = text.split_inclusive(is_end).map(|word| {
        let token = word.trim_end_matches(is_end);
        if is_opaque(token) { format!("{}...{}", &token[..20], &word[token.len()..]) } else { word.to_string() }
    });
    Cow::Owned(words.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_are_shown_without_their_numbers() {
        for number in ["2", "111"] {
            let text = format!("x: No such file (os error {number}); then");
            assert_eq!(without_error_numbers(&text), "x: No such file; then");
        }
        for other in ["", "plain", " (os error x)", "a (os error 2"] {
            assert_eq!(without_error_numbers(other), other);
        }
    }

    #[test]
    fn escapes_become_visible_and_plain_text_stays() {
        assert_eq!(visible("web1 é 日本"), "web1 é 日本");
        assert_eq!(visible("a\x1b[31mb\r\n\u{9b}"), "a\\u{1b}[31mb\\r\\n\\u{9b}");
        assert_eq!(
            visible_lines("[  \x1b[32mOK\x1b[0m  ] up\r\n\ta\x1b\x07\n\nend"),
            "[  OK  ] up\n    a\\u{1b}\\u{7}\n\nend\n"
        );
        assert_eq!(visible("user\u{202e}gpj.exe"), "user\\u{202e}gpj.exe");
    }

    #[test]
    fn only_opaque_tokens_are_shortened() {
        let token = "aZ09_-+/=".repeat(60);
        assert_eq!(shorten(&format!("message: {token}, é")), "message: aZ09_-+/=aZ09_-+/=aZ..., é");
        let hosts = (0..200).map(|number| format!("web{number}")).collect::<Vec<_>>().join(",");
        assert_eq!(shorten(&hosts), hosts);
    }
}
