//! Launches under EC2's token buckets, at their real speed.

use crate::exactly_once::race;
use crate::strict::{PROFILE, assert_exact, hosts, sandbox};
use kit::ec2_server::{Ec2Server, Options};

fn server() -> Ec2Server {
    Ec2Server::start(Options { buckets: Some(1.0), ..Options::default() })
}

#[test]
fn run_keeps_to_the_request_limits_and_launches_all_its_hosts() {
    let ec2 = server();
    let run = sandbox(&ec2, PROFILE).run("ec2-launch", &["-p", "Web", "r[1-30]"], "").exits(0);
    assert_exact(&ec2, &hosts(30), PROFILE, &run.stderr);
    // A busy machine may delay some calls and then send them together.
    assert!(ec2.throttled() <= 3, "{} of {} calls were throttled", ec2.throttled(), ec2.calls().len());
}

#[test]
fn runs_that_share_the_request_limits_launch_all_their_hosts() {
    let ec2 = server();
    for (code, records, stderr) in race(&ec2, PROFILE, &["r[1-10]", "r[11-20]", "r[21-30]"]) {
        assert_eq!(code, 0, "{stderr}");
        assert!(records.iter().all(|record| record["action"] == "launched"), "{records:?}");
    }
    assert_exact(&ec2, &hosts(30), PROFILE, "");
}
