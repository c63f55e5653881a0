//! Whatever goes wrong with whichever call of a launch: it ends in success, or in a record that says what exists; and the
//! same command again completes it.

use crate::exactly_once::race;
use crate::strict::{RICH, assert_exact, for_each_number, hosts, sandbox};
use kit::Outcome;
use kit::ec2_server::{Ec2Server, Fault, Options, Params, Rule};
use std::time::Duration;

/// How many combinations of faults are tried at once with several runs.
const SEEDS: usize = 8;
const COMMAND: [&str; 3] = ["-p", "Web", "r1"];

fn server() -> Ec2Server {
    let options = Options {
        invisible: Duration::from_millis(300),
        pending: Duration::from_millis(300),
        attaching: Duration::from_millis(200),
        ..Options::default()
    };
    Ec2Server::start(options)
}

/// Fails the test unless the run is a success, or its record tells what is missing and which instance exists.
fn assert_truth(ec2: &Ec2Server, run: &Outcome, context: &str) {
    let records = run.records();
    assert_eq!(records.len(), 1, "{context}");
    let record = &records[0];
    let text = |key: &str| record[key].as_str().unwrap_or_default();
    let id = ec2.region(|region| region.live("r1").first().map(|one| one.id.clone()));
    if run.code == 0 {
        assert!(["launched", "unchanged"].contains(&text("action")), "{context}");
        assert!(record.get("error").is_none(), "{context}");
        assert_exact(ec2, &hosts(1), RICH, context);
    } else {
        assert!([2, 3].contains(&run.code), "{context}");
        assert!(!text("error").is_empty() && run.stderr.contains(text("error")), "{context}");
    }
    // A run that does not know the instance must not report it as launched.
    match id {
        Some(id) if text("action") == "launched" || run.code == 0 => assert_eq!(text("instance_id"), id, "{context}"),
        Some(_) => {}
        None => assert_eq!(text("action"), "failed", "{context}"),
    }
}

/// Breaks each call of a launch in turn.
fn assert_every_call(what: &str, fault: impl Fn() -> Fault + Sync) {
    let broken = for_each_number(|call| {
        let ec2 = server();
        let sandbox = sandbox(&ec2, RICH);
        ec2.fault(Rule::any(fault()).after(call));
        let run = sandbox.run("ec2-launch", &COMMAND, "");
        let is_broken = !ec2.drop_faults();
        let calls = ec2.calls().iter().map(|call| format!("{} {}", call.action, call.outcome)).collect::<Vec<_>>();
        let context = format!("{what} at call {call}: {}; {}{}", calls.join(", "), run.stdout, run.stderr);
        assert_truth(&ec2, &run, &context);
        let again = sandbox.run("ec2-launch", &COMMAND, "");
        let context = format!("{context}; then {}{}", again.stdout, again.stderr);
        assert_eq!(again.code, 0, "{context}");
        assert_exact(&ec2, &hosts(1), RICH, &context);
        is_broken
    });
    assert!(broken > 5, "a launch makes {broken} calls only");
}

#[test]
fn any_call_may_be_throttled() {
    assert_every_call("throttled", || Fault::Throttle);
}

#[test]
fn any_call_may_fail_within_ec2_before_its_effect() {
    assert_every_call("500 before", || Fault::ErrorBefore);
}

#[test]
fn any_call_may_fail_within_ec2_after_its_effect() {
    assert_every_call("500 after", || Fault::ErrorAfter);
}

#[test]
fn the_connection_of_any_call_may_be_cut_before_its_effect() {
    assert_every_call("cut before", || Fault::CutBefore);
}

#[test]
fn the_connection_of_any_call_may_be_cut_after_its_effect() {
    assert_every_call("cut after", || Fault::CutAfter);
}

#[test]
fn the_answer_of_any_call_may_end_in_its_middle() {
    assert_every_call("half an answer", || Fault::HalfAnswer);
}

#[test]
fn any_call_may_be_refused() {
    assert_every_call("refused", Fault::unauthorized);
}

