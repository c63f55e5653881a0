//! What keeps hosts from being changed by mistake, against the strict EC2 server.

use kit::ec2_server::{Ec2Server, Fault, Options, Rule};
use kit::{Outcome, Sandbox};

fn power(sandbox: &Sandbox, args: &[&str], stdin: &str) -> Outcome {
    sandbox.run("ec2-power", args, stdin)
}

fn names(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("web{number}")).collect()
}

/// A run on a terminal, where the answer is typed.
fn answered(sandbox: &Sandbox, answer: &str, args: &str) -> Outcome {
    sandbox.sh(&format!("(sleep 2; echo {answer}) | script -qec \"ec2-power {args}\" /dev/null"))
}

/// How many live instances there are.
fn live(ec2: &Ec2Server) -> usize {
    ec2.region(|region| {
        region.instances.iter().filter(|one| !["shutting-down", "terminated"].contains(&one.state)).count()
    })
}

fn tagged(key_and_value: [&'static str; 2]) -> [(&'static str, &'static str); 2] {
    [("TagSpecification.1.Tag.2.Key", key_and_value[0]), ("TagSpecification.1.Tag.2.Value", key_and_value[1])]
}

#[test]
fn more_hosts_than_max_are_refused_before_any_change() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(names(12), &[]);
    let mut sandbox = ec2.sandbox();
    let run = power(&sandbox, &["terminate", "--yes", "web[1-12]"], "").exits(2);
    let why = "12 hosts would be changed, and at most 10 are allowed\nec2-power: to change all of them, add --max 12\n";
    let said = format!("ec2-power: web[1-12]: not changed: {why}ec2-power: 12 hosts: 12 failed\n");
    assert_eq!(run.stderr, said);
    let records = run.records();
    assert!(records.len() == 12 && records.iter().all(|record| record["action"] == "failed"), "{}", run.stdout);
    let plan = power(&sandbox, &["terminate", "-n", "web[1-12]"], "").exits(2);
    assert!(plan.records().iter().all(|record| record["action"] == "terminate"), "{}", plan.stdout);
    assert!(plan.stderr.ends_with(&format!("ec2-power: {why}")), "{}", plan.stderr);
    assert_eq!((ec2.count("TerminateInstances"), live(&ec2)), (0, 12));
    // The limit is for every action. A host that needs no change does not count.
    sandbox.env("CERVEZA_MAX_HOSTS", "1");
    power(&sandbox, &["stop", "web[1-2]"], "").exits(2);
    power(&sandbox, &["stop", "--wait", "web1"], "").exits(0);
    power(&sandbox, &["stop", "--wait", "web[1-2]"], "").exits(0);
    power(&sandbox, &["stop", "--max", "2", "web[3-4]"], "").exits(0);
    power(&sandbox, &["terminate", "--yes", "web[1-2]"], "").exits(2);
    assert_eq!(live(&ec2), 12);
    // The variable only lowers the default limit, and counts as unset if it is empty.
    sandbox.env("CERVEZA_MAX_HOSTS", "100");
    power(&sandbox, &["terminate", "--yes", "web[1-12]"], "").exits(2);
    sandbox.env("CERVEZA_MAX_HOSTS", "");
    power(&sandbox, &["terminate", "--yes", "web[1-12]"], "").exits(2);
    sandbox.env("CERVEZA_MAX_HOSTS", "many");
    let run = power(&sandbox, &["stop", "web1"], "").exits(2);
    assert!(
        run.stderr.starts_with("ec2-power: CERVEZA_MAX_HOSTS: \"many\" is not a number of hosts\n"),
        "{}",
        run.stderr
    );
    assert_eq!(live(&ec2), 12);
    power(&sandbox, &["terminate", "--yes", "--max", "12", "--wait", "web[1-12]"], "").exits(0);
    assert_eq!(live(&ec2), 0);
}

