//! Names that mean something else to a shell or to the language of host sets: printed, they read back as the same host
//! in every tool, and no tool acts on a part of one.

use kit::{FakeEc2, Moto, Reply, Sandbox, element, fake_ec2};
use serde_json::Value;
use std::collections::BTreeSet;

/// Each has a special character of the language, and most contain the name of another.
const ODD: [&str; 23] = [
    "My Web Server",
    "web!old",
    "a,b",
    "a#b",
    "My #1",
    "web[1-2]",
    "tab\tname",
    "\"quoted\"",
    "web*",
    "we?",
    " web ",
    "  ",
    "-x",
    "web-",
    "@web",
    "^web",
    "{web",
    "#web",
    "web=My",
    "line\nweb",
    "it's",
    "(web)",
    "Größe 日本 \u{202e}",
];

const ORDINARY: [&str; 8] = ["My", "Web", "web", "web1", "web2", "a", "b", "größe"];

/// Launches an instance of each name, with its index in the tag `is`. Returns the answer of the last launch.
fn account(moto: &Moto, names: &[&str]) -> String {
    let mut answer = String::new();
    for (at, name) in names.iter().enumerate() {
        let is = at.to_string();
        let base = [("Action", "RunInstances"), ("ImageId", &moto.image), ("InstanceType", "m5.large")];
        let count = [("MinCount", "1"), ("MaxCount", "1"), ("SubnetId", &moto.subnet)];
        let tags = [
            ("TagSpecification.1.ResourceType", "instance"),
            ("TagSpecification.1.Tag.1.Key", "Name"),
            ("TagSpecification.1.Tag.1.Value", name),
            ("TagSpecification.1.Tag.2.Key", "is"),
            ("TagSpecification.1.Tag.2.Value", &is),
        ];
        answer = moto.call(&[base.as_slice(), &count, &tags].concat());
    }
    answer
}

/// The hosts of these records.
fn hosts(records: &[Value]) -> Vec<&str> {
    records.iter().map(|record| record["host"].as_str().expect("a host")).collect()
}

fn with_account() -> Sandbox {
    let moto = Moto::shared();
    static MADE: std::sync::Once = std::sync::Once::new();
    MADE.call_once(|| drop(account(moto, &[ODD.as_slice(), &ORDINARY].concat())));
    moto.sandbox()
}

/// In a filter value, `\\` is a backslash for EC2; the stand-in takes values literally.
#[test]
fn backslash_is_escaped_in_ec2_filters() {
    let ec2 = FakeEc2::start(|request| match request.contains(".Value.1=back%5C%5Cslash") {
        true => fake_ec2::instances(&[("i-0123456789abcdef0", "back\\slash", "running")], None),
        false => Reply::HangUp,
    });
    let mut sandbox = Moto::shared().sandbox();
    sandbox.env("AWS_ENDPOINT_URL", &ec2.endpoint);
    let run = sandbox.sh("ec2-ls -1 'Name=back\\\\slash' | tee list | ec2-power stop -n").exits(0);
    assert_eq!(hosts(&run.records()), ["back\\slash"]);
    assert_eq!(std::fs::read_to_string(sandbox.dir().join("list")).unwrap(), "\"back\\u005cslash\"\n");
}

/// The names of the account in the order of ec2-ls, and the line that lists them.
const ALL: &str = "ec2-ls -1 'is=*'";

#[test]
fn printed_names_mean_the_same_host_in_every_tool() {
    let sandbox = with_account();
    let listed = sandbox.sh("ec2-ls 'is=*'").exits(0).records();
    assert_eq!(listed.len(), ODD.len() + ORDINARY.len());
    let names: BTreeSet<&str> = hosts(&listed).into_iter().collect();
    assert_eq!(names, ODD.into_iter().chain(ORDINARY).collect());
    sandbox.sh(&format!("{ALL} > list")).exits(0);
    let printed = std::fs::read_to_string(sandbox.dir().join("list")).unwrap();
    assert_eq!(printed.lines().count(), names.len(), "{printed}");
    assert!(printed.chars().all(|c| c == '\n' || !c.is_control() && c != '\u{202e}'), "{printed:?}");
    for tool in ["ec2-power stop -n", "ec2-tag -n x=y", "ec2-launch -n", "ec2-ls", "hostrange"] {
        for line in [
            format!("{tool} - < list"),
            format!("{tool} '^list'"),
            format!("{tool} \"$(cat list)\""),
            format!("mapfile -t hosts < list; {tool} \"${{hosts[@]}}\""),
            format!("hostrange -f < list | {tool} -"),
            format!("{tool} \"$(hostrange -f < list)\""),
        ] {
            let run = sandbox.sh(&line).exits(0);
            let records = run.records();
            let mut found = hosts(&records);
            found.sort_unstable();
            assert_eq!(found, names.iter().copied().collect::<Vec<_>>(), "{line}");
            for record in records.iter().filter(|_| tool != "hostrange") {
                assert_eq!(record["tags"]["Name"], record["host"], "{line}");
            }
        }
    }
}

