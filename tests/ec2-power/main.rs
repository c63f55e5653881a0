//! `ec2-power` against the EC2 stand-in.

mod addresses;
mod batches;
mod changes;
mod guards;
mod lost_answers;
mod outage;

use kit::{FakeEc2, Moto, Reply, Sandbox, fake_ec2};
use std::time::{Duration, Instant};

fn with_hosts(hosts: &str) -> Sandbox {
    let sandbox = Moto::shared().sandbox();
    sandbox.run("ec2-launch", &["--profile", "MySQL", hosts], "").exits(0);
    sandbox
}

#[test]
fn power_is_changed_only_where_needed() {
    let sandbox = with_hosts("power[1-3]");
    let run = sandbox.run("ec2-power", &["stop", "--wait", "power[1-2]"], "").exits(0);
    assert!(run.records().iter().all(|record| record["state"] == "stopped"), "{}", run.stdout);
    assert_eq!(run.stderr, "ec2-power: 2 hosts: 2 stopped\n");
    let run = sandbox.run("ec2-power", &["start", "--wait", "power[1-3]"], "").exits(0);
    assert!(run.records().iter().all(|record| record["state"] == "running"), "{}", run.stdout);
    assert_eq!(run.stderr, "ec2-power: 3 hosts: 2 started, 1 left as is\n");
    let run = sandbox.run("ec2-power", &["reboot", "power3"], "").exits(0);
    assert_eq!((&run.records()[0]["action"], &run.records()[0]["state"]), (&"reboot".into(), &"running".into()));
    // A host that is given twice is waited for once.
    let twice = "{\"host\":\"power1\"}\n{\"host\":\"power1\"}\n";
    let run = sandbox.run("ec2-power", &["stop", "--wait", "--timeout", "60"], twice).exits(0);
    assert_eq!((run.records().len(), run.stderr.as_str()), (2, "ec2-power: 1 host: 1 stopped\n"));
    // An instance that is found twice does not count as two with one name.
    let run = sandbox.run("ec2-power", &["stop", "-r", "us-east-1,us-east-1", "power3"], "").exits(0);
    assert_eq!(run.stderr, "ec2-power: 1 host: 1 stopped\n");
}

#[test]
fn records_are_changed_by_instance_and_keep_their_keys() {
    let sandbox = with_hosts("through1");
    let run = sandbox.sh("ec2-ls through1 | jq -c '. + {mine: 1}' | ec2-power stop --wait").exits(0);
    let record = &run.records()[0];
    assert_eq!((&record["mine"], &record["state"], &record["action"]), (&1.into(), &"stopped".into(), &"stop".into()));
}

#[test]
fn type_is_changed_and_stop_is_forced() {
    let sandbox = with_hosts("type1");
    let run = sandbox.run("ec2-power", &["resize", "m5.xlarge", "--yes", "--wait", "type1"], "").exits(0);
    let record = &run.records()[0];
    assert_eq!((&record["state"], &record["instance_type"]), (&"running".into(), &"m5.xlarge".into()));
    let run = sandbox.run("ec2-power", &["stop", "--force", "--wait", "type1"], "").exits(0);
    assert_eq!(run.records()[0]["state"], "stopped");
    let run = sandbox.run("ec2-power", &["start", "--wait", "ok", "type1"], "").exits(0);
    assert_eq!(run.records()[0]["status_checks"], "ok");
}

