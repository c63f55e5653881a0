//! `ec2-tag` against the EC2 stand-in.

mod strict;

use kit::{Moto, Sandbox};
use serde_json::json;

fn with_hosts(hosts: &str) -> Sandbox {
    let sandbox = Moto::shared().sandbox();
    sandbox.run("ec2-launch", &["--profile", "MySQL", hosts], "").exits(0);
    sandbox
}

#[test]
fn tags_are_set_and_removed_on_instances_and_their_volumes() {
    let moto = Moto::shared();
    let sandbox = with_hosts("tag[1-2]");
    let run = sandbox.run("ec2-tag", &["role=db", "note=a=b", "tag[1-2]"], "").exits(0);
    assert_eq!(run.stderr, "ec2-tag: 2 hosts: 2 tagged\n");
    assert_eq!(run.records()[0]["action"], "tag");
    let volume = run.records()[1]["volumes"][0]["volume_id"].as_str().unwrap().to_string();
    let volumes = || moto.call(&[("Action", "DescribeVolumes"), ("VolumeId.1", &volume)]);
    assert!(volumes().contains("<key>note</key>"), "{}", volumes());

    let mut tags = sandbox.run("ec2-ls", &["tag1"], "").exits(0).records()[0]["tags"].clone();
    for removed in ["role", "note"] {
        tags.as_object_mut().unwrap().remove(removed).expect("a tag that was set");
    }
    tags["team"] = json!("dba");
    let run = sandbox.sh("ec2-ls role=db 'tag*' | ec2-tag role- note- team=dba").exits(0);
    assert_eq!(run.records()[0]["tags"], tags);
    let listed = sandbox.run("ec2-ls", &["tag1"], "").exits(0).records();
    assert_eq!(listed[0]["tags"], tags);
    assert!(!volumes().contains("<key>note</key>"), "{}", volumes());

    sandbox.run("ec2-tag", &["--no-volumes", "only=instance", "tag2"], "").exits(0);
    assert!(!volumes().contains("<key>only</key>"), "{}", volumes());
}

#[test]
fn hostile_tag_is_written_as_data() {
    let sandbox = with_hosts("hostile1");
    let run = sandbox.run("ec2-tag", &["note=$(reboot); 'x' \"y\" é", "hostile1"], "").exits(0);
    assert_eq!(run.records()[0]["tags"]["note"], "$(reboot); 'x' \"y\" é");
    let run = sandbox.run("ec2-tag", &["note=a\nb", "hostile1"], "").exits(2);
    assert_eq!(run.stderr, "ec2-tag: tag \"note\": a control character in it\n");
}

#[test]
fn dry_run_shows_changes_and_refusals() {
    let sandbox = with_hosts("dry[1-2]");
    let run = sandbox.run("ec2-tag", &["-n", "planned=y", "dry[1-2]"], "").exits(0);
    assert_eq!(run.records()[0]["tags"]["planned"], "y");
    assert_eq!(run.stderr, "ec2-tag: 2 hosts: 2 to tag (dry run: nothing was changed)\n");
    assert_eq!(sandbox.run("ec2-ls", &["planned=y"], "").exits(0).stdout, "");
    let run = sandbox.run("ec2-tag", &["Name=same", "dry[1-2]"], "").exits(2);
    assert!(run.stderr.starts_with("ec2-tag: several hosts cannot have one name"), "{}", run.stderr);
    let run = sandbox.run("ec2-tag", &["Name=dry2", "dry1"], "").exits(3);
    assert!(
        run.records()[0]["error"].as_str().unwrap().ends_with(" already has the name dry2, or gets it in this run"),
        "{}",
        run.stdout
    );
    let run = sandbox.run("ec2-tag", &["x=y", "dry[2-3]"], "").exits(3);
    assert_eq!(run.records()[1]["error"], "no live instance has this name in us-east-1");
    assert_eq!(
        run.stderr,
        "ec2-tag: dry3: no live instance has this name in us-east-1\nec2-tag: 2 hosts: 1 tagged, 1 failed\n"
    );
}

#[test]
fn input_and_output_follow_the_common_rules() {
    let sandbox = with_hosts("manners1");
    let run = sandbox.run("ec2-tag", &["x=y"], "manners1\n{\"host\":7}\n").exits(2);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "ec2-tag: stdin: line 2: \"host\" is not a string\n"));
    let run = sandbox.run("ec2-tag", &["manners1"], "").exits(2);
    assert_eq!(run.stderr, "ec2-tag: no tag is given\nec2-tag: KEY=VALUE sets one, KEY- removes one\n");
    let run = sandbox.run("ec2-tag", &["x=y"], "{\"host\":\"manners1\",\"instance_id\":7}").exits(2);
    assert_eq!(run.stderr, "ec2-tag: manners1: \"instance_id\" is not a string\n");
    let run = sandbox.run("ec2-tag", &["x=y"], "").exits(2);
    assert_eq!(run.stderr, "ec2-tag: no hosts: stdin was empty\n");
    let run = sandbox.run("ec2-tag", &["x=y"], "{\"mine\":null,\"host\":\"manners1\"}").exits(0);
    assert!(run.stdout.starts_with(r#"{"mine":null,"host":"manners1","instance_id":"i-"#), "{}", run.stdout);
    let run = sandbox.sh("ec2-tag x=z manners1 | true").exits(0);
    assert_eq!(run.stderr, "ec2-tag: 1 host: 1 tagged\n");
    assert!(sandbox.run("ec2-tag", &["--help"], "").exits(0).stdout.contains("Usage: ec2-tag"));
}
