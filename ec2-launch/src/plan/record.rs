//! The plan as records: `--dry-run` writes them, and `--plan` reads them and compares them with the present state.

use crate::disks::choose::check_plan;
use crate::plan::facts::{Facts, HostFacts};
use crate::plan::{Launch, Needs, Step, Todo, by_state};
use cerveza_ec2::{Acted, Found, LaunchRequest};
use cerveza_manners::{Failure, Result};
use cerveza_record::{Item, Record, Value, items, json, read_text};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;

/// The record's `plan`: everything that will be requested.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Document {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    launch: Option<Launch>,
    /// The size of the record's `user_data` once it is decoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_data_bytes: Option<usize>,
    #[serde(flatten)]
    needs: Needs,
}

/// Returns the step as --dry-run shows it.
pub fn planned(step: Step) -> Acted {
    let Step { mut record, todo, reason, needs } = step;
    let action = todo.as_ref().map_or("refuse", Todo::action);
    let reason = todo.as_ref().map_or_else(|failure| failure.message.clone(), |_| reason);
    record.set("reason", reason);
    let result = todo.map(|todo| {
        let mut document = Document { needs, ..Document::default() };
        if let Todo::Launch(launch) = todo {
            document.user_data_bytes = show_request(&mut record, &launch);
            let mut launch = *launch;
            // It is the record's `user_data`, once and not in each attempt.
            launch.requests.iter_mut().for_each(|request| request.user_data = None);
            document.launch = Some(launch);
        }
        record.set("plan", json!(document));
    });
    Acted { record, action, result }
}

/// Gives the record what the first request asks for. Returns the size of the user-data.
fn show_request(record: &mut Record, launch: &Launch) -> Option<usize> {
    let request = launch.requests.first()?;
    let tags = request.tags.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str())));
    record.set("region", request.region.as_str());
    record.set("zone", request.zone.clone());
    record.set("instance_type", request.instance_type.as_str());
    record.set("image_id", request.image_id.as_str());
    record.set("key_name", request.key_name.clone());
    record.set("security_groups", request.security_groups.clone());
    record.set("subnet_id", request.subnet_id.clone());
    record.set("tags", Value::Object(tags.collect()));
    let user_data = request.user_data.clone()?;
    let bytes = decoded_size(&user_data);
    record.set("user_data", user_data);
    Some(bytes)
}

/// Returns how many bytes a base64 text holds.
fn decoded_size(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

/// Reads the records of a plan; `-` is stdin.
pub fn read_plan(path: &str) -> Result<Vec<Record>> {
    let read = match path {
        "-" => read_text(io::stdin()),
        path => File::open(path).map_err(cerveza_record::LineError::Io).and_then(read_text),
    };
    let name = if path == "-" { "stdin" } else { path };
    let text = read.map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let mut records = Vec::new();
    for item in items(&text) {
        let item = item.map_err(|error| Failure::usage(format!("{name}: {error}")))?;
        match item {
            (_, Item::Record(record)) if record.has("plan") || record.str("action").as_deref() == Some("refuse") => {
                records.push(record);
            }
            (line, _) => {
                return Err(Failure::usage(format!("{name}: line {line}: this is not a record with a plan"))
                    .hint("make a plan with `ec2-launch --dry-run --output json ... > FILE`"));
            }
        }
    }
    if records.is_empty() { Err(Failure::usage(format!("{name}: there is no plan in it"))) } else { Ok(records) }
}

/// Returns the steps of a plan. If anything has changed for one host, nothing is done for any.
pub fn planned_steps(records: Vec<Record>, facts: &Facts) -> Vec<Step> {
    let steps = records.into_iter().zip(&facts.hosts);
    let mut steps: Vec<Step> = steps.map(|(record, host)| read_step(record, host)).collect();
    if steps.iter().any(|step| step.todo.as_ref().is_err_and(is_changed)) {
        for step in steps.iter_mut().filter(|step| step.todo.is_ok()) {
            step.todo =
                Err(Failure::usage("not done: another host has changed since the plan was made").hint(MAKE_ANEW));
        }
    }
    steps
}

const CHANGED: &str = "changed since the plan was made";
const MAKE_ANEW: &str = "make a new plan with --dry-run, and review it";

fn is_changed(failure: &Failure) -> bool {
    failure.message.starts_with(CHANGED)
}

fn changed(why: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("{CHANGED}: {why}")).hint(MAKE_ANEW)
}

