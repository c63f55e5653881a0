//! Elastic IP addresses: a host has one, whoever launches it and whatever fails on the way.

use kit::{FakeEc2, Moto, Outcome, Reply, Sandbox};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// One address: its allocation id, the host in its tag Name, and the instance that it is associated with.
#[derive(Clone, Debug, PartialEq)]
struct Address(String, String, Option<String>);

/// An account whose host `web1` is the running instance `i-web1`, and so on.
#[derive(Debug, Default)]
struct Account {
    addresses: Vec<Address>,
    allocated: usize,
    /// Instances that are not running.
    states: HashMap<String, &'static str>,
}

type Shared = Arc<Mutex<Account>>;

fn action(request: &str) -> &str {
    request.split('&').next().unwrap_or_default().strip_prefix("Action=").unwrap_or_default()
}

fn count(ec2: &FakeEc2, wanted: &str) -> usize {
    ec2.requests().iter().filter(|request| action(request) == wanted).count()
}

fn parameter(request: &str, name: &str) -> String {
    let pairs = request.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_string()).next().unwrap_or_default()
}

/// The values of the filters of a request.
fn values(request: &str) -> Vec<String> {
    let pairs = request.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| key.contains(".Value.")).map(|(_, value)| value.to_string()).collect()
}

/// Answers as EC2 does. The answer to AllocateAddress takes a moment, so concurrent runs do not see each other's address.
fn answer(account: &Shared, request: &str) -> Reply {
    if action(request) == "AllocateAddress" {
        let reply = Reply::Xml(change(&mut account.lock().expect("no panic"), request));
        thread::sleep(Duration::from_millis(200));
        return reply;
    }
    let mut account = account.lock().expect("no panic");
    if action(request) == "AssociateAddress" {
        let id = parameter(request, "AllocationId");
        match account.addresses.iter().find(|address| address.0 == id) {
            None => return Reply::Error("InvalidAllocationID.NotFound", format!("{id} does not exist")),
            Some(Address(_, _, Some(holder))) if *holder != parameter(request, "InstanceId") => {
                return Reply::Error("Resource.AlreadyAssociated", format!("{id} is associated"));
            }
            _ => {}
        }
    }
    Reply::Xml(change(&mut account, request))
}

fn change(account: &mut Account, request: &str) -> String {
    let action = action(request);
    let content = match action {
        "DescribeInstances" => {
            let item = |value: &String| {
                let host = value.trim_start_matches("i-");
                let state = account.states.get(&format!("i-{host}")).unwrap_or(&"running");
                format!(
                    "<item><instanceId>i-{host}</instanceId><instanceState><name>{state}</name></instanceState><tagSet>\
                     <item><key>Name</key><value>{host}</value></item></tagSet></item>"
                )
            };
            let states = ["pending", "running", "stopping", "stopped", "shutting-down", "terminated"];
            let hosts: String =
                values(request).iter().filter(|value| !states.contains(&value.as_str())).map(item).collect();
            format!("<reservationSet><item><instancesSet>{hosts}</instancesSet></item></reservationSet>")
        }
        "DescribeAddresses" => {
            let wanted = values(request);
            let item = |Address(id, host, holder): &Address| {
                let used = holder.as_ref().map(|holder| {
                    format!("<associationId>eipassoc-{id}</associationId><instanceId>{holder}</instanceId>")
                });
                let used = used.unwrap_or_default();
                format!(
                    "<item><publicIp>ip-{id}</publicIp><allocationId>{id}</allocationId>{used}<tagSet><item><key>Name</key>\
                     <value>{host}</value></item></tagSet></item>"
                )
            };
            let items: String =
                account.addresses.iter().filter(|address| wanted.contains(&address.1)).map(item).collect();
            format!("<addressesSet>{items}</addressesSet>")
        }
        "AllocateAddress" => {
            account.allocated += 1;
            // The ids of later addresses are not always higher.
            let id = format!("eipalloc-{:02}", account.allocated * 37 % 100);
            let host = parameter(request, "TagSpecification.1.Tag.1.Value");
            account.addresses.push(Address(id.clone(), host, None));
            format!("<publicIp>ip-{id}</publicIp><allocationId>{id}</allocationId>")
        }
        "AssociateAddress" => {
            let (id, instance) = (parameter(request, "AllocationId"), parameter(request, "InstanceId"));
            for address in &mut account.addresses {
                if address.2.as_ref() == Some(&instance) {
                    address.2 = None;
                }
                if address.0 == id {
                    address.2 = Some(instance.clone());
                }
            }
            "<return>true</return>".to_string()
        }
        "ReleaseAddress" => {
            let id = parameter(request, "AllocationId");
            account.addresses.retain(|address| address.0 != id);
            "<return>true</return>".to_string()
        }
        _ => String::new(),
    };
    format!("<{action}Response>{content}</{action}Response>")
}

fn sandbox(ec2: &FakeEc2) -> Sandbox {
    let mut sandbox = Moto::shared().sandbox();
    sandbox.file("Web.yaml", "ami: ami-1\ninstance type: t3.micro\nelastic ip: yes\n");
    sandbox.env("AWS_ENDPOINT_URL", &ec2.endpoint);
    sandbox
}

fn launch(sandbox: &Sandbox, hosts: &str) -> Outcome {
    sandbox.run("ec2-launch", &["--profile", "Web", "--no-remember", "--timeout", "60", hosts], "")
}

fn kept(id: &str, host: &str, holder: Option<&str>) -> Address {
    Address(id.to_string(), host.to_string(), holder.map(str::to_string))
}

