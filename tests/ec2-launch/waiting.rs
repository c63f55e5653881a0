//! What ec2-launch waits for: sshd, and the host keys on the console.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kit::{FakeEc2, Moto, Reply, Sandbox, Sshd};
use std::net::TcpListener;
use std::sync::Mutex;

fn launch(sandbox: &Sandbox, args: &[&str]) -> kit::Outcome {
    sandbox.run("ec2-launch", &[&["--profile", "MySQL", "--no-remember"], args].concat(), "")
}

#[test]
fn hosts_are_ready_once_their_sshd_answers() {
    let sshd = Sshd::everywhere();
    let sandbox = Moto::shared().sandbox();
    let port = sshd.port().to_string();
    let run = launch(&sandbox, &["--wait", "ssh", "--ssh-port", &port, "ready[1-3]"]).exits(0);
    assert!(run.records().iter().all(|record| record["action"] == "launched"), "{}", run.stdout);
    // The port of a record overrides the option.
    let line = format!("{{\"host\":\"ready1\",\"port\":{port}}}\n");
    sandbox.run("ec2-launch", &["--no-remember", "--wait=ssh", "--ssh-port", "1"], line).exits(0);
}

#[test]
fn host_whose_sshd_does_not_answer_is_launched_with_an_error() {
    let sandbox = Moto::shared().sandbox();
    let run = launch(&sandbox, &["--wait", "ssh", "--ssh-port", "1", "--timeout", "1", "refuses1"]).exits(3);
    let record = &run.records()[0];
    assert_eq!((&record["action"], &record["state"]), (&"launched".into(), &"running".into()));
    let address = record["private_ip"].as_str().expect("an address");
    let why = format!("sshd on {address}:1 did not answer within 1 s: connection refused");
    assert_eq!(record["error"], why);
    assert!(run.stderr.contains("choose another with --ssh-port"), "{}", run.stderr);
    // A server that accepts connections and sends nothing, for the host launched above.
    let silent = TcpListener::bind("0.0.0.0:0").expect("a free port");
    let port = silent.local_addr().expect("an address").port().to_string();
    let run = launch(&sandbox, &["--wait", "ssh", "--ssh-port", &port, "--timeout", "1", "refuses1"]).exits(3);
    let record = &run.records()[0];
    assert_eq!(record["action"], "failed");
    let why =
        format!("sshd on {address}:{port} did not answer within 1 s: it accepts the connection but sends nothing");
    assert_eq!(record["error"], why);
    let run = launch(&sandbox, &["--wait", "ssh", "--address", "mine", "--timeout", "1", "refuses1"]).exits(3);
    assert_eq!(run.records()[0]["error"], "the record has no address in \"mine\"");
}

#[test]
fn conflicting_options_are_refused() {
    let sandbox = Moto::shared().sandbox();
    for (args, why) in [
        (&["--no-wait", "--host-keys"][..], "--host-keys needs running instances: leave out --wait none"),
        (&["--address", "public_ip", "-w"], "--address goes with --wait ssh"),
    ] {
        let run = launch(&sandbox, &[&["never1"], args].concat()).exits(2);
        assert_eq!(run.stderr, format!("ec2-launch: {why}\n"));
    }
    let run = launch(&sandbox, &["--wait", "never1"]).exits(2);
    assert!(run.stderr.contains("possible values: running, ssh, none"), "{}", run.stderr);
    sandbox.file(
        "Ip.yaml",
        Moto::shared().profile().replace("name: MySQL", "name: Ip").replace("elastic ip: no", "elastic ip: yes"),
    );
    let run = sandbox.run("ec2-launch", &["--profile", "Ip", "--wait", "none", "never1"], "").exits(2);
    let why = "ec2-launch: the profile's elastic ip needs a running instance: leave out --wait none\n";
    assert_eq!(run.stderr, why);
    assert_eq!(sandbox.run("ec2-ls", &["-1", "never*"], "").exits(0).stdout, "");
}

#[test]
fn startup_scripts_run_on_hosts_as_soon_as_they_answer() {
    let sshd = Sshd::everywhere();
    let mut sandbox = Moto::shared().sandbox();
    sshd.open_to(&mut sandbox);
    sandbox.file("Start.yaml", Moto::shared().profile().replace("MySQL", "Start") + "startup scripts: [hello.sh]\n");
    sandbox.file("scripts/hello.sh", "#!/bin/sh\necho hello\n");
    let launch = format!("ec2-launch --profile Start --wait ssh --ssh-port {} 'script[1-2]'", sshd.port());
    let run = sandbox.sh(&format!("{launch} | pssh-rs --run startup_scripts")).exits(0);
    let said: Vec<_> = run.records().iter().map(|record| record["stdout"].clone()).collect();
    assert_eq!(said, ["hello\n", "hello\n"]);
}

