//! Hosts that are reached through AWS instead of an open port. `aws` is a stand-in that connects to the sshd.

use kit::{Sandbox, Sshd};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Notes its arguments. Where awscli would open a session, connects standard input and output to the sshd of the port that
/// it is asked for.
const AWS: &str = r#"#!/bin/bash
echo "$*" >> "$HOME/calls"
case "$1 $2" in
"ssm start-session" | "ec2-instance-connect open-tunnel") ;;
*) exit 0 ;;
esac
port=${*: -1}
port=${port##*=}
exec 3<>/dev/tcp/127.0.0.1/$port
cat <&3 & cat >&3
kill $!
"#;

const HOSTS: &str = "{\"host\":\"web1\",\"instance_id\":\"i-0000000000000001a\"}\n{\"host\":\"web2\",\"instance_id\":\"i-0000000000000002b\"}\n";

/// Runs `id -u` on two hosts through this ProxyCommand. Returns the calls of aws, sorted.
fn run_through(proxy: &str, args: &[&str]) -> Vec<String> {
    let sshd = Sshd::start();
    let mut sandbox = Sandbox::new();
    sshd.open_to(&mut sandbox);
    let aws = sandbox.file("bin/aws", AWS);
    fs::set_permissions(&aws, fs::Permissions::from_mode(0o755)).expect("a program");
    let path = format!("{}:/usr/bin:/bin", sandbox.dir().join("bin").display());
    sandbox.env("PATH", path).env("PSSH_RS_KNOWN_HOSTS", sshd.known_hosts(&["*"]).display().to_string());
    let option = format!("ProxyCommand={proxy}");
    let args = [&["--address", "instance_id", "--ssh-option", &option], args, &["--", "id", "-u"]].concat();
    let run = sandbox.run("pssh-rs", &args, HOSTS).exits(0);
    assert!(run.records().iter().all(|record| record["status"] == "ok" && record["exit_code"] == 0));
    let mut calls: Vec<String> =
        fs::read_to_string(sandbox.dir().join("calls")).expect("calls of aws").lines().map(str::to_string).collect();
    calls.sort();
    calls.iter().map(|call| call.replace(&sshd.port().to_string(), "PORT")).collect()
}

#[test]
fn a_session_of_ssm_carries_the_connection() {
    let calls = run_through(
        "aws ssm start-session --target %h --document-name AWS-StartSSHSession --parameters portNumber=%p",
        &[],
    );
    let call = |id| {
        format!("ssm start-session --target {id} --document-name AWS-StartSSHSession --parameters portNumber=PORT")
    };
    assert_eq!(calls, [call("i-0000000000000001a"), call("i-0000000000000002b")]);
}

#[test]
fn an_instance_connect_endpoint_carries_the_connection_after_the_key_was_pushed() {
    let push = "aws ec2-instance-connect send-ssh-public-key --instance-id %h --instance-os-user %r \
                --ssh-public-key file://id.pub >/dev/null";
    let tunnel = "exec aws ec2-instance-connect open-tunnel --instance-id %h --remote-port %p";
    let calls = run_through(&format!("sh -c \"{push} && {tunnel}\""), &["-f", "20"]);
    assert_eq!(calls.len(), 4);
    assert!(
        calls[0].starts_with("ec2-instance-connect open-tunnel --instance-id i-0000000000000001a "),
        "{}",
        calls[0]
    );
    assert!(calls[2].starts_with("ec2-instance-connect send-ssh-public-key --instance-id i-0000000000000001a "));
}
