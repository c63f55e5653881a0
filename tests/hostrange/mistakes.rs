//! Mistakes and hostile names: one clear message, no output, and no control characters on a terminal.

use crate::{names_in, refused};
use kit::Sandbox;

#[test]
fn a_file_of_pdsh_that_includes_another_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.file("hosts", "web1\n#include other\n");
    let why = "hosts: line 2: #include is not read here: remove it, and give the other file too, as ^FILE\n";
    for args in [&["-1", "^hosts"][..], &["--by", "zone", "^hosts"]] {
        let run = sandbox.run("hostrange", args, "").exits(2);
        assert_eq!((run.stdout.as_str(), run.stderr), ("", format!("hostrange: {why}")));
    }
}

#[test]
fn a_bad_expression_is_shown_with_carets_under_the_error() {
    for (expression, message) in [
        ("web[3-1]", "the range goes down: write 1-3\n  web[3-1]\n      ^^^"),
        ("web1,n[1-3],db[1-", "[ is not closed by ]\n  web1,n[1-3],db[1-\n                ^^^"),
        ("n[9-010]", "the ends are padded differently: write 009-010 or 9-10\n  n[9-010]\n    ^^^^^"),
        ("(a,b", "( is not closed by )\n  (a,b\n  ^"),
        ("n1 ! ", "there is nothing to the right of !\n  n1 ! \n     ^"),
        ("é[5-1]", "the range goes down: write 1-5\n  é[5-1]\n    ^^^"),
    ] {
        assert_eq!(refused(&["n1", expression], ""), format!("hostrange: bad expression: {message}\n"));
    }
    for (name, message) in [
        ("web*", "a host name has no pattern in it: ec2-ls takes patterns, and grep names\n  web*\n     ^"),
        ("n{1..3}", "a host name has no '{' in it: write [1-3] for {1..3}\n  n{1..3}\n   ^"),
        ("web!old", "! between two different names has no use\n  web!old\n     ^"),
    ] {
        let hint = format!("hostrange: if it is one name, put it in double quotes: '\"{name}\"'\n");
        assert_eq!(refused(&["n1", name], ""), format!("hostrange: bad expression: {message}\n{hint}"));
    }
}

#[test]
fn an_empty_expression_is_an_error() {
    let message = "hostrange: an expression is empty\nhostrange: is it a variable that is not set?\n";
    assert_eq!(refused(&["n1", "-x", ""], ""), message);
    assert_eq!(refused(&[" "], ""), message);
}

#[test]
fn json_over_several_lines_has_its_own_hint() {
    for stdin in ["{\n  \"host\": \"web1\"\n}\n", "[{\"host\":\"web1\"}]\n"] {
        let message = refused(&[], stdin);
        assert!(message.ends_with("jq -c '.[]' makes them of an array\n"), "{message}");
    }
}

#[test]
fn an_operation_that_the_shell_has_taken_apart_is_explained() {
    let message = "hostrange: bad expression: there is nothing to the left of !: write both sides as one argument, or use -x\n  !\n  ^\n";
    assert_eq!(refused(&["n[1-3]", "!", "n2"], ""), message);
    let message = "hostrange: stdin: line 1: bad expression: there is nothing to the left of ^ (^FILE is an argument of its own)\n  ^list\n  ^\n";
    assert_eq!(refused(&[], "^list\n"), message);
}

#[test]
fn every_tool_warns_about_names_that_are_files() {
    let sandbox = Sandbox::new();
    for name in ["web1", "web2", "other"] {
        sandbox.file(name, "");
    }
    let message = |names: &str, tool: &str| {
        format!(
            "{tool}: {names} here: quote expressions, or the shell makes names of web[1-3]; what is in a file is ^{}\n",
            &names[..4]
        )
    };
    let run = sandbox.sh("hostrange -1 web[1-9]").exits(0);
    assert_eq!(
        (run.stdout.as_str(), run.stderr),
        ("web1\nweb2\n", message("web1 and 1 more are names of files", "hostrange"))
    );
    let run = sandbox.sh("hostrange -1 'web[8-9]' -x web1").exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr), ("web8\nweb9\n", message("web1 is the name of a file", "hostrange")));
    assert_eq!(names_in(&sandbox, &["web[1-3]", "-x", "-"], "web1\n"), "web2 web3");
    let run = sandbox.sh("pssh-rs --dry-run -l root -w web[2-9] -- true").exits(0);
    assert_eq!((run.records().len(), run.stderr), (1, message("web2 is the name of a file", "pssh-rs")));
}

