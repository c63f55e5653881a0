//! Runs `hostrange` as a user does, and checks its output, messages and exit status.

mod by;
mod commands;
mod groups;
mod language;
mod mistakes;
mod records;
mod streams;

use kit::Sandbox;

/// Returns the stdout of a run that succeeds without a message.
#[track_caller]
fn printed_in(sandbox: &Sandbox, args: &[&str], stdin: impl AsRef<[u8]>) -> String {
    let run = sandbox.run("hostrange", args, stdin).exits(0);
    assert_eq!(run.stderr, "");
    run.stdout
}

#[track_caller]
fn printed(args: &[&str], stdin: impl AsRef<[u8]>) -> String {
    printed_in(&Sandbox::new(), args, stdin)
}

/// Returns the names that are written, on one line.
#[track_caller]
fn names_in(sandbox: &Sandbox, args: &[&str], stdin: impl AsRef<[u8]>) -> String {
    let printed = printed_in(sandbox, &[&["-1"], args].concat(), stdin);
    assert!(printed.ends_with('\n'), "{printed:?}");
    printed.lines().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn names(args: &[&str]) -> String {
    names_in(&Sandbox::new(), args, "")
}

/// Returns the message of a run that fails with status 2 and writes nothing to stdout.
#[track_caller]
fn refused(args: &[&str], stdin: impl AsRef<[u8]>) -> String {
    let run = Sandbox::new().run("hostrange", args, stdin).exits(2);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.starts_with("hostrange: "), "{}", run.stderr);
    run.stderr
}

#[test]
fn a_pipe_gets_records_and_a_shell_loop_names() {
    assert_eq!(printed(&["mysql[1-2]"], ""), "{\"host\":\"mysql1\"}\n{\"host\":\"mysql2\"}\n");
    assert_eq!(printed(&["-1", "n[08-10]"], ""), "n08\nn09\nn10\n");
    assert_eq!(printed(&["-o", "table", "n[8-9]"], ""), "HOST\nn8\nn9\n");
}

#[test]
fn a_terminal_gets_names_and_never_too_many() {
    // script(1) gives it a terminal.
    let shown = |line: &str| {
        let run = Sandbox::new().sh(&format!("script -qec \"hostrange {line}\" /dev/null < /dev/null"));
        (run.code, run.stdout.replace('\r', ""))
    };
    assert_eq!(shown("'n[1-2]'"), (0, "n1\nn2\n".to_string()));
    let many = "hostrange: 100001 hosts are too many for a terminal\n\
                hostrange: write names or JSON lines to a file or pipe, or use --max 100001\n";
    assert_eq!(shown("'n[1-100001]'"), (2, many.to_string()));
    assert_eq!(shown("-1 --max 100001 'n[1-100001]' | tail -n 1"), (0, "n100001\n".to_string()));
    assert_eq!(shown("--fold 'n[1-100001]'"), (0, "n[1-100001]\n".to_string()));
    let none = "hostrange: no hosts are given\n\
                hostrange: name them, as in 'web[1-3]', or pipe names or records in\n";
    assert_eq!(shown(""), (2, none.to_string()));
}

#[test]
fn help_is_on_stdout_and_wrong_usage_on_stderr() {
    assert!(printed(&["--help"], "").contains("Usage: hostrange [OPTIONS] [EXPR]..."));
    let message = refused(&["--no-such-option"], "");
    assert!(message.starts_with("hostrange: unexpected argument '--no-such-option'"), "{message}");
}
