//! Plausible guesses at the command line of `ec2-ls` do what was meant, or give a hint that works.

use crate::show::hosts;
use kit::ec2_server::{Ec2Server, Fault, Rule};
use kit::{REGION, Sandbox};
use std::time::Instant;

/// web1 and web2 with the tag role=web, and db1 with role=db.
fn fleet() -> (Ec2Server, Sandbox) {
    let (ec2, sandbox) = hosts(["web1", "web2", "db1"]);
    ec2.region(|region| {
        for one in &mut region.instances {
            let role = one.tags["Name"].trim_end_matches(char::is_numeric).to_string();
            one.tags.insert("role".to_string(), role);
        }
    });
    (ec2, sandbox)
}

#[test]
fn tag_filters_accept_the_spelling_of_columns() {
    let (_ec2, sandbox) = fleet();
    assert_eq!(sandbox.run("ec2-ls", &["-1", "tags.role=web"], "").exits(0).stdout, "web1\nweb2\n");
}

#[test]
fn hints_are_words_that_work() {
    let (_ec2, sandbox) = fleet();
    let hint = |args: &[&str]| {
        let run = sandbox.run("ec2-ls", args, "").exits(2);
        run.stderr.lines().nth(1).unwrap_or_default().to_string()
    };
    let expected =
        "ec2-ls: write --filter 'Name=private-ip-address,Values=127*'; for a tag of that name, 'tag:private_ip=127*'";
    assert_eq!(hint(&["private_ip=127*"]), expected);
    let run = sandbox.run("ec2-ls", &["-1", "--filter", "Name=private-ip-address,Values=127*"], "").exits(0);
    assert_eq!(run.stdout.lines().count(), 3);
    let expected = "ec2-ls: write its whole name, as us-east-1a, or --zone '*a' for this zone of each region";
    assert_eq!(hint(&["-z", "a"]), expected);
    assert_eq!(sandbox.run("ec2-ls", &["-1", "-z", "*a"], "").exits(0).stdout.lines().count(), 3);
}

#[test]
fn host_that_a_filter_leaves_out_is_found() {
    let (_ec2, sandbox) = fleet();
    let fleet = sandbox.run("ec2-ls", &[], "").exits(0).stdout;
    let run = sandbox.run("ec2-ls", &["-1", "role=web", "-"], &fleet).exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("web1\nweb2\n", ""));
    let run = sandbox.run("ec2-ls", &["-1", "role=web", "web[2-3]", "db1"], "").exits(1);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("web2\n", "ec2-ls: not found in us-east-1: web3\n"));
    sandbox.file("fleet.jsonl", &fleet);
    let run = sandbox.run("ec2-ls", &["-1", "--last", "fleet.jsonl", "role=web", "web1", "db[1-2]"], "").exits(1);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("web1\n", "ec2-ls: not found in fleet.jsonl: db2\n"));
    // A terminated host counts as missing.
    sandbox.run("ec2-power", &["terminate", "--yes", "--wait", "web1"], "").exits(0);
    let run = sandbox.run("ec2-ls", &["-1", "role=web", "-"], &fleet).exits(1);
    assert!(run.stderr.starts_with("ec2-ls: not found in us-east-1: web1 (instance i-"), "{}", run.stderr);
}

#[test]
fn empty_endpoint_counts_as_unset() {
    let (ec2, mut sandbox) = fleet();
    sandbox.env("AWS_ENDPOINT_URL_EC2", "");
    assert_eq!(sandbox.run("ec2-ls", &["-1", "web1"], "").exits(0).stdout, "web1\n");
    sandbox.env("AWS_ENDPOINT_URL", "").env("AWS_ENDPOINT_URL_EC2", &ec2.endpoint);
    assert_eq!(sandbox.run("ec2-ls", &["-1", "web1"], "").exits(0).stdout, "web1\n");
    sandbox.env("AWS_ENDPOINT_URL_EC2", "");
    sandbox.file(".aws/config", format!("[default]\nregion = {REGION}\nendpoint_url = {}\n", ec2.endpoint));
    assert_eq!(sandbox.run("ec2-ls", &["-1", "web1"], "").exits(0).stdout, "web1\n");
}

#[test]
fn timeout_message_counts_all_attempts() {
    let (ec2, sandbox) = fleet();
    ec2.fault(Rule::on("DescribeInstances", Fault::SilenceBefore).always());
    let started = Instant::now();
    let run = sandbox.run("ec2-ls", &["--timeout", "3"], "").exits(2);
    let seconds: f64 =
        run.stderr.split("no answer in ").nth(1).and_then(|text| text.split(' ').next()).unwrap().parse().unwrap();
    assert!((3.0..=started.elapsed().as_secs_f64()).contains(&seconds), "{}", run.stderr);
    assert!((seconds * 10.0).fract() < 1e-9, "{}", run.stderr);
}
