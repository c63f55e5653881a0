//! A named host exists exactly once, however often, by however many and at whatever moment it is launched: against the
//! strict EC2 server.

use kit::Sandbox;
use kit::ec2_server::{Ec2Server, Options, Region};
use serde_json::Value;
use std::process::{Child, Stdio};
use std::time::Duration;

const PROFILE: &str = "ami: ami-0000000000000000b\ninstance type: t3.micro\n";
/// The same with a kept volume and an address for each host.
const RICH: &str = "ami: ami-0000000000000000b\ninstance type: t3.micro\nelastic ip: yes\nvolumes:\n- device: /dev/sdf\n  \
                    size: 10\n  delete on termination: no\n";

fn sandbox(ec2: &Ec2Server, profile: &str) -> Sandbox {
    let sandbox = ec2.sandbox();
    sandbox.file("Web.yaml", profile);
    sandbox
}

fn text<'a>(record: &'a Value, key: &str) -> &'a str {
    record[key].as_str().unwrap_or_default()
}

/// Fails the test unless there is exactly what the profile asks for, for these hosts.
fn assert_exact(ec2: &Ec2Server, hosts: &[String], profile: &str) {
    let (volumes, addresses) = if profile == RICH { (2, 1) } else { (1, 0) };
    ec2.region(|region| {
        let all: Vec<_> = region.instances.iter().map(|one| (&one.id, one.state, one.tags.get("Name"))).collect();
        for host in hosts {
            let live = region.live(host);
            assert_eq!(live.len(), 1, "{host} in {all:?}");
            assert_eq!(region.volumes_of(&live[0].id).count(), volumes, "{host}: {:?}", region.volumes);
            assert_eq!(region.address_of(&live[0].id).is_some(), addresses == 1, "{host}: {:?}", region.addresses);
        }
        assert_eq!(all.len(), hosts.len(), "{all:?}");
        assert_eq!(region.volumes.len(), hosts.len() * volumes, "{:?}", region.volumes);
        assert_eq!(region.addresses.len(), hosts.len() * addresses, "{:?}", region.addresses);
    });
}

fn web(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("r{number}")).collect()
}

#[test]
fn the_same_command_twice_within_the_consistency_delay_makes_one_instance() {
    let ec2 = Ec2Server::start(Options { invisible: Duration::from_secs(3), ..Options::default() });
    let sandbox = sandbox(&ec2, PROFILE);
    let launch = |args: &[&str]| {
        let args = [&["-p", "Web", "--wait", "none"], args].concat();
        sandbox.run("ec2-launch", &args, "").exits(0).records().remove(0)
    };
    // By the token alone, and with what is remembered.
    for args in [["--no-remember", "r1"].as_slice(), &["r2"]] {
        let (first, second) = (launch(args), launch(args));
        assert_eq!(first["instance_id"], second["instance_id"]);
    }
    assert_exact(&ec2, &web(2), PROFILE);
}

/// Runs that are under way at once.
fn race(ec2: &Ec2Server, profile: &str, runs: usize, hosts: &str) -> Vec<(i32, Vec<Value>, String)> {
    let sandboxes: Vec<_> = (0..runs).map(|_| sandbox(ec2, profile)).collect();
    let start = |sandbox: &Sandbox| {
        let mut command = sandbox.command("ec2-launch");
        command.args(["-p", "Web", hosts]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
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
    let runs = race(&ec2, profile, 20, "r[1-10]");
    assert_exact(&ec2, &web(10), profile);
    let id = |region: &mut Region, host: &str| region.live(host)[0].id.clone();
    for (code, records, stderr) in runs {
        assert_eq!(code, 0, "{stderr}{records:?}");
        assert_eq!(records.len(), 10);
        for record in records {
            assert!(["launched", "unchanged"].contains(&text(&record, "action")), "{record}");
            assert_eq!(text(&record, "instance_id"), ec2.region(|region| id(region, text(&record, "host"))));
        }
    }
}

#[test]
fn twenty_runs_at_once_make_ten_instances() {
    assert_race(PROFILE);
}

#[test]
fn twenty_runs_at_once_make_ten_instances_with_their_volumes_and_addresses() {
    assert_race(RICH);
}
