//! `ec2-tag` against the strict EC2 server: EC2's limits, shared calls, and failures half-way.

use kit::ec2_server::{Ec2Server, Fault, Options, Params, Region, Rule};
use kit::{Outcome, Sandbox};
use serde_json::{Value, json};

const PROFILE: &str = "ami: ami-0000000000000000b\ninstance type: t3.micro\nvolumes:\n- device: /dev/sdf\n  size: 10\n";

/// Running hosts of the profile, and how many calls that took.
fn with_hosts(hosts: &str, profile: &str) -> (Ec2Server, Sandbox, usize) {
    let ec2 = Ec2Server::start(Options::default());
    let sandbox = ec2.sandbox();
    sandbox.file("Web.yaml", profile);
    sandbox.run("ec2-launch", &["-p", "Web", hosts], "").exits(0);
    let calls = ec2.calls().len();
    (ec2, sandbox, calls)
}

/// The calls of an action after the first `start` calls.
fn calls_of(ec2: &Ec2Server, start: usize, action: &str) -> Vec<Params> {
    ec2.calls().into_iter().skip(start).filter(|call| call.action == action).map(|call| call.params).collect()
}

fn tags(region: &Region, host: &str) -> Value {
    json!(region.live(host)[0].tags)
}

/// The ids of a host's instance and of its volumes.
fn ids(region: &Region, host: &str) -> (String, Vec<String>) {
    let id = region.live(host)[0].id.clone();
    let volumes = region.volumes_of(&id).map(|(volume, _)| volume.id.clone()).collect();
    (id, volumes)
}

fn error(run: &Outcome, record: usize) -> String {
    run.records()[record]["error"].as_str().unwrap_or_default().to_string()
}

#[test]
fn unchanged_tag_is_not_sent() {
    let (ec2, sandbox, start) = with_hosts("web[1-3]", PROFILE);
    sandbox.run("ec2-tag", &["role=web", "web1"], "").exits(0);
    let before = calls_of(&ec2, start, "CreateTags").len();
    let run = sandbox.run("ec2-tag", &["role=web", "web[1-3]"], "").exits(0);
    assert_eq!(run.stderr, "ec2-tag: 3 hosts: 1 left as is, 2 tagged\n");
    let records = run.records();
    assert_eq!((records[0]["action"].as_str(), records[1]["action"].as_str()), (Some("unchanged"), Some("tag")));
    assert_eq!(records[0]["changes"], json!([]));
    let calls = calls_of(&ec2, start, "CreateTags");
    assert_eq!(calls.len(), before + 1);
    // Two hosts with two volumes each.
    assert_eq!(calls[before].list("ResourceId").len(), 6);
    let run = sandbox.run("ec2-tag", &["role=web", "gone-", "web[1-3]"], "").exits(0);
    assert_eq!(run.stderr, "ec2-tag: 3 hosts: 3 left as is\n");
    assert_eq!(calls_of(&ec2, start, "CreateTags").len(), before + 1);
    assert_eq!(calls_of(&ec2, start, "DeleteTags").len(), 0);
}

#[test]
fn value_is_rendered_from_the_record() {
    let (ec2, sandbox, _) = with_hosts("web[1-2]", PROFILE);
    let line = "ec2-ls | ec2-tag --no-volumes 'fqdn={{ host }}.{{ zone }}.example.com' 'Name={{ host }}-old'";
    let run = sandbox.sh(line).exits(0);
    assert_eq!(run.records()[1]["host"], "web2-old");
    assert!(run.stderr.contains("web[1-2] become web[1-2]-old: all tools find a host by its Name"), "{}", run.stderr);
    assert_eq!(ec2.region(|region| tags(region, "web1-old"))["fqdn"], "web1.us-east-1a.example.com");
    let run = sandbox.run("ec2-tag", &["x={{ hots }}", "web1-old", "web2-old"], "").exits(2);
    assert_eq!(run.records().len(), 2);
    assert_eq!(error(&run, 0), "tag x: hots is undefined");
    let run = sandbox.run("ec2-tag", &["x={{ host", "web1-old"], "").exits(2);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.starts_with("ec2-tag: tag x: unexpected end of input"), "{}", run.stderr);
}

