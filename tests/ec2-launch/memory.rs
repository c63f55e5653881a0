//! What is remembered of hosts: they start and are launched again without a profile, from any folder that has their files.

use kit::ec2_server::Options;
use kit::{Ec2Server, FakeEc2, Moto, Outcome, Reply, Sandbox};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

const LAUNCHED: &str = "launched";
const STARTED: &str = "started";
const UNCHANGED: &str = "unchanged";

const REPORT_REGION: &str = "ap-southeast-1";
/// The files that the report's profile names.
const REPORT_FILES: [(&str, &str); 5] = [
    ("cloud-config-base.txt", "#cloud-config\npackages: [ntp]\n"),
    ("setup-hostname.sh", "#!/bin/sh\nhostname demo\n"),
    ("root-login.sh", "#!/bin/sh\necho login\n"),
    ("cloud-config-puppet.txt", "#cloud-config\npuppet: {}\n"),
    ("scripts/shutdown", "#!/bin/sh\necho bye\n"),
];

/// A sandbox with the profile `Web`, which has a part and a script.
fn sandbox(moto: &Moto) -> Sandbox {
    let sandbox = moto.sandbox();
    let profile = format!("{}  user data: [part.sh]\nstartup scripts: [mount.sh]\n", moto.profile());
    sandbox.file("Web.yaml", profile.replace("name: MySQL", "name: Web"));
    sandbox.file("part.sh", "#!/bin/sh\necho part\n");
    sandbox.file("mount.sh", "#!/bin/sh\necho mount\n");
    sandbox
}

fn launch(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    sandbox.run("ec2-launch", args, "")
}

fn terminate(sandbox: &Sandbox, host: &str) {
    sandbox.run("ec2-power", &["terminate", "--yes", "--wait", host], "").exits(0);
}

/// Asks the stand-in for the parameter of a host in a region.
fn parameter(moto: &Moto, region: &str, name: &str) -> Value {
    let body = json!({ "Name": format!("/cerveza/hosts/{name}") }).to_string();
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=testing/20260101/{region}/ssm/aws4_request, SignedHeaders=host, Signature=0"
    );
    let mut stream = TcpStream::connect(("127.0.0.1", moto.port)).expect("the stand-in listens");
    write!(
        stream,
        "POST / HTTP/1.0\r\nHost: ssm.{region}.amazonaws.com\r\nAuthorization: {authorization}\r\n\
         X-Amz-Target: AmazonSSM.GetParameter\r\nContent-Type: application/x-amz-json-1.1\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("a request sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    serde_json::from_str::<Value>(body).unwrap_or_else(|error| panic!("{error}: {answer}"))["Parameter"].take()
}

fn remembered(moto: &Moto, name: &str) -> Value {
    let parameter = parameter(moto, "us-east-1", name);
    let text = parameter["Value"].as_str().unwrap_or_else(|| panic!("no parameter of {name}"));
    serde_json::from_str(text).expect("a JSON document")
}

#[test]
fn documented_commands_work_as_printed() {
    let moto = Moto::shared();
    let mut sandbox = moto.sandbox();
    sandbox.env("AWS_REGION", REPORT_REGION);
    let call = |parameters: &[(&str, &str)]| moto.call_in(REPORT_REGION, parameters);
    let image = kit::element(&call(&[("Action", "DescribeImages")]), "imageId");
    call(&[("Action", "CreateKeyPair"), ("KeyName", "tm-devzone")]);
    call(&[("Action", "CreateSecurityGroup"), ("GroupName", "devzone"), ("GroupDescription", "development")]);
    sandbox.file(
        "UbuntuGeneric32Bit.yaml",
        format!(
            "--- !InstanceProfile\nname: UbuntuGeneric32Bit\ndesc: Ubuntu Generic instance profile without EBS Volumes\n\
             aws: !InstanceAws\n  ami: {{ us-east-1: ami-a6f504cf, ap-southeast-1: {image}, eu-west-1: ami-339ca947 }}\n  \
             security group: devzone\n  key pair: tm-devzone\n  type: c1.medium\n  elastic ip: false\nvolumes: []\n\
             startup scripts: []\nshutdown scripts: [ shutdown ]\nuser data: [ cloud-config-base.txt, \
             setup-hostname.sh, root-login.sh, cloud-config-puppet.txt ]\ncheck ec2 kernel: 2.6.35-28-virtual\n"
        ),
    );
    for (name, content) in REPORT_FILES {
        sandbox.file(name, content);
    }
    let first = ["--zone", "ap-southeast-1a", "--profile", "UbuntuGeneric32Bit", "demo01"];
    let launched = launch(&sandbox, &first).exits(0).records().remove(0);
    assert_eq!((&launched["action"], &launched["zone"]), (&json!(LAUNCHED), &json!("ap-southeast-1a")), "{launched}");
    sandbox.run("ec2-power", &["stop", "demo01"], "").exits(0);

    let started = launch(&sandbox, &["demo01"]).exits(0).records().remove(0);
    let same = ["instance_id", "zone", "instance_type", "kernel", "shutdown_scripts", "profile"];
    assert_eq!((&started["action"], &started["kernel"]), (&json!(STARTED), &json!("2.6.35-28-virtual")), "{started}");
    for key in same {
        assert_eq!(started[key], launched[key], "{key}");
    }
    terminate(&sandbox, "demo01");

    let run = launch(&sandbox, &["demo01"]).exits(0);
    let again = run.records().remove(0);
    assert_eq!(again["action"], LAUNCHED, "{again}");
    assert_ne!(again["instance_id"], launched["instance_id"]);
    for key in &same[1..] {
        assert_eq!(again[key], launched[key], "{key}");
    }
    assert_eq!((&again["tags"], &again["image_id"]), (&launched["tags"], &launched["image_id"]));
    assert_eq!(again["remembered"]["profile"], "UbuntuGeneric32Bit");
    let said = "ec2-launch: demo01: launched from memory: profile UbuntuGeneric32Bit (";
    assert!(run.stderr.contains(said) && run.stderr.contains("remembered since 20"), "{}", run.stderr);
}

