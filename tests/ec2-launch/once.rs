//! A host is launched exactly once: tokens, lost answers, other runs at the same time, a lack of capacity.

use kit::fake_ec2::instances;
use kit::{FakeEc2, Moto, Outcome, Reply, Sandbox};
use serde_json::json;
use std::collections::HashMap;
use std::sync::Mutex;

const ID: &str = "i-0123456789abcdef0";

/// The parameters of a request.
fn parameters(request: &str) -> HashMap<&str, &str> {
    request.split('&').filter_map(|pair| pair.split_once('=')).collect()
}

fn is_run(request: &str) -> bool {
    request.starts_with("Action=RunInstances&")
}

fn launched(id: &str, host: &str) -> Reply {
    match instances(&[(id, host, "pending")], None) {
        Reply::Xml(xml) => {
            let (_, items) = xml.split_once("<instancesSet>").expect("instances");
            let (items, _) = items.split_once("</instancesSet>").expect("instances");
            Reply::Xml(format!(
                "<RunInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><instancesSet>{items}\
                 </instancesSet></RunInstancesResponse>"
            ))
        }
        _ => panic!("no XML"),
    }
}

fn server_error() -> Reply {
    let xml = "<Response><Errors><Error><Code>InternalError</Code><Message>An internal error</Message></Error></Errors>\
               <RequestID>r</RequestID></Response>";
    let head = "HTTP/1.1 500 Internal Server Error\r\nConnection: close";
    Reply::Raw(format!("{head}\r\nContent-Length: {}\r\n\r\n{xml}", xml.len()))
}

fn tokens(ec2: &FakeEc2) -> Vec<String> {
    let requests = ec2.requests();
    let runs = requests.iter().filter(|request| is_run(request));
    runs.map(|request| parameters(request)["ClientToken"].to_string()).collect()
}

fn sandbox(ec2: &FakeEc2, profile: &str) -> Sandbox {
    let mut sandbox = Moto::shared().sandbox();
    sandbox.file("Web.yaml", profile);
    sandbox.env("AWS_ENDPOINT_URL", &ec2.endpoint);
    sandbox
}

fn launch(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    sandbox.run("ec2-launch", &[&["--profile", "Web", "--no-remember"], args].concat(), "")
}

const PROFILE: &str = "ami: ami-1\ninstance type: t3.micro\n";

#[test]
fn two_runs_use_the_same_token_even_with_different_parameters() {
    let ec2 = FakeEc2::start(|request| match request {
        request if is_run(request) => launched(ID, "web1"),
        _ if request.contains("tag%3AName") => instances(&[], None),
        _ => instances(&[(ID, "web1", "running")], None),
    });
    let sandbox = sandbox(&ec2, PROFILE);
    for args in [&["web1"][..], &["web1"], &["-t", "team=web", "web1"]] {
        let run = launch(&sandbox, args).exits(0);
        assert_eq!((&run.records()[0]["action"], &run.records()[0]["instance_id"]), (&json!("launched"), &json!(ID)));
    }
    let tokens = tokens(&ec2);
    assert!(tokens.len() == 3 && tokens.iter().all(|token| *token == tokens[0] && token.len() == 64), "{tokens:?}");
}

#[test]
fn ended_instance_with_the_name_changes_the_token() {
    let ec2 = FakeEc2::start(|request| match request {
        request if is_run(request) => launched(ID, parameters(request)["TagSpecification.1.Tag.1.Value"]),
        _ if request.contains("tag%3AName") => {
            instances(&[("i-1", "web1", "terminated"), ("i-2", "web2", "shutting-down")], None)
        }
        _ => instances(&[(ID, "web1", "running")], None),
    });
    let sandbox = sandbox(&ec2, PROFILE);
    launch(&sandbox, &["--dry-run", "web1"]).exits(0);
    let plan = launch(&sandbox, &["--dry-run", "web1"]).exits(0).records()[0]["plan"].clone();
    assert_eq!(plan["generation"], "i-1");
    launch(&sandbox, &["--no-wait", "web1"]);
    launch(&sandbox, &["--no-wait", "web3"]);
    let tokens = tokens(&ec2);
    assert_ne!(tokens[0], tokens[1]);
}

