//! Changes while a zone is down, against the strict EC2 server.

use kit::Sandbox;
use kit::ec2_server::{Ec2Server, Options};

/// web1 in zone a, and db1 and db2 in zone b, with a saved listing of them.
fn fleet() -> (Ec2Server, Sandbox) {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(["web1"], &[("Placement.AvailabilityZone", "us-east-1a")]);
    ec2.launch(["db1", "db2"], &[("Placement.AvailabilityZone", "us-east-1b")]);
    let sandbox = ec2.sandbox();
    sandbox.sh("ec2-ls > fleet.jsonl").exits(0);
    (ec2, sandbox)
}

#[test]
fn saved_listing_changes_hosts_of_the_other_zones() {
    let (ec2, sandbox) = fleet();
    ec2.region(|region| region.down.insert("us-east-1b".to_string()));
    let run = sandbox.sh("ec2-ls --last fleet.jsonl 2> ls.err | ec2-power stop --wait").exits(3);
    let states: Vec<_> = run.records().iter().map(|record| format!("{} {}", record["host"], record["state"])).collect();
    assert!(states.contains(&r#""web1" "stopped""#.to_string()), "{}", run.stdout);
    let said = "ec2-power: db[1-2]: DescribeInstances in us-east-1: InternalError: An internal error has occurred\n\
                ec2-power: 3 hosts: 2 failed, 1 stopped\n";
    assert_eq!(run.stderr, said);
    let states = ec2.region(|region| region.instances.iter().map(|one| one.state).collect::<Vec<_>>());
    assert_eq!(states, ["stopped", "running", "running"]);

    let run = sandbox.sh("ec2-tag owner=ann < fleet.jsonl").exits(3);
    assert!(run.stderr.ends_with("ec2-tag: 3 hosts: 2 failed, 1 tagged\n"), "{}", run.stderr);
    assert_eq!(ec2.region(|region| region.instances[0].tags["owner"].clone()), "ann");
}

#[test]
fn name_that_cannot_be_looked_up_gets_a_hint() {
    let (ec2, sandbox) = fleet();
    ec2.region(|region| region.down.insert("us-east-1b".to_string()));
    let run = sandbox.run("ec2-power", &["stop", "web1"], "").exits(2);
    assert!(
        run.stderr.contains("ec2-power: if a zone is down, hosts of the other zones are found by id: "),
        "{}",
        run.stderr
    );
}
