//! Decides what is to be done for each host to exist and run, from the hosts, the profile and the facts. No I/O.
//! `--dry-run` prints the result, and the same result is executed (`record.rs`).

pub(crate) mod facts;
pub(crate) mod record;

use crate::disks::choose::for_instance;
use crate::disks::slot::DiskSlot;
use crate::memory::Memory;
use crate::plan::facts::{Facts, HostFacts, LaunchBy};
use crate::profile::ElasticIp;
use crate::request::Recipe;
use crate::tags::DIGEST_TAG;
use cerveza_ec2::{Catalog, Found, LaunchRequest, is_instance_id};
use cerveza_manners::{Failure, Result, Status};
use cerveza_record::Record;
use hostrange::fold;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};

/// What is to be done for one host.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The record that was given, with the instance's own facts if there is an instance.
    pub record: Record,
    pub todo: Result<Todo>,
    /// Why `todo` is to be done.
    pub reason: String,
    pub needs: Needs,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Todo {
    /// It is running, or about to.
    Leave,
    /// Once it has stopped.
    Start,
    Launch(Box<Launch>),
}

/// A launch, decided in full.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// The id of the last instance of this name that has ended, or nothing. It makes this launch different from earlier
    /// ones.
    pub generation: String,
    /// Tried one after the other while EC2 has no capacity.
    #[serde(rename = "attempts")]
    pub requests: Vec<LaunchRequest>,
    /// What the user is to know, as which image is the newest.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// What a host is given once it is running, whether it was launched, started or left alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Needs {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elastic_ip: Option<ElasticIp>,
    /// What is to be remembered of the host, unless that is remembered already. A launch adds its instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Its volumes except the root: which are attached, and how they are tagged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<DiskSlot>,
}

impl Needs {
    /// Returns why the instance must run, if it must.
    pub fn running(&self) -> Option<&'static str> {
        match self.elastic_ip {
            Some(_) => Some("the profile's elastic ip needs a running instance"),
            None => {
                let attaches = self.volumes.iter().any(|slot| slot.attach.is_some());
                attaches.then_some("volumes are attached to a running instance")
            }
        }
    }
}

impl Step {
    /// Returns what the user is to know of the launch.
    pub fn notes(&self) -> &[String] {
        match &self.todo {
            Ok(Todo::Launch(launch)) => &launch.notes,
            _ => &[],
        }
    }
}

impl Todo {
    /// Returns the record's `action` under --dry-run.
    pub fn action(&self) -> &'static str {
        match self {
            Todo::Leave => "leave",
            Todo::Start => "start",
            Todo::Launch(_) => "launch",
        }
    }
}

/// Refuses a host that is given twice, because a host is its name.
pub fn refuse_duplicates(hosts: &[Record]) -> Result<()> {
    let mut seen = HashSet::new();
    match hosts.iter().find(|host| !seen.insert((host.host(), host.str("aws_profile")))) {
        Some(twice) => Err(Failure::usage(format!("{} is given twice", twice.host()))),
        None => Ok(()),
    }
}

/// Refuses every step if the input of one host is bad, as a template that does not render.
pub fn refuse_all_if_one_is_bad(mut steps: Vec<Step>) -> Vec<Step> {
    let is_bad = |step: &Step| step.todo.as_ref().is_err_and(|failure| failure.status == Status::Usage);
    if steps.iter().any(is_bad) {
        for step in steps.iter_mut().filter(|step| step.todo.is_ok()) {
            step.todo = Err(Failure::usage("not done: the input of another host is wrong"));
        }
    }
    steps
}

/// Decides for every host.
pub fn plan(hosts: Vec<Record>, launch_by: LaunchBy<'_>, facts: &Facts) -> Vec<Step> {
    hosts.into_iter().enumerate().map(|(index, record)| step(record, index, launch_by, facts)).collect()
}

