//! What is to be done to each host, decided from the state it is in.

use cerveza_ec2::{Acted, Change, Found, NO_ACTION};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;

/// Each host with the action that is due: the change, or none where it is so already or cannot be. A host outside of
/// `zone` is an error.
pub fn plan(change: Change, zone: Option<&str>, hosts: Vec<Record>, found: Vec<Found>) -> Vec<Acted> {
    let step = |(mut record, found): (Record, Found)| {
        let found = match found {
            // It is terminated already. Its addresses may be left.
            Found::Ended(last) if change == Change::Terminate => Found::One(last),
            found => found,
        };
        let decided = found.instance(&record).and_then(|instance| {
            let here = instance.str("zone").unwrap_or("an unknown zone".to_string());
            let action = match zone {
                Some(zone) if zone != here => Err(Failure::unreached(format!("it is in {here}, not in --zone {zone}"))),
                _ => decide(change, &instance.str("state").unwrap_or_default()),
            };
            record.merge(instance);
            action
        });
        match decided {
            Ok(action) => Acted { record, action, result: Ok(()) },
            Err(failure) => Acted { record, action: NO_ACTION, result: Err(failure) },
        }
    };
    hosts.into_iter().zip(found).map(step).collect()
}

/// The state decides, by EC2's own table of what an instance in it can do (EC2 user guide, "Instance lifecycle").
fn decide(change: Change, state: &str) -> Result<&'static str> {
    match (change, state) {
        (Change::Start, "pending" | "running") => Ok(NO_ACTION),
        (Change::Stop, "stopping" | "stopped") => Ok(NO_ACTION),
        (Change::Terminate, "shutting-down" | "terminated") => Ok(NO_ACTION),
        (_, "shutting-down" | "terminated") => Err(Failure::unreached(format!("the instance is {state}"))),
        (Change::Start, "stopping") => {
            Err(Failure::unreached("the instance is still stopping").hint("wait until it is stopped, then start it"))
        }
        (Change::Reboot, "stopping" | "stopped") => {
            Err(Failure::unreached(format!("the instance is {state}: only a running one can be rebooted")))
        }
        _ => Ok(change.word()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(change: Change, state: &str) -> Option<&'static str> {
        decide(change, state).ok()
    }

    #[test]
    fn what_is_so_already_is_left_alone() {
        assert_eq!(action(Change::Start, "running"), Some(NO_ACTION));
        assert_eq!(action(Change::Start, "stopped"), Some("start"));
        assert_eq!(action(Change::Stop, "stopped"), Some(NO_ACTION));
        assert_eq!(action(Change::Stop, "running"), Some("stop"));
        assert_eq!(action(Change::Terminate, "terminated"), Some(NO_ACTION));
        assert_eq!(action(Change::Terminate, "stopped"), Some("terminate"));
        assert_eq!(action(Change::Reboot, "running"), Some("reboot"));
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
        let acted = plan(Change::Stop, None, vec![given], vec![Found::One(now)]);
        assert_eq!(acted[0].record.to_string(), r#"{"mine":1,"host":"web1","state":"stopped","instance_id":"i-1"}"#);
        assert_eq!((acted[0].action, &acted[0].result), (NO_ACTION, &Ok(())));
    }

    #[test]
    fn a_host_in_another_zone_is_not_changed() {
        let found = |zone: &str| {
            let mut record = Record::parse(r#"{"host":"web1","instance_id":"i-1","state":"running"}"#).unwrap();
            record.set("zone", zone);
            Found::One(record)
        };
        let hosts = vec![Record::named("web1"), Record::named("web2")];
        let acted = plan(Change::Terminate, Some("us-east-1a"), hosts, vec![found("us-east-1a"), found("us-east-1b")]);
        assert_eq!((acted[0].action, acted[1].action), ("terminate", NO_ACTION));
        let failure = acted[1].result.as_ref().unwrap_err();
        assert_eq!(failure.message, "it is in us-east-1b, not in --zone us-east-1a");
    }

    #[test]
    fn a_host_that_is_not_there_fails_alone() {
        let absent = || Found::Absent(vec!["us-east-1".to_string()]);
        let hosts = vec![Record::named("web1"), Record::parse(r#"{"host":"x","instance_id":"i-1"}"#).unwrap()];
        let acted = plan(Change::Stop, None, hosts, vec![absent(), absent()]);
        let why = |acted: &Acted| acted.result.as_ref().unwrap_err().message.clone();
        assert_eq!(why(&acted[0]), "no live instance has this name in us-east-1");
        assert_eq!(why(&acted[1]), "there is no instance i-1 in us-east-1");
    }
}
