//! A command runs only on a host whose key is accepted.

use crate::{error, fleet, hosts, of};
use kit::{Sandbox, Sshd};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A file that no refused host may have written.
fn command(sandbox: &Sandbox) -> String {
    format!("touch {}/ran", sandbox.dir().display())
}

fn ran(sandbox: &Sandbox) -> bool {
    sandbox.dir().join("ran").exists()
}

fn keygen(args: &[&str], file: &Path) {
    let output = Command::new("ssh-keygen").args(args).arg(file).output().expect("ssh-keygen runs");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn unknown_host_is_refused_with_a_hint() {
    let (mut sandbox, sshd) = fleet();
    sandbox.env("PSSH_RS_KNOWN_HOSTS", sshd.known_hosts(&["127.0.0.2"]).display().to_string());
    let run = sandbox.run("pssh-rs", &[&command(&sandbox)], hosts(1)).exits(3);
    let record = &run.records()[0];
    assert_eq!((&record["status"], &record["phase"]), (&"hostkey".into(), &"hostkey".into()));
    assert_eq!(record["attempts"], 1);
    assert!(error(record).contains("SHA256:"), "{record}");
    assert!(error(record).contains("--host-key accept-new"), "{record}");
    assert!(!ran(&sandbox));
    // A host that is known by its address is known.
    let run = sandbox.run("pssh-rs", &["-w", "127.0.0.[1-2]", "true"], "").exits(3);
    assert_eq!(of(&run.records(), "127.0.0.2")["status"], "ok");
}

#[test]
fn keys_of_five_new_hosts_are_saved() {
    let (mut sandbox, _sshd) = fleet();
    let file = sandbox.dir().join("new/known_hosts");
    sandbox.env("PSSH_RS_KNOWN_HOSTS", file.display().to_string());
    let run = sandbox.run("pssh-rs", &["true"], hosts(5)).exits(2);
    assert!(run.stderr.contains("cannot read the known_hosts file"), "{}", run.stderr);
    sandbox.run("pssh-rs", &["--host-key", "accept-new", "true"], hosts(5)).exits(0);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 5);
    sandbox.run("pssh-rs", &["true"], hosts(5)).exits(0);
    // The second run adds nothing.
    sandbox.env("PSSH_RS_HOST_KEY", "accept-new");
    sandbox.run("pssh-rs", &["true"], hosts(5)).exits(0);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 5);
}

#[test]
fn changed_key_is_refused_even_with_accept_new() {
    let (mut sandbox, sshd) = fleet();
    keygen(&["-q", "-t", "ed25519", "-N", "", "-f"], &sandbox.dir().join("other"));
    let other = fs::read_to_string(sandbox.dir().join("other.pub")).unwrap();
    let line = format!("# fleet\n[web1]:{} {other}", sshd.port());
    let file = sandbox.file("known", &line);
    sandbox.env("PSSH_RS_KNOWN_HOSTS", file.display().to_string());
    for policy in ["strict", "accept-new"] {
        let run = sandbox.run("pssh-rs", &["--host-key", policy, &command(&sandbox)], hosts(1)).exits(3);
        let record = &run.records()[0];
        assert_eq!(record["status"], "hostkey");
        assert!(error(record).contains(&format!("{}:2", file.display())), "{record}");
    }
    assert!(!ran(&sandbox));
    assert_eq!(fs::read_to_string(&file).unwrap(), line);
    sandbox.run("pssh-rs", &["--host-key", "off", "true"], hosts(1)).exits(0);
}

#[test]
fn known_key_type_is_requested_first() {
    let (mut sandbox, sshd) = fleet();
    for kind in ["ed25519", "ecdsa"] {
        let file = sandbox.file("known", format!("[web1]:{} {}\n", sshd.port(), sshd.host_key(kind)));
        sandbox.env("PSSH_RS_KNOWN_HOSTS", file.display().to_string());
        sandbox.run("pssh-rs", &["true"], hosts(1)).exits(0);
    }
}

