//! Calls that succeed although their answers are lost, against the strict EC2 server.

use kit::ec2_server::{Ec2Server, Fault, Options, Rule};
use kit::{Outcome, Sandbox};
use serde_json::{Value, json};
use std::time::Duration;

fn power(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    sandbox.run("ec2-power", args, "")
}

const HOUR: Duration = Duration::from_secs(3600);

/// One running host of the type m5.large.
fn web1(options: Options) -> (Ec2Server, Sandbox) {
    let ec2 = Ec2Server::start(options);
    ec2.launch(["web1"], &[]);
    let sandbox = ec2.sandbox();
    (ec2, sandbox)
}

/// State and type of the only host, as EC2 and as the record has them.
fn states(ec2: &Ec2Server, run: &Outcome) -> [(Value, Value); 2] {
    let real = ec2.region(|region| (json!(region.instances[0].state), json!(region.instances[0].instance_type)));
    let record = &run.records()[0];
    [real, (record["state"].clone(), record["instance_type"].clone())]
}

const RESIZE: [&str; 5] = ["resize", "m5.xlarge", "--yes", "--wait", "web1"];

#[test]
fn resize_that_succeeds_despite_a_lost_answer_is_a_success() {
    for call in ["StopInstances", "ModifyInstanceAttribute", "StartInstances"] {
        let (ec2, sandbox) = web1(Options { stopping: Duration::from_secs(1), ..Options::default() });
        ec2.fault(Rule::on(call, Fault::CutAfter).always());
        let run = power(&sandbox, &RESIZE).exits(0);
        assert_eq!(states(&ec2, &run), [(); 2].map(|()| (json!("running"), json!("m5.xlarge"))), "{call}");
        assert_eq!(run.stderr, "ec2-power: 1 host: 1 resized\n", "{call}");
    }
}

#[test]
fn change_that_succeeds_despite_a_lost_answer_is_a_success() {
    let (ec2, sandbox) = web1(Options { shutting_down: HOUR, ..Options::default() });
    for (call, args, state, summary) in [
        ("StopInstances", &["stop", "web1"][..], "stopped", "1 stopped"),
        ("StartInstances", &["start", "web1"], "running", "1 started"),
        ("TerminateInstances", &["terminate", "--yes", "web1"], "shutting-down", "1 terminating"),
    ] {
        ec2.fault(Rule::on(call, Fault::CutAfter).always());
        let run = power(&sandbox, args).exits(0);
        assert_eq!(run.records()[0]["state"], state);
        assert_eq!(run.stderr, format!("ec2-power: 1 host: {summary}\n"));
    }
}

#[test]
fn host_that_is_not_listed_after_its_stop_is_started_again() {
    let (ec2, sandbox) = web1(Options::default());
    ec2.fault(Rule::on("DescribeInstances", Fault::unauthorized()).after(1).always());
    let run = power(&sandbox, &["resize", "m5.xlarge", "--yes", "--timeout", "2", "web1"]).exits(3);
    let [real, seen] = states(&ec2, &run);
    assert_eq!((real, seen.0), ((json!("running"), json!("m5.large")), Value::Null));
    let error = run.records()[0]["error"].as_str().expect("an error").to_string();
    assert!(error.starts_with("not resized, it is started again as m5.large: "), "{error}");
}

#[test]
fn host_that_may_be_stopped_is_reported_as_such() {
    let (ec2, sandbox) = web1(Options::default());
    ec2.fault(Rule::on("DescribeInstances", Fault::unauthorized()).after(1).always());
    ec2.fault(Rule::on("StartInstances", Fault::unauthorized()).always());
    let run = power(&sandbox, &["resize", "m5.xlarge", "--yes", "--timeout", "2", "web1"]).exits(3);
    let [real, seen] = states(&ec2, &run);
    assert_eq!((real.0, seen.0), (json!("stopped"), Value::Null));
    let error = run.records()[0]["error"].as_str().expect("an error").to_string();
    assert!(error.starts_with("not resized, it may be stopped, and its type was m5.large: "), "{error}");
}

#[test]
fn start_that_may_have_worked_is_not_reverted() {
    let (ec2, sandbox) = web1(Options::default());
    ec2.fault(Rule::on("StartInstances", Fault::CutAfter).always());
    // One call looks at the host, the others wait for its stop; there are no more.
    ec2.fault(Rule::on("DescribeInstances", Fault::unauthorized()).after(2).always());
    let run = power(&sandbox, &["resize", "m5.xlarge", "--yes", "web1"]).exits(3);
    let [real, seen] = states(&ec2, &run);
    assert_eq!((real, seen), ((json!("running"), json!("m5.xlarge")), (Value::Null, json!("m5.xlarge"))));
    let error = run.records()[0]["error"].as_str().expect("an error").to_string();
    assert!(error.starts_with("resized, but it may be stopped, and its type was m5.xlarge: StartInstances"), "{error}");
    assert_eq!(ec2.count("ModifyInstanceAttribute"), 1);
}

#[test]
fn ctrl_c_during_the_stop_says_that_the_host_is_stopping() {
    for (stopping, end) in [
        (3600, "it is still stopping and stays stopped, and its type is m5.large: "),
        (0, "it is started again as m5.large: "),
    ] {
        let (ec2, sandbox) = web1(Options { stopping: Duration::from_secs(stopping), ..Options::default() });
        ec2.fault(Rule::on("StopInstances", Fault::Delay(Duration::from_secs(2))));
        let args = ["resize", "m5.xlarge", "--yes", "web1"];
        let run = sandbox.interrupt("ec2-power", &args, "", || ec2.count("StopInstances") > 0).exits(130);
        let [real, seen] = states(&ec2, &run);
        assert_eq!(real, seen);
        let error = run.records()[0]["error"].as_str().expect("an error").to_string();
        assert!(error.starts_with(&format!("not resized, {end}")), "{error}");
        assert_eq!(ec2.count("ModifyInstanceAttribute"), 0);
    }
}