#[test]
fn tagged_instances_are_protected_and_the_others_are_changed() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(["web1"], &tagged(["cerveza:protect", "terminate"]));
    ec2.launch(["web2"], &[]);
    let sandbox = ec2.sandbox();
    let run = power(&sandbox, &["terminate", "--yes", "--wait", "web[1-2]"], "").exits(3);
    let records = run.records();
    assert_eq!((&records[0]["action"], &records[0]["state"]), (&"protected".into(), &"running".into()));
    assert_eq!(records[0]["error"], "protected by its tag cerveza:protect=terminate");
    assert_eq!((&records[1]["action"], &records[1]["state"]), (&"terminate".into(), &"terminated".into()));
    assert!(run.stderr.ends_with("ec2-power: 2 hosts: 1 protected, 1 terminated\n"), "{}", run.stderr);
    let run = power(&sandbox, &["stop", "--wait", "web1"], "").exits(0);
    assert_eq!(run.records()[0]["state"], "stopped");
}

#[test]
fn protection_by_ec2_is_reported_and_never_lifted() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(["web1"], &[("DisableApiTermination", "true"), ("DisableApiStop", "true")]);
    ec2.launch(["web2"], &[]);
    ec2.launch(["web3"], &[("Placement.AvailabilityZone", "us-east-1b")]);
    let sandbox = ec2.sandbox();
    let stop = power(&sandbox, &["stop", "--force", "web1"], "").exits(3);
    assert_eq!(stop.records()[0]["error"], "protected by EC2: disableApiStop is set");
    let run = power(&sandbox, &["terminate", "--yes", "--wait", "web[1-3]"], "").exits(3);
    let records = run.records();
    assert_eq!((&records[0]["action"], &records[0]["state"]), (&"protected".into(), &"running".into()));
    assert_eq!(records[0]["error"], "protected by EC2: disableApiTermination is set");
    assert!(records[1..].iter().all(|record| record["state"] == "terminated"), "{}", run.stdout);
    assert!(run.stderr.contains("--no-disable-api-termination"), "{}", run.stderr);
    assert!(run.stderr.ends_with("ec2-power: 3 hosts: 1 protected, 2 terminated\n"), "{}", run.stderr);
    assert_eq!(ec2.count("ModifyInstanceAttribute"), 0);
    assert!(ec2.region(|region| region.live("web1")[0].termination_protection));
}

#[test]
fn plan_and_question_leave_out_hosts_protected_by_ec2() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(["web1"], &[("DisableApiTermination", "true")]);
    ec2.launch(["web2"], &[("DisableApiStop", "true")]);
    ec2.launch(["web3"], &[]);
    let sandbox = ec2.sandbox();
    let actions = |args: &[&str]| {
        let run = power(&sandbox, &[args, &["-n", "web[1-3]"]].concat(), "").exits(3);
        run.records().iter().map(|record| record["action"].as_str().unwrap_or_default().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(actions(&["terminate"]), ["protected", "terminate", "terminate"]);
    assert_eq!(actions(&["stop"]), ["stop", "protected", "stop"]);
    assert_eq!(actions(&["resize", "m5.xlarge"]), ["resize", "protected", "resize"]);
    let asked = answered(&sandbox, "2", "terminate 'web[1-3]'").exits(3).stdout;
    assert!(asked.contains("not changed: web1: protected by EC2: disableApiTermination is set"), "{asked}");
    assert!(asked.contains("type 2 to terminate 2 hosts: "), "{asked}");
    assert_eq!(live(&ec2), 1);
    // Without a question or a plan, protection is not looked up.
    let calls = ec2.count("DescribeInstanceAttribute");
    power(&sandbox, &["stop", "--wait", "web1"], "").exits(0);
    power(&sandbox, &["terminate", "--yes", "web1"], "").exits(3);
    assert_eq!(ec2.count("DescribeInstanceAttribute"), calls);
    // A stopped host is resized without a stop.
    power(&sandbox, &["resize", "-n", "m5.xlarge", "web1"], "").exits(0);
    assert_eq!(ec2.count("DescribeInstanceAttribute"), calls);
}

#[test]
fn plan_is_shown_even_if_the_protection_is_unknown() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(names(101), &[]);
    let sandbox = ec2.sandbox();
    ec2.fault(Rule::on("DescribeInstanceAttribute", Fault::unauthorized()).always());
    let run = power(&sandbox, &["stop", "-n", "web[1-3]"], "").exits(0);
    let said =
        "ec2-power: EC2's own protection is not checked: DescribeInstanceAttribute in us-east-1: UnauthorizedOperation";
    assert!(run.stderr.starts_with(said) && run.stderr.matches(said).count() == 1, "{}", run.stderr);
    assert!(run.stderr.ends_with("ec2-power: 3 hosts: 3 to stop (dry run: nothing was changed)\n"), "{}", run.stderr);
    let calls = ec2.count("DescribeInstanceAttribute");
    let run = power(&sandbox, &["stop", "-n", "web[1-101]"], "").exits(0);
    assert!(run.stderr.starts_with("ec2-power: EC2's own protection is not checked for more than 100 hosts\n"));
    assert_eq!(ec2.count("DescribeInstanceAttribute"), calls);
}

