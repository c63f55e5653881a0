//! Unreachable hosts among reachable ones.

use crate::{error, fleet, host, hosts, of};
use kit::{Sandbox, Sshd};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// On this address of the tests' sshd nothing listens.
const CLOSED: u8 = 77;
const SILENT: u8 = 78;

#[test]
fn refusing_and_silent_hosts_do_not_delay_others() {
    let (sandbox, sshd) = fleet();
    // The kernel accepts connections, and nothing answers.
    let _silent = TcpListener::bind((format!("127.0.0.{SILENT}"), sshd.port())).unwrap();
    let fleet = host("closed", CLOSED) + &host("silent", SILENT) + &hosts(5);
    let started = Instant::now();
    let run = sandbox.run("pssh-rs", &["--connect-timeout", "10", "echo", "here"], fleet).exits(3);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    let records = run.records();
    assert_eq!(records.len(), 7);
    for name in ["web1", "web2", "web3", "web4", "web5"] {
        assert_eq!(of(&records, name)["stdout"], "here\n");
    }
    let closed = of(&records, "closed");
    assert_eq!((&closed["status"], &closed["phase"]), (&"unreachable".into(), &"connect".into()));
    assert_eq!(closed["attempts"], 2);
    assert!(error(closed).ends_with("Connection refused"), "{closed}");
    let silent = of(&records, "silent");
    assert_eq!((&silent["status"], &silent["phase"]), (&"unreachable".into(), &"handshake".into()));
    assert_eq!(silent["attempts"], 1);
    // Each record came as soon as its host was done: the silent host delayed nothing.
    assert_ne!(records[0]["host"], "silent");
    assert_eq!(run.stderr, "pssh-rs: 5 ok; 2 unreachable: closed,silent\n");
}

#[test]
fn server_that_sheds_load_is_retried() {
    let (sandbox, sshd) = fleet();
    let listener = TcpListener::bind((format!("127.0.0.{SILENT}"), sshd.port())).unwrap();
    let real = (format!("127.0.0.{}", 1), sshd.port());
    // Closes the first connection and forwards the second.
    let server = std::thread::spawn(move || {
        drop(listener.accept().unwrap());
        let (client, _) = listener.accept().unwrap();
        let upstream = std::net::TcpStream::connect(real).unwrap();
        let (mut from, mut to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let _ = std::io::copy(&mut &upstream, &mut &client);
        let _ = client.shutdown(std::net::Shutdown::Both);
    });
    let run = sandbox.run("pssh-rs", &["echo", "here"], host("busy", SILENT)).exits(0);
    assert_eq!(run.records()[0]["attempts"], 2);
    server.join().unwrap();
}

#[test]
fn slow_or_endless_banner_ends_at_the_deadline() {
    let (sandbox, sshd) = fleet();
    let serve = |last: u8, text: &'static [u8], pause: Duration| {
        let listener = TcpListener::bind((format!("127.0.0.{last}"), sshd.port())).unwrap();
        std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            while client.write_all(text).is_ok() {
                std::thread::sleep(pause);
            }
        });
    };
    serve(80, b"x", Duration::from_millis(100));
    serve(81, b"no banner, but lines and lines\r\n", Duration::ZERO);
    let started = Instant::now();
    let run = sandbox
        .run("pssh-rs", &["--connect-timeout", "10", "true"], host("trickle", 80) + &host("babble", 81) + &hosts(1))
        .exits(3);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    let records = run.records();
    assert_eq!(of(&records, "web1")["status"], "ok");
    assert_eq!(of(&records, "trickle")["status"], "unreachable");
    assert_eq!(of(&records, "babble")["status"], "unreachable");
}

