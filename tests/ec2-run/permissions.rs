//! The permissions in the man page are those of the calls that are made.

use crate::{fleet, set_agent};
use kit::REGION;
use kit::ec2_server::{Action, Agent, Fault, Rule};
use std::collections::BTreeSet;

/// The permissions of services in a text, such as `ssm:SendCommand`.
fn permissions(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != ':');
    let is_permission = |word: &&str| ["ec2:", "s3:", "ssm:"].iter().any(|service| word.starts_with(service));
    words.filter(is_permission).map(str::to_string).collect()
}

#[test]
fn the_man_page_lists_the_permissions_of_all_calls() {
    let (ec2, sandbox) = fleet(&["web1", "web2"]);
    ec2.s3().add_bucket("logs", REGION);
    // Its answer gets lost, its output comes from the bucket, and its host does not fetch it.
    ec2.fault(Rule::on("SendCommand", Fault::CutAfter));
    set_agent(&ec2, "web2", Agent::that(Action::Ignore));
    let args = ["-w", "web[1-2]", "--output-bucket", "logs", "--delivery-timeout", "1", "seq 1 100000"];
    let run = sandbox.run("ec2-run", &args, "").exits(3);
    sandbox.run("ec2-run", &["--resume", "--output-bucket", "logs"], run.stdout.lines().next().unwrap_or_default());
    let id = run.records()[0]["command_id"].as_str().unwrap_or_default().to_string();
    sandbox.run("ec2-run", &["--resume", &id], "");
    sandbox.run("ec2-run", &["-r", "all", "--dry-run", "-w", "web1", "true"], "").exits(0);
    let service = |action: &str| match action {
        action if action.ends_with("Object") => "s3",
        "DescribeInstances" | "DescribeRegions" => "ec2",
        _ => "ssm",
    };
    let made: BTreeSet<String> =
        ec2.calls().iter().map(|call| format!("{}:{}", service(&call.action), call.action)).collect();
    let manual = std::fs::read_to_string(kit::root().join("ec2-run/manual.roff")).unwrap();
    let (_, section) = manual.split_once(".SS Permissions\n").unwrap();
    let (section, _) = section.split_once(".SH ").unwrap();
    // Those of the hosts come last.
    let (ours, hosts) = section.split_once("the role of the hosts").unwrap();
    assert_eq!(made, permissions(ours));
    assert_eq!(
        permissions(hosts).iter().collect::<Vec<_>>(),
        ["s3:GetEncryptionConfiguration", "s3:PutObject", "s3:PutObjectAcl"]
    );
}
