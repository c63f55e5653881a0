//! The main job, end to end: the tools in pipelines, against a real sshd and the EC2 stand-in.

use kit::{Moto, Sandbox, Sshd};
use serde_json::Value;
use std::net::TcpListener;
use std::time::{Duration, Instant};

const PARTS: [(&str, &str); 4] = [
    ("cloud-config-base.txt", "#cloud-config\npackages: [ntp]\n"),
    ("root-login.sh", "#!/bin/sh\ncp ~admin/.ssh/authorized_keys /root/.ssh/\n"),
    ("setup-hostname.sh.j2", "#!/bin/sh\nhostname {{ host }}\n"),
    ("cloud-config-puppet.txt", "#cloud-config\npuppet: {conf: {agent: {server: puppet.example.com}}}\n"),
];

fn fleet(sshd: &Sshd) -> Sandbox {
    let mut sandbox = Moto::shared().sandbox();
    PARTS.iter().for_each(|(name, content)| _ = sandbox.file(name, content));
    sshd.open_to(&mut sandbox);
    sandbox
}

fn text<'a>(record: &'a Value, key: &str) -> &'a str {
    record[key].as_str().unwrap_or_else(|| panic!("no {key} in {record}"))
}

#[test]
fn named_hosts_are_launched_tagged_listed_reached_stopped_started_and_terminated() {
    let sshd = Sshd::everywhere();
    let sandbox = fleet(&sshd);
    let parts = PARTS.map(|(name, _)| name).join(" ");
    let launch = format!(
        "hostrange 'mysql[1-5]' | mkuserdata --per-host {parts} | ec2-launch --profile MySQL | ec2-tag role=mysql team=dba"
    );
    let run = sandbox.sh(&launch).exits(0);
    let hosts: Vec<String> = run.records().iter().map(|record| text(record, "host").to_string()).collect();
    assert_eq!(hosts, ["mysql1", "mysql2", "mysql3", "mysql4", "mysql5"]);
    assert_eq!(run.stderr, "ec2-launch: 5 hosts: 5 launched\nec2-tag: 5 hosts: 5 tagged\n");

    let table = sandbox.sh("ec2-ls role=mysql -o table").exits(0).stdout;
    assert_eq!(table.lines().count(), 6, "{table}");

    let run = sandbox.sh("ec2-ls role=mysql | pssh-rs -- 'uptime; echo $SSH_CONNECTION >&2'").exits(0);
    assert_eq!(run.stderr, "pssh-rs: 5 ok\n");
    for record in run.records() {
        assert!(text(&record, "stdout").contains("load average"), "{record}");
        // sshd itself says which address each connection came to.
        assert!(text(&record, "stderr").contains(text(&record, "private_ip")), "{record}");
        assert_eq!(record["tags"]["team"], "dba");
    }

    sandbox.sh("ec2-power stop --wait mysql3").exits(0);
    let run = sandbox.sh("ec2-launch mysql3").exits(0);
    assert_eq!((text(&run.records()[0], "action"), text(&run.records()[0], "state")), ("start", "running"));

    let run = sandbox.sh("ec2-ls role=mysql | ec2-power terminate --yes --wait").exits(0);
    assert!(run.records().iter().all(|record| record["state"] == "terminated"), "{}", run.stdout);
    assert_eq!(sandbox.sh("ec2-ls --fail-empty role=mysql").exits(1).stdout, "");
}

#[test]
fn dead_hosts_beside_good_ones_come_out_once_and_in_time() {
    // Good hosts, one where nothing listens, and one that accepts and never says a word.
    let sshd = Sshd::start();
    let silent = TcpListener::bind(("127.0.0.200", sshd.port())).expect("a free address");
    let sandbox = fleet(&sshd);
    sandbox.file(
        "fleet.jsonl",
        "{\"host\":\"good1\",\"private_ip\":\"127.0.0.1\"}\n{\"host\":\"refuses\",\"private_ip\":\"127.0.0.201\"}\n\
         {\"host\":\"silent\",\"private_ip\":\"127.0.0.200\"}\n{\"host\":\"good2\",\"private_ip\":\"127.0.0.2\"}\n",
    );
    let started = Instant::now();
    let run = sandbox.sh("pssh-rs --connect-timeout 10 -- echo here < fleet.jsonl").exits(3);
    assert!(started.elapsed() < Duration::from_secs(90), "{:?}", started.elapsed());
    drop(silent);
    let mut ends: Vec<(String, String)> =
        run.records().iter().map(|record| (text(record, "host").into(), text(record, "status").into())).collect();
    ends.sort();
    let expected = [("good1", "ok"), ("good2", "ok"), ("refuses", "unreachable"), ("silent", "unreachable")];
    assert_eq!(ends, expected.map(|(host, status)| (host.to_string(), status.to_string())));
    // And what failed can be tried again, alone.
    let run = sandbox.sh(
        "pssh-rs --connect-timeout 1 -- true < fleet.jsonl | jq -c 'select(.status != \"ok\")' | pssh-rs --dry-run -- true",
    );
    assert_eq!(run.records().len(), 2, "{}", run.stderr);
}

#[test]
fn an_inventory_works_without_the_api() {
    let sshd = Sshd::everywhere();
    let mut sandbox = fleet(&sshd);
    sandbox.sh("ec2-launch --profile MySQL 'saved[1-2]' > fleet.jsonl").exits(0);
    sandbox.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let run = sandbox.sh("pssh-rs -- hostname < fleet.jsonl").exits(0);
    assert_eq!(run.records().len(), 2);
    assert_eq!(run.stderr, "pssh-rs: 2 ok\n");
}

#[test]
fn an_error_upstream_is_not_acted_on_downstream() {
    let sshd = Sshd::everywhere();
    let sandbox = fleet(&sshd);
    let run = sandbox.sh("ec2-launch 'absent[1-2]' | ec2-tag team=dba").exits(3);
    let records = run.records();
    assert_eq!(records.len(), 2);
    assert_eq!(text(&records[0], "error"), "no live instance has this name in us-east-1");
    // A bad line stops each tool before it changes anything.
    let run = sandbox.sh("printf 'x1\\n{\"host\"\\n' | ec2-launch --profile MySQL | ec2-tag team=dba").exits(2);
    assert!(run.stderr.starts_with("ec2-launch: stdin: line 2: broken JSON at column 7"), "{}", run.stderr);
    assert_eq!(sandbox.sh("ec2-ls -1 'x*'").stdout, "");
}
