//! Looks up which instances hosts are now. A host is given as a name, an instance id, or a record.

mod answers;
mod by_zone;
pub(crate) mod checks;
pub(crate) mod found;
pub(crate) mod new_instances;

use crate::client::accounts::{Account, Accounts};
use crate::client::attempts::VISIBLE_AFTER;
use crate::client::failure::is_server_fault;
use crate::client::region_args::RegionArgs;
use crate::client::{CONCURRENCY, Ec2};
use crate::config::aws_profile::AWS_PROFILE;
use crate::config::region_name::check_region;
use crate::describe::find::Filter;
use crate::instance::id::{instance_id, named_by_id};
use crate::instance::{LIVE_STATES, has_ended};
use answers::{Answers, Key, Scope, found_host, named_of};
use by_zone::ask_by_zone;
use cerveza_manners::{Failure, Result, Status};
use cerveza_record::Record;
use checks::refuse_ambiguous;
use found::Found;
use futures_util::stream::{self, StreamExt};
use hostrange::Given;
use new_instances::{FIRST_PAUSE, is_new};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use tokio::time::{Instant, sleep};

/// How a tool takes its hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A record with an `instance_id` by that, whatever its state; a host named like an instance id too; any other by
    /// its `Name` tag among the live instances.
    Instance,
    /// As `Instance`, but where no live instance has the name the last one that has ended is found.
    LastInstance,
    /// As `Instance`, but a record with `instance_id` and `region` is taken as it is, so a saved listing works while
    /// EC2 does not.
    Record,
    /// By name, whatever instance the host was when its record was written. Instances that have ended are looked for
    /// too.
    Name,
}

/// Connects and looks each host up, in order: in its record's account and `region`, else in all that `args` name. What
/// keeps it from either is the failure of each host, so no record is lost.
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

/// Names cannot be looked up while a zone is down; ids can.
const SAVED_LISTING: &str = "if a zone is down, hosts of the other zones are found by id: pipe in `ec2-ls --last SAVED` (SAVED: output of ec2-ls)";

/// Looks hosts up, in order, each in the accounts that `accounts_of` gives. Also returns why regions denied the look-up
/// of hosts that were found in others.
async fn look_up(
    accounts: &[Result<&Ec2>],
    accounts_of: impl Fn(&Record) -> Vec<usize>,
    given: &Given,
    by: By,
) -> Result<(Vec<Found>, Vec<Failure>)> {
    let (mut scopes, mut answers) = (Vec::new(), Answers::new());
    let mut known: HashMap<usize, Record> = HashMap::new();
    for (number, host) in given.hosts.iter().enumerate() {
        let of_accounts = accounts_of(host);
        let record = if by == By::Record { known_instance(host, &of_accounts, accounts)? } else { None };
        let host_scopes = match record {
            Some(record) => {
                known.insert(number, record);
                Vec::new()
            }
            None => host_scopes(host, of_accounts, accounts, &mut answers)?,
        };
        scopes.push((key_of(host, by), host_scopes));
    }
    let mut wanted: BTreeMap<Scope, BTreeSet<Key>> = BTreeMap::new();
    for (key, scopes) in &scopes {
        for scope in scopes.iter().filter(|scope| !answers.contains_key(scope)) {
            wanted.entry(scope.clone()).or_default().insert(key.clone());
        }
    }
    let possible_names = || given.possible_names.iter().map(|text| Key::Name(text.clone()));
    wanted.values_mut().for_each(|keys| keys.extend(possible_names()));
    let asked = stream::iter(&wanted).map(|(scope, keys)| async move {
        let found = match &accounts[scope.account] {
            Ok(ec2) => ec2.lookup(&scope.region, keys, by).await.map_err(|failure| named_of(accounts, ec2, failure)),
            Err(failure) => Err(failure.clone()),
        };
        (scope.clone(), found)
    });
    answers.extend(asked.buffer_unordered(CONCURRENCY).collect::<Vec<_>>().await);
    ask_by_zone(accounts, &given.hosts, &mut scopes, &mut answers).await;
    let new = scopes.iter().zip(&given.hosts).filter(|((_, scopes), host)| !scopes.is_empty() && is_new(host));
    look_again(accounts, &new.map(|(scope, _)| scope).collect::<Vec<_>>(), by, &mut answers).await;
    let instances = answers.values().flatten().flat_map(HashMap::values).flatten();
    refuse_ambiguous(&given.possible_names, instances.filter(|instance| !has_ended(instance)))?;
    let mut found: Vec<Found> = scopes.iter().map(|(key, scopes)| found_host(key, scopes, &answers)).collect();
    for (number, record) in known {
        found[number] = Found::One(record);
    }
    explain_unknown(&mut found, &scopes, by);
    let is_found = |(_, found): &(_, &Found)| matches!(found, Found::One(_));
    let looked_in: BTreeSet<&Scope> =
        scopes.iter().zip(&found).filter(is_found).flat_map(|((_, scopes), _)| scopes).collect();
    let denied = looked_in.into_iter().filter_map(|scope| Some(answers.get(scope)?.as_ref().err()?.clone()));
    let denied = denied.collect();
    Ok((found, denied))
}

