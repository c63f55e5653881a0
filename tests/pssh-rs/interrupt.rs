//! Ctrl-C: every host still has one record, and further Ctrl-Cs end the run sooner.

use crate::started::Started;
use crate::{error, fleet, host, hosts, of};
use kit::{Sandbox, records};
use serde_json::Value;
use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn start(sandbox: &Sandbox, fleet: String, args: &[&str]) -> Child {
    let fleet = sandbox.file("fleet.jsonl", fleet);
    let mut command = sandbox.command("pssh-rs");
    command.args(args).stdin(File::open(fleet).expect("the fleet")).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("pssh-rs runs")
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs").success());
}

/// Waits until the condition holds, with a time limit.
fn wait_until(mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(120), "it hangs");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The exit code as in a shell, records and stderr.
fn end(child: Child) -> (Option<i32>, Vec<Value>, String) {
    let output = child.wait_with_output().expect("its output");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    let code = output.status.code().or(output.status.signal().map(|signal| 128 + signal));
    (code, records(&text(output.stdout)), text(output.stderr))
}

#[test]
fn interrupt_reports_every_host_as_cancelled() {
    let (sandbox, _sshd) = fleet();
    let marker = |last: u8| sandbox.dir().join(format!("127.0.0.{last}"));
    let touch = format!("touch {}/$(echo $SSH_CONNECTION | cut -d' ' -f3)", sandbox.dir().display());
    let child = start(&sandbox, hosts(4), &["-f", "2", "--", &format!("echo begun; {touch}; sleep 600")]);
    wait_until(|| marker(1).exists() && marker(2).exists());
    // Output from before the marker may still arrive.
    std::thread::sleep(Duration::from_secs(3));
    let started = Instant::now();
    interrupt(&child);
    let (code, records, stderr) = end(child);
    assert_eq!(code, Some(130), "{stderr}");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!(records.len(), 4);
    for name in ["web1", "web2"] {
        let record = of(&records, name);
        assert_eq!((&record["status"], &record["phase"]), (&"cancelled".into(), &"exec".into()));
        assert_eq!(record["stdout"], "begun\n");
        assert_eq!(record["attempts"], 1);
    }
    for name in ["web3", "web4"] {
        let record = of(&records, name);
        assert_eq!((&record["status"], &record["phase"]), (&"cancelled".into(), &Value::Null));
        assert_eq!(record["attempts"], 0);
    }
    assert_eq!(stderr, "pssh-rs: 4 cancelled: web[1-4]\n");
}

#[test]
fn endless_lines_before_the_banner_do_not_block_ctrl_c() {
    let (sandbox, sshd) = fleet();
    let listener = TcpListener::bind(("127.0.0.80", sshd.port())).unwrap();
    let (said, babbling) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        while client.write_all(&b"no banner, but lines and lines\r\n".repeat(1000)).is_ok() {
            let _ = said.send(());
        }
    });
    let child = start(&sandbox, host("babble", 80) + &hosts(3), &["-f", "1", "--connect-timeout", "60", "true"]);
    for _ in 0..100 {
        babbling.recv_timeout(Duration::from_secs(30)).unwrap();
    }
    let started = Instant::now();
    interrupt(&child);
    let (code, records, stderr) = end(child);
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert_eq!(code, Some(130), "{stderr}");
    assert_eq!(records.len(), 4);
    assert!(records.iter().all(|record| record["status"] == "cancelled"), "{records:?}");
    assert_eq!(of(&records, "babble")["phase"], "handshake");
}

#[test]
fn third_ctrl_c_ends_the_run_even_if_nothing_reads() {
    let (sandbox, _sshd) = fleet();
    let touch = format!("touch {}/ran; head -c 300000 /dev/zero | tr '\\0' x", sandbox.dir().display());
    let mut child = start(&sandbox, hosts(3), &["--", &touch]);
    wait_until(|| sandbox.dir().join("ran").exists());
    // Three Ctrl-Cs end the run; two that arrive together count as one.
    let mut status = None;
    wait_until(|| {
        std::thread::sleep(Duration::from_millis(200));
        status = child.try_wait().unwrap();
        if status.is_none() {
            interrupt(&child);
        }
        status.is_some()
    });
    assert_eq!(status.unwrap().signal(), Some(2), "{status:?}");
}

#[test]
fn signal_reports_every_host_and_kills_the_run() {
    let (sandbox, _sshd) = fleet();
    for (signal, number) in [("HUP", 1), ("TERM", 15), ("INT", 2)] {
        let begun = sandbox.dir().join(signal);
        let run = Started::new(&sandbox, &["-f", "1", "--", &format!("touch {}; sleep 60", begun.display())], hosts(3));
        wait_until(|| begun.exists());
        run.signal(signal);
        if signal == "HUP" {
            // The shell and the kernel each send a SIGHUP; the command is still killed.
            std::thread::sleep(Duration::from_millis(100));
            run.signal(signal);
        }
        let ended = run.end();
        assert_eq!(ended.code, 128 + number, "{signal}: {}", ended.stderr);
        assert_eq!(ended.records.len(), 3, "{signal}: {}", ended.stderr);
        let statuses = ended.records.iter().filter(|record| record["status"] == "cancelled");
        assert_eq!(statuses.count(), 3, "{signal}: {:?}", ended.records);
        let ran = ended.records.iter().find(|record| record["attempts"] == 1).expect("the host that ran");
        assert!(error(ran).contains("the command was ended by "), "{signal}: {ran}");
    }
}

#[test]
fn a_job_in_the_background_of_a_script_ignores_sigint_and_under_nohup_sighup() {
    let (sandbox, _sshd) = fleet();
    sandbox.file("fleet.jsonl", hosts(1));
    let begun = sandbox.dir().join("begun");
    let line = format!(
        "trap '' HUP; pssh-rs -- 'touch {0}; sleep 2; echo done' < fleet.jsonl & pid=$!; \
         until [ -e {0} ]; do sleep 0.1; done; kill -HUP $pid; kill -INT $pid; wait $pid",
        begun.display()
    );
    assert_eq!(sandbox.sh(&line).exits(0).records()[0]["stdout"], "done\n");
}

#[test]
fn interrupt_before_the_start_reports_every_host() {
    let (sandbox, _sshd) = fleet();
    // ssh -G makes this file and then takes 5 seconds.
    let asked = sandbox.dir().join("asked");
    sandbox.file("config", format!("Match exec \"touch {}; sleep 5\"\n User x\n", asked.display()));
    let run = Started::new(&sandbox, &["-F", "config", "true"], hosts(3));
    wait_until(|| asked.exists());
    run.signal("TERM");
    let ended = run.end();
    assert_eq!(ended.code, 128 + 15, "{}", ended.stderr);
    assert_eq!(ended.stderr, "pssh-rs: 3 cancelled: web[1-3]\n");
    assert!(ended.records.iter().all(|record| record["attempts"] == 0), "{:?}", ended.records);
    // At the passphrase prompt, Ctrl-C arrives as a byte.
    sandbox.sh("ssh-keygen -q -t ed25519 -N secret -f locked").exits(0);
    sandbox.file("fleet.jsonl", hosts(3));
    let line = "(sleep 5; printf '\\003') | script -qec 'pssh-rs -i locked true < fleet.jsonl > out' /dev/null; true";
    let shown = sandbox.sh(line).stdout;
    assert!(shown.contains("3 cancelled: web[1-3]"), "{shown}");
    let written = std::fs::read_to_string(sandbox.dir().join("out")).unwrap();
    assert_eq!(records(&written).len(), 3);
}
