//! From hosts as given (a name, an instance id, a record of either) to the instances they are now.

use crate::call::VISIBLE_AFTER;
use crate::client::{Ec2, RegionArgs, check_region};
use crate::find::Filter;
use crate::new_instances::{FIRST_PAUSE, is_new};
use crate::{CONCURRENCY, LIVE_STATES};
use cerveza_manners::{Failure, Result, Status, visible};
use cerveza_record::{Record, Value, quote};
use futures_util::stream::{self, StreamExt};
use hostrange::Given;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use tokio::time::{Instant, sleep};

/// What a host is in EC2 now.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    One(Record),
    /// In none of these regions.
    Absent(Vec<String>),
    /// No live instance has the host's name. This is the newest of those that are shutting down or terminated and still
    /// listed. [`By::Instance`] never gives it.
    Ended(Record),
    /// Several live instances have the host's name: their ids.
    Several(Vec<String>),
    /// EC2 could not be asked.
    Unknown(Failure),
}

impl Found {
    /// The one instance of the host, or why there is none to work on.
    pub fn instance(self, host: &Record) -> Result<Record> {
        match self {
            Found::One(record) => Ok(record),
            Found::Absent(regions) => {
                let what = match instance_id(host) {
                    Some(id) => format!("there is no instance {id}"),
                    None => "no live instance has this name".to_string(),
                };
                Err(Failure::unreached(format!("{what} in {}", regions.join(", "))))
            }
            Found::Ended(last) => {
                let text = |key| last.str(key).unwrap_or_default();
                let (id, state, region) = (text("instance_id"), text("state"), text("region"));
                Err(Failure::unreached(format!("no live instance has this name in {region}: {id} is {state}")))
            }
            Found::Several(ids) => {
                Err(Failure::unreached(format!("several live instances have this name: {}", ids.join(", ")))
                    .hint("give the id of the one that is meant"))
            }
            Found::Unknown(failure) => Err(failure),
        }
    }
}

/// How one host is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Id(String),
    Name(String),
}

/// How a tool takes its hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A record with an `instance_id` by that, whatever its state; a host named like an instance id too; any other by
    /// its `Name` tag among the live instances.
    Instance,
    /// As `Instance`, but where no live instance has the name the last one that has ended is found.
    LastInstance,
    /// By name, whatever instance the host was when its record was written. Instances that have ended are looked for too.
    Name,
}

/// The fields of a record that say which instance is meant, or what it is launched with.
const TEXTS: [&str; 4] = ["instance_id", "region", "zone", "user_data"];

/// Refuses a record whose facts are not what the manual says they are: passed over, they would make another host of
/// it.
pub fn check_records(hosts: &[Record]) -> Result<()> {
    for host in hosts {
        let is_wrong = |key: &&&str| !matches!(host.get(key), None | Some(Value::Null | Value::String(_)));
        if let Some(key) = TEXTS.iter().find(is_wrong) {
            return Err(Failure::usage(format!("{}: \"{key}\" is not a string", host.host())));
        }
    }
    Ok(())
}

/// Refuses an expression that is also the name of an instance: the user may mean that instance.
pub fn refuse_ambiguous<'a>(expressions: &[String], found: impl IntoIterator<Item = &'a Record>) -> Result<()> {
    let expressions: HashSet<&str> = expressions.iter().map(String::as_str).collect();
    match found.into_iter().find(|instance| expressions.contains(instance.host())) {
        None => Ok(()),
        Some(instance) => {
            let (name, id) = (quote(instance.host()), instance.str("instance_id").unwrap_or_default());
            let text = instance.host();
            Err(Failure::usage(format!("{name} is an expression, and also the name of {id}")).hint(format!(
                "in double quotes, '{name}', it means that instance; in parentheses, '({text})', the hosts of the expression",
                name = name.replace('\'', r"'\''"),
                text = visible(text).replace('\'', r"'\''"),
            )))
        }
    }
}

/// Connects and looks each host up, in order: in its record's `region`, else in all that `args` name. What keeps it
/// from either is each host's own failure, so that no record is lost.
pub async fn locate(args: &RegionArgs, given: &Given, by: By) -> (Option<Ec2>, Vec<Found>) {
    let unknown = |failure: Failure| given.hosts.iter().map(|_| Found::Unknown(failure.clone())).collect();
    let ec2 = match Ec2::connect(args).await {
        Ok(ec2) => ec2,
        Err(failure) => return (None, unknown(failure)),
    };
    let found = tokio::select! {
        found = ec2.locate(given, by) => found.unwrap_or_else(unknown),
        failure = ec2.interrupted() => unknown(failure),
    };
    (Some(ec2), found)
}

impl Ec2 {
    /// Looks hosts up once more by name, in order.
    pub async fn locate_again(&self, hosts: Vec<Record>) -> Vec<Found> {
        let count = hosts.len();
        let given = Given { hosts, expressions: Vec::new() };
        self.locate(&given, By::Name).await.unwrap_or_else(|failure| vec![Found::Unknown(failure); count])
    }

