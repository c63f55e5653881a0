//! Input, options and output: mistakes are reported before any connection.

use crate::{fleet, hosts};
use kit::{Sandbox, records};
use std::net::TcpListener;

#[test]
fn bad_line_is_refused_with_its_number_before_anything_runs() {
    let (sandbox, _sshd) = fleet();
    let touch = format!("touch {}/ran", sandbox.dir().display());
    let run = sandbox.run("pssh-rs", &[&touch], hosts(1) + "{\"name\":\"x\"}\n").exits(2);
    assert_eq!(run.stderr, "pssh-rs: stdin: line 2: the record has no \"host\"\n");
    assert_eq!(run.stdout, "");
    assert!(!sandbox.dir().join("ran").exists());
    let run = sandbox.run("pssh-rs", &["true"], "").exits(2);
    assert_eq!(run.stderr, "pssh-rs: no hosts: stdin was empty\n");
}

#[test]
fn missing_command_is_reported_before_stdin_is_read() {
    let run = Sandbox::new().run("pssh-rs", &[], "").exits(2);
    assert_eq!(
        run.stderr,
        "pssh-rs: no command is given\npssh-rs: write it last, as in: pssh-rs -w 'web[1-3]' -- uptime\n"
    );
}

#[test]
fn keys_and_files_are_checked_first() {
    let (sandbox, _sshd) = fleet();
    let run = sandbox.run("pssh-rs", &["-i", "no-such-key", "true"], hosts(1)).exits(2);
    assert_eq!(run.stderr, "pssh-rs: cannot use the key file no-such-key: No such file or directory\n");
    let run = Sandbox::new().run("pssh-rs", &["-l", "x", "-w", "127.0.0.1", "true"], "").exits(2);
    assert!(run.stderr.starts_with("pssh-rs: there is no key to log in with\n"), "{}", run.stderr);
    let encrypted =
        sandbox.sh("ssh-keygen -q -t ed25519 -N secret -f locked && pssh-rs -i locked -w 127.0.0.1 true").exits(2);
    assert!(encrypted.stderr.starts_with("pssh-rs: the key file locked is encrypted\n"), "{}", encrypted.stderr);
}

#[test]
fn impossible_time_is_refused() {
    let run = Sandbox::new().run("pssh-rs", &["-t", "1e19", "-w", "web1", "true"], "").exits(2);
    assert!(run.stderr.contains("must be at most 365 days"), "{}", run.stderr);
}

#[test]
fn login_name_is_the_user_who_runs_it_whatever_the_environment_says() {
    let (mut sandbox, sshd) = fleet();
    sandbox.env("PSSH_RS_USER", "").env("USER", "somebody").env("LOGNAME", "somebody");
    let run = sandbox.run("pssh-rs", &["--dry-run", "true"], hosts(1)).exits(0);
    assert_eq!(run.records()[0]["plan"]["user"], sshd.user());
}

#[test]
fn name_cannot_forge_an_output_line() {
    let (sandbox, _sshd) = fleet();
    let hostile = r#"{"host":"x\npssh-rs: 5 ok","private_ip":"127.0.0.77"}"#;
    let run = sandbox.run("pssh-rs", &["true"], hostile).exits(3);
    assert_eq!(run.stderr, "pssh-rs: 1 unreachable: \"x\\npssh-rs: 5 ok\"\n");
}

