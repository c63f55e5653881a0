//! `HostSet`: an ordered list of words. A "word" is a name, a pattern such as `web[1-3]`, or a record.
//!
//! A union appends one list to another and expands nothing. An operation (`!`, `&`, `^`) expands patterns into names and
//! keeps some of them, so a set is always a plain list.

mod count;
pub(crate) mod order;
pub(crate) mod visit;

use crate::pattern::Pattern;
use crate::pattern::names::Names;
use crate::set::visit::{Host, HostVisitor, Visited};
use cerveza_manners::Failure;
use cerveza_record::Record;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::hash::BuildHasher;
use std::rc::Rc;

/// Limit of names that an operation, sort or fold reads into memory. So many take some gigabytes.
pub(crate) const MOST_IN_MEMORY: u128 = 20_000_000;

/// With more patterns than this it is faster to look a name up in a table of all their names.
const MANY_PATTERNS: usize = 64;

/// Patterns with more names than this are never put into that table.
const MOST_EXPANDED: u128 = 10_000;

#[derive(Clone, Debug)]
pub(crate) enum Word<'a> {
    Name(Cow<'a, str>),
    Pattern(Box<Pattern>),
    Record(Rc<Record>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Difference,
    Intersection,
    SymmetricDifference,
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

    /// Returns the result of an operation, or an error if a side has too many names to expand.
    pub fn combine(self, operator: Operator, right: HostSet<'a>) -> Result<HostSet<'a>, String> {
        let (left, right) = (self.without_many_patterns(), right.without_many_patterns());
        let words = match operator {
            Operator::Difference => left.words_where(|name| !right.contains(name))?,
            Operator::Intersection => left.words_where(|name| right.contains(name))?,
            Operator::SymmetricDifference => {
                let mut words = left.words_where(|name| !right.contains(name))?;
                words.append(&mut right.words_where(|name| !left.contains(name))?);
                words
            }
        };
        let operand_records = left.records().chain(right.records()).cloned().collect();
        Ok(HostSet { words, operand_records, index: OnceCell::new() })
    }

    /// Returns the names and records for which `keep` is true. Expands patterns.
    fn words_where(&self, keep: impl Fn(&str) -> bool) -> Result<Vec<Word<'a>>, String> {
        if self.len() > MOST_IN_MEMORY {
            return Err(format!("too many hosts for an operation: it reads at most {MOST_IN_MEMORY} into memory"));
        }
        let mut kept = Vec::new();
        for word in &self.words {
            match word {
                Word::Pattern(pattern) => {
                    let mut names = Names::new(pattern);
                    while let Some(name) = names.next_name() {
                        if keep(name) {
                            kept.push(Word::Name(Cow::Owned(name.to_string())));
                        }
                    }
                }
                word => kept.extend(word.name().is_some_and(&keep).then(|| word.clone())),
            }
        }
        Ok(kept)
    }

    /// Returns the same set. If it has many patterns, the small ones are expanded.
    pub fn without_many_patterns(self) -> HostSet<'a> {
        if self.patterns().nth(MANY_PATTERNS).is_none() || self.len() > MOST_IN_MEMORY {
            return self;
        }
        let mut words = Vec::new();
        for word in self.words {
            match word {
                Word::Pattern(pattern) if pattern.len() <= MOST_EXPANDED => {
                    let mut names = Names::new(&pattern);
                    while let Some(name) = names.next_name() {
                        words.push(Word::Name(Cow::Owned(name.to_string())));
                    }
                }
                word => words.push(word),
            }
        }
        HostSet { words, operand_records: self.operand_records, index: OnceCell::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Returns the number of hosts, duplicates included. `u128::MAX` means "or more".
    pub fn len(&self) -> u128 {
        self.patterns().fold(self.names_given() as u128, |sum, pattern| sum.saturating_add(pattern.len()))
    }

    /// Returns how many words are names or records.
    pub fn names_given(&self) -> usize {
        self.words.iter().filter(|word| word.name().is_some()).count()
    }

    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.words.iter().filter_map(|word| match word {
            Word::Pattern(pattern) => Some(&**pattern),
            Word::Name(_) | Word::Record(_) => None,
        })
    }

    /// Returns each name that is a word or the host of a record, once.
    pub fn distinct_names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.index().names.iter().map(|at| self.words[*at].name().unwrap_or_default())
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
            [Word::Pattern(pattern)] => pattern.is_ascending(),
            words => words.len() < 2,
        }
    }

    pub fn contains(&self, name: &str) -> bool {
        match self.words.as_slice() {
            [Word::Pattern(pattern)] => pattern.contains(name),
            [word] => word.name() == Some(name),
            _ => self.find_name(name).is_some() || self.patterns_before(self.words.len()).any(|of| of.contains(name)),
        }
    }

    /// Whether all hosts are in `other`.
    pub fn is_subset(&self, other: &HostSet<'_>) -> Result<bool, Failure> {
        if self.len() > MOST_IN_MEMORY {
            return Err(Failure::usage(format!("cannot look up more than {MOST_IN_MEMORY} hosts")));
        }
        Ok(self.words_where(|name| !other.contains(name)).is_ok_and(|missing| missing.is_empty()))
    }

    /// Visits each host once, in order. A run never contains a name that is also a word or the host of a record.
    pub fn for_each_host(&self, visitor: &mut dyn HostVisitor) -> Visited {
        for (at, word) in self.words.iter().enumerate() {
            match (word, word.host()) {
                (Word::Pattern(pattern), _) => self.visit_pattern(at, pattern, visitor)?,
                (_, Some(host)) if self.words.len() == 1 || self.is_first(at, host.name()) => {
                    visitor.visit_host(host)?
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Visits each host as often as it was given.
    pub fn for_each_duplicate(&self, visitor: &mut dyn HostVisitor) -> Visited {
        self.words.iter().try_for_each(|word| match (word, word.host()) {
            (Word::Pattern(pattern), _) => visitor.visit_run(&mut Names::new(pattern)),
            (_, Some(host)) => visitor.visit_host(host),
            _ => Ok(()),
        })
    }

    /// Visits the names of `pattern`, the word at `at`, that no earlier word gives.
    fn visit_pattern(&self, at: usize, pattern: &Pattern, visitor: &mut dyn HostVisitor) -> Visited {
        let mut names = Names::new(pattern);
        let is_ambiguous = pattern.is_ambiguous();
        if self.words.len() == 1 && !is_ambiguous {
            return visitor.visit_run(&mut names);
        }
        let overlapping: Vec<&Pattern> = self.patterns_before(at).filter(|other| !pattern.is_disjoint(other)).collect();
        let known = self.distinct_names();
        if !overlapping.is_empty() || is_ambiguous || pattern.len() <= known.len() as u128 {
            loop {
                let place = names.position();
                let Some(name) = names.next_name() else { return Ok(()) };
                let is_first = self.find_name(name).is_none_or(|word| word > at)
                    && !overlapping.iter().any(|other| other.contains(name))
                    && (!is_ambiguous || pattern.find(name) == Some(place));
                if is_first {
                    visitor.visit_host(Host::Name(name))?;
                }
            }
        }
        let mut places: Vec<u128> = known.filter_map(|name| pattern.find(name)).collect();
        places.sort_unstable();
        for place in places {
            visitor.visit_run(&mut names.split_off(place - names.position()))?;
            if let Some(name) = names.next_name()
                && self.find_name(name).is_none_or(|word| word > at)
            {
                visitor.visit_host(Host::Name(name))?;
            }
        }
        visitor.visit_run(&mut names)
    }

    /// Copies borrowed names.
    pub fn into_owned(self) -> HostSet<'static> {
        let owned = |word| match word {
            Word::Name(name) => Word::Name(Cow::Owned(name.into_owned())),
            Word::Pattern(pattern) => Word::Pattern(pattern),
            Word::Record(record) => Word::Record(record),
        };
        let words = self.words.into_iter().map(owned).collect();
        HostSet { words, operand_records: self.operand_records, index: OnceCell::new() }
    }

    fn index(&self) -> &Index {
        self.index.get_or_init(|| {
            let mut index =
                Index { hasher: DefaultHashBuilder::default(), names: HashTable::new(), patterns: Vec::new() };
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
        let is_it = |at: &usize| self.words[*at].name() == Some(name);
        index.names.find(index.hasher.hash_one(name), is_it).copied()
    }

    fn patterns_before(&self, at: usize) -> impl Iterator<Item = &Pattern> {
        let before = self.index().patterns.iter().take_while(move |pattern| **pattern < at);
        before.filter_map(|at| match &self.words[*at] {
            Word::Pattern(pattern) => Some(&**pattern),
            _ => None,
        })
    }

    /// Whether no earlier word gives `name`, the word at `at`.
    fn is_first(&self, at: usize, name: &str) -> bool {
        self.find_name(name) == Some(at) && !self.patterns_before(at).any(|pattern| pattern.contains(name))
    }
}