#[test]
fn question_names_hosts_left_alone_and_a_no_writes_every_record() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(["db1", "db2"], &[]);
    ec2.launch(["db3", "db4"], &tagged(["cerveza:protect", "terminate"]));
    let sandbox = ec2.sandbox();
    let hosts = "terminate 'db[1-4]' nosuch";
    let asked = answered(&sandbox, "n", &format!("-o json {hosts}")).exits(2).stdout;
    for line in [
        "not changed: db[3-4]: protected by its tag cerveza:protect=terminate\r\n",
        "not changed: nosuch: no live instance has this name in us-east-1\r\n",
        "type 2 to terminate 2 hosts: ",
    ] {
        assert!(asked.contains(line), "{asked}");
    }
    for (host, action, error) in [
        ("db1", "failed", "not changed: not confirmed"),
        ("db2", "failed", "not changed: not confirmed"),
        ("db3", "protected", "protected by its tag cerveza:protect=terminate"),
        ("db4", "protected", "protected by its tag cerveza:protect=terminate"),
        ("nosuch", "failed", "no live instance has this name in us-east-1"),
    ] {
        let start = format!("{{\"host\":\"{host}\"");
        let lines: Vec<&str> = asked.lines().filter(|line| line.contains(&start)).collect();
        let end = format!("\"action\":\"{action}\",\"error\":\"{error}\"");
        assert!(lines.len() == 1 && lines[0].contains(&end), "{host}: {asked}");
    }
    assert!(asked.contains("ec2-power: db[1-2]: not changed: not confirmed\r\n"), "{asked}");
    assert_eq!(asked.matches("`ec2-tag cerveza:protect- HOST` removes the tag").count(), 1, "{asked}");
    assert_eq!(live(&ec2), 4);
    // No host is left to ask about.
    let run = power(&sandbox, &["terminate", "db3"], "").exits(3);
    assert_eq!(run.records()[0]["action"], "protected");
}

#[test]
fn failures_with_one_reason_share_a_line() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(names(8), &[]);
    let unreachable = |number: usize| {
        format!(
            "{{\"host\":\"web{number}\",\"status\":\"unreachable\",\"error\":\"cannot connect to 127.20.0.{number} port 22: refused\"}}\n"
        )
    };
    let input: String = (1..=7).map(unreachable).collect();
    let input = input + "{\"host\":\"web8\",\"status\":\"timeout\",\"error\":null}\n";
    let run = power(&ec2.sandbox(), &["stop", "-n"], &input).exits(3);
    let why = "skipped, because its earlier command did not succeed";
    assert_eq!(
        run.stderr,
        format!(
            "ec2-power: web[1-7]: {why} (unreachable: cannot connect to ... port 22: refused)\n\
             ec2-power: web8: {why} (timeout)\n\
             ec2-power: --even-failed changes such hosts too\n\
             ec2-power: 8 hosts: 8 skipped (dry run: nothing was changed)\n"
        )
    );
    let error = format!("{why} (unreachable: cannot connect to 127.20.0.3 port 22: refused)");
    assert_eq!(run.records()[2]["error"], error);
}