#[test]
fn all_runs_skip_the_token_of_an_ended_instance_the_same_way() {
    let known: Mutex<Vec<String>> = Mutex::default();
    let ec2 = FakeEc2::start(move |request| match request {
        request if is_run(request) => {
            let token = parameters(request)["ClientToken"].to_string();
            let mut known = known.lock().expect("no panic while it was held");
            if !known.contains(&token) {
                known.push(token.clone());
            }
            match known.iter().position(|it| *it == token) {
                Some(0) => Reply::Error("IdempotentInstanceTerminated", "The instance is terminated".into()),
                // The answer of a request that was repeated.
                Some(1) => launched("i-2", "another"),
                _ => launched(ID, "web1"),
            }
        }
        _ if request.contains("tag%3AName") => instances(&[], None),
        _ => instances(&[(ID, "web1", "running")], None),
    });
    let sandbox = sandbox(&ec2, PROFILE);
    for _ in 0..2 {
        let run = launch(&sandbox, &["web1"]).exits(0);
        assert_eq!(run.records()[0]["instance_id"], ID);
    }
    let tokens = tokens(&ec2);
    assert_eq!(tokens.len(), 6);
    assert_eq!(tokens[..3], tokens[3..]);
}

#[test]
fn different_launch_by_another_run_is_reported_with_its_instance() {
    let ec2 = FakeEc2::start(|request| match request {
        request if is_run(request) => Reply::Error(
            "IdempotentParameterMismatch",
            "The request uses the same client token as a previous one".into(),
        ),
        _ if request.contains("client-token") => instances(&[(ID, "web1", "pending")], None),
        _ => instances(&[], None),
    });
    let sandbox = sandbox(&ec2, PROFILE);
    let run = launch(&sandbox, &["web1"]).exits(3);
    let error = run.records()[0]["error"].as_str().unwrap_or_default().to_string();
    assert!(error.starts_with(&format!("another run has just launched web1 differently: {ID}, ")), "{error}");
    assert_eq!((&run.records()[0]["action"], tokens(&ec2).len()), (&json!("failed"), 1));
}

#[test]
fn launch_that_failed_inside_ec2_is_repeated_with_its_token() {
    let count = Mutex::new(0);
    let ec2 = FakeEc2::start(move |request| match request {
        request if is_run(request) => {
            let mut count = count.lock().expect("no panic while it was held");
            *count += 1;
            if *count == 1 { server_error() } else { launched(ID, "web1") }
        }
        _ if request.contains("tag%3AName") || request.contains("client-token") => instances(&[], None),
        _ => instances(&[(ID, "web1", "running")], None),
    });
    let sandbox = sandbox(&ec2, PROFILE);
    let run = launch(&sandbox, &["web1"]).exits(0);
    assert_eq!(run.records()[0]["action"], "launched");
    let tokens = tokens(&ec2);
    assert!(tokens.len() == 2 && tokens[0] == tokens[1], "{tokens:?}");
}

#[test]
fn second_live_instance_that_appears_during_the_launch_is_reported() {
    let is_launched = Mutex::new(false);
    let ec2 = FakeEc2::start(move |request| {
        let mut is_launched = is_launched.lock().expect("no panic while it was held");
        match request {
            request if is_run(request) => {
                *is_launched = true;
                launched(ID, "web1")
            }
            _ if request.contains("tag%3AName") && *is_launched => {
                instances(&[(ID, "web1", "running"), ("i-2", "web1", "pending"), ("i-3", "web1", "terminated")], None)
            }
            _ if request.contains("tag%3AName") => instances(&[], None),
            _ => instances(&[(ID, "web1", "running")], None),
        }
    });
    let sandbox = sandbox(&ec2, PROFILE);
    let run = launch(&sandbox, &["web1"]).exits(3);
    let record = &run.records()[0];
    let error = record["error"].as_str().unwrap_or_default();
    assert!(error.contains(ID) && error.contains("i-2") && !error.contains("i-3"), "{error}");
    assert_eq!((&record["action"], &record["instance_id"]), (&json!("launched"), &json!(ID)));
    assert!(run.stderr.ends_with("ec2-launch: 1 host: 1 launched with errors\n"), "{}", run.stderr);
}