#[test]
fn terminate_needs_yes_without_a_terminal() {
    let sandbox = with_hosts("keep[1-2]");
    // setsid removes the terminal, in case the tests run on one.
    let run = sandbox.sh("setsid -w ec2-power terminate 'keep[1-2]'").exits(2);
    assert!(run.records().iter().all(|record| record["action"] == "failed"), "{}", run.stdout);
    let why = "ec2-power: keep[1-2]: not changed: cannot ask for confirmation without a terminal\n";
    assert!(run.stderr.starts_with(why), "{}", run.stderr);
    assert_eq!(sandbox.run("ec2-ls", &["-1", "keep*"], "").stdout, "keep1\nkeep2\n");
    let run = sandbox.run("ec2-power", &["terminate", "--dry-run", "keep*"], "");
    assert_eq!(run.code, 2, "a pattern is no expression: {}", run.stdout);
    let said =
        "ec2-power: keep* is a filter of ec2-ls and not a host\nec2-power: ec2-ls 'keep*' | ec2-power terminate\n";
    assert_eq!(run.stderr, said);
    let run = sandbox.run("ec2-power", &["stop", "role=web"], "").exits(2);
    assert!(run.stderr.ends_with("\nec2-power: ec2-ls role=web | ec2-power stop\n"), "{}", run.stderr);
    let run = sandbox.run("ec2-power", &["terminate", "-n", "keep[1-2]"], "").exits(0);
    assert_eq!(run.stderr, "ec2-power: 2 hosts: 2 to terminate (dry run: nothing was changed)\n");
    let run = sandbox.run("ec2-power", &["terminate", "--yes", "--wait", "keep[1-2]"], "").exits(0);
    assert!(run.records().iter().all(|record| record["state"] == "terminated"), "{}", run.stdout);
}

#[test]
fn terminate_asks_for_the_number_of_hosts_on_a_terminal() {
    let sandbox = with_hosts("ask[1-2]");
    // script(1) gives it a terminal, where the answer is typed.
    let ask = |answer: &str| {
        sandbox.sh(&format!("(sleep 1; echo {answer}) | script -qec \"ec2-power terminate 'ask[1-2]'\" /dev/null"))
    };
    for answer in ["n", "y", "yes", "1", "", "22"] {
        let no = ask(answer).exits(2);
        assert!(no.stdout.contains("type 2 to terminate 2 hosts: "), "{}", no.stdout);
        assert!(no.stdout.contains("ask[1-2]: not changed: not confirmed"), "{}", no.stdout);
        let row = no.stdout.lines().find(|line| line.starts_with("ask1 ")).unwrap_or_default();
        assert!(row.contains("us-east-1") && row.contains("123456789012"), "{}", no.stdout);
    }
    assert_eq!(sandbox.run("ec2-ls", &["-1", "ask[1-2]"], "").exits(0).stdout, "ask1\nask2\n");
    let yes = ask("2").exits(0);
    assert!(yes.stdout.contains("2 hosts: 2 terminated"), "{}", yes.stdout);
}

#[test]
fn error_of_one_host_does_not_stop_the_others() {
    let sandbox = with_hosts("bad[1-2]");
    let run = sandbox.run("ec2-power", &["stop", "bad[1-3]"], "").exits(3);
    assert_eq!(run.records().len(), 3);
    assert_eq!(run.records()[2]["error"], "no live instance has this name in us-east-1");
    let gone = "{\"host\":\"x\",\"instance_id\":\"i-0123456789abcdef0\"}\nbad1\n";
    let run = sandbox.run("ec2-power", &["start"], gone).exits(3);
    assert_eq!(run.records()[0]["error"], "there is no instance i-0123456789abcdef0 in us-east-1");
    assert_eq!(run.records()[0]["action"], "failed");
    assert_eq!(run.records()[1]["action"], "start");
}

#[test]
fn ctrl_c_writes_every_record_while_ec2_does_not_answer() {
    let silent = FakeEc2::start(|_| Reply::Silence);
    let mut sandbox = Moto::shared().sandbox();
    sandbox.env("AWS_ENDPOINT_URL", &silent.endpoint);
    let hosts = "{\"mine\":1,\"host\":\"a\"}\nb\n";
    let run = sandbox.interrupt("ec2-power", &["stop"], hosts, || !silent.requests().is_empty()).exits(130);
    let records = run.records();
    assert_eq!(records.len(), 2);
    assert_eq!((&records[0]["mine"], &records[0]["error"]), (&1.into(), &"interrupted".into()));
    assert_eq!(run.stderr, "ec2-power: [ab]: interrupted\nec2-power: 2 hosts: 2 failed\n".replace("[ab]", "a,b"));
}