#[test]
fn failed_host_does_not_count_as_unchanged() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(names(3), &[]);
    let sandbox = ec2.sandbox();
    power(&sandbox, &["stop", "--wait", "web1"], "").exits(0);
    ec2.fault(Rule::on("StopInstances", Fault::unauthorized()).always());
    let actions = |args: &[&str]| {
        let run = power(&sandbox, args, "");
        run.records().iter().map(|record| record["action"].as_str().unwrap_or_default().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(actions(&["stop", "nosuch", "web[1-2]"]), ["failed", "unchanged", "failed"]);
    assert_eq!(actions(&["resize", "m7g.large", "--yes", "web[1-2]"]), ["failed"; 2]);
    assert_eq!(actions(&["resize", "m5.xlarge", "--yes", "web[1-2]"]), ["resize", "failed"]);
    assert_eq!(actions(&["stop", "--zone", "us-east-1b", "web2"]), ["failed"]);
}

#[test]
fn host_with_a_failed_command_is_skipped() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(names(3), &[]);
    let sandbox = ec2.sandbox();
    let input = "{\"host\":\"web1\",\"status\":\"ok\",\"exit_code\":0}\n\
                 {\"host\":\"web2\",\"status\":\"failed\",\"exit_code\":3,\"error\":null}\n";
    let run = power(&sandbox, &["stop", "--wait"], input).exits(1);
    let records = run.records();
    assert_eq!((&records[0]["action"], &records[0]["state"]), (&"stop".into(), &"stopped".into()));
    assert_eq!((&records[1]["action"], &records[1]["status"]), (&"skipped".into(), &"failed".into()));
    let why = "skipped, because its earlier command did not succeed (failed: exit code 3)";
    assert_eq!(records[1]["error"], why);
    let said = format!(
        "ec2-power: web2: {why}\nec2-power: --even-failed changes such hosts too\nec2-power: 2 hosts: 1 stopped, 1 skipped\n"
    );
    assert_eq!(run.stderr, said);
    let unreachable = "{\"host\":\"web3\",\"status\":\"unreachable\",\"error\":\"no route to host\"}\n";
    power(&sandbox, &["stop"], unreachable).exits(3);
    // An instance is skipped even if another of its records has no failure.
    let twice = "{\"host\":\"web3\",\"status\":\"ok\"}\n";
    let run = power(&sandbox, &["stop", "-n"], &(unreachable.to_string() + twice)).exits(3);
    assert!(run.records().iter().all(|record| record["action"] == "skipped"), "{}", run.stdout);
    let run = power(&sandbox, &["stop", "--wait", "--even-failed"], &(input.to_string() + unreachable)).exits(0);
    assert!(run.records().iter().all(|record| record["state"] == "stopped"), "{}", run.stdout);
}

#[test]
fn instance_with_a_new_name_or_account_is_not_changed() {
    let ec2 = Ec2Server::start(Options::default());
    let ids = ec2.launch(names(2), &[]);
    let sandbox = ec2.sandbox();
    let input = format!(
        "{{\"host\":\"web2\",\"instance_id\":\"{0}\"}}\n\
         {{\"host\":\"web1\",\"instance_id\":\"{0}\",\"account\":\"999999999999\"}}\n\
         {{\"host\":\"web2\",\"instance_id\":\"{1}\",\"account\":\"123456789012\"}}\n",
        ids[0], ids[1]
    );
    let run = power(&sandbox, &["stop", "--wait"], &input).exits(3);
    let records = run.records();
    assert_eq!(records[0]["error"], format!("{} is named web1 now, not web2", ids[0]));
    let account = "is in the account 123456789012, and its record is of the account 999999999999";
    assert_eq!(records[1]["error"], format!("{} {account}", ids[0]));
    assert_eq!(records[2]["state"], "stopped");
    assert_eq!(ec2.region(|region| region.live("web1")[0].state), "running");
    // After a new listing it can be changed, and an id alone is that instance.
    sandbox.sh("ec2-ls | ec2-power start --wait").exits(0);
    power(&sandbox, &["stop", &ids[0]], "").exits(0);
}