#[test]
fn requested_key_type_is_known_to_every_matching_line() {
    let (mut sandbox, sshd) = fleet();
    let (ed25519, ecdsa) = (sshd.host_key("ed25519"), sshd.host_key("ecdsa"));
    let port = sshd.port();
    let other = Sshd::start().host_key("ed25519");
    for lines in [
        format!("web1 {other}\n[web1]:{port} {ecdsa}\n"),
        format!("[web1]:{port} {ecdsa}\n[127.0.0.1]:{port} {ed25519}\n[127.0.0.1]:{port} {ecdsa}\n"),
        format!("[web1]:{port} {ed25519}\n127.0.0.1 {ecdsa}\n"),
    ] {
        sandbox.env("PSSH_RS_KNOWN_HOSTS", sandbox.file("known", &lines).display().to_string());
        let run = sandbox.run("pssh-rs", &["true"], hosts(1));
        assert_eq!(run.code, 0, "{lines}{}", run.stdout);
    }
    // Two names without a common key type: the error names the types.
    let lines = format!("[web1]:{port} {ed25519}\n[127.0.0.1]:{port} {ecdsa}\n");
    sandbox.env("PSSH_RS_KNOWN_HOSTS", sandbox.file("known", lines).display().to_string());
    let run = sandbox.run("pssh-rs", &["true"], hosts(1)).exits(3);
    let types = "(it is of type ssh-ed25519, the known one of type ecdsa-sha2-nistp256)";
    assert!(error(&run.records()[0]).contains(types), "{}", run.stdout);
}

#[test]
fn two_concurrent_runs_save_each_host_once() {
    let (mut sandbox, _sshd) = fleet();
    let file = sandbox.dir().join("known");
    sandbox.env("PSSH_RS_KNOWN_HOSTS", file.display().to_string()).env("PSSH_RS_HOST_KEY", "accept-new");
    sandbox.file("fleet.jsonl", hosts(9));
    sandbox.sh("pssh-rs true < fleet.jsonl > one & pssh-rs true < fleet.jsonl > two && wait $!").exits(0);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 9);
}

#[test]
fn lock_of_another_program_is_waited_for_with_a_limit() {
    let (mut sandbox, _sshd) = fleet();
    let file = sandbox.file("known", "");
    sandbox.env("PSSH_RS_KNOWN_HOSTS", file.display().to_string());
    let held = fs::File::open(&file).unwrap();
    held.lock().unwrap();
    let args = ["--host-key", "accept-new", "--connect-timeout", "10", &command(&sandbox)];
    let run = sandbox.run("pssh-rs", &args, hosts(5)).exits(3);
    for record in run.records() {
        assert_eq!((&record["status"], &record["phase"]), (&"hostkey".into(), &"hostkey".into()));
        assert!(error(&record).contains(&file.display().to_string()), "{record}");
        assert!(error(&record).ends_with("another program holds its lock"), "{record}");
    }
    assert!(!ran(&sandbox));
}

#[test]
fn revoked_key_is_always_refused() {
    let (mut sandbox, sshd) = fleet();
    let lines: String = ["ed25519", "ecdsa"].map(|kind| format!("@revoked * {}\n", sshd.host_key(kind))).concat();
    let known = fs::read_to_string(sshd.known_hosts(&["web1"])).unwrap();
    let file = sandbox.file("known", known + &lines);
    sandbox.env("PSSH_RS_KNOWN_HOSTS", file.display().to_string());
    for policy in ["strict", "accept-new"] {
        let run = sandbox.run("pssh-rs", &["--host-key", policy, &command(&sandbox)], hosts(1)).exits(3);
        assert_eq!(run.records()[0]["status"], "hostkey");
        assert!(error(&run.records()[0]).contains("is revoked by"), "{}", run.stdout);
    }
    assert!(!ran(&sandbox));
}

#[test]
fn hashed_names_are_found() {
    let (mut sandbox, sshd) = fleet();
    let file = sandbox.file("known", fs::read_to_string(sshd.known_hosts(&["web1"])).unwrap());
    keygen(&["-q", "-H", "-f"], &file);
    assert!(fs::read_to_string(&file).unwrap().starts_with("|1|"));
    sandbox.env("PSSH_RS_KNOWN_HOSTS", file.display().to_string());
    let run = sandbox.run("pssh-rs", &["true"], hosts(2)).exits(3);
    let records = run.records();
    assert_eq!(of(&records, "web1")["status"], "ok");
    assert_eq!(of(&records, "web2")["status"], "hostkey");
}

#[test]
fn name_with_a_newline_is_not_saved() {
    let (mut sandbox, _sshd) = fleet();
    let file = sandbox.file("known", "");
    sandbox.env("PSSH_RS_KNOWN_HOSTS", file.display().to_string());
    let hostile = r#"{"host":"x\n* ssh-ed25519 AAAA","private_ip":"127.0.0.1"}"#;
    let run = sandbox.run("pssh-rs", &["--host-key", "accept-new", &command(&sandbox)], hostile).exits(3);
    assert_eq!(run.records()[0]["status"], "hostkey");
    assert_eq!(fs::read_to_string(&file).unwrap(), "");
    assert!(!ran(&sandbox));
}
