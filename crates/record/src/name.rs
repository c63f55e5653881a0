//! Prints and reads host names: bare, or in double quotes as a JSON string if needed. Tools read a printed name back as
//! the same name.

use crate::record::reason;
use serde_json::Value;
use std::borrow::Cow;
use std::iter;

/// Returns whether `c` may stand in a name without quotes. Blanks and commas separate, brackets group, and other
/// characters have a meaning to shells or to the language of host sets.
pub fn is_name_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '%' | '+' | '@')
}

/// Returns whether all of `text` is one name, as nearly all lines of an input are. A quick check: false for some bare
/// names too.
pub fn is_plain_name(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':'))
        && !text.starts_with('-')
        && !text.is_empty()
}

/// Returns whether a name with these pieces, in order, means itself without quotes, also as a word of a command line:
/// `-x` is an option there, `@x` a node group, and `x-` removes a tag.
pub fn is_bare<'a>(pieces: impl IntoIterator<Item = &'a str>) -> bool {
    let mut last = None;
    for (at, piece) in pieces.into_iter().enumerate() {
        if (at == 0 && piece.starts_with(['-', '@'])) || !piece.chars().all(is_name_char) {
            return false;
        }
        last = Some(piece);
    }
    last.is_some_and(|piece| !piece.ends_with('-'))
}

/// Returns the name as it is printed: bare if that reads back as the same name, else in quotes, as one word of a shell.
pub fn printed_name(name: &str) -> Cow<'_, str> {
    if !name.is_empty() && is_bare([name]) { Cow::Borrowed(name) } else { Cow::Owned(quote_as_word(name)) }
}

/// Returns the text as a JSON string in which each character that cannot stand in a bare name is an escape
/// (`"My\u0020Server"`). A shell loop does not split it at blanks, and without its quotes, which xargs(1) removes, it
/// is refused instead of being read as something else.
pub fn quote_as_word(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    let mut quoted = String::from("\"");
    for (at, c) in text.chars().enumerate() {
        let is_edge = (at == 0 && matches!(c, '-' | '@')) || (at == last && c == '-');
        if is_name_char(c) && !is_edge {
            quoted.push(c)
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| quoted.push_str(&format!("\\u{unit:04x}")))
        }
    }
    quoted + "\""
}

/// Returns the text as a JSON string without control characters.
pub fn quote(text: &str) -> String {
    escape_hidden(&Value::from(text).to_string())
}

/// Reads the quoted string at the start of `text`. Returns it and its length with the quotes, or why it is not one.
pub fn unquote(text: &str) -> Result<(String, usize), String> {
    let Some(length) = quoted_length(text) else {
        return Err("\" is not closed by \" (for a shell write '\"a b\"', or \"a\\u0020b\")".to_string());
    };
    let name = serde_json::from_str(&text[..length]).map_err(|error| format!("in quotes: {}", reason(&error)))?;
    Ok((name, length))
}

/// Returns the length of the quoted string at the start of `text`, quotes included. `None` if it does not end.
fn quoted_length(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.map(|end| end + 2)
}

/// Returns the characters of `text` that are not in quotes, with their places. A quote that is not closed reaches to
/// the end.
pub fn unquoted(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut at = 0;
    iter::from_fn(move || {
        while text[at..].starts_with('"') {
            at = quoted_length(&text[at..]).map_or(text.len(), |length| at + length);
        }
        let c = text[at..].chars().next()?;
        at += c.len_utf8();
        Some((at - c.len_utf8(), c))
    })
}

/// Returns whether a terminal would obey `c` instead of showing it: control characters (C0, DEL, C1), line separators
/// and bidirectional controls.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns the same JSON with hidden characters as `\u` escapes. Outside of strings JSON has none.
pub fn escape_hidden(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if is_hidden(c) { text.push_str(&format!("\\u{:04x}", u32::from(c))) } else { text.push(c) }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_names_are_printed_as_they_are() {
        for name in ["web1", "10.0.0.1", "fe80::1%eth0", "root@web1", "é1", "a_b+c", "-".repeat(3).as_str()] {
            assert_eq!(printed_name(name).starts_with('"'), name.starts_with('-'), "{name}");
        }
    }

    #[test]
    fn a_name_that_means_something_else_is_quoted() {
        for name in [
            "",
            " ",
            "My Web Server",
            "a,b",
            "web!old",
            "a#b",
            "web[1-2]",
            "-x",
            "@x",
            "^f",
            "x-",
            "{",
            "#x",
            "a=b",
            "web*",
            "(a)",
        ] {
            let printed = printed_name(name).into_owned();
            let inner = printed.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).expect("quotes");
            assert!(inner.chars().all(|c| is_name_char(c) || c == '\\'), "{printed}");
            // Nothing reads it as a name once its quotes are lost.
            assert!(inner.is_empty() || inner.contains('\\'), "{printed}");
        }
        assert_eq!(printed_name("My Web Server"), r#""My\u0020Web\u0020Server""#);
        assert_eq!(printed_name("-x-"), r#""\u002dx\u002d""#);
        assert_eq!(printed_name("a\u{1b}\u{202e}\u{1f600}"), r#""a\u001b\u202e\ud83d\ude00""#);
        assert_eq!(quote("a\u{1b}\u{9b}\u{202e}\u{7f}"), r#""a\u001b\u009b\u202e\u007f""#);
    }

    #[test]
    fn the_pieces_of_a_name_are_bare_if_the_name_is() {
        assert!(is_bare(["a-", "-b", ""]));
        assert!(!is_bare(["-a", "b"]) && !is_bare(["a", "b-"]) && !is_bare(["a", " ", "b"]));
    }

    #[test]
    fn what_is_not_a_string_says_why() {
        assert!(unquote("\"a b").unwrap_err().starts_with("\" is not closed by \""));
        assert!(unquote(r#""a\""#).unwrap_err().starts_with("\" is not closed by \""));
        assert_eq!(unquote(r#""a\qb""#).unwrap_err(), "in quotes: invalid escape");
        assert!(unquote("\"a\tb\"").unwrap_err().starts_with("in quotes: control character"));
    }

    #[test]
    fn characters_in_quotes_are_passed_over() {
        let text = |text: &str| unquoted(text).map(|(_, c)| c).collect::<String>();
        assert_eq!(text(r#"a"b\"c"d"" e"f"#), "ad e");
        assert_eq!(unquoted(r#""="="#).collect::<Vec<_>>(), [(3, '=')]);
    }

    proptest! {
        #[test]
        fn a_quoted_text_reads_back(text in any::<String>(), rest in "[\" a,]{0,5}") {
            for quoted in [quote(&text), quote_as_word(&text)] {
                prop_assert!(!quoted.contains(is_hidden));
                prop_assert_eq!(unquote(&format!("{quoted}{rest}")), Ok((text.clone(), quoted.len())));
            }
        }
    }
}