/// Returns one step of a plan.
fn read_step(mut record: Record, host: &HostFacts) -> Step {
    let action = record.str("action").unwrap_or_default();
    let reason = record.str("reason").unwrap_or_default();
    let document = serde_json::from_value::<Document>(record.get("plan").unwrap_or(json!({})));
    let mut needs = Needs::default();
    let todo = match document {
        _ if action == "refuse" => Err(Failure::unreached(format!("refused by the plan: {reason}"))),
        Err(error) => Err(Failure::usage(format!("its plan cannot be read: {error}"))),
        Ok(document) => {
            needs = document.needs;
            match (action.as_str(), document.launch) {
                ("launch", Some(launch)) => launch_of_plan(&record, launch, document.user_data_bytes, &host.found),
                ("start" | "leave", None) => instance_of_plan(&mut record, &action, &host.found),
                _ => Err(Failure::usage(format!("its plan is not one to {action}"))),
            }
        }
    };
    let todo = todo.and_then(|todo| {
        let is_launched = matches!(todo, Todo::Launch(_));
        let known = host.volumes.as_ref().map_err(Failure::clone)?;
        check_plan(record.host(), &needs.volumes, is_launched, known).map_err(|failure| changed(failure.message))?;
        Ok(todo)
    });
    Step { record, todo, reason, needs }
}

fn launch_of_plan(record: &Record, mut launch: Launch, bytes: Option<usize>, found: &Found) -> Result<Todo> {
    match found {
        Found::Absent(_) => {}
        // A generation that was remembered may be listed again; any other instance is a launch since then.
        Found::Ended(last) if last.str("instance_id").as_deref() == Some(launch.generation.as_str()) => {}
        Found::Ended(last) => {
            let id = last.str("instance_id").unwrap_or_default();
            return Err(changed(format!("{id} had this name and has ended")));
        }
        Found::One(instance) => {
            let text = |key| instance.str(key).unwrap_or_default();
            return Err(changed(format!("there is {}, {}", text("instance_id"), text("state"))));
        }
        // Neither has one instance, so this fails.
        Found::Several(_) | Found::Unknown(_) => _ = found.clone().instance(record)?,
    }
    // An instance of another name would not be found again.
    let name = |request: &LaunchRequest| request.tags.get("Name").is_some_and(|name| name == record.host());
    if !launch.requests.iter().all(name) {
        return Err(Failure::usage("its plan launches another host: the tag Name differs").hint(MAKE_ANEW));
    }
    let user_data = record.str("user_data");
    if user_data.as_deref().map(decoded_size) != bytes {
        return Err(Failure::usage("its plan is incomplete: the user_data of the record is missing or different"));
    }
    launch.requests.iter_mut().for_each(|request| request.user_data = user_data.clone());
    Ok(Todo::Launch(Box::new(launch)))
}

