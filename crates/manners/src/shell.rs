//! Words for remote shells, and variables for remote commands.

use std::str::FromStr;

/// A variable for a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    pub name: String,
    pub value: String,
}

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Result<Variable, String> {
        let (name, value) = text.split_once('=').ok_or("it has no =: write NAME=VALUE")?;
        let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
        let is_name = name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit());
        if !is_name || value.contains('\0') {
            return Err(format!("{name:?} is not the name of a variable"));
        }
        Ok(Variable { name: name.to_string(), value: value.to_string() })
    }
}

/// Returns a word that every usual shell reads as it is: sh, bash, dash, ksh, zsh, fish, and, where it has no line feed,
/// csh and tcsh.
///
/// Between single quotes csh replaces `!` and fish takes backslashes, so both stand outside of them. A plain word has no
/// `=` and no `%`, because zsh, tcsh and old fish expand a word that begins with one. No two braces `{` stand side by side,
/// because SSM replaces `{{ name }}` in a command.
pub fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,@+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_string();
    }
    let (mut quoted, mut last) = (String::from("'"), '\'');
    for c in word.chars() {
        match c {
            '\'' | '\\' | '!' => quoted.extend(["'\\", c.encode_utf8(&mut [0; 4]), "'"]),
            '{' if last == '{' => quoted.push_str("''{"),
            c => quoted.push(c),
        }
        last = c;
    }
    quoted.push('\'');
    quoted
}

/// Quotes a path. A leading `~/` is the remote user's home, and a leading `-` does not make it an option.
pub fn quote_path(path: &str) -> String {
    match path.strip_prefix('~').map(|rest| (rest, rest.strip_prefix('/'))) {
        Some(("", _)) => "~".to_string(),
        Some((_, Some(rest))) => format!("~/{}", quote(rest)),
        _ if path.starts_with('-') => quote(&format!("./{path}")),
        _ => quote(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    fn printed(quoted: &str) -> String {
        let output = Command::new("sh").args(["-c", &format!("printf %s {quoted}")]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_path_may_begin_with_the_home() {
        let paths = ["~/a b", "~", "~x", "-x", "/srv"].map(quote_path);
        assert_eq!(paths, ["~/'a b'", "~", "'~x'", "./-x", "/srv"]);
    }

    #[test]
    fn a_variable_needs_a_valid_name() {
        for bad in ["A", "=x", "1A=x", "A B=x", "a;b=x", "é=x"] {
            assert!(bad.parse::<Variable>().is_err(), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn sh_reads_a_quoted_word_as_it_was(word in "[^\0]{0,20}|[{}' x]{0,12}") {
            let quoted = quote(&word);
            prop_assert!(!quoted.contains("{{"), "{}", quoted);
            prop_assert_eq!(printed(&quoted), word);
        }
    }
}
