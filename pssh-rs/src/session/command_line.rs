//! Makes the command line for the remote shell: the command with its folder, environment and sudo. Without I/O.

use cerveza_manners::{Variable, quote, quote_path};
use std::fmt::Write;

/// What is added to a command: a folder, variables, sudo.
#[derive(Clone, Debug, Default)]
pub struct CommandWrapper {
    pub chdir: Option<String>,
    pub env: Vec<Variable>,
    pub sudo: Option<Sudo>,
}

/// Another user's rights, by sudo(8).
#[derive(Clone, Debug)]
pub struct Sudo {
    /// `None`: root.
    pub user: Option<String>,
    /// sudo's prompt, and what is printed to stderr once the command has begun. No other output contains them.
    pub prompt: String,
    pub begun: String,
}

impl CommandWrapper {
    /// Returns the line for the login shell.
    pub fn wrap(&self, command: &str) -> String {
        let Some(sudo) = &self.sudo else { return self.line_without_sudo(command) };
        let line = self.plain(command);
        sudo.line(&["-S", "-p", &sudo.prompt], &format!("printf %s {} >&2; {line}", sudo.begun))
    }

    /// Returns the line for the login shell; sudo fails instead of asking for a password.
    pub fn wrap_without_prompt(&self, command: &str) -> String {
        match &self.sudo {
            Some(sudo) => sudo.line(&["-n"], &self.plain(command)),
            None => self.line_without_sudo(command),
        }
    }

    /// sh sets the folder and the variables, because csh has no `export` and continues after `|| exit`. The login shell reads the
    /// command. Its path is kept as `$1`, which no variable of the user replaces.
    fn line_without_sudo(&self, command: &str) -> String {
        if self.chdir.is_none() && self.env.is_empty() {
            return command.to_string();
        }
        let line = self.plain(&format!("exec \"$1\" -c {}", quote(command)));
        command_line(&["exec", "sh", "-c", &format!("set -- \"${{SHELL:-/bin/sh}}\"; {line}")])
    }

    /// Returns the command for people to read, without the marks of sudo.
    pub fn shown(&self, command: &str) -> String {
        let line = self.plain(command);
        let Some(sudo) = &self.sudo else { return line };
        format!("sudo{} -- sh -c {}", sudo.user(), quote(&line))
    }

    /// Returns the command with its folder and variables, without sudo.
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
    /// Returns the command that runs `line` in sh as the other user.
    fn line(&self, options: &[&str], line: &str) -> String {
        let user = self.user.as_deref().map_or(Vec::new(), |user| vec!["-u", user]);
        command_line(&[&["exec", "sudo"], options, &user, &["--", "sh", "-c", line]].concat())
    }

    fn user(&self) -> String {
        self.user.as_ref().map_or(String::new(), |user| format!(" -u {}", quote(user)))
    }
}

