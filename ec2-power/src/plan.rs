//! What is to be done to each host, decided from the state it is in.

use cerveza_ec2::{Change, Found};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;

/// A host with what was given of it and what it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The record that was given, with the instance's own facts where it was found.
    pub record: Record,
    pub todo: Result<Todo>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Todo {
    Change,
    /// It is so already.
    Nothing,
}

pub fn plan(change: Change, hosts: Vec<Record>, found: Vec<Found>) -> Vec<Step> {
    let step = |(mut record, found): (Record, Found)| match found.instance(&record) {
        Err(failure) => Step { record, todo: Err(failure) },
        Ok(instance) => {
            let todo = decide(change, &instance.str("state").unwrap_or_default());
            record.merge(instance);
            Step { record, todo }
        }
    };
    hosts.into_iter().zip(found).map(step).collect()
}

/// The state decides, by EC2's own table of what an instance in it can do (EC2 user guide, "Instance lifecycle").
fn decide(change: Change, state: &str) -> Result<Todo> {
    match (change, state) {
        (Change::Start, "pending" | "running") => Ok(Todo::Nothing),
        (Change::Stop, "stopping" | "stopped") => Ok(Todo::Nothing),
        (Change::Terminate, "shutting-down" | "terminated") => Ok(Todo::Nothing),
        (_, "shutting-down" | "terminated") => Err(Failure::unreached(format!("the instance is {state}"))),
        (Change::Start, "stopping") => {
            Err(Failure::unreached("the instance is still stopping").hint("wait until it is stopped, then start it"))
        }
        (Change::Reboot, "stopping" | "stopped") => {
            Err(Failure::unreached(format!("the instance is {state}: only a running one can be rebooted")))
        }
        _ => Ok(Todo::Change),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn todo(change: Change, state: &str) -> Option<Todo> {
        decide(change, state).ok()
    }

    #[test]
    fn what_is_so_already_is_left_alone() {
        assert_eq!(todo(Change::Start, "running"), Some(Todo::Nothing));
        assert_eq!(todo(Change::Start, "stopped"), Some(Todo::Change));
        assert_eq!(todo(Change::Stop, "stopped"), Some(Todo::Nothing));
        assert_eq!(todo(Change::Stop, "running"), Some(Todo::Change));
        assert_eq!(todo(Change::Terminate, "terminated"), Some(Todo::Nothing));
        assert_eq!(todo(Change::Terminate, "stopped"), Some(Todo::Change));
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        assert_eq!(todo(Change::Start, "terminated"), None);
        assert_eq!(todo(Change::Start, "stopping"), None);
        assert_eq!(todo(Change::Reboot, "stopped"), None);
    }

    #[test]
    fn a_record_keeps_what_no_tool_knows_and_gets_the_fresh_state() {
        let given = Record::parse(r#"{"mine":1,"host":"web1","state":"running","instance_id":"i-1"}"#).unwrap();
        let now = Record::parse(r#"{"host":"web1","instance_id":"i-1","state":"stopped"}"#).unwrap();
        let steps = plan(Change::Stop, vec![given], vec![Found::One(now)]);
        assert_eq!(steps[0].record.to_string(), r#"{"mine":1,"host":"web1","state":"stopped","instance_id":"i-1"}"#);
        assert_eq!(steps[0].todo, Ok(Todo::Nothing));
    }
}
