//! `--wait`: only hosts that are still booting are retried.

use crate::{error, fleet, host, of};
use kit::hostile::wait_until;
use std::net::TcpListener;
use std::thread;

const ENGINES: [&str; 2] = ["libssh2", "openssh"];

#[test]
fn host_whose_sshd_starts_later_is_waited_for() {
    for engine in ENGINES {
        let (sandbox, mut sshd) = fleet();
        sshd.stop();
        let early = TcpListener::bind(sshd.at(1)).expect("the port of sshd");
        let args = ["--engine", engine, "--wait", "2m", "--", "echo", "up"];
        let run = thread::scope(|scope| {
            let run = scope.spawn(|| sandbox.run("pssh-rs", &args, host("web1", 1)));
            // The first attempt finds a server that closes the connection. Later ones are refused until sshd runs.
            drop(early.accept().expect("a first attempt"));
            drop(early);
            sshd.start_again();
            run.join().expect("a run")
        });
        let records = run.exits(0).records();
        let web1 = of(&records, "web1");
        assert_eq!((&web1["status"], &web1["stdout"]), (&"ok".into(), &"up\n".into()), "{engine}: {web1}");
        assert!(web1["attempts"].as_u64() > Some(1), "{engine}: {web1}");
    }
}

#[test]
fn host_that_gets_its_login_key_later_is_waited_for() {
    for engine in ENGINES {
        let (sandbox, sshd) = fleet();
        sshd.authorize(false);
        let args = ["--engine", engine, "--wait", "2m", "--", "echo", "up"];
        let run = thread::scope(|scope| {
            let run = scope.spawn(|| sandbox.run("pssh-rs", &args, host("web1", 1) + &host("web2", 2)));
            let refused = || sshd.log().matches("[preauth]").count() >= 2;
            wait_until("two refused logins", refused);
            sshd.authorize(true);
            run.join().expect("a run")
        });
        assert!(run.stderr.contains("2 ok; 2 waited for"), "{engine}: {}", run.stderr);
        let records = run.exits(0).records();
        assert_eq!(of(&records, "web1")["attempts"], 2, "{engine}: {records:?}");
    }
}

#[test]
fn host_that_never_allows_login_keeps_its_status() {
    for engine in ENGINES {
        let (sandbox, sshd) = fleet();
        sshd.authorize(false);
        // Nothing listens on 127.0.0.200.
        let input = host("closed", 1) + &host("down", 200);
        let run = sandbox.run("pssh-rs", &["--engine", engine, "--wait", "1.5", "--", "true"], input);
        assert!(run.stderr.contains("2 waited for"), "{engine}: {}", run.stderr);
        let records = run.exits(3).records();
        let (closed, down) = (of(&records, "closed"), of(&records, "down"));
        assert_eq!((&closed["status"], &closed["attempts"]), (&"auth".into(), &2.into()), "{engine}: {closed}");
        assert_eq!(down["status"], "unreachable", "{engine}: {down}");
        assert!(down["attempts"].as_u64() > Some(1), "{engine}: {down}");
        assert!(error(down).contains("onnection refused"), "{engine}: {down}");
    }
}

#[test]
fn wrong_host_keys_failed_commands_and_bad_records_are_not_waited_for() {
    for engine in ENGINES {
        let (sandbox, sshd) = fleet();
        let other = sshd.host_key("ed25519").replace("AAAAC3NzaC1lZDI1NTE5AAAAI", "AAAAC3NzaC1lZDI1NTE5AAAAIB");
        let other: String = other.chars().take(sshd.host_key("ed25519").len()).collect();
        let wrong = format!("{{\"host\":\"wrong\",\"private_ip\":\"127.0.0.1\",\"host_keys\":[\"{other}\"]}}\n");
        let bad = "{\"host\":\"bad\",\"private_ip\":\"127.0.0.2\",\"port\":0}\n";
        let input = wrong + bad + &host("web3", 3);
        let run = sandbox.run("pssh-rs", &["--engine", engine, "--wait", "2m", "--", "exit", "7"], input);
        let records = run.exits(3).records();
        let ended = |name| {
            let record = of(&records, name);
            (record["status"].as_str().unwrap_or_default().to_string(), record["attempts"].as_u64())
        };
        assert_eq!(ended("wrong"), ("hostkey".to_string(), Some(1)), "{engine}: {records:?}");
        assert_eq!(ended("bad"), ("unreachable".to_string(), Some(1)), "{engine}: {records:?}");
        assert_eq!(ended("web3"), ("failed".to_string(), Some(1)), "{engine}: {records:?}");
    }
}

#[test]
fn ctrl_c_and_the_deadline_end_the_wait() {
    let (sandbox, mut sshd) = fleet();
    sshd.stop();
    let args = ["--wait", "1h", "--deadline", "1h", "--", "true"];
    let early = TcpListener::bind(sshd.at(1)).expect("the port of sshd");
    early.set_nonblocking(true).expect("a listener that does not block");
    let run = sandbox.interrupt("pssh-rs", &args, &host("web1", 1), || early.accept().is_ok());
    let records = run.exits(130).records();
    assert!(["cancelled", "unreachable"].contains(&of(&records, "web1")["status"].as_str().unwrap_or_default()));
    drop(early);
    let run = sandbox.run("pssh-rs", &["--wait", "1h", "--deadline", "1", "--", "true"], host("web1", 1));
    assert_eq!(of(&run.exits(3).records(), "web1")["status"], "unreachable");
}
