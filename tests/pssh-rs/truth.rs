//! Records say what happened to a command.

use crate::{error, fleet, host, hosts, of};
use base64::prelude::{BASE64_STANDARD, Engine};
use kit::{Sandbox, Sshd};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The number of bytes kept of a stream.
const MOST: usize = 1024 * 1024;

#[test]
fn each_record_has_separate_streams_and_status() {
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
fn record_is_kept_and_its_old_result_is_replaced() {
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
fn signal_is_not_an_exit_status() {
    let (sandbox, _sshd) = fleet();
    let run = sandbox.run("pssh-rs", &["kill -KILL $$"], hosts(1)).exits(1);
    let record = &run.records()[0];
    assert_eq!(record["status"], "signaled");
    assert_eq!(record["signal"], "KILL");
    assert_eq!(record["exit_code"], serde_json::Value::Null);
}

#[test]
fn connection_lost_during_a_command_is_never_a_success() {
    let (sandbox, _sshd) = fleet();
    // The parent of the command's shell is the sshd process of this session.
    let run = sandbox.run("pssh-rs", &["echo begun; kill -KILL $PPID; sleep 20"], hosts(1)).exits(3);
    let record = &run.records()[0];
    assert_eq!(record["status"], "lost");
    assert_eq!(record["exit_code"], serde_json::Value::Null);
    assert_eq!(record["attempts"], 1);
    assert_eq!(error(record), "the connection was lost before the command's exit status arrived");
}

#[test]
fn connection_lost_after_the_request_may_have_run_the_command() {
    let (sandbox, sshd) = fleet();
    let ran = sandbox.dir().join("ran");
    let listener = TcpListener::bind(("127.0.0.80", sshd.port())).unwrap();
    let (real, marker) = (("127.0.0.1", sshd.port()), ran.clone());
    // From the request on (recognized by its size), nothing from the server is forwarded; once the command has run,
    // the connection is cut.
    let server = std::thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let upstream = TcpStream::connect(real).unwrap();
        let asked = Arc::new(AtomicBool::new(false));
        let (mut from, mut to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
        let (mut back_from, mut back_to) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
        let muted = Arc::clone(&asked);
        std::thread::spawn(move || {
            relay(&mut back_from, &mut back_to, |_| !muted.load(Ordering::Acquire));
        });
        std::thread::spawn(move || {
            relay(&mut from, &mut to, |total| {
                asked.store(total > 12_000, Ordering::Release);
                true
            });
        });
        let started = Instant::now();
        while !marker.exists() && started.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(10));
        }
        client.shutdown(Shutdown::Both).unwrap();
        upstream.shutdown(Shutdown::Both).unwrap();
    });
    let command = format!("touch {} # {}", ran.display(), "x".repeat(16_000));
    let run = sandbox.run("pssh-rs", &[&command], host("cut", 80)).exits(3);
    server.join().unwrap();
    assert!(ran.exists());
    let record = &run.records()[0];
    assert_eq!((&record["status"], &record["phase"]), (&"lost".into(), &"exec".into()));
    assert_eq!(record["attempts"], 1);
    assert!(error(record).ends_with("(it may be running)"), "{record}");
}

/// Copies until either side ends. `pass` gets the number of bytes so far, and decides what is forwarded.
fn relay(from: &mut TcpStream, to: &mut TcpStream, mut pass: impl FnMut(usize) -> bool) {
    let (mut buffer, mut total) = ([0; 4096], 0);
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        total += len;
        if pass(total) && to.write_all(&buffer[..len]).is_err() {
            return;
        }
    }
}

#[test]
fn connection_lost_during_login_is_not_a_refusal() {
    let config = format!(
        "AuthorizedKeysCommand /bin/sh -c \"kill -KILL $PPID\"\nAuthorizedKeysCommandUser {}",
        Sshd::start().user()
    );
    let (mut sandbox, sshd) = (Sandbox::new(), Sshd::with(&["127.0.0.1".to_string()], &config));
    sshd.open_to(&mut sandbox);
    // Useless here, because it would be noticed before the command is sent.
    std::fs::write(sshd.identity().with_file_name("authorized_keys"), "").unwrap();
    let run = sandbox.run("pssh-rs", &["true"], hosts(1)).exits(3);
    let record = &run.records()[0];
    assert_eq!((&record["status"], &record["phase"]), (&"unreachable".into(), &"auth".into()), "{}", sshd.log());
    assert_eq!(error(record), "the connection was lost while logging in");
}

