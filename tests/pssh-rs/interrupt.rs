//! Ctrl-C: every host still comes out once.

use crate::{fleet, hosts, of};
use kit::{Sandbox, records};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Runs `command` on the hosts, two at a time, sends SIGINT `times` times once a command runs, and gives exit code,
/// records, stderr and how long the end took.
fn interrupted(
    sandbox: &Sandbox,
    fleet: String,
    times: usize,
) -> (Option<i32>, Vec<serde_json::Value>, String, Duration) {
    let fleet = sandbox.file("fleet.jsonl", fleet);
    let marker = sandbox.dir().join("runs");
    let mut command = sandbox.command("pssh-rs");
    command.args(["-f", "2", "--", &format!("echo begun; touch {}; sleep 15", marker.display())]);
    command.stdin(std::fs::File::open(fleet).expect("the fleet")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("pssh-rs runs");
    let started = Instant::now();
    while !marker.exists() {
        assert!(started.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    let started = Instant::now();
    for _ in 0..times {
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs").success());
    }
    let output = child.wait_with_output().expect("its output");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), records(&text(output.stdout)), text(output.stderr), started.elapsed())
}

#[test]
fn every_host_comes_out_cancelled() {
    let (sandbox, _sshd) = fleet();
    let (code, records, stderr, took) = interrupted(&sandbox, hosts(4), 1);
    assert_eq!(code, Some(130), "{stderr}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(records.len(), 4);
    for name in ["web1", "web2"] {
        let record = of(&records, name);
        assert_eq!((&record["status"], &record["phase"]), (&"cancelled".into(), &"exec".into()));
        assert_eq!(record["stdout"], "begun\n");
        assert_eq!(record["attempts"], 1);
    }
    for name in ["web3", "web4"] {
        let record = of(&records, name);
        assert_eq!((&record["status"], &record["phase"]), (&"cancelled".into(), &serde_json::Value::Null));
        assert_eq!(record["attempts"], 0);
    }
    assert_eq!(stderr, "pssh-rs: 4 cancelled: web[1-4]\n");
}

#[test]
fn a_second_time_stops_at_once_still_with_a_record_a_host() {
    let (sandbox, _sshd) = fleet();
    let (code, records, stderr, _) = interrupted(&sandbox, hosts(4), 2);
    assert_eq!(code, Some(130), "{stderr}");
    assert_eq!(records.len(), 4);
    assert!(records.iter().all(|record| record["status"] == "cancelled"), "{records:?}");
}
