//! The record says how the server ended a command; no status is ever made up.

use crate::{error, fleet, host, of};
use kit::hostile::wait_until;
use kit::{Outcome, Relay, Sandbox, SshServer, Sshd};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A server at 127.0.0.80 that does what the command says.
fn misbehaving() -> (Sandbox, Sshd, SshServer) {
    let (sandbox, sshd) = fleet();
    let server = SshServer::start(&sshd, sshd.at(80));
    (sandbox, sshd, server)
}

/// Runs `behave:WORD` there, and checks that it takes no longer than allowed.
#[track_caller]
fn behave(sandbox: &Sandbox, args: &[&str], word: &str) -> Outcome {
    let (started, command) = (Instant::now(), format!(": behave:{word}"));
    let run = sandbox.run("pssh-rs", &[args, &["--", &command]].concat(), host("odd", 80));
    assert!(started.elapsed() < Duration::from_secs(60), "{word}: {:?}", started.elapsed());
    assert_eq!(run.records().len(), 1, "{word}: {}", run.stderr);
    run
}

#[track_caller]
fn ended(run: Outcome, status: &str, exit_code: Value, code: i32) -> Value {
    let run = run.exits(code);
    let record = run.records()[0].clone();
    let found = (&record["status"], &record["phase"], &record["exit_code"], &record["attempts"]);
    assert_eq!(found, (&json!(status), &json!("exec"), &exit_code, &json!(1)), "{record}");
    record
}

#[test]
fn command_without_an_exit_status_is_lost() {
    let (sandbox, _sshd, _server) = misbehaving();
    for word in ["close", "eof", "abort", "disconnect"] {
        let record = ended(behave(&sandbox, &[], word), "lost", Value::Null, 3);
        assert_eq!(record["stdout"], "begun\n", "{word}");
        assert_eq!(record["signal"], Value::Null);
        assert_ne!(error(&record), "");
    }
}

/// Runs `behave:at-once:PACKETS` on many hosts, and returns their records.
#[track_caller]
fn at_once(sandbox: &Sandbox, packets: &str) -> Vec<Value> {
    let hosts: String = (0..24).map(|number| host(&format!("odd{number}"), 80)).collect();
    let run = sandbox.run("pssh-rs", &["--", &format!(": behave:at-once:{packets}")], hosts);
    let records = run.records();
    assert_eq!(records.len(), 24, "{packets}: {}", run.stderr);
    for record in &records {
        assert_eq!((&record["phase"], &record["attempts"]), (&json!("exec"), &json!(1)), "{packets}: {record}");
    }
    records
}

#[test]
fn output_is_complete_whatever_arrives_with_it() {
    let (sandbox, _sshd, _server) = misbehaving();
    for packets in ["oed", "oegid", "ofed", "ebobd", "oefd", "oefcd"] {
        let big = "x".repeat(20_000);
        let stdout = if packets.contains('b') { format!("{big}out\n{big}") } else { "out\n".to_string() };
        for record in at_once(&sandbox, packets) {
            assert_eq!(
                (&record["status"], &record["exit_code"]),
                (&json!("lost"), &Value::Null),
                "{packets}: {record}"
            );
            assert_eq!((&record["stdout"], &record["stderr"]), (&json!(stdout), &json!("err\n")), "{packets}");
        }
    }
}

#[test]
fn exit_status_counts_whatever_arrives_with_it() {
    let (sandbox, _sshd, _server) = misbehaving();
    for (packets, complete) in
        [("oesd", false), ("soed", false), ("oesgid", false), ("oesfd", true), ("osefcd", true), ("oesfigcgid", true)]
    {
        for record in at_once(&sandbox, packets) {
            assert_eq!((&record["status"], &record["exit_code"]), (&json!("ok"), &json!(0)), "{packets}: {record}");
            assert_eq!((&record["stdout"], &record["stderr"]), (&json!("out\n"), &json!("err\n")), "{packets}");
            // Without the end of its output, the output may be incomplete.
            assert_eq!(record["error"].is_null(), complete, "{packets}: {record}");
        }
    }
}

#[test]
fn text_of_a_server_is_escaped_on_a_terminal() {
    let (sandbox, _sshd, _server) = misbehaving();
    for word in ["disconnect", "signal:TERM", "signal:\u{1b}[2Jx"] {
        let command = format!("pssh-rs -w odd@127.0.0.80 -o table -- ': behave:{word}'");
        let run = sandbox.sh(&format!("{command} 2>&1; {command} -o json; true"));
        assert!(!run.stdout.contains('\u{1b}'), "{word}: {:?}", run.stdout);
    }
}

#[test]
fn exit_status_has_32_bits() {
    let (sandbox, _sshd, _server) = misbehaving();
    for status in [0, 1, 255, 256, 65536, u32::MAX] {
        let (name, code) = if status == 0 { ("ok", 0) } else { ("failed", 1) };
        let record = ended(behave(&sandbox, &[], &format!("exit:{status}")), name, json!(status), code);
        assert_eq!(record["stdout"], "done\n");
    }
    ended(behave(&sandbox, &[], "late-status:7"), "failed", json!(7), 1);
    ended(behave(&sandbox, &[], "odd-request"), "ok", json!(0), 0);
}

