//! Many hosts at once: batches, EC2's token buckets, refused ids. Against the strict EC2 server.

use kit::ec2_server::{Ec2Server, Fault, Options, Rule};

fn fleet(count: usize) -> (Ec2Server, Vec<String>) {
    let ec2 = Ec2Server::start(Options { buckets: Some(1.0), ..Options::default() });
    let ids = ec2.launch((1..=count).map(|number| format!("web{number}")), &[]);
    (ec2, ids)
}

#[test]
fn refused_ids_are_found_by_halving_their_batch() {
    let (ec2, ids) = fleet(1000);
    let bad = [&ids[17], &ids[444], &ids[999]].map(String::clone);
    // EC2 does not name the denied instance.
    let denied = bad.clone();
    let has_bad = move |id: &String| denied.contains(id);
    ec2.fault(
        Rule::on("StopInstances", Fault::unauthorized())
            .only(move |params| params.list("InstanceId").iter().any(&has_bad))
            .always(),
    );
    let run = ec2.sandbox().run("ec2-power", &["stop", "web[1-1000]"], "").exits(3);
    let failed: Vec<_> = run.records().into_iter().filter(|record| record["error"].is_string()).collect();
    assert_eq!(
        failed.iter().map(|record| record["instance_id"].as_str()).collect::<Vec<_>>(),
        bad.each_ref().map(|id| Some(id.as_str()))
    );
    let running = ec2.region(|region| region.instances.iter().filter(|one| one.state == "running").count());
    assert_eq!((running, ec2.throttled()), (3, 0));
    // Ten batches, and two calls for each halving of three of them: 100, 50, 25, 13, 7, 4, 2.
    let calls = ec2.count("StopInstances");
    assert!(calls <= 10 + 3 * 14, "{calls}");
}

#[test]
fn ids_named_in_a_refusal_cost_one_more_call() {
    let (ec2, ids) = fleet(300);
    ec2.region(|region| {
        for one in region.instances.iter_mut().filter(|one| [&ids[5], &ids[6]].contains(&&one.id)) {
            one.stop_protection = true;
        }
    });
    let run = ec2.sandbox().run("ec2-power", &["stop", "web[1-300]"], "").exits(3);
    // Three batches; the server names one protected instance at a time.
    assert_eq!(ec2.count("StopInstances"), 5);
    assert!(run.stderr.starts_with("ec2-power: web[6-7]: protected by EC2: disableApiStop is set\n"), "{}", run.stderr);
}

#[test]
fn more_than_a_thousand_hosts_start_and_the_time_is_announced() {
    let (ec2, _) = fleet(1020);
    ec2.region(|region| region.instances.iter_mut().for_each(|one| one.state = "stopped"));
    let sandbox = ec2.sandbox();
    let said = "ec2-power: this takes at least 10 s for 1020 hosts because of EC2's request limits\n";
    let plan = sandbox.run("ec2-power", &["start", "-n", "web[1-1020]"], "").exits(0);
    assert!(plan.stderr.starts_with(said), "{}", plan.stderr);
    assert_eq!(ec2.count("StartInstances"), 0);
    // Waiting for tokens does not count as a stall.
    let run = sandbox.run("ec2-power", &["start", "--timeout", "8", "--wait", "web[1-1020]"], "").exits(0);
    assert_eq!(run.stderr, format!("{said}ec2-power: 1020 hosts: 1020 started\n"));
    assert!(run.records().iter().all(|record| record["state"] == "running"));
    assert_eq!((ec2.throttled(), ec2.count("StartInstances")), (0, 12));
}
