//! Gives hosts another instance type: checks it, stops the hosts that run, changes them, starts them again.

use crate::args::{Args, Until};
use crate::execute::is_in;
use crate::plan::{due, is_due};
use cerveza_ec2::{Acted, Change, Ec2, StopMode, TypeOffer, known_instance_types};
use cerveza_manners::{Failure, Result, nearest};
use cerveza_record::{Record, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Region and id of an instance.
type Place = (String, String);

/// Checks that the type exists where the hosts are and fits them. A host that it does not fit has failed.
pub async fn check_type(ec2: &Ec2, name: &str, acted: &mut [Acted]) {
    let regions: BTreeSet<String> = due(acted).iter().map(|host| host.place().0).collect();
    let mut offers: BTreeMap<String, Result<Option<TypeOffer>>> = BTreeMap::new();
    for region in regions {
        let offer = ec2.type_offer(&region, name).await;
        offers.insert(region, offer);
    }
    for host in acted.iter_mut().filter(|host| is_due(host)) {
        let region = host.place().0;
        host.result = match offers.get(&region) {
            Some(Ok(Some(offer))) => check_fit(name, offer, &host.record),
            Some(Err(failure)) => Err(failure.clone().within("not resized, because the type cannot be checked")),
            _ => Err(unknown_type(name, &region)),
        };
        host.note_not_done();
    }
}

/// Adds to a plan why each host is changed, and whether it is stopped for it.
pub fn note_reasons(name: &str, acted: &mut [Acted]) {
    for host in acted.iter_mut().filter(|host| is_due(host)) {
        let runs = is_in(host, "running") || is_in(host, "pending");
        let restart = if runs { "; it is stopped and started" } else { "" };
        let old = host.record.str("instance_type").unwrap_or_default();
        host.record.set("reason", format!("{old} becomes {name}{restart}"));
    }
}

fn unknown_type(name: &str, region: &str) -> Failure {
    let failure = Failure::usage(format!("{region} has no instance type {name}"));
    match nearest(name, known_instance_types().iter().copied()) {
        Some(near) => failure.hint(format!("is it {near}?")),
        None => failure.hint("`aws ec2 describe-instance-types --query InstanceTypes[].InstanceType` lists them"),
    }
}

fn check_fit(name: &str, offer: &TypeOffer, host: &Record) -> Result<()> {
    let (architecture, zone) = (host.str("architecture"), host.str("zone"));
    let misfit = match (architecture, zone) {
        (Some(architecture), _) if !offer.architectures.contains(&architecture) => {
            format!("{name} is {}, and the instance is {architecture}", offer.architectures.join(" or "))
        }
        (_, Some(zone)) if !offer.zones.contains(&zone) => {
            let zones: Vec<&str> = offer.zones.iter().map(String::as_str).collect();
            format!("{name} is not offered in {zone}, only in {}", zones.join(", "))
        }
        _ if !is_ebs_backed(host) => {
            "its root device is on instance store: EC2 can neither stop nor resize it".to_string()
        }
        _ => return Ok(()),
    };
    Err(Failure::unreached(misfit))
}

/// Whether the root device is one of the EBS volumes.
fn is_ebs_backed(host: &Record) -> bool {
    match (host.str("root_device"), host.get("volumes")) {
        (Some(root), Some(Value::Array(volumes))) => volumes.iter().any(|volume| volume["device"] == root.as_str()),
        _ => true,
    }
}

/// Resizes the hosts that are due. A host whose change fails is started again, and one that does not start with the new
/// type gets its old one back.
pub async fn resize(args: &Args, ec2: &Ec2, name: &str, acted: &mut [Acted]) {
    let mut hosts: Vec<Acted> = acted.iter().filter(|host| is_due(host)).cloned().collect();
    resize_due(args, ec2, name, &mut hosts).await;
    for (host, done) in acted.iter_mut().filter(|host| is_due(host)).zip(hosts) {
        *host = done;
    }
}

async fn resize_due(args: &Args, ec2: &Ec2, name: &str, hosts: &mut [Acted]) {
    let is_unsettled = |host: &Acted| is_in(host, "pending") || is_in(host, "stopping");
    ec2.wait_all(hosts, is_unsettled, &["running", "stopped"], &args.wait_args, &args.progress).await;
    let old: HashMap<Place, String> =
        hosts.iter().map(|host| (host.place(), host.record.str("instance_type").unwrap_or_default())).collect();
    let old_of = |host: &Acted| old.get(&host.place()).cloned().unwrap_or_default();
    let running = places(hosts, |host| host.result.is_ok() && is_in(host, "running"));
    let ran = |host: &Acted| running.contains(&host.place());

    ec2.change_all(hosts, ran, Change::Stop(StopMode::Shutdown)).await;
    ec2.wait_all(hosts, ran, &["stopped"], &args.wait_args, &args.progress).await;
    for host in hosts.iter_mut() {
        let is =
            if ran(host) && is_in(host, "stopping") { "it is still stopping, and its type is" } else { "its type is" };
        let is = format!("not resized, {is} {}", old_of(host));
        host.result = host.result.clone().map_err(|failure| failure.within(is));
        host.note_not_done();
    }

    let stopped = places(hosts, |host| host.result.is_ok());
    let is_of = |set: &HashSet<Place>, host: &Acted| set.contains(&host.place());
    ec2.set_types(hosts, |_| true, |_| name.to_string(), false).await;
    let unchanged = set_aside(hosts, &stopped);
    let started = places(hosts, |host| is_of(&stopped, host) && ran(host));
    ec2.finish_all(hosts, |host| is_of(&started, host), Change::Start).await;
    let unstarted = set_aside(hosts, &started);

    // Back to what could be started before.
    let is_reverted = |host: &Acted| {
        let place = host.place();
        unstarted.contains_key(&place) && !unchanged.contains_key(&place)
    };
    let reverted = places(hosts, is_reverted);
    ec2.set_types(hosts, |host| is_of(&reverted, host), old_of, true).await;
    let unreverted = set_aside(hosts, &reverted);
    let again = places(hosts, |host| is_of(&reverted, host) && !unreverted.contains_key(&host.place()));
    ec2.finish_all(hosts, |host| is_of(&again, host), Change::Start).await;
    let never_started = set_aside(hosts, &again);

    ec2.refresh_all(hosts).await;
    let starting = places(hosts, |host| {
        let place = host.place();
        let first = started.contains(&place) && !unstarted.contains_key(&place);
        first || again.contains(&place) && !never_started.contains_key(&place)
    });
    if args.until().is_some() {
        ec2.wait_all(hosts, |host| is_of(&starting, host), &["running"], &args.wait_args, &args.progress).await;
    }
    if args.until() == Some(Until::Ok) {
        ec2.wait_for_checks(hosts, |host| is_of(&starting, host), &args.wait_args, &args.progress).await;
    }

    for host in hosts.iter_mut() {
        let (place, old) = (host.place(), old_of(host));
        let running = if is_of(&started, host) { "started again" } else { "stopped" };
        let failed = match (unchanged.get(&place), unstarted.get(&place)) {
            (Some(change), None) => change.clone().within(format!("not resized, it is {running} as {old}")),
            (Some(change), Some(start)) => {
                start.clone().within(format!("not resized, it is stopped as {old}: {change}; and it does not start"))
            }
            (None, Some(start)) => {
                let end = match (unreverted.get(&place), never_started.get(&place)) {
                    (Some(back), _) => format!("it is stopped as {name}, because it cannot get {old} back ({back})"),
                    (_, Some(again)) => format!("it is stopped as {old}, because that does not start either ({again})"),
                    (None, None) => format!("it is started again as {old}"),
                };
                start.clone().within(format!("not resized, {end}; as {name} it does not start"))
            }
            (None, None) => continue,
        };
        host.fail(failed);
    }
}

fn places(hosts: &[Acted], wanted: impl Fn(&Acted) -> bool) -> HashSet<Place> {
    hosts.iter().filter(|host| wanted(host)).map(Acted::place).collect()
}

/// Takes the failures of the hosts at `places` away, so more can be done with them.
fn set_aside(hosts: &mut [Acted], places: &HashSet<Place>) -> HashMap<Place, Failure> {
    let mut failures = HashMap::new();
    for host in hosts.iter_mut().filter(|host| places.contains(&host.place())) {
        if let Err(failure) = std::mem::replace(&mut host.result, Ok(())) {
            failures.insert(host.place(), failure);
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;
    use cerveza_manners::Status;

    fn fit(host: &str) -> std::result::Result<(), String> {
        let offer = TypeOffer { architectures: vec!["arm64".to_string()], zones: ["us-east-1a".to_string()].into() };
        check_fit("m7g.large", &offer, &Record::parse(host).unwrap()).map_err(|failure| failure.message)
    }

    #[test]
    fn a_type_must_fit_the_instance() {
        let good = r#"{"host":"a","architecture":"arm64","zone":"us-east-1a","root_device":"/dev/sda1","volumes":[{"device":"/dev/sda1"}]}"#;
        assert_eq!(fit(good), Ok(()));
        let wrong = |from: &str, to: &str| fit(&good.replace(from, to)).unwrap_err();
        assert_eq!(wrong("arm64", "x86_64"), "m7g.large is arm64, and the instance is x86_64");
        assert_eq!(wrong("east-1a", "east-1b"), "m7g.large is not offered in us-east-1b, only in us-east-1a");
        let store = "its root device is on instance store: EC2 can neither stop nor resize it";
        assert_eq!(wrong(r#"{"device":"/dev/sda1"}"#, ""), store);
    }

    #[test]
    fn an_unknown_type_suggests_the_one_that_is_meant() {
        assert_eq!(unknown_type("m5.larg", "us-east-1").hint.as_deref(), Some("is it m5.large?"));
        assert_eq!(unknown_type("x", "us-east-1").status, Status::Usage);
    }
}