#[test]
fn missing_address_or_field_is_reported() {
    let (sandbox, _sshd) = fleet();
    let run = sandbox.run("pssh-rs", &["-w", "no-such-host.invalid", "true"], "").exits(3);
    let record = &run.records()[0];
    assert_eq!((&record["status"], &record["phase"]), (&"unreachable".into(), &"resolve".into()));
    let advice = "if no-such-host.invalid is an EC2 instance, ec2-ls has its address: ";
    assert_eq!(run.stderr.matches(advice).count(), 1, "{}", run.stderr);
    sandbox.file("hosts.invalid", "web1\n");
    let run = sandbox.run("pssh-rs", &["-w", "hosts.invalid", "true"], "").exits(3);
    assert!(run.stderr.contains("what is in a file is ^hosts.invalid\n"), "{}", run.stderr);
    assert!(!run.stderr.contains("EC2 instance"), "{}", run.stderr);
    let fleet = hosts(1) + "{\"host\":\"x\",\"public_ip\":\"127.0.0.2\"}\n";
    let run = sandbox.run("pssh-rs", &["--address", "public_ip", "true"], fleet).exits(3);
    let records = run.records();
    assert_eq!(of(&records, "x")["status"], "ok");
    assert_eq!(error(of(&records, "web1")), "the record has no address in \"public_ip\"");
    assert_eq!(of(&records, "web1")["phase"], "resolve");
    let fleet = "{\"host\":\"x\",\"tags\":{\"at\":\"127.0.0.2\"}}\n";
    let run = sandbox.run("pssh-rs", &["--address", "tags.at", "true"], fleet).exits(0);
    assert_eq!(run.records()[0]["status"], "ok");
}

#[test]
fn refused_key_is_auth_and_is_not_retried() {
    let (mut sandbox, _sshd) = fleet();
    let other = Sshd::start();
    sandbox.env("PSSH_RS_IDENTITY", other.identity().display().to_string());
    let ran = sandbox.dir().join("ran");
    let run = sandbox.run("pssh-rs", &[&format!("touch {}", ran.display())], hosts(2)).exits(3);
    assert!(!ran.exists());
    for record in run.records() {
        assert_eq!((&record["status"], &record["phase"]), (&"auth".into(), &"auth".into()));
        assert_eq!(record["attempts"], 1);
        assert!(error(&record).starts_with("the server refused user"), "{record}");
        assert!(error(&record).contains(&other.identity().display().to_string()), "{record}");
    }
}

#[test]
fn user_can_be_written_before_the_name() {
    let (mut sandbox, sshd) = fleet();
    sandbox.env("PSSH_RS_USER", "nobody-of-this-name");
    let name = format!("{}@web1", sshd.user());
    let run = sandbox.run("pssh-rs", &["id -un"], host(&name, 1) + &host("web2", 2)).exits(3);
    let records = run.records();
    assert_eq!(of(&records, &name)["stdout"], format!("{}\n", sshd.user()));
    assert_eq!(of(&records, "web2")["status"], "auth");
}

#[test]
fn keys_of_the_agent_are_tried_and_a_dead_agent_is_ignored() {
    let (mut sandbox, sshd) = fleet();
    let socket = sandbox.dir().join("agent");
    let mut agent = Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    while !socket.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    sandbox.env("SSH_AUTH_SOCK", socket.display().to_string());
    // The right key comes second.
    let other = Sshd::start();
    for key in [other.identity(), sshd.identity()] {
        let added = sandbox.command("ssh-add").arg("-q").arg(&key).status().unwrap();
        assert!(added.success());
    }
    // An empty variable counts as unset.
    sandbox.env("PSSH_RS_IDENTITY", "");
    let run = sandbox.run("pssh-rs", &["-w", "127.0.0.[1-5]", "true"], "");
    agent.kill().unwrap();
    agent.wait().unwrap();
    let run = run.exits(0);
    assert_eq!(run.records().len(), 5);
    // The socket exists, but no agent listens on it.
    sandbox.env("PSSH_RS_IDENTITY", sshd.identity().display().to_string());
    sandbox.run("pssh-rs", &["true"], hosts(5)).exits(0);
    let run = sandbox.sh("env -u PSSH_RS_IDENTITY pssh-rs -w 127.0.0.1 true").exits(2);
    assert!(run.stderr.starts_with("pssh-rs: there is no key to log in with (no agent answers at "), "{}", run.stderr);
    sandbox.env("PSSH_RS_IDENTITY", other.identity().display().to_string());
    let run = sandbox.run("pssh-rs", &["true"], hosts(5)).exits(3);
    for record in run.records() {
        assert_eq!(record["status"], "auth");
        assert!(error(&record).contains("no agent answers at "), "{record}");
    }
}

