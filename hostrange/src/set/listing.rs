//! Decides which hosts are written and in which order: duplicates, records in place of names, `--sort`.

use crate::pattern::names::Names;
use crate::set::visit::{HostVisitor, Visited, finished};
use crate::set::{Host, HostSet, MOST_IN_MEMORY, Member};
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, Value, natural_cmp};
use hashbrown::HashMap;
use num_bigint::BigUint;
use std::rc::Rc;

/// What is written for a host that was given more than once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeats {
    /// Its name, once.
    Once,
    /// Its records, or its name if it has no record.
    Records,
    /// Everything that was given.
    Kept,
}

/// A set, and what of it is listed.
pub(crate) struct Listing<'a> {
    set: HostSet<'a>,
    repeats: Repeats,
}

impl<'a> Listing<'a> {
    pub fn new(set: HostSet<'a>, repeats: Repeats) -> Listing<'a> {
        Listing { set, repeats }
    }

    /// Sorts the hosts in memory, unless the set is sorted already.
    pub fn sorted(self) -> Result<Listing<'a>> {
        if self.set.is_sorted() {
            return Ok(self);
        }
        if self.set.len() > MOST_IN_MEMORY {
            return Err(Failure::usage(format!("cannot sort more than {MOST_IN_MEMORY} hosts")));
        }
        let mut list = List(Vec::new());
        finished(self.for_each_host(&mut list))?;
        list.0.sort_by(|a, b| natural_cmp(a.name().unwrap_or_default(), b.name().unwrap_or_default()));
        Ok(Listing { set: HostSet::new(list.0), repeats: Repeats::Kept })
    }

    pub fn contains(&self, name: &str) -> bool {
        self.set.contains(name)
    }

    pub fn for_each_host(&self, visitor: &mut dyn HostVisitor) -> Visited {
        match self.repeats {
            Repeats::Once => self.set.for_each_host(visitor),
            Repeats::Records => self.set.for_each_host(&mut WithRecords { records: self.records(), visitor }),
            Repeats::Kept => self.set.for_each_duplicate(visitor),
        }
    }

    /// Returns the number of hosts that are visited.
    pub fn count(&self) -> Result<BigUint> {
        match self.repeats {
            Repeats::Once => self.set.count(),
            Repeats::Records => {
                let records = self.records();
                let several = records.iter().filter(|(host, records)| records.len() > 1 && self.set.contains(host));
                Ok(self.set.count()? + several.map(|(_, records)| records.len() - 1).sum::<usize>())
            }
            Repeats::Kept => Ok(self.set.count_duplicates()),
        }
    }

    /// Returns [`Listing::count`] for arithmetic with positions.
    pub fn len(&self) -> Result<u128> {
        let count = self.count()?;
        u128::try_from(&count).map_err(|_| Failure::usage(format!("cannot choose from {count} hosts: more than 2^128")))
    }

    /// Returns the records of each host. Several instances may have one name, so a host has one record for each
    /// `instance_id`. Of records without an `instance_id` only the first counts.
    fn records(&self) -> HashMap<&str, Vec<&Rc<Record>>> {
        let instance = |record: &Record| record.get("instance_id").filter(|id| *id != Value::Null);
        let mut records: HashMap<&str, Vec<&Rc<Record>>> = HashMap::new();
        for record in self.set.records() {
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
}

/// Visits the records of a host instead of its name.
struct WithRecords<'s> {
    records: HashMap<&'s str, Vec<&'s Rc<Record>>>,
    visitor: &'s mut dyn HostVisitor,
}

impl HostVisitor for WithRecords<'_> {
    fn visit_host(&mut self, host: &Host<'_>) -> Visited {
        match self.records.get(host.name()) {
            Some(records) => {
                records.iter().try_for_each(|record| self.visitor.visit_host(&Host::Record(Rc::clone(record))))
            }
            None => self.visitor.visit_host(host),
        }
    }

    /// Passes runs on, because a host with a record is never in a run.
    fn visit_run(&mut self, run: &mut Names<'_>) -> Visited {
        self.visitor.visit_run(run)
    }
}

/// Collects hosts as members.
struct List(Vec<Member<'static>>);

impl HostVisitor for List {
    fn visit_host(&mut self, host: &Host<'_>) -> Visited {
        self.0.push(Member::Host(host.clone().into_owned()));
        Ok(())
    }
}
