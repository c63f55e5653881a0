//! What is to be done for each host to exist and run. --dry-run prints it, and it alone is executed.

use crate::memory::Memory;
use crate::profile::ElasticIp;
use crate::remember::{Recall, Recalled};
use crate::request::Recipe;
use cerveza_ec2::{Acted, Found, LaunchRequest, NO_ACTION, is_instance_id};
use cerveza_manners::{Failure, Result, Status};
use cerveza_record::{Record, Value};
use std::collections::HashSet;

#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The record that was given, with the instance's own facts where there is one.
    pub record: Record,
    pub todo: Result<Todo>,
    /// What is to be remembered of the host, if that is not remembered already. A launch adds its instance.
    pub memory: Option<Memory>,
    pub elastic_ip: Option<ElasticIp>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Todo {
    /// It runs, or is about to.
    Nothing,
    Start,
    /// It is still stopping.
    StopThenStart,
    Launch(Box<LaunchRequest>),
}

impl Todo {
    pub fn action(&self) -> &'static str {
        match self {
            Todo::Nothing => NO_ACTION,
            Todo::Start | Todo::StopThenStart => "start",
            Todo::Launch(_) => "launch",
        }
    }
}

/// A host is its name: given twice it would be launched twice.
pub fn refuse_duplicates(hosts: &[Record]) -> Result<()> {
    let mut seen = HashSet::new();
    match hosts.iter().find(|host| !seen.insert(host.host())) {
        Some(twice) => Err(Failure::usage(format!("{} is given twice", twice.host()))),
        None => Ok(()),
    }
}

/// Bad input of one host, such as a template that does not render, ends the run before anything is changed.
pub fn refuse_half(mut steps: Vec<Step>) -> Vec<Step> {
    let is_bad = |step: &Step| step.todo.as_ref().is_err_and(|failure| failure.status == Status::Usage);
    if steps.iter().any(is_bad) {
        for step in steps.iter_mut().filter(|step| step.todo.is_ok()) {
            step.todo = Err(Failure::usage("not done: the input of another host is bad"));
        }
    }
    steps
}

/// Decides for every host. `region` is where a host without one of its own is launched.
pub fn plan(
    hosts: Vec<Record>,
    found: Vec<Found>,
    recipe: Option<&Recipe>,
    region: &str,
    recall: &Recall,
) -> Vec<Step> {
    let step = |(at, (host, found)): (usize, (Record, Found))| {
        let nothing = Recalled::Nothing;
        step(host, found, recipe, region, recall, recall.hosts.get(at).unwrap_or(&nothing))
    };
    hosts.into_iter().zip(found).enumerate().map(step).collect()
}

fn step(
    mut record: Record,
    found: Found,
    given: Option<&Recipe>,
    region: &str,
    recall: &Recall,
    recalled: &Recalled,
) -> Step {
    let recipe = given.or(recalled.recipe());
    let host = record.clone();
    let todo = match (found, recipe) {
        // An instance that is gone is not launched again under its id as a name.
        (found @ Found::Absent(_), _) if is_instance_id(record.host()) => {
            found.instance(&record).map(|_| Todo::Nothing)
        }
        (found @ Found::Absent(_), None) => {
            found.instance(&record).map(|_| Todo::Nothing).map_err(|failure| recalled.refusal(failure))
        }
        (Found::Absent(_), Some(recipe)) => {
            let region = record.str("region").unwrap_or(region.to_string());
            let applied = if given.is_none() { recalled.apply(&mut record) } else { Ok(()) };
            applied.and_then(|()| recipe.request(&record, &region)).map(|request| Todo::Launch(Box::new(request)))
        }
        (found, _) => found.instance(&record).and_then(|instance| {
            let todo = decide(&instance.str("state").unwrap_or_default());
            record.merge(instance);
            todo
        }),
    };
    if let Some(recipe) = recipe {
        recipe.annotate(&mut record);
    }
    let memory = match &todo {
        Ok(Todo::Launch(_)) => recall.next_memory(&record, None, given, recalled),
        Ok(_) if !is_instance_id(record.host()) => recall.next_memory(&host, Some(&record), given, recalled),
        _ => None,
    };
    let elastic_ip = recipe.and_then(|recipe| recipe.file.profile.elastic_ip.clone());
    Step { record, todo, memory, elastic_ip }
}

