//! `--stdin -` and other pipes: read once, and sent to every host from the start.

use crate::{fleet, hosts, of};
use kit::hostile::wait_until;
use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;

const ENGINES: [&str; 2] = ["libssh2", "openssh"];
const THREE: [&str; 2] = ["-w", "127.0.0.[1-3]"];

#[test]
fn every_host_reads_piped_stdin_from_the_start() {
    let (sandbox, _sshd) = fleet();
    sandbox.file("in", "some\0bytes\n".repeat(300_000));
    let sum = sandbox.sh("sha256sum < in").exits(0).stdout;
    for engine in ENGINES {
        let command = format!("pssh-rs --engine {engine} -t 60 -w '127.0.0.[1-3]'");
        for line in [
            format!("cat in | {command} --stdin - -- sha256sum"),
            format!("cat in | {command} --stdin /dev/stdin -- sha256sum"),
            format!("{command} --stdin <(cat in) -- sha256sum"),
            format!("{command} --stdin - -- sha256sum < in"),
            format!("mkfifo pipe; (sleep 1; cat in > pipe) & {command} --stdin pipe -- sha256sum; rm pipe"),
        ] {
            let ran = sandbox.sh(&line).exits(0);
            let records = ran.records();
            assert_eq!(records.len(), 3, "{line}");
            assert!(records.iter().all(|record| record["stdout"] == sum), "{line}: {}", ran.stdout);
        }
    }
}

#[test]
fn piped_archive_reaches_all_hosts() {
    let (sandbox, _sshd) = fleet();
    sandbox.file("tree/a/b", "deep");
    sandbox.file("tree/c", "flat");
    let dir = sandbox.dir().display();
    // All hosts are one machine: each unpacks into a folder of its own.
    let unpack = format!("mkdir -p {dir}/$SSH_CONNECTION && tar x -C {dir}/$SSH_CONNECTION");
    let unpack = unpack.replace("$SSH_CONNECTION", "${SSH_CONNECTION##* }-$$");
    sandbox.sh(&format!("tar c -C tree . | pssh-rs -w '127.0.0.[1-3]' --stdin - -- '{unpack}'")).exits(0);
    let unpacked: Vec<_> = fs::read_dir(sandbox.dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("c").exists() && !path.ends_with("tree"))
        .collect();
    assert_eq!(unpacked.len(), 3);
    for path in unpacked {
        assert_eq!(fs::read_to_string(path.join("a/b")).unwrap(), "deep");
    }
}

#[test]
fn consumed_stdin_is_not_sent_again() {
    let (sandbox, _sshd) = fleet();
    sandbox.file("in", "first\nrest\n");
    for engine in ENGINES {
        let line = format!("{{ read -r line; pssh-rs --engine {engine} -w 127.0.0.1 --stdin - -- cat; }} < in");
        assert_eq!(sandbox.sh(&line).exits(0).records()[0]["stdout"], "rest\n", "{engine}");
    }
}

#[test]
fn hosts_and_input_do_not_share_standard_input() {
    let (sandbox, _sshd) = fleet();
    for args in [&["--stdin", "-"][..], &["--stdin", "/dev/stdin"], &["-w", "-", "--stdin", "-"]] {
        let ran = sandbox.run("pssh-rs", &[args, &["--", "cat"]].concat(), hosts(1)).exits(2);
        let wanted = "pssh-rs: standard input cannot be both the hosts and the input of --stdin\n\
                      pssh-rs: name the hosts with -w, as in -w 'web[1-3]' or -w ^FILE\n";
        assert_eq!((ran.stderr.as_str(), ran.stdout.as_str()), (wanted, ""));
    }
    // A pipe in addition to hosts on standard input is allowed.
    sandbox.file("hosts", hosts(2));
    let ran = sandbox.sh("pssh-rs --stdin <(echo in) -- cat < hosts").exits(0).records();
    assert_eq!((&of(&ran, "web1")["stdout"], &of(&ran, "web2")["stdout"]), (&"in\n".into(), &"in\n".into()));
}

#[test]
fn endless_pipe_is_refused_and_leaves_nothing_behind() {
    let (mut sandbox, _sshd) = fleet();
    fs::create_dir(sandbox.dir().join("tmp")).unwrap();
    let tmp = sandbox.dir().join("tmp").display().to_string();
    sandbox.env("TMPDIR", &tmp);
    let ran = sandbox.sh("pssh-rs -w 127.0.0.1 --stdin /dev/zero -- cat").exits(2);
    assert_eq!(
        ran.stderr,
        "pssh-rs: cannot read /dev/zero: more than 1 GiB came, which is the most that is kept\n\
         pssh-rs: save it to a file, and give that to --stdin\n"
    );
    assert_eq!((ran.stdout.as_str(), fs::read_dir(&tmp).unwrap().count()), ("", 0));
    sandbox.env("TMPDIR", "/no/such/folder");
    let ran = sandbox.sh("echo in | pssh-rs -w 127.0.0.1 --stdin - -- cat").exits(2);
    assert!(ran.stderr.starts_with("pssh-rs: cannot keep the input of --stdin in /no/such/folder: "), "{}", ran.stderr);
    assert_eq!(
        sandbox.sh("pssh-rs -w 127.0.0.1 --stdin /tmp -- cat").exits(2).stderr,
        "pssh-rs: cannot read /tmp: it is a folder\n"
    );
}

#[test]
fn ctrl_c_while_reading_a_pipe_reports_each_host() {
    let (sandbox, _sshd) = fleet();
    let mut command = sandbox.command("pssh-rs");
    command.args(THREE).args(["--stdin", "-", "--", "cat"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"the beginning").unwrap();
    // By now it handles signals.
    let status = format!("/proc/{}/status", child.id());
    wait_until("a handler of SIGINT", || {
        let status = fs::read_to_string(&status).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim();
        u64::from_str_radix(caught, 16).unwrap() & 2 != 0
    });
    sandbox.sh(&format!("kill -INT {}", child.id())).exits(0);
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert!(!child.wait().unwrap().success());
    let records = kit::records(&stdout);
    assert_eq!(records.len(), 3, "{stdout}");
    assert!(records.iter().all(|record| record["status"] == "cancelled"), "{stdout}");
    drop(input);
}
