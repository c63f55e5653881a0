//! `--resume`: results of a run that was cut off.

use crate::{fleet, lines};
use std::process::Stdio;

#[test]
fn a_run_that_crashed_is_collected_by_its_command_id() {
    let (ec2, sandbox) = fleet(&["web1", "web2"]);
    let mut crashed = sandbox.command("ec2-run");
    crashed.args(["-w", "web[1-2]", "sleep 1; echo done"]).stdin(Stdio::null()).stdout(Stdio::null());
    let mut crashed = crashed.spawn().unwrap();
    let id = loop {
        let id = ec2.region(|region| region.run_command.commands.first().map(|command| command.id.clone()));
        if let Some(id) = id {
            break id;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    crashed.kill().unwrap();
    crashed.wait().unwrap();
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
    sandbox.run("ec2-run", &["-w", "web1", "true"], "").exits(0);
    set_never_ending(&ec2);
    let id = ec2.region(|region| region.run_command.commands[0].id.clone());
    let before = ec2.count("ListCommandInvocations");
    let is_polled = || ec2.count("ListCommandInvocations") > before + 2;
    let run = sandbox.interrupt("ec2-run", &["--resume", &id], "", is_polled).exits(130);
    assert_eq!(lines(&run), ["web1 cancelled exec null"]);
    assert_eq!(run.records()[0]["error"], "interrupted; the command goes on");
    assert_eq!(ec2.count("CancelCommand"), 0);
}

fn set_never_ending(ec2: &kit::Ec2Server) {
    ec2.region(|region| region.run_command.commands[0].invocations[0].status = "InProgress");
}

#[test]
fn an_unknown_command_is_an_error() {
    let (_ec2, sandbox) = fleet(&["web1"]);
    let run = sandbox.run("ec2-run", &["--resume", "00000000-0000-4000-8000-000000000bad"], "").exits(2);
    assert!(run.stderr.starts_with("ec2-run: SSM has no command "), "{}", run.stderr);
    let run = sandbox.run("ec2-run", &["--resume"], "{\"host\":\"web1\"}\n").exits(2);
    assert!(run.stderr.contains("the record has no command_id"), "{}", run.stderr);
}
