//! Gives hosts another instance type: checks it, stops the hosts that run, changes them, starts them again.

use crate::args::{Args, Until};
use crate::due::{due_hosts, is_due, is_in};
use cerveza_ec2::{Acted, Change, Ec2, StopMode, TypeOffer, known_instance_types};
use cerveza_manners::{Failure, Result, Status, nearest};
use cerveza_record::{Record, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Region and id of an instance.
type Place = (String, String);

/// Checks that the type exists where the hosts are and fits them. A host that it does not fit has failed.
pub async fn check_type(ec2: &Ec2, name: &str, acted: &mut [Acted]) {
    let regions: BTreeSet<String> = due_hosts(acted).iter().map(|host| host.instance_key().0).collect();
    let mut offers: BTreeMap<String, Result<Option<TypeOffer>>> = BTreeMap::new();
    for region in regions {
        let offer = ec2.type_offer(&region, name).await;
        offers.insert(region, offer);
    }
    for host in acted.iter_mut().filter(|host| is_due(host)) {
        let region = host.instance_key().0;
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
        let restart = if runs(host) { "; it is stopped and started" } else { "" };
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

/// Returns whether the root device is one of the EBS volumes.
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
    settle(args, ec2, hosts).await;
    let old: HashMap<Place, String> = hosts.iter().map(|host| (host.instance_key(), type_of(host))).collect();
    let old_of = |host: &Acted| old.get(&host.instance_key()).cloned().unwrap_or_default();
    let running = places(hosts, |host| host.result.is_ok() && is_in(host, "running"));
    let settled = places(hosts, |host| host.result.is_ok());
    let is_of = |set: &HashSet<Place>, host: &Acted| set.contains(&host.instance_key());
    let ran = |host: &Acted| is_of(&running, host);

    ec2.change_all(hosts, ran, Change::Stop(StopMode::Shutdown)).await;
    let stopping = places(hosts, |host| host.result.is_ok() && ran(host));
    ec2.wait_all(hosts, ran, &["stopped"], &args.wait_args, &args.progress).await;
    let unstopped = set_aside(hosts, &running);
    // Such a host may be stopped. To start it does no harm if it is not.
    let unsure = places(hosts, |host| match host.record.str("state").as_deref() {
        _ if !unstopped.contains_key(&host.instance_key()) => false,
        Some("running") => is_of(&stopping, host),
        state => state.is_none(),
    });

    let stopped = places(hosts, |host| is_of(&settled, host) && !unstopped.contains_key(&host.instance_key()));
    ec2.set_types(hosts, |host| is_of(&stopped, host), |_| name.to_string(), false).await;
    let unchanged = set_aside(hosts, &stopped);
    let to_start = places(hosts, |host| ran(host) && (is_of(&stopped, host) || is_of(&unsure, host)));
    let mut started = start(args, ec2, hosts, &to_start).await;

    // Back to what could be started before. A host that is not seen to be stopped may have started; after Ctrl-C the
    // last look may have been too early.
    let is_down = |host: &Acted| match &host.result {
        Err(failure) if failure.status == Status::Interrupted && is_of(&started, host) => false,
        Err(_) => is_of(&to_start, host) && is_in(host, "stopped"),
        Ok(()) => false,
    };
    let down = places(hosts, is_down);
    let unstarted = set_aside(hosts, &down);
    let is_changed = |host: &Acted| is_of(&stopped, host) && !unchanged.contains_key(&host.instance_key());
    let reverted = places(hosts, |host| is_of(&down, host) && is_changed(host));
    ec2.set_types(hosts, |host| is_of(&reverted, host), old_of, true).await;
    let unreverted = set_aside(hosts, &reverted);
    let again = places(hosts, |host| is_of(&reverted, host) && !unreverted.contains_key(&host.instance_key()));
    started.retain(|place| !down.contains(place));
    started.extend(start(args, ec2, hosts, &again).await);
    let never_started = set_aside(hosts, &places(hosts, |host| is_of(&again, host) && is_in(host, "stopped")));
    started.retain(|place| !never_started.contains_key(place));

    ec2.refresh_all(hosts).await;
    if args.until() == Some(Until::Ok) {
        ec2.wait_for_checks(hosts, |host| is_of(&started, host), &args.wait_args, &args.progress).await;
    }
    for host in hosts.iter_mut().filter(|host| is_of(&settled, host)) {
        let place = host.instance_key();
        let is_started = started.contains(&place);
        let failures = [&unstopped, &unchanged, &unstarted, &unreverted, &never_started];
        let mut failures: Vec<Failure> = failures.iter().filter_map(|failed| failed.get(&place).cloned()).collect();
        let is_resized = type_of(host) == name && (!ran(host) || runs(host));
        if is_resized || failures.is_empty() && (is_started || !ran(host)) {
            continue;
        }
        failures.extend(host.result.as_ref().err().cloned());
        let is_unsure = unsure.contains(&place) || host.record.str("state").is_none();
        let state = end(host, is_started, is_unsure);
        let does_not_start = unstarted.contains_key(&place) && is_changed(host);
        explain_failures(host, name, &failures, &state, does_not_start);
    }
}

/// Waits until hosts that are on their way to a state are in it. A host that does not get there has failed.
async fn settle(args: &Args, ec2: &Ec2, hosts: &mut [Acted]) {
    let is_unsettled = |host: &Acted| is_in(host, "pending") || is_in(host, "stopping");
    ec2.wait_all(hosts, is_unsettled, &["running", "stopped"], &args.wait_args, &args.progress).await;
    for host in hosts.iter_mut() {
        let is = format!("not resized, its type is {}", type_of(host));
        host.result = host.result.clone().map_err(|failure| failure.within(is));
        host.note_not_done();
    }
}

/// Makes one failure of all that went wrong with a host. `state` says what the host is now.
fn explain_failures(host: &mut Acted, name: &str, failures: &[Failure], state: &str, does_not_start: bool) {
    let Some(first) = failures.first() else { return };
    let is_resized = type_of(host) == name;
    let result = if is_resized { "resized, but" } else { "not resized," };
    let new = if does_not_start { format!("; as {name} it does not start") } else { String::new() };
    let whys: Vec<&str> = failures.iter().map(|failure| failure.message.as_str()).collect();
    let message = format!("{result} {state}{new}: {}", whys.join("; then "));
    host.result = Err(Failure { message, ..first.clone() });
    if !is_resized {
        host.note_not_done();
    }
}

/// Starts the hosts at `places`, and waits for them if that is asked for. Returns those that EC2 has started.
async fn start(args: &Args, ec2: &Ec2, hosts: &mut [Acted], places_to_start: &HashSet<Place>) -> HashSet<Place> {
    let is_its = |host: &Acted| places_to_start.contains(&host.instance_key());
    ec2.finish_all(hosts, is_its, Change::Start).await;
    let started = places(hosts, |host| is_its(host) && host.result.is_ok());
    if args.until().is_some() {
        ec2.wait_all(hosts, is_its, &["running"], &args.wait_args, &args.progress).await;
    }
    started
}

/// Returns what a host that is not resized is now.
fn end(host: &Acted, is_started: bool, is_unsure: bool) -> String {
    let kind = type_of(host);
    match host.record.str("state").as_deref() {
        Some(state @ ("shutting-down" | "terminated")) => format!("it is {state}"),
        _ if is_started => format!("it is started again as {kind}"),
        Some("stopping") => format!("it is still stopping and stays stopped, and its type is {kind}"),
        Some("stopped") => format!("it is stopped as {kind}"),
        Some("running" | "pending") if !is_unsure => format!("it is running as {kind}"),
        _ => format!("it may be stopped, and its type was {kind}"),
    }
}

fn type_of(host: &Acted) -> String {
    host.record.str("instance_type").unwrap_or_default()
}

fn runs(host: &Acted) -> bool {
    is_in(host, "pending") || is_in(host, "running")
}

fn places(hosts: &[Acted], wanted: impl Fn(&Acted) -> bool) -> HashSet<Place> {
    hosts.iter().filter(|host| wanted(host)).map(Acted::instance_key).collect()
}

/// Takes the failures of the hosts at `places` away, so more can be done with them.
fn set_aside(hosts: &mut [Acted], places: &HashSet<Place>) -> HashMap<Place, Failure> {
    let mut failures = HashMap::new();
    for host in hosts.iter_mut().filter(|host| places.contains(&host.instance_key())) {
        if let Err(failure) = std::mem::replace(&mut host.result, Ok(())) {
            failures.insert(host.instance_key(), failure);
        }
    }
    failures
}

#[cfg(test)]
mod tests {
    use super::*;

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
