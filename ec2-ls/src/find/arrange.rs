//! Puts the instances that were found in order, each into the record that asked for it.

use crate::query::{Query, address, addresses};
use cerveza_ec2::{instance_id, is_new};
use cerveza_manners::Failure;
use cerveza_record::{Record, natural_cmp};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

/// Where the instances are that were found, by what hosts are given by.
struct Index<'a> {
    found: &'a [Record],
    ids: HashMap<String, Vec<usize>>,
    names: HashMap<&'a str, Vec<usize>>,
    addresses: HashMap<IpAddr, Vec<usize>>,
}

impl<'a> Index<'a> {
    fn new(found: &'a [Record]) -> Index<'a> {
        let mut index = Index { found, ids: HashMap::new(), names: HashMap::new(), addresses: HashMap::new() };
        for (at, record) in found.iter().enumerate() {
            index.ids.entry(record.str("instance_id").unwrap_or_default()).or_default().push(at);
            index.names.entry(record.host()).or_default().push(at);
            for address in addresses(record) {
                index.addresses.entry(address).or_default().push(at);
            }
        }
        index
    }

    /// Returns the instances that a host is, by their places.
    fn places_of(&self, host: &Record) -> Vec<usize> {
        let of_id = instance_id(host).map(|id| self.ids.get(&id).into_iter().flatten());
        let named = self.names.get(host.host()).into_iter().flatten();
        let addressed = address(host).and_then(|address| self.addresses.get(&address)).into_iter().flatten();
        let mut places: Vec<usize> = match of_id {
            Some(of_id) => of_id.copied().collect(),
            None => named.chain(addressed).copied().collect(),
        };
        // Accounts may have the same names, and profiles the same account.
        let is_here = |key, at: &usize| host.str(key).is_none_or(|its| self.found[*at].str(key) == Some(its));
        places.retain(|at| is_here("region", at) && is_here("aws_profile", at));
        let mut seen = HashSet::new();
        places.retain(|at| seen.insert(*at));
        places
    }
}

/// Arranges `found`, in which each instance is once. A record that asked for an instance keeps its keys; one that could
/// not be asked for, as `failure_of` says, comes out as it came, with `error`. Hosts of stdin keep their order, others
/// are sorted by name. Also returns the hosts without an instance.
pub fn arrange<'a>(
    query: &Query,
    found: Vec<Record>,
    failure_of: impl Fn(&Record) -> Option<&'a Failure>,
) -> (Vec<Record>, Vec<Record>) {
    let index = Index::new(&found);
    let places: Vec<Vec<usize>> = query.hosts.iter().map(|host| index.places_of(host)).collect();
    let is_record = |host: &Record| host.iter().nth(1).is_some();
    let of_records = query.hosts.iter().zip(&places).filter(|(host, _)| is_record(host)).flat_map(|(_, places)| places);
    let mut written: HashSet<usize> = of_records.copied().collect();
    let (mut records, mut missing) = (Vec::new(), Vec::new());
    for (host, places) in query.hosts.iter().zip(&places) {
        match (is_record(host), failure_of(host)) {
            (true, Some(failure)) if places.is_empty() => {
                let mut record = host.clone();
                record.set("error", failure.message.as_str());
                records.push(record);
            }
            (_, Some(_)) if places.is_empty() => {}
            (_, None) if places.is_empty() => missing.push(host.clone()),
            (true, _) => records.extend(places.iter().map(|at| refreshed(host, &found[*at]))),
            (false, _) => records.extend(places.iter().filter(|at| written.insert(**at)).map(|at| found[*at].clone())),
        }
    }
    let others = found.iter().enumerate().filter(|(at, _)| !written.contains(at)).map(|(_, record)| record.clone());
    let mut others: Vec<Record> = others.collect();
    if !query.is_ordered {
        others.append(&mut records);
    }
    sort(&mut others);
    records.extend(others);
    (records, missing)
}

/// Returns the record with the facts of now.
pub fn refreshed(host: &Record, now: &Record) -> Record {
    let mut record = host.clone();
    record.merge(now.clone());
    record.remove("stale");
    if !record.has("action") && !record.has("status") {
        // It is of an earlier listing.
        record.remove("error");
    }
    record
}

/// By name as people count.
fn sort(records: &mut [Record]) {
    let by_id = |a: &Record, b: &Record| a.str("instance_id").cmp(&b.str("instance_id"));
    records.sort_by(|a, b| match natural_cmp(a.host(), b.host()) {
        Ordering::Equal => by_id(a, b),
        order => order,
    });
}

/// Returns the instances (region, id) of missing hosts that were launched a moment ago.
pub fn missing_new(query: &Query, found: &[Record]) -> Vec<(String, String)> {
    let new: Vec<&Record> = query.hosts.iter().filter(|host| is_new(host)).collect();
    if new.is_empty() {
        return Vec::new();
    }
    let index = Index::new(found);
    let missing = new.into_iter().filter(|host| index.places_of(host).is_empty());
    missing.filter_map(|host| Some((host.str("region")?, host.str("instance_id")?))).collect()
}
