//! Effects of single ssh_config settings, in a file and as options, and warnings about those without effect.

use crate::{error, fleet, host, hosts, of};
use kit::{Sandbox, Sshd};
use serde_json::{Value, json};
use std::fs;

const ENGINES: [&str; 2] = ["libssh2", "openssh"];

/// A fleet of one server with lines added to its configuration.
fn server(config: &str) -> (Sandbox, Sshd) {
    let mut sandbox = Sandbox::new();
    let sshd = Sshd::with(&["127.0.0.1".to_string(), "127.0.0.2".to_string()], config);
    sshd.open_to(&mut sandbox);
    (sandbox, sshd)
}

fn found(record: &Value) -> [&Value; 2] {
    [&record["status"], &record["phase"]]
}

#[test]
fn settings_without_effect_give_one_warning() {
    let (sandbox, _sshd) = fleet();
    sandbox.file(
        "config",
        "Host web*\n ForwardAgent yes\n ControlMaster auto\n BatchMode yes\nHost other\n RequestTTY yes\n",
    );
    let args =
        ["-F", "config", "--ssh-option", "ConnectionAttempts=3", "--ssh-option", "GSSAPIAuthentication=no", "true"];
    let run = sandbox.run("pssh-rs", &args, hosts(3)).exits(0);
    assert_eq!(
        run.stderr,
        "pssh-rs: these settings of ssh_config have no effect with the default engine: ConnectionAttempts, ControlMaster, \
         ForwardAgent\npssh-rs: 3 ok\n"
    );
    let run = sandbox.run("pssh-rs", &[&["--engine", "openssh"], &args[..]].concat(), hosts(3)).exits(0);
    assert_eq!(run.stderr, "pssh-rs: 3 ok\n");
}

#[test]
fn unsupported_algorithms_are_named_once() {
    let (sandbox, _sshd) = fleet();
    let lacking = "sntrup761x25519-sha512@openssh.com";
    sandbox.file("config", "Host *\n MACs +umac-64@openssh.com\n Ciphers aes128-ctr\n");
    let kex = format!("KexAlgorithms={lacking},curve25519-sha256");
    let args = ["-F", "config", "--ssh-option", &kex, "true"];
    let run = sandbox.run("pssh-rs", &args, hosts(3)).exits(0);
    let said = "pssh-rs: ssh_config names algorithms that the default engine lacks: ";
    assert_eq!(run.stderr, format!("{said}{lacking}, umac-64@openssh.com\npssh-rs: 3 ok\n"));
    let run = sandbox.run("pssh-rs", &[&["--engine", "openssh"], &args[..]].concat(), hosts(3)).exits(0);
    assert_eq!(run.stderr, "pssh-rs: 3 ok\n");
}

#[test]
fn variables_go_to_servers_that_accept_them() {
    let (mut sandbox, _sshd) = server("AcceptEnv LC_* MINE_*");
    sandbox.env("LC_CERVEZA", "sent").env("LC_SET", "overridden").env("OTHER", "kept").env("NOT_ACCEPTED", "x");
    sandbox.file("config", "Host web*\n SendEnv LC_* NOT_ACCEPTED\n SetEnv MINE_A=a \"MINE_B=b  'c'\" LC_SET=set\n");
    let command = "echo \"$LC_CERVEZA|$MINE_A|$MINE_B|$LC_SET|$OTHER|$NOT_ACCEPTED\"";
    for engine in ENGINES {
        let args = ["-F", "config", "--engine", engine, "--", command];
        let run = sandbox.run("pssh-rs", &args, hosts(1)).exits(0);
        assert_eq!(run.records()[0]["stdout"], "sent|a|b  'c'|set||\n", "{engine}");
        assert_eq!(run.stderr, "pssh-rs: 1 ok\n");
    }
    // Another host gets no variables.
    let run = sandbox.run("pssh-rs", &["-F", "config", "--", command], host("db1", 2)).exits(0);
    assert_eq!(run.records()[0]["stdout"], "|||||\n");
    // Options of the command line take precedence.
    let args = ["-F", "config", "--env", "MINE_A=z", "--", command];
    let run = sandbox.run("pssh-rs", &args, hosts(1)).exits(0);
    assert_eq!(run.records()[0]["stdout"], "sent|z|b  'c'|set||\n");
}

