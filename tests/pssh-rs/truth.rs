//! What is said of a command is what happened to it.

use crate::{error, fleet, host, hosts, of};
use base64::prelude::{BASE64_STANDARD, Engine};
use std::time::{Duration, Instant};

#[test]
fn each_host_comes_out_with_its_streams_and_status_apart() {
    let (sandbox, _sshd) = fleet();
    let run = sandbox.run("pssh-rs", &["echo out; echo err >&2; exit 3"], hosts(3)).exits(1);
    let records = run.records();
    assert_eq!(records.len(), 3);
    for name in ["web1", "web2", "web3"] {
        let record = of(&records, name);
        assert_eq!(record["status"], "failed");
        assert_eq!(record["phase"], "exec");
        assert_eq!(record["exit_code"], 3);
        assert_eq!(record["signal"], serde_json::Value::Null);
        assert_eq!(record["stdout"], "out\n");
        assert_eq!(record["stderr"], "err\n");
        assert_eq!(record["attempts"], 1);
        assert!(record["started_at"].as_str().unwrap().ends_with('Z'));
        assert!(record["duration_ms"].is_u64());
        assert!(record.get("encoding").is_none());
    }
    assert_eq!(run.stderr, "pssh-rs: 3 failed: web[1-3]\n");
    let run = sandbox.run("pssh-rs", &["--", "true"], hosts(3)).exits(0);
    assert_eq!(run.stderr, "pssh-rs: 3 ok\n");
}

#[test]
fn a_record_comes_through_unchanged_and_an_old_result_is_replaced() {
    let (sandbox, _sshd) = fleet();
    let line = r#"{"z":1.0,"stdout":"old","host":"web1","private_ip":"127.0.0.1","encoding":"base64","error":"old","tags":{"b":[1e3]}}"#;
    let run = sandbox.run("pssh-rs", &["echo", "new"], line).exits(0);
    let kept = r#"{"z":1.0,"host":"web1","private_ip":"127.0.0.1","tags":{"b":[1e3]},"status":"ok","#;
    assert!(run.stdout.starts_with(kept), "{}", run.stdout);
    let record = &run.records()[0];
    assert_eq!(record["stdout"], "new\n");
    assert_eq!(record["error"], serde_json::Value::Null);
    assert!(record.get("encoding").is_none());
}

#[test]
fn a_signal_is_no_exit_status() {
    let (sandbox, _sshd) = fleet();
    let run = sandbox.run("pssh-rs", &["kill -KILL $$"], hosts(1)).exits(1);
    let record = &run.records()[0];
    assert_eq!(record["status"], "signaled");
    assert_eq!(record["signal"], "KILL");
    assert_eq!(record["exit_code"], serde_json::Value::Null);
}

#[test]
fn a_connection_lost_in_mid_command_is_never_a_success() {
    let (sandbox, _sshd) = fleet();
    // The parent of the command's shell is the sshd process of this session.
    let run = sandbox.run("pssh-rs", &["echo begun; kill -KILL $PPID; sleep 20"], hosts(1)).exits(3);
    let record = &run.records()[0];
    assert_eq!(record["status"], "lost");
    assert_eq!(record["exit_code"], serde_json::Value::Null);
    assert_eq!(record["attempts"], 1);
    assert_eq!(error(record), "the server closed the connection before the command's exit status arrived");
}

#[test]
fn bytes_that_are_no_text_come_as_base64() {
    let (sandbox, _sshd) = fleet();
    let run = sandbox.run("pssh-rs", &[r"printf '\377\000x'"], hosts(1)).exits(0);
    let record = &run.records()[0];
    assert_eq!(record["encoding"], "base64");
    let bytes = BASE64_STANDARD.decode(record["stdout"].as_str().unwrap()).unwrap();
    assert_eq!(bytes, b"\xff\x00x");
}

#[test]
fn much_output_on_both_streams_does_not_stall() {
    let (sandbox, _sshd) = fleet();
    let command = "head -c 5000000 /dev/zero | tr '\\0' e >&2; head -c 5000000 /dev/zero | tr '\\0' o";
    let run = sandbox.run("pssh-rs", &["-t", "60", "--", command], hosts(2)).exits(0);
    for record in run.records() {
        assert_eq!(record["stdout"].as_str().unwrap().len(), 5_000_000);
        assert_eq!(record["stderr"].as_str().unwrap().len(), 5_000_000);
        assert!(record.get("truncated").is_none());
    }
}

#[test]
fn endless_output_is_cut_and_said_to_be() {
    let (sandbox, _sshd) = fleet();
    let run = sandbox.run("pssh-rs", &["-t", "60", "head -c 17000000 /dev/zero | tr '\\0' o"], hosts(1)).exits(0);
    let record = &run.records()[0];
    assert_eq!(record["stdout"].as_str().unwrap().len(), 16 * 1024 * 1024);
    assert_eq!(record["truncated"], true);
}

#[test]
fn a_command_that_overruns_is_a_timeout_with_what_it_said() {
    let (sandbox, _sshd) = fleet();
    let started = Instant::now();
    let run = sandbox.run("pssh-rs", &["-t", "1", "--", "echo begun; sleep 20"], hosts(2)).exits(3);
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    for record in run.records() {
        assert_eq!(record["status"], "timeout");
        assert_eq!(record["phase"], "exec");
        assert_eq!(record["stdout"], "begun\n");
        assert_eq!(record["exit_code"], serde_json::Value::Null);
        assert_eq!(error(&record), "the command: not done within 1s");
    }
}

#[test]
fn a_stream_without_an_end_does_not_outlast_the_timeout() {
    let (sandbox, _sshd) = fleet();
    let started = Instant::now();
    let run = sandbox.run("pssh-rs", &["-t", "1", "--", "cat /dev/zero"], hosts(1)).exits(3);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(run.records()[0]["status"], "timeout");
}

#[test]
fn a_command_reads_an_empty_stdin_and_waits_for_nobody() {
    let (sandbox, _sshd) = fleet();
    let run = sandbox.run("pssh-rs", &["-t", "10", "--", "cat; echo end"], hosts(1)).exits(0);
    assert_eq!(run.records()[0]["stdout"], "end\n");
}

#[test]
fn what_failed_can_be_piped_into_the_next_run() {
    let (sandbox, _sshd) = fleet();
    sandbox.file("fleet.jsonl", hosts(2) + &host("db1", 3));
    let line = "pssh-rs -- 'test -e marker-of-a-test-that-is-not-there || test $(echo $SSH_CONNECTION | cut -d\" \" -f3) != 127.0.0.3' \
                < fleet.jsonl | grep -v '\"status\":\"ok\"' | pssh-rs -- echo again";
    let run = sandbox.sh(line).exits(1);
    let records = run.records();
    assert_eq!(records.len(), 1);
    let record = of(&records, "db1");
    assert_eq!((&record["status"], &record["stdout"]), (&"ok".into(), &"again\n".into()));
    assert_eq!(run.stderr, "pssh-rs: 2 ok; 1 failed: db1\npssh-rs: 1 ok\n");
}
