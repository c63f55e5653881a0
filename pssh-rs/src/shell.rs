//! What is asked of the remote shell: the command with its folder, its environment and sudo around it. Pure.

use std::fmt::Write;
use std::str::FromStr;

/// A variable for the command.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    pub name: String,
    pub value: String,
}

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Result<Variable, String> {
        let (name, value) = text.split_once('=').ok_or("it has no =: write NAME=VALUE")?;
        let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
        let is_name = name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit());
        match is_name && !value.contains('\0') {
            true => Ok(Variable { name: name.to_string(), value: value.to_string() }),
            false => Err(format!("{name:?} is not the name of a variable")),
        }
    }
}

/// What stands around a command.
#[derive(Clone, Debug, Default)]
pub struct Around {
    pub chdir: Option<String>,
    pub env: Vec<Variable>,
    pub sudo: Option<Sudo>,
}

/// Another user's rights, by sudo(8).
#[derive(Clone, Debug)]
pub struct Sudo {
    /// Nobody named: root.
    pub user: Option<String>,
    /// What sudo is to ask with, and what is printed to stderr once it has let the command begin. No output holds them.
    pub prompt: String,
    pub begun: String,
}

impl Around {
    /// The whole line for the login shell: a POSIX one, or with sudo any that knows single quotes.
    pub fn line(&self, command: &str) -> String {
        let line = self.plain(command);
        let Some(sudo) = &self.sudo else { return line };
        let inner = format!("printf %s {} >&2; {line}", sudo.begun);
        format!("exec sudo -S -p {}{} -- sh -c {}", quote(&sudo.prompt), sudo.user(), quote(&inner))
    }

    /// The same where nobody can answer a sudo: one that wants a password fails.
    pub fn unasked_line(&self, command: &str) -> String {
        let line = self.plain(command);
        let Some(sudo) = &self.sudo else { return line };
        format!("exec sudo -n{} -- sh -c {}", sudo.user(), quote(&line))
    }

    /// For people: without the marks of sudo.
    pub fn shown(&self, command: &str) -> String {
        let line = self.plain(command);
        let Some(sudo) = &self.sudo else { return line };
        format!("sudo{} -- sh -c {}", sudo.user(), quote(&line))
    }

    /// Without sudo.
    fn plain(&self, command: &str) -> String {
        let mut line = String::new();
        // Writing to a String cannot fail, here and below.
        if let Some(folder) = &self.chdir {
            let _ = write!(line, "cd {} || exit; ", quote_path(folder));
        }
        for Variable { name, value } in &self.env {
            let _ = write!(line, "export {name}={}; ", quote(value));
        }
        line.push_str(command);
        line
    }
}

impl Sudo {
    fn user(&self) -> String {
        self.user.as_ref().map_or(String::new(), |user| format!(" -u {}", quote(user)))
    }
}

/// A word that every POSIX shell takes as it is.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,@%+=".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A path; a leading `~/` is the remote user's home, and a leading `-` no option.
fn quote_path(path: &str) -> String {
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

    fn sh(line: &str) -> String {
        let output = Command::new("sh").arg("-c").arg(line).current_dir("/").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_command_alone_is_what_it_was() {
        assert_eq!(Around::default().line("a; b 'c'"), "a; b 'c'");
    }

    #[test]
    fn folder_and_variables_come_before() {
        let env = vec!["A=it's; $HOME\n".parse().unwrap(), "B=".parse().unwrap()];
        let around = Around { chdir: Some("/usr/lib".to_string()), env, sudo: None };
        assert_eq!(sh(&around.line("printf '[%s]' \"$A\" \"$B\"; pwd")), "[it's; $HOME\n][]/usr/lib\n");
        let nowhere = Around { chdir: Some("-no;echo x".to_string()), ..Around::default() };
        assert_eq!(sh(&nowhere.line("echo ran")), "");
        assert_eq!(quote_path("~/a b"), "~/'a b'");
        assert_eq!((quote_path("~"), quote_path("~x")), ("~".to_string(), "'~x'".to_string()));
    }

    #[test]
    fn sudo_runs_it_all_once_it_has_begun() {
        let sudo = Sudo { user: Some("it".to_string()), prompt: "[p]".to_string(), begun: "[b]".to_string() };
        let around = Around { chdir: Some("/a b".to_string()), env: Vec::new(), sudo: Some(sudo) };
        assert_eq!(
            around.line("x"),
            r"exec sudo -S -p '[p]' -u it -- sh -c 'printf %s [b] >&2; cd '\''/a b'\'' || exit; x'"
        );
        assert_eq!(around.unasked_line("x"), r"exec sudo -n -u it -- sh -c 'cd '\''/a b'\'' || exit; x'");
    }

    #[test]
    fn a_variable_has_a_name() {
        for bad in ["A", "=x", "1A=x", "A B=x", "a;b=x", "é=x"] {
            assert!(bad.parse::<Variable>().is_err(), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_quoted_word_comes_out_as_it_was(word in "[^\0]{0,20}") {
            prop_assert_eq!(sh(&format!("printf '%s' {}", quote(&word))), word);
        }
    }
}