#[test]
fn every_name_selects_its_instance() {
    let sandbox = with_account();
    for (at, name) in ODD.iter().enumerate() {
        let run = sandbox.sh(&format!("ec2-ls -1 is={at} | ec2-power stop -n")).exits(0);
        let records = run.records();
        assert_eq!(hosts(&records), [*name]);
        assert_eq!((&records[0]["tags"]["is"], &records[0]["action"]), (&at.to_string().into(), &"stop".into()));
    }
    let run = sandbox.sh("ec2-ls -1 'Name=My Web Server' | ec2-power stop -n").exits(0);
    assert_eq!(hosts(&run.records()), ["My Web Server"]);
    let run = sandbox.sh("ec2-ls is=0 | jq .host | ec2-power stop -n").exits(0);
    assert_eq!(hosts(&run.records()), ["My Web Server"]);
    let run = sandbox.run("ec2-launch", &["--profile", "MySQL", "\"new, [1-2] \"[1-2]"], "").exits(0);
    assert_eq!(hosts(&run.records()), ["new, [1-2] 1", "new, [1-2] 2"]);
    assert_eq!(run.stderr, "ec2-launch: 2 hosts: 2 launched\n");
    let run = sandbox.sh("ec2-ls -1 'Name=new, *' | ec2-power terminate --yes").exits(0);
    assert_eq!(run.stderr, "ec2-power: 2 hosts: 2 terminated\n");
}

#[test]
fn pssh_rs_never_goes_to_a_part_of_a_name() {
    let sandbox = with_account();
    let run = sandbox.sh(&format!("{ALL} | pssh-rs --dry-run -l root -- true"));
    let records = run.exits(3).records();
    assert_eq!(records.len(), ODD.len() + ORDINARY.len());
    for record in records {
        match &record["plan"] {
            Value::Null => {
                assert!(record["error"].as_str().unwrap().ends_with("is not one that ssh takes"), "{record}")
            }
            plan => assert_eq!(plan["address"].as_str().unwrap(), record["host"].as_str().unwrap().to_lowercase()),
        }
    }
    // Their records have addresses.
    let run = sandbox.sh("ec2-ls 'is=*' | pssh-rs --dry-run -l root -- true").exits(0);
    for record in run.records() {
        assert_eq!(record["plan"]["address"], record["private_ip"]);
    }
    let names = sandbox.sh("ec2-ls 'is=*' | pssh-rs --dry-run -l root -1 -- true | ec2-ls -1 -").exits(0).stdout;
    assert_eq!(names, sandbox.sh(ALL).stdout);
}

#[test]
fn name_that_lost_its_quotes_is_refused_before_any_change() {
    let sandbox = with_account();
    for name in
        ["My Web Server", "web!old", "a,b", "a#b", "web[1-2]", "tab\tname", "line\nweb", "(web)", "{web", "-x", "#web"]
    {
        for tool in [&["ec2-power", "terminate", "--yes"][..], &["ec2-tag", "x=y"], &["ec2-launch"], &["ec2-ls"]] {
            let run = sandbox.run(tool[0], &[&tool[1..], &["--", name]].concat(), "").exits(2);
            assert!(run.stderr.contains("double quotes"), "{tool:?} {name}: {}", run.stderr);
            assert!(!run.stdout.contains("\"action\":\"t"), "{tool:?} {name}: {}", run.stdout);
        }
    }
    for line in ["My Web Server", "My #1", "web!old", "a,b", "web[1-2]"] {
        let run = sandbox.run("ec2-power", &["terminate", "--yes"], line).exits(2);
        assert!(run.stderr.contains("double quotes"), "{line}: {}", run.stderr);
    }
    // If no instance has this name, it is an expression.
    let run = sandbox.run("ec2-power", &["stop", "-n", "a,b,web"], "").exits(0);
    assert_eq!(hosts(&run.records()), ["a", "b", "web"]);
    let run = sandbox.run("ec2-power", &["stop", "-n", "(web[1-2])"], "").exits(0);
    assert_eq!(hosts(&run.records()), ["web1", "web2"]);
    // A shell does not split a printed name.
    for line in ["ec2-power stop -n $(ec2-ls -1 'is=*')", "for h in $(ec2-ls -1 'is=*'); do ec2-power stop -n $h; done"]
    {
        let (stopped, listed) = (sandbox.sh(line).exits(0).records(), sandbox.sh("ec2-ls 'is=*'").exits(0).records());
        let (mut stopped, mut listed) = (hosts(&stopped), hosts(&listed));
        stopped.sort();
        listed.sort();
        assert_eq!(stopped, listed, "{line}");
    }
    let states = sandbox.sh("ec2-ls 'is=*' -s running").exits(0).records();
    assert_eq!(states.len(), ODD.len() + ORDINARY.len());
}

#[test]
fn name_like_an_instance_id_means_no_other_instance() {
    let sandbox = with_account();
    let victim = sandbox.run("ec2-ls", &["web1"], "").records()[0]["instance_id"].as_str().unwrap().to_string();
    let moto = Moto::shared();
    let own = element(&account(moto, &[&victim]), "instanceId");
    moto.call(&[("Action", "CreateTags"), ("ResourceId.1", &own), ("Tag.1.Key", "is"), ("Tag.1.Value", "")]);
    let listed = sandbox.sh(&format!("ec2-ls -1 'Name={victim}'")).exits(0).stdout;
    assert_eq!(listed, format!("{own}\n"));
    let run = sandbox.run("ec2-power", &["stop", "-n"], listed).exits(0);
    assert_eq!(run.records()[0]["instance_id"], own);
    moto.call(&[("Action", "TerminateInstances"), ("InstanceId.1", &own)]);
}
