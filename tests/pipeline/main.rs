//! The main job, end to end: the tools in pipelines, against a real sshd and the EC2 stand-in.

mod install;
mod names;
mod new_instances;

use kit::{Moto, Sandbox, Sshd};
use serde_json::Value;
use std::collections::BTreeSet;
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
        // sshd says which address each connection came to.
        assert!(text(&record, "stderr").contains(text(&record, "private_ip")), "{record}");
        assert_eq!(record["tags"]["team"], "dba");
    }

    let zone = sandbox
        .sh("ec2-ls role=mysql | hostfmt bind -D zone=example.com -w fleet.zone && cat fleet.zone")
        .exits(0)
        .stdout;
    let named = zone.lines().filter(|line| line.contains(" IN A ") && !line.contains("-public"));
    assert_eq!(named.count(), 5, "{zone}");

    sandbox.sh("ec2-power stop --wait mysql3").exits(0);
    let run = sandbox.sh("ec2-launch mysql3").exits(0);
    assert_eq!((text(&run.records()[0], "action"), text(&run.records()[0], "state")), ("started", "running"));

    let run = sandbox.sh("ec2-ls role=mysql | ec2-power terminate --yes --wait").exits(0);
    assert!(run.records().iter().all(|record| record["state"] == "terminated"), "{}", run.stdout);
    assert_eq!(sandbox.sh("ec2-ls --fail-empty role=mysql").exits(1).stdout, "");
}

/// A profile as in the LISA 2011 report, with all its keys and files.
fn crawlers() -> Sandbox {
    let moto = Moto::shared();
    let mut sandbox = moto.sandbox();
    let profile = kit::root().join("ec2-launch/tests/Crawler.yaml");
    sandbox.file("Crawler.yaml", std::fs::read(profile).expect("the profile"));
    sandbox.file("base.txt", "#cloud-config\npackages: [curl]\n");
    sandbox.file("login.sh", "#!/bin/sh\ncp ~admin/.ssh/authorized_keys /root/.ssh/\n");
    sandbox.file("scripts/hostname.sh.j2", "#!/bin/sh\nhostname {{ host }}\n");
    sandbox.file("scripts/agent.txt", "#cloud-config\nruncmd: [[systemctl, start, agent]]\n");
    sandbox.file("scripts/hand-over", "#!/bin/sh\necho handed over\n");
    sandbox.env("AWS_REGION", "eu-west-1");
    let group = ("GroupName", "crawlers");
    moto.call_in("eu-west-1", &[("Action", "CreateSecurityGroup"), group, ("GroupDescription", "crawlers")]);
    moto.call_in("eu-west-1", &[("Action", "CreateKeyPair"), ("KeyName", "crawler-ops")]);
    sandbox
}

