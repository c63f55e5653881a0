//! Output for people: on a terminal, grouped, in order, and in files.

use crate::{fleet, host, hosts};
use kit::{Outcome, Sandbox};
use serde_json::Value;
use std::fs;

/// Runs pssh-rs on its own terminal, with `fleet` as stdin, and returns what the terminal shows.
fn shown(sandbox: &Sandbox, options: &str, command: &str, fleet: String) -> String {
    sandbox.file("fleet.jsonl", fleet);
    sandbox.file(
        "line",
        format!("NO_COLOR=1 exec pssh-rs --no-progress {options} -w - -- \"$(cat command)\" < fleet.jsonl\n"),
    );
    sandbox.file("command", command);
    let run: Outcome = sandbox.sh("script -qec 'bash line' /dev/null < /dev/null; true");
    run.stdout.replace('\r', "")
}

/// Prints the last number of the address that it was reached at.
const NUMBER: &str = "set -- $SSH_CONNECTION; n=${3##*.}";

#[test]
fn hosts_with_equal_output_share_a_header() {
    let (sandbox, _sshd) = fleet();
    let command = format!("{NUMBER}; case $n in 3) echo other;; 4) echo same; exit 2;; *) echo same;; esac");
    let shown = shown(&sandbox, "--group", &command, hosts(6));
    assert!(shown.contains("web[1-2,5-6]"), "{shown}");
    assert_eq!(shown.matches("same").count(), 2, "{shown}");
    assert_eq!(shown.matches("other").count(), 1, "{shown}");
    assert!(shown.contains("web3") && shown.contains("web4"), "{shown}");
    assert!(shown.contains("pssh-rs: 5 ok; 1 failed: web4"), "{shown}");
}

#[test]
fn other_groups_are_shown_as_differences() {
    let (sandbox, _sshd) = fleet();
    let command = format!("{NUMBER}; seq 20; case $n in 3) echo changed;; *) echo as always;; esac; seq 30 50");
    let shown = shown(&sandbox, "--diff", &command, hosts(6));
    assert!(shown.contains("web[1-2,4-6]"), "{shown}");
    assert!(shown.contains("-as always") && shown.contains("+changed"), "{shown}");
    // Output that all hosts share is not shown again.
    assert!(shown.matches("\n40\n").count() <= 1, "{shown}");
}

#[test]
fn hosts_are_written_in_input_order_on_request() {
    let (sandbox, _sshd) = fleet();
    // The first host is the last to end.
    let command = format!("{NUMBER}; sleep 0.$((9 - n)); echo line");
    let fleet: String = [2u8, 1, 4, 3].map(|number| host(&format!("web{number}"), number)).concat();
    let shown = shown(&sandbox, "--ordered", &command, fleet.clone());
    let order: Vec<&str> = shown.lines().filter_map(|line| line.strip_suffix(": line")).collect();
    assert_eq!(order, ["web2", "web1", "web4", "web3"], "{shown}");
    // The same for records.
    let run = sandbox.run("pssh-rs", &["--ordered", "--", &command], fleet).exits(0);
    let order: Vec<String> = run.records().iter().map(|record| record["host"].as_str().unwrap().into()).collect();
    assert_eq!(order, ["web2", "web1", "web4", "web3"]);
}