#[test]
fn run_that_changes_nothing_writes_no_memory() {
    let moto = Moto::shared();
    let sandbox = sandbox(moto);
    launch(&sandbox, &["-p", "Web", "-t", "team=web", "same_1"]).exits(0);
    let name = "same_5F1";
    let memory = remembered(moto, name);
    assert_eq!((&memory["profile_name"], &memory["tags"]), (&json!("Web"), &json!({"team": "web"})), "{memory}");
    assert_eq!(memory["files"].as_object().map(|files| files.len()), Some(2), "{memory}");
    let version = || parameter(moto, "us-east-1", name)["Version"].clone();
    assert_eq!(version(), 1);
    launch(&sandbox, &["-p", "Web", "same_1"]).exits(0);
    launch(&sandbox, &["same_1"]).exits(0);
    sandbox.run("ec2-power", &["stop", "--wait", "same_1"], "").exits(0);
    launch(&sandbox, &["same_1"]).exits(0);
    launch(&sandbox, &["same_1"]).exits(0);
    launch(&sandbox, &["--dry-run", "-p", "MySQL", "same_1"]).exits(0);
    assert_eq!(version(), 1);
    // The other profile is remembered; the zone and tags of the launch stay.
    launch(&sandbox, &["-p", "MySQL", "same_1"]).exits(0);
    assert_eq!(version(), 2);
    let memory = remembered(moto, name);
    assert_eq!((&memory["profile_name"], &memory["tags"]), (&json!("MySQL"), &json!({"team": "web"})), "{memory}");
}

#[test]
fn running_or_started_host_has_its_scripts_in_its_record() {
    let sandbox = sandbox(Moto::shared());
    let scripts = launch(&sandbox, &["-p", "Web", "scripts1"]).exits(0).records()[0]["startup_scripts"].clone();
    assert!(scripts[0].as_str().is_some_and(|path| path.ends_with("/mount.sh")), "{scripts}");
    let left = launch(&sandbox, &["scripts1"]).exits(0).records().remove(0);
    assert_eq!((&left["action"], &left["startup_scripts"]), (&json!(UNCHANGED), &scripts));
    // Only a launch needs the parts. A missing script keeps its name in the record.
    for file in ["part.sh", "mount.sh"] {
        fs::remove_file(sandbox.dir().join(file)).expect("a file to remove");
    }
    let run = launch(&sandbox, &["scripts1"]).exits(0);
    assert_eq!(run.records()[0]["startup_scripts"], json!(["mount.sh"]));
    assert!(run.stderr.contains("there is no startup script mount.sh"), "{}", run.stderr);
}

