//! Regions that fail, hang or have a zone that is down.

use kit::ec2_server::{Ec2Server, Fault, Options, Rule};
use kit::{Outcome, Sandbox};
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// web1 in zone a, and db1 and db2 in zone b, with a saved listing of them.
fn fleet() -> (Ec2Server, Sandbox) {
    let ec2 = Ec2Server::start(Options::default());
    ec2.launch(["web1"], &[("Placement.AvailabilityZone", "us-east-1a")]);
    ec2.launch(["db1", "db2"], &[("Placement.AvailabilityZone", "us-east-1b")]);
    let sandbox = ec2.sandbox();
    sandbox.sh("ec2-ls | jq -c '. + {mine: 1}' > fleet.jsonl && touch -d 2026-01-02T03:04:05Z fleet.jsonl").exits(0);
    (ec2, sandbox)
}

#[test]
fn saved_listing_finds_the_other_zones_while_one_is_down() {
    let (ec2, sandbox) = fleet();
    ec2.region(|region| region.down.insert("us-east-1b".to_string()));
    ec2.region(|region| region.instances[0].instance_type = "t3.micro".to_string());
    let run = sandbox.run("ec2-ls", &["-1"], "").exits(2);
    let said = "ec2-ls: DescribeInstances in us-east-1: InternalError: An internal error has occurred\n\
                ec2-ls: if a zone is down, `ec2-ls --last SAVED` asks for the hosts of the other zones";
    assert!(run.stderr.starts_with(said), "{}", run.stderr);

    let facts = |run: &Outcome| -> Vec<String> {
        let text = |record: &serde_json::Value, key: &str| record[key].as_str().unwrap_or("-").to_string();
        run.records()
            .iter()
            .map(|record| {
                let [host, kind, stale] = ["host", "instance_type", "stale"].map(|key| text(record, key));
                format!("{host} {kind} {stale} {}", record["mine"])
            })
            .collect()
    };
    let run = sandbox.run("ec2-ls", &["--last", "fleet.jsonl"], "").exits(3);
    let time = "2026-01-02T03:04:05Z";
    let expected =
        [format!("db1 m5.large {time} 1"), format!("db2 m5.large {time} 1"), "web1 t3.micro - 1".to_string()];
    assert_eq!(facts(&run), expected);
    let said = "ec2-ls: us-east-1b: 2 hosts are listed as last seen: DescribeInstances in us-east-1: InternalError: ";
    assert!(run.stderr.starts_with(said), "{}", run.stderr);

    // Words and filters apply to stale records. Hosts of the zone may match now, so a message says so.
    let run = sandbox.run("ec2-ls", &["--last", "fleet.jsonl", "--type", "t3.*"], "").exits(3);
    assert_eq!(facts(&run), ["web1 t3.micro - 1"]);
    let said = "ec2-ls: us-east-1b: 2 hosts did not match when last seen, and may match now: DescribeInstances in ";
    assert!(run.stderr.starts_with(said), "{}", run.stderr);
    let run = sandbox.run("ec2-ls", &["--last", "fleet.jsonl", "--fail-empty", "role=none"], "").exits(3);
    assert!(run.stderr.starts_with(said), "{}", run.stderr);
    // A zone without hosts of these names is not mentioned.
    let run = sandbox.run("ec2-ls", &["-1", "--last", "fleet.jsonl", "web1"], "").exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("web1\n", ""));
    let run = sandbox.run("ec2-ls", &["-1", "--last", "fleet.jsonl", "db2", "db9"], "").exits(3);
    assert_eq!(run.stdout, "db2\n");
    assert!(
        run.stderr.contains("1 host is listed as last seen") && run.stderr.ends_with("not found in fleet.jsonl: db9\n"),
        "{}",
        run.stderr
    );

    // `stale` keeps its first time, and is removed once the zone answers.
    sandbox.sh("ec2-ls --last fleet.jsonl > again.jsonl").exits(3);
    let run = sandbox.run("ec2-ls", &["--last", "again.jsonl"], "").exits(3);
    assert_eq!(facts(&run), expected);
    ec2.region(|region| region.down.clear());
    let run = sandbox.run("ec2-ls", &["--last", "again.jsonl"], "").exits(0);
    assert!(!run.stdout.contains("stale"), "{}", run.stdout);
}

#[test]
fn a_saved_listing_is_limited_to_the_regions_and_is_not_empty() {
    let (_ec2, sandbox) = fleet();
    let run = sandbox.run("ec2-ls", &["-1", "--last", "fleet.jsonl", "-r", "eu-west-1", "web*"], "").exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", "ec2-ls: no instance matches in fleet.jsonl\n"));
    let run = sandbox.run("ec2-ls", &["-1", "--last", "fleet.jsonl", "-r", "eu-west-1,us-east-1", "web*"], "").exits(0);
    assert_eq!(run.stdout, "web1\n");
    sandbox.file("empty.jsonl", "");
    let run = sandbox.run("ec2-ls", &["--last", "empty.jsonl"], "").exits(2);
    assert_eq!(run.stderr, "ec2-ls: empty.jsonl: it has no hosts\n");
}

