//! The policy of each tool in docs/iam allows exactly what the tool asks of AWS.
//!
//! The tools are run with the options that need permissions of their own, and the calls that the server saw are compared with
//! the policy.

use kit::{Ec2Server, REGION, Sandbox};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, SystemTime};

/// What a policy needs and the commands here do not call: a permission without a call, and calls that are made only if another
/// run works on the same address, if EC2 is slow to let go of it, or if an answer of SSM is lost.
const NOT_CALLED: [(&str, &str); 4] = [
    ("ec2-launch", "PassRole"),
    ("ec2-launch", "ReleaseAddress"),
    ("ec2-power", "DisassociateAddress"),
    ("ec2-run", "ListCommands"),
];

/// Runs the commands one after another, and compares the calls of `tool` with its policy.
fn check(tool: &str, commands: &[&str]) {
    let ec2 = Ec2Server::start(Default::default());
    ec2.region(|region| {
        region.put_parameter("/aws/service/our-image", "ami-0000000000000000b");
        let later = SystemTime::now() + Duration::from_secs(3600);
        region.consoles.insert("web1".to_string(), (CONSOLE.to_string(), later));
    });
    ec2.s3().add_bucket("logs", REGION);
    let sandbox = ec2.sandbox();
    sandbox.file("hello.sh", "#!/bin/sh\necho hello\n");
    sandbox.file("Web.yaml", WEB);
    sandbox.file("Template.yaml", "launch template: base\n");
    sandbox.file("Named.yaml", "ami: {name: 'our-base-*', owner: self}\ninstance type: t3.micro\n");
    let mut calls = BTreeSet::new();
    for command in commands {
        let before = ec2.calls().len();
        run(&sandbox, command);
        if command.starts_with(tool) {
            calls.extend(ec2.calls().into_iter().skip(before).map(|call| call.action));
        }
    }
    calls.extend(NOT_CALLED.iter().filter(|(of, _)| *of == tool).map(|(_, call)| call.to_string()));
    let allowed = allowed(tool);
    let unused: Vec<_> = allowed.difference(&calls).collect();
    let refused: Vec<_> = calls.difference(&allowed).collect();
    assert!(
        unused.is_empty() && refused.is_empty(),
        "docs/iam/{tool}.json\nallows what is not called: {unused:?}\nlacks: {refused:?}"
    );
}

const CONSOLE: &str = "-----BEGIN SSH HOST KEY KEYS-----\r\n\
    ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio root@web1\r\n\
    -----END SSH HOST KEY KEYS-----\r\n";

const WEB: &str = "ami: resolve:ssm:/aws/service/our-image\ninstance type: t3.micro\nkey pair: prod\n\
    security group: web\nplacement group: cluster1\nelastic ip: yes\nuser data: [hello.sh]\n\
    volumes:\n    - {name: data, device: /dev/sdf, size: 10, file system: xfs, mount point: /data}\n";

fn run(sandbox: &Sandbox, command: &str) {
    let run = sandbox.sh(command);
    assert_eq!(run.code, 0, "{command}\n{}{}", run.stdout, run.stderr);
}

/// Returns the names of the actions that the policy allows, without the service.
fn allowed(tool: &str) -> BTreeSet<String> {
    let path = kit::root().join(format!("docs/iam/{tool}.json"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let policy: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(policy["Version"], "2012-10-17");
    let statements = policy["Statement"].as_array().expect("statements");
    let actions = statements.iter().flat_map(|statement| {
        assert_eq!(statement["Effect"], "Allow", "{statement}");
        assert!(statement["Resource"].is_string() || statement["Resource"].is_array(), "{statement}");
        statement["Action"].as_array().expect("a list of actions")
    });
    let names =
        actions.map(|action| action.as_str().and_then(|action| action.split_once(':')).expect("SERVICE:ACTION"));
    names.map(|(_, name)| name.to_string()).collect()
}

#[test]
fn ec2_ls_calls_what_its_policy_allows() {
    check(
        "ec2-ls",
        &[
            "ec2-launch -p Web web1",
            "ec2-ls -r all",
            "ec2-ls --status",
            "ec2-ls --volumes",
            "ec2-ls --volume-sizes",
            "ec2-ls --addresses",
            "ec2-ls --user-data web1",
            "ec2-ls --console web1",
        ],
    );
}

#[test]
fn ec2_launch_calls_what_its_policy_allows() {
    check(
        "ec2-launch",
        &[
            "ec2-launch -p Web --zone us-east-1a web1",
            "ec2-launch -p Named named1",
            "ec2-launch -p Template template1",
            "ec2-launch --host-keys web1",
            "ec2-power stop --wait web1",
            "ec2-launch web1",
            "ec2-power terminate --yes --wait web1",
            "ec2-launch web1",
            "ec2-launch --forget web1",
        ],
    );
}

#[test]
fn ec2_power_calls_what_its_policy_allows() {
    check(
        "ec2-power",
        &[
            "ec2-launch -p Web web1",
            "ec2-power stop --wait web1 -r all",
            "ec2-power start --wait=ok web1",
            "ec2-power reboot web1",
            "ec2-power resize m5.large --yes --wait web1",
            "ec2-power terminate --dry-run web1",
            "ec2-power terminate --yes --wait --release-addresses web1",
        ],
    );
}

#[test]
fn ec2_tag_calls_what_its_policy_allows() {
    check("ec2-tag", &["ec2-launch -p Web web1", "ec2-tag -r all team=web web1", "ec2-tag --device-names team- web1"]);
}

#[test]
fn ec2_run_calls_what_its_policy_allows() {
    check(
        "ec2-run",
        &[
            "ec2-launch -p Web web1",
            "ec2-run -w web1 -- 'seq 1 5000; seq 5001 7000' > run.jsonl",
            "ec2-run -r all --dry-run -w web1 -- true",
            "ec2-run --resume < run.jsonl",
            "ec2-run --output-bucket logs -w web1 -- seq 1 100000",
            "ec2-run --deadline 2 -w web1 -- sleep 20 || test $? = 3",
            "ec2-power stop --wait web1",
            "ec2-run -w web1 -- true || test $? = 3",
        ],
    );
}