#[test]
fn ctrl_c_during_the_wait_gives_the_state_that_the_host_has_then() {
    let (ec2, sandbox) = web1(Options { stopping: HOUR, ..Options::default() });
    ec2.fault(Rule::on("StopInstances", Fault::Delay(Duration::from_secs(1))));
    let run =
        sandbox.interrupt("ec2-power", &["stop", "--wait", "web1"], "", || ec2.count("StopInstances") > 0).exits(130);
    assert_eq!(run.records()[0]["state"], "stopping");
}

/// web1 is pending before its start fails.
fn unstartable(kind: &str) -> (Ec2Server, Sandbox) {
    let (ec2, sandbox) = web1(Options { pending: Duration::from_secs(1), ..Options::default() });
    ec2.region(|region| {
        region.instances[0].state = "stopped";
        region.unstartable.push(kind.to_string());
        region.state_reasons.insert("web1".to_string(), ("Server.InternalError", "Internal error on launch"));
    });
    (ec2, sandbox)
}

#[test]
fn host_that_does_not_start_is_not_waited_for() {
    let (_ec2, sandbox) = unstartable("m5.large");
    let run = power(&sandbox, &["start", "--wait", "--timeout", "60", "web1"]).exits(3);
    let error = run.records()[0]["error"].as_str().expect("an error").to_string();
    let why = " was pending and is stopped again: Internal error on launch";
    assert!(error.ends_with(why), "{error}");
}

#[test]
fn host_that_stops_again_gets_its_old_type_back() {
    let (ec2, sandbox) = unstartable("m5.xlarge");
    power(&sandbox, &["start", "--wait", "web1"]).exits(0);
    let run = power(&sandbox, &RESIZE).exits(3);
    assert_eq!(states(&ec2, &run), [(); 2].map(|()| (json!("running"), json!("m5.large"))));
    let error = run.records()[0]["error"].as_str().expect("an error").to_string();
    let start = "not resized, it is started again as m5.large; as m5.xlarge it does not start: i-";
    assert!(error.starts_with(start) && error.contains(" was pending and is stopped again: "), "{error}");
}

#[test]
fn host_that_is_left_as_is_needs_no_second_look() {
    let (ec2, sandbox) = web1(Options::default());
    for args in [&["start", "web1"][..], &["start", "--wait", "web1"]] {
        ec2.fault(Rule::on("DescribeInstances", Fault::unauthorized()).after(1).always());
        let run = power(&sandbox, args).exits(0);
        assert_eq!((&run.records()[0]["action"], &run.records()[0]["state"]), (&json!("unchanged"), &json!("running")));
        ec2.drop_faults();
    }
}

#[test]
fn a_refused_release_names_the_address_that_stays() {
    let (ec2, sandbox) = web1(Options::default());
    sandbox.file("Eip.yaml", "ami: ami-0000000000000000b\ninstance type: t3.micro\nelastic ip: yes\n");
    let launched = sandbox.run("ec2-launch", &["--profile", "Eip", "vpn1"], "").exits(0).records();
    let address = launched[0]["public_ip"].as_str().expect("an address");
    ec2.fault(Rule::on("ReleaseAddress", Fault::unauthorized()).always());
    let run = power(&sandbox, &["terminate", "--yes", "--release-addresses", "vpn1"]).exits(3);
    let record = &run.records()[0];
    let why = format!("it is terminated, but its elastic IP {address} is not released: ReleaseAddress in us-east-1: ");
    assert!(record["error"].as_str().expect("an error").starts_with(&why), "{record}");
    assert_eq!((&record["kept_addresses"], &record["released_addresses"]), (&json!([address]), &json!([])));
    assert!(run.stderr.ends_with("ec2-power: 1 host: 1 terminated with errors\n"), "{}", run.stderr);
}

#[test]
fn status_checks_that_may_not_be_read_are_not_waited_for() {
    let (ec2, sandbox) = web1(Options::default());
    ec2.fault(Rule::on("DescribeInstanceStatus", Fault::unauthorized()).always());
    let run = power(&sandbox, &["start", "--wait=ok", "web1"]).exits(3);
    assert_eq!(ec2.count("DescribeInstanceStatus"), 1);
    assert!(run.stderr.contains("ec2-power: this needs the permission ec2:DescribeInstanceStatus\n"), "{}", run.stderr);
}

#[test]
fn a_throttled_lookup_ends_at_the_time_limit() {
    let (ec2, sandbox) = web1(Options::default());
    ec2.fault(Rule::on("DescribeInstances", Fault::Throttle).always());
    for (tool, args) in
        [("ec2-power", ["stop", "--timeout", "2", "web1"]), ("ec2-ls", ["-1", "--timeout", "2", "web1"])]
    {
        let begun = std::time::Instant::now();
        let run = sandbox.run(tool, &args, "");
        assert_ne!(run.code, 0, "{}", run.stderr);
        // Without the limit it is five minutes.
        assert!(begun.elapsed() < Duration::from_secs(60), "{tool}: {:?}", begun.elapsed());
    }
}