fn decide(state: &str) -> Result<Todo> {
    match state {
        "pending" | "running" => Ok(Todo::Nothing),
        "stopped" => Ok(Todo::Start),
        "stopping" => Ok(Todo::StopThenStart),
        // Only a host that was given by its id gets here.
        state => Err(Failure::unreached(format!("the instance is {state}"))),
    }
}

/// The step as --dry-run shows it: for a launch the record has what the request asks for.
pub fn planned(step: Step) -> Acted {
    let Step { mut record, todo, .. } = step;
    if let Ok(Todo::Launch(request)) = &todo {
        let tags = request.tags.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
        record.set("region", request.region.as_str());
        record.set("zone", request.zone.clone());
        record.set("instance_type", request.instance_type.as_str());
        record.set("image_id", request.image_id.as_str());
        record.set("key_name", request.key_name.clone());
        record.set("security_groups", request.security_groups.clone());
        record.set("subnet_id", request.subnet_id.clone());
        record.set("tags", Value::Object(tags.collect()));
    }
    Acted { record, action: todo.as_ref().map_or(NO_ACTION, Todo::action), result: todo.map(drop) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(line: &str) -> Record {
        Record::parse(line).unwrap()
    }

    fn one(found: Found) -> Step {
        plan(vec![host(r#"{"mine":1,"host":"web1"}"#)], vec![found], None, "us-east-1", &Recall::default()).remove(0)
    }

    fn absent() -> Found {
        Found::Absent(vec!["us-east-1".to_string()])
    }

    fn in_state(state: &str) -> Found {
        let mut record = host(r#"{"host":"web1","instance_id":"i-1"}"#);
        record.set("state", state);
        Found::One(record)
    }

    #[test]
    fn running_is_left_stopped_is_started_stopping_is_waited_for() {
        assert_eq!(one(in_state("running")).todo, Ok(Todo::Nothing));
        assert_eq!(one(in_state("pending")).todo, Ok(Todo::Nothing));
        assert_eq!(one(in_state("stopped")).todo, Ok(Todo::Start));
        assert_eq!(one(in_state("stopping")).todo, Ok(Todo::StopThenStart));
        assert_eq!(
            one(in_state("stopped")).record.to_string(),
            r#"{"mine":1,"host":"web1","instance_id":"i-1","state":"stopped"}"#
        );
    }

    #[test]
    fn two_of_one_name_and_none_without_a_profile_are_errors() {
        let failure = one(Found::Several(vec!["i-1".into(), "i-2".into()])).todo.unwrap_err();
        assert_eq!(failure.message, "several live instances have this name: i-1, i-2");
        let failure = one(absent()).todo.unwrap_err();
        assert_eq!(failure.hint.as_deref(), Some("give --profile to launch it by"));
    }

    #[test]
    fn an_instance_that_is_gone_is_not_launched_by_its_id() {
        let host = vec![Record::named("i-0123456789abcdef0")];
        let step = plan(host, vec![absent()], None, "us-east-1", &Recall::default()).remove(0);
        assert_eq!(step.todo.unwrap_err().message, "there is no instance i-0123456789abcdef0 in us-east-1");
    }

    #[test]
    fn bad_input_of_one_host_leaves_all_undone() {
        let step = |todo| Step { record: Record::named("a"), todo, memory: None, elastic_ip: None };
        let steps = refuse_half(vec![step(Ok(Todo::Start)), step(Err(Failure::usage("bad"))), step(Ok(Todo::Nothing))]);
        assert!(steps.iter().all(|step| step.todo.is_err()));
        let steps = refuse_half(vec![step(Ok(Todo::Start)), step(Err(Failure::unreached("two of them")))]);
        assert_eq!(steps[0].todo, Ok(Todo::Start));
    }

    #[test]
    fn a_host_given_twice_is_refused() {
        assert!(refuse_duplicates(&[Record::named("a"), Record::named("b")]).is_ok());
        assert_eq!(
            refuse_duplicates(&[Record::named("a"), Record::named("a")]).unwrap_err().message,
            "a is given twice"
        );
    }
}
