//! Options, messages, statuses, and where the bytes go.

use crate::build;
use flate2::read::GzDecoder;
use kit::Sandbox;
use std::io::Read;

/// A sandbox with two parts that are right.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("base.txt", "#cloud-config\npackages: [ntp]\n");
    sandbox.file("setup.sh", "#!/bin/sh\necho\n");
    sandbox
}

/// Text that gzip makes little of, from a sequence that does not change.
fn noise(bytes: usize) -> String {
    let mut state = 7u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        char::from(b'!' + (state >> 33) as u8 % 90)
    };
    (0..bytes).map(|_| next()).collect()
}

#[test]
fn the_same_input_gives_the_same_bytes_and_no_time_is_in_them() {
    let sandbox = sandbox();
    let first = build(&sandbox, &["base.txt", "setup.sh"]);
    assert_eq!(first[..3], [0x1f, 0x8b, 8]);
    assert_eq!(first[4..8], [0; 4], "the time in the header");
    std::fs::rename(sandbox.dir().join("setup.sh"), sandbox.dir().join("later")).unwrap();
    sandbox.file("folder/setup.sh", "#!/bin/sh\necho\n");
    assert_eq!(build(&sandbox, &["base.txt", "folder/setup.sh"]), first);
}

#[test]
fn stdout_gets_the_bytes_and_no_gzip_the_text_within() {
    let sandbox = sandbox();
    sandbox.sh("mkuserdata base.txt setup.sh > compressed && mkuserdata --no-gzip base.txt setup.sh > plain").exits(0);
    let compressed = std::fs::read(sandbox.dir().join("compressed")).unwrap();
    assert_eq!(compressed, build(&sandbox, &["base.txt", "setup.sh"]));
    let mut text = String::new();
    GzDecoder::new(&compressed[..]).read_to_string(&mut text).unwrap();
    assert_eq!(std::fs::read_to_string(sandbox.dir().join("plain")).unwrap(), text);
    assert!(text.is_ascii() && text.starts_with("MIME-Version: 1.0\n"), "{text}");
}

#[test]
fn a_part_comes_from_stdin_on_a_dash() {
    let sandbox = sandbox();
    let run = sandbox.run("mkuserdata", &["--no-gzip", "base.txt", "-"], "#!/bin/sh\nfrom stdin\n").exits(0);
    assert!(run.stdout.contains("filename=stdin\n\n#!/bin/sh\nfrom stdin\n"), "{}", run.stdout);
    let run = sandbox.run("mkuserdata", &["-", "-"], "#!/bin/sh\n").exits(2);
    assert_eq!(run.stderr, "mkuserdata: stdin ('-') is given twice\n");
    let run = sandbox.run("mkuserdata", &["-"], "").exits(2);
    assert_eq!(run.stderr, "mkuserdata: stdin: is empty\n");
}

#[test]
fn a_terminal_gets_no_bytes() {
    let run = sandbox().sh("script -qec 'mkuserdata base.txt' /dev/null").exits(2);
    assert!(run.stdout.starts_with("mkuserdata: compressed bytes are not for a terminal\r\n"), "{}", run.stdout);
}