#[test]
fn volumes_get_the_name_and_device_of_their_host() {
    let (ec2, sandbox, _) = with_hosts("db[1-2]", PROFILE);
    ec2.region(|region| region.volumes.iter_mut().for_each(|volume| volume.tags.clear()));
    let run = sandbox.run("ec2-tag", &["--volumes", "--device-names", "db[1-2]"], "").exits(0);
    assert_eq!(run.stderr, "ec2-tag: 2 hosts: 2 tagged\n");
    ec2.region(|region| {
        for host in ["db1", "db2"] {
            let id = ids(region, host).0;
            for (volume, attachment) in region.volumes_of(&id) {
                assert_eq!(json!(volume.tags), json!({"Name": host, "device": attachment.device}));
            }
        }
    });
    let run = sandbox.run("ec2-tag", &["--device-names", "db[1-2]"], "").exits(0);
    assert_eq!(run.stderr, "ec2-tag: 2 hosts: 2 left as is\n");
    // The keys are those of ec2-launch: it finds nothing to do.
    let run = sandbox.run("ec2-launch", &["-p", "Web", "db[1-2]"], "").exits(0);
    assert!(run.stderr.contains("2 left as is"), "{}", run.stderr);
}

#[test]
fn limits_are_checked_for_every_host_before_the_first_call() {
    let (ec2, sandbox, start) = with_hosts("web[1-3]", PROFILE);
    ec2.region(|region| {
        let full = region.instances.iter_mut().find(|one| one.tags["Name"] == "web2").expect("web2");
        full.tags.insert("aws:autoscaling:groupName".into(), "group".into());
        let more = 51 - full.tags.len();
        full.tags.extend((0..more).map(|number| (format!("filler{number}"), "x".to_string())));
    });
    let run = sandbox.run("ec2-tag", &["--no-volumes", "a=1", "web[1-3]"], "").exits(2);
    let id = ec2.region(|region| ids(region, "web2").0);
    assert_eq!(error(&run, 1), format!("{id} would have 51 tags: EC2 allows 50"));
    assert!(run.records().iter().all(|record| record["action"] == "failed"), "{}", run.stdout);
    assert_eq!(error(&run, 0), "nothing is tagged, because other hosts of this run are refused");
    assert!(run.stderr.ends_with("ec2-tag: 3 hosts: 3 failed\n"), "{}", run.stderr);
    assert_eq!(calls_of(&ec2, start, "CreateTags").len(), 0);
    // There is room if another tag is removed, and it is removed first.
    sandbox.run("ec2-tag", &["--no-volumes", "a=1", "filler0-", "web[1-3]"], "").exits(0);
    assert_eq!(ec2.region(|region| tags(region, "web2"))["a"], "1");
    // A tag that already has its value needs no room.
    sandbox.run("ec2-tag", &["--no-volumes", "a=1", "web[1-3]"], "").exits(0);
}

#[test]
fn key_that_the_metadata_does_not_allow_is_refused_if_tags_are_in_it() {
    let (ec2, sandbox, _) = with_hosts("on1", PROFILE);
    sandbox.file("Off.yaml", format!("{PROFILE}metadata options:\n  instance metadata tags: disabled\n"));
    sandbox.run("ec2-launch", &["-p", "Off", "off1"], "").exits(0);
    let start = ec2.calls().len();
    let run = sandbox.run("ec2-tag", &["cost center=1", "off1", "on1"], "").exits(2);
    assert!(
        error(&run, 1)
            .starts_with("tag cost center: the instance shows its tags in its metadata, where a key can only have")
    );
    assert!(run.stderr.contains("aws ec2 modify-instance-metadata-options"), "{}", run.stderr);
    assert_eq!(calls_of(&ec2, start, "CreateTags").len(), 0);
    sandbox.run("ec2-tag", &["cost center=1", "off1"], "").exits(0);
    assert_eq!(ec2.region(|region| tags(region, "off1"))["cost center"], "1");
}

#[test]
fn tag_length_and_characters_are_those_of_ec2() {
    let (ec2, sandbox, _) = with_hosts("web1", PROFILE);
    for bad in
        ["aws:x=1".to_string(), "AWS:x=1".into(), format!("{}=1", "k".repeat(129)), format!("k={}", "é".repeat(257))]
    {
        let run = sandbox.run("ec2-tag", &[&bad, "web1"], "").exits(2);
        assert_eq!(run.stdout, "", "{bad}");
    }
    let (key, value) = ("k".repeat(128), "日".repeat(256));
    sandbox.run("ec2-tag", &[&format!("{key}={value}"), "empty=", "web1"], "").exits(0);
    let tags = ec2.region(|region| tags(region, "web1"));
    assert_eq!((&tags[&key], &tags["empty"]), (&json!(value), &json!("")));
}