fn account(addresses: Vec<Address>) -> Shared {
    Arc::new(Mutex::new(Account { addresses, ..Account::default() }))
}

fn addresses(account: &Shared) -> Vec<Address> {
    account.lock().expect("no panic").addresses.clone()
}

#[test]
fn twenty_concurrent_runs_allocate_one_address() {
    let account = account(vec![]);
    let of_server = account.clone();
    let ec2 = FakeEc2::start(move |request| answer(&of_server, request));
    let sandbox = &sandbox(&ec2);
    let runs: Vec<Outcome> = thread::scope(|scope| {
        let runs: Vec<_> = (0..20).map(|_| scope.spawn(|| launch(sandbox, "web1"))).collect();
        runs.into_iter().map(|run| run.join().expect("a run")).collect()
    });
    let left = addresses(&account);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].2.as_deref(), Some("i-web1"));
    for run in runs {
        let records = run.exits(0).records();
        assert_eq!(records[0]["public_ip"], format!("ip-{}", left[0].0), "{records:?}");
    }
}

#[test]
fn lost_answer_of_an_allocation_leaves_no_second_address() {
    let account = account(vec![]);
    let of_server = account.clone();
    let ec2 = FakeEc2::start(move |request| match (action(request), answer(&of_server, request)) {
        ("AllocateAddress", _) => Reply::HangUp,
        (_, reply) => reply,
    });
    let run = launch(&sandbox(&ec2), "web1").exits(0);
    let left = addresses(&account);
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(run.records()[0]["public_ip"], format!("ip-{}", left[0].0));
}

#[test]
fn free_address_left_by_a_killed_run_is_reported() {
    let account = account(vec![kept("eipalloc-1", "web1", Some("i-web1")), kept("eipalloc-2", "web1", None)]);
    let of_server = account.clone();
    let ec2 = FakeEc2::start(move |request| answer(&of_server, request));
    let run = launch(&sandbox(&ec2), "web1").exits(0);
    assert_eq!(run.records()[0]["spare_addresses"], json!(["ip-eipalloc-2"]));
    let told = "ec2-launch: web1: ip-eipalloc-2 is allocated for it too and not in use: a killed run left it. \
                `aws ec2 release-address` releases it\n";
    assert!(run.stderr.contains(told), "{}", run.stderr);
    // Another run may still need it.
    assert_eq!(addresses(&account).len(), 2);
}

#[test]
fn address_of_an_ending_instance_is_waited_for() {
    let account = account(vec![kept("eipalloc-1", "web1", Some("i-old"))]);
    account.lock().unwrap().states.insert("i-old".to_string(), "shutting-down");
    let of_server = account.clone();
    let looks = Mutex::new(0);
    let ec2 = FakeEc2::start(move |request| {
        if action(request) == "DescribeAddresses" {
            let mut looks = looks.lock().unwrap();
            *looks += 1;
            if *looks == 3 {
                of_server.lock().unwrap().addresses[0].2 = None;
            }
        }
        answer(&of_server, request)
    });
    let run = launch(&sandbox(&ec2), "web1").exits(0);
    assert_eq!(run.records()[0]["public_ip"], "ip-eipalloc-1");
    assert_eq!(addresses(&account), [kept("eipalloc-1", "web1", Some("i-web1"))]);
    assert_eq!(count(&ec2, "AllocateAddress"), 0);
}

#[test]
fn address_is_not_taken_from_a_live_instance() {
    let account = account(vec![kept("eipalloc-1", "web1", Some("i-other"))]);
    let of_server = account.clone();
    let ec2 = FakeEc2::start(move |request| answer(&of_server, request));
    let run = launch(&sandbox(&ec2), "web1").exits(3);
    let record = &run.records()[0];
    assert_eq!(record["action"], "failed");
    let why = "it runs without its elastic IP: elastic IP ip-eipalloc-1 is in use by i-other";
    assert_eq!(record["error"], why);
    assert_eq!(addresses(&account), [kept("eipalloc-1", "web1", Some("i-other"))]);
}

#[test]
fn exhausted_address_quota_has_a_hint() {
    let account = account(vec![]);
    let ec2 = FakeEc2::start(move |request| match action(request) {
        "AllocateAddress" => {
            Reply::Error("AddressLimitExceeded", "The maximum number of addresses has been reached.".to_string())
        }
        _ => answer(&account, request),
    });
    let run = launch(&sandbox(&ec2), "web1").exits(3);
    let why = "it runs without its elastic IP: AllocateAddress in us-east-1: AddressLimitExceeded: The maximum number of \
               addresses has been reached.";
    assert_eq!(run.records()[0]["error"], why);
    assert!(run.stderr.contains("ask for a higher quota (Service Quotas, EC2-VPC Elastic IPs)"), "{}", run.stderr);
}

#[test]
fn many_addresses_are_looked_up_in_one_request() {
    let kept_for = |number| kept(&format!("eipalloc-{number}"), &format!("web{number}"), None);
    let account = account((1..=150).map(kept_for).collect());
    let of_server = account.clone();
    let ec2 = FakeEc2::start(move |request| answer(&of_server, request));
    let run = launch(&sandbox(&ec2), "web[1-50]").exits(0);
    assert!(run.records().iter().all(|record| record["public_ip"].is_string()), "{}", run.stdout);
    assert_eq!((count(&ec2, "DescribeAddresses"), count(&ec2, "AssociateAddress")), (1, 50));
    // The next run finds the addresses associated.
    launch(&sandbox(&ec2), "web[1-50]").exits(0);
    assert_eq!((count(&ec2, "DescribeAddresses"), count(&ec2, "AssociateAddress")), (2, 50));
}
