//! A timeout, Ctrl-C and the deadline of the run also kill the remote processes, and each host has a record.

use crate::started::Started;
use crate::{error, fleet, host, hosts, of};
use kit::hostile::wait_until;
use kit::processes::{marker, with_argument};
use kit::{Hostile, Sandbox, SshServer, Sshd};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A remote command in each form that people run. Each starts a process with the marker.
fn forms(marker: &str) -> [String; 5] {
    [
        format!("sleep {marker}"),
        format!("echo begun; sleep {marker}; echo never"),
        format!("sh -c 'sleep {marker} & wait'"),
        format!("sleep {marker} | cat"),
        format!("trap '' TERM HUP INT; sleep {marker}; sleep {marker}"),
    ]
}

/// Waits until no process has the marker: the server may need a moment.
#[track_caller]
fn all_gone(marker: &str, how: &str) {
    wait_until(&format!("the end of the remote processes of {how}"), || with_argument(marker).is_empty());
}

fn by_account() -> (Sandbox, Sshd) {
    let (mut sandbox, sshd) = (Sandbox::new(), Sshd::for_account());
    sshd.open_to(&mut sandbox);
    (sandbox, sshd)
}

fn times_out(sandbox: &Sandbox) {
    let runs: Vec<(String, String, Started)> = (0..5)
        .map(|form| {
            let marker = marker();
            let form = forms(&marker)[form].clone();
            let run = Started::new(sandbox, &["-t", "25", "--", &form], hosts(2));
            (marker, form, run)
        })
        .collect();
    for (marker, form, run) in &runs {
        wait_until(&format!("the start of {form}"), || {
            assert_eq!(run.records(), Vec::<Value>::new(), "{form} ended before it was seen");
            with_argument(marker).len() == 2
        });
    }
    for (marker, form, run) in runs {
        let ended = run.end();
        assert_eq!((ended.code, ended.records.len()), (3, 2), "{form}: {}", ended.stderr);
        for record in &ended.records {
            let found = (&record["status"], &record["phase"], &record["exit_code"]);
            assert_eq!(found, (&json!("timeout"), &json!("exec"), &Value::Null), "{record}");
        }
        all_gone(&marker, &form);
    }
}

#[test]
fn timeout_kills_processes_of_the_current_user() {
    let (sandbox, _sshd) = fleet();
    times_out(&sandbox);
}

#[test]
fn timeout_kills_processes_of_an_account() {
    let (sandbox, _sshd) = by_account();
    times_out(&sandbox);
}

/// Commands that leave processes which ignore TERM, or whose first process ends before the others.
fn stubborn(marker: &str) -> [String; 5] {
    let deaf = format!("trap '' TERM; sleep {marker}; sleep {marker}");
    [
        format!("({deaf}) >/dev/null 2>&1 & wait"),
        format!("({deaf}) & wait"),
        format!("({deaf}) & exit 7"),
        format!("setsid sh -c \"{deaf}\" & wait"),
        format!("({deaf}) & (({deaf}) & exec sleep {marker}) & sleep {marker}"),
    ]
}

/// Processes that are reported as gone must be gone, so this looks once.
fn ends_what_it_says(sandbox: &Sandbox) {
    for engine in ["libssh2", "openssh"] {
        let markers: Vec<String> = (0..5).map(|_| marker()).collect();
        for (form, marker) in markers.iter().enumerate() {
            let command = &stubborn(marker)[form];
            let args = ["--engine", engine, "-t", "3", "--", &format!("echo begun; {command}")];
            let (run, _) = Started::new(sandbox, &args, hosts(2)).end_and_peak();
            let left = with_argument(marker);
            assert_eq!((run.code, run.records.len()), (3, 2), "{engine}, {command}: {}", run.stderr);
            for record in &run.records {
                let found = (&record["status"], &record["stdout"]);
                assert_eq!(found, (&json!("timeout"), &json!("begun\n")), "{engine}, {command}: {record}");
                assert!(error(record).ends_with("ended by KILL"), "{engine}, {command}: {record}");
                let had_ended = error(record).contains(" ended with status 7, and left") || engine == "openssh";
                assert!(had_ended || form != 2, "{record}");
            }
            assert_eq!(left, Vec::<u32>::new(), "{engine}, {command}: {:?}", run.records);
        }
    }
}

#[test]
fn processes_of_the_current_user_are_gone_when_reported_gone() {
    let (sandbox, _sshd) = fleet();
    ends_what_it_says(&sandbox);
}

#[test]
fn processes_of_an_account_are_gone_when_reported_gone() {
    let (sandbox, _sshd) = by_account();
    ends_what_it_says(&sandbox);
}

