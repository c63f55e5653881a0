//! `ec2-ls` against the EC2 stand-in.

mod credentials;
mod filters;
mod guesses;
mod outage;
mod paging;
mod show;
mod watch;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use kit::fake_ec2::{instances as instances_of, user_data as user_data_of};
use kit::{FakeEc2, Moto, REGION, Reply, Sandbox, element};
use serde_json::json;
use std::time::{Duration, Instant};

/// Launches hosts by direct calls: ec2-ls is tested alone.
fn instances(moto: &Moto, hosts: &[(&str, &str)]) {
    for (host, role) in hosts {
        let base = [("Action", "RunInstances"), ("ImageId", &moto.image), ("InstanceType", "m5.large")];
        let count = [("MinCount", "1"), ("MaxCount", "1"), ("SubnetId", &moto.subnet)];
        let tags = [
            ("TagSpecification.1.ResourceType", "instance"),
            ("TagSpecification.1.Tag.1.Key", "Name"),
            ("TagSpecification.1.Tag.1.Value", host),
            ("TagSpecification.1.Tag.2.Key", "role"),
            ("TagSpecification.1.Tag.2.Value", role),
        ];
        moto.call(&[base.as_slice(), &count, &tags].concat());
    }
}

#[test]
fn tags_names_patterns_and_ids_find_hosts_in_natural_order() {
    let moto = Moto::shared();
    instances(moto, &[("ls10", "ls"), ("ls9", "ls"), ("other1", "ls-other")]);
    let sandbox = moto.sandbox();
    let names = |args: &[&str]| sandbox.run("ec2-ls", &[&["-1"], args].concat(), "").exits(0).stdout;
    assert_eq!(names(&["role=ls"]), "ls9\nls10\n");
    assert_eq!(names(&["role=ls*"]), "ls9\nls10\nother1\n");
    assert_eq!(names(&["role=ls", "role=ls-other"]), "ls9\nls10\nother1\n");
    assert_eq!(names(&["ls[9-10]"]), "ls9\nls10\n");
    assert_eq!(names(&["ls1?"]), "ls10\n");
    assert_eq!(names(&["role=ls-other", "other1", "ls*"]), "other1\n");
    let id = sandbox.run("ec2-ls", &["ls9"], "").records()[0]["instance_id"].as_str().unwrap().to_string();
    assert_eq!(names(&[&id]), "ls9\n");
    let piped = sandbox.run("ec2-ls", &["-1", "-"], format!("{{\"host\":\"x\",\"instance_id\":\"{id}\"}}\nls10\n"));
    assert_eq!(piped.exits(0).stdout, "ls9\nls10\n");
}

