//! Decides what is to be done to each host from the state it is in.

use crate::args::Job;
use crate::guard::{check_protection, check_status};
use cerveza_ec2::{Acted, Change, Found, NO_ACTION, PROTECTED, SKIPPED, StopMode, check_identity};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use std::collections::HashMap;

/// The rules of a run.
pub struct Rules<'a> {
    pub job: &'a Job,
    /// A host outside of this zone is an error.
    pub zone: Option<&'a str>,
    /// Change also hosts whose command before has failed.
    pub even_failed: bool,
}

/// Returns each host with the action that is due, or none where it is so already or cannot be.
pub fn plan(rules: &Rules<'_>, hosts: Vec<Record>, found: Vec<Found>) -> Vec<Acted> {
    let check = |record| if rules.even_failed { Ok(()) } else { check_status(record) };
    let checked: Vec<Result<()>> = hosts.iter().map(check).collect();
    // An instance may be in several records: a failed command in one of them skips all of them.
    let mut skipped: HashMap<Option<String>, Failure> = HashMap::new();
    for (found, checked) in found.iter().zip(&checked) {
        if let (Found::One(instance), Err(failure)) = (found, checked) {
            skipped.entry(instance.str("instance_id")).or_insert(failure.clone());
        }
    }
    let plan_host = |((record, found), checked): ((Record, Found), Result<()>)| {
        let of_instance = match &found {
            Found::One(instance) => skipped.get(&instance.str("instance_id")).cloned().map_or(Ok(()), Err),
            _ => Ok(()),
        };
        match checked.and(of_instance) {
            Ok(()) => plan_host(rules, record, found),
            Err(failure) => Acted { record, action: SKIPPED, result: Err(failure) },
        }
    };
    hosts.into_iter().zip(found).zip(checked).map(plan_host).collect()
}

fn plan_host(rules: &Rules<'_>, mut record: Record, found: Found) -> Acted {
    let found = match found {
        // It is terminated already. Its addresses may be left.
        Found::Ended(last) if rules.job.is_terminate() => Found::One(last),
        found => found,
    };
    let instance = match found.instance(&record).map_err(|failure| name_account(&record, failure)) {
        Ok(instance) => instance,
        Err(failure) => return Acted { record, action: NO_ACTION, result: Err(failure) },
    };
    if let Err(failure) = check_identity(&record, &instance) {
        return Acted { record, action: NO_ACTION, result: Err(failure) };
    }
    let zone = instance.str("zone").unwrap_or("an unknown zone".to_string());
    let decided = match rules.zone {
        Some(wanted) if wanted != zone => Err(Failure::unreached(format!("it is in {zone}, not in --zone {wanted}"))),
        _ => decide(rules.job, &instance),
    };
    let acted = match decided {
        Ok(NO_ACTION) => (NO_ACTION, Ok(())),
        Ok(action) => match check_protection(rules.job, &instance) {
            Ok(()) => (action, Ok(())),
            Err(failure) => (PROTECTED, Err(failure)),
        },
        Err(failure) => (NO_ACTION, Err(failure)),
    };
    record.merge(instance);
    Acted { record, action: acted.0, result: acted.1 }
}

/// Names the account in the failure, because an instance that is not there may be in another account.
fn name_account(record: &Record, failure: Failure) -> Failure {
    match record.str("account").filter(|_| failure.message.starts_with("there is no instance")) {
        Some(account) => Failure {
            message: format!("{} of this account; its record is of the account {account}", failure.message),
            ..failure
        },
        None => failure,
    }
}

