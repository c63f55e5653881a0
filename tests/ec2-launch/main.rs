//! `ec2-launch` against the EC2 stand-in.

mod address;
mod boot_script;
mod catalog;
mod cut_off;
mod disks;
mod exactly_once;
mod faults;
mod killed;
mod memory;
mod once;
mod profiles;
mod strict;
mod throttled;
mod user_data;
mod waiting;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kit::{FakeEc2, Moto, Outcome, Reply, Sandbox, element, fake_ec2};
use serde_json::{Value, json};

fn launch(sandbox: &Sandbox, args: &[&str], stdin: &str) -> Outcome {
    sandbox.run("ec2-launch", &[&["--profile", "MySQL"], args].concat(), stdin)
}

fn actions(run: &Outcome) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    run.records().iter().map(|record| (text(&record["host"]), text(&record["action"]))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(host, action)| (host.to_string(), action.to_string())).collect()
}

/// These tags and the tag with the digest of the profile, which the record must have.
fn tags(record: &Value, mut tags: Value) -> Value {
    let digest = record["tags"]["profile-digest"].as_str().expect("the tag profile-digest");
    assert!(digest.len() == 12 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
    tags["profile-digest"] = digest.into();
    tags
}

#[test]
fn absent_hosts_are_launched_running_left_alone_and_stopped_started() {
    let sandbox = Moto::shared().sandbox();
    let run = launch(&sandbox, &["db[1-2]"], "").exits(0);
    assert_eq!(actions(&run), pairs(&[("db1", "launched"), ("db2", "launched")]));
    assert!(run.records().iter().all(|record| record["state"] == "running"), "{}", run.stdout);
    assert_eq!(run.stderr, "ec2-launch: 2 hosts: 2 launched\n");

    sandbox.run("ec2-power", &["stop", "--wait", "db2"], "").exits(0);
    let run = launch(&sandbox, &["db[1-3]"], "").exits(0);
    assert_eq!(actions(&run), pairs(&[("db1", "unchanged"), ("db2", "started"), ("db3", "launched")]));
    assert_eq!(run.stderr, "ec2-launch: 3 hosts: 1 left as is, 1 started, 1 launched\n");
    assert_eq!(sandbox.run("ec2-ls", &["-1", "db*"], "").exits(0).stdout, "db1\ndb2\ndb3\n");
}

#[test]
fn what_does_not_change_a_host_that_exists_is_said() {
    let sandbox = Moto::shared().sandbox();
    let tagged = ["--tag", "team=dba", "kept1"];
    launch(&sandbox, &tagged, "").exits(0);
    assert_eq!(launch(&sandbox, &tagged, "").exits(0).stderr, "ec2-launch: 1 host: 1 left as is\n");
    let run = launch(&sandbox, &["--set", "instance type=r5.large", "--tag", "team=www", "kept[1-2]"], "").exits(0);
    let profile = "kept1: left as is: --set counts at the next launch; `ec2-power resize` changes the type now";
    let tags = "kept1: left without the tags of --tag, which only a launch sets: ec2-tag sets them now";
    let end = "2 hosts: 1 left as is, 1 launched";
    assert_eq!(run.stderr, [profile, tags, end].map(|line| format!("ec2-launch: {line}\n")).concat());
}

#[test]
fn a_zone_after_spread_is_not_a_host() {
    let sandbox = Moto::shared().sandbox();
    let run = launch(&sandbox, &["--spread", "us-east-1a", "us-east-1b", "db1"], "").exits(2);
    let why = "us-east-1b is the name of a zone, not of a host";
    assert_eq!(run.stderr.lines().next(), Some(format!("ec2-launch: {why}").as_str()));
    assert_eq!(sandbox.run("ec2-ls", &["-1", "db1"], "").stdout, "");
}

#[test]
fn without_a_profile_hosts_are_started_but_not_launched() {
    let sandbox = Moto::shared().sandbox();
    launch(&sandbox, &["start1"], "").exits(0);
    sandbox.run("ec2-power", &["stop", "--wait", "start1"], "").exits(0);
    let run = sandbox.run("ec2-launch", &["start[1-2]"], "").exits(3);
    assert_eq!(actions(&run), pairs(&[("start1", "started"), ("start2", "failed")]));
    assert_eq!(run.records()[1]["error"], "no live instance has this name in us-east-1");
    assert_eq!(
        run.stderr,
        "ec2-launch: start2: no live instance has this name in us-east-1\nec2-launch: use --profile to launch it, or --region if it is in another region\n\
         ec2-launch: 2 hosts: 1 started, 1 failed\n"
    );
}

#[test]
fn dry_run_shows_the_plan_and_launches_nothing() {
    let moto = Moto::shared();
    let sandbox = moto.sandbox();
    let run = launch(&sandbox, &["--dry-run", "-t", "team=dba", "dry1"], "").exits(0);
    let record = &run.records()[0];
    assert_eq!(record["action"], "launch");
    assert_eq!(record["image_id"], moto.image);
    assert_eq!(record["tags"], tags(record, json!({"Name": "dry1", "profile": "MySQL", "team": "dba"})));
    assert_eq!(record["reason"], "no live instance has this name in us-east-1");
    assert_eq!(record["plan"]["generation"], "");
    assert_eq!(record["plan"]["attempts"][0]["image_id"], moto.image);
    assert_eq!(run.stderr, "ec2-launch: 1 host: 1 to launch (dry run: nothing was changed)\n");
    assert_eq!(sandbox.run("ec2-ls", &["dry1"], "").exits(1).stdout, "");
}

#[test]
fn records_keep_their_keys_and_their_user_data_and_tags_reach_ec2() {
    let moto = Moto::shared();
    let sandbox = moto.sandbox();
    let user_data = STANDARD.encode("#!/bin/sh\necho é\n");
    let record =
        json!({"mine": [1, 2], "host": "ud1", "user_data": user_data, "tags": {"role": "ud"}, "zone": "us-east-1a"});
    let run = launch(&sandbox, &[], &record.to_string()).exits(0);
    let launched = &run.records()[0];
    assert!(run.stdout.starts_with(r#"{"mine":[1,2],"host":"ud1","tags":{"Name":"ud1""#), "{}", run.stdout);
    assert_eq!(launched["tags"], tags(launched, json!({"Name": "ud1", "profile": "MySQL", "role": "ud"})));
    assert_eq!(launched["profile"], "MySQL");
    assert_eq!(launched.get("user_data"), None);

    let id = launched["instance_id"].as_str().unwrap();
    let attribute = [("Action", "DescribeInstanceAttribute"), ("InstanceId", id), ("Attribute", "userData")];
    assert_eq!(element(&moto.call(&attribute), "value"), user_data);
    let volume = launched["volumes"][0]["volume_id"].as_str().unwrap();
    let volumes = moto.call(&[("Action", "DescribeVolumes"), ("VolumeId.1", volume)]);
    assert!(volumes.contains("<key>role</key>") && volumes.contains("<value>ud1</value>"), "{volumes}");
}

#[test]
fn parts_of_the_profile_become_the_user_data() {
    let moto = Moto::shared();
    let sandbox = moto.sandbox();
    let profile = format!("{}  user data: [setup-hostname.sh.j2]\nstartup scripts: [mount.sh]\n", moto.profile());
    sandbox.file("profiles/Parts.yaml", profile);
    sandbox.file("profiles/scripts/setup-hostname.sh.j2", "#!/bin/sh\nhostname {{ host }}\n");
    sandbox.file("profiles/mount.sh", "#!/bin/sh\n");
    let mut sandbox = sandbox;
    let folder = sandbox.dir().join("profiles");
    sandbox.env("CERVEZA_PROFILES", folder.display().to_string());
    let run = sandbox.run("ec2-launch", &["--profile", "Parts", "parts1"], "").exits(0);
    let launched = &run.records()[0];
    let folder = folder.canonicalize().unwrap();
    assert_eq!(launched["startup_scripts"], json!([folder.join("mount.sh")]));
    let id = launched["instance_id"].as_str().unwrap();
    let attribute = [("Action", "DescribeInstanceAttribute"), ("InstanceId", id), ("Attribute", "userData")];
    let bytes = STANDARD.decode(element(&moto.call(&attribute), "value")).unwrap();
    let mut mime = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut mime).unwrap();
    assert!(mime.contains("hostname parts1\n"), "{mime}");
}

#[test]
fn missing_file_of_the_profile_launches_nothing() {
    let moto = Moto::shared();
    let sandbox = moto.sandbox();
    let folder = sandbox.dir().canonicalize().unwrap();
    let places = format!("{} or {}/scripts", folder.display(), folder.display());
    for (key, what) in [
        ("user data", "user data part"),
        ("startup scripts", "startup script"),
        ("shutdown scripts", "shutdown script"),
    ] {
        sandbox.file("Gone.yaml", format!("{}{key}: [gone.sh]\n", moto.profile().replace("MySQL", "Gone")));
        for args in [&["--profile", "Gone", "gone1"][..], &["--profile", "Gone", "--dry-run", "gone1"]] {
            let run = sandbox.run("ec2-launch", args, "").exits(2);
            // The name is in the line after those of the stand-in's profile.
            let place = format!("./Gone.yaml:11:{}", key.len() + 4);
            let why = format!("ec2-launch: {place}: there is no {what} gone.sh in {places}\n");
            assert_eq!((run.stdout.as_str(), run.stderr), ("", why));
        }
    }
    let both = "user data: [a.sh]\nshutdown scripts: [b.sh]\n";
    sandbox.file("Gone.yaml", format!("{}{both}", moto.profile().replace("MySQL", "Gone")));
    let run = sandbox.run("ec2-launch", &["--profile", "Gone", "gone1"], "").exits(2);
    let why = format!(
        "./Gone.yaml:11:13: there is no user data part a.sh in {places}\n./Gone.yaml:12:20: there is no shutdown script b.sh in \
         {places}\n"
    );
    assert_eq!(run.stderr, format!("ec2-launch: {why}"));
    assert_eq!(sandbox.run("ec2-ls", &["-1", "gone*"], "").exits(0).stdout, "");
}

#[test]
fn two_live_instances_with_one_name_are_an_error_and_not_changed() {
    let moto = Moto::shared();
    let sandbox = moto.sandbox();
    launch(&sandbox, &["twin1"], "").exits(0);
    let id = sandbox.run("ec2-ls", &["twin1"], "").records()[0]["instance_id"].as_str().unwrap().to_string();
    let run = [("Action", "RunInstances"), ("ImageId", &moto.image), ("InstanceType", "m5.large"), ("MinCount", "1")];
    let other = element(&moto.call(&[run.as_slice(), &[("MaxCount", "1")]].concat()), "instanceId");
    moto.call(&[("Action", "CreateTags"), ("ResourceId.1", &other), ("Tag.1.Key", "Name"), ("Tag.1.Value", "twin1")]);
    let run = launch(&sandbox, &["twin[1-2]"], "").exits(3);
    let records = run.records();
    let error = records[0]["error"].as_str().unwrap();
    assert!(error.contains(&id) && error.contains(&other), "{error}");
    assert_eq!((&records[0]["action"], &records[1]["action"]), (&json!("failed"), &json!("launched")));
}

#[test]
fn refusal_by_ec2_is_reported_for_its_host() {
    let moto = Moto::shared();
    let sandbox = moto.sandbox();
    sandbox.file("Refused.yaml", moto.profile() + "  iam instance profile: nobody\n");
    let run = sandbox.run("ec2-launch", &["--profile", "Refused", "refused[1-2]"], "").exits(3);
    assert_eq!(run.records().len(), 2);
    assert!(run.records()[0]["error"].as_str().unwrap().starts_with("RunInstances in us-east-1: "), "{}", run.stdout);
    assert!(run.stderr.starts_with("ec2-launch: refused[1-2]: RunInstances in us-east-1: "), "{}", run.stderr);
    assert!(run.stderr.ends_with("ec2-launch: 2 hosts: 2 failed\n"), "{}", run.stderr);
}

#[test]
fn bad_input_launches_nothing() {
    let moto = Moto::shared();
    let sandbox = moto.sandbox();
    let refused = |args: &[&str], stdin: &str| sandbox.run("ec2-launch", args, stdin).exits(2).stderr;
    assert_eq!(refused(&["--profile", "MySQL"], ""), "ec2-launch: no hosts: stdin was empty\n");
    assert_eq!(
        refused(&["--profile", "MySQL"], "bad1\n{\"name\":\"bad2\"}\n"),
        "ec2-launch: stdin: line 2: the record has no \"host\"\n"
    );
    assert_eq!(
        refused(&["--profile", "MySQL"], "{\"host\":\"bad1\"}\n{\"host\":\"bad1\"}\n"),
        "ec2-launch: bad1 is given twice\n"
    );
    let unknown = refused(&["--profile", "MySQI", "bad1"], "");
    assert!(unknown.contains("no profile \"MySQI\": looked for it and for MySQI.yaml in profiles, ., /"), "{unknown}");
    assert!(unknown.ends_with("ec2-launch: did you mean MySQL?\n"), "{unknown}");
    sandbox.file("Typo.yaml", "aws:\n  security gruop: web\n");
    assert_eq!(
        refused(&["--profile", "Typo", "bad1"], ""),
        "ec2-launch: ./Typo.yaml:2:3: unknown key \"security gruop\": did you mean \"security group\"?\n"
    );
    assert_eq!(
        refused(&["--profile", "MySQL", "--region", "all", "bad1"], ""),
        "ec2-launch: --region all: ec2-launch works in one region\n"
    );
    let elsewhere = sandbox.run("ec2-launch", &["--profile", "MySQL", "-z", "eu-west-1a", "bad1"], "").exits(2);
    assert_eq!(elsewhere.records()[0]["error"], "./MySQL.yaml:5:5: profile MySQL has no ami for eu-west-1");
    assert_eq!(sandbox.run("ec2-ls", &["bad*", "-1"], "").exits(0).stdout, "");
}

#[test]
fn unreachable_endpoint_loses_no_record() {
    let mut sandbox = Moto::shared().sandbox();
    sandbox.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let run = launch(&sandbox, &[], "{\"host\":\"down1\",\"mine\":1}\ndown2\n").exits(2);
    let records = run.records();
    assert_eq!(records.len(), 2);
    assert_eq!(records[0]["mine"], 1);
    let why = "DescribeInstances in us-east-1: the endpoint cannot be reached: Connection refused";
    assert_eq!(records[1]["error"], why);
    assert_eq!(run.stderr, format!("ec2-launch: down[1-2]: {why}\nec2-launch: 2 hosts: 2 failed\n"));
}

#[test]
fn unwritable_stdout_is_reported_with_what_was_done() {
    let sandbox = Moto::shared().sandbox();
    let run = sandbox.sh("ec2-launch --profile MySQL full1 > /dev/full").exits(2);
    assert_eq!(
        run.stderr,
        "ec2-launch: 1 host: 1 launched\nec2-launch: cannot write to stdout: No space left on device\n"
    );
    let run = sandbox.sh("ec2-launch --profile MySQL 'closed[1-2]' | true").exits(0);
    assert_eq!(run.stderr, "ec2-launch: 2 hosts: 2 launched\n");
    assert_eq!(sandbox.run("ec2-ls", &["-1", "closed*"], "").exits(0).stdout, "closed1\nclosed2\n");
    assert!(sandbox.run("ec2-launch", &["--help"], "").exits(0).stdout.contains("Usage: ec2-launch"));
}

#[test]
fn launch_with_a_lost_answer_is_found_and_not_repeated() {
    let ec2 = FakeEc2::start(|request| match request.split('&').next() {
        Some("Action=RunInstances") => Reply::HangUp,
        _ if request.contains("tag%3AName") => fake_ec2::instances(&[], None),
        _ => fake_ec2::instances(&[("i-0123456789abcdef0", "lost1", "running")], None),
    });
    let mut sandbox = Moto::shared().sandbox();
    sandbox.file("Lost.yaml", "ami: ami-1\ninstance type: t3.micro\n");
    sandbox.env("AWS_ENDPOINT_URL", &ec2.endpoint);
    let run = sandbox.run("ec2-launch", &["--profile", "Lost", "lost1"], "").exits(0);
    assert_eq!(run.records()[0]["instance_id"], "i-0123456789abcdef0");
    let launches = ec2.requests().iter().filter(|request| request.starts_with("Action=RunInstances&")).count();
    assert_eq!(launches, 1);
}

#[test]
fn bad_input_of_one_host_launches_no_other_host() {
    let moto = Moto::shared();
    let sandbox = moto.sandbox();
    sandbox.file("Role.yaml", moto.profile() + "  user data: role.sh.j2\n");
    sandbox.file("role.sh.j2", "#!/bin/sh\necho {{ tags.role }}\n");
    let hosts = "{\"host\":\"half1\",\"tags\":{\"role\":\"db\"}}\nhalf2\n";
    let run = sandbox.run("ec2-launch", &["--profile", "Role"], hosts).exits(2);
    assert_eq!(run.records()[0]["error"], "not done: the input of another host is wrong");
    assert!(run.stderr.contains("ec2-launch: half2: "), "{}", run.stderr);
    assert!(!run.stderr.contains("half2: half2"), "{}", run.stderr);
    assert_eq!(sandbox.run("ec2-ls", &["-1", "half*"], "").exits(0).stdout, "");
}

#[test]
fn instance_id_is_refused_as_a_name_to_launch() {
    let sandbox = Moto::shared().sandbox();
    let run = launch(&sandbox, &["i-0123456789abcdef0"], "").exits(3);
    assert_eq!(run.records()[0]["error"], "there is no instance i-0123456789abcdef0 in us-east-1");
}

#[test]
fn without_waiting_records_have_the_current_state() {
    let sandbox = Moto::shared().sandbox();
    let run = launch(&sandbox, &["--no-wait", "soon1"], "").exits(0);
    assert!(["pending", "running"].contains(&run.records()[0]["state"].as_str().unwrap()), "{}", run.stdout);
}

#[test]
fn own_elastic_ip_stays_with_the_name() {
    let moto = Moto::shared();
    let sandbox = moto.sandbox();
    sandbox.file("Ip.yaml", moto.profile().replace("elastic ip: no", "elastic ip: yes"));
    let up = |host: &str| {
        sandbox.run("ec2-launch", &["--profile", "Ip", host], "").exits(0).records()[0]["public_ip"].clone()
    };
    let first = up("ip1");
    assert!(first.is_string(), "{first}");
    sandbox.run("ec2-power", &["terminate", "-y", "--wait", "ip1"], "").exits(0);
    // EC2 disassociates the address when its instance is terminated; the stand-in does not.
    moto.call(&[("Action", "DisassociateAddress"), ("PublicIp", first.as_str().unwrap())]);
    assert_eq!(up("ip1"), first);
}
