//! Expressions on the command line, in files and on stdin.

use crate::{names, names_in, printed, refused};
use kit::Sandbox;

#[test]
fn brackets_can_be_anywhere_with_steps_letters_and_padding() {
    assert_eq!(names(&["10.0.[0-1].[1,9]"]), "10.0.0.1 10.0.0.9 10.0.1.1 10.0.1.9");
    assert_eq!(names(&["us-east-1[a-b]r[1-2]"]), "us-east-1ar1 us-east-1ar2 us-east-1br1 us-east-1br2");
    assert_eq!(names(&["[1-2][3-4]"]), "13 14 23 24");
    assert_eq!(names(&["n[0-10/5,7]", "n[1:9:4]", "n[a-g/3]"]), "n0 n5 n10 n7 n1 n9 na nd ng");
    assert_eq!(names(&["n[08-10],n[8-10]", "n[098-101/3]"]), "n08 n09 n10 n8 n9 n098 n101");
}

#[test]
fn numbers_may_be_longer_than_any_machine_word() {
    let nines = "9".repeat(40);
    let (low, high) = (format!("{nines}8"), format!("1{}1", "0".repeat(40)));
    let set = format!("n[{low}-{high}]");
    let zeros = "0".repeat(40);
    assert_eq!(names(&[&set]), format!("n{nines}8 n{nines}9 n1{zeros}0 n1{zeros}1"));
    assert_eq!(names(&[&set, "--nth", "-1"]), format!("n{high}"));
    assert_eq!(printed(&["-c", &format!("n[1-{nines}]")], ""), format!("{nines}\n"));
    assert_eq!(printed(&["-f", &format!("n[{nines}0-{nines}3]")], ""), format!("n[{nines}0-{nines}3]\n"));
}

#[test]
fn a_host_comes_once_where_it_is_first_given() {
    assert_eq!(names(&["n[1-2],n2", "n[5,1-4]"]), "n1 n2 n5 n3 n4");
    assert_eq!(names(&["[1-2][1-2],[1-2]1"]), "11 12 21 22");
}

#[test]
fn operations_go_from_left_to_right_and_parentheses_first() {
    assert_eq!(names(&["n[1-5]!n[2-3]"]), "n1 n4 n5");
    assert_eq!(names(&["n[1-5] & n[4-9]"]), "n4 n5");
    assert_eq!(names(&["n[1-3]^n[3-5]"]), "n1 n2 n4 n5");
    assert_eq!(names(&["n1,n2!n1"]), "n2");
    assert_eq!(names(&["n2,(n1!n1)"]), "n2");
    assert_eq!(names(&["n[1-9]!n[1-5]&n[6-7]"]), "n6 n7");
    assert_eq!(names(&["n[1-9]!(n[1-5]!(n3,n4))"]), "n3 n4 n6 n7 n8 n9");
    // An operation ends with its argument.
    assert_eq!(names(&["n[1-3]!n2", "n2"]), "n1 n3 n2");
}

#[test]
fn options_apply_after_all_arguments_in_the_order_of_the_command_line() {
    assert_eq!(names(&["-x", "n1", "n[1-5]", "-i", "n[1-3]", "-X", "n[3-6]"]), "n2 n4 n5 n6");
    assert_eq!(names(&["-X", "n[3-6]", "-i", "n[1-3]", "n[1-5]", "-x", "n1"]), "n2");
    assert_eq!(names(&["--exclude=n2", "n1", "--xor", "n[2-3]", "-x", "n3", "n2"]), "n1 n2");
    assert_eq!(names(&["n[1-3]", "-x", "n[1-2]!n1"]), "n1 n3");
}

#[test]
fn files_and_stdin_can_be_anywhere() {
    let sandbox = Sandbox::new();
    sandbox.file("drained", "n1\nn[3-9/2]!n9\n");
    assert_eq!(names_in(&sandbox, &["n[1-4]", "-x", "^drained"], ""), "n2 n4");
    assert_eq!(names_in(&sandbox, &["b", "-", "^drained", "a"], "c,d!c\ne,f\n"), "b d e f n1 n3 n5 n7 a");
    assert_eq!(names_in(&sandbox, &["n[1-3]", "-i", "-"], "n3\nn1\n"), "n1 n3");
    assert_eq!(names_in(&sandbox, &["-x", "^drained"], "n[1-4]\n"), "n2 n4");
    // It may be read again: it is a file.
    assert_eq!(names_in(&sandbox, &["^drained", "^drained", "-x", "n3"], ""), "n1 n5 n7");
}

#[test]
fn newlines_separate_names_and_blanks_do_not() {
    let message = "hostrange: bad expression: a comma is missing: blanks do not separate names\n  My Web Server\n    ^\n\
                hostrange: if it is one name, put it in double quotes: '\"My Web Server\"'\n";
    assert_eq!(refused(&["My Web Server"], ""), message);
    assert!(refused(&[], "web1\nweb1 admin\n").contains("line 2: bad expression: a comma is missing"));
    assert_eq!(names(&["web1\nweb[2-3], db1\n"]), "web1 web2 web3 db1");
    assert_eq!(printed(&["-e", "n[1-3] ! n2 , x"], ""), "n1 n3 x\n");
}

