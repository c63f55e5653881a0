//! The longest command that can be sent runs; longer ones are refused before the first connection.

use crate::{error, fleet, hosts};
use kit::{Sandbox, Sshd};
use std::fs;

/// The longest commands that libssh2 and ssh can send.
const LONGEST: [(&str, usize); 2] = [("libssh2", 34_725), ("openssh", 131_071)];

/// A command of this length that prints how long its argument is.
fn command(len: usize) -> String {
    let (begin, end) = ("x='", "'; echo ${#x}");
    format!("{begin}{}{end}", "y".repeat(len - begin.len() - end.len()))
}

fn refused(sandbox: &Sandbox, args: &[&str]) -> String {
    let ran = sandbox.run("pssh-rs", args, hosts(1)).exits(2);
    assert_eq!(ran.stdout, "");
    ran.stderr
}

#[test]
fn longest_command_runs_and_a_longer_one_is_refused_with_a_hint() {
    let (sandbox, _sshd) = fleet();
    for (engine, longest) in LONGEST {
        let ran = sandbox.run("pssh-rs", &["--engine", engine, "--", &command(longest)], hosts(2)).exits(0);
        let wanted = format!("{}\n", longest - "x=''; echo ${#x}".len());
        assert!(ran.records().iter().all(|record| record["stdout"] == wanted), "{engine}: {}", ran.stdout);
    }
    assert_eq!(
        refused(&sandbox, &["--", &command(34_726)]),
        "pssh-rs: the command has 34726 bytes: at most 34725 can be sent\n\
         pssh-rs: put it into a script (--script FILE), or use --engine openssh, which sends 131071 bytes\n"
    );
    // One argument cannot be this long, but many together can.
    let words = command(100_000);
    assert_eq!(
        refused(&sandbox, &["--engine", "openssh", "--", &words, &words]),
        "pssh-rs: the command has 200001 bytes: at most 131071 can be sent\n\
         pssh-rs: put it into a script, as in: --stdin script.sh -- sh -s\n"
    );
    assert!(refused(&sandbox, &["--", &words, &words]).ends_with("pssh-rs: put it into a script (--script FILE)\n"));
}

#[test]
fn added_text_counts_towards_the_length_of_a_command() {
    let (sandbox, _sshd) = fleet();
    sandbox.file("script.sh", "#!/bin/sh\nprintf '%s %s' \"${#1}\" \"${#X}\"\n");
    let long = "y".repeat(34_000);
    let variable = format!("X={long}");
    let ran = sandbox.run("pssh-rs", &["--env", &variable, "--", "echo ${#X}"], hosts(1)).exits(0);
    assert_eq!(ran.records()[0]["stdout"], "34000\n");
    let ran = sandbox.run("pssh-rs", &["--script", "script.sh", "--", &long], hosts(1)).exits(0);
    assert_eq!(ran.records()[0]["stdout"], "34000 0");
    let ran = sandbox.run("pssh-rs", &["--script", "script.sh", "--env", &variable, "--", "1"], hosts(1)).exits(0);
    assert_eq!(ran.records()[0]["stdout"], "1 34000");

    // Nested quotes make the command longer.
    let quotes = format!("X={}", "'".repeat(11_000));
    for args in [
        &["--env", &quotes, "--", "true"][..],
        &["--env", &quotes, "--script", "script.sh"],
        &["--env", &quotes, "--run", "scripts"],
        &["--env", &quotes, "--engine", "openssh", "--sudo", "--", "true"],
    ] {
        let stderr = refused(&sandbox, args);
        assert!(stderr.contains(" bytes, with what --env, --chdir and --sudo add to it: at most "), "{stderr}");
        assert!(
            stderr.ends_with("pssh-rs: put long values into a file, --push it, and read it in the command\n"),
            "{stderr}"
        );
    }
    let stderr = refused(&sandbox, &["--script", "script.sh", "--", &long, &long]);
    assert!(stderr.starts_with("pssh-rs: the script's command line has 68"), "{stderr}");
    assert!(
        stderr.ends_with("pssh-rs: put long arguments into a file, --push it, and read it in the script\n"),
        "{stderr}"
    );
}

#[test]
fn script_with_too_long_a_path_is_not_started_and_removed() {
    let mut sandbox = Sandbox::new();
    let folder = sandbox.dir().join("f".repeat(250)).join("g".repeat(250));
    fs::create_dir_all(&folder).unwrap();
    let config = format!("Match all\nSetEnv HOME={0} TMPDIR={0}", folder.display());
    let sshd = Sshd::with(&["127.0.0.1".to_string()], &config);
    sshd.open_to(&mut sandbox);
    sandbox.file("script.sh", "#!/bin/sh\necho \"$0\"\n");
    let ran = sandbox.run("pssh-rs", &["--script", "script.sh", "--", "x"], hosts(1)).exits(0);
    assert!(ran.stdout.contains(&"g".repeat(250)), "{}", ran.stdout);
    let long = "y".repeat(34_725 - 257);
    let ran = sandbox.run("pssh-rs", &["--script", "script.sh", "--", &long], hosts(1)).exits(1);
    let record = &ran.records()[0];
    assert_eq!((&record["status"], &record["stdout"]), (&"failed".into(), &"".into()), "{record}");
    let error = error(record);
    assert!(error.starts_with("the command was not started: it has 35"), "{record}");
    assert!(error.ends_with(" bytes, and at most 34725 can be sent"), "{record}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
}
