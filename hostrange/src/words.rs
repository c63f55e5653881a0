//! Words side by side: names, patterns and records, in the order given.

use crate::count::Automaton;
use crate::names::Names;
use crate::pattern::Pattern;
use crate::set::{Host, Sink, Step};
use crate::sieve::Sieve;
use cerveza_record::Record;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::borrow::Cow;
use std::cell::{LazyCell, OnceCell};
use std::hash::BuildHasher;
use std::rc::Rc;

#[derive(Clone, Debug)]
pub(crate) enum Word<'a> {
    Name(Cow<'a, str>),
    Pattern(Box<Pattern>),
    Record(Box<Record>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Words<'a> {
    words: Vec<Word<'a>>,
    /// Made when first asked for a name.
    index: OnceCell<Index>,
}

/// By which word a name is given first, and where the patterns are.
#[derive(Clone, Debug)]
struct Index {
    hasher: DefaultHashBuilder,
    /// The first word of each name and of each record's host.
    names: HashTable<usize>,
    patterns: Vec<usize>,
}

impl<'a> Word<'a> {
    /// The name of a word that is not a pattern.
    pub fn name(&self) -> Option<&str> {
        match self {
            Word::Name(name) => Some(name),
            Word::Record(record) => Some(record.host()),
            Word::Pattern(_) => None,
        }
    }

    fn host(&self) -> Option<Host<'_>> {
        match self {
            Word::Name(name) => Some(Host::Name(name)),
            Word::Record(record) => Some(Host::Record(record)),
            Word::Pattern(_) => None,
        }
    }
}

impl<'a> IntoIterator for Words<'a> {
    type Item = Word<'a>;
    type IntoIter = std::vec::IntoIter<Word<'a>>;

    fn into_iter(self) -> Self::IntoIter {
        self.words.into_iter()
    }
}

impl<'a> Words<'a> {
    pub fn new(words: Vec<Word<'a>>) -> Words<'a> {
        Words { words, index: OnceCell::new() }
    }

    pub fn append(&mut self, mut more: Words<'a>) {
        self.words.append(&mut more.words);
        self.index = OnceCell::new();
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Word<'a>> {
        self.words.iter()
    }

    /// Whether a word gives `name`.
    pub fn contains(&self, name: &str) -> bool {
        match self.words.as_slice() {
            [Word::Pattern(pattern)] => pattern.matches(name),
            [word] => word.name() == Some(name),
            _ => self.find_name(name).is_some() || self.patterns_contain(name),
        }
    }

    /// Whether a pattern gives `name`.
    pub fn patterns_contain(&self, name: &str) -> bool {
        self.patterns_before(self.words.len()).any(|pattern| pattern.matches(name))
    }

    /// The patterns, where it is seen at once that none gives a name twice and no two give the same.
    pub fn distinct_patterns(&self) -> Option<Vec<&Pattern>> {
        let at = &self.index().patterns;
        let is_distinct = |at: usize| match &self.words[at] {
            Word::Pattern(pattern) => !pattern.is_ambiguous() && self.rivals(at, pattern).is_empty(),
            _ => true,
        };
        at.iter().all(|at| is_distinct(*at)).then(|| self.patterns().collect())
    }

    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.words.iter().filter_map(|word| match word {
            Word::Pattern(pattern) => Some(&**pattern),
            Word::Name(_) | Word::Record(_) => None,
        })
    }

    /// How many words are names or records.
    pub fn names_given(&self) -> usize {
        self.words.iter().filter(|word| word.name().is_some()).count()
    }

    /// The names that come as names or records, each once.
    pub fn distinct_names(&self) -> impl Iterator<Item = &str> {
        self.index().names.iter().filter_map(|at| self.words[*at].name())
    }

    /// Gives each host to `sink`, once and in order.
    pub fn feed(&self, sink: &mut dyn Sink) -> Step {
        let names = LazyCell::new(|| Rc::new(self.distinct_names().collect::<Vec<_>>()));
        for (at, word) in self.words.iter().enumerate() {
            match word {
                Word::Pattern(pattern) => self.feed_pattern(at, pattern, || Rc::clone(&names), sink)?,
                Word::Name(_) | Word::Record(_) => {
                    if let Some(host) = word.host()
                        && (self.words.len() == 1 || self.is_first(at, host.name()))
                    {
                        sink.host(host)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives each host to `sink` as often as the words do.
    pub fn feed_duplicates(&self, sink: &mut dyn Sink) -> Step {
        self.words.iter().try_for_each(|word| match (word, word.host()) {
            (Word::Pattern(pattern), _) => sink.names(&mut Names::new(pattern)),
            (_, Some(host)) => sink.host(host),
            (_, None) => Ok(()),
        })
    }

    pub fn into_owned(self) -> Words<'static> {
        let owned = |word| match word {
            Word::Name(name) => Word::Name(Cow::Owned(name.into_owned())),
            Word::Pattern(pattern) => Word::Pattern(pattern),
            Word::Record(record) => Word::Record(record),
        };
        Words::new(self.words.into_iter().map(owned).collect())
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

    /// The first word that is `name`.
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

    /// Whether `name`, the word at `at`, was not given by a word before.
    fn is_first(&self, at: usize, name: &str) -> bool {
        self.find_name(name) == Some(at) && !self.patterns_before(at).any(|pattern| pattern.matches(name))
    }

    /// The patterns before that may give a name of `pattern`, the word at `at`.
    fn rivals(&self, at: usize, pattern: &Pattern) -> Vec<&Pattern> {
        self.patterns_before(at).filter(|other| !pattern.is_disjoint(other)).collect()
    }

    /// Gives the names of `pattern`, the word at `at`, that neither a word before gives nor it itself before.
    /// `names_of_words` are those that come as names.
    fn feed_pattern<'s>(
        &'s self,
        at: usize,
        pattern: &Pattern,
        names_of_words: impl Fn() -> Rc<Vec<&'s str>>,
        sink: &mut dyn Sink,
    ) -> Step {
        let mut names = Names::new(pattern);
        if self.words.len() == 1 && !pattern.is_ambiguous() {
            return sink.names(&mut names);
        }
        let rivals = self.rivals(at, pattern);
        if rivals.is_empty() && self.index().names.is_empty() && !pattern.is_ambiguous() {
            return sink.names(&mut names);
        }
        let is_rivals = |name: &str| rivals.iter().any(|rival| rival.matches(name));
        let sieve = Sieve {
            automaton: Automaton::of_patterns(rivals.clone()),
            names: names_of_words(),
            has: Box::new(|name| is_rivals(name) || self.find_name(name).is_some_and(|word| word < at)),
            patterns_have: Box::new(is_rivals),
            wanted: false,
        };
        let mut sifted = sieve.on(sink);
        if !pattern.is_ambiguous() {
            return sifted.names(&mut names);
        }
        let mut places = Vec::new();
        while names.advance() {
            places.clear();
            if pattern.first_places(names.name(), &mut places) && names.is_at(&places) {
                sifted.host(Host::Name(names.name()))?;
            }
        }
        Ok(())
    }
}