#[test]
fn nothing_is_reported_gone_if_no_second_command_can_run() {
    let (mut sandbox, sshd) = (Sandbox::new(), Sshd::with(&["127.0.0.1".to_string()], "MaxSessions 1"));
    sshd.open_to(&mut sandbox);
    for engine in ["libssh2", "openssh"] {
        for command in [
            "(trap '' TERM; sleep MARK; sleep MARK) >/dev/null 2>&1 & wait",
            "exec >/dev/null 2>&1 </dev/null; trap '' TERM; sleep MARK; sleep MARK",
        ] {
            let marker = marker();
            let command = command.replace("MARK", &marker);
            let run = sandbox.run("pssh-rs", &["--engine", engine, "-t", "2", "--", &command], hosts(1)).exits(3);
            let records = run.records();
            let error = error(&records[0]);
            assert!(error.ends_with("may still be running"), "{engine}: {error}");
            let is_said_to_be_gone = error.contains("the command was ended");
            assert!(
                !is_said_to_be_gone || with_argument(&marker).is_empty() || command.contains('&'),
                "{engine}: {error}"
            );
        }
    }
}

#[test]
fn detached_processes_are_left_alone_and_reported() {
    let (sandbox, _sshd) = fleet();
    for engine in ["libssh2", "openssh"] {
        let marker = marker();
        // A leader of its own session, without a parent.
        let command = format!("echo begun; setsid sleep {marker} & sleep 0.5");
        let args = ["--engine", engine, "-t", "2", "--", &command];
        let run = sandbox.run("pssh-rs", &args, hosts(1)).exits(3);
        assert_eq!(with_argument(&marker).len(), 1, "{engine}: {}", run.stdout);
        assert!(error(&run.records()[0]).ends_with("may still be running"), "{engine}: {}", run.stdout);
        // A detached process that holds no output open is left alone too.
        let marker = kit::processes::marker();
        let command = format!("(setsid sleep {marker} >/dev/null 2>&1 &); sleep {marker}");
        sandbox.run("pssh-rs", &["--engine", engine, "-t", "2", "--", &command], hosts(1)).exits(3);
        assert_eq!(with_argument(&marker).len(), 1, "{engine}");
    }
}

#[test]
fn processes_of_an_earlier_step_survive_a_later_one() {
    let (sandbox, _sshd) = fleet();
    let (early, late) = (marker(), marker());
    sandbox.file("first", format!("#!/bin/sh\nsleep {early} >/dev/null 2>&1 &\nsleep 4\n"));
    sandbox.file("second", format!("#!/bin/sh\ntrap '' TERM\necho begun\nsleep {late} & sleep {late}; sleep {late}\n"));
    let record = r#"{"host":"web1","private_ip":"127.0.0.1","steps":["first","second"]}"#;
    let run = sandbox.run("pssh-rs", &["-t", "8", "--run", "steps"], record).exits(3);
    assert!(error(&run.records()[0]).contains("ended by KILL"), "{}", run.stdout);
    assert_eq!((with_argument(&early).len(), with_argument(&late).len()), (1, 0), "{}", run.stdout);
}

fn keeps_output(sandbox: &Sandbox) {
    let marker = marker();
    let deaf = format!("trap '' TERM INT HUP\necho begun\nsleep {marker} & sleep {marker}; sleep {marker}\n");
    sandbox.file("deaf.sh", format!("#!/bin/sh\n{deaf}"));
    let fleet: String = (0..12).map(|number| host(&format!("web{number}"), number + 1)).collect();
    let (run, _) = Started::new(sandbox, &["-t", "4", "--script", "deaf.sh"], &fleet).end_and_peak();
    assert_eq!((run.code, run.records.len()), (3, 12), "{}", run.stderr);
    for record in &run.records {
        assert_eq!((&record["status"], &record["stdout"]), (&json!("timeout"), &json!("begun\n")), "{record}");
        assert!(error(record).ends_with("the command was ended by KILL"), "{record}");
    }
    assert_eq!(with_argument(&marker), Vec::<u32>::new());
}

#[test]
fn output_of_a_script_that_ignores_term_is_kept() {
    let (sandbox, _sshd) = fleet();
    keeps_output(&sandbox);
    let (sandbox, _sshd) = by_account();
    keeps_output(&sandbox);
}

#[test]
fn timeout_kills_no_other_processes_of_the_host() {
    let (sandbox, _sshd) = fleet();
    let (ours, other) = (marker(), marker());
    let mut bystander = Started::new(&sandbox, &["--", &format!("sleep {other}")], hosts(1));
    wait_until("the other's process", || !with_argument(&other).is_empty());
    sandbox.run("pssh-rs", &["-t", "3", "--", &format!("sleep {ours}")], hosts(1)).exits(3);
    all_gone(&ours, "the timeout");
    assert!(bystander.is_running() && !with_argument(&other).is_empty());
}