/// Returns the action that is due, by EC2's table of what an instance in each state can do (EC2 user guide, "Instance
/// lifecycle").
fn decide(job: &Job, instance: &Record) -> Result<&'static str> {
    let state = instance.str("state").unwrap_or_default();
    match (job, state.as_str()) {
        (Job::Power(Change::Start), "pending" | "running") => Ok(NO_ACTION),
        // A forced stop ends one that is stuck.
        (Job::Power(Change::Stop(StopMode::Force)), "stopping") => Ok(job.action()),
        (Job::Power(Change::Stop(_)), "stopping" | "stopped") => Ok(NO_ACTION),
        (Job::Power(Change::Terminate), "shutting-down" | "terminated") => Ok(NO_ACTION),
        (_, "shutting-down" | "terminated") => Err(Failure::unreached(format!("the instance is {state}"))),
        (Job::Power(Change::Start), "stopping") => {
            Err(Failure::unreached("the instance is still stopping").hint("wait until it is stopped, then start it"))
        }
        (Job::Power(Change::Reboot), "stopping" | "stopped") => {
            Err(Failure::unreached(format!("the instance is {state}: only a running one can be rebooted")))
        }
        (Job::Resize(name), _) if instance.str("instance_type").as_ref() == Some(name) => Ok(NO_ACTION),
        _ => Ok(job.action()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(change: Change, state: &str) -> Option<&'static str> {
        let mut instance = Record::named("web1");
        instance.set("state", state);
        decide(&Job::Power(change), &instance).ok()
    }

    fn planned(change: Change, zone: Option<&str>, hosts: Vec<Record>, found: Vec<Found>) -> Vec<Acted> {
        plan(&Rules { job: &Job::Power(change), zone, even_failed: false }, hosts, found)
    }

    const STOP: Change = Change::Stop(StopMode::Shutdown);
    const FORCE: Change = Change::Stop(StopMode::Force);

    #[test]
    fn what_is_so_already_is_left_alone() {
        assert_eq!(action(Change::Start, "running"), Some(NO_ACTION));
        assert_eq!(action(Change::Start, "stopped"), Some("start"));
        assert_eq!(action(STOP, "stopped"), Some(NO_ACTION));
        assert_eq!(action(STOP, "stopping"), Some(NO_ACTION));
        assert_eq!(action(STOP, "running"), Some("stop"));
        assert_eq!(action(FORCE, "stopping"), Some("stop"));
        assert_eq!(action(FORCE, "stopped"), Some(NO_ACTION));
        assert_eq!(action(Change::Stop(StopMode::Hibernate), "running"), Some("hibernate"));
        assert_eq!(action(Change::Terminate, "terminated"), Some(NO_ACTION));
        assert_eq!(action(Change::Terminate, "stopped"), Some("terminate"));
        assert_eq!(action(Change::Reboot, "running"), Some("reboot"));
    }

    #[test]
    fn a_host_that_has_the_type_is_left_alone() {
        let instance = Record::parse(r#"{"host":"web1","state":"running","instance_type":"m5.large"}"#).unwrap();
        assert_eq!(decide(&Job::Resize("m5.large".into()), &instance), Ok(NO_ACTION));
        assert_eq!(decide(&Job::Resize("m5.xlarge".into()), &instance), Ok("resize"));
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        assert_eq!(action(Change::Start, "terminated"), None);
        assert_eq!(action(Change::Start, "stopping"), None);
        assert_eq!(action(Change::Reboot, "stopped"), None);
    }

    #[test]
    fn a_record_keeps_what_no_tool_knows_and_gets_the_fresh_state() {
        let given = Record::parse(r#"{"mine":1,"host":"web1","state":"running","instance_id":"i-1"}"#).unwrap();
        let now = Record::parse(r#"{"host":"web1","instance_id":"i-1","state":"stopped"}"#).unwrap();
        let acted = planned(STOP, None, vec![given], vec![Found::One(now)]);
        assert_eq!(acted[0].record.to_string(), r#"{"mine":1,"host":"web1","state":"stopped","instance_id":"i-1"}"#);
        assert_eq!((acted[0].action, &acted[0].result), (NO_ACTION, &Ok(())));
    }

    #[test]
    fn a_host_in_another_zone_is_not_changed() {
        let found = |name: &str, zone: &str| {
            let mut record = Record::parse(r#"{"host":"web1","instance_id":"i-1","state":"running"}"#).unwrap();
            record.set("host", name);
            record.set("zone", zone);
            Found::One(record)
        };
        let hosts = vec![Record::named("web1"), Record::named("web2")];
        let found = vec![found("web1", "us-east-1a"), found("web2", "us-east-1b")];
        let acted = planned(Change::Terminate, Some("us-east-1a"), hosts, found);
        assert_eq!((acted[0].action, acted[1].action), ("terminate", NO_ACTION));
        let failure = acted[1].result.as_ref().unwrap_err();
        assert_eq!(failure.message, "it is in us-east-1b, not in --zone us-east-1a");
    }

    #[test]
    fn a_host_that_is_not_there_fails_alone() {
        let absent = || Found::Absent(vec!["us-east-1".to_string()]);
        let hosts = [
            r#"{"host":"web1"}"#,
            r#"{"host":"x","instance_id":"i-1"}"#,
            r#"{"host":"x","instance_id":"i-1","account":"111111111111"}"#,
        ];
        let hosts: Vec<Record> = hosts.iter().map(|line| Record::parse(line).unwrap()).collect();
        let acted = planned(STOP, None, hosts, vec![absent(), absent(), absent()]);
        let why = |acted: &Acted| acted.result.as_ref().unwrap_err().message.clone();
        assert_eq!(why(&acted[0]), "no live instance has this name in us-east-1");
        assert_eq!(why(&acted[1]), "there is no instance i-1 in us-east-1");
        assert_eq!(
            why(&acted[2]),
            "there is no instance i-1 in us-east-1 of this account; its record is of the account 111111111111"
        );
    }
}
