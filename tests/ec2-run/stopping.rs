//! Ctrl-C and --deadline: commands are cancelled, and each record comes out once.

use crate::{by_host, fleet, lines, set_agent};
use kit::ec2_server::{Action, Agent, Fault, Rule};
use std::time::{Duration, Instant};

#[test]
fn ctrl_c_cancels_the_command_and_writes_every_record() {
    let (ec2, sandbox) = fleet(&["web1", "web2", "web3"]);
    let mark = sandbox.dir().join("mark");
    let command = format!("sleep 2; touch {}", mark.display());
    let begun = Instant::now();
    let args = ["-w", "web[1-3]", "--batch", "2,1", &command];
    let is_running =
        || ec2.region(|region| region.run_command.commands.iter().any(|one| one.invocations[0].was_started()));
    let run = sandbox.interrupt("ec2-run", &args, "", is_running).exits(130);
    assert_eq!(lines(&run), ["web1 cancelled exec null", "web2 cancelled exec null", "web3 cancelled null null"]);
    let records = by_host(&run);
    assert_eq!(records[0]["error"], "interrupted; the command was killed");
    assert_eq!(records[2]["error"], "interrupted");
    assert!(begun.elapsed() < Duration::from_secs(60));
    std::thread::sleep(Duration::from_secs(3));
    assert!(!mark.exists(), "the command went on");
}

#[test]
fn a_cancellation_that_is_not_confirmed_is_said() {
    let (ec2, sandbox) = fleet(&["web1"]);
    set_agent(&ec2, "web1", Agent::that(Action::Vanish));
    let is_running = || ec2.count("ListCommandInvocations") > 1;
    let run = sandbox.interrupt("ec2-run", &["-w", "web1", "true"], "", is_running).exits(130);
    assert_eq!(lines(&run), ["web1 cancelled exec null"]);
    let error = run.records()[0]["error"].as_str().unwrap_or_default().to_string();
    assert!(error.ends_with("has not confirmed it, so it may be running"), "{error}");
}

#[test]
fn ctrl_c_before_anything_is_sent_writes_every_record() {
    let (ec2, sandbox) = fleet(&["web1"]);
    ec2.fault(Rule::on("DescribeInstanceInformation", Fault::SilenceBefore).always());
    let is_asked = || ec2.count("DescribeInstanceInformation") > 0;
    let run = sandbox.interrupt("ec2-run", &["uptime"], "web1\n{\"host\":\"x\",\"mine\":1}\n", is_asked).exits(130);
    assert_eq!(lines(&run), ["web1 cancelled null null", "x cancelled null null"]);
    assert_eq!(by_host(&run)[1]["mine"], 1);
}

#[test]
fn ctrl_c_while_a_send_is_throttled_sends_nothing_more() {
    let (ec2, sandbox) = fleet(&["web1"]);
    ec2.fault(Rule::on("SendCommand", Fault::Throttle).always());
    let run = sandbox.interrupt("ec2-run", &["-w", "web1", "true"], "", || ec2.count("SendCommand") > 2).exits(130);
    assert_eq!(lines(&run), ["web1 cancelled null null"]);
    assert_eq!(ec2.region(|region| region.run_command.commands.len()), 0);
}

#[test]
fn the_deadline_while_a_send_is_throttled_loses_no_host() {
    let (ec2, sandbox) = fleet(&["web1"]);
    ec2.fault(Rule::on("SendCommand", Fault::Throttle).always());
    let run = sandbox.run("ec2-run", &["-w", "web1", "--deadline", "2", "true"], "").exits(3);
    assert_eq!(lines(&run), ["web1 skipped null null"]);
    assert_eq!(run.records()[0]["error"], "not tried: the run's deadline had passed");
    assert_eq!((&run.records()[0]["attempts"], ec2.count("ListCommands")), (&0.into(), 0));
}

#[test]
fn the_deadline_cancels_what_runs_and_skips_the_rest() {
    let (_ec2, sandbox) = fleet(&["web1", "web2"]);
    let run = sandbox.run("ec2-run", &["-w", "web[1-2]", "--serial", "--deadline", "2", "sleep 60"], "").exits(3);
    assert_eq!(lines(&run), ["web1 timeout exec null", "web2 skipped null null"]);
    let records = by_host(&run);
    assert_eq!(records[0]["error"], "the run's deadline has passed; the command was killed");
    assert_eq!(records[1]["error"], "not tried: the run's deadline had passed");
}

#[test]
fn a_reader_that_goes_away_ends_the_run_quietly() {
    let (_ec2, sandbox) = fleet(&["web1", "web2"]);
    let run = sandbox.sh("ec2-run -w 'web[1-2]' echo x | true; echo ${PIPESTATUS[0]}").exits(0);
    assert_eq!(run.stdout, "0\n", "{}", run.stderr);
}
