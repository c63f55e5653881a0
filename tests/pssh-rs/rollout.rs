//! Rollouts: batches one after another, up to the allowed number of failures. `--max-fail 0` allows
//! none; N allows N.

use crate::{fleet, host, hosts, of};
use kit::{Relay, Sandbox};
use serde_json::{Value, json};

/// Twelve hosts, of which those with these numbers fail.
fn failing(sandbox: &Sandbox, numbers: &[u8], args: &[&str]) -> Vec<Value> {
    let number = "set -- $SSH_CONNECTION; n=${3##*.}";
    let fail: String = numbers.iter().map(|number| format!("{number}) exit 1;; ")).collect();
    let log = sandbox.dir().join("log").display().to_string();
    let _ = std::fs::remove_file(&log);
    let command = format!("{number}; echo start $n >> {log}; sleep 0.3; echo end $n >> {log}; case $n in {fail}esac");
    sandbox.run("pssh-rs", &[args, &["--", &command]].concat(), hosts(12)).records()
}

fn log(sandbox: &Sandbox) -> Vec<(String, u8)> {
    let log = std::fs::read_to_string(sandbox.dir().join("log")).unwrap_or_default();
    log.lines()
        .map(|line| line.split_once(' ').expect("two words"))
        .map(|(what, n)| (what.into(), n.parse().expect("a number")))
        .collect()
}

/// The number of records with this status.
fn count(records: &[Value], status: &str) -> usize {
    records.iter().filter(|record| record["status"] == status).count()
}

#[track_caller]
fn counts(records: &[Value], ok: usize, failed: usize, skipped: usize) {
    assert_eq!(records.len(), 12, "{records:?}");
    assert_eq!((count(records, "ok"), count(records, "failed"), count(records, "skipped")), (ok, failed, skipped));
    for record in records.iter().filter(|record| record["status"] == "skipped") {
        let found = (&record["phase"], &record["attempts"], &record["exit_code"]);
        assert_eq!(found, (&Value::Null, &json!(0), &Value::Null), "{record}");
    }
}

#[test]
fn batch_starts_when_the_previous_one_has_ended() {
    let (sandbox, _sshd) = fleet();
    counts(&failing(&sandbox, &[], &["--batch", "1,25%,100%"]), 12, 0, 0);
    let log = log(&sandbox);
    assert_eq!(log.len(), 24);
    // 1 host, 25% of 12 hosts, the rest: each batch has ended before the next one starts.
    for (from, hosts) in [(0, 1..=1), (2, 2..=4), (8, 5..=12)] {
        let batch = &log[from..from + 2 * hosts.clone().count()];
        assert!(batch.iter().all(|(_, number)| hosts.contains(number)), "{log:?}");
    }
}

#[test]
fn last_batch_size_repeats() {
    let (sandbox, _sshd) = fleet();
    counts(&failing(&sandbox, &[], &["--batch", "2,5"]), 12, 0, 0);
    let log = log(&sandbox);
    for (from, hosts) in [(0, 1..=2), (4, 3..=7), (14, 8..=12)] {
        let batch = &log[from..from + 2 * hosts.clone().count()];
        assert!(batch.iter().all(|(_, number)| hosts.contains(number)), "{log:?}");
    }
}

#[test]
fn failed_batch_skips_all_remaining_hosts() {
    let (sandbox, _sshd) = fleet();
    counts(&failing(&sandbox, &[1], &["--batch", "1,100%", "--max-fail", "0"]), 0, 1, 11);
    counts(&failing(&sandbox, &[3], &["--batch", "1,25%,100%", "--max-fail", "0"]), 3, 1, 8);
    counts(&failing(&sandbox, &[1], &["--batch", "1,25%,100%", "--max-fail", "1"]), 11, 1, 0);
    counts(&failing(&sandbox, &[1, 3], &["--batch", "1,25%,100%", "--max-fail", "1"]), 2, 2, 8);
    counts(&failing(&sandbox, &[1, 3], &["--batch", "1,25%,100%", "--max-fail", "50%"]), 10, 2, 0);
    // A rollout continues after a failure only on request.
    counts(&failing(&sandbox, &[1, 3], &["--batch", "1,100%"]), 0, 1, 11);
}

