//! `ec2-power` against the EC2 stand-in.

use kit::{Moto, Sandbox};

fn with_hosts(hosts: &str) -> Sandbox {
    let sandbox = Moto::shared().sandbox();
    sandbox.run("ec2-launch", &["--profile", "MySQL", hosts], "").exits(0);
    sandbox
}

#[test]
fn power_is_changed_and_what_is_so_already_is_left() {
    let sandbox = with_hosts("power[1-3]");
    let run = sandbox.run("ec2-power", &["stop", "--wait", "power[1-2]"], "").exits(0);
    assert!(run.records().iter().all(|record| record["state"] == "stopped"), "{}", run.stdout);
    assert_eq!(run.stderr, "ec2-power: 2 hosts: 2 stopped\n");
    let run = sandbox.run("ec2-power", &["start", "--wait", "power[1-3]"], "").exits(0);
    assert!(run.records().iter().all(|record| record["state"] == "running"), "{}", run.stdout);
    assert_eq!(run.stderr, "ec2-power: 3 hosts: 2 started, 1 left as is\n");
    sandbox.run("ec2-power", &["reboot", "power3"], "").exits(0);
}

#[test]
fn records_are_changed_by_their_instance_and_come_through() {
    let sandbox = with_hosts("through1");
    let run = sandbox.sh("ec2-ls through1 | jq -c '. + {mine: 1}' | ec2-power stop --wait").exits(0);
    let record = &run.records()[0];
    assert_eq!((&record["mine"], &record["state"], &record["action"]), (&1.into(), &"stopped".into(), &"stop".into()));
}

#[test]
fn without_a_terminal_termination_needs_yes() {
    let sandbox = with_hosts("keep[1-2]");
    // setsid takes the terminal away, should the tests be run on one.
    let run = sandbox.sh("setsid -w ec2-power terminate 'keep[1-2]'").exits(2);
    assert_eq!(run.stdout, "");
    assert!(
        run.stderr.starts_with("ec2-power: there is no terminal to ask on: nothing was terminated\n"),
        "{}",
        run.stderr
    );
    assert_eq!(sandbox.run("ec2-ls", &["-1", "keep*"], "").stdout, "keep1\nkeep2\n");
    let run = sandbox.run("ec2-power", &["terminate", "--dry-run", "keep*"], "");
    assert_eq!(run.code, 2, "a pattern is no expression: {}", run.stdout);
    let run = sandbox.run("ec2-power", &["terminate", "-n", "keep[1-2]"], "").exits(0);
    assert_eq!(run.stderr, "ec2-power: 2 hosts: 2 to terminate (dry run: nothing was changed)\n");
    let run = sandbox.run("ec2-power", &["terminate", "--yes", "--wait", "keep[1-2]"], "").exits(0);
    assert!(run.records().iter().all(|record| record["state"] == "terminated"), "{}", run.stdout);
}

#[test]
fn on_a_terminal_it_asks_and_no_is_the_answer_to_anything_but_yes() {
    let sandbox = with_hosts("ask[1-2]");
    // script(1) gives it a terminal, where the answer is typed.
    let ask = |answer: &str| {
        sandbox.sh(&format!("(sleep 1; echo {answer}) | script -qec \"ec2-power terminate 'ask[1-2]'\" /dev/null"))
    };
    let no = ask("n").exits(2);
    assert!(no.stdout.contains("terminate 2 hosts: ask[1-2]? [y/N]"), "{}", no.stdout);
    assert!(no.stdout.contains("not confirmed: nothing was terminated"), "{}", no.stdout);
    let yes = ask("y").exits(0);
    assert!(yes.stdout.contains("2 hosts: 2 terminated"), "{}", yes.stdout);
}

#[test]
fn one_bad_host_leaves_the_others_to_be_done() {
    let sandbox = with_hosts("bad[1-2]");
    let run = sandbox.run("ec2-power", &["stop", "bad[1-3]"], "").exits(3);
    assert_eq!(run.records().len(), 3);
    assert_eq!(run.records()[2]["error"], "no live instance has this name");
    let gone = "{\"host\":\"x\",\"instance_id\":\"i-0123456789abcdef0\"}\nbad1\n";
    let run = sandbox.run("ec2-power", &["start"], gone).exits(3);
    assert_eq!(run.records()[0]["error"], "no live instance has this name");
    assert_eq!(run.records()[1]["action"], "start");
}

#[test]
fn its_input_and_output_obey_the_manners() {
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