fn instance_of_plan(record: &mut Record, action: &str, found: &Found) -> Result<Todo> {
    let text = |record: &Record, key: &str| record.str(key).unwrap_or_default();
    let was = format!("{} was {}", text(record, "instance_id"), text(record, "state"));
    let instance = match found {
        Found::Absent(_) | Found::Ended(_) => return Err(changed(format!("{was}, and has ended"))),
        found => found.clone().instance(record)?,
    };
    let now = format!("{} is {}", text(&instance, "instance_id"), text(&instance, "state"));
    let is_same = text(&instance, "instance_id") == text(record, "instance_id");
    let todo = by_state(&text(&instance, "state"));
    record.merge(instance);
    match todo {
        Ok(todo) if is_same && todo.action() == action => Ok(todo),
        _ => Err(changed(format!("{was}, and now {now}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absent() -> Found {
        Found::Absent(vec!["us-east-1".into()])
    }

    fn instance(id: &str, state: &str) -> Record {
        Record::parse(&format!(r#"{{"host":"web1","instance_id":"{id}","state":"{state}"}}"#)).unwrap()
    }

    fn launch() -> Step {
        let request = LaunchRequest {
            region: "us-east-1".into(),
            image_id: "ami-1".into(),
            instance_type: "t3.micro".into(),
            user_data: Some("aGk=".into()),
            tags: [("Name".to_string(), "web1".to_string())].into(),
            ..LaunchRequest::default()
        };
        let other = LaunchRequest { instance_type: "t3.nano".into(), ..request.clone() };
        let launch = Launch { generation: "i-0".into(), requests: vec![request, other], notes: vec![] };
        Step {
            record: Record::named("web1"),
            todo: Ok(Todo::Launch(Box::new(launch))),
            reason: "why".into(),
            needs: Needs::default(),
        }
    }

    fn back(step: Step, found: Found) -> Step {
        let acted = planned(step);
        let mut record = Record::parse(&acted.record.to_string()).unwrap();
        record.set("action", acted.action);
        planned_steps(vec![record], &Facts { hosts: vec![HostFacts::new(found)], ..Facts::default() }).remove(0)
    }

    fn why(step: Step, found: Found) -> String {
        back(step, found).todo.unwrap_err().message
    }

    #[test]
    fn a_plan_reads_back_as_the_same_steps() {
        let step = launch();
        assert_eq!(back(step.clone(), absent()).todo, step.todo);
        assert_eq!(back(step.clone(), Found::Ended(instance("i-0", "terminated"))).todo, step.todo);
        let plan = planned(step).record.get("plan").unwrap();
        assert_eq!((&plan["user_data_bytes"], plan["attempts"][0].get("user_data")), (&json!(2), None));
        let leave = Step { record: instance("i-1", "running"), todo: Ok(Todo::Leave), ..launch() };
        assert_eq!(back(leave, Found::One(instance("i-1", "pending"))).todo, Ok(Todo::Leave));
        let start = Step { record: instance("i-1", "stopping"), todo: Ok(Todo::Start), ..launch() };
        assert_eq!(back(start, Found::One(instance("i-1", "stopped"))).todo, Ok(Todo::Start));
    }

    #[test]
    fn a_world_that_has_changed_is_refused_and_what_has_changed_is_said() {
        let running = |id| Found::One(instance(id, "running"));
        assert_eq!(why(launch(), running("i-1")), "changed since the plan was made: there is i-1, running");
        let ended = Found::Ended(instance("i-1", "terminated"));
        assert_eq!(why(launch(), ended.clone()), "changed since the plan was made: i-1 had this name and has ended");
        let leave = || Step { record: instance("i-1", "running"), todo: Ok(Todo::Leave), ..launch() };
        let stopped = Found::One(instance("i-1", "stopped"));
        assert_eq!(why(leave(), stopped), "changed since the plan was made: i-1 was running, and now i-1 is stopped");
        assert_eq!(
            why(leave(), running("i-2")),
            "changed since the plan was made: i-1 was running, and now i-2 is running"
        );
        assert_eq!(why(leave(), ended), "changed since the plan was made: i-1 was running, and has ended");
        let several = Found::Several(vec!["i-1".into(), "i-2".into()]);
        assert_eq!(why(leave(), several), "several live instances have this name: i-1, i-2");
    }

    #[test]
    fn one_changed_host_leaves_all_undone() {
        let leave = Step { record: instance("i-1", "running"), todo: Ok(Todo::Leave), ..launch() };
        let records = [launch(), leave].map(|step| {
            let Acted { mut record, action, .. } = planned(step);
            record.set("action", action);
            record
        });
        let facts = Facts { hosts: vec![HostFacts::new(absent()), HostFacts::new(absent())], ..Facts::default() };
        let steps = planned_steps(records.into(), &facts);
        assert_eq!(
            steps[0].todo.clone().unwrap_err().message,
            "not done: another host has changed since the plan was made"
        );
    }

    #[test]
    fn a_plan_whose_instance_would_have_another_name_is_refused() {
        let mut step = launch();
        let Ok(Todo::Launch(launch)) = &mut step.todo else { panic!("a launch") };
        launch.requests[1].tags.insert("Name".to_string(), "web2".to_string());
        assert_eq!(why(step, absent()), "its plan launches another host: the tag Name differs");
    }

    #[test]
    fn a_plan_without_its_user_data_is_refused() {
        let Acted { mut record, action, .. } = planned(launch());
        record.set("action", action);
        record.remove("user_data");
        let step =
            planned_steps(vec![record], &Facts { hosts: vec![HostFacts::new(absent())], ..Facts::default() }).remove(0);
        assert!(step.todo.unwrap_err().message.starts_with("its plan is incomplete"));
    }
}
