//! Adds to the records of instances what takes further calls.

use crate::find::{Finder, Found};
use crate::show::show_args::ShowArgs;
use cerveza_ec2::{Ec2, Health, grouped};
use cerveza_manners::{Failure, ProgressArgs, Result, Status, Tool};
use cerveza_record::{Record, Value};
use futures_util::future::{Either, join_all, select};
use hostrange::fold;
use std::collections::{BTreeMap, HashMap};
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

/// What could not be read.
#[derive(Debug, Default)]
pub struct Unread {
    /// Of whole regions.
    regions: Vec<Failure>,
    /// Of single hosts, by name.
    hosts: Vec<(String, Failure)>,
}

/// Adds to the records what `args` asks for. What cannot be read is left out of the record, and reported.
pub async fn add_details(
    args: &ShowArgs,
    finder: &Finder<'_>,
    progress: &ProgressArgs,
    records: &mut [Record],
) -> Result<Unread> {
    let mut all = Unread::default();
    if !args.needs_details() {
        return Ok(all);
    }
    for (account, ec2, places) in finder.by_account(records) {
        let mut its: Vec<Record> = places.iter().map(|place| records[*place].clone()).collect();
        let unread = tokio::select! {
            unread = add(args, ec2, progress, &mut its) => unread,
            interrupted = finder.accounts.interrupted() => return Err(interrupted),
        };
        let named = |failure| finder.accounts.failure_of(account.profile.as_deref(), failure);
        all.regions.extend(unread.regions.into_iter().map(named));
        all.hosts.extend(unread.hosts.into_iter().map(|(host, failure)| (host, named(failure))));
        for (place, record) in places.into_iter().zip(its) {
            records[place] = record;
        }
    }
    Ok(all)
}

async fn add(args: &ShowArgs, ec2: &Ec2, progress: &ProgressArgs, records: &mut [Record]) -> Unread {
    let mut unread = Unread::default();
    if args.status {
        add_health(ec2, records, &mut unread).await;
    }
    if args.volume_sizes {
        add_volume_sizes(ec2, records, &mut unread).await;
    }
    if args.has_own_calls() {
        records.iter_mut().for_each(|record| record.remove("error"));
        // A terminated instance has no user-data any more, and is not asked for it.
        let is_there = |record: &&Record| record.str("state").as_deref() != Some("terminated");
        let there: Vec<Record> = records.iter().filter(is_there).cloned().collect();
        let doing = |doing| progress.bar(there.len() as u64, doing);
        if args.user_data {
            let bar = doing("reading user-data");
            let read = ec2.user_data(&there, || bar.inc(1)).await;
            bar.finish_and_clear();
            put(records, "user_data", read, &mut unread);
        }
        if args.console {
            let bar = doing("reading consoles");
            let read = ec2.consoles(&there, || bar.inc(1)).await.into_iter();
            bar.finish_and_clear();
            let read = read.map(|(id, console)| (id, console.map(|console| console.map(|console| console.text))));
            put(records, "console", read.collect(), &mut unread);
        }
        if args.host_keys {
            let bar = doing("reading host keys");
            let read = ec2.host_keys(&there, || bar.inc(1)).await.into_iter();
            bar.finish_and_clear();
            let read = read.map(|(id, keys)| (id, keys.and_then(|keys| keys.map(Some).ok_or_else(no_keys))));
            put(records, "host_keys", read.collect(), &mut unread);
        }
    }
    unread
}

fn no_keys() -> Failure {
    Failure::unreached("the console shows no host keys")
        .hint("cloud-init prints them at the first boot of an instance only, and EC2 keeps 64 KB of the console")
}

/// Puts what was read into the records, over what they said before. Unknown is not `null`: the key is missing then,
/// and `error` says why.
fn put<T: Into<Value>>(
    records: &mut [Record],
    key: &str,
    mut read: HashMap<String, Result<Option<T>>>,
    unread: &mut Unread,
) {
    for record in records {
        match record.str("instance_id").and_then(|id| read.remove(&id)).unwrap_or(Ok(None)) {
            Ok(value) => record.set(key, value.map_or(Value::Null, Into::into)),
            Err(failure) => {
                record.remove(key);
                record.set("error", failure.message.as_str());
                unread.hosts.push((record.host().to_string(), failure));
            }
        }
    }
}

