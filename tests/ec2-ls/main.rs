//! `ec2-ls` against the EC2 stand-in.

use kit::fake_ec2::instances as instances_of;
use kit::{FakeEc2, Moto, REGION, Reply, Sandbox};
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
fn a_record_has_the_facts_of_ec2() {
    let moto = Moto::shared();
    instances(moto, &[("facts1", "facts")]);
    let run = moto.sandbox().run("ec2-ls", &["role=facts"], "").exits(0);
    let record = &run.records()[0];
    let keys: Vec<&str> = record.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(run.stdout.starts_with(r#"{"host":"facts1","instance_id":"i-"#), "{}", run.stdout);
    assert_eq!(keys.len(), 20, "{keys:?}");
    assert_eq!(record["state"], "running");
    assert_eq!(record["region"], REGION);
    assert_eq!(record["instance_type"], "m5.large");
    assert!(record["private_ip"].as_str().unwrap().starts_with("127.0."));
    assert_eq!(record["tags"], serde_json::json!({"Name": "facts1", "role": "facts"}));
    assert!(record["volumes"][0]["volume_id"].as_str().unwrap().starts_with("vol-"));
    assert!(record["launch_time"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn more_instances_than_a_filter_takes_all_come_out() {
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

/// EC2 pages instances, also within one reservation; the stand-in pages reservations.
#[test]
fn every_page_is_read() {
    let ec2 = FakeEc2::start(|request| match request.contains("NextToken=more") {
        false => instances_of(&[("i-1", "page1", "running")], Some("more")),
        true => instances_of(&[("i-2", "page2", "running")], None),
    });
    let mut sandbox = Moto::shared().sandbox();
    sandbox.env("AWS_ENDPOINT_URL", &ec2.endpoint);
    assert_eq!(sandbox.run("ec2-ls", &["-1"], "").exits(0).stdout, "page1\npage2\n");
    assert_eq!(ec2.requests().len(), 2);
}

#[test]
fn a_region_that_does_not_answer_is_said_and_the_others_are_listed() {
    let moto = Moto::shared();
    instances(moto, &[("partial1", "partial")]);
    let sandbox = moto.sandbox();
    // The stand-in knows no such region, and answers with no EC2 error at all.
    for line in ["ec2-ls -r us-east-1,nosuch-1 -1 role=partial", "ec2-ls -r us-east-1,nosuch-1 -1 role=partial | true"]
    {
        let run = sandbox.sh(line).exits(3);
        assert!(run.stderr.starts_with("ec2-ls: DescribeInstances in nosuch-1: "), "{line}: {}", run.stderr);
    }
    assert_eq!(sandbox.sh("ec2-ls -r us-east-1,nosuch-1 -1 role=partial").stdout, "partial1\n");
}

#[test]
fn an_inventory_of_several_regions_is_looked_up_where_each_host_is() {
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
    assert_eq!(run.stderr, "ec2-ls: not found: x\n");
}

#[test]
fn terminated_instances_are_left_out_unless_asked_for() {
    let moto = Moto::shared();
    instances(moto, &[("gone1", "gone"), ("gone2", "gone")]);
    let sandbox = moto.sandbox();
    sandbox.run("ec2-power", &["terminate", "--yes", "gone1"], "").exits(0);
    assert_eq!(sandbox.run("ec2-ls", &["-1", "role=gone"], "").exits(0).stdout, "gone2\n");
    assert_eq!(sandbox.run("ec2-ls", &["-1", "role=gone", "--state", "all"], "").exits(0).stdout, "gone1\ngone2\n");
    assert_eq!(sandbox.run("ec2-ls", &["-1", "role=gone", "-s", "terminated"], "").exits(0).stdout, "gone1\n");
}

#[test]
fn what_is_not_found_is_said() {
    let moto = Moto::shared();
    instances(moto, &[("found1", "found")]);
    let sandbox = moto.sandbox();
    let run = sandbox.run("ec2-ls", &["-1", "found[1-3]"], "").exits(1);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("found1\n", "ec2-ls: not found: found[2-3]\n"));
    let run = sandbox.run("ec2-ls", &["role=no-such"], "").exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "ec2-ls: no instance matches\n"));
    sandbox.run("ec2-ls", &["--fail-empty", "role=no-such"], "").exits(1);
}

#[test]
fn several_regions_are_listed_together_and_one_that_is_unknown_is_not_hidden() {
    let moto = Moto::shared();
    instances(moto, &[("region1", "regions")]);
    let sandbox = moto.sandbox();
    let run = sandbox.run("ec2-ls", &["-r", "eu-west-1,us-east-1", "-1", "role=regions"], "").exits(0);
    assert_eq!(run.stdout, "region1\n");
    assert_eq!(sandbox.run("ec2-ls", &["-r", "all", "-1", "role=regions"], "").exits(0).stdout, "region1\n");
    let run = sandbox.run("ec2-ls", &["-r", "us-east-1;x", "role=regions"], "").exits(2);
    assert_eq!(run.stderr, "ec2-ls: \"us-east-1;x\" is no name of a region\n");
}

#[test]
fn a_shell_loop_keeps_its_stdin() {
    let moto = Moto::shared();
    instances(moto, &[("loop1", "loop"), ("loop2", "loop")]);
    let run =
        moto.sandbox().sh("printf 'loop1\\nloop2\\n' | while read -r host; do ec2-ls -1 \"$host\"; done").exits(0);
    assert_eq!(run.stdout, "loop1\nloop2\n");
}

#[test]
fn what_keeps_it_from_ec2_is_one_clear_line() {
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
    sandbox.env("AWS_ENDPOINT_URL", "");
    let run = sandbox.run("ec2-ls", &[], "").exits(2);
    assert!(run.stderr.starts_with("ec2-ls: AWS_ENDPOINT_URL is set and empty\n"), "{}", run.stderr);

    let mut sandbox = moto.sandbox();
    sandbox.env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    let run = sandbox.run("ec2-ls", &[], "").exits(2);
    let expected =
        "ec2-ls: DescribeInstances in us-east-1: the endpoint cannot be reached: Connection refused (os error 111)\n";
    assert_eq!(run.stderr, expected);
}

#[test]
fn a_credential_process_that_hangs_is_given_up_and_ctrl_c_is_obeyed() {
    let moto = Moto::shared();
    let mut sandbox = moto.sandbox();
    sandbox.file(".aws/config", "[profile slow]\ncredential_process = sleep 600\n");
    sandbox.env("AWS_PROFILE", "slow").env("AWS_ACCESS_KEY_ID", "").env("AWS_SECRET_ACCESS_KEY", "");
    let started = Instant::now();
    let run = sandbox.run("ec2-ls", &[], "").exits(2);
    assert!(started.elapsed() < Duration::from_secs(100), "{:?}", started.elapsed());
    assert!(run.stderr.starts_with("ec2-ls: "), "{}", run.stderr);

    let silent = FakeEc2::start(|_| Reply::Silence);
    let mut sandbox = moto.sandbox();
    sandbox.env("AWS_ENDPOINT_URL", &silent.endpoint);
    let run = sandbox.sh("timeout --preserve-status -s INT 2 ec2-ls").exits(130);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "ec2-ls: interrupted\n"));
}

#[test]
fn its_output_obeys_the_manners() {
    let moto = Moto::shared();
    instances(moto, &[("manners1", "manners")]);
    let sandbox = moto.sandbox();
    let table = sandbox.run("ec2-ls", &["-o", "table", "role=manners"], "").exits(0).stdout;
    assert!(table.starts_with("HOST      INSTANCE             STATE    TYPE      ZONE"), "{table}");
    assert_eq!(table.lines().count(), 2);
    let run = sandbox.sh("ec2-ls role=manners > /dev/full").exits(2);
    assert_eq!(run.stderr, "ec2-ls: cannot write to stdout: No space left on device (os error 28)\n");
    let run = sandbox.sh("ec2-ls role=manners | true").exits(0);
    assert_eq!(run.stderr, "");
    let run = sandbox.run("ec2-ls", &["-"], "web1\n{\"host\":\n").exits(2);
    let said = "ec2-ls: stdin: line 2: broken JSON at column 8: EOF while parsing a value\n";
    assert!(run.stderr.starts_with(said), "{}", run.stderr);
    assert!(Sandbox::new().run("ec2-ls", &["--help"], "").exits(0).stdout.contains("Usage: ec2-ls"));
}