#[test]
fn empty_input_is_an_error_unless_it_is_allowed() {
    let sandbox = Ec2Server::start(Options::default()).sandbox();
    for input in ["", "\n# nothing tonight\n"] {
        let run = power(&sandbox, &["stop"], input).exits(2);
        assert_eq!(run.stderr, "ec2-power: no hosts: stdin was empty\n");
        let run = power(&sandbox, &["stop", "--allow-empty"], input).exits(0);
        assert_eq!(run.stdout, "");
        assert_eq!(run.stderr, "ec2-power: stdin has no hosts, so there is nothing to do (--allow-empty)\n");
    }
    power(&sandbox, &["stop", "--allow-empty"], "{\"host\":\"\"}\n").exits(2);
}

#[test]
fn ctrl_c_answers_no() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(["web1"], &[]);
    // script(1) gives it a terminal, where Ctrl-C is typed.
    let asked = "(sleep 2; printf '\\003'; sleep 1) | script -qec 'ec2-power -o json terminate web1' /dev/null";
    let run = ec2.sandbox().sh(asked).exits(130);
    assert!(run.stdout.contains("type 1 to terminate 1 host: "), "{}", run.stdout);
    let end = "\"action\":\"failed\",\"error\":\"not changed: interrupted\"";
    assert!(run.stdout.contains(end), "{}", run.stdout);
    assert_eq!((live(&ec2), ec2.count("TerminateInstances")), (1, 0));
}

/// Runs ec2-power on a terminal, calls `meanwhile` during its question, and then types 1.
fn ask(sandbox: &Sandbox, args: &str, meanwhile: &str) -> Outcome {
    let asked = "until grep -q 'type 1 to' asked 2> /dev/null; do sleep 0.1; done";
    let line =
        format!("rm -f asked; ({asked}; {meanwhile} > changed; echo 1) | script -qfec \"ec2-power {args}\" asked");
    sandbox.sh(&line)
}

#[test]
fn host_that_changes_during_the_question_is_left_alone() {
    for (args, meanwhile, error) in [
        ("terminate -o json web1", "ec2-tag Name=web9 web1", "not changed, because its name was web1 and is web9 now"),
        (
            "terminate -o json web1",
            "ec2-tag Name=web9 cerveza:protect=terminate web1",
            "protected by its tag cerveza:protect=terminate",
        ),
        (
            "resize m5.xlarge -o json web1",
            "ec2-power stop --wait web1",
            "not changed, because its state was running and is stopped now",
        ),
        (
            "resize m5.xlarge -o json web1",
            "ec2-tag cerveza:protect=stop web1",
            "protected by its tag cerveza:protect=stop",
        ),
    ] {
        let ec2 = Ec2Server::start(Options::default());
        ec2.launch(["web1"], &[]);
        let run = ask(&ec2.sandbox(), args, meanwhile).exits(3);
        assert!(run.stdout.contains(&format!("\"error\":\"{error}\"")), "{}", run.stdout);
        let calls = ["TerminateInstances", "ModifyInstanceAttribute", "StartInstances"].map(|call| ec2.count(call));
        assert_eq!((calls, live(&ec2)), ([0; 3], 1));
    }
}

#[test]
fn unchanged_host_is_changed_after_the_question() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(["web1"], &[]);
    ask(&ec2.sandbox(), "terminate web1", "true").exits(0);
    assert_eq!(live(&ec2), 0);
}

#[test]
fn volumes_that_remain_are_listed() {
    let ec2 = Ec2Server::start(Options::default());
    let volume = [
        ("BlockDeviceMapping.1.DeviceName", "/dev/sdf"),
        ("BlockDeviceMapping.1.Ebs.VolumeSize", "10"),
        ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "false"),
    ];
    ec2.launch(["db1"], &volume);
    let sandbox = ec2.sandbox();
    let id =
        ec2.region(|region| region.volumes.iter().find(|volume| volume.size == 10).map(|volume| volume.id.clone()));
    let id = id.expect("the volume");
    let said = format!("ec2-power: db1: 1 volume is kept, which AWS charges for: {id}\n");
    for args in [&["terminate", "-n", "db1"][..], &["terminate", "--yes", "--wait", "db1"]] {
        let run = power(&sandbox, args, "").exits(0);
        assert_eq!(run.records()[0]["kept_volumes"], serde_json::json!([id]));
        assert!(run.stderr.starts_with(&said), "{}", run.stderr);
    }
    assert_eq!(ec2.region(|region| region.volumes.len()), 1);
}
