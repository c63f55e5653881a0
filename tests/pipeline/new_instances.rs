//! Instances that EC2 does not list yet, on their way from `ec2-launch` to the next tool.

use kit::ec2_server::{Ec2Server, Options};
use kit::{Outcome, Sandbox};
use std::time::Duration;

/// New instances cannot be found for two seconds, and run after three.
fn fresh() -> (Ec2Server, Sandbox) {
    let (invisible, pending) = (Duration::from_secs(2), Duration::from_secs(3));
    let ec2 = Ec2Server::start(Options { invisible, pending, ..Options::default() });
    let sandbox = ec2.sandbox();
    sandbox.file("Web.yaml", "ami: ami-0000000000000000b\ninstance type: t3.micro\n");
    (ec2, sandbox)
}

/// Launches `new1` and `new2`, and passes them on at once. Checks that both are written.
fn hand_on(sandbox: &Sandbox, tool: &str) -> Outcome {
    let run = sandbox.sh(&format!("ec2-launch -p Web --no-wait 'new[1-2]' | {tool}")).exits(0);
    let hosts: Vec<_> = run.records().iter().map(|record| record["host"].clone()).collect();
    assert_eq!(hosts, ["new1", "new2"]);
    run
}

#[test]
fn hosts_that_are_not_listed_yet_are_tagged_with_their_volumes() {
    let (ec2, sandbox) = fresh();
    hand_on(&sandbox, "ec2-tag team=x");
    ec2.region(|region| {
        assert_eq!((region.instances.len(), region.volumes.len()), (2, 2));
        let mut tags = region.instances.iter().map(|one| &one.tags).chain(region.volumes.iter().map(|one| &one.tags));
        assert!(tags.all(|tags| tags.get("team").is_some_and(|team| team == "x")), "{:?}", region.volumes);
    });
}

#[test]
fn hosts_that_are_not_listed_yet_are_stopped_once_they_run() {
    let (ec2, sandbox) = fresh();
    let run = hand_on(&sandbox, "ec2-power stop --wait");
    assert!(run.records().iter().all(|record| record["state"] == "stopped"), "{}", run.stdout);
    assert!(ec2.region(|region| region.instances.iter().all(|one| one.state == "stopped")));
}

#[test]
fn hosts_that_are_not_listed_yet_are_terminated() {
    let (ec2, sandbox) = fresh();
    hand_on(&sandbox, "ec2-power terminate --yes --wait");
    assert!(ec2.region(|region| region.instances.iter().all(|one| one.state == "terminated")));
}

#[test]
fn hosts_that_are_not_listed_yet_are_listed_by_their_records() {
    let (_ec2, sandbox) = fresh();
    hand_on(&sandbox, "ec2-ls -");
}
