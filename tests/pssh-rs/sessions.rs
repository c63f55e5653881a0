//! sshd with `MaxSessions 1`: sessions run one after another on a connection, and none is refused.

use crate::{error, host, hosts};
use kit::hostile::wait_until;
use kit::processes::{marker, with_argument};
use kit::{Sandbox, Sshd};
use serde_json::json;
use std::fs;
use std::path::Path;

/// A fleet that has room for one session on each connection.
fn narrow() -> (Sandbox, Sshd) {
    let addresses: Vec<String> = (1..=12).map(|last| format!("127.0.0.{last}")).collect();
    let (mut sandbox, sshd) = (Sandbox::new(), Sshd::with(&addresses, "MaxSessions 1"));
    sshd.open_to(&mut sandbox);
    (sandbox, sshd)
}

/// The number of runs over twelve hosts, because refusals depend on chance.
const ROUNDS: usize = 5;

#[test]
fn each_host_needs_only_one_session_at_a_time() {
    let (sandbox, _sshd) = narrow();
    sandbox.file("in", "pushed");
    sandbox.file("script.sh", "#!/bin/sh\necho \"$0 $1\"\n");
    let dir = sandbox.dir().display();
    // Each host has its own files, because all are one machine.
    let fleet: String = (1..=12).map(|last| host(&format!("web{last}"), last)).collect();
    let push = format!("in:{dir}/there");
    for _ in 0..ROUNDS {
        let ran = sandbox.run("pssh-rs", &["--push", &push, "--", "cat", &format!("{dir}/there")], &fleet).exits(0);
        assert!(ran.records().iter().all(|record| record["stdout"] == "pushed"), "{}", ran.stdout);
        let args = ["--script", "script.sh", "--push", &push, "--pull", &format!("{dir}/there:got"), "--", "word"];
        let ran = sandbox.run("pssh-rs", &args, &fleet).exits(0);
        for record in ran.records() {
            let stdout = record["stdout"].as_str().unwrap();
            let path = stdout.strip_suffix(" word\n").unwrap_or_else(|| panic!("{record}"));
            assert!(path.contains("/.pssh-rs.") && !Path::new(path).exists(), "{record}");
        }
        let ran = sandbox.run("pssh-rs", &["--push", &push, "--pull", &format!("{dir}/there:got")], &fleet).exits(0);
        assert_eq!(ran.records().len(), 12);
        fs::remove_dir_all(sandbox.dir().join("got")).unwrap();
    }
}

#[test]
fn script_is_removed_without_a_second_session() {
    let (sandbox, _sshd) = narrow();
    let dir = sandbox.dir();
    sandbox.file("fails.sh", "#!/bin/sh\nexit 3\n");
    sandbox.file("killed.sh", "#!/bin/sh\nkill -KILL $$\n");
    let fleet: String = (1..=6)
        .map(|last| {
            let scripts = [dir.join("fails.sh"), dir.join("killed.sh")].map(|path| path.display().to_string());
            let record = json!({"host": format!("web{last}"), "private_ip": format!("127.0.0.{last}"),
                "bad": scripts[..1], "worse": scripts[1..]});
            format!("{record}\n")
        })
        .collect();
    for (field, status) in [("bad", "failed"), ("worse", "signaled")] {
        let ran = sandbox.run("pssh-rs", &["--env", "TMPDIR=/tmp", "--run", field], &fleet).exits(1);
        for record in ran.records() {
            assert_eq!(record["status"], status, "{record}");
            assert!(!error(&record).contains("left"), "{record}");
        }
    }
}

#[test]
fn killed_script_is_removed_without_a_second_session() {
    // sshd run by root forwards no signals, so a command cannot be killed without a second session.
    let (mut sandbox, sshd) = (Sandbox::new(), Sshd::for_account_with("MaxSessions 1"));
    sshd.open_to(&mut sandbox);
    let marker = marker();
    sandbox.file("script.sh", format!("#!/bin/sh\necho \"$0\"\nsleep {marker}\n"));
    let ran = sandbox.run("pssh-rs", &["--script", "script.sh", "-t", "2"], hosts(3)).exits(3);
    for record in ran.records() {
        assert_eq!(record["status"], "timeout", "{record}");
        let path = record["stdout"].as_str().unwrap().trim();
        assert!(path.starts_with('/') && !Path::new(path).exists(), "{record}");
        assert!(!error(&record).contains("left"), "{record}");
    }
    wait_until("the end of the scripts", || with_argument(&marker).is_empty());
}