#[test]
fn serial_runs_one_host_at_a_time_in_input_order() {
    let (sandbox, _sshd) = fleet();
    counts(&failing(&sandbox, &[], &["--serial"]), 12, 0, 0);
    let expected: Vec<(String, u8)> = (1..=12).flat_map(|n| [("start".into(), n), ("end".into(), n)]).collect();
    assert_eq!(log(&sandbox), expected);
    counts(&failing(&sandbox, &[4], &["--serial", "--max-fail", "0"]), 3, 1, 8);
    assert_eq!(log(&sandbox).len(), 8);
}

#[test]
fn unreachable_hosts_are_counted_separately() {
    let (sandbox, _sshd) = fleet();
    // The second host refuses connections.
    let fleet = host("web1", 1) + &host("closed", 80) + &host("web3", 3) + &host("web4", 4);
    let run = |args: &[&str]| sandbox.run("pssh-rs", &[args, &["--", "true"]].concat(), &fleet).exits(3).records();
    let records = run(&["--batch", "2,100%", "--max-fail", "0"]);
    assert_eq!((count(&records, "ok"), count(&records, "unreachable")), (3, 1));
    let records = run(&["--batch", "2,100%", "--max-fail", "0", "--max-unreachable", "1"]);
    assert_eq!((count(&records, "ok"), count(&records, "unreachable")), (3, 1));
    let records = run(&["--batch", "2,100%", "--max-unreachable", "0"]);
    assert_eq!((count(&records, "ok"), count(&records, "unreachable"), count(&records, "skipped")), (1, 1, 2));
}

#[test]
fn failure_limit_without_batches_skips_hosts_not_started() {
    let (sandbox, _sshd) = fleet();
    let records = failing(&sandbox, &[1, 2], &["-f", "2", "--max-fail", "1"]);
    assert_eq!((records.len(), count(&records, "failed")), (12, 2));
    assert!(count(&records, "skipped") >= 6, "{records:?}");
}

#[test]
fn exit_status_matches_the_records() {
    let (sandbox, _sshd) = fleet();
    let args = |command: &'static str| ["--batch", "1,100%", "--max-fail", "0", "--", command];
    sandbox.run("pssh-rs", &args("true"), hosts(3)).exits(0);
    // Skipped hosts were not connected to.
    let run = sandbox.run("pssh-rs", &args("false"), hosts(3)).exits(3);
    assert_eq!(count(&run.records(), "skipped"), 2);
    assert!(run.stderr.contains("2 skipped: web[2-3]"), "{}", run.stderr);
}

#[test]
fn bad_limits_are_refused_before_anything_runs() {
    let (sandbox, _sshd) = fleet();
    let touch = format!("touch {}/ran", sandbox.dir().display());
    for (option, value) in [
        ("--batch", ""),
        ("--batch", "0"),
        ("--batch", "1,,2"),
        ("--batch", "101%"),
        ("--batch", "-1"),
        ("--batch", "x"),
        ("--max-fail", "101%"),
        ("--max-fail", "-1"),
        ("--max-unreachable", "1e3"),
    ] {
        let run = sandbox.run("pssh-rs", &[&format!("{option}={value}"), "--", &touch], hosts(1)).exits(2);
        assert!(run.stderr.contains(option), "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
    assert!(!sandbox.dir().join("ran").exists());
}

#[test]
fn dry_run_of_a_rollout_connects_to_nothing() {
    let (sandbox, sshd) = fleet();
    let relay = Relay::to(sshd.at(1)).at(sshd.at(80));
    let fleet: String = (0..5).map(|number| host(&format!("web{number}"), 80)).collect();
    let run = sandbox.run("pssh-rs", &["--dry-run", "--batch", "1,100%", "--", "true"], fleet).exits(0);
    assert_eq!((run.records().len(), relay.accepted()), (5, 0));
    assert!(run.records().iter().all(|record| record["plan"]["command"] == "true"));
}

#[test]
fn skipped_and_failed_hosts_can_be_piped_into_the_next_run() {
    let (sandbox, _sshd) = fleet();
    sandbox.file("fleet.jsonl", hosts(12));
    let command = r#"'test $(echo $SSH_CONNECTION | cut -d" " -f3) != 127.0.0.2'"#;
    let line = format!(
        "pssh-rs --batch 1,3,100% --max-fail 0 -- {command} < fleet.jsonl \
         | jq -c 'select(.status!=\"ok\")' | pssh-rs -- echo again"
    );
    let run = sandbox.sh(&line);
    let records = run.records();
    assert_eq!((records.len(), count(&records, "ok")), (9, 9), "{}", run.stderr);
    assert_eq!(of(&records, "web2")["stdout"], "again\n");
    assert_eq!(of(&records, "web12")["attempts"], 1);
}
