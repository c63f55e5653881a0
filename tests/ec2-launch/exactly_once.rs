//! A named host exists exactly once, however often and at whatever moment it is launched: against the strict EC2 server.

use kit::ec2_server::{Ec2Server, Options};
use std::time::Duration;

const PROFILE: &str = "ami: ami-0000000000000000b\ninstance type: t3.micro\n";

#[test]
fn the_same_command_twice_within_the_consistency_delay_makes_one_instance() {
    let ec2 = Ec2Server::start(Options { invisible: Duration::from_secs(3), ..Options::default() });
    let sandbox = ec2.sandbox();
    sandbox.file("Web.yaml", PROFILE);
    let launch =
        || sandbox.run("ec2-launch", &["-p", "Web", "--no-remember", "--wait", "none", "web1"], "").exits(0).records();
    let (first, second) = (launch(), launch());
    assert_eq!(first[0]["instance_id"], second[0]["instance_id"]);
    assert_eq!(ec2.region(|region| region.live("web1").len()), 1, "{:?}", ec2.calls());
}