#[test]
fn remote_output_is_escaped_unless_raw() {
    let (sandbox, _sshd) = fleet();
    let command = r"printf 'a\033]0;title\007b\r\302\233c\n'; printf '\033[31merr\n' >&2";
    for options in ["", "--group", "--diff", "--ordered"] {
        let shown = shown(&sandbox, options, command, hosts(2));
        assert!(!shown.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{options}: {shown:?}");
        assert!(shown.contains("title") && shown.contains("err"), "{options}: {shown:?}");
    }
    let shown = shown(&sandbox, "--raw", command, hosts(1));
    assert!(shown.contains("\u{1b}]0;title\u{7}"), "{shown:?}");
}

#[test]
fn host_name_is_escaped_even_with_raw() {
    let (sandbox, _sshd) = fleet();
    let hostile = "{\"host\":\"x\\u001b[2Jy\",\"private_ip\":\"127.0.0.1\"}\n".to_string();
    for options in ["", "--raw", "--group"] {
        let shown = shown(&sandbox, options, "echo hi", hostile.clone());
        assert!(!shown.contains('\u{1b}'), "{options}: {shown:?}");
    }
}

#[test]
fn each_host_has_its_own_complete_files() {
    let (sandbox, _sshd) = fleet();
    let command = "head -c 3000000 /dev/zero | tr '\\0' o; printf '\\377e' >&2; exit 3";
    let run = sandbox.run("pssh-rs", &["--outdir", "out/dir", "--", command], hosts(2) + &host("dead", 80)).exits(3);
    assert_eq!(run.records().len(), 3);
    for name in ["web1", "web2"] {
        let read = |kind| fs::read(sandbox.dir().join(format!("out/dir/{name}.{kind}"))).unwrap();
        assert_eq!(read("out"), vec![b'o'; 3_000_000]);
        assert_eq!(read("err"), b"\xffe");
    }
    let read = fs::read(sandbox.dir().join("out/dir/dead.out")).unwrap_or_default();
    assert_eq!(read, b"");
}

#[test]
fn host_name_cannot_leave_the_output_folder() {
    let (sandbox, _sshd) = fleet();
    for name in ["../up", "..", "/tmp/cerveza-absolute", "x/y", ""] {
        let run = sandbox.run("pssh-rs", &["--outdir", "out", "--", "echo hi"], host(name, 1));
        assert!(!run.stderr.contains("unexpected argument"), "{}", run.stderr);
        for path in ["up.out", "x/y.out"] {
            assert!(!sandbox.dir().join(path).exists(), "{name}: {}", run.stderr);
        }
        assert!(!std::path::Path::new("/tmp/cerveza-absolute.out").exists());
    }
    let outside = fs::read_dir(sandbox.dir()).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().is_some_and(|name| name.ends_with(".out"))
    });
    assert_eq!(outside.count(), 0);
}

#[test]
fn hosts_that_time_out_with_equal_output_are_one_group() {
    let (sandbox, _sshd) = fleet();
    // After our TERM, one server reports a signal, one an exit status, and one nothing.
    let command = format!(
        "{NUMBER}; case $n in 1) exec sleep 60;; 2) trap 'exit 5' TERM; exec 2>/dev/null; while :; do sleep 0.1; done;; \
         *) trap '' TERM; while :; do sleep 0.1; done;; esac"
    );
    for options in [&["-t", "1"][..], &["-t", "1", "--engine", "openssh"]] {
        let run = sandbox.run("pssh-rs", &[options, &["-b", "--", &command]].concat(), hosts(3)).exits(3);
        assert!(run.stdout.starts_with("web[1-3] (3): timeout\n"), "{options:?}: {}", run.stdout);
        let run = sandbox.run("pssh-rs", &[options, &["--", &command]].concat(), hosts(3)).exits(3);
        for record in run.records() {
            assert_eq!(
                (&record["exit_code"], &record["signal"]),
                (&Value::Null, &Value::Null),
                "{options:?}: {record}"
            );
        }
    }
}

#[test]
fn lines_and_groups_cannot_be_sorted() {
    let sandbox = Sandbox::new();
    for option in ["--lines", "-b", "--diff"] {
        let run = sandbox.run("pssh-rs", &["-w", "web1", option, "--sort", "host", "true"], "").exits(2);
        assert!(run.stderr.contains("cannot be used with"), "{}", run.stderr);
    }
}

#[test]
fn dshbak_and_clubak_read_lines_from_a_pipe() {
    let (sandbox, _sshd) = fleet();
    let fleet = host("a", 1) + &host("a-longer-name", 2);
    let run = sandbox.run("pssh-rs", &["--lines", "--", "echo out; echo err >&2; exit 3"], fleet).exits(1);
    let mut lines: Vec<&str> = run.stdout.lines().collect();
    lines.sort_unstable();
    let of = |name| ["! err", "= failed: the command's exit status is 3", "out"].map(|text| format!("{name}: {text}"));
    let mut expected = [of("a"), of("a-longer-name")].concat();
    expected.sort_unstable();
    assert_eq!(lines, expected);
}

