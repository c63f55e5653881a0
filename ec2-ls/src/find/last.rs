//! `--last`: the instances of a saved listing, asked for by id and zone by zone, while a zone is down.
//!
//! "If you describe instances and specify only instance IDs that are in an unaffected zone, the call works normally"
//! (DescribeInstances, Amazon EC2 API Reference).

use crate::find::arrange::refreshed;
use cerveza_ec2::{Accounts, RegionArgs, is_instance_id};
use cerveza_manners::{Failure, Result};
use cerveza_record::{Item, Record, items, read_text};
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::path::Path;

/// How many zones are asked at once.
const ZONES: usize = 16;

/// A saved listing.
pub struct Saved {
    /// Its file.
    pub name: String,
    pub records: Vec<Record>,
    /// When it was saved, in RFC 3339.
    time: String,
}

/// The hosts of one zone, by their places in the listing.
type Zone = (usize, String, String);

/// What became of the hosts of a listing.
#[derive(Default)]
pub struct Refreshed {
    /// As they are now, or as last seen.
    pub records: Vec<Record>,
    /// Those that EC2 does not know any more.
    pub gone: Vec<Record>,
    /// Why hosts are listed as last seen: the zone, the reason, and the hosts.
    pub failed: Vec<(String, Failure, Vec<Record>)>,
}

/// Reads a listing that was saved with `ec2-ls > FILE`: its hosts in `regions`, or in all if there are none.
pub fn read_saved(path: &Path, regions: &[String]) -> Result<Saved> {
    let name = path.display().to_string();
    let cannot = |why: &dyn std::fmt::Display| Failure::usage(format!("cannot read {name}: {why}"));
    let file = File::open(path).map_err(|error| cannot(&error))?;
    let changed = file.metadata().and_then(|metadata| metadata.modified()).map_err(|error| cannot(&error))?;
    let text = read_text(file).map_err(|error| Failure::usage(format!("{name}: {error}")))?;
    let mut records = Vec::new();
    for item in items(&text) {
        let (line, item) = item.map_err(|error| Failure::usage(format!("{name}: {error}")))?;
        match item {
            Item::Record(record) if is_place_known(&record) => records.push(record),
            _ => {
                return Err(Failure::usage(format!("{name}: line {line}: not a record with instance_id and region"))
                    .hint("--last takes a listing that was saved with `ec2-ls > fleet.jsonl`"));
            }
        }
    }
    if records.is_empty() {
        return Err(Failure::usage(format!("{name}: it has no hosts")));
    }
    let has_all = regions.is_empty() || regions.iter().any(|region| region == "all");
    let is_in = |record: &Record| record.str("region").is_some_and(|region| regions.contains(&region));
    let mut seen = HashSet::new();
    records.retain(|record| (has_all || is_in(record)) && seen.insert(record.str("instance_id")));
    Ok(Saved { name, records, time: humantime::format_rfc3339_seconds(changed).to_string() })
}

fn is_place_known(record: &Record) -> bool {
    record.str("instance_id").is_some_and(|id| is_instance_id(&id)) && record.str("region").is_some()
}

/// Asks for the instances of the listing, all zones side by side.
pub async fn refresh(accounts: &Accounts, args: &RegionArgs, saved: &Saved) -> Refreshed {
    let mut zones: BTreeMap<Zone, Vec<&Record>> = BTreeMap::new();
    for record in &saved.records {
        // The account is that of the record, or the first of the run.
        let account = accounts.places_of(args, record).first().copied().unwrap_or_default();
        let text = |key| record.str(key).unwrap_or_default();
        zones.entry((account, text("region"), text("zone"))).or_default().push(record);
    }
    let asked = zones.iter().map(|(zone, hosts)| ask_zone(accounts, zone, hosts, saved));
    let mut asked = stream::iter(asked).buffer_unordered(ZONES);
    let mut all = Refreshed::default();
    while let Some(refreshed) = asked.next().await {
        all.records.extend(refreshed.records);
        all.gone.extend(refreshed.gone);
        all.failed.extend(refreshed.failed);
    }
    all
}

async fn ask_zone(accounts: &Accounts, (account, region, zone): &Zone, hosts: &[&Record], saved: &Saved) -> Refreshed {
    let mut all = Refreshed::default();
    let Some(account) = accounts.iter().nth(*account) else { return all };
    let ids: Vec<String> = hosts.iter().filter_map(|host| host.str("instance_id")).collect();
    let found = match &account.ec2 {
        Ok(ec2) => ec2.find_by_id(region, &ids).await,
        Err(failure) => Err(failure.clone()),
    };
    match found {
        Ok(found) => {
            let mut by_id: HashMap<_, _> = found.into_iter().map(|now| (now.str("instance_id"), now)).collect();
            for host in hosts {
                match by_id.remove(&host.str("instance_id")) {
                    Some(now) => all.records.push(refreshed(host, &now)),
                    None => all.gone.push((*host).clone()),
                }
            }
        }
        Err(failure) => {
            let failure = accounts.failure_of(account.profile.as_deref(), failure);
            all.records = hosts.iter().map(|host| as_last_seen(host, &saved.time)).collect();
            all.failed.push((
                if zone.is_empty() { region.clone() } else { zone.clone() },
                failure,
                all.records.clone(),
            ));
        }
    }
    all
}

/// Returns the record as it was last seen. What was stale in a saved listing is as old as it was there.
fn as_last_seen(host: &Record, time: &str) -> Record {
    let mut host = host.clone();
    if host.str("stale").is_none() {
        host.set("stale", time);
    }
    host
}