#[test]
fn record_has_the_facts_of_ec2() {
    let moto = Moto::shared();
    instances(moto, &[("facts1", "facts")]);
    let run = moto.sandbox().run("ec2-ls", &["role=facts"], "").exits(0);
    let record = &run.records()[0];
    let keys: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(run.stdout.starts_with(r#"{"host":"facts1","instance_id":"i-"#), "{}", run.stdout);
    assert_eq!(keys.len(), 31, "{keys:?}");
    assert_eq!(record["state"], "running");
    assert_eq!(record["region"], REGION);
    assert_eq!(record["instance_type"], "m5.large");
    assert!(record["private_ip"].as_str().unwrap().starts_with("127.0."));
    assert_eq!(record["tags"], serde_json::json!({"Name": "facts1", "role": "facts"}));
    assert!(record["volumes"][0]["volume_id"].as_str().unwrap().starts_with("vol-"));
    assert!(record["launch_time"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn more_instances_than_a_filter_allows_are_all_listed() {
    let moto = Moto::shared();
    let base = [("Action", "RunInstances"), ("ImageId", &moto.image), ("InstanceType", "m5.large")];
    moto.call(&[base.as_slice(), &[("MinCount", "230"), ("MaxCount", "230"), ("SubnetId", &moto.subnet)]].concat());
    let sandbox = moto.sandbox();
    let ids: Vec<String> =
        sandbox.run("ec2-ls", &["-1", "-s", "all"], "").exits(0).stdout.lines().map(String::from).collect();
    let ids: Vec<String> = ids.into_iter().filter(|host| host.starts_with("i-")).collect();
    assert_eq!(ids.len(), 230);
    let run = sandbox.run("ec2-ls", &["-1", "-"], ids.join("\n")).exits(0);
    assert_eq!(run.stdout.lines().count(), 230);
}

#[test]
fn region_that_does_not_answer_is_reported_and_the_others_are_listed() {
    let moto = Moto::shared();
    instances(moto, &[("partial1", "partial")]);
    let sandbox = moto.sandbox();
    // The stand-in does not know this region, and answers without an EC2 error.
    let run = sandbox.run("ec2-ls", &["-r", "us-east-1,nosuch-1", "-1", "role=partial"], "").exits(3);
    assert!(run.stderr.starts_with("ec2-ls: DescribeInstances in nosuch-1: "), "{}", run.stderr);
    assert_eq!(run.stdout, "partial1\n");
}

#[test]
fn records_are_looked_up_in_their_own_regions() {
    let moto = Moto::shared();
    instances(moto, &[("inventory1", "inventory")]);
    let sandbox = moto.sandbox();
    let saved = sandbox.run("ec2-ls", &["-r", "us-east-1,us-west-2", "role=inventory"], "").exits(0).stdout;
    let mine = saved.replacen('{', "{\"mine\":[1.0],", 1);
    let elsewhere = "{\"host\":\"x\",\"instance_id\":\"i-0123456789abcdef0\",\"region\":\"eu-west-1\"}\n";
    let mut sandbox = sandbox;
    sandbox.env("AWS_REGION", "us-west-2");
    let run = sandbox.run("ec2-ls", &["-"], mine.clone() + elsewhere).exits(1);
    assert_eq!(run.stdout, mine);
    assert_eq!(run.stderr, "ec2-ls: not found in eu-west-1: x (instance i-0123456789abcdef0)\n");
}

#[test]
fn terminated_instances_are_listed_only_on_request() {
    let moto = Moto::shared();
    instances(moto, &[("gone1", "gone"), ("gone2", "gone")]);
    let sandbox = moto.sandbox();
    sandbox.run("ec2-power", &["terminate", "--yes", "gone1"], "").exits(0);
    assert_eq!(sandbox.run("ec2-ls", &["-1", "role=gone"], "").exits(0).stdout, "gone2\n");
    assert_eq!(sandbox.run("ec2-ls", &["-1", "role=gone", "--state", "all"], "").exits(0).stdout, "gone1\ngone2\n");
    assert_eq!(sandbox.run("ec2-ls", &["-1", "role=gone", "-s", "terminated"], "").exits(0).stdout, "gone1\n");
}

#[test]
fn missing_hosts_are_reported() {
    let moto = Moto::shared();
    instances(moto, &[("found1", "found")]);
    let sandbox = moto.sandbox();
    let run = sandbox.run("ec2-ls", &["-1", "found[1-3]"], "").exits(1);
    assert_eq!(
        (run.stdout.as_str(), run.stderr.as_str()),
        ("found1\n", "ec2-ls: not found in us-east-1: found[2-3]\n")
    );
    let run = sandbox.run("ec2-ls", &["role=no-such"], "").exits(0);
    let elsewhere = "ec2-ls: -r all looks in all regions\n";
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr, format!("ec2-ls: no instance matches in us-east-1\n{elsewhere}"));
    let run = sandbox.run("ec2-ls", &["nosuch1"], "").exits(1);
    assert_eq!(run.stderr, format!("ec2-ls: not found in us-east-1: nosuch1\n{elsewhere}"));
    let run = sandbox.run("ec2-ls", &["-r", "all", "nosuch1"], "").exits(1);
    assert!(run.stderr.ends_with(" regions: nosuch1\n") && !run.stderr.contains("-r all"), "{}", run.stderr);
    for what in ["volume", "address"] {
        let option = if what == "volume" { "--volumes" } else { "--addresses" };
        let run = sandbox.run("ec2-ls", &["-r", "eu-west-2", option], "").exits(0);
        assert_eq!(run.stderr, format!("ec2-ls: no {what} matches in eu-west-2\n{elsewhere}"));
    }
    sandbox.run("ec2-ls", &["--fail-empty", "role=no-such"], "").exits(1);
}

#[test]
fn several_regions_are_listed_together_and_an_unknown_one_is_reported() {
    let moto = Moto::shared();
    instances(moto, &[("region1", "regions")]);
    let sandbox = moto.sandbox();
    let run = sandbox.run("ec2-ls", &["-r", "eu-west-1,us-east-1", "-1", "role=regions"], "").exits(0);
    assert_eq!(run.stdout, "region1\n");
    assert_eq!(sandbox.run("ec2-ls", &["-r", "all", "-1", "role=regions"], "").exits(0).stdout, "region1\n");
    let run = sandbox.run("ec2-ls", &["-r", "us-east-1;x", "role=regions"], "").exits(2);
    assert_eq!(
        run.stderr,
        "ec2-ls: \"us-east-1;x\" is not the name of a region\nec2-ls: the nearest name of a region is us-east-1\n"
    );
}

#[test]
fn stdin_of_a_shell_loop_is_not_read() {
    let moto = Moto::shared();
    instances(moto, &[("loop1", "loop"), ("loop2", "loop")]);
    let run =
        moto.sandbox().sh("printf 'loop1\\nloop2\\n' | while read -r host; do ec2-ls -1 \"$host\"; done").exits(0);
    assert_eq!(run.stdout, "loop1\nloop2\n");
}

#[test]
fn connection_errors_are_one_clear_line() {
    let moto = Moto::shared();
    let mut sandbox = moto.sandbox();
    sandbox.env("AWS_ACCESS_KEY_ID", "").env("AWS_SECRET_ACCESS_KEY", "");
    let run = sandbox.run("ec2-ls", &[], "").exits(2);
    assert!(run.stderr.starts_with("ec2-ls: no AWS credentials were found\nec2-ls: set AWS_PROFILE"), "{}", run.stderr);

    let mut sandbox = moto.sandbox();
    sandbox.env("AWS_REGION", "");
    let run = sandbox.run("ec2-ls", &[], "").exits(2);
    assert!(run.stderr.starts_with("ec2-ls: no region"), "{}", run.stderr);

    let mut sandbox = moto.sandbox();
    sandbox.env("AWS_PROFILE", "nosuch").env("AWS_ACCESS_KEY_ID", "").env("AWS_SECRET_ACCESS_KEY", "");
    let run = sandbox.run("ec2-ls", &[], "").exits(2);
    assert!(run.stderr.contains("nosuch"), "{}", run.stderr);

    let mut sandbox = moto.sandbox();
    let role = "[profile role]\nrole_arn = arn:aws:iam::123456789012:role/x\ncredential_source = Environment\n";
    sandbox.file(".aws/config", role);
    sandbox.env("AWS_ENDPOINT_URL", "").env("AWS_PROFILE", "role");
    let run = sandbox.run("ec2-ls", &[], "").exits(2);
    assert!(run.stderr.starts_with("ec2-ls: AWS_ENDPOINT_URL is set and empty\n"), "{}", run.stderr);

    let mut sandbox = moto.sandbox();
    sandbox.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let run = sandbox.run("ec2-ls", &[], "").exits(2);
    let expected = "ec2-ls: DescribeInstances in us-east-1: the endpoint cannot be reached: Connection refused\n";
    assert_eq!(run.stderr, expected);
}

#[test]
fn hanging_credential_process_is_given_up_and_ctrl_c_works() {
    let moto = Moto::shared();
    let mut sandbox = moto.sandbox();
    sandbox.file(".aws/config", "[profile slow]\ncredential_process = sleep 60\n");
    sandbox.env("AWS_PROFILE", "slow").env("AWS_ACCESS_KEY_ID", "").env("AWS_SECRET_ACCESS_KEY", "");
    let started = Instant::now();
    let run = sandbox.run("ec2-ls", &[], "").exits(2);
    // The message comes once, not once for each attempt.
    assert!(started.elapsed() < Duration::from_secs(50), "{:?}", started.elapsed());
    assert!(run.stderr.contains("the AWS credentials in the profile slow cannot be used: "), "{}", run.stderr);

    let silent = FakeEc2::start(|_| Reply::Silence);
    let mut sandbox = moto.sandbox();
    sandbox.env("AWS_ENDPOINT_URL", &silent.endpoint);
    let run = sandbox.interrupt("ec2-ls", &[], "", || !silent.requests().is_empty()).exits(130);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "ec2-ls: interrupted\n"));
}

/// Launches a host in a region's default VPC, with this user-data.
fn launch_with(moto: &Moto, region: &str, host: &str, user_data: Option<&str>) {
    let image = element(&moto.call_in(region, &[("Action", "DescribeImages")]), "imageId");
    let base = [("Action", "RunInstances"), ("ImageId", &image), ("InstanceType", "m5.large")];
    let count = [("MinCount", "1"), ("MaxCount", "1"), ("TagSpecification.1.ResourceType", "instance")];
    let tag = [("TagSpecification.1.Tag.1.Key", "Name"), ("TagSpecification.1.Tag.1.Value", host)];
    let user_data: Vec<_> = user_data.map(|base64| ("UserData", base64)).into_iter().collect();
    moto.call_in(region, &[base.as_slice(), &count, &tag, &user_data].concat());
}

#[test]
fn user_data_is_read_unchanged_from_every_region() {
    let moto = Moto::shared();
    let bytes: Vec<u8> = (0..16_384).map(|number| (number * 31 % 251) as u8).collect();
    let (most, text) = (BASE64_STANDARD.encode(bytes), BASE64_STANDARD.encode("#!/bin/sh\necho é\n"));
    launch_with(moto, REGION, "ud1", Some(&most));
    launch_with(moto, REGION, "ud2", None);
    launch_with(moto, "us-west-2", "ud3", Some(&text));
    launch_with(moto, REGION, "ud4", Some(&text));
    let sandbox = moto.sandbox();
    sandbox.run("ec2-power", &["terminate", "--yes", "ud4"], "").exits(0);

    let args = ["-r", "us-east-1,us-west-2", "--user-data", "-s", "all", "ud[1-4]"];
    let run = sandbox.run("ec2-ls", &args, "").exits(0);
    let user_data: Vec<_> = run.records().iter().map(|record| record["user_data"].clone()).collect();
    assert_eq!(user_data, [json!(most), json!(null), json!(text), json!(null)]);
    assert!(run.records()[1].as_object().unwrap().contains_key("user_data"), "{}", run.stdout);
    assert_eq!(run.stderr, "");
    let as_csv = sandbox.run("ec2-ls", &["--user-data", "-o", "csv", "--columns", "user_data", "ud1"], "").exits(0);
    assert_eq!(as_csv.stdout, format!("user_data\n{most}\n"));
    let asked_for_nothing = sandbox.run("ec2-ls", &["ud1"], "").exits(0);
    assert_eq!(asked_for_nothing.records()[0].get("user_data"), None);

    // Values of an older record are replaced.
    let old = format!("{{\"host\":\"ud2\",\"user_data\":\"{text}\",\"error\":\"old\"}}\n");
    let run = sandbox.run("ec2-ls", &["--user-data", "-"], old).exits(0);
    assert!(run.stdout.starts_with("{\"host\":\"ud2\",\"user_data\":null,\"instance_id\""), "{}", run.stdout);

    // A table shows sizes instead of secrets.
    let run = sandbox.run("ec2-ls", &[args.as_slice(), &["-o", "table"]].concat(), "").exits(0);
    let last = |line: &str| line.split_whitespace().last().unwrap().to_string();
    assert_eq!(run.stdout.lines().skip(1).map(last).collect::<Vec<_>>(), ["16384", "-", "18", "-"]);
}

#[test]
fn user_data_of_a_host_launches_another() {
    let moto = Moto::shared();
    let sandbox = moto.sandbox();
    let text = BASE64_STANDARD.encode("#!/bin/sh\n");
    launch_with(moto, REGION, "origin1", Some(&text));
    launch_with(moto, REGION, "origin2", None);
    let copy = "ec2-ls --user-data origin[1-2] | jq -c '{host: (\"copy-\" + .host), user_data}' |
        ec2-launch --profile MySQL | ec2-ls --user-data - | jq .user_data";
    assert_eq!(sandbox.sh(copy).exits(0).stdout, format!("\"{text}\"\nnull\n"));
}

/// The instance whose user-data a request asks for, if it does.
fn asked_for(request: &str) -> Option<&str> {
    assert!(request.contains("Action=DescribeInstances&") || request.contains("Attribute=userData"), "{request}");
    request.split('&').find_map(|parameter| parameter.strip_prefix("InstanceId="))
}

const THREE: [(&str, &str, &str); 3] = [("i-1", "w1", "running"), ("i-2", "w2", "stopped"), ("i-3", "w3", "running")];

#[test]
fn host_with_unreadable_user_data_has_an_error_and_the_others_are_complete() {
    let ec2 = FakeEc2::start(|request| match asked_for(request) {
        None => instances_of(&THREE, None),
        Some("i-2") => Reply::Error("InvalidInstanceID.NotFound", "The instance ID 'i-2' does not exist".to_string()),
        Some(_) => user_data_of(Some("c2VjcmV0")),
    });
    let mut sandbox = Moto::shared().sandbox();
    sandbox.env("AWS_ENDPOINT_URL", &ec2.endpoint);
    let run = sandbox.run("ec2-ls", &["--user-data"], "").exits(3);
    let why =
        "DescribeInstanceAttribute in us-east-1: InvalidInstanceID.NotFound: The instance ID 'i-2' does not exist";
    assert_eq!(run.stderr, format!("ec2-ls: w2: {why}\n"));
    let records = run.records();
    let (user_data, why) = (json!("c2VjcmV0"), json!(why));
    let told = |at: usize| (records[at].get("user_data"), records[at].get("error"));
    assert_eq!([told(0), told(1), told(2)], [(Some(&user_data), None), (None, Some(&why)), (Some(&user_data), None)]);
}

#[test]
fn missing_permission_is_reported_once() {
    let ec2 = FakeEc2::start(|request| match asked_for(request) {
        None => instances_of(&THREE, None),
        Some(id) => Reply::Error("UnauthorizedOperation", format!("You may not: instance/{id}")),
    });
    let mut sandbox = Moto::shared().sandbox();
    sandbox.env("AWS_ENDPOINT_URL", &ec2.endpoint);
    let run = sandbox.run("ec2-ls", &["--user-data"], "").exits(3);
    assert_eq!(
        run.stderr,
        "ec2-ls: w[1-3]: DescribeInstanceAttribute in us-east-1: UnauthorizedOperation: You may not: instance/...\n\
         ec2-ls: this needs the permission ec2:DescribeInstanceAttribute\n"
    );
    assert_eq!(run.records().iter().filter(|record| record["error"].is_string()).count(), 3);
}

#[test]
fn region_that_hangs_during_user_data_is_given_up_and_ctrl_c_works() {
    let list = || {
        let ids: Vec<String> = (0..60).map(|number| format!("i-{number}")).collect();
        let instances: Vec<_> = ids.iter().map(|id| (id.as_str(), id.as_str(), "running")).collect();
        instances_of(&instances, None)
    };
    let ec2 = FakeEc2::start(move |request| asked_for(request).map_or_else(list, |_| Reply::HangUp));
    let mut sandbox = Moto::shared().sandbox();
    sandbox.env("AWS_ENDPOINT_URL", &ec2.endpoint);
    let run = sandbox.run("ec2-ls", &["--user-data"], "").exits(3);
    assert_eq!(run.records().len(), 60);
    // Only calls that had started are retried, not all 60.
    assert!(ec2.requests().len() < 100, "{}", ec2.requests().len());

    let ec2 = FakeEc2::start(move |request| asked_for(request).map_or_else(list, |_| Reply::Silence));
    sandbox.env("AWS_ENDPOINT_URL", &ec2.endpoint);
    let asked = || ec2.requests().iter().any(|request| asked_for(request).is_some());
    let run = sandbox.interrupt("ec2-ls", &["--user-data"], "", asked).exits(130);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "ec2-ls: interrupted\n"));
}

#[test]
fn output_follows_the_common_rules() {
    let moto = Moto::shared();
    instances(moto, &[("manners1", "manners")]);
    let sandbox = moto.sandbox();
    let table = sandbox.run("ec2-ls", &["-o", "table", "role=manners"], "").exits(0).stdout;
    assert!(table.starts_with("HOST      INSTANCE             STATE    TYPE      ZONE"), "{table}");
    assert_eq!(table.lines().count(), 2);
    let run = sandbox.sh("ec2-ls role=manners > /dev/full").exits(2);
    assert_eq!(run.stderr, "ec2-ls: cannot write to stdout: No space left on device\n");
    let run = sandbox.sh("ec2-ls role=manners | true").exits(0);
    assert_eq!(run.stderr, "");
    let run = sandbox.run("ec2-ls", &["-"], "web1\n{\"host\":\n").exits(2);
    let said = "ec2-ls: stdin: line 2: broken JSON at column 8: EOF while parsing a value\n";
    assert!(run.stderr.starts_with(said), "{}", run.stderr);
    assert!(Sandbox::new().run("ec2-ls", &["--help"], "").exits(0).stdout.contains("Usage: ec2-ls"));
}
