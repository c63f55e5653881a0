//! Creates an account on this machine, for tests that must not log in as root. `account.sh` creates and removes it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

/// An account. It is removed when this value is dropped.
pub struct Account {
    script: Child,
    pub name: String,
    /// The password for sudo.
    pub password: String,
}

impl Account {
    /// Creates an account. Only root can.
    pub fn make() -> Account {
        let script = crate::root().join("tests/kit/account.sh");
        let mut script =
            Command::new(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("account.sh runs");
        let mut lines = BufReader::new(script.stdout.take().expect("piped")).lines();
        let mut line = || lines.next().expect("account.sh made an account; if not, it said why").expect("UTF-8");
        Account { name: line(), password: line(), script }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::Account;
    use std::path::Path;
    use std::process::{Command, Stdio};

    fn exists(name: &str) -> bool {
        let passwd = std::fs::read_to_string("/etc/passwd").expect("the machine's accounts");
        let in_passwd = passwd.lines().any(|line| line.starts_with(&format!("{name}:")));
        assert_eq!(Path::new("/etc/sudoers.d").join(name).exists(), in_passwd, "{name}");
        in_passwd
    }

    #[test]
    fn nothing_of_an_account_is_left_even_if_its_script_was_killed() {
        if !rustix::process::geteuid().is_root() {
            let script = crate::root().join("tests/kit/account.sh");
            let output = Command::new(script).stdin(Stdio::null()).output().expect("account.sh runs");
            assert!(!output.status.success() && output.stdout.is_empty());
            return;
        }
        let mut killed = Account::make();
        let orphan = Command::new("setpriv")
            .args(["--reuid", &killed.name, "--clear-groups", "sleep", "600"])
            .spawn()
            .expect("setpriv runs");
        killed.script.kill().expect("a script that runs");
        killed.script.wait().expect("its end");
        let next = Account::make();
        assert_eq!((exists(&killed.name), exists(&next.name)), (false, true));
        let mut orphan = orphan;
        assert!(!orphan.wait().expect("its end").success());
        let name = next.name.clone();
        drop(next);
        assert!(!exists(&name));
    }
}