#[test]
fn binary_output_is_base64() {
    let (sandbox, _sshd) = fleet();
    let run = sandbox.run("pssh-rs", &[r"printf '\377\000x'"], hosts(1)).exits(0);
    let record = &run.records()[0];
    assert_eq!(record["encoding"], "base64");
    let bytes = BASE64_STANDARD.decode(record["stdout"].as_str().unwrap()).unwrap();
    assert_eq!(bytes, b"\xff\x00x");
}

#[test]
fn large_output_on_both_streams_does_not_stall() {
    let (sandbox, _sshd) = fleet();
    let command = "head -c 5000000 /dev/zero | tr '\\0' e >&2; head -c 5000000 /dev/zero | tr '\\0' o";
    let run = sandbox.run("pssh-rs", &["-t", "60", "--", command], hosts(2)).exits(0);
    for record in run.records() {
        for stream in ["stdout", "stderr"] {
            let text = record[stream].as_str().unwrap();
            // A line says how much was left out.
            assert_eq!(text.matches("\n[pssh-rs: 3951424 bytes left out]\n").count(), 1);
            assert_eq!(text.len(), MOST + "\n[pssh-rs: 3951424 bytes left out]\n".len());
        }
    }
}

#[test]
fn endless_output_is_truncated_and_marked() {
    let (sandbox, _sshd) = fleet();
    let run = sandbox.run("pssh-rs", &["-t", "60", "yes é | tr -d '\\n' | head -c 2000001 | tail -c +2"], hosts(1));
    let run = run.exits(0);
    let record = &run.records()[0];
    // The tail begins with half a character; that alone does not make the output base64.
    assert_eq!(record["encoding"], "base64");
    let run =
        sandbox.run("pssh-rs", &["-t", "60", "printf x; yes é | tr -d '\\n' | head -c 2000000"], hosts(1)).exits(0);
    let record = &run.records()[0];
    assert!(record.get("encoding").is_none());
    let stdout = record["stdout"].as_str().unwrap();
    assert!((MOST - 2..MOST + 50).contains(&stdout.len()), "{}", stdout.len());
    assert!(stdout.starts_with("xé") && stdout.ends_with('é'));
    assert_eq!(record["truncated"], true);
}

#[test]
fn command_that_exceeds_its_time_is_a_timeout_with_its_output() {
    let (sandbox, _sshd) = fleet();
    let started = Instant::now();
    let run = sandbox.run("pssh-rs", &["-t", "5", "--", "echo begun; sleep 600"], hosts(2)).exits(3);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    for record in run.records() {
        assert_eq!(record["status"], "timeout");
        assert_eq!(record["phase"], "exec");
        assert_eq!(record["stdout"], "begun\n");
        assert_eq!(record["exit_code"], serde_json::Value::Null);
        assert_eq!(error(&record), "the command: not done within 5s; the command was ended by TERM");
    }
}

#[test]
fn endless_stream_ends_at_the_timeout() {
    let (sandbox, _sshd) = fleet();
    let started = Instant::now();
    let run = sandbox.run("pssh-rs", &["-t", "1", "--", "cat /dev/zero"], hosts(1)).exits(3);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!(run.records()[0]["status"], "timeout");
}

#[test]
fn command_reads_empty_stdin_and_does_not_wait() {
    let (sandbox, _sshd) = fleet();
    let run = sandbox.run("pssh-rs", &["-t", "60", "--", "cat; echo end"], hosts(1)).exits(0);
    assert_eq!(run.records()[0]["stdout"], "end\n");
}

#[test]
fn failed_hosts_can_be_piped_into_the_next_run() {
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