#[test]
fn partial_failure_says_what_was_tagged() {
    let (ec2, sandbox, _) = with_hosts("web[1-2]", PROFILE);
    let (_, volumes) = ec2.region(|region| ids(region, "web1"));
    let lost = volumes[1].clone();
    let denied = Fault::refuse(400, "OperationNotPermitted", &format!("The volume '{lost}' cannot be tagged."));
    let has_lost = move |params: &Params| params.list("ResourceId").contains(&lost);
    ec2.fault(Rule::on("CreateTags", denied).only(has_lost).always());
    let run = sandbox.run("ec2-tag", &["team=dba", "web[1-2]"], "").exits(3);
    let (id, volumes) = ec2.region(|region| ids(region, "web1"));
    let said = error(&run, 0);
    assert!(
        said.starts_with(&format!("team not set on {} (team set on {id}, {}): ", volumes[1], volumes[0])),
        "{said}"
    );
    let records = run.records();
    assert_eq!((&records[0]["tags"]["team"], &records[0]["action"]), (&json!("dba"), &json!("tag")));
    assert_eq!(records[0]["changes"].as_array().map(Vec::len), Some(2));
    assert_eq!(records[1]["error"], Value::Null);
    assert_eq!(run.stderr.lines().last(), Some("ec2-tag: 2 hosts: 1 failed, 1 tagged"));
}

#[test]
fn denied_region_leaves_the_tags_unchanged() {
    let (ec2, sandbox, start) = with_hosts("web1", PROFILE);
    ec2.fault(Rule::on("CreateTags", Fault::unauthorized()).always());
    let run = sandbox.run("ec2-tag", &["team=dba", "profile-", "web1"], "").exits(3);
    let record = &run.records()[0];
    assert_eq!((&record["changes"], &record["tags"]["profile"]), (&json!([]), &json!("Web")));
    assert_eq!(record["action"], "failed");
    assert_eq!(calls_of(&ec2, start, "DeleteTags").len(), 0);
    ec2.drop_faults();
    ec2.fault(Rule::on("DescribeVolumes", Fault::unauthorized()).always());
    let run = sandbox.run("ec2-tag", &["team=dba", "web1"], "").exits(3);
    assert!(error(&run, 0).starts_with("the tags of its volumes are not known: DescribeVolumes"), "{}", run.stdout);
    assert_eq!(run.records().len(), 1);
    sandbox.run("ec2-tag", &["--no-volumes", "team=dba", "web1"], "").exits(0);
}

#[test]
fn dry_run_shows_tags_before_and_after() {
    let (ec2, sandbox, _) = with_hosts("web[1-2]", PROFILE);
    sandbox.run("ec2-tag", &["role=web", "old=x", "web1"], "").exits(0);
    let before = ec2.calls().len();
    let args = ["-n", "role=db", "old-", "new=a b", "web[1-2]"];
    let run = sandbox.run("ec2-tag", &args, "").exits(0);
    let (id, _) = ec2.region(|region| ids(region, "web1"));
    let changes = run.records()[0]["changes"].clone();
    for change in [
        json!({"resource": id, "key": "role", "before": "web", "after": "db"}),
        json!({"resource": id, "key": "old", "before": "x", "after": null}),
        json!({"resource": id, "key": "new", "before": null, "after": "a b"}),
    ] {
        assert!(changes.as_array().unwrap().contains(&change), "{changes}");
    }
    assert_eq!(run.stderr, "ec2-tag: 2 hosts: 2 to tag (dry run: nothing was changed)\n");
    let writes = ["CreateTags", "DeleteTags"];
    assert!(!ec2.calls()[before..].iter().any(|call| writes.contains(&call.action.as_str())));
    let table = sandbox.run("ec2-tag", &[&args[..], &["-o", "table"]].concat(), "").exits(0).stdout;
    assert!(table.contains("new: (none) -> a b, old: x -> (none), role: web -> db"), "{table}");
    assert!(table.contains("new: (none) -> a b, role: (none) -> db"), "{table}");
}

