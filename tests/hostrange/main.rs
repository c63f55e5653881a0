//! `hostrange` alone, on stdin and stdout.

use kit::Sandbox;

#[test]
fn a_pipe_gets_records_and_a_shell_loop_names() {
    let sandbox = Sandbox::new();
    let run = sandbox.run("hostrange", &["mysql[1-2]"], "").exits(0);
    assert_eq!(run.stdout, "{\"host\":\"mysql1\"}\n{\"host\":\"mysql2\"}\n");
    let run = sandbox.run("hostrange", &["-1", "n[08-10]"], "").exits(0);
    assert_eq!(run.stdout, "n08\nn09\nn10\n");
}

#[test]
fn records_come_through_unchanged_beside_names() {
    let record = r#"{"x":[1.0, "\u00e9"],"host":"db1","unknown":{"a":null}}"#;
    let run = Sandbox::new().run("hostrange", &[], format!("web[1-2]\n# a comment\n\n{record}")).exits(0);
    assert_eq!(run.stdout, format!("{{\"host\":\"web1\"}}\n{{\"host\":\"web2\"}}\n{record}\n"));
}

#[test]
fn fold_takes_names_and_records_in_any_order() {
    let run = Sandbox::new().run("hostrange", &["-f"], "web3\n{\"host\":\"web1\"}\nweb2\n").exits(0);
    assert_eq!(run.stdout, "web[1-3]\n");
}

#[test]
fn a_bad_line_is_refused_with_its_number() {
    let run = Sandbox::new().run("hostrange", &[], "web1\n{\"name\":\"x\"}\n").exits(2);
    assert_eq!(run.stderr, "hostrange: stdin: line 2: the record has no \"host\"\n");
    let run = Sandbox::new().run("hostrange", &["web[3-1]"], "").exits(2);
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr, "hostrange: bad expression: the range goes down: write 1-3\n  web[3-1]\n      ^^^\n");
}

#[test]
fn an_empty_stdin_is_said_not_passed_on() {
    let run = Sandbox::new().run("hostrange", &[], "").exits(2);
    assert_eq!(run.stderr, "hostrange: no hosts: stdin was empty\n");
}

#[test]
fn a_closed_pipe_ends_it_quietly_and_a_full_disk_does_not() {
    let run = Sandbox::new().sh("hostrange -1 'n[1-1000000]' | head -n 1").exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("n1\n", ""));
    let run = Sandbox::new().sh("hostrange web1 > /dev/full").exits(2);
    assert_eq!(run.stderr, "hostrange: cannot write to stdout: No space left on device (os error 28)\n");
}

#[test]
fn help_is_on_stdout_and_wrong_usage_on_stderr() {
    let run = Sandbox::new().run("hostrange", &["--help"], "").exits(0);
    assert!(run.stdout.contains("Usage: hostrange"), "{}", run.stdout);
    let run = Sandbox::new().run("hostrange", &["--no-such-option"], "").exits(2);
    assert!(run.stderr.starts_with("hostrange: unexpected argument '--no-such-option'"), "{}", run.stderr);
    assert_eq!(run.stdout, "");
}
