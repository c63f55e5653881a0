//! `HostSet`: an ordered list of members. A "member" is a name, a record, or a portion of a pattern such as `web[1-3]`.
//!
//! A union appends one list to another and expands nothing, so a host may be in several members: `visit` skips it when it
//! comes again. An operation (`!`, `&`, `^`) keeps some of the members, and of each pattern some of its names.

mod count;
pub(crate) mod listing;
mod operations;
pub(crate) mod select;
pub(crate) mod visit;

use crate::pattern::portion::Portion;
use cerveza_record::Record;
use hashbrown::{DefaultHashBuilder, HashTable};
pub(crate) use operations::Operator;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::hash::BuildHasher;
use std::rc::Rc;

/// Limit of names that an operation, sort or fold reads into memory. So many take some gigabytes.
pub(crate) const MOST_IN_MEMORY: u128 = 20_000_000;

#[derive(Clone, Debug)]
pub(crate) enum Host<'a> {
    Name(Cow<'a, str>),
    Record(Rc<Record>),
}

#[derive(Clone, Debug)]
pub(crate) enum Member<'a> {
    Host(Host<'a>),
    Pattern(Portion),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct HostSet<'a> {
    members: Vec<Member<'a>>,
    /// Records of the operands. A host is written as its record, whichever operand had it.
    operand_records: Vec<Rc<Record>>,
    index: OnceCell<Index>,
}

/// Finds members by name. Made at the first look-up.
#[derive(Clone, Debug)]
struct Index {
    hasher: DefaultHashBuilder,
    /// The first member of each name and of each record's host.
    names: HashTable<usize>,
    patterns: Vec<usize>,
}

impl Host<'_> {
    pub fn name(&self) -> &str {
        match self {
            Host::Name(name) => name,
            Host::Record(record) => record.host(),
        }
    }

    /// Copies a borrowed name.
    fn into_owned(self) -> Host<'static> {
        match self {
            Host::Name(name) => Host::Name(name.into_owned().into()),
            Host::Record(record) => Host::Record(record),
        }
    }
}

impl<'a> From<&'a str> for Host<'a> {
    fn from(name: &'a str) -> Host<'a> {
        Host::Name(name.into())
    }
}

impl Member<'_> {
    /// Returns the name, or `None` for a pattern.
    pub fn name(&self) -> Option<&str> {
        match self {
            Member::Host(host) => Some(host.name()),
            Member::Pattern(_) => None,
        }
    }

    fn as_pattern(&self) -> Option<&Portion> {
        match self {
            Member::Host(_) => None,
            Member::Pattern(portion) => Some(portion),
        }
    }
}

impl<'a> HostSet<'a> {
    pub fn new(members: Vec<Member<'a>>) -> HostSet<'a> {
        HostSet { members, ..HostSet::default() }
    }

    /// Makes a union: appends the members of `other`.
    pub fn append(&mut self, mut other: HostSet<'a>) {
        self.members.append(&mut other.members);
        self.operand_records.append(&mut other.operand_records);
        self.index = OnceCell::new();
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns the number of hosts, duplicates included. `u128::MAX` means "or more".
    pub fn len(&self) -> u128 {
        let names = self.members.iter().filter(|member| member.name().is_some()).count();
        self.patterns().fold(names as u128, |sum, portion| sum.saturating_add(portion.len()))
    }

    pub fn patterns(&self) -> impl Iterator<Item = &Portion> {
        self.members.iter().filter_map(Member::as_pattern)
    }

    /// Returns all records, those of operands first.
    pub fn records(&self) -> impl Iterator<Item = &Rc<Record>> {
        let of_words = self.members.iter().filter_map(|member| match member {
            Member::Host(Host::Record(record)) => Some(record),
            _ => None,
        });
        self.operand_records.iter().chain(of_words)
    }

    /// Whether the hosts are known to be in natural order. Expands nothing.
    pub fn is_sorted(&self) -> bool {
        match self.members.as_slice() {
            [Member::Pattern(portion)] => portion.pattern.is_ascending(),
            members => members.len() < 2,
        }
    }

    pub fn contains(&self, name: &str) -> bool {
        self.is_in_members(name, self.members.len())
    }

    /// Copies borrowed names.
    pub fn into_owned(self) -> HostSet<'static> {
        let owned = |member| match member {
            Member::Host(host) => Member::Host(host.into_owned()),
            Member::Pattern(portion) => Member::Pattern(portion),
        };
        let members = self.members.into_iter().map(owned).collect();
        HostSet { members, operand_records: self.operand_records, index: OnceCell::new() }
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let names = self.members.iter().filter(|member| member.name().is_some()).count();
            let mut index = Index {
                hasher: DefaultHashBuilder::default(),
                names: HashTable::with_capacity(names),
                patterns: Vec::new(),
            };
            for (at, member) in self.members.iter().enumerate() {
                let Some(name) = member.name() else {
                    index.patterns.push(at);
                    continue;
                };
                let is_it = |other: &usize| self.members[*other].name() == Some(name);
                let hash = |other: &usize| index.hasher.hash_one(self.members[*other].name().unwrap_or_default());
                index.names.entry(index.hasher.hash_one(name), is_it, hash).or_insert(at);
            }
            index
        })
    }

    /// Returns the index of the first member with this name.
    fn find_name(&self, name: &str) -> Option<usize> {
        let index = self.index();
        if index.names.is_empty() {
            // Saves the hash.
            return None;
        }
        let is_it = |at: &usize| self.members[*at].name() == Some(name);
        index.names.find(index.hasher.hash_one(name), is_it).copied()
    }

    /// Whether one of the first `end` members gives `name`.
    fn is_in_members(&self, name: &str, end: usize) -> bool {
        self.find_name(name).is_some_and(|member| member < end)
            || self.patterns_in_members(end).any(|portion| portion.contains(name))
    }

    /// Returns each name that is a member or the host of a record, once.
    fn distinct_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.index().names.iter().map(|member| self.members[*member].name().unwrap_or_default())
    }

    fn patterns_in_members(&self, end: usize) -> impl Iterator<Item = &Portion> {
        let members = self.index().patterns.iter().take_while(move |member| **member < end);
        members.filter_map(|member| self.members[*member].as_pattern())
    }
}
