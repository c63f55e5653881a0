//! Logins that a server refuses: what it was offered, why it ended, and what to do.

use crate::{error, host, of};
use kit::{Sandbox, Sshd, hostile::wait_until};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const ENGINES: [&str; 2] = ["libssh2", "openssh"];

/// An ssh-agent of the test's own.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(folder: &Path) -> Agent {
        let socket = folder.join("agent");
        let child = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        wait_until("the agent's socket", || socket.exists());
        Agent { child, socket }
    }

    fn add(&self, key: &Path) {
        let mut add = Command::new("ssh-add");
        add.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).stderr(Stdio::null());
        assert!(add.status().unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Makes a key and returns its path and its fingerprint.
fn keygen(sandbox: &Sandbox, name: &str) -> (PathBuf, String) {
    let path = sandbox.dir().join(name);
    let run = sandbox.sh(&format!("ssh-keygen -q -t ed25519 -N '' -f {name} && ssh-keygen -lf {name}")).exits(0);
    (path, run.stdout.split(' ').nth(1).unwrap().to_string())
}

/// A sandbox whose agent holds five keys, the right one last, and which names no key itself; and the fingerprints.
fn five_keys(sshd: &Sshd) -> (Sandbox, Agent, Vec<String>) {
    let mut sandbox = Sandbox::new();
    let agent = Agent::start(sandbox.dir());
    let mut fingerprints = Vec::new();
    for number in 1..5 {
        let (path, fingerprint) = keygen(&sandbox, &format!("key{number}"));
        agent.add(&path);
        fingerprints.push(fingerprint);
    }
    agent.add(&sshd.identity());
    sshd.open_to(&mut sandbox);
    // Set to nothing is not set.
    sandbox.env("PSSH_RS_IDENTITY", "").env("SSH_AUTH_SOCK", agent.socket.display().to_string());
    (sandbox, agent, fingerprints)
}

fn sshd_with(config: &str) -> Sshd {
    Sshd::with(&["127.0.0.1".to_string(), "127.0.0.2".to_string()], config)
}

#[test]
fn a_server_that_ends_the_attempts_is_auth_with_the_keys_it_looked_at() {
    for most in 1..=3 {
        let sshd = sshd_with(&format!("MaxAuthTries {most}"));
        let (sandbox, _agent, fingerprints) = five_keys(&sshd);
        // Again and again: the outcome does not depend on what arrives first.
        for engine in [&ENGINES[..], &ENGINES[..], &ENGINES[..1], &ENGINES[..1]].concat() {
            let args = ["--engine", engine, "true"];
            let run = sandbox.run("pssh-rs", &args, host("one", 1) + &host("two", 2)).exits(3);
            for record in run.records() {
                assert_eq!(
                    (&record["status"], &record["phase"]),
                    (&json!("auth"), &json!("auth")),
                    "{engine} {record}"
                );
                assert_eq!(record["attempts"], 1, "{engine} {record}");
                let error = error(&record);
                let offered: Vec<&String> = fingerprints.iter().filter(|key| error.contains(*key)).collect();
                assert_eq!(offered, fingerprints[..most].iter().collect::<Vec<_>>(), "{engine} {error}");
                for part in ["Too many authentication failures", "ended the attempts", "-i ", "IdentitiesOnly"] {
                    assert!(error.contains(part), "{engine} {part}: {error}");
                }
            }
        }
        // What the message says helps.
        let identity = sshd.identity().display().to_string();
        for engine in ENGINES {
            let args = ["--engine", engine, "-i", &identity, "--ssh-option", "IdentitiesOnly=yes", "true"];
            sandbox.run("pssh-rs", &args, host("one", 1)).exits(0);
        }
    }
}

#[test]
fn as_many_keys_are_offered_as_the_server_takes() {
    let sshd = sshd_with("MaxAuthTries 20");
    let (sandbox, agent, _) = five_keys(&sshd);
    sandbox.run("pssh-rs", &["true"], host("one", 1)).exits(0);
    // The right one is the last of fifteen.
    let removed = sandbox.command("ssh-add").args(["-q", "-d"]).arg(sshd.identity()).status().unwrap();
    assert!(removed.success());
    for number in 5..15 {
        agent.add(&keygen(&sandbox, &format!("key{number}")).0);
    }
    agent.add(&sshd.identity());
    for engine in ENGINES {
        sandbox.run("pssh-rs", &["--engine", engine, "true"], host("one", 1)).exits(0);
    }
}

#[test]
fn a_server_that_takes_no_keys_is_said_to() {
    let sshd = sshd_with("Match all\nPubkeyAuthentication no\nPasswordAuthentication yes");
    let mut sandbox = Sandbox::new();
    sshd.open_to(&mut sandbox);
    for engine in ENGINES {
        let run = sandbox.run("pssh-rs", &["--engine", engine, "true"], host("one", 1)).exits(3);
        let records = run.records();
        let record = of(&records, "one");
        assert_eq!((&record["status"], &record["phase"]), (&json!("auth"), &json!("auth")), "{engine} {record}");
        assert!(error(record).contains("password"), "{engine} {record}");
        if engine == "libssh2" {
            assert!(error(record).contains("accepts no keys from user"), "{record}");
        }
    }
}