#[test]
fn part_that_hides_host_keys_from_the_console_gives_a_warning_with_host_keys() {
    let sandbox = Moto::shared().sandbox();
    sandbox.file("quiet.cfg", "#cloud-config\nssh: {emit_keys_to_console: false}\n");
    let args = ["--set", "user data=quiet.cfg", "--dry-run", "quiet1"];
    let run = launch(&sandbox, &args).exits(0);
    assert!(!run.stderr.contains("emit_keys_to_console"), "{}", run.stderr);
    let run = launch(&sandbox, &[&["--host-keys"], &args[..]].concat()).exits(0);
    let why = "quiet.cfg: line 2: emit_keys_to_console keeps the host keys off the console: ";
    assert!(run.stderr.contains(why), "{}", run.stderr);
}

const LAUNCHED: &str = "2026-11-29T05:00:00.000Z";
const BEFORE: &str = "2026-11-29T04:00:00.000Z";
const AFTER: &str = "2026-11-29T05:01:00.000Z";

/// An EC2 with one running host at 127.0.0.1, whose console shows these outputs one after the other: the time of each
/// and its text. Its instance type is none that has the latest output.
fn ec2(host: &'static str, consoles: Vec<(&'static str, String)>) -> FakeEc2 {
    let looks = Mutex::new(0);
    FakeEc2::start(move |request| {
        if request.starts_with("Action=DescribeInstances&") {
            return Reply::Xml(format!(
                "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-1</instanceId>\
                 <instanceState><name>running</name></instanceState><privateIpAddress>127.0.0.1</privateIpAddress>\
                 <launchTime>{LAUNCHED}</launchTime><tagSet><item><key>Name</key><value>{host}</value></item></tagSet>\
                 </item></instancesSet></item></reservationSet></DescribeInstancesResponse>"
            ));
        }
        if request.contains("Latest=true") {
            let why = "This instance type does not support retrieving the latest console logs.";
            return Reply::Error("UnsupportedOperation", why.to_string());
        }
        let mut looks = looks.lock().expect("no panic");
        let (time, text) = &consoles[(*looks).min(consoles.len() - 1)];
        *looks += 1;
        let output = STANDARD.encode(text);
        Reply::Xml(format!(
            "<GetConsoleOutputResponse><instanceId>i-1</instanceId><timestamp>{time}</timestamp><output>{output}</output>\
             </GetConsoleOutputResponse>"
        ))
    })
}

fn block(key: &str) -> String {
    format!(
        "[   20.1] cloud-init[1]: ci-info: no keys\r\n-----BEGIN SSH HOST KEY KEYS-----\r\n{key} root@host\r\n\
         -----END SSH HOST KEY KEYS-----\r\n"
    )
}

/// A sandbox whose known_hosts is empty.
fn sandbox(ec2: &FakeEc2, sshd: &Sshd) -> Sandbox {
    let mut sandbox = Moto::shared().sandbox();
    sshd.open_to(&mut sandbox);
    let nothing = sandbox.file("known_hosts", "");
    sandbox.env("PSSH_RS_KNOWN_HOSTS", nothing.display().to_string());
    sandbox.env("AWS_ENDPOINT_URL", &ec2.endpoint);
    sandbox
}

#[test]
fn pssh_rs_accepts_only_the_host_keys_of_the_console() {
    let (sshd, other) = (Sshd::start(), Sshd::start());
    let launch = "ec2-launch --no-remember --host-keys keys1 | pssh-rs -- echo here";
    // First there is no output, then the output of the previous boot with an old key.
    let consoles = vec![
        (AFTER, String::new()),
        (BEFORE, block(&other.host_key("ed25519"))),
        (AFTER, block(&sshd.host_key("ed25519"))),
    ];
    let run = sandbox(&ec2("keys1", consoles), &sshd).sh(launch).exits(0);
    let record = &run.records()[0];
    assert_eq!((&record["stdout"], &record["host_keys"][0]), (&"here\n".into(), &sshd.host_key("ed25519").into()));
    let consoles = vec![(AFTER, block(&other.host_key("ed25519")))];
    let run = sandbox(&ec2("keys1", consoles), &sshd).sh(launch);
    assert_ne!(run.code, 0);
    assert_eq!(run.records()[0]["status"], "hostkey", "{}", run.stdout);
}

#[test]
fn console_without_host_keys_is_an_error_with_a_hint() {
    let sshd = Sshd::start();
    let finished = "[ 31.2] cloud-init[612]: Cloud-init v. 24.1.3 finished at Sun, 29 Nov 2026 05:01:00 +0000.\r\n";
    for (text, why) in [
        (finished.to_string(), "cloud-init has finished without printing host keys on the console"),
        ("[ 0.0] Linux\r\n".to_string(), "the console shows no host keys of this boot within 2 s"),
    ] {
        let ec2 = ec2("nokeys1", vec![(AFTER, text)]);
        let args = ["--no-remember", "--host-keys", "--timeout", "2", "nokeys1"];
        let run = sandbox(&ec2, &sshd).run("ec2-launch", &args, "").exits(3);
        let record = &run.records()[0];
        assert_eq!((&record["action"], &record["error"]), (&"failed".into(), &why.into()));
        assert!(run.stderr.contains("emit_keys_to_console"), "{}", run.stderr);
    }
}
