//! The hosts of a run, in the order in which they come out: one after another as the set gives them, or where they have to
//! be sorted, listed in memory.

use crate::names::Names;
use crate::set::{Host, HostSet, Sink, Step, finished};
use crate::words::Word;
use cerveza_manners::{Failure, Result};
use cerveza_record::natural_cmp;
use cerveza_record::{Record, Value};
use hashbrown::HashMap;
use num_bigint::BigUint;

pub(crate) enum Hosts<'a> {
    /// Each once, as a name.
    Names(HostSet<'a>),
    /// Each once, those of which a record was read as that record.
    Records(HostSet<'a>),
    /// As they come, also more than once.
    Duplicates(HostSet<'a>),
    Listed(Vec<Listed>),
}

pub(crate) enum Listed {
    Name(String),
    Record(Box<Record>),
}

/// More names than this are gigabytes of memory.
const MOST_LISTED: u32 = 50_000_000;

impl<'a> Hosts<'a> {
    pub fn new(set: HostSet<'a>, sort: bool, keep_duplicates: bool, as_records: bool) -> Result<Hosts<'a>> {
        let is_sorted = set.is_sorted();
        let hosts = match keep_duplicates {
            true => Hosts::Duplicates(set),
            false if as_records => Hosts::Records(set),
            false => Hosts::Names(set),
        };
        if !sort || is_sorted {
            return Ok(hosts);
        }
        if hosts.count() > MOST_LISTED.into() {
            return Err(Failure::usage(format!("cannot hold more than {MOST_LISTED} hosts to sort them")));
        }
        let mut list = List::default();
        finished(hosts.feed(&mut list))?;
        list.0.sort_by(|a, b| natural_cmp(a.as_host().name(), b.as_host().name()));
        Ok(Hosts::Listed(list.0))
    }

    pub fn feed(&self, sink: &mut dyn Sink) -> Step {
        match self {
            Hosts::Names(set) => set.feed(sink),
            Hosts::Records(set) => set.feed(&mut WithRecords { records: records(set), sink }),
            Hosts::Duplicates(set) => set.feed_duplicates(sink),
            Hosts::Listed(hosts) => hosts.iter().try_for_each(|host| sink.host(host.as_host())),
        }
    }

    /// How many come out: of a set without expanding it.
    pub fn count(&self) -> BigUint {
        match self {
            Hosts::Names(set) => set.count(),
            Hosts::Records(set) => {
                let records = records(set);
                let several = records.iter().filter(|(host, records)| records.len() > 1 && set.contains(host));
                set.count() + several.map(|(_, records)| records.len() - 1).sum::<usize>()
            }
            Hosts::Duplicates(set) => set.count_duplicates(),
            Hosts::Listed(hosts) => hosts.len().into(),
        }
    }
}

impl Listed {
    fn as_host(&self) -> Host<'_> {
        match self {
            Listed::Name(name) => Host::Name(name),
            Listed::Record(record) => Host::Record(record),
        }
    }
}

/// Takes hosts into memory.
#[derive(Default)]
struct List(Vec<Listed>);

impl Sink for List {
    fn host(&mut self, host: Host<'_>) -> Step {
        self.0.push(match host {
            Host::Name(name) => Listed::Name(name.to_string()),
            Host::Record(record) => Listed::Record(Box::new(record.clone())),
        });
        Ok(())
    }
}

/// The records that were read of each host, in any operand. Several instances may have one name, so of a host all records
/// count that have an `instance_id` of their own; where none has any, the first.
fn records<'s>(set: &'s HostSet<'_>) -> HashMap<&'s str, Vec<&'s Record>> {
    let instance = |record: &Record| record.get("instance_id").filter(|id| *id != Value::Null);
    let mut records: HashMap<&str, Vec<&Record>> = HashMap::new();
    for word in set.all_words().flat_map(|words| words.iter()) {
        let Word::Record(record) = word else { continue };
        let known = records.entry(record.host()).or_default();
        match (instance(record), known.as_slice()) {
            (_, []) => known.push(record),
            (None, _) => {}
            (Some(_), [first]) if instance(first).is_none() => known[0] = record,
            (Some(id), _) if known.iter().any(|other| instance(other).as_ref() == Some(&id)) => {}
            (Some(_), _) => known.push(record),
        }
    }
    records
}

/// The places of the known hosts among the names that are still to come, ascending.
pub(crate) fn places_of<'s>(known: impl Iterator<Item = &'s str>, names: &Names<'_>) -> Vec<BigUint> {
    let (pattern, next) = (names.pattern(), names.position());
    let mut places: Vec<BigUint> = known.filter_map(|host| pattern.find(host)).filter(|at| *at >= next).collect();
    places.sort_unstable();
    places
}

/// Gives the records of a host in place of its name.
struct WithRecords<'s> {
    records: HashMap<&'s str, Vec<&'s Record>>,
    sink: &'s mut dyn Sink,
}

impl Sink for WithRecords<'_> {
    fn host(&mut self, host: Host<'_>) -> Step {
        match self.records.get(host.name()) {
            Some(records) => records.iter().try_for_each(|record| self.sink.host(Host::Record(record))),
            None => self.sink.host(host),
        }
    }

    /// The names between those that have a record stay runs.
    fn names(&mut self, names: &mut Names<'_>) -> Step {
        if names.left() <= self.records.len() as u64 {
            while let Some(name) = names.next_name() {
                self.host(Host::Name(name))?;
            }
            return Ok(());
        }
        let places = places_of(self.records.keys().copied(), names);
        for place in places {
            let before = place - names.position();
            self.sink.names(&mut names.split_off(&before))?;
            if let Some(name) = names.next_name() {
                self.host(Host::Name(name))?;
            }
        }
        self.sink.names(names)
    }

    fn idle(&mut self) -> Step {
        self.sink.idle()
    }
}
