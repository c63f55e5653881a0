//! Options, messages, exit statuses and output.

use crate::{build, unpacked};
use kit::Sandbox;

/// A sandbox with two valid parts.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.file("base.txt", "#cloud-config\npackages: [ntp]\n");
    sandbox.file("setup.sh", "#!/bin/sh\necho\n");
    sandbox
}

#[test]
fn stdout_gets_gzip_and_no_gzip_writes_plain_mime() {
    let sandbox = sandbox();
    sandbox.file("long.sh", format!("#!/bin/sh\n{}", "echo\n".repeat(50)));
    sandbox.sh("mkuserdata base.txt long.sh > compressed && mkuserdata --no-gzip base.txt long.sh > plain").exits(0);
    let compressed = std::fs::read(sandbox.dir().join("compressed")).unwrap();
    assert_eq!(compressed, build(&sandbox, &["base.txt", "long.sh"]));
    assert_eq!(compressed[..2], [0x1f, 0x8b]);
    let text = String::from_utf8(unpacked(&compressed)).unwrap();
    assert_eq!(std::fs::read_to_string(sandbox.dir().join("plain")).unwrap(), text);
    assert!(text.is_ascii() && text.starts_with("MIME-Version: 1.0\n"), "{text}");
}

#[test]
fn dash_reads_a_part_from_stdin() {
    let sandbox = sandbox();
    let run = sandbox.run("mkuserdata", &["--no-gzip", "base.txt", "-"], "#!/bin/sh\nfrom stdin\n").exits(0);
    assert!(run.stdout.contains("filename=01-stdin\n\n#!/bin/sh\nfrom stdin\n"), "{}", run.stdout);
    let run = sandbox.run("mkuserdata", &["-", "-"], "#!/bin/sh\n").exits(2);
    assert_eq!(run.stderr, "mkuserdata: stdin ('-') is given twice\n");
    let run = sandbox.run("mkuserdata", &["-"], "").exits(2);
    assert!(run.stderr.starts_with("mkuserdata: stdin: is empty: "), "{}", run.stderr);
}

#[test]
fn stdin_can_have_a_type() {
    for part in ["/dev/stdin:x-shellscript-per-boot", "-:x-shellscript-per-boot"] {
        let run = sandbox().run("mkuserdata", &["--no-gzip", "--", part], "#!/bin/sh\n").exits(0);
        assert!(run.stdout.contains("Content-Type: text/x-shellscript-per-boot\n"), "{}", run.stdout);
    }
}

#[test]
fn compressed_bytes_are_refused_on_a_terminal() {
    let on_terminal = |args: &str| sandbox().sh(&format!("script -qec 'mkuserdata {args}' /dev/null"));
    for args in ["base.txt", "--fast base.txt setup.sh"] {
        let run = on_terminal(args).exits(2);
        assert!(run.stdout.starts_with("mkuserdata: compressed bytes are not for a terminal\r\n"), "{}", run.stdout);
    }
    assert!(on_terminal("--no-gzip base.txt").exits(0).stdout.starts_with("MIME-Version: 1.0\r\n"));
    assert!(on_terminal("--boundary Y base.txt").exits(0).stdout.contains("boundary=Y\r\n"));
    assert!(on_terminal("--base64 base.txt").exits(0).stdout.starts_with("H4sI"));
    assert!(on_terminal("--size base.txt").exits(0).stdout.starts_with("    BYTES      COST  PART\r\n"));
    assert!(on_terminal("--list base.txt").exits(0).stdout.starts_with("PART  TYPE"));
    assert_eq!(on_terminal("-w user-data base.txt").exits(0).stdout, "");
    // It does not wait for stdin either.
    assert!(on_terminal("--no-gzip -").exits(2).stdout.starts_with("mkuserdata: stdin ('-') is a terminal\r\n"));
    assert!(
        on_terminal("--list").exits(2).stdout.starts_with("mkuserdata: no file is given, and stdin is a terminal\r\n")
    );
}