#[test]
fn any_text_in_quotes_is_one_name() {
    assert_eq!(printed(&["-1", "\"My Web Server\",web1"], ""), "\"My\\u0020Web\\u0020Server\"\nweb1\n");
    assert_eq!(
        printed(&["-e", "\"rack 1 \"[1-2]\" x\""], ""),
        "\"rack\\u00201\\u00201\\u0020x\" \"rack\\u00201\\u00202\\u0020x\"\n"
    );
    assert_eq!(printed(&["\"a\\\"b\""], ""), "{\"host\":\"a\\\"b\"}\n");
    assert_eq!(printed(&["\"a \"[1-2]", "-o", "table"], ""), "HOST\na 1\na 2\n");
    assert_eq!(printed(&["-1"], "\"My #1\" # a comment\n\"#2\"\n"), "\"My\\u0020\\u00231\"\n\"\\u00232\"\n");
    assert_eq!(printed(&["-1", "\"web\"", "-x", "\"a b\"", "\"a b\""], ""), "web\n");
    assert_eq!(printed(&["--index", "\"a 2\"", "\"a \"[1-9]"], ""), "1\n");
    assert_eq!(printed(&["--contains", "\"a \"[2-3]", "\"a \"[1-9]"], ""), "");
    assert_eq!(printed(&["-f", "-x", "\"a 3\"", "\"a \"[1-5]"], ""), "\"a\\u0020\"[1-2,4-5]\n");
    assert_eq!(printed(&["-c", "\"a \"[1-999999999999]"], ""), "999999999999\n");
    for (wrong, why) in [
        ("\"a b", "\" is not closed by \" (for a shell write '\"a b\"', or \"a\\u0020b\")"),
        ("\"a\"b", "a comma is missing after \""),
        ("a\"b\"", "a comma is missing before \""),
        ("\"\"", "there is nothing in the quotes"),
        ("\"a\\qb\"", "in quotes: invalid escape"),
    ] {
        let message = refused(&[wrong], "");
        assert!(message.starts_with(&format!("hostrange: bad expression: {why}\n")), "{wrong}: {message}");
    }
}

#[test]
fn names_that_need_quotes_are_read_back_from_every_output() {
    let sandbox = Sandbox::new();
    let names = ["My Web Server", "a,b", "x-", "tab\tname", "\"q\"", "back\\slash", "n[1-2]", "n1", "-v"];
    let records: String = names.iter().map(|name| format!("{}\n", serde_json::json!({"host": name}))).collect();
    sandbox.file("fleet.jsonl", &records);
    for line in [
        "hostrange -1 < fleet.jsonl | hostrange",
        "hostrange -f < fleet.jsonl | hostrange",
        "hostrange -s , < fleet.jsonl | hostrange",
        "hostrange -s '\\0' < fleet.jsonl | xargs -0 hostrange",
        "hostrange -f --split 4 < fleet.jsonl | hostrange",
        "hostrange \"$(hostrange -1 < fleet.jsonl)\"",
        "jq .host < fleet.jsonl | hostrange",
        // A shell splits no name at its blanks.
        "hostrange $(hostrange -1 < fleet.jsonl)",
        "for name in $(hostrange -1 < fleet.jsonl); do hostrange $name; done",
        "hostrange -1 < fleet.jsonl | xargs -d '\\n' hostrange",
    ] {
        let run = sandbox.sh(line).exits(0);
        assert_eq!((run.stdout.as_str(), run.stderr.as_str()), (records.as_str(), ""), "{line}");
    }
}

/// xargs removes quotes: what is left of such a name is a name to no tool.
#[test]
fn a_name_that_lost_its_quotes_is_refused() {
    let sandbox = Sandbox::new();
    for name in ["My Web Server", "a,b", "x-", "-n", "@grp", "k=v", "web[1-2]", "back\\slash", "#1"] {
        sandbox.file("fleet.jsonl", format!("{}\n", serde_json::json!({"host": name})));
        let run = sandbox.sh("hostrange -1 < fleet.jsonl | xargs hostrange").exits(123);
        assert!(run.stdout.is_empty() && run.stderr.contains("a host name has no '\\'"), "{name}: {}", run.stderr);
    }
}

#[test]
fn stdin_can_be_read_once_and_a_file_must_exist() {
    let twice = "hostrange: stdin ('-') is given twice\n";
    assert_eq!(refused(&["-", "-"], "n1\n"), twice);
    assert_eq!(refused(&["-", "-x", "-"], "n1\n"), twice);
    assert_eq!(refused(&["--contains", "-"], "n1\n"), twice);
    assert_eq!(refused(&["n1", "^no-such"], ""), "hostrange: no-such: No such file or directory\n");
    assert_eq!(refused(&["n1", "-x", "^"], ""), "hostrange: the name of a file is missing after ^\n");
}
