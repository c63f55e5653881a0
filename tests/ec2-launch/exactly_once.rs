//! A named host exists exactly once, however often, by however many and at whatever moment it is launched: against the
//! strict EC2 server.

use crate::strict::{PROFILE, RICH, assert_exact, hosts, sandbox};
use kit::Sandbox;
use kit::ec2_server::{Ec2Server, Options, Region};
use serde_json::Value;
use std::process::{Child, Stdio};
use std::time::Duration;

fn text<'a>(record: &'a Value, key: &str) -> &'a str {
    record[key].as_str().unwrap_or_default()
}

#[test]
fn repeating_a_command_within_the_consistency_delay_launches_one_instance() {
    let ec2 = Ec2Server::start(Options { invisible: Duration::from_secs(3), ..Options::default() });
    let sandbox = sandbox(&ec2, PROFILE);
    let launch = |args: &[&str]| {
        let args = [&["-p", "Web", "--wait", "none"], args].concat();
        sandbox.run("ec2-launch", &args, "").exits(0).records().remove(0)
    };
    // Once with the token alone, and once with memory.
    for args in [["--no-remember", "r1"].as_slice(), &["r2"]] {
        let (first, second) = (launch(args), launch(args));
        assert_eq!(first["instance_id"], second["instance_id"]);
    }
    assert_exact(&ec2, &hosts(2), PROFILE, "");
}

/// Starts a run with each of these arguments at once. Returns the exit status, records and stderr of each.
pub fn race(ec2: &Ec2Server, profile: &str, runs: &[&str]) -> Vec<(i32, Vec<Value>, String)> {
    let sandboxes: Vec<_> = runs.iter().map(|args| (sandbox(ec2, profile), args)).collect();
    let start = |(sandbox, args): &(Sandbox, &&str)| {
        let mut command = sandbox.command("ec2-launch");
        command
            .args(["-p", "Web"])
            .args(args.split(' '))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().expect("ec2-launch starts")
    };
    let children: Vec<Child> = sandboxes.iter().map(start).collect();
    let finish = |child: Child| {
        let output = child.wait_with_output().expect("its output");
        let (stdout, stderr) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
        (output.status.code().unwrap_or(-1), kit::records(&stdout.expect("UTF-8")), stderr.expect("UTF-8"))
    };
    children.into_iter().map(finish).collect()
}

fn assert_race(profile: &str) {
    let options = Options {
        launch_delay: Duration::from_secs(1),
        invisible: Duration::from_secs(1),
        pending: Duration::from_secs(1),
        ..Options::default()
    };
    let ec2 = Ec2Server::start(options);
    let runs = race(&ec2, profile, &["r[1-10]"; 20]);
    assert_same(&ec2, 10, profile, runs);
}

/// Fails the test unless all runs report the same instances, and no others exist.
fn assert_same(ec2: &Ec2Server, count: usize, profile: &str, runs: Vec<(i32, Vec<Value>, String)>) {
    assert_exact(ec2, &hosts(count), profile, "");
    let id = |region: &mut Region, host: &str| region.live(host)[0].id.clone();
    for (code, records, stderr) in runs {
        assert_eq!(code, 0, "{stderr}{records:?}");
        assert_eq!(records.len(), count);
        for record in records {
            assert!(["launched", "unchanged"].contains(&text(&record, "action")), "{record}");
            assert_eq!(text(&record, "instance_id"), ec2.region(|region| id(region, text(&record, "host"))));
        }
    }
}

#[test]
fn twenty_concurrent_runs_launch_ten_instances() {
    assert_race(PROFILE);
}

#[test]
fn twenty_concurrent_runs_launch_ten_instances_with_volumes_and_addresses() {
    assert_race(RICH);
}

/// Concurrent runs launch hosts whose last instances have ended.
fn assert_next_life(listed: Duration, profile: &str, args: &str) {
    let options = Options {
        launch_delay: Duration::from_millis(500),
        invisible: Duration::from_secs(1),
        pending: Duration::from_secs(1),
        listed,
        ..Options::default()
    };
    let ec2 = Ec2Server::start(options);
    let sandbox = sandbox(&ec2, profile);
    for _life in 0..2 {
        let args = ["-p", "Web"].into_iter().chain(args.split(' ')).collect::<Vec<_>>();
        sandbox.run("ec2-launch", &args, "").exits(0);
        sandbox.run("ec2-power", &["terminate", "--yes", "r[1-3]"], "").exits(0);
        while ec2.region(|region| region.instances.iter().any(|one| one.state != "terminated")) {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let runs = race(&ec2, profile, &[args; 6]);
    assert_same(&ec2, 3, profile, runs);
}

#[test]
fn concurrent_runs_relaunch_hosts_whose_last_instances_are_listed() {
    assert_next_life(Duration::from_secs(3600), PROFILE, "r[1-3]");
}

#[test]
fn concurrent_runs_relaunch_hosts_whose_last_instances_are_forgotten() {
    assert_next_life(Duration::ZERO, PROFILE, "--no-remember r[1-3]");
}

#[test]
fn concurrent_runs_relaunch_hosts_with_kept_volumes_and_addresses() {
    assert_next_life(Duration::from_secs(3600), RICH, "r[1-3]");
}
