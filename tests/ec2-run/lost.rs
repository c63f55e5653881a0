//! Answers that get lost, throttling, and hosts and networks that go silent.

use crate::{by_host, fleet, lines, set_agent};
use kit::ec2_server::{Action, Agent, Fault, Rule};
use std::time::Duration;

#[test]
fn a_command_whose_answer_got_lost_is_found_and_runs_once() {
    for fault in [Fault::CutAfter, Fault::HalfAnswer, Fault::ErrorAfter] {
        let (ec2, sandbox) = fleet(&["web1", "web2"]);
        ec2.fault(Rule::on("SendCommand", fault));
        sandbox.run("ec2-run", &["-w", "web[1-2]", "true"], "").exits(0);
        assert_eq!(ec2.region(|region| region.run_command.commands.len()), 1);
    }
}

#[test]
fn a_command_that_may_have_been_sent_is_lost_and_not_sent_again() {
    let (ec2, sandbox) = fleet(&["web1"]);
    ec2.fault(Rule::on("SendCommand", Fault::CutBefore));
    let run = sandbox.run("ec2-run", &["-w", "web1", "true"], "").exits(3);
    assert_eq!(lines(&run), ["web1 lost exec null"]);
    assert!(run.records()[0]["error"].as_str().unwrap_or_default().ends_with("; the command may be running"));
    assert_eq!(ec2.count("SendCommand"), 1);
}

#[test]
fn a_command_that_is_listed_late_is_waited_for() {
    let (ec2, sandbox) = fleet(&["web1"]);
    ec2.set(|options| options.command_invisible = Duration::from_secs(2));
    sandbox.run("ec2-run", &["-w", "web1", "true"], "").exits(0);
}

#[test]
fn polls_that_fail_or_are_throttled_cost_no_host() {
    let (ec2, sandbox) = fleet(&["web1", "web2"]);
    ec2.fault(Rule::on("ListCommandInvocations", Fault::Throttle).times(3));
    ec2.fault(Rule::on("ListCommandInvocations", Fault::CutAfter).times(2));
    ec2.fault(Rule::on("GetCommandInvocation", Fault::Throttle).times(2));
    let run = sandbox.run("ec2-run", &["-w", "web[1-2]", "seq 1 5000"], "").exits(0);
    assert_eq!(lines(&run), ["web1 ok exec 0", "web2 ok exec 0"]);
}

#[test]
fn output_that_cannot_be_fetched_leaves_the_exit_status() {
    let (ec2, sandbox) = fleet(&["web1"]);
    ec2.fault(Rule::on("GetCommandInvocation", Fault::refuse(400, "AccessDeniedException", "no")).always());
    let run = sandbox.run("ec2-run", &["-w", "web1", "seq 1 5000"], "").exits(0);
    let record = &run.records()[0];
    assert_eq!((&record["exit_code"], &record["truncated"]), (&0.into(), &true.into()));
    assert!(record["error"].as_str().unwrap_or_default().starts_with("the output is missing: "), "{record}");
}

#[test]
fn when_ssm_goes_silent_each_host_is_lost_with_its_command_id() {
    let (ec2, sandbox) = fleet(&["web1", "web2"]);
    set_agent(&ec2, "web2", Agent::that(Action::Vanish));
    ec2.fault(Rule::on("ListCommandInvocations", Fault::CutBefore).after(2).always());
    let run = sandbox.run("ec2-run", &["-w", "web[1-2]", "--api-timeout", "3", "true"], "").exits(3);
    assert_eq!(lines(&run), ["web1 ok exec 0", "web2 lost exec null"]);
    let record = &by_host(&run)[1];
    let error = record["error"].as_str().unwrap_or_default();
    assert!(error.starts_with("SSM has not answered for 3s: "), "{error}");
    let resume = format!("ec2-run --resume {} collects it", record["command_id"].as_str().unwrap_or_default());
    assert!(error.ends_with(&resume), "{error}");
}

#[test]
fn a_host_that_crashes_is_lost() {
    let (ec2, sandbox) = fleet(&["web1", "web2"]);
    set_agent(&ec2, "web2", Agent::that(Action::Vanish));
    let run = sandbox.run("ec2-run", &["-w", "web[1-2]", "--delivery-timeout", "2", "true"], "").exits(3);
    assert_eq!(lines(&run), ["web1 ok exec 0", "web2 lost exec null"]);
    let record = &by_host(&run)[1];
    assert!(record["error"].as_str().unwrap_or_default().starts_with("SSM Agent went silent after"), "{record}");
}