/// A sandbox whose EC2 never answers, and makes the file `asked` at the first request.
fn silent_sandbox() -> Sandbox {
    let mut sandbox = Moto::shared().sandbox();
    let asked = sandbox.dir().join("asked");
    let ec2 = FakeEc2::start(move |_| {
        std::fs::write(&asked, "").expect("a file written");
        Reply::Silence
    });
    sandbox.env("AWS_ENDPOINT_URL", &ec2.endpoint);
    sandbox
}

#[test]
fn ctrl_c_ends_a_shell_loop() {
    let sandbox = silent_sandbox();
    // setsid makes them a group of their own, to which the kernel sends what a terminal's Ctrl-C sends; and a shell
    // obeys no signal that was ignored when it started, as SIGINT is of a test run in the background.
    let shell = "setsid -w env --default-signal=INT bash -c";
    let script = "(until test -e asked; do sleep 0.1; done; kill -INT 0) & for host in a b; do ec2-power stop $host; done; echo went on";
    let run = sandbox.sh(&format!("{shell} '{script}'"));
    assert!(!run.stdout.contains("went on") && !run.stdout.contains("\"b\""), "{}", run.stdout);
    assert!(run.stdout.contains("\"a\""), "{}", run.stdout);
}

#[test]
fn signal_ends_the_run_with_its_records_and_kills_the_tool() {
    let sandbox = silent_sandbox();
    for (signal, number) in [("HUP", 1), ("TERM", 15)] {
        let kill = format!("until test -e asked; do sleep 0.1; done; kill -{signal} $!; sleep 0.2; kill -HUP $!");
        // Under nohup the signal is ignored.
        let stop = "env --default-signal=HUP,TERM ec2-power stop web1";
        let run = sandbox.sh(&format!("rm -f asked; {stop} & {kill}; wait $!")).exits(128 + number);
        assert_eq!(run.records()[0]["error"], "interrupted", "{signal}");
    }
}

#[test]
fn wait_ends_in_time_if_ec2_stops_answering() {
    let ec2 = FakeEc2::start(|request| match request.split('&').next() {
        Some("Action=DescribeInstances") if request.contains("tag%3AName") => {
            fake_ec2::instances(&[("i-0123456789abcdef0", "wait1", "running")], None)
        }
        Some("Action=StopInstances") => Reply::Xml("<StopInstancesResponse/>".to_string()),
        _ => Reply::Silence,
    });
    let mut sandbox = Moto::shared().sandbox();
    sandbox.env("AWS_ENDPOINT_URL", &ec2.endpoint);
    let started = Instant::now();
    let run = sandbox.run("ec2-power", &["stop", "--wait", "--timeout", "2", "wait1"], "").exits(3);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!(run.records()[0]["error"], "i-0123456789abcdef0 was not seen after 2 s");
    assert_eq!(run.records()[0]["action"], "stop");
}

#[test]
fn input_and_output_follow_the_common_rules() {
    let sandbox = with_hosts("manners1");
    let run = sandbox.run("ec2-power", &["stop"], "manners1\n{\"host\":\"\"}\n").exits(2);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "ec2-power: stdin: line 2: \"host\" is empty\n"));
    let run = sandbox.run("ec2-power", &["stop"], "").exits(2);
    assert_eq!(run.stderr, "ec2-power: no hosts: stdin was empty\n");
    let run = sandbox.run("ec2-power", &["explode", "manners1"], "").exits(2);
    assert!(run.stderr.starts_with("ec2-power: invalid value 'explode' for '<ACTION>'"), "{}", run.stderr);
    let run = sandbox.sh("ec2-power stop manners1 | true").exits(0);
    assert_eq!(run.stderr, "ec2-power: 1 host: 1 stopped\n");
    assert!(sandbox.run("ec2-power", &["--help"], "").exits(0).stdout.contains("Usage: ec2-power"));
}