#[test]
fn remembered_address_of_one_host_refuses_only_a_second_host() {
    let ec2 = Ec2Server::start(Options::default());
    let sandbox = ec2.sandbox();
    for host in ["own1", "own2"] {
        let address = host.replace("own", "10.0.0.");
        let profile = format!("ami: ami-0000000000000000b\ninstance type: t3.micro\nprivate ip: {address}\n");
        sandbox.file(&format!("{host}.yaml"), profile);
        launch(&sandbox, &["-p", host, host]).exits(0);
    }
    terminate(&sandbox, "own2");
    let run = launch(&sandbox, &["own[1-2]"]).exits(0);
    assert_eq!((&run.records()[0]["action"], &run.records()[1]["action"]), (&json!(UNCHANGED), &json!(LAUNCHED)));
    let run = launch(&sandbox, &["-p", "own1", "own[1,3]"]).exits(2);
    assert!(run.stderr.contains("2 hosts cannot have the one private ip of the profile"), "{}", run.stderr);
    // Two hosts with the memory of one profile, one of them without an instance.
    launch(&sandbox, &["-p", "own1", "own2"]).exits(0);
    terminate(&sandbox, "own2");
    let run = launch(&sandbox, &["own[1-2]"]).exits(2);
    assert!(run.stderr.contains("2 hosts cannot have the one private ip of the profile"), "{}", run.stderr);
}

#[test]
fn all_missing_files_of_a_remembered_profile_are_named() {
    let sandbox = sandbox(Moto::shared());
    launch(&sandbox, &["-p", "Web", "files1"]).exits(0);
    terminate(&sandbox, "files1");
    sandbox.file("part.sh", "#!/bin/sh\necho changed\n");
    let run = launch(&sandbox, &["--dry-run", "files1"]).exits(0);
    assert!(run.stderr.contains("changed since it was remembered: part.sh"), "{}", run.stderr);
    for file in ["part.sh", "mount.sh"] {
        fs::remove_file(sandbox.dir().join(file)).expect("a file to remove");
    }
    let run = launch(&sandbox, &["files1"]).exits(2);
    let why = "the remembered profile Web needs files that are not here: part.sh, mount.sh";
    assert!(run.stderr.contains(why), "{}", run.stderr);
    assert_eq!(run.records()[0].get("instance_id"), None);
}

#[test]
fn no_remember_neither_reads_nor_writes() {
    let moto = Moto::shared();
    let sandbox = sandbox(moto);
    launch(&sandbox, &["-p", "Web", "--no-remember", "forget1"]).exits(0);
    assert_eq!(parameter(moto, "us-east-1", "forget1"), Value::Null);
    launch(&sandbox, &["-p", "Web", "forget2"]).exits(0);
    terminate(&sandbox, "forget2");
    let run = launch(&sandbox, &["--no-remember", "forget2"]).exits(3);
    assert!(run.stderr.contains("use --profile to launch it"), "{}", run.stderr);
}

#[test]
fn without_permission_tags_are_used_with_one_warning() {
    let moto = Moto::shared();
    let mut sandbox = sandbox(moto);
    let denied = r#"{"__type":"AccessDeniedException","message":"User: x is not authorized"}"#;
    let ssm = FakeEc2::start(move |_| {
        Reply::Raw(format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/x-amz-json-1.1\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{denied}",
            denied.len()
        ))
    });
    sandbox.env("AWS_ENDPOINT_URL_SSM", &ssm.endpoint);
    let run = launch(&sandbox, &["-p", "Web", "denied[1-12]"]).exits(0);
    assert_eq!(run.stderr.matches("AccessDeniedException").count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("ssm:GetParameters and ssm:PutParameter"), "{}", run.stderr);
    assert!(ssm.requests().len() <= 2, "{:?}", ssm.requests());
    terminate(&sandbox, "denied1");
    let run = launch(&sandbox, &["denied1"]).exits(0);
    assert_eq!((&run.records()[0]["action"], &run.records()[0]["profile"]), (&json!(LAUNCHED), &json!("Web")));
    let told = "denied1: launched from memory: profile Web (";
    assert!(run.stderr.contains(told) && run.stderr.contains("found by the tags of its last"), "{}", run.stderr);
    // A changed profile is not the one that the host was launched from.
    terminate(&sandbox, "denied2");
    let changed = fs::read_to_string(sandbox.dir().join("Web.yaml")).expect("the profile");
    sandbox.file("Web.yaml", changed.replace("m5.large", "m5.xlarge"));
    let run = launch(&sandbox, &["denied2"]).exits(3);
    let why = "denied2: its last instance was launched from the profile Web (";
    assert!(run.stderr.contains(why) && run.stderr.contains("which has changed since"), "{}", run.stderr);
    assert!(run.stderr.contains("use --profile to launch it"), "{}", run.stderr);
}

