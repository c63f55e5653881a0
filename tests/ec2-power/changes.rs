//! Forced stops, hibernation and other instance types, against the strict EC2 server.

use kit::ec2_server::{Ec2Server, Fault, Health, Options, Rule};
use kit::{Outcome, Sandbox};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

fn power(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    sandbox.run("ec2-power", args, "")
}

/// State and type of the only host, as EC2 has them.
fn state_and_type(ec2: &Ec2Server, host: &str) -> (String, String) {
    ec2.region(|region| {
        let one = region.live(host)[0];
        (one.state.to_string(), one.instance_type.clone())
    })
}

fn pair(state: &str, kind: &str) -> (String, String) {
    (state.to_string(), kind.to_string())
}

#[test]
fn forced_stop_ends_a_stuck_instance() {
    let ec2 = Ec2Server::start(Options { stopping: HOUR, ..Options::default() });
    ec2.launch(["web1"], &[]);
    let sandbox = ec2.sandbox();
    let first = power(&sandbox, &["stop", "web1"]).exits(0).records();
    assert_eq!((&first[0]["action"], &first[0]["state"]), (&"stop".into(), &"stopping".into()));
    let again = power(&sandbox, &["stop", "web1"]).exits(0).records();
    assert_eq!((&again[0]["action"], &again[0]["state"]), (&"unchanged".into(), &"stopping".into()));
    let forced = power(&sandbox, &["stop", "--force", "--wait", "web1"]).exits(0).records();
    assert_eq!((&forced[0]["action"], &forced[0]["state"]), (&"stop".into(), &"stopped".into()));
}

#[test]
fn only_hosts_launched_for_hibernation_hibernate() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(["web1"], &[("HibernationOptions.Configured", "true")]);
    ec2.launch(["web2"], &[]);
    let run = power(&ec2.sandbox(), &["stop", "--hibernate", "--wait", "web[1-2]"]).exits(3);
    let records = run.records();
    assert_eq!((&records[0]["action"], &records[0]["state"]), (&"hibernate".into(), &"stopped".into()));
    let error = records[1]["error"].as_str().expect("an error");
    assert!(error.contains("UnsupportedHibernationConfiguration"), "{error}");
    assert_eq!(state_and_type(&ec2, "web2").0, "running");
    // Both, then web1 alone.
    assert_eq!(ec2.count("StopInstances"), 2);
    assert!(run.stderr.ends_with("ec2-power: 2 hosts: 1 hibernated, 1 failed\n"), "{}", run.stderr);
}

#[test]
fn running_host_is_resized_and_started_again_and_a_stopped_one_stays_stopped() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(["web1", "web2"], &[]);
    let sandbox = ec2.sandbox();
    power(&sandbox, &["stop", "--wait", "web2"]).exits(0);
    let plan = power(&sandbox, &["resize", "m5.xlarge", "-n", "web[1-2]"]).exits(0);
    let reasons: Vec<_> = plan.records().iter().map(|record| record["reason"].clone()).collect();
    assert_eq!(reasons, ["m5.large becomes m5.xlarge; it is stopped and started", "m5.large becomes m5.xlarge"]);
    assert!(plan.stderr.starts_with("ec2-power: 2 hosts: 2 to resize (dry run"), "{}", plan.stderr);
    assert_eq!(ec2.count("ModifyInstanceAttribute"), 0);
    let run = power(&sandbox, &["resize", "m5.xlarge", "--yes", "--wait", "web[1-2]"]).exits(0);
    for (record, state) in run.records().iter().zip(["running", "stopped"]) {
        assert_eq!(record["action"], "resize", "{record}");
        assert_eq!((&record["state"], &record["instance_type"]), (&state.into(), &"m5.xlarge".into()));
        assert_eq!(record.get("reason"), None);
    }
    assert_eq!(run.stderr, "ec2-power: 2 hosts: 2 resized\n");
    assert_eq!(state_and_type(&ec2, "web1"), pair("running", "m5.xlarge"));
    let table = power(&sandbox, &["resize", "m5.xlarge", "--yes", "-o", "table", "web1"]).exits(0).stdout;
    assert!(table.lines().next().is_some_and(|line| line.contains("  TYPE  ")), "{table}");
    assert!(table.contains("  m5.xlarge  "), "{table}");
    let calls = ec2.count("StopInstances");
    let again = power(&sandbox, &["resize", "m5.xlarge", "--yes", "web[1-2]"]).exits(0);
    assert!(again.records().iter().all(|record| record["action"] == "unchanged"), "{}", again.stdout);
    assert_eq!((ec2.count("ModifyInstanceAttribute"), ec2.count("StopInstances")), (2, calls));
}

#[test]
fn type_is_checked_before_anything_is_stopped() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(["web1"], &[]);
    ec2.launch(["old1"], &[("ImageId", "ami-0000000000000000f"), ("InstanceType", "m1.small")]);
    let sandbox = ec2.sandbox();
    let error = |args: &[&str], code: i32| {
        let run = power(&sandbox, &[&["resize"], args, &["--yes"]].concat()).exits(code);
        (run.records()[0]["error"].as_str().unwrap_or_default().to_string(), run.stderr)
    };
    let (unknown, stderr) = error(&["m5.larg", "web1"], 2);
    assert_eq!(unknown, "us-east-1 has no instance type m5.larg");
    assert!(stderr.contains("\nec2-power: is it m5.large?\n"), "{stderr}");
    assert_eq!(error(&["m7g.large", "web1"], 3).0, "m7g.large is arm64, and the instance is x86_64");
    let store = "its root device is on instance store: EC2 can neither stop nor resize it";
    assert_eq!(error(&["m5.large", "old1"], 3).0, store);
    let no_terminal = sandbox.sh("setsid -w ec2-power resize m5.xlarge web1").exits(2);
    assert!(no_terminal.stderr.contains("--yes makes it resize without a question"), "{}", no_terminal.stderr);
    assert_eq!((ec2.count("StopInstances"), ec2.count("ModifyInstanceAttribute")), (0, 0));
}

