//! The hosts of a run, in the order in which they come out: as they are asked for, one after another, or where that
//! cannot be, listed in memory.

use crate::natural::natural_cmp;
use crate::set::{Host, HostSet, Sink, Step, finished};
use crate::words::Word;
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, Value};
use hashbrown::{HashMap, HashSet};
use num_bigint::BigUint;

pub(crate) enum Hosts<'a> {
    Set(HostSet<'a>),
    /// With what is given more than once.
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
    pub fn new(set: HostSet<'a>, sort: bool, keep_duplicates: bool) -> Result<Hosts<'a>> {
        let has_records = set.has_records();
        if !has_records && (!sort || set.is_sorted()) {
            return Ok(if keep_duplicates { Hosts::Duplicates(set) } else { Hosts::Set(set) });
        }
        if set.most() > MOST_LISTED.into() && set.count() > MOST_LISTED.into() {
            return Err(Failure::usage(format!("cannot hold more than {MOST_LISTED} hosts to sort them")));
        }
        let mut listed = match (keep_duplicates, has_records) {
            (true, _) => List::of(|list| set.feed_duplicates(list))?,
            (false, false) => List::of(|list| set.feed(list))?,
            (false, true) => with_records(&set)?,
        };
        if sort {
            listed.sort_by(|a, b| natural_cmp(a.as_host().name(), b.as_host().name()));
        }
        Ok(Hosts::Listed(listed))
    }

    pub fn feed(&self, sink: &mut dyn Sink) -> Step {
        match self {
            Hosts::Set(set) => set.feed(sink),
            Hosts::Duplicates(set) => set.feed_duplicates(sink),
            Hosts::Listed(hosts) => hosts.iter().try_for_each(|host| sink.host(host.as_host())),
        }
    }

    /// How many come out: of a set without expanding it.
    pub fn count(&self) -> BigUint {
        match self {
            Hosts::Set(set) => set.count(),
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

impl List {
    fn of(feed: impl FnOnce(&mut List) -> Step) -> Result<Vec<Listed>> {
        let mut list = List::default();
        finished(feed(&mut list))?;
        Ok(list.0)
    }
}

impl Sink for List {
    fn host(&mut self, host: Host<'_>) -> Step {
        self.0.push(match host {
            Host::Name(name) => Listed::Name(name.to_string()),
            Host::Record(record) => Listed::Record(Box::new(record.clone())),
        });
        Ok(())
    }
}

/// An `instance_id`, where there is one, and the first record of it until that has come out.
type Instance<'r> = (Option<Value>, Option<&'r Record>);

/// The hosts of a set, those of which a record was read as that record: also where their place is that of a name. Two
/// instances may have one name, so of records of one host all with an instance of its own come out.
fn with_records(set: &HostSet<'_>) -> Result<Vec<Listed>> {
    let mut records: HashMap<&str, Vec<Instance>> = HashMap::new();
    for word in set.all_words().flat_map(|words| words.iter()) {
        if let Word::Record(record) = word {
            let (instances, instance) = (records.entry(record.host()).or_default(), record.get("instance_id"));
            if instances.iter().all(|(other, _)| *other != instance) {
                instances.push((instance, Some(record)));
            }
        }
    }
    let mut listed = Vec::new();
    let mut names = HashSet::new();
    for host in List::of(|list| set.feed_duplicates(list))? {
        let instances = records.get_mut(host.as_host().name());
        match (host, instances) {
            (Listed::Record(record), Some(instances)) => {
                let instance = record.get("instance_id");
                let taken =
                    instances.iter_mut().find(|(other, _)| *other == instance).and_then(|(_, first)| first.take());
                listed.extend(taken.map(|record| Listed::Record(Box::new(record.clone()))));
            }
            (_, Some(instances)) => {
                let taken = instances.iter_mut().filter_map(|(_, first)| first.take());
                listed.extend(taken.map(|record| Listed::Record(Box::new(record.clone()))));
            }
            (host, None) => {
                if names.insert(host.as_host().name().to_string()) {
                    listed.push(host);
                }
            }
        }
    }
    Ok(listed)
}
