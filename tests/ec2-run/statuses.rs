//! Every status of SSM, and agents that are not there.

use crate::{by_host, fleet, lines, set_agent};
use kit::ec2_server::{Action, Agent, Fault, Ping, Rule};
use std::time::Duration;

#[test]
fn each_status_of_ssm_has_its_own_status_and_says_what_to_do() {
    let statuses = [
        ("a", "Undeliverable", "unreachable deliver", "Undeliverable"),
        ("b", "DeliveryTimedOut", "unreachable deliver", "DeliveryTimedOut"),
        ("c", "AccessDenied", "auth deliver", "ssm:SendCommand"),
        ("d", "InvalidPlatform", "unreachable deliver", "--shell powershell"),
        ("e", "Cancelled", "cancelled deliver", "someone else cancelled the command"),
        ("f", "Terminated", "skipped null", "--max-fail"),
        ("g", "Unheard", "lost deliver", "unknown status Unheard"),
    ];
    let (ec2, sandbox) = fleet(&["a", "b", "c", "d", "e", "f", "g", "ok"]);
    for (host, status, _, _) in statuses {
        set_agent(&ec2, host, Agent::that(Action::End(status)));
    }
    let run = sandbox.run("ec2-run", &["-w", "a,b,c,d,e,f,g,ok", "true"], "").exits(3);
    let expected: Vec<String> = statuses
        .iter()
        .map(|(host, _, status, _)| format!("{host} {status} null"))
        .chain(["ok ok exec 0".to_string()])
        .collect();
    assert_eq!(lines(&run), expected);
    for (record, (_, _, _, what)) in by_host(&run).iter().zip(statuses) {
        assert!(record["error"].as_str().unwrap_or_default().contains(what), "{record}");
    }
}

#[test]
fn a_host_without_an_online_agent_is_unreachable_at_once() {
    let (ec2, sandbox) = fleet(&["gone", "ok", "silent"]);
    set_agent(&ec2, "gone", Agent::with_ping(Ping::Unregistered));
    set_agent(&ec2, "silent", Agent::with_ping(Ping::ConnectionLost));
    let run = sandbox.run("ec2-run", &["-w", "gone,ok,silent", "true"], "").exits(3);
    assert_eq!(lines(&run), ["gone unreachable deliver null", "ok ok exec 0", "silent unreachable deliver null"]);
    let records = by_host(&run);
    let error = |at: usize| records[at]["error"].as_str().unwrap_or_default().to_string();
    assert!(error(0).starts_with("not managed by SSM: ") && error(0).contains("AmazonSSMManagedInstanceCore"));
    assert!(error(2).starts_with("SSM Agent has been silent for 1h: "), "{}", error(2));
    let sent = ec2.region(|region| region.run_command.commands[0].invocations.len());
    assert_eq!(sent, 1);
}

#[test]
fn wait_waits_for_agents_that_boot() {
    let (ec2, sandbox) = fleet(&["web1"]);
    set_agent(&ec2, "web1", Agent::with_ping(Ping::Unregistered));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(2));
            set_agent(&ec2, "web1", Agent::default());
        });
        let run = sandbox.run("ec2-run", &["-w", "web1", "--wait", "60", "true"], "").exits(0);
        assert_eq!(lines(&run), ["web1 ok exec 0"]);
    });
}

#[test]
fn an_agent_that_disappears_before_sending_costs_no_other_host() {
    let (ec2, sandbox) = fleet(&["web1", "web2", "web3"]);
    let refused = "Instances [[i-00000000000000001]] not in a valid state for account 123456789012";
    ec2.fault(Rule::on("SendCommand", Fault::refuse(400, "InvalidInstanceId", refused)));
    let run = sandbox.run("ec2-run", &["-w", "web[1-3]", "true"], "");
    // All agents are still registered: SSM's refusal is what is known.
    assert_eq!(lines(&run.exits(3))[0], "web1 unreachable deliver null");
}

#[test]
fn a_time_limit_kills_the_command_and_keeps_its_output() {
    let (_ec2, sandbox) = fleet(&["web1"]);
    let run = sandbox.run("ec2-run", &["-w", "web1", "-t", "1", "echo begun; sleep 60; echo never"], "").exits(3);
    assert_eq!(lines(&run), ["web1 timeout exec null"]);
    assert_eq!(run.records()[0]["stdout"], "begun\n");
    assert_eq!(run.records()[0]["error"], "the command was not done within 1s: it was killed");
}

#[test]
fn exit_statuses_that_ssm_misreads_are_exact() {
    let (_ec2, sandbox) = fleet(&["web1"]);
    for status in [137, 168, 194, 255] {
        let run = sandbox.run("ec2-run", &["-w", "web1", &format!("exit {status}")], "").exits(1);
        assert_eq!(lines(&run), [format!("web1 failed exec {status}")]);
    }
    // Something kills the wrapper itself: no exit status arrived.
    let run = sandbox.run("ec2-run", &["-w", "web1", "kill -9 0"], "").exits(1);
    assert_eq!(lines(&run), ["web1 failed exec null"]);
}

#[test]
fn a_host_that_does_not_fetch_the_command_is_cancelled() {
    let (ec2, sandbox) = fleet(&["slow", "web1"]);
    set_agent(&ec2, "slow", Agent::that(Action::Ignore));
    let run = sandbox.run("ec2-run", &["-w", "slow,web1", "--delivery-timeout", "1", "true"], "").exits(3);
    assert_eq!(lines(&run), ["slow unreachable deliver null", "web1 ok exec 0"]);
    assert_eq!(by_host(&run)[0]["error"], "SSM Agent did not fetch the command within 1s: it was cancelled");
    assert_eq!(ec2.count("CancelCommand"), 1);
}

#[test]
fn a_denied_command_is_a_failed_login() {
    let (ec2, sandbox) = fleet(&["web1"]);
    ec2.fault(Rule::on(
        "SendCommand",
        Fault::refuse(400, "AccessDeniedException", "not authorized to perform: ssm:SendCommand"),
    ));
    let run = sandbox.run("ec2-run", &["-w", "web1", "true"], "").exits(3);
    assert_eq!(lines(&run), ["web1 auth deliver null"]);
    assert!(run.records()[0]["error"].as_str().unwrap_or_default().contains("ssm:SendCommand"));
}