/// Returns what a terminal shows on stderr while records go to a file. One second after all hosts have started, keys are
/// typed there.
fn shown_progress(sandbox: &Sandbox, command: &str, typed: &str) -> String {
    sandbox.file("fleet.jsonl", hosts(3));
    sandbox.file("command", format!("{NUMBER}; touch {}/begun-$n; {command}", sandbox.dir().display()));
    sandbox.file("line", "stty cols 80 rows 24; pssh-rs -w - -- \"$(cat command)\" < fleet.jsonl > out\n");
    let typing =
        format!("until [ -e begun-1 -a -e begun-2 -a -e begun-3 ]; do sleep 0.1; done; sleep 1; printf '{typed}'");
    let line = format!("({typing}; sleep 3) | TERM=xterm script -qec 'bash line' /dev/null; true");
    sandbox.sh(&line).stdout
}

#[test]
fn progress_bar_moves_before_the_first_host_is_done() {
    let (sandbox, _sshd) = fleet();
    let shown = shown_progress(&sandbox, "sleep 3; exit $((n == 3))", "");
    for drawn in ["0/3 done, 3 running, 0 failed [", "] 00:00:01", "] 00:00:02"] {
        assert!(shown.contains(drawn), "{drawn}: {shown:?}");
    }
    // It is cleared at the end.
    let last = shown.rsplit_once("\u{1b}[2K").unwrap().1;
    assert!(last.starts_with("pssh-rs: 2 ok; 1 failed: web3"), "{last:?}");
}

#[test]
fn progress_bar_is_intact_after_ctrl_c() {
    let (sandbox, _sshd) = fleet();
    let shown = shown_progress(&sandbox, "trap '' TERM; sleep 60; sleep 60", "\\003");
    let (before, after) = shown.split_once("^C").expect("the terminal shows ^C");
    // The bar is drawn again on the same line, and cleared at the end.
    let bar = before.rsplit_once("\u{1b}[2K").unwrap().1;
    assert!(bar.chars().count() <= 78 && bar.contains("3 running"), "{bar:?}");
    assert!(after.starts_with("\r\u{1b}[2K"), "{after:?}");
    let last = shown.rsplit_once("\u{1b}[2K").unwrap().1;
    assert!(last.starts_with("pssh-rs: 3 cancelled: web[1-3]"), "{last:?}");
}

#[test]
fn slow_reader_of_lines_does_not_use_up_deadlines() {
    let (sandbox, _sshd) = fleet();
    for engine in ["libssh2", "openssh"] {
        // More output than all pipes and buffers hold, and a reader that sleeps longer than the timeout.
        let line = format!(
            "pssh-rs --engine {engine} --lines -t 15 -w '127.0.0.[1-3]' -- 'seq -f %.f0123456789 200000' | \
             (sleep 30; cut -d: -f1 | sort | uniq -c)"
        );
        let run = sandbox.sh(&line).exits(0);
        assert_eq!(run.stderr, "pssh-rs: 3 ok\n", "{engine}");
        let counts: Vec<&str> = run.stdout.split_whitespace().step_by(2).collect();
        assert_eq!(counts, ["200000"; 3], "{engine}: {}", run.stdout);
        // A host that prints nothing keeps its deadline, whatever the reader does.
        let line = format!(
            "pssh-rs --engine {engine} --lines -t 2 -w '127.0.0.[1-2]' -- 'echo begun; sleep 60' | (sleep 6; cat)"
        );
        let run = sandbox.sh(&line).exits(3);
        assert_eq!(run.stderr, "pssh-rs: 2 timeout: 127.0.0.[1-2]\n", "{engine}");
    }
}

#[test]
fn endless_output_ends_at_the_timeout_if_the_reader_keeps_up() {
    let (sandbox, _sshd) = fleet();
    let started = std::time::Instant::now();
    let run = sandbox.sh("pssh-rs --lines -t 2 -w 127.0.0.1 -- yes | cat > /dev/null").exits(3);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    assert_eq!(run.stderr, "pssh-rs: 1 timeout: 127.0.0.1\n");
}
