//! Several accounts at once: each is a server of its own, which a profile of the AWS configuration names.

use kit::ec2_server::{Ec2Server, Fault, Options, Rule};
use kit::{REGION, Sandbox};

/// A sandbox with the profiles `dev` and `prod`, each with an account that runs these hosts.
fn accounts(dev: &str, prod: &str) -> (Sandbox, [Ec2Server; 2]) {
    let servers = [(dev, 0), (prod, 1000)].map(|(hosts, ids_after)| {
        let server = Ec2Server::start(Options { ids_after, ..Options::default() });
        let sandbox = server.sandbox();
        sandbox.file("Web.yaml", "ami: ami-0000000000000000b\ninstance type: t3.micro\nelastic ip: no\n");
        sandbox.run("ec2-launch", &["-p", "Web", hosts], "").exits(0);
        server
    });
    let profile = |name: &str, server: &Ec2Server| {
        let keys = "aws_access_key_id = AKID\naws_secret_access_key = secret";
        format!("[profile {name}]\nregion = {REGION}\nendpoint_url = {}\n{keys}\n", server.endpoint)
    };
    let sandbox = Sandbox::new();
    sandbox.file(".aws/config", profile("dev", &servers[0]) + &profile("prod", &servers[1]));
    (sandbox, servers)
}

