//! Decides what is to be done for each host to exist and run, from the hosts, the profile and the facts. No I/O.
//! `--dry-run` prints the result, and the same result is executed (`record.rs`).

pub(crate) mod facts;
pub(crate) mod record;

use crate::disks::place::Place;
use crate::disks::places::{Disks, for_instance, for_launch};
use crate::memory::Memory;
use crate::memory::remember::Recalled;
use crate::plan::facts::Facts;
use crate::profile::ElasticIp;
use crate::request::Recipe;
use crate::request::place::Spread;
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
    Start,
    /// It is still stopping.
    StopThenStart,
    Launch(Box<Launch>),
}

/// A launch, decided in full.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// The id of the last instance of this name that has ended, or nothing. It makes this launch different from earlier
    /// ones.
    pub generation: String,
    /// Tried one after the other while EC2 has no capacity.
    pub attempts: Vec<LaunchRequest>,
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
    pub volumes: Vec<Place>,
}

impl Needs {
    /// Returns why the instance must run, if it must.
    pub fn running(&self) -> Option<&'static str> {
        match self.elastic_ip {
            Some(_) => Some("the profile's elastic ip needs a running instance"),
            None => {
                let attaches = self.volumes.iter().any(|place| place.attach.is_some());
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
            Todo::Start | Todo::StopThenStart => "start",
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
pub fn refuse_half(mut steps: Vec<Step>) -> Vec<Step> {
    let is_bad = |step: &Step| step.todo.as_ref().is_err_and(|failure| failure.status == Status::Usage);
    if steps.iter().any(is_bad) {
        for step in steps.iter_mut().filter(|step| step.todo.is_ok()) {
            step.todo = Err(Failure::usage("not done: the input of another host is wrong"));
        }
    }
    steps
}

/// Decides for every host.
pub fn plan(hosts: Vec<Record>, recipe: Option<&Recipe>, spread: &Spread, facts: &Facts) -> Vec<Step> {
    let step = |(at, host)| step(host, at, recipe, spread, facts);
    hosts.into_iter().enumerate().map(step).collect()
}

fn step(mut record: Record, at: usize, given: Option<&Recipe>, spread: &Spread, facts: &Facts) -> Step {
    let nothing = Recalled::Nothing;
    let recalled = facts.recall.hosts.get(at).unwrap_or(&nothing);
    let recipe = given.or(recalled.recipe());
    let found = facts.found[at].clone();
    let host = record.clone();
    let reason = reason(&record, &found);
    let mut volumes = Ok(Vec::new());
    let todo = match (found, recipe) {
        // An instance that has ended is not launched again with its id as the name.
        (found @ (Found::Absent(_) | Found::Ended(_)), _) if is_instance_id(record.host()) => {
            found.instance(&record).map(|_| Todo::Leave)
        }
        (found @ (Found::Absent(_) | Found::Ended(_)), None) => {
            found.instance(&record).map(|_| Todo::Leave).map_err(|failure| recalled.refusal(failure))
        }
        (found @ (Found::Absent(_) | Found::Ended(_)), Some(recipe)) => {
            let region = record.str("region").unwrap_or(facts.region.clone());
            let last = match found {
                Found::Ended(last) => last.str("instance_id"),
                _ => recalled.last_instance(),
            };
            let generation = last.unwrap_or_default();
            launch_requests(&mut record, (given, recipe), recalled, &region, (spread, at), facts).map(
                |(attempts, notes, disks)| {
                    volumes = Ok(disks.places);
                    Todo::Launch(Box::new(Launch { generation, attempts, notes }))
                },
            )
        }
        (found, _) => found.instance(&record).and_then(|instance| {
            let todo = by_state(&instance.str("state").unwrap_or_default());
            // A host that runs is not an error if its volumes cannot be looked up.
            if let (Some(recipe), Ok(known)) = (recipe, facts.volumes_of(at)) {
                volumes = for_instance(&instance, &recipe.file.profile.volume_sets, &known);
            }
            record.merge(instance);
            todo
        }),
    };
    if let Some(recipe) = recipe {
        recipe.annotate(&mut record);
    }
    let memory = match &todo {
        Ok(Todo::Launch(_)) => facts.recall.next_memory(&record, None, given, recalled),
        Ok(_) if !is_instance_id(record.host()) => facts.recall.next_memory(&host, Some(&record), given, recalled),
        _ => None,
    };
    let elastic_ip = recipe.and_then(|recipe| recipe.file.profile.elastic_ip.clone());
    let (todo, volumes) = match volumes {
        Ok(volumes) => (todo, volumes),
        Err(failure) => (todo.and(Err(failure)), Vec::new()),
    };
    Step { record, todo, reason, needs: Needs { elastic_ip, memory, volumes } }
}

/// Returns the requests that launch a host, with its volumes. Volumes that are kept are not created, and their zone is
/// the host's.
fn launch_requests(
    record: &mut Record,
    (given, recipe): (Option<&Recipe>, &Recipe),
    recalled: &Recalled,
    region: &str,
    (spread, at): (&Spread, usize),
    facts: &Facts,
) -> Result<(Vec<LaunchRequest>, Vec<String>, Disks)> {
    let disks = for_launch(record.host(), &recipe.file.profile.volume_sets, &facts.volumes_of(at)?, region)?;
    disks.check_zone(recipe.zone.clone().or(record.str("zone")).as_deref())?;
    if given.is_none() {
        recalled.apply(record)?;
    }
    if let Some(zone) = &disks.zone {
        record.set("zone", zone.as_str());
    }
    let unknown = Catalog::default();
    let catalog = facts.catalogs.get(region).unwrap_or(&unknown);
    let requests = recipe.requests(record, region, &spread.zones(at, region), &disks, catalog);
    let (mut requests, notes) = requests.map_err(|failure| match (given, &failure.hint) {
        (None, None) => {
            failure.hint(format!("use --profile {} to launch it from the profile as it is now", recipe.file.name))
        }
        _ => failure,
    })?;
    let kept = disks.volume_ids();
    for request in &mut requests {
        request.volumes.retain(|volume| !kept.contains_key(&volume.device));
    }
    Ok((requests, notes, disks))
}

/// Returns what is to be done for an instance in this state.
pub fn by_state(state: &str) -> Result<Todo> {
    match state {
        "pending" | "running" => Ok(Todo::Leave),
        "stopped" => Ok(Todo::Start),
        "stopping" => Ok(Todo::StopThenStart),
        // Only a host that was given by its id gets here.
        state => Err(Failure::unreached(format!("the instance is {state}"))),
    }
}

fn reason(record: &Record, found: &Found) -> String {
    match found {
        Found::One(instance) => {
            let text = |key| instance.str(key).unwrap_or_default();
            format!("{} is {}", text("instance_id"), text("state"))
        }
        found => found.clone().instance(record).map_or_else(|failure| failure.message, |_| String::new()),
    }
}

/// Says which hosts exist already, but in another zone than --zone.
pub fn zone_warnings(steps: &[Step], zone: Option<&str>) -> Vec<String> {
    let mut elsewhere: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for step in steps.iter().filter(|step| matches!(step.todo, Ok(Todo::Leave | Todo::Start | Todo::StopThenStart))) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn host(line: &str) -> Record {
        Record::parse(line).unwrap()
    }

    fn one(found: Found) -> Step {
        let facts = Facts { region: "us-east-1".into(), found: vec![found], ..Facts::default() };
        plan(vec![host(r#"{"mine":1,"host":"web1"}"#)], None, &Spread::default(), &facts).remove(0)
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
        assert_eq!(one(in_state("stopping")).todo, Ok(Todo::StopThenStart));
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
        let host = vec![Record::named("i-0123456789abcdef0")];
        let step = plan(host, None, &Spread::default(), &Facts { found: vec![absent()], ..Facts::default() }).remove(0);
        assert_eq!(step.todo.unwrap_err().message, "there is no instance i-0123456789abcdef0 in us-east-1");
    }

    #[test]
    fn bad_input_of_one_host_leaves_all_undone() {
        let step = |todo| Step { record: Record::named("a"), todo, reason: String::new(), needs: Needs::default() };
        let steps = refuse_half(vec![step(Ok(Todo::Start)), step(Err(Failure::usage("bad"))), step(Ok(Todo::Leave))]);
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