#[test]
fn unknown_action_suggests_nothing_destructive() {
    let sandbox = Sandbox::new();
    let says = |words: &[&str]| sandbox.run("ec2-power", words, "").exits(2).stderr;
    let actions = "'<ACTION>'\n  [possible values: start, stop, reboot, terminate, resize]\n";
    for (word, hint) in [
        ("hibernate", "\n  tip: `stop --hibernate` keeps the memory of hosts that were launched for it\n"),
        ("status", "\n  tip: ec2-ls shows the state of hosts\n"),
        ("restart", "\n  tip: `reboot` restarts the operating system; "),
        ("terminat", ""),
        ("delete", ""),
        ("stat", ""),
    ] {
        let said = says(&[word, "db1"]);
        assert!(said.starts_with(&format!("ec2-power: invalid value '{word}' for {actions}{hint}")), "{said}");
        assert_eq!(said.matches("tip:").count(), usize::from(!hint.is_empty()), "{said}");
        assert!(!said.contains("similar"), "{said}");
    }
    let typo = says(&["stop", "db1", "--dry-rnu"]);
    assert!(typo.contains("\n  tip: a similar argument exists: '--dry-run'\n"), "{typo}");
    // Neither the tip nor the usage line suggests --yes, which would skip the question before terminating hosts.
    let yes = says(&["terminate", "db1", "--yess"]);
    assert!(!yes.contains("tip:") && !yes.contains("--yes "), "{yes}");
    let profile = says(&["stop", "db1", "--profile", "prod"]);
    assert!(
        profile.contains(
            "\n  tip: --account names a profile of the AWS configuration, as AWS_PROFILE does for every tool\n"
        ),
        "{profile}"
    );
}

#[test]
fn zone_limits_the_hosts_that_are_changed() {
    let sandbox = with_hosts("zone[1-2]");
    // The region is that of the zone, whatever the configuration says.
    let mut elsewhere = Moto::shared().sandbox();
    elsewhere.env("AWS_REGION", "eu-west-1");
    let run = elsewhere.run("ec2-power", &["stop", "--zone", "us-east-1a", "--wait", "zone1"], "").exits(0);
    assert_eq!((&run.records()[0]["state"], &run.records()[0]["zone"]), (&"stopped".into(), &"us-east-1a".into()));
    for args in
        [&["terminate", "--yes", "-z", "us-east-1b", "zone[1-2]"][..], &["stop", "-z", "us-east-1b", "-n", "zone2"]]
    {
        let run = sandbox.run("ec2-power", args, "").exits(3);
        let why = "it is in us-east-1a, not in --zone us-east-1b";
        assert!(
            run.records().iter().all(|record| record["error"] == why && record["action"] == "failed"),
            "{}",
            run.stdout
        );
    }
    assert_eq!(sandbox.run("ec2-ls", &["-1", "zone[1-2]"], "").exits(0).stdout, "zone1\nzone2\n");
    for (args, why) in [
        (&["-z", "us-east-1a", "-r", "eu-west-1"][..], "--zone us-east-1a is in us-east-1, not in --region eu-west-1"),
        (&["-z", "us-east-1a", "-r", "all"], "--zone us-east-1a is in us-east-1, not in --region all"),
        (&["-z", "us-east-1"], "--zone us-east-1: this is not the name of a zone"),
    ] {
        let run = sandbox.run("ec2-power", &[&["stop", "zone2"], args].concat(), "").exits(2);
        assert!(run.stderr.starts_with(&format!("ec2-power: {why}\n")), "{}", run.stderr);
    }
}