#[test]
fn names_are_hashed_if_configured() {
    let (mut sandbox, sshd) = fleet();
    let file = sandbox.dir().join("known");
    sandbox.env("PSSH_RS_KNOWN_HOSTS", file.display().to_string());
    let args = ["--host-key", "accept-new", "--ssh-option", "HashKnownHosts=yes", "true"];
    sandbox.run("pssh-rs", &args, hosts(3)).exits(0);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().filter(|line| line.starts_with("|1|")).count(), 3, "{text}");
    assert!(!text.contains("web"), "{text}");
    sandbox.run("pssh-rs", &["true"], hosts(3)).exits(0);
    sandbox.run("pssh-rs", &args, hosts(3)).exits(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), text);
    // ssh finds them too.
    sandbox.sh(&format!("ssh-keygen -F '[web2]:{}' -f known", sshd.port())).exits(0);
    let run = sandbox.run("pssh-rs", &["true"], host("web4", 4)).exits(3);
    assert_eq!(run.records()[0]["status"], "hostkey");
}

#[test]
fn revoked_host_keys_are_refused_with_every_policy() {
    let (sandbox, sshd) = fleet();
    let keys = format!("# revoked\n{} old\n{}\n", sshd.host_key("ed25519"), sshd.host_key("ecdsa"));
    let (revoked, other) =
        (sandbox.file("revoked", keys), sandbox.file("other", kit::Sshd::start().host_key("ed25519")));
    let option = |file: &std::path::Path| format!("RevokedHostKeys={}", file.display());
    for engine in ENGINES {
        for policy in ["strict", "accept-new", "off"] {
            let run = |file| {
                let args = ["--engine", engine, "--host-key", policy, "--ssh-option", &option(file), "true"];
                sandbox.run("pssh-rs", &args, hosts(1))
            };
            let refused = run(&revoked).exits(3);
            let record = &refused.records()[0];
            assert_eq!(found(record), [&json!("hostkey"), &json!("hostkey")], "{engine} {policy} {record}");
            assert!(error(record).contains("revoked"), "{engine} {policy} {record}");
            run(&other).exits(0);
        }
    }
    // A file that may hide a revoked key refuses every host.
    sandbox.sh(&format!("ssh-keygen -q -k -f krl {}", sandbox.dir().join("other").display())).exits(0);
    for (name, why) in
        [("krl", "only --engine openssh can read"), ("gone", "No such file"), ("known", "its line 1 is not")]
    {
        sandbox.file("known", "web1 ssh-ed25519 AAAA\n");
        let path = sandbox.dir().join(name);
        let run = sandbox.run("pssh-rs", &["--ssh-option", &option(&path), "true"], hosts(1)).exits(3);
        let record = &run.records()[0];
        assert_eq!(found(record), [&json!("hostkey"), &json!("hostkey")], "{record}");
        assert!(error(record).contains(why), "{record}");
    }
    let option = option(&sandbox.dir().join("krl"));
    sandbox.run("pssh-rs", &["--engine", "openssh", "--ssh-option", &option, "true"], hosts(1)).exits(0);
}

#[test]
fn features_of_ssh_only_are_reported_and_work_with_ssh() {
    let (mut sandbox, sshd) = fleet();
    let known = fs::read_to_string(sshd.known_hosts(&["*"])).unwrap();
    let keys = sandbox.file("keys", known);
    let command = format!("KnownHostsCommand=/bin/cat {}", keys.display());
    let run = sandbox.run("pssh-rs", &["--ssh-option", &command, "true"], hosts(1)).exits(3);
    let record = &run.records()[0];
    assert_eq!(found(record), [&json!("hostkey"), &json!("hostkey")], "{record}");
    assert!(error(record).contains("KnownHostsCommand") && error(record).contains("--engine openssh"), "{record}");
    sandbox.env("PSSH_RS_KNOWN_HOSTS", sandbox.file("empty", "").display().to_string());
    sandbox.run("pssh-rs", &["--engine", "openssh", "--ssh-option", &command, "true"], hosts(1)).exits(0);
}

#[test]
fn server_that_refuses_a_terminal_is_reported() {
    let (sandbox, _sshd) = server("PermitTTY no");
    let run = sandbox.run("pssh-rs", &["--tty", "true"], hosts(1)).exits(1);
    let record = &run.records()[0];
    assert_eq!(found(record), [&json!("failed"), &json!("exec")], "{record}");
    assert!(error(record).starts_with("the server refused the terminal of --tty"), "{record}");
    sandbox.run("pssh-rs", &["true"], hosts(1)).exits(0);
    assert_eq!(of(&run.records(), "web1")["attempts"], 1);
}
