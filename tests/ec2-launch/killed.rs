//! A run that is killed at any of its calls, and the same command again: in the end there is exactly what was asked for.

use crate::strict::{RICH, assert_exact, for_each_number, hosts, sandbox};
use kit::Sandbox;
use kit::ec2_server::{Ec2Server, Fault, Options, Rule};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

const COMMAND: [&str; 3] = ["-p", "Web", "r[1-2]"];

fn server() -> Ec2Server {
    Ec2Server::start(Options {
        invisible: Duration::from_millis(700),
        pending: Duration::from_millis(300),
        stopping: Duration::from_millis(300),
        shutting_down: Duration::from_millis(300),
        attaching: Duration::from_millis(200),
        ..Options::default()
    })
}

/// Runs the command and kills it at this call, after the previous calls were answered. Returns whether it made the call.
fn is_killed_at(ec2: &Ec2Server, sandbox: &Sandbox, call: usize, after_effect: bool) -> bool {
    let victim: Arc<OnceLock<Pid>> = Arc::default();
    let target = victim.clone();
    let kill = Arc::new(move || kill_process(*target.wait(), Signal::KILL).expect("a process to kill"));
    let fault = if after_effect { Fault::RunAfter(kill) } else { Fault::RunBefore(kill) };
    ec2.fault(Rule::any(fault).after(call));
    let mut command = sandbox.command("ec2-launch");
    command.args(COMMAND).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("ec2-launch starts");
    victim.set(Pid::from_child(&child)).expect("set once");
    let status = child.wait().expect("its end");
    ec2.drop_faults();
    assert!(status.signal() == Some(9) || status.success(), "{status}");
    !status.success()
}

/// Kills runs at each call in turn. `prepare` sets up the account first.
fn assert_killed(after_effect: bool, prepare: impl Fn(&Ec2Server, &Sandbox) + Sync) {
    let killed = for_each_number(|call| {
        let ec2 = server();
        let sandbox = sandbox(&ec2, RICH);
        prepare(&ec2, &sandbox);
        let first = ec2.calls().len();
        let is_killed = is_killed_at(&ec2, &sandbox, call, after_effect);
        let at = ec2.calls()[first..].iter().map(|call| call.action.clone()).collect::<Vec<_>>().join(" ");
        let run = sandbox.run("ec2-launch", &COMMAND, "");
        let context = format!("killed at call {call}: {at}; then {}{}", run.stdout, run.stderr);
        assert_eq!(run.code, 0, "{context}");
        for record in run.records() {
            assert_eq!(record["state"], "running", "{context}");
            assert!(record["public_ip"].as_str().is_some_and(|ip| ip.starts_with("127.200.")), "{context}");
        }
        assert_exact(&ec2, &hosts(2), RICH, &context);
        is_killed
    });
    assert!(killed > 5, "the command makes {killed} calls only");
}

#[test]
fn launch_killed_at_any_call_is_completed_by_the_next_run() {
    assert_killed(false, |_, _| {});
}

#[test]
fn launch_killed_after_any_call_is_completed_by_the_next_run() {
    assert_killed(true, |_, _| {});
}

#[test]
fn start_killed_at_any_call_is_completed_by_the_next_run() {
    let stop = |_: &Ec2Server, sandbox: &Sandbox| {
        sandbox.run("ec2-launch", &COMMAND, "").exits(0);
        sandbox.run("ec2-power", &["stop", "--wait", "r1"], "").exits(0);
        sandbox.run("ec2-power", &["stop", "r2"], "").exits(0);
    };
    assert_killed(true, stop);
}

#[test]
fn launch_with_kept_volumes_killed_at_any_call_is_completed_by_the_next_run() {
    let end = |_: &Ec2Server, sandbox: &Sandbox| {
        sandbox.run("ec2-launch", &COMMAND, "").exits(0);
        sandbox.run("ec2-power", &["terminate", "--yes", "r[1-2]"], "").exits(0);
    };
    assert_killed(false, end);
    assert_killed(true, end);
}
