//! Many small patterns, as a list of jobs has them, expanded: each pattern costs whoever looks for a name, names do not.

use crate::names::Names;
use crate::pattern::Pattern;
use crate::set::{Host, HostSet, Sink, Step};
use crate::words::{Word, Words};
use num_bigint::BigUint;
use std::borrow::Cow;

/// So many patterns or operations side by side are many.
const MANY: usize = 64;

/// The most names of a small one.
const SMALL: u32 = 10_000;

/// The most names that all of them become: some hundreds of megabytes.
const MOST_NAMES: u32 = 10_000_000;

impl<'a> HostSet<'a> {
    /// The same hosts in the same order.
    pub fn with_few_patterns(self) -> HostSet<'a> {
        if self.most() > MOST_NAMES.into() {
            return self;
        }
        match self {
            HostSet::Words(words) if words.patterns().nth(MANY).is_some() => HostSet::Words(expanded(words)),
            HostSet::Union(sets) if sets.len() > MANY => {
                let sets = sets.into_iter().map(|set| match set {
                    HostSet::Operation(..) if is_small(&set.most()) && !has_records(&set) => names_of(&set),
                    set => set,
                });
                let all = sets.reduce(HostSet::or).unwrap_or_else(|| HostSet::words(Vec::new()));
                match all {
                    HostSet::Words(words) => HostSet::Words(expanded(words)),
                    all => all,
                }
            }
            set => set,
        }
    }
}

fn is_small(count: &BigUint) -> bool {
    *count <= SMALL.into()
}

fn has_records(set: &HostSet<'_>) -> bool {
    set.all_words().flat_map(Words::iter).any(|word| matches!(word, Word::Record(_)))
}

fn expanded(words: Words<'_>) -> Words<'_> {
    let mut expanded = Vec::new();
    for word in words {
        match word {
            Word::Pattern(pattern) if is_small(&pattern.count()) => add_names(&pattern, &mut expanded),
            word => expanded.push(word),
        }
    }
    Words::new(expanded)
}

fn add_names(pattern: &Pattern, words: &mut Vec<Word>) {
    let mut names = Names::new(pattern);
    while let Some(name) = names.next_name() {
        words.push(Word::Name(Cow::Owned(name.to_string())));
    }
}

fn names_of<'a>(set: &HostSet<'_>) -> HostSet<'a> {
    struct Collect<'a>(Vec<Word<'a>>);
    impl Sink for Collect<'_> {
        fn host(&mut self, host: Host<'_>) -> Step {
            self.0.push(Word::Name(Cow::Owned(host.name().to_string())));
            Ok(())
        }
    }
    let mut names = Collect(Vec::new());
    // It takes all there is.
    let _ = set.feed_duplicates(&mut names);
    HostSet::words(names.0)
}