/// Returns the command of these words for any login shell. In csh no word can hold a line feed, so sh puts them in.
pub fn command_line(words: &[&str]) -> String {
    let line = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
    if !line.contains('\n') {
        return line;
    }
    let line = line.replace('\n', "'\"$n\"'");
    format!("exec sh -c {}", quote(&format!("n=$(printf '\\n.'); n=${{n%.}}; {line}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::{Command, Stdio};

    fn sh(line: &str) -> String {
        let output = Command::new("sh").arg("-c").arg(line).current_dir("/").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn a_command_alone_is_unchanged() {
        assert_eq!(CommandWrapper::default().wrap("a; b 'c'"), "a; b 'c'");
    }

    #[test]
    fn folder_and_variables_come_before() {
        let env = vec!["A=it's; $HOME\n".parse().unwrap(), "B=".parse().unwrap()];
        let wrapper = CommandWrapper { chdir: Some("/usr/lib".to_string()), env, sudo: None };
        assert_eq!(sh(&wrapper.wrap("printf '[%s]' \"$A\" \"$B\"; pwd")), "[it's; $HOME\n][]/usr/lib\n");
        let nowhere = CommandWrapper { chdir: Some("-no;echo x".to_string()), ..CommandWrapper::default() };
        assert_eq!(sh(&nowhere.wrap("echo ran")), "");
    }

    #[test]
    fn every_login_shell_gets_the_folder_and_the_variables() {
        let env = vec!["SHELL=/no/shell".parse().unwrap(), "A=it's !$HOME\\\n".parse().unwrap()];
        let wrapper = CommandWrapper { chdir: Some("/usr/lib".to_string()), env, sudo: None };
        let nowhere = CommandWrapper { chdir: Some("/no such".to_string()), ..CommandWrapper::default() };
        for shell in SHELLS {
            assert_eq!(arguments_by(shell, &wrapper.wrap("printenv A; pwd")), "it's !$HOME\\\n\n/usr/lib\n", "{shell}");
            assert_eq!(arguments_by(shell, &nowhere.wrap("echo ran; echo ran")), "", "{shell}");
        }
    }

    #[test]
    fn sudo_runs_the_whole_line() {
        let sudo = Sudo { user: Some("it".to_string()), prompt: "[p]".to_string(), begun: "[b]".to_string() };
        let wrapper = CommandWrapper { chdir: Some("/a b".to_string()), env: Vec::new(), sudo: Some(sudo) };
        assert_eq!(
            wrapper.wrap("x"),
            r"exec sudo -S -p '[p]' -u it -- sh -c 'printf %s [b] >&2; cd '\''/a b'\'' || exit; x'"
        );
        assert_eq!(wrapper.wrap_without_prompt("x"), r"exec sudo -n -u it -- sh -c 'cd '\''/a b'\'' || exit; x'");
    }

    /// Returns what a program prints that a login shell runs, and that prints each of its arguments in brackets.
    fn arguments_by(shell: &str, line: &str) -> String {
        let output = Command::new(shell)
            .arg("-c")
            .arg(line)
            .env("HOME", "/nonexistent")
            .env("SHELL", shell)
            .stdin(Stdio::null())
            .output();
        let output = output.unwrap_or_else(|error| panic!("{shell} does not run ({error}): run `make setup`"));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    const SHELLS: [&str; 6] = ["sh", "bash", "zsh", "fish", "csh", "tcsh"];

    #[test]
    fn every_login_shell_passes_words_through() {
        let words = [
            "hello!world",
            "!!",
            "a!",
            "\\!",
            "it's",
            "a\\",
            "\\\\",
            "\\'",
            "$HOME",
            "`id`",
            "\"q\"",
            "=ls",
            "=1",
            "%self",
            "~",
            "~root",
            "*",
            "{a,b}",
            "[a]",
            "a b",
            "",
            "é日",
            "\t",
            "two\nlines",
            "\n",
            "!\n'\\",
            "^a^b",
            "#x",
            "-n",
            "a=b",
            "end\n\n",
        ];
        let shown: String = words.iter().map(|word| format!("[{word}]")).collect();
        let line = command_line(&[&["printf", "[%s]"][..], &words].concat());
        for shell in SHELLS {
            assert_eq!(arguments_by(shell, &line), shown, "{shell}: {line}");
            for word in words {
                let line = command_line(&["printf", "[%s]", word]);
                assert_eq!(arguments_by(shell, &line), format!("[{word}]"), "{shell}: {line}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn words_pass_through_any_shell_unchanged(
            words in proptest::collection::vec("[ -~é\n\t]{0,12}", 1..4),
            shell in proptest::sample::select(&SHELLS),
        ) {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let shown: String = words.iter().map(|word| format!("[{word}]")).collect();
            let line = command_line(&[&["printf", "[%s]"][..], &words].concat());
            prop_assert_eq!(arguments_by(shell, &line), shown, "{}: {}", shell, line);
        }
    }
}
