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

/// The longest line of text that mandoc does not complain about.
const WIDTH: usize = 80;

/// Divides long lines of text, but not requests, examples, and the tag of a `.TP`, which is one line.
pub(crate) fn divided(body: &str) -> String {
    let mut divided = String::with_capacity(body.len() + body.len() / 60);
    let (mut in_example, mut before) = (false, "");
    for line in body.lines() {
        in_example = (in_example || line == ".EX") && line != ".EE";
        let mut rest = line;
        if !in_example && before != ".TP" && !line.starts_with(['.', '\'']) {
            while rest.len() > WIDTH
                && let Some(at) = last_space(rest)
            {
                divided.push_str(&rest[..at]);
                divided.push('\n');
                rest = &rest[at + 1..];
            }
        }
        divided.push_str(rest);
        divided.push('\n');
        before = line;
    }
    divided
}

/// Returns the place of the last space that fits and where a new line means the same: not at the end of a sentence, after
/// which roff puts two spaces, and not before what would be a request.
fn last_space(line: &str) -> Option<usize> {
    let spaces = line.match_indices(' ').map(|(at, _)| at).take_while(|at| *at <= WIDTH);
    let is_inside = |at: &usize| {
        let before = line[..*at].trim_end_matches("\\fR").trim_end_matches([')', '"', '\'']);
        !before.ends_with(['.', '!', '?', ' ']) && !line[*at + 1..].starts_with(['.', '\'', ' '])
    };
    spaces.filter(is_inside).last()
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

    #[test]
    fn only_text_is_divided_and_means_the_same() {
        let words = ["word"; 15].join(" ");
        assert_eq!(divided(&format!("{words} and more words\n")), format!("{words} and\nmore words\n"));
        // `end.` would end a sentence, and `.EE` would be a request.
        assert_eq!(divided(&format!("{words} end. .EE follows\n")), format!("{words}\nend. .EE follows\n"));
        for long in [format!(".B {words} and more words\n"), format!("{words}{}\n", "x".repeat(40))] {
            assert_eq!(divided(&format!(".TP\n{long}")), format!(".TP\n{long}"));
            assert_eq!(divided(&format!(".EX\n{long}.EE\n")), format!(".EX\n{long}.EE\n"));
        }
    }
}
