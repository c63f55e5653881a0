//! Escapes text for man(7).

/// Escapes a line of text. Hyphens and quotes can be copied from the page, and text between backticks is bold.
pub(crate) fn text(text: &str) -> String {
    let mut roff = String::with_capacity(text.len() + 16);
    for (number, piece) in text.split('`').enumerate() {
        match number % 2 {
            0 => roff.push_str(&escaped(piece)),
            _ => roff.push_str(&format!("\\fB{}\\fR", escaped(piece))),
        }
    }
    line(roff)
}

pub(crate) fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escaped(text))
}

pub(crate) fn italic(text: &str) -> String {
    format!("\\fI{}\\fR", escaped(text))
}

/// Escapes a line that is shown letter by letter.
pub(crate) fn literal(text: &str) -> String {
    line(escaped(text))
}

/// Protects a dot or an apostrophe at the start, which would make the line a request.
fn line(roff: String) -> String {
    match roff.starts_with(['.', '\'']) {
        true => format!("\\&{roff}"),
        false => roff,
    }
}

/// Escapes characters. roff prints `'`, `` ` ``, `-`, `^` and `~` as typographic characters unless they are named.
fn escaped(text: &str) -> String {
    let mut roff = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\\' => roff.push_str("\\e"),
            '-' => roff.push_str("\\-"),
            '\'' => roff.push_str("\\(aq"),
            '`' => roff.push_str("\\(ga"),
            '^' => roff.push_str("\\(ha"),
            '~' => roff.push_str("\\(ti"),
            c => roff.push(c),
        }
    }
    roff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_text_is_roff() {
        assert_eq!(text(".j2 isn't -w \\n"), "\\&.j2 isn\\(aqt \\-w \\en");
        assert_eq!(text("how `#!` begins, `-` too"), "how \\fB#!\\fR begins, \\fB\\-\\fR too");
        assert_eq!(literal("echo `a` ~ ^"), "echo \\(gaa\\(ga \\(ti \\(ha");
    }
}