#[test]
fn dry_run_connects_to_nothing() {
    let (mut sandbox, _sshd) = fleet();
    let listener = TcpListener::bind("127.0.0.99:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    sandbox.env("PSSH_RS_PORT", listener.local_addr().unwrap().port().to_string()).env("PSSH_RS_USER", "deploy");
    let fleet = "{\"host\":\"web1\",\"private_ip\":\"127.0.0.99\",\"x\":1.0}\n";
    let run = sandbox.run("pssh-rs", &["--dry-run", "--", "ls", "-l"], fleet).exits(0);
    let record = &run.records()[0];
    let port = listener.local_addr().unwrap().port();
    assert_eq!(
        record["plan"],
        serde_json::json!({"address": "127.0.0.99", "user": "deploy", "port": port, "command": "ls -l"})
    );
    assert!(run.stdout.contains("\"x\":1.0"));
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn hostile_name_reaches_no_shell() {
    let (sandbox, _sshd) = fleet();
    let hostile = r#"{"host":";touch x;$(touch y)"}"#;
    let run = sandbox.run("pssh-rs", &["true"], hostile).exits(3);
    assert_eq!(run.records()[0]["status"], "unreachable");
    let hostile = r#"{"host":"-oProxyCommand=touch z","private_ip":"127.0.0.1"}"#;
    sandbox.run("pssh-rs", &["true"], hostile).exits(0);
    for name in ["x", "y", "z"] {
        assert!(!sandbox.dir().join(name).exists());
    }
}

#[test]
fn names_and_tables_are_written() {
    let (sandbox, _sshd) = fleet();
    let run = sandbox.run("pssh-rs", &["-1", "-f", "1", "--", "true"], hosts(2)).exits(0);
    assert_eq!(run.stdout, "web1\nweb2\n");
    let run = sandbox.run("pssh-rs", &["-o", "table", "--", "printf 'a\\nb\\033[2J\\n'; exit 3"], hosts(1)).exits(1);
    let lines: Vec<&str> = run.stdout.lines().collect();
    let words = |line: &str| line.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    assert_eq!(words(lines[0]), ["HOST", "STATUS", "EXIT", "MS", "OUTPUT"]);
    let row = words(lines[1]);
    assert_eq!((row[0].as_str(), row[1].as_str(), row[2].as_str()), ("web1", "failed", "3"));
    assert_eq!(row[4], "b\\u{1b}[2J");
}

#[test]
fn lines_on_a_terminal_name_their_host() {
    let (sandbox, _sshd) = fleet();
    sandbox.file("fleet.jsonl", hosts(1));
    // script(1) gives it a terminal.
    let line = "NO_COLOR=1 script -qec \"pssh-rs --no-progress -w - -- 'printf \\\"a\\tb\\\\033[2J\\\\n\\\"; exit 3'\" /dev/null < fleet.jsonl";
    let run = sandbox.sh(line);
    let shown = run.stdout.replace('\r', "");
    assert!(shown.contains("web1: a\tb\\u{1b}[2J\n"), "{shown:?}");
    assert!(shown.contains("web1= failed: the command's exit status is 3\n"), "{shown:?}");
    assert!(shown.contains("pssh-rs: 1 failed: web1; took "), "{shown:?}");
}

#[test]
fn closed_pipe_stops_no_command_and_full_disk_is_reported_at_the_end() {
    let (sandbox, _sshd) = fleet();
    sandbox.file("fleet.jsonl", hosts(5));
    let count = |sandbox: &Sandbox| std::fs::read_dir(sandbox.dir().join("ran")).unwrap().count();
    std::fs::create_dir(sandbox.dir().join("ran")).unwrap();
    let command = format!("'touch {}/ran/$$; sleep 1'", sandbox.dir().display());
    let run = sandbox.sh(&format!("pssh-rs -f 1 -- {command} < fleet.jsonl | head -n 1")).exits(0);
    assert_eq!(records(&run.stdout).len(), 1);
    assert_eq!(run.stderr, "pssh-rs: 5 ok\n");
    assert_eq!(count(&sandbox), 5);
    let run = sandbox.sh(&format!("pssh-rs -- {command} < fleet.jsonl > /dev/full")).exits(2);
    assert_eq!(run.stderr, "pssh-rs: 5 ok\npssh-rs: cannot write to stdout: No space left on device\n");
    assert_eq!(count(&sandbox), 10);
}

#[test]
fn help_is_on_stdout_and_wrong_usage_on_stderr() {
    let run = Sandbox::new().run("pssh-rs", &["--help"], "").exits(0);
    assert!(run.stdout.contains("Usage: pssh-rs [OPTIONS] [--] COMMAND..."), "{}", run.stdout);
    let run = Sandbox::new().run("pssh-rs", &["--no-such-option", "true"], "").exits(2);
    assert!(run.stderr.starts_with("pssh-rs: unexpected argument '--no-such-option'"), "{}", run.stderr);
}

/// The plan of each host: where it logs in, and as whom.
fn plans(sandbox: &Sandbox, args: &[&str], fleet: &str) -> Vec<String> {
    let run = sandbox.run("pssh-rs", &[&["--dry-run"], args, &["true"]].concat(), fleet);
    let plan = |record: &serde_json::Value| {
        let (plan, text) = (&record["plan"], |value: &serde_json::Value| value.as_str().expect("text").to_string());
        format!("{} {} {} {}", text(&record["host"]), text(&plan["user"]), text(&plan["address"]), plan["port"])
    };
    run.exits(0).records().iter().map(plan).collect()
}

#[test]
fn host_can_have_its_own_port_and_user() {
    let (sandbox, sshd) = fleet();
    let list = "web1\nroot@web2:2222\n[::1]:22\n::1\nadmin@[::1]:2200\n\
                {\"host\":\"web3\",\"private_ip\":\"10.0.0.3\",\"user\":\"deploy\",\"port\":2022}\n";
    assert_eq!(
        plans(&sandbox, &["-l", "me", "-p", "99"], list),
        [
            "web1 me web1 99",
            "root@web2:2222 root web2 2222",
            "[::1]:22 me ::1 22",
            "::1 me ::1 99",
            "admin@[::1]:2200 admin ::1 2200",
            "web3 deploy 10.0.0.3 2022"
        ]
    );
    assert_eq!(plans(&sandbox, &["-l", "me", "-w", "root@[::1]:[22-23]"], "").len(), 2);
    // ssh_config comes last.
    sandbox.file("config", "Host web*\n User other\n Port 77\n");
    let mut sandbox = sandbox;
    sandbox.env("PSSH_RS_USER", "").env("PSSH_RS_PORT", "7");
    assert_eq!(
        plans(&sandbox, &["-F", "config", "-w", "web1,web2:5"], ""),
        ["web1 other web1 7", "web2:5 other web2 5"]
    );
    // The host is reached there.
    sandbox.env("PSSH_RS_PORT", "1").env("PSSH_RS_USER", "nobody-of-this-name");
    let host = format!("{}@127.0.0.1:{}", sshd.user(), sshd.port());
    let record = format!("{{\"host\":\"127.0.0.2\",\"user\":\"{}\",\"port\":{}}}\n", sshd.user(), sshd.port());
    let run = sandbox.run("pssh-rs", &["echo hi"], format!("{host}\n{record}")).exits(0);
    assert!(run.records().iter().all(|record| record["stdout"] == "hi\n"), "{}", run.stdout);
    let run = sandbox.run("pssh-rs", &["true"], "{\"host\":\"127.0.0.1\",\"port\":70000}").exits(3);
    assert_eq!(run.records()[0]["error"], "the record's \"port\" is not a port: 70000");
}

#[test]
fn expressions_exclude_hosts() {
    let sandbox = Sandbox::new();
    let left = |args: &[&str], fleet: &str| {
        let run = sandbox.run("pssh-rs", &[&["--dry-run", "-l", "x", "-1"], args, &["true"]].concat(), fleet).exits(0);
        (run.stdout.split_whitespace().collect::<Vec<_>>().join(" "), run.stderr)
    };
    assert_eq!(left(&["-w", "web[1-5]", "-x", "web[2-3]", "--exclude", "web5"], ""), ("web1 web4".into(), "".into()));
    sandbox.file("down", "web1\nweb2\n");
    assert_eq!(left(&["-x", "^down"], "web1\n{\"host\":\"web2\"}\nweb3\n").0, "web3");
    assert_eq!(left(&["-w", "web[1-3]", "-x", "-"], "web2\n").0, "web1 web3");
    assert_eq!(left(&["-w", "root@web1:22,web2,web1", "-x", "web1"], "").0, "web2");
    assert_eq!(left(&["-w", "root@web1,web1", "-x", "root@web1"], "").0, "web1");
    let (names, said) = left(&["-w", "web[1-2]", "-x", "wbe1"], "");
    assert_eq!((names.as_str(), said.as_str()), ("web1 web2", "pssh-rs: -x wbe1 leaves out no host\n"));
    let run = sandbox.run("pssh-rs", &["-w", "web1", "-x", "web[1-9]", "true"], "").exits(2);
    assert_eq!(run.stderr, "pssh-rs: no host is left: -x leaves out all of them\n");
}

#[test]
fn options_of_other_tools_suggest_ours() {
    let said = |words: &[&str]| Sandbox::new().run("pssh-rs", words, "").exits(2).stderr;
    for (words, ours) in [
        (["-o", "StrictHostKeyChecking=no"], "--ssh-option StrictHostKeyChecking=no"),
        (["-g", "web"], "-w @GROUP"),
        (["-a", "uptime"], "-w '@*'"),
        (["-A", "uptime"], "-i FILE"),
        (["-H", "web1 web2"], "-w 'HOST,HOST'"),
        (["-O", "Port=22"], "--ssh-option"),
        (["-u", "root"], "-l USER"),
        (["--copy", "file"], "--push"),
        (["--rcopy", "file"], "--pull"),
        (["-h", "hosts.txt"], "-w ^FILE"),
    ] {
        let said = said(&words);
        assert!(said.contains(ours), "{words:?}: {said}");
    }
    assert!(said(&["-o", "jsn", "true"]).contains("[possible values: "));
}

#[test]
fn line_with_host_and_user_is_refused_with_its_number() {
    let (sandbox, _sshd) = fleet();
    let list = sandbox.file("hosts", "127.0.0.1\n127.0.0.2 root\n");
    for args in [&["-w", &format!("^{}", list.display())][..], &["-w", "-"]] {
        let run = sandbox.run("pssh-rs", &[args, &["true"]].concat(), "127.0.0.1\n127.0.0.2 root\n").exits(2);
        assert!(run.stderr.contains(": line 2: "), "{}", run.stderr);
        assert!(run.stderr.ends_with("; a host and its user are written user@host\n"), "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}