#[test]
fn each_record_is_changed_in_its_own_account() {
    let (sandbox, servers) = accounts("web[1-2]", "web[2-3]");
    let listed = sandbox.run("ec2-ls", &["--account", "dev,prod"], "").exits(0);
    let of = |record: &serde_json::Value| format!("{} {}", record["host"].as_str().unwrap(), record["aws_profile"]);
    let hosts: Vec<String> = listed.records().iter().map(of).collect();
    for host in ["web1 \"dev\"", "web2 \"dev\"", "web2 \"prod\"", "web3 \"prod\""] {
        assert!(hosts.contains(&host.to_string()), "{host} in {hosts:?}");
    }
    assert!(listed.stdout.contains(r#","account":"123456789012","aws_profile":"dev","#), "{}", listed.stdout);

    let stopped = sandbox.run("ec2-power", &["stop", "--wait"], &listed.stdout).exits(0);
    assert_eq!(stopped.stderr, "ec2-power: 4 hosts: 2 stopped in dev; 2 stopped in prod\n");
    let tagged = sandbox.run("ec2-tag", &["team=dba"], &stopped.stdout).exits(0);
    assert_eq!(tagged.stderr, "ec2-tag: 4 hosts: 2 tagged in dev; 2 tagged in prod\n");
    let started = sandbox.run("ec2-launch", &["--no-remember", "--wait", "running"], &tagged.stdout).exits(0);
    assert!(started.records().iter().all(|record| record["state"] == "running"), "{}", started.stdout);
    assert_eq!(started.stderr, "ec2-launch: 4 hosts: 2 started in dev; 2 started in prod\n");
    assert_eq!((servers[0].count("StartInstances"), servers[1].count("StartInstances")), (1, 1));
    assert_eq!((servers[0].count("StopInstances"), servers[1].count("StopInstances")), (1, 1));
}

#[test]
fn instance_reached_by_two_profiles_is_changed_once() {
    let (sandbox, [server, _]) = accounts("web1", "web2");
    let keys = "aws_access_key_id = AKID\naws_secret_access_key = secret";
    let profile = |name| format!("[profile {name}]\nregion = {REGION}\nendpoint_url = {}\n{keys}\n", server.endpoint);
    sandbox.file(".aws/config", profile("a") + &profile("b"));
    let listed = sandbox.run("ec2-ls", &["--account", "a,b"], "").exits(0);
    for (args, summary, calls) in [
        (&["reboot"][..], "1 rebooted", ["RebootInstances"; 2]),
        (&["resize", "m5.large", "--yes", "--wait"], "1 resized", ["StopInstances", "StartInstances"]),
    ] {
        let run = sandbox.run("ec2-power", args, &listed.stdout).exits(0);
        let profiles = |run: &kit::Outcome| -> Vec<serde_json::Value> {
            run.records().iter().map(|record| record["aws_profile"].clone()).collect()
        };
        assert_eq!(profiles(&run), profiles(&listed), "{}", run.stdout);
        assert!(run.records().iter().all(|record| record["state"] == "running"), "{}", run.stdout);
        assert_eq!(run.stderr, format!("ec2-power: 1 host: {summary}\n"));
        assert_eq!(calls.map(|call| server.count(call)), [1; 2], "{args:?}");
    }
    let run = sandbox.run("ec2-tag", &["team=dba"], &listed.stdout).exits(0);
    assert_eq!((run.stderr.as_str(), server.count("CreateTags")), ("ec2-tag: 1 host: 1 tagged\n", 1));
}

#[test]
fn name_is_searched_in_every_account() {
    let (sandbox, servers) = accounts("web[1-2]", "web[2-3]");
    let run = sandbox.run("ec2-power", &["stop", "--account", "dev,prod", "web1", "web3", "web4"], "").exits(3);
    let states: Vec<_> = run.records().iter().map(|record| record["aws_profile"].clone()).collect();
    assert_eq!(states, ["dev".into(), "prod".into(), serde_json::Value::Null], "{}", run.stdout);
    assert!(run.stderr.contains("ec2-power: web4: no live instance has this name in us-east-1\n"), "{}", run.stderr);
    let run = sandbox.run("ec2-power", &["stop", "--account", "dev,prod", "web2"], "").exits(3);
    assert!(run.stderr.contains("web2: several live instances have this name: i-"), "{}", run.stderr);
    assert!(run.stderr.contains(" (dev), i-") && run.stderr.contains(" (prod)\n"), "{}", run.stderr);
    assert_eq!((servers[0].count("StopInstances"), servers[1].count("StopInstances")), (1, 1));
}

#[test]
fn tables_show_the_account() {
    let (sandbox, _servers) = accounts("web1", "web2");
    let table = |args: &[&str]| {
        let args = [&["--account", "dev,prod"], args].concat();
        sandbox.run("ec2-ls", &args, "").exits(0).stdout
    };
    for what in ["--volumes", "--addresses"] {
        let shown = table(&[what, "-o", "table"]);
        assert!(shown.is_empty() || shown.lines().next().unwrap().ends_with("AWS PROFILE"), "{shown}");
    }
    assert!(table(&["--volumes", "-o", "table"]).lines().nth(1).unwrap().ends_with("  dev"));
    let header = "HOST  ACCOUNT       AWS PROFILE\n";
    assert!(table(&["--columns", "host,account,aws_profile"]).starts_with(header));
}

#[test]
fn failed_account_is_reported_and_the_others_are_listed() {
    let (sandbox, servers) = accounts("web1", "web2");
    servers[0].fault(Rule::on("DescribeInstances", Fault::unauthorized()).always());
    let run = sandbox.run("ec2-ls", &["-1", "--account", "dev,prod"], "").exits(3);
    assert_eq!(run.stdout, "web2\n");
    let why = "ec2-ls: account dev: DescribeInstances in us-east-1: UnauthorizedOperation: ";
    assert!(run.stderr.starts_with(why), "{}", run.stderr);

    let run = sandbox.run("ec2-ls", &["-1", "--account", "nosuch,prod"], "").exits(3);
    assert_eq!(run.stdout, "web2\n");
    let why = "ec2-ls: account nosuch: the AWS profile \"nosuch\" (from --account) does not exist\n";
    assert!(run.stderr.starts_with(why), "{}", run.stderr);
    sandbox.run("ec2-ls", &["-1", "--account", "nosuch"], "").exits(2);

    // A host in an account that cannot be queried is unknown, not absent.
    let run = sandbox.run("ec2-power", &["stop", "--account", "nosuch,prod", "web1"], "").exits(2);
    assert!(run.stderr.starts_with("ec2-power: web1: account nosuch: the AWS profile"), "{}", run.stderr);
}