#[test]
fn lack_of_capacity_tries_the_next_type_and_zone_with_another_token() {
    let ec2 = FakeEc2::start(|request| match request {
        request if is_run(request) => {
            match (parameters(request)["InstanceType"], parameters(request)["Placement.AvailabilityZone"]) {
                ("m5.large", "us-east-1b") => launched(ID, "web1"),
                (kind, zone) => Reply::Error("InsufficientInstanceCapacity", format!("no {kind} in {zone}")),
            }
        }
        _ if request.contains("tag%3AName") => instances(&[], None),
        _ => instances(&[(ID, "web1", "running")], None),
    });
    let profile = "ami: ami-1\ninstance type: [m6i.large, m5.large]\nzone: [us-east-1a, us-east-1b]\n";
    let sandbox = sandbox(&ec2, profile);
    let run = launch(&sandbox, &["web1"]).exits(0);
    let record = &run.records()[0];
    let tried = |attempt: &serde_json::Value| format!("{} {}", attempt["zone"], attempt["instance_type"]);
    let attempts: Vec<String> = record["attempts"].as_array().expect("attempts").iter().map(tried).collect();
    let expected = ["us-east-1a m6i.large", "us-east-1a m5.large", "us-east-1b m6i.large"];
    assert_eq!(attempts, expected.map(|it| it.replace(' ', "\" \"")).map(|it| format!("\"{it}\"")));
    let mut tokens = tokens(&ec2);
    tokens.dedup();
    assert_eq!(tokens.len(), 4);
    // Without this type and zone, none is left.
    let run = launch(&sandbox, &["-z", "us-east-1a", "web1"]).exits(3);
    let (record, error) =
        (&run.records()[0], "all 2 instance types and zones were tried, the last one: RunInstances in ");
    assert!(record["error"].as_str().unwrap_or_default().starts_with(error), "{record}");
    assert_eq!((&record["zone"], &record["region"]), (&json!("us-east-1a"), &json!("us-east-1")));
}

#[test]
fn plan_is_executed_as_written_or_not_at_all() {
    let sandbox = Moto::shared().sandbox();
    let plan = |args: &[&str]| {
        let args = [&["--profile", "MySQL", "--no-remember", "-t", "team=plan", "--dry-run"], args].concat();
        sandbox.run("ec2-launch", &args, "").exits(0).stdout
    };
    let first = plan(&["plan[1-2]"]);
    sandbox.file("plan.jsonl", &first);
    let run = sandbox.run("ec2-launch", &["--plan", "plan.jsonl"], "").exits(0);
    let record = &run.records()[0];
    assert_eq!(
        (&record["action"], &record["tags"]["team"], record.get("plan")),
        (&json!("launched"), &json!("plan"), None)
    );
    assert_eq!(run.stderr, "ec2-launch: 2 hosts: 2 launched\n");
    // Executing the plan again would launch hosts that exist.
    let run = sandbox.run("ec2-launch", &["--plan", "-"], &first).exits(2);
    let error = run.records()[1]["error"].as_str().unwrap_or_default().to_string();
    assert!(error.starts_with("changed since the plan was made: there is i-"), "{error}");
    // If one host has changed, nothing is done for the others.
    let second = plan(&["plan[2-3]"]);
    sandbox.run("ec2-power", &["stop", "--wait", "plan2"], "").exits(0);
    let run = sandbox.run("ec2-launch", &["--plan", "-"], &second).exits(2);
    assert_eq!(run.records()[1]["error"], "not done: another host has changed since the plan was made");
    assert_eq!(sandbox.run("ec2-ls", &["-1", "plan3*"], "").exits(0).stdout, "");
    for (input, why) in [
        ("plan1\n", "stdin: line 1: this is not a record with a plan"),
        ("{\"host\":\"plan1\"}\n", "stdin: line 1: this is not a record with a plan"),
        ("", "stdin: there is no plan in it"),
    ] {
        let run = sandbox.run("ec2-launch", &["--plan", "-"], input).exits(2);
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
    sandbox.run("ec2-launch", &["--plan", "-", "plan1"], "").exits(2);
}

#[test]
fn host_in_another_zone_stays_there_with_a_warning() {
    let sandbox = Moto::shared().sandbox();
    let launch = |zone: &str| sandbox.run("ec2-launch", &["--profile", "MySQL", "-z", zone, "placed1"], "").exits(0);
    launch("us-east-1a");
    let run = launch("us-east-1b");
    assert_eq!((&run.records()[0]["action"], &run.records()[0]["zone"]), (&json!("unchanged"), &json!("us-east-1a")));
    let said = "ec2-launch: placed1: left in us-east-1a, not in --zone us-east-1b\n";
    assert!(run.stderr.starts_with(said), "{}", run.stderr);
    let run = sandbox.run("ec2-launch", &["--profile", "MySQL", "-z", "us-east-1", "placed1"], "").exits(2);
    assert!(run.stderr.contains("--zone us-east-1: this is not the name of a zone"), "{}", run.stderr);
}

#[test]
fn hosts_are_spread_over_zones() {
    let sandbox = Moto::shared().sandbox();
    let args = ["--profile", "MySQL", "--set", "subnet=~", "--set", "security group=~"];
    let args = [&args[..], &["--no-remember", "--dry-run", "--spread", "a,us-east-1c", "spread[1-3]"]].concat();
    let run = sandbox.run("ec2-launch", &args, "").exits(0);
    let zones: Vec<_> = run.records().iter().map(|record| record["zone"].clone()).collect();
    assert_eq!(zones, ["us-east-1a", "us-east-1c", "us-east-1a"]);
}