fn step(given_record: Record, index: usize, launch_by: LaunchBy<'_>, facts: &Facts) -> Step {
    let host = &facts.hosts[index];
    let mut record = given_record.clone();
    // A host is looked up by its name, whatever instance its record is of.
    let (reason, decided) = match host.found.clone().instance(&Record::named(record.host())) {
        Ok(instance) => {
            let text = |key| instance.str(key).unwrap_or_default();
            let reason = format!("{} is {}", text("instance_id"), text("state"));
            (reason, decide_for_instance(&mut record, instance, host, launch_by))
        }
        Err(failure) => {
            (failure.message.clone(), decide_without_instance(&mut record, failure, index, launch_by, facts))
        }
    };
    let recipe = host.recipe(launch_by);
    if let Some(recipe) = recipe {
        recipe.annotate(&mut record);
    }
    let next_memory = |host_record: &Record, instance: Option<&Record>| {
        facts.recall.next_memory(host_record, instance, launch_by.recipe, &host.recalled)
    };
    let memory = match &decided {
        Ok((Todo::Launch(_), _)) => next_memory(&record, None),
        Ok(_) if !is_instance_id(record.host()) => next_memory(&given_record, Some(&record)),
        _ => None,
    };
    let elastic_ip = recipe.and_then(|recipe| recipe.file.profile.elastic_ip.clone());
    let (todo, volumes) = match decided {
        Ok((todo, volumes)) => (Ok(todo), volumes),
        Err(failure) => (Err(failure), Vec::new()),
    };
    Step { record, todo, reason, needs: Needs { elastic_ip, memory, volumes } }
}

/// Decides for a host that has an instance, which the record gets.
fn decide_for_instance(
    record: &mut Record,
    instance: Record,
    host: &HostFacts,
    launch_by: LaunchBy<'_>,
) -> Result<(Todo, Vec<DiskSlot>)> {
    let todo = by_state(&instance.str("state").unwrap_or_default());
    let volumes = match (host.recipe(launch_by), &host.volumes) {
        (Some(recipe), Ok(known)) => for_instance(&instance, &recipe.file.profile.volume_sets, known),
        // A host that runs is not an error if its volumes cannot be looked up.
        _ => Ok(Vec::new()),
    };
    record.merge(instance);
    Ok((todo?, volumes?))
}

/// Decides for a host without an instance: launches it, or fails with `failure`, which says that there is none. Volumes
/// that are kept for it are not created.
fn decide_without_instance(
    record: &mut Record,
    failure: Failure,
    index: usize,
    launch_by: LaunchBy<'_>,
    facts: &Facts,
) -> Result<(Todo, Vec<DiskSlot>)> {
    let host = &facts.hosts[index];
    // An instance that has ended is not launched again with its id as the name.
    if !host.is_absent() || is_instance_id(record.host()) {
        return Err(failure);
    }
    let recipe = host.recipe(launch_by).ok_or_else(|| host.recalled.refusal(failure))?;
    let (region, disks) = host.prepare_launch(record, recipe, launch_by, facts)?;
    let last = match &host.found {
        Found::Ended(last) => last.str("instance_id"),
        _ => host.recalled.last_instance(),
    };
    let unknown = Catalog::default();
    let catalog = facts.catalogs.get(&region).unwrap_or(&unknown);
    let requests = recipe.requests(record, &region, &launch_by.spread.zones(index, &region), &disks, catalog);
    let (mut requests, notes) = requests.map_err(|failure| match (launch_by.recipe, &failure.hint) {
        (None, None) => {
            failure.hint(format!("use --profile {} to launch it from the profile as it is now", recipe.file.name))
        }
        _ => failure,
    })?;
    let kept = disks.volume_ids();
    for request in &mut requests {
        request.volumes.retain(|volume| !kept.contains_key(&volume.device));
    }
    let launch = Launch { generation: last.unwrap_or_default(), requests, notes };
    Ok((Todo::Launch(Box::new(launch)), disks.slots))
}

/// Returns what is to be done for an instance in this state.
pub fn by_state(state: &str) -> Result<Todo> {
    match state {
        "pending" | "running" => Ok(Todo::Leave),
        "stopped" | "stopping" => Ok(Todo::Start),
        // Only a host that was given by its id gets here.
        state => Err(Failure::unreached(format!("the instance is {state}"))),
    }
}