#[test]
fn unreadable_memory_refuses_only_hosts_that_need_it() {
    let mut sandbox = sandbox(Moto::shared());
    launch(&sandbox, &["-p", "Web", "silent[1-2]"]).exits(0);
    terminate(&sandbox, "silent1");
    sandbox.env("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:1");
    // The tags name the profile, but memory knows more.
    fs::remove_file(sandbox.dir().join("Web.yaml")).expect("a file to remove");
    let run = launch(&sandbox, &["silent[1-2]"]).exits(3);
    let records = run.records();
    assert_eq!((&records[0]["action"], &records[1]["action"]), (&json!("failed"), &json!(UNCHANGED)));
    let error = records[0]["error"].as_str().expect("an error");
    assert!(error.contains("its memory cannot be read: GetParameters in us-east-1: "), "{error}");
    let run = launch(&sandbox, &["-p", "MySQL", "silent1"]).exits(0);
    assert_eq!(run.records()[0]["action"], LAUNCHED);
    assert!(run.stderr.contains("silent1: not remembered: PutParameter in us-east-1: "), "{}", run.stderr);
}

#[test]
fn user_data_from_a_record_must_be_sent_again() {
    let sandbox = sandbox(Moto::shared());
    let record = |user_data: &str| format!("{{\"host\":\"given1\",\"user_data\":\"{user_data}\"}}\n");
    sandbox.run("ec2-launch", &["-p", "MySQL"], record("aGk=")).exits(0);
    terminate(&sandbox, "given1");
    let run = launch(&sandbox, &["given1"]).exits(2);
    assert!(run.stderr.contains("its user-data was in its record"), "{}", run.stderr);
    let run = sandbox.run("ec2-launch", &["-"], record("aGk=")).exits(0);
    assert_eq!(run.records()[0]["action"], LAUNCHED);
}

#[test]
fn memory_cannot_name_a_file_outside_the_profile_folders() {
    let moto = Moto::shared();
    let sandbox = sandbox(moto);
    let secret = sandbox.file("private/secret.sh", "#!/bin/sh\necho secret\n");
    let profile = fs::read_to_string(sandbox.dir().join("Web.yaml")).expect("the profile");
    sandbox.file("Web.yaml", profile.replace("part.sh", &secret.display().to_string()));
    launch(&sandbox, &["-p", "Web", "foreign1"]).exits(0);
    terminate(&sandbox, "foreign1");
    launch(&sandbox, &["--dry-run", "foreign1"]).exits(0);
    sandbox.file("private/secret.sh", "#!/bin/sh\necho another secret\n");
    let run = launch(&sandbox, &["foreign1"]).exits(2);
    assert!(run.stderr.contains("secret.sh has changed"), "{}", run.stderr);
}

#[test]
fn memory_is_shown_and_deleted() {
    let moto = Moto::shared();
    let sandbox = sandbox(moto);
    launch(&sandbox, &["-p", "Web", "-t", "team=web", "past[1-2]"]).exits(0);
    let run = launch(&sandbox, &["--show-memory", "past[1-3]"]).exits(1);
    assert_eq!(run.stderr, "ec2-launch: past3: nothing is remembered\n");
    let records = run.records();
    assert_eq!((records.len(), &records[2]["error"]), (3, &json!("nothing is remembered")));
    assert_eq!(records[0]["memory"], remembered(moto, "past1"));
    assert_eq!((&records[0]["region"], &records[0]["remembered"]["profile"]), (&json!("us-east-1"), &json!("Web")));

    let run = launch(&sandbox, &["--forget", "--dry-run", "past[1,3]"]).exits(0);
    assert_eq!(run.stderr, "ec2-launch: 2 hosts: 1 to forget, 1 left as is (dry run: nothing was changed)\n");
    let run = launch(&sandbox, &["--forget", "past[1,3]"]).exits(0);
    let actions: Vec<_> = run.records().iter().map(|record| record["action"].clone()).collect();
    assert_eq!(actions, ["forgotten", UNCHANGED]);
    assert_eq!(run.stderr, "ec2-launch: 2 hosts: 1 forgotten, 1 left as is\n");
    launch(&sandbox, &["--show-memory", "past1"]).exits(1);
    launch(&sandbox, &["--show-memory", "past2"]).exits(0);
    launch(&sandbox, &["--forget", "-p", "Web", "past2"]).exits(2);
    launch(&sandbox, &["--forget", "--show-memory", "past2"]).exits(2);
}

#[test]
fn memory_that_cannot_be_deleted_is_an_error_of_each_host() {
    let mut sandbox = sandbox(Moto::shared());
    sandbox.env("AWS_ENDPOINT_URL_SSM", "http://127.0.0.1:1");
    let run = launch(&sandbox, &["--forget", "kept[1-12]"]).exits(3);
    let records = run.records();
    assert_eq!((records.len(), &records[11]["action"]), (12, &json!("failed")));
    let why = "ec2-launch: kept[1-12]: DeleteParameters in us-east-1: ";
    assert!(run.stderr.starts_with(why), "{}", run.stderr);
}
