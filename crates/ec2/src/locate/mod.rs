//! From hosts as given (a name, an instance id, a record of either) to the instances they are now.

mod by_zone;
pub(crate) mod new_instances;
#[cfg(test)]
mod tests;

use crate::client::accounts::{AWS_PROFILE, Account, Accounts, named};
use crate::client::attempts::VISIBLE_AFTER;
use crate::client::failure::{is_denied, is_server_fault};
use crate::client::{CONCURRENCY, Ec2, RegionArgs};
use crate::config::region_name::check_region;
use crate::describe::find::Filter;
use crate::instance::id::{instance_id, named_by_id};
use crate::instance::{LIVE_STATES, has_ended};
use by_zone::ask_by_zone;
use cerveza_manners::{Failure, Result, Status, visible};
use cerveza_record::{Record, Value, quote};
use futures_util::stream::{self, StreamExt};
use hostrange::Given;
use new_instances::{FIRST_PAUSE, is_new};
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
    /// Several live instances have the host's name: their ids, with what their places differ in.
    Several(Vec<String>),
    /// EC2 could not be asked.
    Unknown(Failure),
}

impl Found {
    /// Returns the one instance of the host, or why there is none to work on.
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
                    .hint("give the id of the one that is meant: ec2-ls lists them"))
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
const TEXTS: [&str; 6] = ["instance_id", "account", "aws_profile", "region", "zone", "user_data"];