    async fn locate(&self, given: &Given, by: By) -> Result<Vec<Found>> {
        let mut wanted: BTreeMap<String, BTreeSet<Key>> = BTreeMap::new();
        let mut places = Vec::new();
        for host in &given.hosts {
            let id = match by {
                By::Instance | By::LastInstance => instance_id(host),
                By::Name => named_by_id(host),
            };
            let key = id.map_or_else(|| Key::Name(host.host().to_string()), Key::Id);
            let regions = match host.str("region") {
                Some(region) => {
                    check_region(&region).map_err(|failure| failure.within(host.host()))?;
                    vec![region]
                }
                None => self.regions()?.to_vec(),
            };
            for region in &regions {
                wanted.entry(region.clone()).or_default().insert(key.clone());
            }
            places.push((key, regions));
        }
        let expressions = || given.expressions.iter().map(|text| Key::Name(text.clone()));
        wanted.values_mut().for_each(|keys| keys.extend(expressions()));
        let answers = stream::iter(&wanted).map(|(region, keys)| async move {
            let found = self.lookup(region, keys, by).await;
            (region.clone(), found)
        });
        let mut answers: HashMap<_, _> = answers.buffer_unordered(CONCURRENCY).collect().await;
        let new: Vec<_> =
            places.iter().zip(&given.hosts).filter(|(_, host)| is_new(host)).map(|(place, _)| place).collect();
        self.look_again(&new, by, &mut answers).await;
        let instances = answers.values().flatten().flat_map(HashMap::values).flatten();
        refuse_ambiguous(&given.expressions, instances.filter(|instance| !has_ended(instance)))?;
        let mut places: Vec<Found> = places.iter().map(|(key, regions)| found(key, regions, &answers)).collect();
        if places.iter().all(|place| matches!(place, Found::Unknown(_))) {
            // Not one host could be asked about: nothing can be done.
            for place in &mut places {
                if let Found::Unknown(failure) = place {
                    failure.status = failure.status.max(Status::Usage);
                }
            }
        }
        Ok(places)
    }

    /// Looks again for hosts that were launched a moment ago and are not listed, until they are or [`VISIBLE_AFTER`] is
    /// over.
    async fn look_again(&self, new: &[&(Key, Vec<String>)], by: By, answers: &mut Answers) {
        let (deadline, mut pause) = (Instant::now() + VISIBLE_AFTER, FIRST_PAUSE);
        loop {
            let absent = new.iter().filter(|(key, regions)| matches!(found(key, regions, answers), Found::Absent(_)));
            let mut wanted: BTreeMap<&String, BTreeSet<Key>> = BTreeMap::new();
            for (key, regions) in absent {
                regions.iter().for_each(|region| _ = wanted.entry(region).or_default().insert(key.clone()));
            }
            if wanted.is_empty() || Instant::now() + pause > deadline {
                return;
            }
            sleep(pause).await;
            pause *= 2;
            for (region, keys) in wanted {
                if let (Ok(seen), Some(Ok(known))) = (self.lookup(region, &keys, by).await, answers.get_mut(region)) {
                    known.extend(seen);
                }
            }
        }
    }

    /// The instances of one region under the keys they were asked for by.
    async fn lookup(&self, region: &str, keys: &BTreeSet<Key>, by: By) -> Result<HashMap<Key, Vec<Record>>> {
        let ids = keys.iter().filter_map(|key| match key {
            Key::Id(id) => Some(id),
            Key::Name(_) => None,
        });
        let names = keys.iter().filter_map(|key| match key {
            Key::Name(name) => Some(name),
            Key::Id(_) => None,
        });
        // A filter, not InstanceIds: one id that is gone would fail the whole request.
        let by_id = Filter::exact("instance-id", ids);
        let by_name = Filter::exact("tag:Name", names);
        let mut found: HashMap<Key, Vec<Record>> = HashMap::new();
        if !by_id.values.is_empty() {
            for record in self.find(region, &[by_id]).await? {
                found.entry(Key::Id(record.str("instance_id").unwrap_or_default())).or_default().push(record);
            }
        }
        if !by_name.values.is_empty() {
            let live = (by == By::Instance).then(|| Filter::new("instance-state-name", LIVE_STATES));
            let filters: Vec<_> = [by_name].into_iter().chain(live).collect();
            for record in self.find(region, &filters).await? {
                found.entry(Key::Name(record.host().to_string())).or_default().push(record);
            }
        }
        Ok(found)
    }
}

/// The instance that a host is given by: its record's, or the one it is named like.
pub fn instance_id(host: &Record) -> Option<String> {
    host.str("instance_id").or_else(|| named_by_id(host))
}

fn named_by_id(host: &Record) -> Option<String> {
    is_instance_id(host.host()).then(|| host.host().to_string())
}

