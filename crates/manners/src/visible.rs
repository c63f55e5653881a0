//! Text of others (tags, remote output, file names) made safe to show on a terminal.

use cerveza_record::is_hidden;
use std::borrow::Cow;
use unicode_width::UnicodeWidthStr;

/// Makes visible what would move a terminal's cursor, change its state or reorder its text: control characters
/// (C0, DEL, C1), line separators and bidirectional controls come out as Rust-like escapes (`\n`, `\u{1b}`).
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

/// Makes text of many lines visible: without the escape sequences of colours, each line ended by a newline.
pub fn visible_lines(text: &str) -> String {
    let text = console::strip_ansi_codes(text);
    text.lines().map(|line| visible(&line.trim_end_matches('\r').replace('\t', "    ")).into_owned() + "\n").collect()
}

/// Returns how many columns of a terminal a text takes.
pub fn columns(text: &str) -> usize {
    text.width()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
