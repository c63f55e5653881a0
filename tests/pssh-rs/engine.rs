//! Both engines report the same for the same hosts.

use crate::{fleet, host, hosts, of};
use kit::processes::{marker, with_argument};
use kit::{Hostile, Relay, SshServer, hostile::wait_until};
use serde_json::{Value, json};

const ENGINES: [&str; 2] = ["libssh2", "openssh"];

/// A command, and its expected record: status, exit code, signal, stdout, stderr.
type Case = (&'static str, &'static str, Option<u32>, Option<&'static str>, &'static str, &'static str);

const COMMANDS: [Case; 9] = [
    ("true", "ok", Some(0), None, "", ""),
    ("echo out; echo err >&2", "ok", Some(0), None, "out\n", "err\n"),
    ("exit 3", "failed", Some(3), None, "", ""),
    // ssh exits with 255 if it fails, but a command can also exit with it.
    ("echo x; exit 255", "failed", Some(255), None, "x\n", ""),
    ("no-such-command-of-mine 2>/dev/null", "failed", Some(127), None, "", ""),
    ("kill -TERM $$", "signaled", None, Some("TERM"), "", ""),
    ("cat; echo \"it's $((1 + 1)) é\"", "ok", Some(0), None, "it's 2 é\n", ""),
    ("printf '\\377'", "ok", Some(0), None, "/w==", ""),
    ("echo begun; sleep 0.5; kill -KILL $PPID; sleep 5", "lost", None, None, "begun\n", ""),
];

#[test]
fn commands_have_the_same_outcome_with_both_engines() {
    let (sandbox, _sshd) = fleet();
    for engine in ENGINES {
        for (command, status, exit_code, signal, stdout, stderr) in COMMANDS {
            let run = sandbox.run("pssh-rs", &["--engine", engine, "-t", "60", "--", command], hosts(1));
            let record = &mut run.records()[0];
            if (engine, status) == ("openssh", "lost") {
                // Messages of ssh itself go there.
                record["stderr"] = json!("");
            }
            let found =
                ["status", "phase", "exit_code", "signal", "stdout", "stderr", "attempts"].map(|key| &record[key]);
            let wanted = [
                &json!(status),
                &json!("exec"),
                &json!(exit_code),
                // ssh does not say which of the two happened.
                &json!(signal.filter(|_| engine == "libssh2")),
                &json!(stdout),
                &json!(stderr),
                &json!(1),
            ];
            assert_eq!(found, wanted, "{engine}: {command}: {record}");
            assert_eq!(record["error"].is_null(), status == "ok", "{engine}: {record}");
        }
    }
}

#[test]
fn unreachable_hosts_have_the_same_outcome_with_both_engines() {
    let (mut sandbox, sshd) = fleet();
    let _servers = (
        Hostile::black_hole(sshd.at(80)),
        Hostile::silent(sshd.at(81)),
        Relay::to(sshd.at(1)).shed_first(1).at(sshd.at(83)),
        Relay::to(sshd.at(1)).shed_first(1).at(sshd.at(84)),
        SshServer::start(&sshd, sshd.at(85)),
    );
    let known = std::fs::read_to_string(sshd.known_hosts(&["*"])).unwrap();
    for (engine, busy) in ENGINES.into_iter().zip([83, 84]) {
        let fleet = host("hole", 80)
            + &host("silent", 81)
            + &host("closed", 82)
            + &host("busy", busy)
            + &host("nobody-of-this-name@web", 2)
            + &host("stall-auth@odd", 85)
            + "{\"host\":\"no-such-host.invalid\"}\n"
            + &hosts(2);
        let args = ["--engine", engine, "--connect-timeout", "10", "--auth-timeout", "10", "true"];
        let run = sandbox.run("pssh-rs", &args, fleet).exits(3);
        let records = run.records();
        for (name, status, phase, attempts) in [
            ("hole", "unreachable", "connect", Some(1)),
            ("silent", "unreachable", "handshake", Some(1)),
            ("closed", "unreachable", "connect", Some(2)),
            ("busy", "ok", "exec", Some(2)),
            ("nobody-of-this-name@web", "auth", "auth", Some(1)),
            ("stall-auth@odd", "timeout", "auth", Some(1)),
            ("no-such-host.invalid", "unreachable", "resolve", None),
            ("web1", "ok", "exec", Some(1)),
        ] {
            let record = of(&records, name);
            assert_eq!((&record["status"], &record["phase"]), (&json!(status), &json!(phase)), "{engine}: {record}");
            assert_eq!(record["exit_code"].is_null(), status != "ok", "{engine}: {record}");
            assert!(attempts.is_none_or(|attempts| record["attempts"] == attempts), "{engine}: {record}");
        }
    }
    // A different key, and a revoked one.
    let other = format!("* {}\n", kit::Sshd::start().host_key("ed25519"));
    let revoked = ["ed25519", "ecdsa"].map(|kind| format!("@revoked * {}\n", sshd.host_key(kind))).concat();
    for (text, what) in [(known + &revoked, "revoked"), (other, "other")] {
        let file = sandbox.file("known", text);
        sandbox.env("PSSH_RS_KNOWN_HOSTS", file.display().to_string());
        for engine in ENGINES {
            let run = sandbox.run("pssh-rs", &["--engine", engine, "true"], hosts(1)).exits(3);
            let record = &run.records()[0];
            let found = (&record["status"], &record["phase"], &record["attempts"]);
            assert_eq!(found, (&json!("hostkey"), &json!("hostkey"), &json!(1)), "{engine}, {what}: {record}");
        }
    }
}

#[test]
fn timeout_kills_the_remote_process_with_both_engines() {
    let (sandbox, _sshd) = fleet();
    for engine in ENGINES {
        let marker = marker();
        let args = ["--engine", engine, "-t", "5", "--", &format!("echo begun; sleep {marker}")];
        let run = sandbox.run("pssh-rs", &args, hosts(2)).exits(3);
        for record in run.records() {
            let found = (&record["status"], &record["phase"], &record["exit_code"], &record["stdout"]);
            assert_eq!(
                found,
                (&json!("timeout"), &json!("exec"), &Value::Null, &json!("begun\n")),
                "{engine}: {record}"
            );
        }
        wait_until(&format!("the end of the command by {engine}"), || with_argument(&marker).is_empty());
    }
}

#[test]
fn ssh_gets_no_secrets_and_no_unrelated_settings() {
    let (sandbox, sshd) = fleet();
    // This file must not be read: ssh's own is in the home folder of the account, whatever HOME is.
    sandbox.file(".ssh/config", "Host *\n ProxyCommand false\n");
    sandbox.file("empty", "");
    let port = sshd.port().to_string();
    let args = ["--engine", "openssh", "-F", "empty", "-p", &port, "--", "true"];
    let run = sandbox.run("pssh-rs", &args, hosts(2)).exits(0);
    assert_eq!(run.stderr, "pssh-rs: 2 ok\n");
}