/// The next number of a pseudorandom sequence (a linear congruential generator, Knuth's MMIX).
fn next_number(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    (*seed >> 33) as usize
}

#[test]
fn concurrent_runs_with_faults_launch_each_host_once() {
    let kinds = [
        Fault::Throttle,
        Fault::ErrorBefore,
        Fault::ErrorAfter,
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::HalfAnswer,
        Fault::unauthorized(),
        Fault::Delay(Duration::from_millis(1500)),
    ];
    for_each_number(|number| {
        let ec2 = server();
        let (mut seed, mut faults) = (number as u64, Vec::new());
        for _ in 0..5 {
            let (kind, call) = (next_number(&mut seed) % kinds.len(), next_number(&mut seed) % 30);
            faults.push((kind, call));
            ec2.fault(Rule::any(kinds[kind].clone()).after(call));
        }
        let runs = race(&ec2, RICH, &["r[1-2]"; 3]);
        ec2.drop_faults();
        let context = format!("seed {number}, faults {faults:?}: {runs:?}");
        for (_, records, _) in &runs {
            assert_eq!(records.len(), 2, "{context}");
        }
        let again = sandbox(&ec2, RICH).run("ec2-launch", &["-p", "Web", "r[1-2]"], "");
        let context = format!("{context}; then {}{}", again.stdout, again.stderr);
        assert_eq!(again.code, 0, "{context}");
        assert_exact(&ec2, &hosts(2), RICH, &context);
        number < SEEDS
    });
}

#[test]
fn answer_that_never_arrives_is_not_a_failure() {
    let silent = |action: &str| {
        let ec2 = server();
        ec2.fault(Rule::on(action, Fault::SilenceAfter));
        let run = sandbox(&ec2, RICH).run("ec2-launch", &COMMAND, "");
        let context = format!("no answer to {action}: {}{}", run.stdout, run.stderr);
        assert!(!ec2.drop_faults(), "{context}");
        assert_eq!(run.code, 0, "{context}");
        assert_truth(&ec2, &run, &context);
    };
    // Each waits for half a minute.
    let actions = ["DescribeInstances", "RunInstances", "AllocateAddress", "AssociateAddress", "PutParameter"];
    std::thread::scope(|scope| actions.iter().for_each(|action| _ = scope.spawn(|| silent(action))));
}

#[test]
fn denied_volume_tags_are_reported_and_nothing_is_launched() {
    let ec2 = server();
    let has_volume_tags = |params: &Params| !params.tags_for("volume").is_empty();
    ec2.fault(Rule::on("RunInstances", Fault::unauthorized()).only(has_volume_tags).always());
    let run = sandbox(&ec2, RICH).run("ec2-launch", &COMMAND, "").exits(3);
    let error = run.records()[0]["error"].as_str().unwrap_or_default().to_string();
    assert!(error.starts_with("RunInstances in us-east-1: UnauthorizedOperation: "), "{error}");
    assert_eq!(ec2.region(|region| (region.instances.len(), region.volumes.len(), region.addresses.len())), (0, 0, 0));
}

#[test]
fn lack_of_capacity_is_not_a_server_failure() {
    let ec2 = server();
    let (zone, kind) = ("us-east-1a".to_string(), "m5.large".to_string());
    ec2.region(|region| region.exhausted = vec![(Some(zone), None), (None, Some(kind))]);
    let profile = "ami: ami-0000000000000000b\ninstance type: [m5.large, t3.micro]\nzone: [us-east-1a, us-east-1b]\n";
    let run = sandbox(&ec2, profile).run("ec2-launch", &COMMAND, "").exits(0);
    let record = &run.records()[0];
    assert_eq!((&record["instance_type"], &record["zone"]), (&"t3.micro".into(), &"us-east-1b".into()));
    assert_eq!((record["attempts"].as_array().map(Vec::len), ec2.count("RunInstances")), (Some(3), 4));
}