/// `i-` and 8 or 17 hexadecimal digits (EC2 user guide, "Resource IDs").
pub fn is_instance_id(name: &str) -> bool {
    name.strip_prefix("i-").is_some_and(|digits| {
        matches!(digits.len(), 8 | 17) && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// The instances of each region under the keys they were asked for by.
type Answers = HashMap<String, Result<HashMap<Key, Vec<Record>>>>;

fn found(key: &Key, regions: &[String], answers: &Answers) -> Found {
    let mut instances: Vec<&Record> = Vec::new();
    let mut failed = None;
    for region in regions {
        match answers.get(region) {
            Some(Ok(answer)) => instances.extend(answer.get(key).into_iter().flatten()),
            Some(Err(failure)) => failed = Some(failure.clone()),
            None => {}
        }
    }
    // An instance that was asked for by its id is that instance in any state.
    let is_name = matches!(key, Key::Name(_));
    let (ended, instances): (Vec<&Record>, Vec<&Record>) =
        instances.into_iter().partition(|instance| is_name && has_ended(instance));
    match (instances.as_slice(), failed) {
        ([_, _, ..], _) => Found::Several(instances.iter().filter_map(|record| record.str("instance_id")).collect()),
        // Absent here and unknown there is unknown; and one here may be one of two.
        (_, Some(failure)) => Found::Unknown(failure),
        ([one], None) => Found::One((*one).clone()),
        ([], None) => match ended.into_iter().max_by_key(|instance| age_key(instance)) {
            Some(last) => Found::Ended(last.clone()),
            None => Found::Absent(regions.to_vec()),
        },
    }
}

/// Whether the instance is shutting down or terminated, and will never run again.
pub(crate) fn has_ended(instance: &Record) -> bool {
    matches!(instance.str("state").as_deref(), Some("shutting-down" | "terminated"))
}

/// Orders instances by their launch, the newest last; the id decides between equals, so all runs agree.
fn age_key(instance: &Record) -> (Option<String>, Option<String>) {
    (instance.str("launch_time"), instance.str("instance_id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(found: &[(&str, &str)]) -> HashMap<String, Result<HashMap<Key, Vec<Record>>>> {
        let mut answers: HashMap<_, Result<HashMap<Key, Vec<Record>>>> = HashMap::new();
        for (region, id) in found {
            let mut record = Record::named("web1");
            record.set("instance_id", *id);
            let answer = answers.entry(region.to_string()).or_insert_with(|| Ok(HashMap::new()));
            answer.as_mut().unwrap().entry(Key::Name("web1".into())).or_default().push(record);
        }
        answers
    }

    #[test]
    fn one_name_on_two_live_instances_is_several_also_over_regions() {
        let key = Key::Name("web1".into());
        let regions = ["eu-west-1".to_string(), "us-east-1".to_string()];
        let two = answers(&[("eu-west-1", "i-1"), ("us-east-1", "i-2")]);
        assert_eq!(found(&key, &regions, &two), Found::Several(vec!["i-1".into(), "i-2".into()]));
        assert_eq!(found(&key, &regions, &answers(&[])), Found::Absent(regions.to_vec()));
    }

    #[test]
    fn an_ended_instance_is_found_only_if_no_live_one_has_the_name() {
        let (key, regions) = (Key::Name("web1".into()), ["us-east-1".to_string()]);
        let mut both = answers(&[("us-east-1", "i-1"), ("us-east-1", "i-2"), ("us-east-1", "i-3")]);
        let records = both.get_mut("us-east-1").unwrap().as_mut().unwrap().get_mut(&key).unwrap();
        for (record, time) in records.iter_mut().zip(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]) {
            record.set("state", "terminated");
            record.set("launch_time", time);
        }
        let last = records[1].clone();
        assert!(matches!(found(&key, &regions, &both), Found::One(live) if live.str("instance_id").unwrap() == "i-3"));
        both.get_mut("us-east-1").unwrap().as_mut().unwrap().get_mut(&key).unwrap().truncate(2);
        assert_eq!(found(&key, &regions, &both), Found::Ended(last));
    }

    #[test]
    fn a_region_that_does_not_answer_leaves_a_host_unknown() {
        let key = Key::Name("web1".into());
        let regions = ["eu-west-1".to_string(), "us-east-1".to_string()];
        let mut half = answers(&[("eu-west-1", "i-1")]);
        half.insert("us-east-1".into(), Err(Failure::unreached("down")));
        assert_eq!(found(&key, &regions, &half), Found::Unknown(Failure::unreached("down")));
    }

    #[test]
    fn ids_are_told_from_names() {
        assert!(is_instance_id("i-0123456789abcdef0"));
        assert!(is_instance_id("i-1a2b3c4d"));
        assert!(!is_instance_id("i-beam"));
        assert!(!is_instance_id("web-1a2b3c4d"));
    }
}