#[test]
fn each_bad_part_is_named_with_what_is_wrong() {
    let sandbox = sandbox();
    sandbox.file("prose.txt", "\n  Hello world\n#!/bin/sh\n");
    sandbox.file("near.txt", "# cloud-config\n");
    sandbox.file("bom.sh", "\u{feff}#!/bin/sh\n");
    sandbox.file("empty.sh", "");
    sandbox.file("blank.sh", "\n \n");
    sandbox.file("folder/setup.sh", "#!/bin/sh\n");
    sandbox.file("set up.sh", "#!/bin/sh\n");
    sandbox.file("host.sh.j2", "#!/bin/sh\nhostname {{ host }}\n");
    let refused = |parts: &[&str]| {
        let run = sandbox.run("mkuserdata", parts, "").exits(2);
        assert_eq!(run.stdout, "");
        run.stderr.lines().next().unwrap().to_string()
    };
    let unknown = "cloud-init does not know its first line";
    assert_eq!(refused(&[]), "mkuserdata: no parts are given");
    assert_eq!(refused(&["missing"]), "mkuserdata: cannot read missing: No such file or directory (os error 2)");
    assert_eq!(refused(&["folder"]), "mkuserdata: cannot read folder: Is a directory (os error 21)");
    assert_eq!(refused(&["/dev/zero"]), "mkuserdata: cannot read /dev/zero: larger than 16 MiB");
    assert_eq!(refused(&["empty.sh"]), "mkuserdata: empty.sh: is empty");
    assert_eq!(refused(&["blank.sh"]), "mkuserdata: blank.sh: is empty");
    assert_eq!(refused(&["base.txt", "prose.txt"]), format!("mkuserdata: prose.txt: {unknown}"));
    assert_eq!(refused(&["near.txt"]), format!("mkuserdata: near.txt: {unknown}"));
    assert_eq!(refused(&["bom.sh"]), format!("mkuserdata: bom.sh: {unknown}"));
    let twins = "cloud-init would write both as setup.sh, one over the other";
    assert_eq!(refused(&["setup.sh", "folder/setup.sh"]), format!("mkuserdata: setup.sh and folder/setup.sh: {twins}"));
    assert_eq!(refused(&["set up.sh", "setup.sh"]), format!("mkuserdata: set up.sh and setup.sh: {twins}"));
    assert_eq!(refused(&["host.sh.j2"]), "mkuserdata: host.sh.j2 is a template: it needs the hosts to render it for");
    assert_eq!(refused(&["-1", "base.txt"]), "mkuserdata: --output is for the records of --per-host");
}

#[test]
fn above_the_limit_nothing_is_written() {
    let sandbox = sandbox();
    sandbox.file("big.sh", format!("#!/bin/sh\n: {}\n", noise(900)).repeat(30));
    sandbox.file("noise.sh", format!("#!/bin/sh\n: {}\n", noise(30_000)));
    sandbox.file("user-data", "as it was");
    let run = sandbox.run("mkuserdata", &["-w", "user-data", "base.txt", "big.sh", "noise.sh"], "").exits(2);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert!(lines[0].starts_with("mkuserdata: the user-data has 2"), "{}", run.stderr);
    assert!(lines[0].contains(" bytes: EC2 takes at most 16384, "), "{}", run.stderr);
    let parts: Vec<&str> = lines[2..].iter().map(|line| line.split_whitespace().last().unwrap()).collect();
    assert_eq!(parts, ["noise.sh", "big.sh", "base.txt"], "{}", run.stderr);
    assert_eq!(std::fs::read_to_string(sandbox.dir().join("user-data")).unwrap(), "as it was");
    let run = sandbox.run("mkuserdata", &["noise.sh"], "").exits(2);
    assert_eq!(run.stdout, "");
    // What fits is judged after compression.
    sandbox.file("spaces.sh", format!("#!/bin/sh\n{}", "# \n".repeat(20_000)));
    assert!(build(&sandbox, &["spaces.sh"]).len() < 1000);
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let sandbox = sandbox();
    sandbox.file("user-data", "an earlier one");
    build(&sandbox, &["base.txt"]);
    let left: Vec<_> = std::fs::read_dir(sandbox.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
    let run = sandbox.run("mkuserdata", &["-w", "no/such/file", "base.txt"], "").exits(2);
    assert_eq!(run.stderr, "mkuserdata: cannot write no/such/file: No such file or directory (os error 2)\n");
    sandbox.run("mkuserdata", &["-w", "/dev/null", "base.txt"], "").exits(0);
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn a_full_disk_is_said_and_a_closed_pipe_is_not() {
    let run = sandbox().sh("mkuserdata base.txt > /dev/full").exits(2);
    assert_eq!(run.stderr, "mkuserdata: cannot write to stdout: No space left on device (os error 28)\n");
    let run = sandbox().sh("mkuserdata base.txt | true").exits(0);
    assert_eq!(run.stderr, "");
}

#[test]
fn help_is_on_stdout_and_wrong_usage_on_stderr() {
    let run = sandbox().run("mkuserdata", &["--help"], "").exits(0);
    assert!(run.stdout.contains("Usage: mkuserdata [OPTIONS] PART..."), "{}", run.stdout);
    let run = sandbox().run("mkuserdata", &["--no-such-option"], "").exits(2);
    assert!(run.stderr.starts_with("mkuserdata: unexpected argument '--no-such-option'"), "{}", run.stderr);
}