/// How much longer than the listing the status of instances may take if no option asks for it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs `listing`, and reads beside it which instances are not well. If that fails or takes longer the listing is as it
/// would be without.
pub async fn with_health(finder: &Finder<'_>, listing: impl Future<Output = Result<Found>>) -> Result<Found> {
    let places = finder.places()?;
    let unhealthy = async {
        let read = join_all(places.iter().map(async |place| match &place.account.ec2 {
            Ok(ec2) => ec2.unhealthy(&place.region).await.unwrap_or_default(),
            Err(_) => HashMap::new(),
        }));
        read.await.into_iter().flatten().collect::<HashMap<String, Health>>()
    };
    let (mut found, unhealthy) = match select(pin!(listing), pin!(unhealthy)).await {
        Either::Left((found, unhealthy)) => (found?, timeout(PATIENCE, unhealthy).await.unwrap_or_default()),
        Either::Right((unhealthy, listing)) => (listing.await?, unhealthy),
    };
    for record in &mut found.records {
        if let Some(health) = record.str("instance_id").and_then(|id| unhealthy.get(&id)) {
            health.set_in(record);
        }
    }
    Ok(found)
}

/// Returns the ids of the instances by region.
pub fn ids_by_region(records: &[Record]) -> BTreeMap<String, Vec<String>> {
    let mut regions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in records {
        if let (Some(region), Some(id)) = (record.str("region"), record.str("instance_id")) {
            regions.entry(region).or_default().push(id);
        }
    }
    regions
}

async fn add_health(ec2: &Ec2, records: &mut [Record], unread: &mut Unread) {
    let regions = ids_by_region(records);
    let read = join_all(regions.iter().map(|(region, ids)| ec2.health(region, ids))).await;
    let read: HashMap<&String, _> = regions.keys().zip(read).collect();
    for record in records {
        match record.str("region").and_then(|region| read.get(&region)) {
            Some(Ok(health)) => match record.str("instance_id").and_then(|id| health.get(&id)) {
                Some(health) => health.set_in(record),
                None => {
                    record.set("status_checks", Value::Null);
                    record.set("scheduled_events", Vec::<Value>::new());
                }
            },
            _ => {
                record.remove("status_checks");
                record.remove("scheduled_events");
            }
        }
    }
    unread.regions.extend(read.into_values().filter_map(Result::err));
}

async fn add_volume_sizes(ec2: &Ec2, records: &mut [Record], unread: &mut Unread) {
    let regions = ids_by_region(records);
    let read = join_all(regions.iter().map(|(region, ids)| ec2.volume_records(region, Some(ids)))).await;
    let mut sizes: HashMap<String, Value> = HashMap::new();
    for read in read {
        match read {
            Ok(volumes) => sizes
                .extend(volumes.iter().filter_map(|volume| Some((volume.host().to_string(), volume.get("size_gib")?)))),
            Err(failure) => unread.regions.push(failure),
        }
    }
    for record in records {
        let Some(Value::Array(mut volumes)) = record.get("volumes") else { continue };
        for volume in &mut volumes {
            let size = volume["volume_id"].as_str().and_then(|id| sizes.get(id)).cloned();
            if let (Some(volume), Some(size)) = (volume.as_object_mut(), size) {
                volume.insert("size_gib".to_string(), size);
            }
        }
        record.set("volumes", volumes);
    }
}

impl Unread {
    /// Says why: once for what is so of many hosts, such as a permission that is missing.
    pub fn warn_of_each(&self, tool: &Tool) -> Status {
        self.regions.iter().for_each(|failure| tool.failure(failure));
        for (hosts, failure) in grouped(self.hosts.iter().map(|(host, failure)| (host.as_str(), failure))) {
            tool.failure(&failure.within(fold(hosts)));
        }
        if self.regions.is_empty() && self.hosts.is_empty() { Status::Done } else { Status::Unreached }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(why: &str) -> Result<Option<String>> {
        Err(Failure::unreached(format!("DescribeInstanceAttribute in us-east-1: {why}")))
    }

    fn record(number: usize) -> Record {
        let line = format!(r#"{{"user_data":"b2xk","host":"web{number}","instance_id":"i-{number}"}}"#);
        Record::parse(&line).unwrap()
    }

    #[test]
    fn what_was_read_replaces_what_an_older_record_said() {
        let after = |read: Result<Option<String>>| {
            let mut records = [record(1)];
            put(&mut records, "user_data", HashMap::from([("i-1".to_string(), read)]), &mut Unread::default());
            records[0].to_string()
        };
        assert_eq!(after(Ok(Some("aGk=".into()))), r#"{"user_data":"aGk=","host":"web1","instance_id":"i-1"}"#);
        assert_eq!(after(Ok(None)), r#"{"user_data":null,"host":"web1","instance_id":"i-1"}"#);
        assert_eq!(
            after(failed("down")),
            r#"{"host":"web1","instance_id":"i-1","error":"DescribeInstanceAttribute in us-east-1: down"}"#
        );
    }
}
