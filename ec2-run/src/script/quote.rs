//! Quotes words for sh, without text that SSM would replace.

/// Returns a word that sh reads as `word`.
///
/// SSM replaces `{{ name }}` in a command, so no two braces stand side by side.
pub fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,@+=%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_string();
    }
    let mut quoted = String::from("'");
    let mut before = '\'';
    for c in word.chars() {
        match c {
            '\'' => quoted.push_str("'\\''"),
            '{' if before == '{' => quoted.push_str("''{"),
            c => quoted.push(c),
        }
        before = c;
    }
    quoted.push('\'');
    quoted
}

/// Quotes a path. A leading `~/` is the user's home, and a leading `-` does not begin an option.
pub fn quote_path(path: &str) -> String {
    match path.strip_prefix("~/") {
        Some(rest) => format!("~/{}", quote(rest)),
        None if path == "~" => "~".to_string(),
        None if path.starts_with('-') => quote(&format!("./{path}")),
        None => quote(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn sh_reads_a_quoted_word_as_it_was() {
        for word in ["", "a b", "it's", "{{", "{{{{ssm:x}}}}", "'{{'{{", "a\n\\", "$HOME `id` \"q\" !", "é", "-n", "~"]
        {
            let quoted = quote(word);
            assert!(!quoted.contains("{{"), "{quoted}");
            let output = Command::new("sh").args(["-c", &format!("printf %s {quoted}")]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }

    #[test]
    fn a_path_may_begin_with_the_home() {
        assert_eq!(quote_path("~/a b"), "~/'a b'");
        assert_eq!((quote_path("~"), quote_path("-x"), quote_path("/srv")), ("~".into(), "./-x".into(), "/srv".into()));
    }
}