/// Refuses a record whose facts are not what the manual says they are: passed over, they would make another host of
/// it.
pub fn check_records(hosts: &[Record]) -> Result<()> {
    for host in hosts {
        let is_wrong = |key: &&&str| !matches!(host.get(key), None | Some(Value::Null | Value::String(_)));
        if let Some(key) = TEXTS.iter().find(is_wrong) {
            return Err(Failure::usage(format!("{}: \"{key}\" is not a string", host.host())));
        }
        if host.str("instance_id").is_some_and(|id| id.is_empty()) {
            return Err(Failure::usage(format!("{}: \"instance_id\" is empty", host.host())));
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

/// Connects and looks each host up, in order: in its record's account and `region`, else in all that `args` name. What
/// keeps it from either is each host's own failure, so that no record is lost.
pub async fn locate(args: &RegionArgs, given: &Given, by: By) -> (Accounts, Vec<Found>) {
    let unknown = |failure: Failure| given.hosts.iter().map(|_| Found::Unknown(failure.clone())).collect();
    let mut accounts = Accounts::connect(args, &given.hosts).await;
    let mut all: Vec<Result<&Ec2>> = Vec::new();
    for Account { profile, ec2 } in accounts.iter() {
        all.push(ec2.as_ref().map_err(|failure| accounts.failure_of(profile.as_deref(), failure.clone())));
    }
    let places_of = |host: &Record| accounts.places_of(args, host);
    let looked_up = tokio::select! {
        looked_up = look_up(&all, places_of, given, by) => looked_up,
        failure = accounts.interrupted() => Err(failure),
    };
    match looked_up {
        Ok((found, denied)) => {
            accounts.denied = denied;
            (accounts, found)
        }
        Err(failure) => (accounts, unknown(failure)),
    }
}

/// Where a host is looked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Place {
    /// The number of the account.
    account: usize,
    region: String,
    /// The only zone that is asked about. Without one, it is the whole region.
    zone: Option<String>,
}

impl Place {
    fn new(account: usize, region: impl Into<String>) -> Place {
        Place { account, region: region.into(), zone: None }
    }
}

/// Names cannot be looked up while a zone is down; ids can.
const SAVED_LISTING: &str = "if a zone is down, hosts of the other zones are found by id: pipe in `ec2-ls --last SAVED` (SAVED: output of ec2-ls)";

/// Looks hosts up, in order, each in the accounts that `accounts_of` gives. Also returns why regions denied it that hosts
/// were looked for in and found in others.
async fn look_up(
    accounts: &[Result<&Ec2>],
    accounts_of: impl Fn(&Record) -> Vec<usize>,
    given: &Given,
    by: By,
) -> Result<(Vec<Found>, Vec<Failure>)> {
    let mut wanted: BTreeMap<Place, BTreeSet<Key>> = BTreeMap::new();
    let mut answers = Answers::new();
    let mut places: Vec<(Key, Vec<Place>)> = Vec::new();
    for host in &given.hosts {
        let id = match by {
            By::Instance | By::LastInstance => instance_id(host),
            By::Name => named_by_id(host),
        };
        let key = id.map_or_else(|| Key::Name(host.host().to_string()), Key::Id);
        let mut its = Vec::new();
        for account in accounts_of(host) {
            let regions = match (&accounts[account], host.str("region")) {
                (Err(failure), _) => {
                    answers.insert(Place::new(account, ""), Err(failure.clone()));
                    its.push(Place::new(account, ""));
                    continue;
                }
                (Ok(_), Some(region)) => {
                    check_region(&region).map_err(|failure| failure.within(host.host()))?;
                    vec![region]
                }
                (Ok(ec2), None) => ec2.regions()?.to_vec(),
            };
            its.extend(regions.into_iter().map(|region| Place::new(account, region)));
        }
        for place in its.iter().filter(|place| !answers.contains_key(place)) {
            wanted.entry(place.clone()).or_default().insert(key.clone());
        }
        places.push((key, its));
    }
    let expressions = || given.expressions.iter().map(|text| Key::Name(text.clone()));
    wanted.values_mut().for_each(|keys| keys.extend(expressions()));
    let asked = stream::iter(&wanted).map(|(place, keys)| async move {
        let found = match &accounts[place.account] {
            Ok(ec2) => ec2.lookup(&place.region, keys, by).await.map_err(|failure| named_of(accounts, ec2, failure)),
            Err(failure) => Err(failure.clone()),
        };
        (place.clone(), found)
    });
    answers.extend(asked.buffer_unordered(CONCURRENCY).collect::<Vec<_>>().await);
    ask_by_zone(accounts, &given.hosts, &mut places, &mut answers).await;
    let new: Vec<_> =
        places.iter().zip(&given.hosts).filter(|(_, host)| is_new(host)).map(|(place, _)| place).collect();
    look_again(accounts, &new, by, &mut answers).await;
    let instances = answers.values().flatten().flat_map(HashMap::values).flatten();
    refuse_ambiguous(&given.expressions, instances.filter(|instance| !has_ended(instance)))?;
    let mut found: Vec<Found> = places.iter().map(|(key, places)| found(key, places, &answers)).collect();
    if by != By::Name {
        for (found, (key, _)) in found.iter_mut().zip(&places) {
            match (found, key) {
                (Found::Unknown(failure), Key::Name(_)) if is_server_fault(failure) => {
                    failure.hint.get_or_insert_with(|| SAVED_LISTING.to_string());
                }
                _ => {}
            }
        }
    }
    if found.iter().all(|found| matches!(found, Found::Unknown(_))) {
        // Not one host could be asked about: nothing can be done.
        for found in &mut found {
            if let Found::Unknown(failure) = found {
                failure.status = failure.status.max(Status::Usage);
            }
        }
    }
    let is_found = |(_, found): &(_, &Found)| matches!(found, Found::One(_));
    let looked_in: BTreeSet<&Place> =
        places.iter().zip(&found).filter(is_found).flat_map(|((_, places), _)| places).collect();
    let denied = looked_in.into_iter().filter_map(|place| Some(answers.get(place)?.as_ref().err()?.clone()));
    let denied = denied.collect();
    Ok((found, denied))
}

/// Returns a failure of this account. The message names the account if there are several.
fn named_of(accounts: &[Result<&Ec2>], ec2: &Ec2, failure: Failure) -> Failure {
    if accounts.len() > 1 { named(ec2.profile(), failure) } else { failure }
}

/// Looks again for hosts that were launched a moment ago and are not listed, until they are or [`VISIBLE_AFTER`] is
/// over.
async fn look_again(accounts: &[Result<&Ec2>], new: &[&(Key, Vec<Place>)], by: By, answers: &mut Answers) {
    let (deadline, mut pause) = (Instant::now() + VISIBLE_AFTER, FIRST_PAUSE);
    loop {
        let absent = new.iter().filter(|(key, places)| matches!(found(key, places, answers), Found::Absent(_)));
        let mut wanted: BTreeMap<&Place, BTreeSet<Key>> = BTreeMap::new();
        for (key, places) in absent {
            places.iter().for_each(|place| _ = wanted.entry(place).or_default().insert(key.clone()));
        }
        if wanted.is_empty() || Instant::now() + pause > deadline {
            return;
        }
        sleep(pause).await;
        pause *= 2;
        for (place, keys) in wanted {
            let Ok(ec2) = &accounts[place.account] else { continue };
            if let (Ok(seen), Some(Ok(known))) = (ec2.lookup(&place.region, &keys, by).await, answers.get_mut(place)) {
                known.extend(seen);
            }
        }
    }
}

impl Ec2 {
    /// Looks hosts up once more by name, in order.
    pub async fn locate_again(&self, hosts: Vec<Record>) -> Vec<Found> {
        let count = hosts.len();
        let given = Given { hosts, expressions: Vec::new() };
        let looked_up = look_up(&[Ok(self)], |_| vec![0], &given, By::Name).await;
        looked_up.map_or_else(|failure| vec![Found::Unknown(failure); count], |(found, _)| found)
    }

    /// Returns the instances of one region under the keys they were asked for by.
    async fn lookup(&self, region: &str, keys: &BTreeSet<Key>, by: By) -> Result<HashMap<Key, Vec<Record>>> {
        let ids = keys.iter().filter_map(|key| match key {
            Key::Id(id) => Some(id.clone()),
            Key::Name(_) => None,
        });
        let names = keys.iter().filter_map(|key| match key {
            Key::Name(name) => Some(name),
            Key::Id(_) => None,
        });
        let by_name = Filter::exact("tag:Name", names);
        let mut found: HashMap<Key, Vec<Record>> = HashMap::new();
        for record in self.find_ids(region, &ids.collect::<Vec<_>>()).await? {
            found.entry(Key::Id(record.str("instance_id").unwrap_or_default())).or_default().push(record);
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

/// The instances of each region of each account under the keys they were asked for by.
type Answers = HashMap<Place, Result<HashMap<Key, Vec<Record>>>>;

fn found(key: &Key, places: &[Place], answers: &Answers) -> Found {
    let mut instances: Vec<&Record> = Vec::new();
    let (mut denied, mut failed) = (None, None);
    for place in places {
        match answers.get(place) {
            Some(Ok(answer)) => instances.extend(answer.get(key).into_iter().flatten()),
            Some(Err(failure)) if is_denied(failure) => denied = Some(failure.clone()),
            Some(Err(failure)) => failed = Some(failure.clone()),
            None => {}
        }
    }
    let mut ids = HashSet::new();
    instances.retain(|instance| ids.insert(instance.str("instance_id")));
    // An instance that was asked for by its id is that instance in any state.
    let is_name = matches!(key, Key::Name(_));
    let (ended, instances): (Vec<&Record>, Vec<&Record>) =
        instances.into_iter().partition(|instance| is_name && has_ended(instance));
    match (instances.as_slice(), failed.filter(|_| is_name || instances.is_empty()), denied) {
        ([_, _, ..], _, _) => Found::Several(ids_and_places(&instances)),
        // One name here may be one of two. Where the account may do nothing it has no instances that can be worked on.
        (_, Some(failure), _) => Found::Unknown(failure),
        ([one], None, _) => Found::One((*one).clone()),
        // Absent here and unknown there is unknown.
        ([], None, Some(failure)) => Found::Unknown(failure),
        ([], None, None) => match ended.into_iter().max_by_key(|instance| age_key(instance)) {
            Some(last) => Found::Ended(last.clone()),
            None => Found::Absent(regions(places)),
        },
    }
}

/// Returns the id of each instance, with its account and region if these are not the same for all: `i-1 (prod, us-east-1)`.
fn ids_and_places(instances: &[&Record]) -> Vec<String> {
    let differs = |key: &&str| instances.iter().any(|instance| instance.str(key) != instances[0].str(key));
    let keys: Vec<&str> = [AWS_PROFILE, "region"].into_iter().filter(differs).collect();
    let place = |instance: &Record| keys.iter().filter_map(|key| instance.str(key)).collect::<Vec<_>>().join(", ");
    let described = |instance: &&Record| {
        let (id, place) = (instance.str("instance_id")?, place(instance));
        Some(if place.is_empty() { id } else { format!("{id} ({place})") })
    };
    instances.iter().filter_map(described).collect()
}

/// Returns the regions of these places, each once.
fn regions(places: &[Place]) -> Vec<String> {
    let regions: BTreeSet<&String> = places.iter().map(|place| &place.region).collect();
    regions.into_iter().cloned().collect()
}

/// Orders instances by their launch, the newest last; the id decides between equals, so all runs agree.
fn age_key(instance: &Record) -> (Option<String>, Option<String>) {
    (instance.str("launch_time"), instance.str("instance_id"))
}