#[test]
fn command_can_clean_up_after_its_timeout() {
    let (sandbox, _sshd) = fleet();
    let cleaned = sandbox.dir().join("cleaned");
    let command = format!("trap 'touch {}; exit 1' TERM; while :; do sleep 0.1; done", cleaned.display());
    sandbox.run("pssh-rs", &["-t", "5", "--", &command], hosts(1)).exits(3);
    wait_until("the clean-up", || cleaned.exists());
}

fn interrupted(sandbox: &Sandbox) {
    let marker = marker();
    for form in forms(&marker) {
        let run = Started::new(sandbox, &["-f", "2", "--", &form], hosts(4));
        wait_until("two commands", || with_argument(&marker).len() == 2);
        let at = Instant::now();
        run.signal("INT");
        let ended = run.end();
        assert!(at.elapsed() < Duration::from_secs(60), "{:?}", at.elapsed());
        assert_eq!((ended.code, ended.records.len()), (130, 4), "{}", ended.stderr);
        assert!(ended.records.iter().all(|record| record["status"] == "cancelled"), "{:?}", ended.records);
        for (phase, attempts) in [(json!("exec"), 1), (Value::Null, 0)] {
            let like = |record: &&Value| record["phase"] == phase && record["attempts"] == attempts;
            assert_eq!(ended.records.iter().filter(like).count(), 2, "{:?}", ended.records);
        }
        all_gone(&marker, &form);
    }
}

#[test]
fn ctrl_c_kills_processes_of_the_current_user() {
    let (sandbox, _sshd) = fleet();
    interrupted(&sandbox);
}

#[test]
fn ctrl_c_kills_processes_of_an_account() {
    let (sandbox, _sshd) = by_account();
    interrupted(&sandbox);
}

#[test]
fn second_ctrl_c_stops_at_once_with_a_record_for_each_host() {
    let (sandbox, sshd) = fleet();
    let server = SshServer::start(&sshd, sshd.at(80));
    let (_hole, _silent) = (Hostile::black_hole(sshd.at(81)), Hostile::silent(sshd.at(82)));
    // The server ignores all signals, so killing its command takes the whole time limit.
    let odd = host("odd", 80) + &host("hole", 81) + &host("silent", 82) + &host("stall-auth@x", 80);
    let args = ["-f", "8", "--connect-timeout", "60", "--auth-timeout", "60", "--", ": behave:sit"];
    let run = Started::new(&sandbox, &args, odd);
    wait_until("the command and the login", || {
        let events = server.events();
        ["exec sit", "login stall-auth"].iter().all(|wanted| events.iter().any(|event| event == wanted))
    });
    run.signal("INT");
    std::thread::sleep(Duration::from_millis(300));
    let at = Instant::now();
    run.signal("INT");
    let ended = run.end();
    assert!(at.elapsed() < Duration::from_secs(3), "{:?}", at.elapsed());
    assert_eq!((ended.code, ended.records.len()), (130, 4), "{}", ended.stderr);
    for (name, phase) in [("odd", "exec"), ("hole", "connect"), ("silent", "handshake"), ("stall-auth@x", "auth")] {
        let record = of(&ended.records, name);
        assert_eq!((&record["status"], &record["phase"]), (&json!("cancelled"), &json!(phase)), "{record}");
    }
    // Output received so far is kept.
    assert_eq!(of(&ended.records, "odd")["stdout"], "begun\n");
}

#[test]
fn deadline_of_the_run_ends_everything_with_a_record_for_each_host() {
    let (sandbox, sshd) = fleet();
    let _hole = Hostile::black_hole(sshd.at(80));
    let marker = marker();
    let args = ["--deadline", "15", "-f", "2", "--connect-timeout", "60", "--"];
    // web3 and web4 wait for a slot and never get one.
    let started = Instant::now();
    let fleet = hosts(4) + &host("hole", 80);
    let run = sandbox.run("pssh-rs", &[&args[..], &[&format!("echo begun; sleep {marker}")]].concat(), fleet).exits(3);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    let records = run.records();
    assert_eq!(records.len(), 5);
    for name in ["web1", "web2"] {
        let record = of(&records, name);
        let found = (&record["status"], &record["phase"], &record["stdout"], &record["exit_code"]);
        assert_eq!(found, (&json!("timeout"), &json!("exec"), &json!("begun\n"), &Value::Null), "{record}");
    }
    for name in ["web3", "web4", "hole"] {
        let record = of(&records, name);
        assert_ne!(record["status"], "ok");
        assert_eq!(record["exit_code"], Value::Null, "{record}");
    }
    all_gone(&marker, "the deadline");
}

#[test]
fn unreached_deadline_changes_nothing() {
    let (sandbox, _sshd) = fleet();
    let run = sandbox.run("pssh-rs", &["--deadline", "60", "true"], hosts(3)).exits(0);
    assert_eq!(run.stderr, "pssh-rs: 3 ok\n");
}