#[test]
fn signal_has_its_name_and_no_exit_status() {
    let (sandbox, _sshd, _server) = misbehaving();
    for name in ["TERM", "SEGV", "x@cerveza"] {
        let record = ended(behave(&sandbox, &[], &format!("signal:{name}")), "signaled", Value::Null, 1);
        assert_eq!(record["signal"], name);
    }
}

#[test]
fn refused_command_or_session_did_not_run_and_is_not_retried() {
    let (sandbox, _sshd, server) = misbehaving();
    ended(behave(&sandbox, &[], "refuse"), "failed", Value::Null, 1);
    assert_eq!(server.events().iter().filter(|event| *event == "exec refuse").count(), 1);
    let run = sandbox.run("pssh-rs", &["true"], host("refuse-session@x", 80));
    ended(run, "failed", Value::Null, 1);
}

#[test]
fn unanswered_request_may_have_run_and_is_not_repeated() {
    let (sandbox, _sshd, server) = misbehaving();
    // The wait for the answer is limited even without -t.
    for (word, status) in [("mute", "timeout"), ("drop-exec", "lost")] {
        ended(behave(&sandbox, &[], word), status, Value::Null, 3);
        let asked = format!("exec {word}");
        assert_eq!(server.events().iter().filter(|event| **event == asked).count(), 1);
    }
    let run = sandbox.run("pssh-rs", &["true"], host("stall-session@x", 80)).exits(3);
    assert_eq!((&run.records()[0]["status"], &run.records()[0]["exit_code"]), (&json!("timeout"), &Value::Null));
}

#[test]
fn no_server_behaviour_outlasts_the_timeout() {
    let (sandbox, _sshd, _server) = misbehaving();
    for word in ["sit", "stall", "flood", "drip", "eof-hang"] {
        let started = Instant::now();
        let record = ended(behave(&sandbox, &["-t", "3"], word), "timeout", Value::Null, 3);
        assert!(started.elapsed() < Duration::from_secs(60), "{word}: {:?}", started.elapsed());
        assert_ne!(record["stdout"], "", "{word}");
        assert!(error(&record).ends_with("could not be ended: it may still be running"), "{word}: {record}");
    }
    // Its exit status is kept, but streams that never end are still a timeout.
    ended(behave(&sandbox, &["-t", "3"], "status-open:3"), "timeout", json!(3), 3);
}

#[test]
fn timeout_sends_signals_if_no_script_can_run() {
    let (sandbox, _sshd, server) = misbehaving();
    let record = ended(behave(&sandbox, &["-t", "3"], "sit"), "timeout", Value::Null, 3);
    assert!(error(&record).ends_with("the command could not be ended: it may still be running"), "{record}");
    wait_until("the signals", || server.events().contains(&"signal KILL".to_string()));
    let signals: Vec<String> = server.events().into_iter().filter(|event| event.starts_with("signal ")).collect();
    assert_eq!(signals, ["signal TERM", "signal KILL"]);
    // A command that obeys TERM needs no KILL. It is a timeout, however it ended.
    let before = server.events().len();
    let record = ended(behave(&sandbox, &["-t", "3"], "obey"), "timeout", Value::Null, 3);
    // Processes that it started may still be running.
    assert!(error(&record).contains("ended by TERM; what it had started in the background may still"), "{record}");
    let events = server.events().split_off(before);
    assert!(events.contains(&"signal TERM".to_string()) && !events.contains(&"signal KILL".to_string()), "{events:?}");
}

#[test]
fn connection_that_breaks_during_output_is_lost_with_the_output_so_far() {
    let (sandbox, sshd) = fleet();
    let relays = [
        Relay::to(sshd.at(1)).reset_after(300_000).at(sshd.at(80)),
        Relay::to(sshd.at(1)).close_after(300_000).at(sshd.at(81)),
    ];
    let command = "head -c 1000000 /dev/zero | tr '\\0' x; sleep 5";
    let run = sandbox.run("pssh-rs", &["--", command], host("reset", 80) + &host("closed", 81)).exits(3);
    let records = run.records();
    for (name, relay) in ["reset", "closed"].iter().zip(&relays) {
        let record = of(&records, name);
        assert_eq!((&record["status"], &record["exit_code"]), (&json!("lost"), &Value::Null), "{record}");
        let came = record["stdout"].as_str().unwrap();
        assert!(came.len() > 50_000 && came.bytes().all(|byte| byte == b'x'), "{name}: {}", came.len());
        assert_eq!((&record["attempts"], relay.accepted()), (&json!(1), 1));
    }
}

#[test]
fn connection_that_stalls_during_output_is_a_timeout_with_the_output_so_far() {
    let (sandbox, sshd) = fleet();
    let _relay = Relay::to(sshd.at(1)).stall_after(300_000).at(sshd.at(80));
    let started = Instant::now();
    let command = "head -c 1000000 /dev/zero | tr '\\0' x";
    let run = sandbox.run("pssh-rs", &["-t", "5", "--", command], host("stalled", 80));
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    let record = ended(run, "timeout", Value::Null, 3);
    assert!(record["stdout"].as_str().unwrap().len() > 100_000);
}