fn key_of(host: &Record, by: By) -> Key {
    let id = match by {
        By::Instance | By::LastInstance | By::Record => instance_id(host),
        By::Name => named_by_id(host),
    };
    id.map_or_else(|| Key::Name(host.host().to_string()), Key::Id)
}

/// Returns the record of a host that needs no lookup: it names its instance and region, and can be of one account only.
fn known_instance(host: &Record, of_accounts: &[usize], accounts: &[Result<&Ec2>]) -> Result<Option<Record>> {
    let [account] = of_accounts else { return Ok(None) };
    let (Ok(ec2), Some(id), Some(region)) = (&accounts[*account], instance_id(host), host.str("region")) else {
        return Ok(None);
    };
    check_region(&region).map_err(|failure| failure.within(host.host()))?;
    let mut record = host.clone();
    record.set("instance_id", id);
    if let Some(profile) = ec2.profile() {
        record.set(AWS_PROFILE, profile);
    }
    Ok(Some(record))
}

/// Returns where a host is looked for in these accounts. An account that cannot be used has its failure as answer.
fn host_scopes(
    host: &Record,
    of_accounts: Vec<usize>,
    accounts: &[Result<&Ec2>],
    answers: &mut Answers,
) -> Result<Vec<Scope>> {
    let mut scopes = Vec::new();
    for account in of_accounts {
        let regions = match (&accounts[account], host.str("region")) {
            (Err(failure), _) => {
                answers.insert(Scope::new(account, ""), Err(failure.clone()));
                scopes.push(Scope::new(account, ""));
                continue;
            }
            (Ok(_), Some(region)) => {
                check_region(&region).map_err(|failure| failure.within(host.host()))?;
                vec![region]
            }
            (Ok(ec2), None) => ec2.regions()?.to_vec(),
        };
        scopes.extend(regions.into_iter().map(|region| Scope::new(account, region)));
    }
    Ok(scopes)
}

/// Adds the way out to the failures of hosts that an outage of AWS has hidden. If no host at all could be asked about,
/// nothing can be done, which is graver.
fn explain_unknown(found: &mut [Found], scopes: &[(Key, Vec<Scope>)], by: By) {
    let is_all = found.iter().all(|found| matches!(found, Found::Unknown(_)));
    for (found, (key, _)) in found.iter_mut().zip(scopes) {
        let Found::Unknown(failure) = found else { continue };
        if by != By::Name && matches!(key, Key::Name(_)) && is_server_fault(failure) {
            failure.hint.get_or_insert_with(|| SAVED_LISTING.to_string());
        }
        if is_all {
            failure.status = failure.status.max(Status::Usage);
        }
    }
}

/// Looks again for hosts that were launched a moment ago and are not listed, until they are or [`VISIBLE_AFTER`] is
/// over.
async fn look_again(accounts: &[Result<&Ec2>], new: &[&(Key, Vec<Scope>)], by: By, answers: &mut Answers) {
    let (deadline, mut pause) = (Instant::now() + VISIBLE_AFTER, FIRST_PAUSE);
    loop {
        let absent = new.iter().filter(|(key, scopes)| matches!(found_host(key, scopes, answers), Found::Absent(_)));
        let mut wanted: BTreeMap<&Scope, BTreeSet<Key>> = BTreeMap::new();
        for (key, scopes) in absent {
            scopes.iter().for_each(|scope| _ = wanted.entry(scope).or_default().insert(key.clone()));
        }
        if wanted.is_empty() || Instant::now() + pause > deadline {
            return;
        }
        sleep(pause).await;
        pause *= 2;
        for (scope, keys) in wanted {
            let Ok(ec2) = &accounts[scope.account] else { continue };
            if let (Ok(seen), Some(Ok(known))) = (ec2.lookup(&scope.region, &keys, by).await, answers.get_mut(scope)) {
                known.extend(seen);
            }
        }
    }
}

impl Ec2 {
    /// Looks hosts up again by name, in order.
    pub async fn locate_again(&self, hosts: Vec<Record>) -> Vec<Found> {
        let count = hosts.len();
        let given = Given { hosts, possible_names: Vec::new() };
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
            let live = matches!(by, By::Instance | By::Record).then(|| Filter::new("instance-state-name", LIVE_STATES));
            let filters: Vec<_> = [by_name].into_iter().chain(live).collect();
            for record in self.find(region, &filters).await? {
                found.entry(Key::Name(record.host().to_string())).or_default().push(record);
            }
        }
        Ok(found)
    }
}