#[test]
fn host_whose_change_fails_is_started_again() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(["web1", "web2"], &[]);
    let why =
        "Enhanced networking with the Elastic Network Adapter (ENA) is required for the 'm5.xlarge' instance type.";
    ec2.fault(Rule::on("ModifyInstanceAttribute", Fault::refuse(400, "InvalidParameterCombination", why)));
    let run = power(&ec2.sandbox(), &["resize", "m5.xlarge", "--yes", "--wait", "web[1-2]"]).exits(3);
    let failed: Vec<_> = run.records().into_iter().filter(|record| record["error"].is_string()).collect();
    assert_eq!(failed.len(), 1, "{}", run.stdout);
    let error = failed[0]["error"].as_str().expect("an error");
    assert!(error.starts_with("not resized, it is started again as m5.large: ModifyInstanceAttribute"), "{error}");
    assert!(error.ends_with(why), "{error}");
    assert_eq!((&failed[0]["state"], &failed[0]["instance_type"]), (&"running".into(), &"m5.large".into()));
    assert!(
        run.stderr.ends_with("ec2-power: 2 hosts: 1 failed, 1 resized\n")
            || run.stderr.ends_with("1 resized, 1 failed\n")
    );
}

#[test]
fn host_that_does_not_start_gets_its_old_type_back() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(["web1"], &[]);
    ec2.region(|region| region.exhausted.push((None, Some("m5.xlarge".to_string()))));
    let run = power(&ec2.sandbox(), &["resize", "m5.xlarge", "--yes", "--wait", "web1"]).exits(3);
    let record = &run.records()[0];
    let error = record["error"].as_str().expect("an error");
    let start = "not resized, it is started again as m5.large; as m5.xlarge it does not start: StartInstances in us-east-1: Ins";
    assert!(error.starts_with(start), "{error}");
    assert_eq!((&record["state"], &record["instance_type"]), (&"running".into(), &"m5.large".into()));
    assert_eq!(state_and_type(&ec2, "web1"), pair("running", "m5.large"));
}

#[test]
fn interrupted_resize_reports_how_far_it_got() {
    let ec2 = Ec2Server::start(Options { stopping: HOUR, ..Options::default() });
    ec2.launch(["web1"], &[]);
    let has_looked = || {
        let calls = ec2.calls();
        let since = calls.iter().rev().take_while(|call| call.action != "StopInstances");
        ec2.count("StopInstances") > 0 && since.filter(|call| call.action == "DescribeInstances").count() > 1
    };
    let args = ["resize", "m5.xlarge", "--yes", "web1"];
    let run = ec2.sandbox().interrupt("ec2-power", &args, "", has_looked).exits(130);
    let records = run.records();
    assert_eq!((records.len(), &records[0]["state"]), (1, &"stopping".into()));
    let error = records[0]["error"].as_str().expect("an error");
    assert!(
        error.starts_with("not resized, it is still stopping and stays stopped, and its type is m5.large: "),
        "{error}"
    );
    assert_eq!(ec2.count("ModifyInstanceAttribute"), 0);
}

#[test]
fn wait_ok_waits_for_the_status_checks() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(["web1", "web2"], &[]);
    let sandbox = ec2.sandbox();
    power(&sandbox, &["stop", "--wait", "web1"]).exits(0);
    let run = power(&sandbox, &["start", "--wait", "ok", "web[1-2]"]).exits(0);
    assert!(run.records().iter().all(|record| record["status_checks"] == "ok"), "{}", run.stdout);
    let impaired = Health { system: "ok", instance: "impaired", ..Health::default() };
    ec2.region(|region| region.health.insert("web1".to_string(), impaired));
    let run = power(&sandbox, &["start", "--wait=ok", "--timeout", "1", "web[1-2]"]).exits(3);
    let records = run.records();
    assert_eq!(records[0]["error"], "its status checks are impaired after 1 s");
    assert_eq!((&records[0]["status_checks"], &records[1]["error"]), (&"impaired".into(), &serde_json::Value::Null));
    for (args, why) in [
        (
            &["start", "--wait", "5m", "web1"][..],
            "--wait 5m: the time limit is an option of its own: --wait --timeout 5m\n",
        ),
        (
            &["start", "--wait", "running", "web1"],
            "--wait running: --wait alone waits for the state that the action leads to\n",
        ),
        (&["start", "--wait=5m", "web1"], "invalid value '5m' for '--wait[=<UNTIL>]'\n"),
    ] {
        let calls = ec2.calls().len();
        let run = power(&sandbox, args).exits(2);
        assert!(run.stderr.starts_with(&format!("ec2-power: {why}")), "{}", run.stderr);
        assert!(run.stderr.contains("--timeout 5m") || run.stderr.contains("'\"running\"'"), "{}", run.stderr);
        assert_eq!((run.stdout.as_str(), ec2.calls().len()), ("", calls));
    }
    let run = power(&sandbox, &["stop", "--wait", "ok", "web1"]).exits(2);
    assert!(run.stderr.starts_with("ec2-power: --wait ok goes with start, reboot and resize only\n"), "{}", run.stderr);
}
