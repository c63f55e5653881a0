//! `--sudo` with a password: asked for once, sent on stdin, and never shown.

use crate::hosts;
use kit::{Outcome, Sandbox, Sshd};
use std::os::unix::fs::PermissionsExt;

/// Runs with an askpass program that returns these passwords in turn. Also returns how many times it was asked.
fn run(sandbox: &mut Sandbox, passwords: &[&str], args: &[&str]) -> (Outcome, usize) {
    let answers: String = passwords.iter().map(|password| format!("{password}\n")).collect();
    sandbox.file("answers", answers);
    sandbox.file("asked", "");
    let script = "#!/bin/sh\necho x >> asked\nsed -n \"$(wc -l < asked)p\" answers\n";
    let askpass = sandbox.file("askpass", script);
    std::fs::set_permissions(&askpass, std::fs::Permissions::from_mode(0o755)).expect("a file of ours");
    sandbox.env("SSH_ASKPASS", askpass.display().to_string()).env("SSH_ASKPASS_REQUIRE", "force");
    let outcome = sandbox.run("pssh-rs", args, hosts(3));
    let asked = std::fs::read_to_string(sandbox.dir().join("asked")).expect("a file of ours").lines().count();
    (outcome, asked)
}

fn account() -> (Sandbox, Sshd) {
    let (mut sandbox, sshd) = (Sandbox::new(), Sshd::for_account());
    sshd.open_to(&mut sandbox);
    (sandbox, sshd)
}

#[test]
fn password_is_asked_for_once_and_sent_only_to_sudo() {
    let (mut sandbox, sshd) = account();
    sandbox.file("input", "all of the input\n");
    let command = "id -un; cat; ps -A -o args | grep -c 'correct [h]orse'";
    let args = ["--sudo", "-t", "60", "--stdin", "input", "--", command];
    let (outcome, asked) = run(&mut sandbox, &[sshd.password()], &args);
    // grep found no line, so its exit status is 1.
    let records = outcome.exits(1).records();
    assert_eq!((asked, records.len()), (1, 3));
    for record in records {
        assert_eq!(record["stdout"], "root\nall of the input\n0\n", "{record}");
        assert_eq!(record["stderr"], "", "{record}");
    }
}

#[test]
fn wrong_password_is_tried_on_one_host_and_can_be_corrected() {
    let (mut sandbox, sshd) = account();
    let args = ["--sudo", "-t", "60", "--", "id -u"];
    let (outcome, asked) = run(&mut sandbox, &["wrong", sshd.password()], &args);
    let records = outcome.exits(0).records();
    assert_eq!(asked, 2);
    assert!(records.iter().all(|record| record["stdout"] == "0\n"), "{records:?}");
    let (outcome, asked) = run(&mut sandbox, &["no", "never", "not"], &args);
    let records = outcome.exits(1).records();
    assert_eq!((asked, records.len()), (3, 3));
    for record in records {
        assert_eq!(record["status"], "failed");
        let error = record["error"].as_str().unwrap();
        assert!(error.contains("refused the password") && !record.to_string().contains("never"), "{record}");
    }
}

#[test]
fn host_that_needs_a_password_fails_without_a_terminal() {
    let (sandbox, _sshd) = account();
    let line = "setsid --wait pssh-rs --sudo -t 60 -w 127.0.0.1 -- id";
    let run = sandbox.sh(line).exits(1);
    let error = run.records()[0]["error"].as_str().unwrap().to_string();
    assert!(error.contains("sudo wants a password") && error.contains("SSH_ASKPASS"), "{error}");
}