#[test]
fn errors_name_the_bad_part() {
    let sandbox = sandbox();
    sandbox.file("prose.txt", "\n  Hello world\n#!/bin/sh\n");
    sandbox.file("near.txt", "# cloud-config\n");
    sandbox.file("bom.sh", "\u{feff}#!/bin/sh\n");
    sandbox.file("empty.sh", "");
    sandbox.file("blank.sh", "\n \n");
    std::fs::create_dir(sandbox.dir().join("folder")).unwrap();
    sandbox.file("host.sh.j2", "#!/bin/sh\nhostname {{ host }}\n");
    let refused = |parts: &[&str]| {
        let run = sandbox.run("mkuserdata", parts, "").exits(2);
        assert_eq!(run.stdout, "");
        run.stderr.lines().next().unwrap().to_string()
    };
    assert_eq!(refused(&[]), "mkuserdata: no parts are given");
    assert_eq!(refused(&["missing"]), "mkuserdata: cannot read missing: No such file or directory");
    assert_eq!(refused(&["folder"]), "mkuserdata: cannot read folder: Is a directory");
    assert_eq!(refused(&["/dev/zero"]), "mkuserdata: cannot read /dev/zero: larger than 16 MiB");
    let starts = |parts: &[&str], start: &str| {
        let error = refused(parts);
        assert!(error.starts_with(&format!("mkuserdata: {start}")), "{error}");
    };
    starts(&["empty.sh"], "empty.sh: is empty");
    starts(&["blank.sh"], "blank.sh: is empty");
    starts(&["base.txt", "prose.txt"], "prose.txt: cloud-init does not know its first line");
    starts(&["near.txt"], "near.txt: cloud-init does not know its first line");
    starts(&["bom.sh"], "bom.sh: a byte order mark hides its #!");
    assert_eq!(refused(&["host.sh.j2"]), "mkuserdata: host.sh.j2: line 2: host is undefined");
    assert_eq!(
        refused(&["-1", "base.txt"]),
        "mkuserdata: --output is for the rows of --per-host, --size, --list, --check and --extract"
    );
}

#[test]
fn a_file_is_written_whole_or_not_at_all() {
    let sandbox = sandbox();
    sandbox.file("user-data", "an earlier one");
    build(&sandbox, &["base.txt"]);
    let left: Vec<_> = std::fs::read_dir(sandbox.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "{left:?}");
    let run = sandbox.run("mkuserdata", &["-w", "no/such/file", "base.txt"], "").exits(2);
    assert_eq!(run.stderr, "mkuserdata: cannot write no/such/file: No such file or directory\n");
    sandbox.run("mkuserdata", &["-w", "/dev/null", "base.txt"], "").exits(0);
    assert!(!std::fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn a_full_disk_is_an_error_and_a_closed_pipe_is_not() {
    let run = sandbox().sh("mkuserdata base.txt > /dev/full").exits(2);
    assert_eq!(run.stderr, "mkuserdata: cannot write to stdout: No space left on device\n");
    let run = sandbox().sh("mkuserdata base.txt | true").exits(0);
    assert_eq!(run.stderr, "");
}

#[test]
fn help_is_on_stdout_and_wrong_usage_on_stderr() {
    let run = sandbox().run("mkuserdata", &["--help"], "").exits(0);
    assert!(run.stdout.contains("Usage: mkuserdata [OPTIONS] PART[:TYPE]..."), "{}", run.stdout);
    let short = sandbox().run("mkuserdata", &["-h"], "").exits(0).stdout;
    assert!(short.lines().count() <= 40, "{short}");
    let run = sandbox().run("mkuserdata", &["--no-such-option"], "").exits(2);
    assert!(run.stderr.starts_with("mkuserdata: unexpected argument '--no-such-option'"), "{}", run.stderr);
}

#[test]
fn names_that_cloud_init_cannot_write_are_refused() {
    let sandbox = Sandbox::new();
    for (name, why) in [
        ("é", "cloud-init keeps only letters, digits and -_.() of a file name: of this one nothing is left"),
        ("a\nb", "the file name has a control character"),
        ("日本.j2", "cloud-init keeps only letters, digits and -_.() of a file name: of this one nothing is left"),
    ] {
        sandbox.file(name, "#!/bin/sh\n");
        let run = sandbox.run("mkuserdata", &["--force", name], "").exits(2);
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
}

#[test]
fn options_for_building_and_reading_cannot_be_combined() {
    let sandbox = sandbox();
    for args in [
        &["--list", "--check"][..],
        &["--list", "--extract", "d"],
        &["--check", "-w", "x"],
        &["--list", "--fast"],
        &["--extract", "d", "--set", "a=b"],
        &["--check", "--limit", "1"],
        &["--per-host", "--size"],
        &["--per-host", "--base64"],
    ] {
        let run = sandbox.run("mkuserdata", &[args, &["base.txt"]].concat(), "").exits(2);
        assert!(run.stderr.contains("cannot be used with"), "{args:?}: {}", run.stderr);
    }
}
