//! Hosts grouped by a field of their records.

use crate::{printed, printed_in, refused};
use kit::Sandbox;

const FLEET: &str = r#"{"host":"web1","zone":"us-east-1a","tags":{"role":"web","a.b":"x"},"security_groups":["web","ssh"],"cpus":2}
{"host":"web10","zone":"us-east-1b","tags":{"role":"web"},"security_groups":["web"],"cpus":16}
{"host":"db1","zone":null,"tags":{"role":"null"},"security_groups":[],"cpus":4}
{"host":"web2","zone":"us-east-1a","tags":{},"security_groups":["ssh"]}
{"host":"web3","zone":"us-east-1a","tags":{"role":"-"}}
"#;

#[track_caller]
fn by(args: &[&str], stdin: &str) -> String {
    printed(&[&["--by"], args].concat(), stdin)
}

#[test]
fn by_prints_a_line_per_value() {
    assert_eq!(by(&["zone"], FLEET), "us-east-1a: web[1-3]\nus-east-1b: web10\n-: db1\n");
    assert_eq!(by(&["zone", "-c"], FLEET), "us-east-1a: 3\nus-east-1b: 1\n-: 1\n");
    assert_eq!(by(&["zone", "--fold"], FLEET), by(&["zone"], FLEET));
}

#[test]
fn two_instances_of_one_name_count_as_two() {
    let two = r#"{"host":"web1","instance_id":"i-1","status":"ok"}
{"host":"web1","instance_id":"i-2","status":"ok"}
{"host":"web1","instance_id":"i-2","status":"ok"}
{"host":"web1","instance_id":"i-3"}
{"host":"web2","status":"ok"}
{"host":"web2","status":"ok"}
"#;
    assert_eq!(by(&["status", "-c"], two), "ok: 3\n-: 1\n");
    assert_eq!(by(&["status"], two), "ok: web[1-2]\n-: web1\n");
    assert!(by(&["status", "-o", "json"], two).starts_with(r#"{"by":"status","value":"ok","count":3,"#));
}

#[test]
fn a_renamed_instance_is_in_the_group_of_each_of_its_records() {
    let renamed = r#"{"host":"old1","instance_id":"i-1","status":"ok"}
{"host":"new1","instance_id":"i-1","status":"failed"}
"#;
    assert_eq!(by(&["status"], renamed), "failed: new1\nok: old1\n");
}

#[test]
fn values_are_in_natural_order() {
    assert_eq!(by(&["cpus"], FLEET), "2: web1\n4: db1\n16: web10\n-: web[2-3]\n");
}

#[test]
fn a_path_leads_into_objects() {
    assert_eq!(by(&["tags.role"], FLEET), "\"-\": web3\nnull: db1\nweb: web[1,10]\n-: web2\n");
    assert_eq!(by(&["tags.a.b", "-x", "web[2-10],db1"], FLEET), "x: web1\n");
}

#[test]
fn a_host_is_in_the_group_of_each_item_of_a_list() {
    assert_eq!(by(&["security_groups"], FLEET), "ssh: web[1-2]\nweb: web[1,10]\n-: db1,web3\n");
    assert_eq!(by(&["security_groups", "-c"], FLEET), "ssh: 2\nweb: 2\n-: 2\n");
}

#[test]
fn json_has_a_record_for_each_group() {
    let groups = [
        r#"{"by":"zone","value":"us-east-1a","count":3,"hosts":"web[1-3]"}"#,
        r#"{"by":"zone","value":"us-east-1b","count":1,"hosts":"web10"}"#,
        r#"{"by":"zone","value":null,"count":1,"hosts":"db1"}"#,
    ];
    assert_eq!(by(&["zone", "-o", "json"], FLEET), groups.join("\n") + "\n");
    assert!(by(&["cpus", "-o", "json"], FLEET).starts_with(r#"{"by":"cpus","value":2,"count":1,"#));
    // What a pipeline makes of it.
    let sandbox = Sandbox::new();
    sandbox.file("fleet.jsonl", FLEET);
    let line = "hostrange --by zone -o json < fleet.jsonl | jq -r 'select(.count > 1) | .hosts' | hostrange -1";
    assert_eq!(sandbox.sh(line).exits(0).stdout, "web1\nweb2\nweb3\n");
}

#[test]
fn a_table_has_value_count_and_hosts() {
    let table =
        "VALUE       COUNT  HOSTS\nus-east-1a  3      web[1-3]\nus-east-1b  1      web10\n-           1      db1\n";
    assert_eq!(by(&["zone", "-o", "table"], FLEET), table);
    assert_eq!(by(&["zone", "-o", "csv"], "{\"host\":\"h\",\"zone\":\"a, b\"}\n"), "value,count,hosts\n\"a, b\",1,h\n");
    assert_eq!(
        by(&["zone", "--columns", "value,count", "--no-header"], FLEET),
        "us-east-1a  3\nus-east-1b  1\n-           1\n"
    );
}

#[test]
fn hosts_are_selected_before_they_are_grouped() {
    let sandbox = Sandbox::new();
    sandbox.file("done", "web1\n");
    assert_eq!(
        printed_in(&sandbox, &["--by", "zone", "-x", "^done"], FLEET),
        "us-east-1a: web[2-3]\nus-east-1b: web10\n-: db1\n"
    );
    assert_eq!(by(&["zone", "web[1-9]", "-i", "-"], FLEET), "us-east-1a: web[1-3]\n");
    assert_eq!(by(&["zone", "--nth", "0-1"], FLEET), "us-east-1a: web1\nus-east-1b: web10\n");
    assert_eq!(
        by(&["tags.role", "--sort", "-"], "{\"host\":\"b\"}\n{\"host\":\"a\",\"tags\":{\"role\":1}}\nx[1-2]\nc\n"),
        "1: a\n-: b,c,x[1-2]\n"
    );
    assert_eq!(by(&["zone", "--pick", "2", "-c", "-i", "web[1-3]"], FLEET), "us-east-1a: 2\n");
}

#[test]
fn names_without_a_record_have_no_value() {
    let stdin = format!("{FLEET}# web9\nweb[8-9] # two\n\"a b\"\n");
    assert_eq!(by(&["zone"], &stdin), "us-east-1a: web[1-3]\nus-east-1b: web10\n-: db1,web[8-9],\"a\\u0020b\"\n");
    assert_eq!(
        by(&["zone", "-", "web[1-1000000000000]", "-c"], FLEET),
        "us-east-1a: 3\nus-east-1b: 1\n-: 999999999997\n"
    );
    assert_eq!(
        by(&["zone", "-", "web[1-10000]"], FLEET),
        "us-east-1a: web[1-3]\nus-east-1b: web10\n-: db1,web[4-9,11-10000]\n"
    );
    let many = refused(&["--by", "zone", "-", "web[1-1000000000000]"], FLEET);
    assert_eq!(many, "hostrange: cannot fold more than 20000000 hosts\n");
}

#[test]
fn several_records_of_a_host_add_up() {
    let records = concat!(
        r#"{"host":"a","instance_id":"i-1","zone":"x"}"#,
        "\n",
        r#"{"host":"a","instance_id":"i-2","zone":"y"}"#,
        "\n",
        r#"{"host":"b","zone":"x"}"#,
        "\n",
        r#"{"host":"b","status":"ok"}"#,
        "\n",
        r#"{"host":"b","zone":"x"}"#,
        "\n",
    );
    assert_eq!(by(&["zone", "-c"], records), "x: 2\ny: 1\n");
    assert_eq!(by(&["status"], records), "ok: b\n-: a\n");
}

#[test]
fn a_hostile_value_is_quoted_on_one_line() {
    let record = |value: &str| format!("{{\"host\":\"h\",\"x\":{value}}}\n");
    for (value, label) in [
        (r#""a: b""#, r#""a: b""#),
        (r#""a\nb: c""#, r#""a\nb: c""#),
        (r#""\u001b[2J""#, r#""\u001b[2J""#),
        (r#""\u202e""#, r#""\u202e""#),
        (r#""""#, r#""""#),
        (r#""日本 x""#, "日本 x"),
        (r#"{"a":1}"#, r#""{\"a\":1}""#),
        ("1.0", "1.0"),
        ("false", "false"),
    ] {
        assert_eq!(by(&["x"], &record(value)), format!("{label}: h\n"), "{value}");
    }
    assert!(!by(&["x", "-o", "table"], &record(r#""\u009b\u202e""#)).contains(['\u{9b}', '\u{202e}']));
}

#[test]
fn an_unknown_field_is_a_warning_with_a_suggestion() {
    let run = Sandbox::new().run("hostrange", &["--by", "zoen"], FLEET).exits(0);
    assert_eq!(run.stdout, "-: web[1-3,10],db1\n");
    assert_eq!(run.stderr, "hostrange: --by zoen: no record has this field; did you mean zone?\n");
    let run = Sandbox::new().run("hostrange", &["--by", "tags.rol"], FLEET).exits(0);
    assert!(run.stderr.ends_with("did you mean tags.role?\n"), "{}", run.stderr);
    let run = Sandbox::new().run("hostrange", &["--by", "zone"], "web1\n").exits(0);
    assert_eq!(
        run.stderr,
        "hostrange: --by zone: these hosts have no records with this key: pipe in records, as from ec2-ls\n"
    );
    assert_eq!(by(&["zone"], "{\"host\":\"a\",\"zone\":null}\n"), "-: a\n");
}

#[test]
fn a_bad_line_ends_the_run_with_nothing_written() {
    let message = |bad: &str| refused(&["--by", "zone"], format!("{FLEET}{bad}\nweb2\n"));
    assert_eq!(message("{\"name\":\"x\"}"), "hostrange: stdin: line 6: the record has no \"host\"\n");
    assert!(message("{\"host\":").starts_with("hostrange: stdin: line 6: broken JSON at column 8"));
    assert!(message("n[3-1]").starts_with("hostrange: stdin: line 6: bad expression: "));
    assert_eq!(refused(&["--by", "zone"], b"web1\n{\"host\":\"\xff\"}\n"), "hostrange: stdin: line 2: not UTF-8\n");
}

#[test]
fn an_empty_input_has_no_groups() {
    let run = Sandbox::new().run("hostrange", &["--by", "zone"], "").exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "hostrange: no hosts: the input was empty\n"));
    let run = Sandbox::new().run("hostrange", &["--by", "zone", "--fail-empty", "-x", "web[1-10],db1"], FLEET).exits(1);
    assert_eq!(run.stderr, "hostrange: no host is left\n");
}

#[test]
fn memory_does_not_grow_with_the_size_of_records() {
    let record = r#"{"host":"web%.0f","zone":"us-east-1a","blob":"BLOB"}"#.replace("BLOB", &"x".repeat(2000));
    let line = format!("ulimit -v 100000; seq -f '{record}' 1 100000 | hostrange --by zone");
    let run = Sandbox::new().sh(&line).exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("us-east-1a: web[1-100000]\n", ""));
}

#[test]
fn options_that_conflict_with_by_are_refused() {
    for args in
        [&["-1"][..], &["-e"], &["-s,"], &["--split", "2"], &["--index", "a"], &["--keep-duplicates"], &["-o", "names"]]
    {
        let message = refused(&[&["--by", "zone"], args].concat(), FLEET);
        assert!(message.contains("--by"), "{message}");
    }
}