#[test]
fn documented_commands_work_with_a_documented_profile() {
    let mut sandbox = crawlers();
    // One command on forty named hosts, without an inventory. This program stands for the host's service(8), which here
    // would be that of the machine.
    sandbox.file("bin/service", "#!/bin/sh\necho \"$1 was told to $2\"\n");
    sandbox.sh("chmod +x bin/service").exits(0);
    let bin = sandbox.dir().join("bin");
    let command = format!("ForceCommand PATH='{}':\"$PATH\"; eval \"$SSH_ORIGINAL_COMMAND\"", bin.display());
    let sshd = Sshd::with(&["127.0.0.1".to_string()], &command);
    sshd.open_to(&mut sandbox);
    let config = sandbox.file("ssh_config", "Host crawl*\n    HostName 127.0.0.1\n");
    sandbox.env("PSSH_RS_SSH_CONFIG", config.display().to_string());
    let run = sandbox.sh("pssh-rs -w 'crawl[1-40]' -- service crawler restart").exits(0);
    let hosts: BTreeSet<String> = run.records().iter().map(|record| text(record, "host").to_string()).collect();
    assert_eq!(hosts, (1..=40).map(|number| format!("crawl{number}")).collect());
    assert!(run.records().iter().all(|record| record["stdout"] == "crawler was told to restart\n"), "{}", run.stdout);
    assert_eq!(run.stderr, "pssh-rs: 40 ok\n");

    // The first start launches from the profile.
    let run = sandbox.sh("ec2-launch --zone eu-west-1b --profile Crawler crawl01").exits(0);
    assert_eq!(run.stderr, "ec2-launch: 1 host: 1 launched\n");
    let launched = &run.records()[0];
    for (key, value) in [
        ("action", "launched"),
        ("state", "running"),
        ("zone", "eu-west-1b"),
        ("image_id", "ami-1e749f67"),
        ("instance_type", "m5.large"),
        ("key_name", "crawler-ops"),
        ("profile", "Crawler"),
        ("kernel", "6.1.0-13-cloud-amd64"),
    ] {
        assert_eq!(launched[key], value, "{key}");
    }
    assert_eq!(launched["security_groups"][0], "crawlers");
    let script = sandbox.dir().canonicalize().expect("a folder").join("scripts/hand-over");
    assert_eq!(launched["shutdown_scripts"], serde_json::json!([script]));
    assert_eq!(launched.get("startup_scripts"), None);
    let parts = sandbox.sh("ec2-ls --user-data crawl01 | jq -r .user_data | base64 -d | mkuserdata --list -1").exits(0);
    for part in ["base.txt", "hostname.sh", "login.sh", "agent.txt"] {
        assert!(parts.stdout.contains(part), "{}", parts.stdout);
    }

    // It is stopped, and the second start does not name the profile.
    let run = sandbox.sh("ec2-power --zone eu-west-1b stop crawl01").exits(0);
    assert_eq!((text(&run.records()[0], "action"), run.stderr.as_str()), ("stop", "ec2-power: 1 host: 1 stopped\n"));
    let run = sandbox.sh("ec2-launch crawl01").exits(0);
    let started = &run.records()[0];
    assert_eq!((text(started, "action"), text(started, "state")), ("started", "running"));
    assert_eq!(started["instance_id"], launched["instance_id"]);
    assert_eq!((text(started, "profile"), run.stderr.as_str()), ("Crawler", "ec2-launch: 1 host: 1 started\n"));
    sandbox.sh("ec2-power stop --wait crawl01").exits(0);
}

#[test]
fn kernel_of_a_profile_is_checked_in_one_line() {
    let sshd = Sshd::everywhere();
    let sandbox = fleet(&sshd);
    let check = "pssh-rs -- uname -r | jq -r 'select(.stdout != .kernel + \"\\n\") | .host' | sort";
    let profile = |kernel: &str| Moto::shared().profile() + "check ec2 kernel: " + kernel + "\n";
    let mine = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a kernel");
    sandbox.file("Mine.yaml", profile(mine.trim()));
    sandbox.file("Old.yaml", profile("3.2.0-24-virtual"));
    assert_eq!(sandbox.sh(&format!("ec2-launch --profile Mine kern1 | {check}")).exits(0).stdout, "");
    assert_eq!(
        sandbox.sh(&format!("ec2-launch --profile Old 'kern[1-2]' | {check}")).exits(0).stdout,
        "kern1\nkern2\n"
    );
}

#[test]
fn dead_hosts_among_live_ones_are_reported_once_and_in_time() {
    // Live hosts, one where nothing listens, and one that accepts connections and sends nothing.
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
    // The failed hosts can be retried alone.
    let run = sandbox.sh(
        "pssh-rs --connect-timeout 1 -- true < fleet.jsonl | jq -c 'select(.status != \"ok\")' | pssh-rs --dry-run -- true",
    );
    assert_eq!(run.records().len(), 2, "{}", run.stderr);
}

#[test]
fn saved_inventory_works_without_the_api() {
    let sshd = Sshd::everywhere();
    let mut sandbox = fleet(&sshd);
    sandbox.sh("ec2-launch --profile MySQL 'saved[1-2]' > fleet.jsonl").exits(0);
    sandbox.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let run = sandbox.sh("pssh-rs -- hostname < fleet.jsonl").exits(0);
    assert_eq!(run.records().len(), 2);
    assert_eq!(run.stderr, "pssh-rs: 2 ok\n");
}

#[test]
fn error_of_an_earlier_tool_is_not_acted_on() {
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
