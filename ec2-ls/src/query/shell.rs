//! Words as a user writes them in a shell, for hints.

use cerveza_record::is_name_char;

/// Returns the word, in single quotes if a shell would change it.
pub fn shell_word(text: &str) -> String {
    let is_plain = |c: char| is_name_char(c) || matches!(c, '=' | ',' | '/');
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_string()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_reads_the_word_back() {
        assert_eq!(["role=web", "a*", "it's", ""].map(shell_word), ["role=web", "'a*'", r"'it'\''s'", "''"]);
    }
}