#[test]
fn instance_that_is_gone_is_reported_by_a_saved_listing() {
    let (ec2, sandbox) = fleet();
    ec2.region(|region| region.instances.retain(|one| one.tags["Name"] != "db1"));
    sandbox.run("ec2-power", &["terminate", "--yes", "db2"], "").exits(0);
    let run = sandbox.run("ec2-ls", &["-1", "--last", "fleet.jsonl"], "").exits(1);
    let said = "ec2-ls: terminated since the listing was saved: db[1-2]\n";
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("web1\n", said));
    let run = sandbox.run("ec2-ls", &["-1", "--last", "fleet.jsonl", "--state", "terminated"], "").exits(0);
    assert_eq!(run.stdout, "db2\n");
    let run = sandbox.run("ec2-ls", &["-1", "--last", "fleet.jsonl", "db2", "web1"], "").exits(1);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("web1\n", "ec2-ls: not found in fleet.jsonl: db2\n"));
}

#[test]
fn instance_that_had_ended_before_the_listing_is_not_reported() {
    let (ec2, sandbox) = fleet();
    sandbox.run("ec2-power", &["terminate", "--yes", "--wait", "db2"], "").exits(0);
    sandbox.sh("ec2-ls -s all > all.jsonl").exits(0);
    let run = sandbox.run("ec2-ls", &["-1", "--last", "all.jsonl"], "").exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("db1\nweb1\n", ""));
    ec2.region(|region| region.instances.retain(|one| one.tags["Name"] != "db2"));
    let run = sandbox.run("ec2-ls", &["-1", "--last", "all.jsonl"], "").exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("db1\nweb1\n", ""));
    ec2.region(|region| region.down.insert("us-east-1b".to_string()));
    let run = sandbox.run("ec2-ls", &["-1", "--last", "all.jsonl"], "").exits(3);
    assert!(!run.stderr.contains("terminated"), "{}", run.stderr);
}

#[test]
fn time_limit_holds_for_the_list_of_regions() {
    let (ec2, sandbox) = fleet();
    ec2.fault(Rule::on("DescribeRegions", Fault::SilenceBefore).always());
    let started = Instant::now();
    let run = sandbox.run("ec2-ls", &["-r", "all", "--timeout", "1s"], "").exits(2);
    assert!(run.stderr.starts_with("ec2-ls: DescribeRegions in us-east-1: no answer in "), "{}", run.stderr);
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[test]
fn saved_listing_has_instances() {
    let (_ec2, sandbox) = fleet();
    sandbox.file("names.txt", "# hosts\nweb1\n");
    let run = sandbox.run("ec2-ls", &["--last", "names.txt"], "").exits(2);
    assert!(
        run.stderr.starts_with("ec2-ls: names.txt: line 2: not a record with instance_id and region\n"),
        "{}",
        run.stderr
    );
    let run =
        sandbox.run("ec2-ls", &["--last", "fleet.jsonl", "--filter", "Name=reservation-id,Values=r-*"], "").exits(2);
    assert!(run.stderr.starts_with("ec2-ls: --last: a saved listing does not have reservation-id\n"), "{}", run.stderr);
}

#[test]
fn failed_region_is_reported_once_and_the_others_are_listed() {
    let (ec2, sandbox) = fleet();
    ec2.fault(Rule::on("DescribeInstances", Fault::unauthorized()).in_region("eu-west-1").always());
    let run = sandbox.run("ec2-ls", &["-1", "-r", "us-east-1,eu-west-1"], "").exits(3);
    assert_eq!(run.stdout, "db1\ndb2\nweb1\n");
    assert_eq!(run.stderr.matches("eu-west-1").count(), 1, "{}", run.stderr);
    // A record whose region did not answer is not lost.
    let stdin = "{\"host\":\"far\",\"instance_id\":\"i-1\",\"region\":\"eu-west-1\"}\nweb1\n";
    let run = sandbox.run("ec2-ls", &["-"], stdin).exits(3);
    let records = run.records();
    assert_eq!((&records[0]["host"], &records[1]["host"], records.len()), (&"far".into(), &"web1".into(), 2));
    assert!(records[0]["error"].as_str().unwrap().starts_with("DescribeInstances in eu-west-1: "), "{}", run.stdout);
}

#[test]
fn records_are_written_while_another_region_hangs() {
    let (ec2, sandbox) = fleet();
    ec2.fault(Rule::on("DescribeInstances", Fault::SilenceBefore).in_region("eu-west-1").always());
    let mut command = sandbox.command("ec2-ls");
    command.args(["-1", "-r", "us-east-1,eu-west-1"]).stdout(Stdio::piped()).stdin(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let names: Vec<String> = lines.by_ref().take(3).map(Result::unwrap).collect();
    assert_eq!(names, ["db1", "db2", "web1"]);
    assert_eq!(child.try_wait().unwrap(), None, "it still waits for the other region");
    child.kill().unwrap();
    child.wait().unwrap();

    let started = Instant::now();
    let run = sandbox.run("ec2-ls", &["-1", "--timeout", "2s", "-r", "us-east-1,eu-west-1"], "").exits(3);
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    assert_eq!(run.stdout, "db1\ndb2\nweb1\n");
    assert!(run.stderr.starts_with("ec2-ls: DescribeInstances in eu-west-1: no answer in "), "{}", run.stderr);
}

#[test]
fn throttled_listing_is_complete() {
    let (ec2, sandbox) = fleet();
    ec2.fault(Rule::on("DescribeInstances", Fault::Throttle).times(3));
    assert_eq!(sandbox.run("ec2-ls", &["-1"], "").exits(0).stdout, "db1\ndb2\nweb1\n");
}

#[test]
fn closed_pipe_ends_a_listing() {
    let (ec2, sandbox) = fleet();
    ec2.fault(Rule::on("DescribeInstances", Fault::SilenceBefore).in_region("eu-west-1").always());
    let run = sandbox.sh("ec2-ls -1 -r us-east-1,eu-west-1 | head -n 0").exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
}
