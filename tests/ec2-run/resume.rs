//! `--resume`: results of a run that was cut off.

use crate::{fleet, lines};
use kit::{Ec2Server, Sandbox};
use std::process::Stdio;
use std::time::Duration;

/// Runs ec2-run and kills it once it has sent its command. Returns the command's id.
fn crashed(ec2: &Ec2Server, sandbox: &Sandbox, args: &[&str]) -> String {
    let mut run = sandbox.command("ec2-run");
    let mut run = run.args(args).stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("ec2-run");
    let id = loop {
        let id = ec2.region(|region| region.run_command.commands.first().map(|command| command.id.clone()));
        if let Some(id) = id {
            break id;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    run.kill().expect("a running ec2-run");
    run.wait().expect("a killed ec2-run");
    id
}

#[test]
fn a_run_that_crashed_is_collected_by_its_command_id() {
    let (ec2, sandbox) = fleet(&["web1", "web2"]);
    let id = crashed(&ec2, &sandbox, &["-w", "web[1-2]", "sleep 1; echo done"]);
    let run = sandbox.run("ec2-run", &["--resume", &id], "").exits(0);
    assert_eq!(lines(&run), ["web1 ok exec 0", "web2 ok exec 0"]);
    assert!(run.records().iter().all(|record| record["stdout"] == "done\n" && record["command_id"] == id.as_str()));
    assert_eq!(ec2.count("SendCommand"), 1);
    // Records of the run do as well.
    let again = sandbox.run("ec2-run", &["--resume"], &run.stdout).exits(0);
    assert_eq!(lines(&again), lines(&run));
}

#[test]
fn ctrl_c_leaves_a_resumed_command_running() {
    let (ec2, sandbox) = fleet(&["web1"]);
    let id = crashed(&ec2, &sandbox, &["-w", "web1", "sleep 20"]);
    let before = ec2.count("ListCommandInvocations");
    let is_polled = || ec2.count("ListCommandInvocations") > before + 2;
    let run = sandbox.interrupt("ec2-run", &["--resume", &id], "", is_polled).exits(130);
    assert_eq!(lines(&run), ["web1 cancelled exec null"]);
    assert_eq!(run.records()[0]["error"], "interrupted; the command goes on");
    assert_eq!(ec2.count("CancelCommand"), 0);
}

#[test]
fn an_unknown_command_is_an_error() {
    let (_ec2, sandbox) = fleet(&["web1"]);
    let run = sandbox.run("ec2-run", &["--resume", "00000000-0000-4000-8000-000000000bad"], "").exits(2);
    assert!(run.stderr.starts_with("ec2-run: SSM has no command "), "{}", run.stderr);
    let run = sandbox.run("ec2-run", &["--resume"], "{\"host\":\"web1\"}\n").exits(2);
    assert!(run.stderr.contains("the record has no command_id"), "{}", run.stderr);
}
