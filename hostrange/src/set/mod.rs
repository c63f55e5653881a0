//! `HostSet`: an ordered list of words. A "word" is a name, a record, or a portion of a pattern such as `web[1-3]`.
//!
//! A union appends one list to another and expands nothing, so a host may be in several words: `visit` skips it when it
//! comes again. An operation (`!`, `&`, `^`) keeps some of the words, and of each pattern some of its names.

mod count;
mod operations;
pub(crate) mod order;
pub(crate) mod visit;

use crate::pattern::portion::Portion;
use crate::set::visit::Host;
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
pub(crate) enum Word<'a> {
    Name(Cow<'a, str>),
    Pattern(Portion),
    Record(Rc<Record>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct HostSet<'a> {
    words: Vec<Word<'a>>,
    /// Records of the operands. A host is written as its record, whichever operand had it.
    operand_records: Vec<Rc<Record>>,
    index: OnceCell<Index>,
}

/// Finds words by name. Made at the first look-up.
#[derive(Clone, Debug)]
struct Index {
    hasher: DefaultHashBuilder,
    /// The first word of each name and of each record's host.
    names: HashTable<usize>,
    patterns: Vec<usize>,
}

impl Word<'_> {
    /// Returns the host, or `None` for a pattern.
    fn host(&self) -> Option<Host<'_>> {
        match self {
            Word::Name(name) => Some(Host::Name(name)),
            Word::Record(record) => Some(Host::Record(record)),
            Word::Pattern(_) => None,
        }
    }

    /// Returns the name, or `None` for a pattern.
    pub fn name(&self) -> Option<&str> {
        self.host().map(Host::name)
    }

    fn as_pattern(&self) -> Option<&Portion> {
        match self {
            Word::Pattern(portion) => Some(portion),
            Word::Name(_) | Word::Record(_) => None,
        }
    }
}

impl<'a> HostSet<'a> {
    pub fn new(words: Vec<Word<'a>>) -> HostSet<'a> {
        HostSet { words, ..HostSet::default() }
    }

    /// Makes a union: appends the words of `other`.
    pub fn append(&mut self, mut other: HostSet<'a>) {
        self.words.append(&mut other.words);
        self.operand_records.append(&mut other.operand_records);
        self.index = OnceCell::new();
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Returns the number of hosts, duplicates included. `u128::MAX` means "or more".
    pub fn len(&self) -> u128 {
        let names = self.words.iter().filter(|word| word.name().is_some()).count();
        self.patterns().fold(names as u128, |sum, portion| sum.saturating_add(portion.len()))
    }

    pub fn patterns(&self) -> impl Iterator<Item = &Portion> {
        self.words.iter().filter_map(Word::as_pattern)
    }

    /// Returns all records, those of operands first.
    pub fn records(&self) -> impl Iterator<Item = &Rc<Record>> {
        let of_words = self.words.iter().filter_map(|word| match word {
            Word::Record(record) => Some(record),
            Word::Name(_) | Word::Pattern(_) => None,
        });
        self.operand_records.iter().chain(of_words)
    }

    /// Whether the hosts are known to be in natural order. Expands nothing.
    pub fn is_sorted(&self) -> bool {
        match self.words.as_slice() {
            [Word::Pattern(portion)] => portion.pattern.is_ascending(),
            words => words.len() < 2,
        }
    }

    pub fn contains(&self, name: &str) -> bool {
        self.is_in_words(name, self.words.len())
    }

    /// Copies borrowed names.
    pub fn into_owned(self) -> HostSet<'static> {
        let owned = |word| match word {
            Word::Name(name) => Word::Name(Cow::Owned(name.into_owned())),
            Word::Pattern(portion) => Word::Pattern(portion),
            Word::Record(record) => Word::Record(record),
        };
        let words = self.words.into_iter().map(owned).collect();
        HostSet { words, operand_records: self.operand_records, index: OnceCell::new() }
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let names = self.words.iter().filter(|word| word.name().is_some()).count();
            let mut index = Index {
                hasher: DefaultHashBuilder::default(),
                names: HashTable::with_capacity(names),
                patterns: Vec::new(),
            };
            for (at, word) in self.words.iter().enumerate() {
                let Some(name) = word.name() else {
                    index.patterns.push(at);
                    continue;
                };
                let is_it = |other: &usize| self.words[*other].name() == Some(name);
                let hash = |other: &usize| index.hasher.hash_one(self.words[*other].name().unwrap_or_default());
                index.names.entry(index.hasher.hash_one(name), is_it, hash).or_insert(at);
            }
            index
        })
    }

    /// Returns the index of the first word with this name.
    fn find_name(&self, name: &str) -> Option<usize> {
        let index = self.index();
        if index.names.is_empty() {
            // Saves the hash.
            return None;
        }
        let is_it = |at: &usize| self.words[*at].name() == Some(name);
        index.names.find(index.hasher.hash_one(name), is_it).copied()
    }

    /// Whether one of the first `end` words gives `name`.
    fn is_in_words(&self, name: &str, end: usize) -> bool {
        self.find_name(name).is_some_and(|word| word < end)
            || self.patterns_in_words(end).any(|portion| portion.contains(name))
    }

    /// Returns each name that is a word or the host of a record, once.
    fn distinct_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.index().names.iter().map(|word| self.words[*word].name().unwrap_or_default())
    }

    fn patterns_in_words(&self, end: usize) -> impl Iterator<Item = &Portion> {
        let words = self.index().patterns.iter().take_while(move |word| **word < end);
        words.filter_map(|word| self.words[*word].as_pattern())
    }
}
