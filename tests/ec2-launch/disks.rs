//! Volumes that outlive their instances: attached again, never created twice, and tagged with their places.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use kit::ec2_server::{Ec2Server, Fault, Options, Rule};
use kit::{Outcome, Sandbox};
use serde_json::{Value, json};
use std::io::Read;
use std::time::Duration;

const PROFILE: &str = "ami: ami-0000000000000000b\ninstance type: t3.micro\nvolumes:\n- {name: data, device: /dev/sdf, \
                       size: 1, count: 2, raid: 1, file system: ext4, mount point: /data}\n";

fn sandbox(ec2: &Ec2Server) -> Sandbox {
    let sandbox = ec2.sandbox();
    sandbox.file("Disks.yaml", PROFILE);
    sandbox
}

fn launch(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    sandbox.run("ec2-launch", &[&["--profile", "Disks"], args].concat(), "")
}

fn terminate(sandbox: &Sandbox, host: &str) {
    sandbox.run("ec2-power", &["terminate", "--yes", host], "").exits(0);
}

/// The volumes of the region, in order: device, host, set and position of their tags, and the device they are attached as.
fn volumes(ec2: &Ec2Server) -> Vec<String> {
    ec2.region(|region| {
        let tag = |volume: &kit::ec2_server::Volume, key: &str| volume.tags.get(key).cloned().unwrap_or("-".into());
        let line = |volume: &kit::ec2_server::Volume| {
            let tags = ["Name", "device", "volume set", "volume position"].map(|key| tag(volume, key));
            let attached = volume.attachment.as_ref().map_or("-", |attachment| &attachment.device);
            format!("{} {attached}", tags.join(" "))
        };
        let mut lines: Vec<String> = region.volumes.iter().map(line).collect();
        lines.sort();
        lines
    })
}

fn ids(ec2: &Ec2Server) -> Vec<String> {
    ec2.region(|region| {
        let kept = region.volumes.iter().filter(|volume| volume.tags.contains_key("volume set"));
        kept.map(|volume| volume.id.clone()).collect()
    })
}

const COMPLETE: [&str; 3] =
    ["db1 /dev/sda1 - - /dev/sda1", "db1 /dev/sdf data 1/2 /dev/sdf", "db1 /dev/sdg data 2/2 /dev/sdg"];

/// The user-data of the last launch.
fn last_user_data(ec2: &Ec2Server) -> String {
    let text = ec2.region(|region| region.instances.last().expect("user-data").user_data.clone().expect("user-data"));
    let bytes = STANDARD.decode(text).expect("user-data");
    let mut script = String::new();
    GzDecoder::new(bytes.as_slice()).read_to_string(&mut script).expect("user-data");
    script
}

#[test]
fn volumes_are_tagged_with_host_device_and_position() {
    let ec2 = Ec2Server::start(Options::default());
    let sandbox = sandbox(&ec2);
    let run = launch(&sandbox, &["db1"]).exits(0);
    assert_eq!(volumes(&ec2), COMPLETE);
    let record = &run.records()[0];
    let shown = record["volumes"].as_array().unwrap();
    assert!(
        shown
            .iter()
            .any(|volume| volume["device"] == "/dev/sdg" && volume["set"] == "data" && volume["position"] == "2/2")
    );
    launch(&sandbox, &["db[1-9]"]).exits(0);
    // Volumes of all hosts with the same tags share a request.
    assert_eq!(ec2.count("CreateTags"), 6);
}