/// Says which hosts exist already, but in another zone than --zone.
pub fn zone_warnings(steps: &[Step], zone: Option<&str>) -> Vec<String> {
    let mut elsewhere: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for step in steps.iter().filter(|step| matches!(step.todo, Ok(Todo::Leave | Todo::Start))) {
        if let (Some(here), Some(zone)) = (step.record.str("zone"), zone)
            && here != zone
        {
            elsewhere.entry(here).or_default().push(step.record.host());
        }
    }
    let zone = zone.unwrap_or_default();
    let say = |(here, hosts): (String, Vec<&str>)| format!("{}: left in {here}, not in --zone {zone}", fold(hosts));
    elsewhere.into_iter().map(say).collect()
}

/// Says which hosts exist already, so --set and --tag do not change them. `overridden` is the recipe if --set is given.
pub fn next_launch_warnings(steps: &[Step], overridden: Option<&Recipe>, tags: &[(String, String)]) -> Vec<String> {
    let digest = overridden.map(|recipe| recipe.file.digest_tag());
    let (mut older, mut untagged) = (Vec::new(), Vec::new());
    for step in steps.iter().filter(|step| matches!(step.todo, Ok(Todo::Leave | Todo::Start))) {
        let known = step.record.get("tags").unwrap_or_default();
        if known[DIGEST_TAG].as_str().zip(digest).is_some_and(|(known, given)| known != given) {
            older.push(step.record.host());
        }
        if tags.iter().any(|(key, value)| known[key.as_str()].as_str() != Some(value.as_str())) {
            untagged.push(step.record.host());
        }
    }
    let of_profile = "left as is: --set counts at the next launch; `ec2-power resize` changes the type now";
    let of_tags = "left without the tags of --tag, which only a launch sets: ec2-tag sets them now";
    let warning = |(hosts, why): (Vec<&str>, &str)| (!hosts.is_empty()).then(|| format!("{}: {why}", fold(hosts)));
    [(older, of_profile), (untagged, of_tags)].into_iter().filter_map(warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::zones::Spread;

    fn host(line: &str) -> Record {
        Record::parse(line).unwrap()
    }

    fn step_of(record: Record, found: Found) -> Step {
        let hosts = vec![HostFacts::new(found)];
        let facts = Facts { region: Some("us-east-1".into()), hosts, ..Facts::default() };
        plan(vec![record], LaunchBy { recipe: None, spread: &Spread::default() }, &facts).remove(0)
    }

    fn one(found: Found) -> Step {
        step_of(host(r#"{"mine":1,"host":"web1"}"#), found)
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
        assert_eq!(one(in_state("running")).todo, Ok(Todo::Leave));
        assert_eq!(one(in_state("pending")).todo, Ok(Todo::Leave));
        assert_eq!(one(in_state("stopped")).todo, Ok(Todo::Start));
        assert_eq!(one(in_state("stopping")).todo, Ok(Todo::Start));
        assert_eq!(one(in_state("stopped")).reason, "i-1 is stopped");
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
        assert_eq!(failure.hint.as_deref(), Some("use --profile to launch it, or --region if it is in another region"));
    }

    #[test]
    fn an_instance_that_has_ended_is_not_launched_by_its_id() {
        let step = step_of(Record::named("i-0123456789abcdef0"), absent());
        assert_eq!(step.todo.unwrap_err().message, "there is no instance i-0123456789abcdef0 in us-east-1");
    }

    #[test]
    fn bad_input_of_one_host_leaves_all_undone() {
        let step = |todo| Step { record: Record::named("a"), todo, reason: String::new(), needs: Needs::default() };
        let steps = refuse_all_if_one_is_bad(vec![
            step(Ok(Todo::Start)),
            step(Err(Failure::usage("bad"))),
            step(Ok(Todo::Leave)),
        ]);
        assert!(steps.iter().all(|step| step.todo.is_err()));
        let steps = refuse_all_if_one_is_bad(vec![step(Ok(Todo::Start)), step(Err(Failure::unreached("two of them")))]);
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