#[test]
fn empty_name_is_set_with_a_warning() {
    let ec2 = Ec2Server::start(Options::default());
    let ids = ec2.launch(["web1"], &[]);
    let run = ec2.sandbox().run("ec2-tag", &["Name=", "web1"], "").exits(0);
    assert!(run.stderr.starts_with(&format!("ec2-tag: web1 becomes {}: ", ids[0])), "{}", run.stderr);
    assert_eq!(ec2.region(|region| region.instances[0].tags["Name"].clone()), "");
}

#[test]
fn name_that_two_hosts_would_have_is_refused() {
    let (ec2, sandbox, start) = with_hosts("web[1-3]", PROFILE);
    let run = sandbox.run("ec2-tag", &["Name={{ host[:3] }}", "web[1-2]"], "").exits(3);
    let (first, second) = ec2.region(|region| (ids(region, "web1").0, ids(region, "web2").0));
    assert_eq!(error(&run, 0), format!("{second} already has the name web, or gets it in this run"));
    assert_eq!(error(&run, 1), format!("{first} already has the name web, or gets it in this run"));
    assert_eq!(calls_of(&ec2, start, "CreateTags").len(), 0);
}

#[test]
fn identical_changes_of_many_hosts_share_calls() {
    let (ec2, sandbox, start) = with_hosts("n[1-105]", "ami: ami-0000000000000000b\ninstance type: t3.micro\n");
    let run = sandbox.run("ec2-tag", &["team=dba", "n[1-105]"], "").exits(0);
    assert_eq!(run.stderr, "ec2-tag: 105 hosts: 105 tagged\n");
    let calls = calls_of(&ec2, start, "CreateTags");
    assert_eq!(calls.iter().map(|call| call.list("ResourceId").len()).collect::<Vec<_>>(), [200, 10]);
}

#[test]
fn instance_with_a_new_name_is_not_tagged() {
    let (ec2, sandbox, _) = with_hosts("web[1-2]", PROFILE);
    let listed = sandbox.run("ec2-ls", &["web1"], "").exits(0).stdout;
    sandbox.run("ec2-tag", &["--no-volumes", "Name=web11", "web1"], "").exits(0);
    let run = sandbox.run("ec2-tag", &["role=db"], &listed).exits(3);
    let id = ec2.region(|region| ids(region, "web11").0);
    assert_eq!(error(&run, 0), format!("{id} is named web11 now, not web1"));
    assert_eq!(run.records()[0]["action"], "failed");
    assert_eq!(ec2.region(|region| tags(region, "web11")).get("role"), None);
    sandbox.run("ec2-tag", &["role=db", &id], "").exits(0);
}

#[test]
fn time_of_many_calls_is_announced() {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch((1..=160).map(|number| format!("n{number}")), &[]);
    let sandbox = ec2.sandbox();
    let said = "ec2-tag: this takes at least 6 s for 160 hosts because of EC2's request limits\n";
    let args = ["--no-volumes", "fqdn={{ host }}.example.com", "n[1-160]"];
    let plan = sandbox.run("ec2-tag", &[&args[..], &["-n"]].concat(), "").exits(0);
    assert!(plan.stderr.starts_with(said), "{}", plan.stderr);
    let shown = sandbox.sh(&format!(
        "TERM=xterm script -qec \"ec2-tag -1 {}\" /dev/null",
        args.map(|arg| format!("'{arg}'")).join(" ")
    ));
    assert!(shown.stdout.contains("tagging ") && shown.stdout.contains("/160"), "{}", shown.stdout);
    assert_eq!(ec2.count("CreateTags"), 160);
}

#[test]
fn table_shows_all_changes_on_a_narrow_terminal() {
    let (_, mut sandbox, _) = with_hosts("web1", PROFILE);
    sandbox.env("COLUMNS", "80");
    let value = "x".repeat(100);
    let args = ["-n", "-o", "table", "--no-volumes", &format!("role={value}"), "web1"];
    let table = sandbox.run("ec2-tag", &args, "").exits(0).stdout;
    assert!(table.contains(&format!("role: (none) -> {value}\n")), "{table}");
}

#[test]
fn pattern_suggests_ec2_ls() {
    let (ec2, sandbox, start) = with_hosts("web1", PROFILE);
    let run = sandbox.run("ec2-tag", &["role=db", "web*"], "").exits(2);
    let said = "ec2-tag: web* is a filter of ec2-ls and not a host\nec2-tag: ec2-ls 'web*' | ec2-tag KEY=VALUE\n";
    assert_eq!((run.stderr.as_str(), ec2.calls().len()), (said, start));
}