#[test]
fn hanging_agent_costs_its_time_limit_once() {
    let (mut sandbox, _sshd) = fleet();
    let socket = sandbox.dir().join("agent");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for client in listener.incoming() {
            held.push(client);
        }
    });
    sandbox.env("SSH_AUTH_SOCK", socket.display().to_string());
    let started = Instant::now();
    let run = sandbox.run("pssh-rs", &["-f", "1", "true"], hosts(5)).exits(0);
    assert!(started.elapsed() < Duration::from_secs(45), "{:?}", started.elapsed());
    assert_eq!(run.stderr, "pssh-rs: 5 ok\n");
}

#[test]
fn low_limit_of_open_files_lowers_the_fanout() {
    let (sandbox, _sshd) = fleet();
    let run = sandbox.sh("ulimit -Sn 40; pssh-rs -w '127.0.0.[1-9]' true").exits(0);
    assert_eq!(run.stderr, "pssh-rs: 9 ok\n");
    let run = sandbox.sh("ulimit -n 40; pssh-rs -w '127.0.0.[1-9]' true").exits(0);
    assert!(run.stderr.starts_with("pssh-rs: only 2 hosts at a time: no more than 40 files may be open"), "{run:?}");
    assert!(run.stderr.ends_with("pssh-rs: 9 ok\n"), "{run:?}");
}

#[test]
fn slow_reader_makes_no_host_unreachable() {
    let (sandbox, _sshd) = fleet();
    // More output than a pipe holds, and a reader that sleeps longer than any phase may take.
    let line = "pssh-rs -f 4 --connect-timeout 10 -w '127.0.0.[1-12]' -- 'head -c 100000 /dev/zero | tr \\\\0 x' | (sleep 15; cat)";
    let run = sandbox.sh(line).exits(0);
    assert_eq!(run.records().len(), 12);
    assert_eq!(run.stderr, "pssh-rs: 12 ok\n");
}

#[test]
fn fanout_does_not_limit_the_number_of_hosts() {
    let mut sandbox = Sandbox::new();
    let sshd = Sshd::everywhere();
    sshd.open_to(&mut sandbox);
    let run = sandbox.run("pssh-rs", &["-w", "127.1.[1-2].[1-50]", "--", "echo", "$SSH_CONNECTION"], "").exits(0);
    let records = run.records();
    assert_eq!(records.len(), 100);
    let connection = of(&records, "127.1.2.50")["stdout"].as_str().unwrap();
    assert!(connection.contains(" 127.1.2.50 "), "{connection}");
    assert_eq!(run.stderr, "pssh-rs: 100 ok\n");
}

#[test]
fn record_is_written_as_soon_as_its_host_is_done() {
    let (sandbox, _sshd) = fleet();
    let mut command = sandbox.command("pssh-rs");
    let read = sandbox.dir().join("read");
    let wait = format!("for i in $(seq 1000); do test -e {} && exit; sleep 0.1; done; exit 1", read.display());
    let remote = format!("case $SSH_CONNECTION in *' 127.0.0.2 '*) {wait};; esac");
    command.args(["-w", "127.0.0.[1-2]", "--", &remote]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut first = [0; 20];
    child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert!(first.starts_with(b"{\"host\":\"127.0.0.1\""));
    // The second host succeeds only if the record of the first was written before.
    sandbox.file("read", "");
    std::io::copy(child.stdout.as_mut().unwrap(), &mut std::io::sink()).unwrap();
    assert!(child.wait().unwrap().success());
}
