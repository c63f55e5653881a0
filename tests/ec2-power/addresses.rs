//! Addresses of terminated hosts: kept, unless --release-addresses is given.

use kit::{Moto, Sandbox};
use serde_json::{Value, json};

/// A sandbox with launched hosts that have an address each.
fn with_addresses(hosts: &str) -> (Sandbox, Vec<Value>) {
    let moto = Moto::shared();
    let sandbox = moto.sandbox();
    sandbox.file(
        "Ip.yaml",
        moto.profile().replace("name: MySQL", "name: Ip").replace("elastic ip: no", "elastic ip: yes"),
    );
    let run = sandbox.run("ec2-launch", &["--profile", "Ip", "--no-remember", hosts], "").exits(0);
    let addresses = run.records().iter().map(|record| record["public_ip"].clone()).collect();
    (sandbox, addresses)
}

fn exists(address: &Value) -> bool {
    let address = address.as_str().expect("an address");
    Moto::shared().call(&[("Action", "DescribeAddresses")]).contains(&format!("<publicIp>{address}</publicIp>"))
}

#[test]
fn only_addresses_of_the_hosts_are_released_and_only_on_request() {
    let (sandbox, addresses) = with_addresses("release[1-3]");
    let run = sandbox.run("ec2-power", &["terminate", "--yes", "--wait", "release1"], "").exits(0);
    let address = addresses[0].as_str().expect("an address");
    let kept = format!(
        "ec2-power: release1: 1 elastic IP address is kept, which AWS charges for: {address}; --release-addresses releases \
         those with the hosts' names\n"
    );
    assert_eq!(run.stderr, format!("{kept}ec2-power: 1 host: 1 terminated\n"));
    assert_eq!(run.records()[0]["kept_addresses"], json!([address]));
    assert_eq!(run.records()[0].get("released_addresses"), None);
    let args = ["terminate", "--release-addresses", "-n", "release2"];
    let plan = sandbox.run("ec2-power", &args, "").exits(0);
    assert_eq!(plan.records()[0]["released_addresses"], json!([addresses[1]]));
    let address = addresses[1].as_str().expect("an address");
    let released = format!("ec2-power: release2: 1 elastic IP address is to be released: {address}\n");
    assert!(plan.stderr.starts_with(&released), "{}", plan.stderr);
    assert!(addresses.iter().all(exists), "{addresses:?}");
    let args = ["terminate", "--release-addresses", "--yes", "release2"];
    let run = sandbox.run("ec2-power", &args, "").exits(0);
    let record = &run.records()[0];
    assert_eq!((&record["state"], &record["released_addresses"]), (&"terminated".into(), &json!([addresses[1]])));
    assert_eq!(run.stderr, "ec2-power: 1 host: 1 terminated\n");
    let left: Vec<bool> = addresses.iter().map(exists).collect();
    assert_eq!(left, [true, false, true]);
    // The address of a host that was terminated earlier, by its name and by its record.
    let args = ["terminate", "--release-addresses", "--yes", "release1"];
    let plan = sandbox.run("ec2-power", &[&args[..], &["-n"]].concat(), "").exits(0);
    let address = addresses[0].as_str().expect("an address");
    let said = format!(
        "ec2-power: release1: 1 elastic IP address is to be released: {address}\n\
         ec2-power: 1 host: 1 to release (dry run: nothing was changed)\n"
    );
    assert_eq!((&plan.records()[0]["action"], &plan.stderr), (&"release".into(), &said));
    // A released address is gone for good, so its host counts.
    sandbox.run("ec2-power", &[&args[..], &["--max", "0"]].concat(), "").exits(2);
    let run = sandbox.run("ec2-power", &args, "").exits(0);
    assert_eq!(run.records()[0]["released_addresses"], json!([addresses[0]]));
    assert_eq!(
        (&run.records()[0]["action"], &run.stderr),
        (&"release".into(), &"ec2-power: 1 host: 1 released\n".into())
    );
    assert!(!exists(&addresses[0]) && exists(&addresses[2]), "{addresses:?}");
    let gone = sandbox.run("ec2-power", &["terminate", "--yes", "--wait", "release3"], "").exits(0).stdout;
    let run = sandbox.run("ec2-power", &["terminate", "--release-addresses", "--yes"], gone).exits(0);
    assert_eq!(run.records()[0]["released_addresses"], json!([addresses[2]]));
}

#[test]
fn address_with_the_name_of_a_live_instance_is_kept() {
    let (sandbox, addresses) = with_addresses("again1");
    let old = sandbox.run("ec2-power", &["terminate", "--yes", "--wait", "again1"], "").exits(0).stdout;
    let new = sandbox.run("ec2-launch", &["--profile", "MySQL", "--no-remember", "again1"], "").exits(0);
    let id = new.records()[0]["instance_id"].as_str().expect("an id").to_string();
    let run = sandbox.run("ec2-power", &["terminate", "--release-addresses", "--yes"], old).exits(3);
    let address = addresses[0].as_str().expect("an address");
    let why = format!("it is terminated, but its elastic IP {address} is not released: {id} has its name now");
    assert_eq!(run.records()[0]["error"], why);
    assert_eq!(run.records()[0]["kept_addresses"], json!([address]));
    assert!(exists(&addresses[0]));
}

#[test]
fn question_lists_the_addresses_to_release() {
    let (sandbox, addresses) = with_addresses("asked1");
    let ask = "(sleep 1; echo n) | script -qec 'ec2-power terminate --release-addresses asked1' /dev/null";
    let run = sandbox.sh(ask).exits(2);
    let address = addresses[0].as_str().expect("an address");
    let asked = format!("type 1 to terminate 1 host and release {address}: ");
    assert!(run.stdout.contains(&asked), "{}", run.stdout);
    assert!(exists(&addresses[0]));
}

#[test]
fn only_terminate_releases_addresses() {
    let run = Sandbox::new().run("ec2-power", &["stop", "--release-addresses", "web1"], "").exits(2);
    assert_eq!(run.stderr, "ec2-power: --release-addresses goes with terminate only\n");
}
