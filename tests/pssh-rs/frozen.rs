//! Hosts that stop answering on an open connection are detected; slow hosts are not mistaken for them.

use crate::started::Started;
use crate::{error, fleet, host, hosts};
use kit::hostile::wait_until;
use kit::processes::{marker, with_argument};
use kit::{Relay, SshServer};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Freezes the server process of its own connection.
const FREEZE: &str = "echo begun; sleep 1; kill -STOP $PPID; sleep 300";
/// A proxy that prints its process id.
const PROXY: &str = "echo $$ > proxy.pid; exec 3<>/dev/tcp/$1/$2; cat <&3 & cat >&3; kill $!\n";
/// Detects a frozen host within two seconds. If it takes longer, these values were not used.
const SOON: [&str; 4] = ["--ssh-option", "ServerAliveInterval=1", "--ssh-option", "ServerAliveCountMax=1"];
const BEFORE_THE_DEFAULT: Duration = Duration::from_secs(35);

#[track_caller]
fn is_lost(record: &Value, what: &str) {
    let found = ["status", "phase", "exit_code", "stdout"].map(|key| &record[key]);
    assert_eq!(found, [&json!("lost"), &json!("exec"), &Value::Null, &json!("begun\n")], "{what}: {record}");
    let said = ["stopped answering", "not responding"].iter().any(|words| error(record).contains(words));
    assert!(said, "{what}: {record}");
}

#[test]
fn frozen_host_is_detected_within_a_minute() {
    let (sandbox, sshd) = fleet();
    let through = format!("127.0.0.12:{}", sshd.port());
    let started = Instant::now();
    let ways: [&[&str]; 4] = [
        &["--engine", "libssh2"],
        &["--engine", "openssh"],
        &["-J", &through],
        &["--engine", "openssh", "-J", &through],
    ];
    let runs: Vec<_> =
        ways.iter().map(|way| (way, Started::new(&sandbox, &[way, &["--", FREEZE][..]].concat(), hosts(1)))).collect();
    for (way, run) in runs {
        let (ended, _) = run.end_and_peak();
        assert!(started.elapsed() < Duration::from_secs(60), "{way:?}: {:?}", started.elapsed());
        assert_eq!((ended.code, ended.records.len()), (3, 1), "{way:?}: {}", ended.stderr);
        is_lost(&ended.records[0], &format!("{way:?}"));
    }
}

#[test]
fn keepalive_settings_count_with_both_engines() {
    let (sandbox, sshd) = fleet();
    let config = "Host web1\n ServerAliveInterval 1\n ServerAliveCountMax 2\n";
    sandbox.file("config", config);
    for engine in ["libssh2", "openssh"] {
        for options in [&SOON[..], &["-F", "config"]] {
            let started = Instant::now();
            let run = sandbox.run("pssh-rs", &[&["--engine", engine][..], options, &["--", FREEZE]].concat(), hosts(1));
            assert!(started.elapsed() < BEFORE_THE_DEFAULT, "{engine}, {options:?}: {:?}", started.elapsed());
            is_lost(&run.exits(3).records()[0], engine);
        }
    }
    // The connection to the jump host has its own keepalives.
    let jump = Relay::to(sshd.at(1)).stall_after(20_000).at(sshd.at(80));
    sandbox.file("jump", "Host 127.0.0.80\n ServerAliveInterval 1\n ServerAliveCountMax 1\n");
    let through = format!("127.0.0.80:{}", sshd.port());
    let started = Instant::now();
    let command = "echo begun; sleep 1; head -c 100000 /dev/zero >&2; sleep 300";
    let run = sandbox.run("pssh-rs", &["-F", "jump", "-J", &through, "--", command], hosts(1)).exits(3);
    assert!(started.elapsed() < BEFORE_THE_DEFAULT, "{:?}", started.elapsed());
    let record = &run.records()[0];
    assert_eq!((&record["status"], &record["exit_code"]), (&json!("lost"), &Value::Null), "{record}");
    assert_eq!(jump.accepted(), 1);
}

#[test]
fn stopped_proxy_command_is_detected() {
    let (sandbox, _sshd) = fleet();
    sandbox.file("config", "Host web*\n ProxyCommand bash proxy.sh %h %p\n");
    sandbox.file("proxy.sh", PROXY);
    for engine in ["libssh2", "openssh"] {
        let marker = marker();
        let command = format!("echo begun; sleep {marker}");
        let args = [&["--engine", engine, "-F", "config"][..], &SOON, &["--", &command]].concat();
        let run = Started::new(&sandbox, &args, hosts(1));
        wait_until("the command", || !with_argument(&marker).is_empty());
        let started = Instant::now();
        sandbox.sh("proxy=$(cat proxy.pid); kill -STOP $proxy $(pgrep -P $proxy)").exits(0);
        let ended = run.end();
        assert!(started.elapsed() < BEFORE_THE_DEFAULT, "{engine}: {:?}", started.elapsed());
        is_lost(&ended.records[0], engine);
    }
}

#[test]
fn host_that_freezes_during_a_copy_is_detected() {
    let (sandbox, sshd) = fleet();
    let _relays = [
        Relay::to(sshd.at(1)).stall_after(300_000).at(sshd.at(80)),
        Relay::to(sshd.at(1)).stall_after(6_000).at(sshd.at(81)),
    ];
    sandbox.file("big", vec![b'x'; 30_000_000]);
    let big = sandbox.dir().join("big").display().to_string();
    for (last, option, copy) in [(80, "--pull", format!("{big}:pulled")), (81, "--push", format!("{big}:{big}.pushed"))]
    {
        let started = Instant::now();
        let run = sandbox.run("pssh-rs", &[&SOON[..], &[option, &copy]].concat(), host("web1", last)).exits(3);
        assert!(started.elapsed() < BEFORE_THE_DEFAULT, "{option}: {:?}", started.elapsed());
        let record = &run.records()[0];
        assert_eq!((&record["status"], &record["phase"]), (&json!("lost"), &json!("exec")), "{option}: {record}");
        assert!(error(record).contains("stopped answering"), "{option}: {record}");
    }
}

#[test]
fn frozen_host_that_reads_no_stdin_is_detected() {
    let (sandbox, sshd) = fleet();
    let _server = SshServer::start(&sshd, sshd.at(80));
    sandbox.file("input", vec![b'x'; 30_000_000]);
    for (host, command) in [(hosts(1), FREEZE), (host("odd", 80), ": behave:stall")] {
        let started = Instant::now();
        let args = [&SOON[..], &["--stdin", "input", "--", command]].concat();
        let run = sandbox.run("pssh-rs", &args, host).exits(3);
        assert!(started.elapsed() < BEFORE_THE_DEFAULT, "{command}: {:?}", started.elapsed());
        is_lost(&run.records()[0], command);
    }
}

#[test]
fn slow_host_does_not_count_as_frozen() {
    let (sandbox, _sshd) = fleet();
    for engine in ["libssh2", "openssh"] {
        // A silent command whose server answers, and a reader of our output that pauses.
        let soon = SOON.join(" ");
        let slow = format!("pssh-rs --engine {engine} {soon} -- 'sleep 6; echo done'");
        let read = format!("pssh-rs --engine {engine} {soon} --lines -- 'yes | head -c 9000000'");
        sandbox.file("fleet", hosts(2));
        let run = sandbox.sh(&format!("{slow} < fleet; {read} < fleet | (sleep 6; wc -c)")).exits(0);
        assert_eq!(run.stderr, "pssh-rs: 2 ok\npssh-rs: 2 ok\n", "{engine}: {}", run.stdout);
    }
}
