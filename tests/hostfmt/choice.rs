//! Which hosts are written: by state, by what fits the format, and with one name.

use crate::{FLEET, hostfmt, written};
use kit::Sandbox;

#[test]
fn hosts_left_out_by_state_are_named() {
    let run = hostfmt(&["prometheus"], FLEET).exits(0);
    assert_eq!(run.stderr, "hostfmt: prometheus leaves out 2 hosts by state: old1,web2\n");
    assert_eq!(hostfmt(&["csv"], FLEET).exits(0).stderr, "");
    let none = hostfmt(&["prometheus"], "{\"host\":\"a\",\"state\":\"stopped\"}\n").exits(0);
    assert_eq!(none.stdout, "[\n]\n");
}

#[test]
fn refused_host_stops_the_run_and_skip_leaves_it_out() {
    let records =
        "{\"host\":\"my web\",\"private_ip\":\"10.0.0.1\"}\n{\"host\":\"web1\",\"private_ip\":\"10.0.0.2\"}\nweb2\n";
    let run = hostfmt(&["hosts"], records).exits(2);
    assert_eq!(run.stdout, "");
    let refused = "  \"my web\": the name is not a host name: that has letters, digits, hyphens, dots and underscores\n  \
                   web2: has no address\n";
    let all = format!(
        "hostfmt: hosts cannot hold 2 hosts, so nothing is written:\n{refused}hostfmt: \
         ec2-ls - | hostfmt hosts looks up addresses; --skip leaves them out and writes the others\n"
    );
    assert_eq!(run.stderr, all);

    let run = hostfmt(&["hosts", "--skip"], records).exits(3);
    assert_eq!(run.stdout, "10.0.0.2 web1\n");
    assert_eq!(run.stderr, format!("hostfmt: hosts cannot hold 2 hosts, left out:\n{refused}"));
    let run = hostfmt(&["hosts", "--skip"], "web2\n").exits(2);
    assert_eq!(run.stdout, "");
    let only_hint = "hostfmt: ec2-ls - | hostfmt hosts looks up addresses\n";
    assert!(run.stderr.ends_with(only_hint), "{}", run.stderr);
}

#[test]
fn group_field_that_no_host_has_gives_a_warning() {
    let run = hostfmt(&["nagios", "-g", "tags.rol"], "{\"host\":\"a\",\"tags\":{\"role\":\"web\"}}\n").exits(0);
    assert_eq!(run.stderr, "hostfmt: no host has tags.rol, so there are no groups; did you mean tags.role?\n");
    let run = hostfmt(&["hosts", "-g", "zone"], "{\"host\":\"a\",\"private_ip\":\"10.0.0.1\"}\n").exits(0);
    assert_eq!(run.stderr, "hostfmt: hosts has no groups, so --group-by is ignored\n");
}

#[test]
fn an_address_can_be_within_an_object() {
    let run = hostfmt(&["hosts", "--address", "tags.ip"], "{\"host\":\"a\",\"tags\":{\"ip\":\"10.9.9.9\"}}\n").exits(0);
    assert_eq!(run.stdout, "10.9.9.9 a\n");
}

#[test]
fn stdout_is_written_to_and_not_replaced() {
    let sandbox = Sandbox::new();
    sandbox.file("fleet.jsonl", "{\"host\":\"a\",\"private_ip\":\"10.0.0.1\"}\n");
    for name in ["/dev/stdout", "/dev/fd/1"] {
        let run = format!("(echo head; hostfmt hosts -w {name} fleet.jsonl; echo foot) > out; cat out");
        assert_eq!(sandbox.sh(&run).exits(0).stdout, "head\n10.0.0.1 a\nfoot\n");
    }
}

#[test]
fn host_with_only_an_ipv6_address_uses_it() {
    let record = "{\"host\":\"six\",\"private_ip\":null,\"ipv6\":\"2001:db8::6\"}\n";
    assert_eq!(written(&["hosts"], record), "2001:db8::6 six\n");
    assert!(written(&["bind"], record).ends_with("six IN AAAA 2001:db8::6\n"));
    assert!(written(&["prometheus"], record).contains("\"[2001:db8::6]:9100\""));
}

#[test]
fn hosts_with_one_name_are_refused_where_names_must_be_unique() {
    let twins = concat!(
        r#"{"host":"web1","private_ip":"10.0.0.1"}"#,
        "\n",
        r#"{"host":"Web1","private_ip":"10.0.0.2"}"#,
        "\n",
        r#"{"host":"web2","private_ip":"10.0.0.3"}"#,
        "\n",
    );
    for format in ["ssh-config", "ansible", "prometheus", "nagios"] {
        let run = hostfmt(&[format], twins).exits(2);
        assert!(run.stderr.contains("stands for several hosts (2 hosts)"), "{}", run.stderr);
        let run = hostfmt(&[format, "--skip"], twins).exits(3);
        assert!(run.stdout.contains("10.0.0.3") && !run.stdout.contains("10.0.0.1"), "{}", run.stdout);
    }
    let run = hostfmt(&["hosts"], twins).exits(0);
    assert_eq!(run.stderr, "hostfmt: hosts: Web1,web1: has the name of another host; both are written (2 hosts)\n");
    assert_eq!(run.stdout, "10.0.0.2 Web1\n10.0.0.1 web1\n10.0.0.3 web2\n");
}

#[test]
fn refused_host_leaves_the_file_unchanged() {
    let sandbox = Sandbox::new();
    let file = sandbox.file("fleet.hosts", "as it was\n");
    sandbox.run("hostfmt", &["hosts", "-w", "fleet.hosts"], "web1\n").exits(2);
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), "as it was\n");
    let run = sandbox.run("hostfmt", &["hosts", "-w", "fleet.hosts"], FLEET).exits(0);
    assert_eq!(run.stdout, "");
    assert!(std::fs::read_to_string(&file).expect("the file").starts_with("10.0.0.3 db1\n"));
}

#[test]
fn saved_records_are_read_from_files_in_any_order() {
    let sandbox = Sandbox::new();
    let lines: Vec<&str> = FLEET.lines().collect();
    sandbox.file("a.jsonl", format!("{}\n{}\n", lines[4], lines[0]));
    sandbox.file("b.jsonl", format!("{}\n{}\n", lines[3], lines[2]));
    for format in ["hosts", "csv", "ansible", "prometheus", "nagios", "ganglia", "ssh-config"] {
        let run = sandbox.run("hostfmt", &[format, "a.jsonl", "-", "b.jsonl"], lines[1]).exits(0);
        assert_eq!(run.stdout, written(&[format], FLEET));
    }
    let run = sandbox.run("hostfmt", &["hosts", "no.jsonl"], "").exits(2);
    assert!(run.stderr.starts_with("hostfmt: no.jsonl: "), "{}", run.stderr);
    let run = sandbox.run("hostfmt", &["hosts"], "").exits(2);
    assert!(run.stderr.contains("stdin was empty"), "{}", run.stderr);
}