#[test]
fn kept_volumes_are_attached_again_and_decide_the_zone() {
    let ec2 = Ec2Server::start(Options::default());
    let sandbox = sandbox(&ec2);
    launch(&sandbox, &["--zone", "us-east-1b", "db1"]).exits(0);
    let before = ids(&ec2);
    terminate(&sandbox, "db1");
    let refused = launch(&sandbox, &["--zone", "us-east-1a", "db1"]).exits(2).records()[0]["error"].clone();
    assert_eq!(refused, format!("its volumes {} are in us-east-1b, not in us-east-1a", before.join(", ")));
    let none = launch(&sandbox, &["--wait", "none", "db1"]).exits(2).stderr;
    assert!(none.contains("volumes are attached to a running instance: leave out --wait none"), "{none}");
    assert_eq!(ec2.count("RunInstances"), 1);

    let plan = launch(&sandbox, &["--dry-run", "--spread", "a,b", "db1"]).exits(0).records().remove(0);
    assert_eq!((&plan["zone"], &plan["plan"]["volumes"][1]["attach"]), (&json!("us-east-1b"), &json!(before[1])));
    assert!(!plan["plan"]["attempts"].to_string().contains("/dev/sdf"), "{plan}");

    // The plan stays valid as long as the volumes exist.
    sandbox.file("plan.json", plan.to_string());
    ec2.region(|region| region.volumes.iter_mut().for_each(|volume| volume.id = volume.id.replace("vol-0", "vol-f")));
    let changed = sandbox.run("ec2-launch", &["--plan", "plan.json"], "").exits(2).records()[0]["error"].clone();
    assert_eq!(changed, format!("changed since the plan was made: there is no volume {}", before[0]));
    ec2.region(|region| region.volumes.iter_mut().for_each(|volume| volume.id = volume.id.replace("vol-f", "vol-0")));

    let record = launch(&sandbox, &["--spread", "a,b", "db1"]).exits(0).records().remove(0);
    assert_eq!((&record["action"], &record["zone"]), (&json!("launched"), &json!("us-east-1b")));
    assert_eq!((ids(&ec2), volumes(&ec2)), (before.clone(), COMPLETE.map(str::to_string).into()));
    let is_shown = |id: &String| record["volumes"].as_array().unwrap().iter().any(|volume| volume["volume_id"] == **id);
    assert!(before.iter().all(is_shown), "{record}");
    // The boot script finds them by their serials.
    let members = format!("/dev/sdf={} /dev/sdg={}", before[0].replace('-', ""), before[1].replace('-', ""));
    assert!(last_user_data(&ec2).contains(&members));
    // Memory is enough to launch it again.
    terminate(&sandbox, "db1");
    sandbox.run("ec2-launch", &["db1"], "").exits(0);
    assert_eq!((ids(&ec2), volumes(&ec2)), (before, COMPLETE.map(str::to_string).into()));
}

#[test]
fn volumes_of_an_ending_instance_are_waited_for() {
    let options = Options {
        shutting_down: Duration::from_secs(3),
        attaching: Duration::from_secs(1),
        pending: Duration::from_secs(1),
        ..Options::default()
    };
    let ec2 = Ec2Server::start(options);
    let sandbox = sandbox(&ec2);
    launch(&sandbox, &["db1"]).exits(0);
    let before = ids(&ec2);
    terminate(&sandbox, "db1");
    launch(&sandbox, &["db1"]).exits(0);
    assert_eq!((ids(&ec2), volumes(&ec2)), (before, COMPLETE.map(str::to_string).into()));
}

#[test]
fn incomplete_set_is_refused_and_nothing_is_created() {
    let ec2 = Ec2Server::start(Options::default());
    let sandbox = sandbox(&ec2);
    launch(&sandbox, &["db1"]).exits(0);
    terminate(&sandbox, "db1");
    let id = ids(&ec2).remove(0);
    ec2.region(|region| region.volumes.retain(|volume| volume.id == id));
    let run = launch(&sandbox, &["db1"]).exits(3);
    let error = format!("its volume set \"data\" is incomplete: there are {id} (1/2 of data); missing: 2/2");
    assert_eq!(run.records()[0]["error"], error);
    assert_eq!(run.records()[0]["action"], "failed");
    assert_eq!(ec2.count("RunInstances"), 1);
}

#[test]
fn interrupted_run_is_completed_by_the_next_one() {
    let ec2 = Ec2Server::start(Options::default());
    let sandbox = sandbox(&ec2);
    let error = |run: &Outcome| run.records()[0]["error"].as_str().unwrap_or_default().to_string();
    ec2.fault(Rule::on("CreateTags", Fault::unauthorized()).times(3));
    let run = launch(&sandbox, &["db1"]).exits(3);
    assert!(error(&run).starts_with("it runs, but its volumes vol-"), "{}", run.stdout);
    assert_eq!(run.records()[0]["action"], "launched");
    assert_eq!(launch(&sandbox, &["db1"]).exits(0).records()[0]["action"], "unchanged");
    assert_eq!(volumes(&ec2), COMPLETE);

    terminate(&sandbox, "db1");
    let before = ids(&ec2);
    ec2.fault(Rule::on("AttachVolume", Fault::unauthorized()).after(1));
    let run = launch(&sandbox, &["db1"]).exits(3);
    let without = error(&run);
    assert!(
        before.iter().any(|id| without.starts_with(&format!("it runs without its volume {id} (/dev/sd"))),
        "{without}"
    );
    let run = launch(&sandbox, &["db1"]).exits(0);
    assert_eq!(
        (&run.records()[0]["action"], volumes(&ec2).as_slice()),
        (&json!("unchanged"), &COMPLETE.map(str::to_string)[..])
    );
    assert_eq!(ids(&ec2), before);
    // Nothing is left to do, so nothing is changed.
    let calls = |ec2: &Ec2Server| ec2.count("CreateTags") + ec2.count("AttachVolume");
    let so_far = calls(&ec2);
    launch(&sandbox, &["db1"]).exits(0);
    assert_eq!(calls(&ec2), so_far);
}

