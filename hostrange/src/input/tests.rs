use super::*;
use crate::fold::fold;
use cerveza_record::printed_name;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn hosts(words: &[&str], stdin: &str) -> std::result::Result<Vec<String>, String> {
    let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
    given_from(&words, stdin.as_bytes())
        .map(|given| given.hosts.iter().map(Record::to_string).collect())
        .map_err(|failure| failure.message)
}

#[test]
fn stdin_is_read_without_words_or_for_a_dash() {
    assert_eq!(hosts(&[], "a\n{\"host\":\"b\",\"x\":1}\n").unwrap(), [r#"{"host":"a"}"#, r#"{"host":"b","x":1}"#]);
    assert_eq!(hosts(&["a"], "b\n").unwrap(), [r#"{"host":"a"}"#]);
    assert_eq!(hosts(&["a", "-"], "b\n").unwrap(), [r#"{"host":"a"}"#, r#"{"host":"b"}"#]);
    assert_eq!(hosts(&["-", "-"], "b\n").unwrap_err(), "stdin ('-') is given twice");
}

#[test]
fn names_are_deduplicated_and_records_are_not() {
    assert_eq!(hosts(&["n[1-2]", "n[2-3]"], "").unwrap().len(), 3);
    assert_eq!(hosts(&["n[1-5]!n[2-3]&n[3-9]"], "").unwrap(), [r#"{"host":"n4"}"#, r#"{"host":"n5"}"#]);
    assert_eq!(hosts(&[], "{\"host\":\"a\"}\n{\"host\":\"a\"}\n").unwrap().len(), 2);
}

#[test]
fn an_error_names_the_line() {
    assert_eq!(hosts(&[], "").unwrap_err(), "no hosts: stdin was empty");
    assert_eq!(hosts(&[], "a\n\n{\"x\":1}\n").unwrap_err(), "stdin: line 3: the record has no \"host\"");
    let shown = hosts(&[], "a\nb;c\n").unwrap_err();
    assert!(shown.starts_with("stdin: line 2: bad expression: a host name has no ';' in it\n"), "{shown}");
    for heading in ["host,instance_id,state", "host\tzone", "HOST  INSTANCE             STATE"] {
        let why = hosts(&[], &format!("{heading}\nweb1\n")).unwrap_err();
        assert_eq!(why, "stdin: line 1 is the heading of a table, not a host");
    }
    assert_eq!(hosts(&[], "host,web1\n").unwrap().len(), 2);
    assert_eq!(hosts(&["n[1-999999]"], "").unwrap_err(), "999999 hosts are given: the most is 100000");
    assert_eq!(hosts(&["^/no/such"], "").unwrap_err(), "/no/such: No such file or directory");
}

#[test]
fn the_hint_quotes_a_possible_name() {
    let hint = |words: &[&str], stdin: &str| {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        given_from(&words, stdin.as_bytes()).unwrap_err().hint.unwrap_or_default()
    };
    let said = "if it is one name, put it in double quotes: ";
    assert_eq!(hint(&["My Web Server"], ""), format!("{said}'\"My Web Server\"'"));
    assert_eq!(hint(&["Bob's web"], ""), format!(r#"{said}'"Bob'\''s web"'"#));
    assert_eq!(hint(&[], "web1\n My Web Server\n"), format!("{said}\"My Web Server\""));
    for word in ["web!old", "a#b", "-x", "{x", "a=b", "tab\tname", "back\\slash"] {
        assert!(hint(&[word], "").starts_with(said), "{word}");
    }
    assert_eq!(hint(&["web[3-1]"], ""), "");
    assert_eq!(hint(&["a b".repeat(1000).as_str()], ""), "");
}

#[test]
fn expressions_that_could_be_names_are_returned() {
    let words = ["a,b", "web1", "é", "root@web1", "web[1-2]", "\"a b\"", "-"].map(str::to_string);
    let given = given_from(&words, &b"web4 # down\n#x\n{\"host\":\"c\"}\n\n d , e \nweb5"[..]).unwrap();
    assert_eq!(given.possible_names, ["a,b", "web[1-2]", "web4 # down", "d , e"]);
    assert!(given_from(&["web[1-3],".repeat(30)], &b""[..]).unwrap().possible_names.is_empty());
}

/// Any text, and texts of characters that mean something in an expression.
fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![
        r#"[-a1b2 \t\n,!#\[\]{}()@&^%"'\\=*?/$~:;.\u{202e}\u{feff}\u{e9}]{1,8}"#,
        any::<String>().prop_filter("a name is not empty", |name| !name.is_empty()),
    ]
}

fn names(words: &[String], stdin: &str) -> Vec<String> {
    let given = given_from(words, stdin.as_bytes()).unwrap_or_else(|failure| panic!("{}", failure.message));
    given.hosts.iter().map(|record| record.host().to_string()).collect()
}

proptest! {
    #[test]
    fn a_printed_name_reads_back_as_that_host_alone(given in proptest::collection::hash_set(any_name(), 1..5)) {
        let given: Vec<String> = given.into_iter().collect();
        let printed: Vec<String> = given.iter().map(|name| printed_name(name).into_owned()).collect();
        prop_assert_eq!(&names(&[], &printed.join("\n")), &given);
        prop_assert_eq!(&names(&[printed.join("\n")], ""), &given);
        prop_assert_eq!(&names(&[printed.join(",")], ""), &given);
        prop_assert_eq!(&names(&printed, ""), &given);
        let folded = fold(given.iter().map(String::as_str));
        let given: BTreeSet<String> = given.into_iter().collect();
        for read in [names(&[], &folded), names(std::slice::from_ref(&folded), "")] {
            prop_assert_eq!(read.len(), given.len(), "{}", folded);
            prop_assert_eq!(&read.into_iter().collect::<BTreeSet<_>>(), &given, "{}", folded);
        }
    }
}