#[test]
fn words_for_another_tool_have_a_hint() {
    let sandbox = Sandbox::new();
    for (tool, words, hint) in [
        ("ec2-ls", &["--tag", "role=web"][..], "tags are words, as in `ec2-ls role=web`"),
        ("ec2-ls", &["--sg", "x"], "the option is --group GROUP"),
        ("ec2-ls", &["--watch"], "--watch takes seconds, as in --watch 10"),
        ("hostfmt", &["ssh-config", "--user", "x"], "this is a setting: -D user=VALUE"),
        ("hostfmt", &["hosts", "-o", "x"], "to write to a file: -w FILE"),
        ("hostrange", &["--group-by", "zone"], "--by KEY"),
        ("hostrange", &["role=web"], "as in `ec2-ls role=web`"),
        ("mkuserdata", &["-o", "x"], "to write user-data to a file: -w FILE"),
        ("mkuserdata", &["--host", "x"], "--set host=NAME"),
        ("pssh-rs", &["-o", "out", "true"], "to write it to files: --outdir DIR"),
        ("pssh-rs", &["--inline", "true"], "-b shows equal output once"),
        ("pssh-rs", &["-x", "-o StrictHostKeyChecking=no", "true"], "an option of ssh is --ssh-option KEY=VALUE"),
    ] {
        let said = sandbox.run(tool, words, "").exits(2).stderr;
        assert!(said.contains(hint), "{tool} {words:?}: {said}");
    }
}

#[test]
fn messages_escape_control_characters() {
    let hostile = "\x1b]0;owned\x07\u{9b}2J\u{202e}";
    let shown = "\\u{1b}]0;owned\\u{7}\\u{9b}2J\\u{202e}";
    let message = format!("bad expression: a host name has no '\\u{{1b}}' in it\n  n1{shown}\n    ^^^^^^\n");
    let quoted = r#""n1\u001b]0;owned\u0007\u009b2J\u202e""#;
    let hint = "hostrange: if it is one name, put it in double quotes:";
    assert_eq!(refused(&[&format!("n1{hostile}")], ""), format!("hostrange: {message}{hint} '{quoted}'\n"));
    assert_eq!(refused(&[], format!("n1{hostile}\n")), format!("hostrange: stdin: line 1: {message}{hint} {quoted}\n"));
    let file = refused(&[&format!("^{hostile}")], "");
    assert_eq!(file, format!("hostrange: {shown}: No such file or directory\n"));
    let run = Sandbox::new().run("hostrange", &["--index", hostile, "n1"], "").exits(2);
    assert!(run.stderr.starts_with(&format!("hostrange: --index: '{shown}' is not a name\n")), "{}", run.stderr);
    for args in [["--nth", hostile], ["--axis", hostile], ["--no-such", hostile], ["-f", &format!("@{hostile}")]] {
        let message = refused(&args, "");
        assert!(!message.chars().any(|c| c.is_control() && c != '\n' || c == '\u{202e}'), "{message:?}");
    }
}

#[test]
fn a_hostile_name_is_written_unchanged_only_as_json() {
    let record = "{\"host\":\"a\\nb\\u001b[2J;$(reboot)\"}\n";
    let shown = "a\\nb\\u{1b}[2J;$(reboot)";
    let run = |args: &[&str]| Sandbox::new().run("hostrange", args, record);
    assert_eq!(run(&[]).exits(0).stdout, record);
    let quoted = r#""a\u000ab\u001b\u005b2J\u003b\u0024\u0028reboot\u0029""#;
    assert_eq!(run(&["-1"]).exits(0).stdout, format!("{quoted}\n"));
    assert_eq!(run(&["-f"]).exits(0).stdout, format!("{quoted}\n"));
    assert_eq!(run(&["-o", "table"]).exits(0).stdout, format!("HOST\n{shown}\n"));
}