#[test]
fn lost_answer_of_attach_volume_is_resolved() {
    for fault in [Fault::CutAfter, Fault::CutBefore, Fault::ErrorAfter] {
        let ec2 = Ec2Server::start(Options::default());
        let sandbox = sandbox(&ec2);
        launch(&sandbox, &["db1"]).exits(0);
        terminate(&sandbox, "db1");
        ec2.fault(Rule::on("AttachVolume", fault));
        launch(&sandbox, &["db1"]).exits(0);
        assert_eq!(volumes(&ec2), COMPLETE);
    }
}

#[test]
fn an_error_names_all_volumes_that_are_missing() {
    let ec2 = Ec2Server::start(Options::default());
    let sandbox = sandbox(&ec2);
    launch(&sandbox, &["db1"]).exits(0);
    let kept = ids(&ec2);
    terminate(&sandbox, "db1");
    ec2.fault(Rule::on("AttachVolume", Fault::unauthorized()).always());
    let error = launch(&sandbox, &["db1"]).exits(3).records()[0]["error"].as_str().expect("an error").to_string();
    let why = format!("it runs without its volumes {} (/dev/sdf), {} (/dev/sdg): AttachVolume in", kept[0], kept[1]);
    assert!(error.starts_with(&why), "{error}");
}

#[test]
fn volume_with_an_id_is_attached_and_must_exist_and_be_free() {
    let ec2 = Ec2Server::start(Options::default());
    let sandbox = sandbox(&ec2);
    launch(&sandbox, &["db1"]).exits(0);
    let id = ids(&ec2).remove(0);
    let profile = |id: &str| {
        let set = format!("volumes: [{{device: /dev/sdp, volume id: {id}, mount point: /old}}]\n");
        sandbox.file("Old.yaml", format!("ami: ami-0000000000000000b\ninstance type: t3.micro\n{set}"));
    };
    let error = |status: i32, hosts: &[&str]| -> Value {
        let run = sandbox.run("ec2-launch", &[&["--profile", "Old"], hosts].concat(), "").exits(status);
        run.records().first().map_or(run.stderr.into(), |record| record["error"].clone())
    };
    profile("vol-0123456789abcdef0");
    assert_eq!(error(2, &["old1"]), "volume id: there is no volume vol-0123456789abcdef0 in us-east-1");
    profile(&id);
    let holder = ec2.region(|region| region.live("db1")[0].id.clone());
    assert_eq!(error(3, &["old1"]), format!("its volume {id} (1/2 of data) is in use by {holder}"));
    let two = error(2, &["old1", "old2"]);
    assert!(two.as_str().unwrap().contains("2 hosts cannot have the one volume vol-"), "{two}");
    assert_eq!(ec2.count("RunInstances"), 1);
    terminate(&sandbox, "db1");
    assert_eq!(error(0, &["old1"]), Value::Null);
    let attached = volumes(&ec2);
    assert!(attached.contains(&"db1 /dev/sdp sdp 1/1 /dev/sdp".to_string()), "{attached:?}");
}

#[test]
fn failed_volume_lookup_launches_nothing_and_changes_nothing() {
    let ec2 = Ec2Server::start(Options::default());
    let sandbox = sandbox(&ec2);
    launch(&sandbox, &["db1"]).exits(0);
    ec2.fault(Rule::on("DescribeVolumes", Fault::unauthorized()).times(99));
    let run = launch(&sandbox, &["db[1-2]"]).exits(3);
    let records = run.records();
    assert_eq!((&records[0]["action"], &records[1]["action"]), (&json!("unchanged"), &json!("failed")));
    let why = "its volumes cannot be looked up: DescribeVolumes in us-east-1: UnauthorizedOperation: ";
    assert!(records[1]["error"].as_str().unwrap().starts_with(why), "{}", run.stdout);
    assert!(run.stderr.contains(why), "{}", run.stderr);
    assert_eq!(ec2.count("RunInstances"), 1);
}
