//! Sets of hosts as they were asked for: words, and operations between them. Nothing is expanded until it is wanted, and
//! then one name after another: what an operation leaves out is asked of the other side's patterns.

use crate::names::Names;
use crate::words::{Word, Words};
use cerveza_manners::Failure;
use cerveza_record::Record;
use num_bigint::BigUint;

#[derive(Clone, Debug)]
pub(crate) enum HostSet<'a> {
    Words(Words<'a>),
    Union(Vec<HostSet<'a>>),
    Operation(Operator, Box<[HostSet<'a>; 2]>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Difference,
    Intersection,
    SymmetricDifference,
}

/// A host on its way out.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Host<'a> {
    Name(&'a str),
    Record(&'a Record),
}

impl<'a> Host<'a> {
    pub fn name(self) -> &'a str {
        match self {
            Host::Name(name) => name,
            Host::Record(record) => record.host(),
        }
    }
}

/// Takes hosts one after another.
pub(crate) trait Sink {
    fn host(&mut self, host: Host<'_>) -> Step;

    /// Takes all that is left of `names`: for those that can take them faster than one by one.
    fn names(&mut self, names: &mut Names<'_>) -> Step {
        while let Some(name) = names.next_name() {
            self.host(Host::Name(name))?;
        }
        Ok(())
    }

    /// Hears that hosts were looked at for a while and none was one of the set.
    fn idle(&mut self) -> Step {
        Ok(())
    }
}

pub(crate) type Step = Result<(), Stop>;

/// Why a sink takes no more.
pub(crate) enum Stop {
    Enough,
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

/// A sink that had enough is no failure.
pub(crate) fn finished(step: Step) -> Result<(), Failure> {
    match step {
        Ok(()) | Err(Stop::Enough) => Ok(()),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

impl<'a> HostSet<'a> {
    pub fn words(words: Vec<Word<'a>>) -> HostSet<'a> {
        HostSet::Words(Words::new(words))
    }

    /// Both, in order. Words join words, so that most sets are nothing but words.
    pub fn or(self, other: HostSet<'a>) -> HostSet<'a> {
        match (self, other) {
            (HostSet::Words(mut words), HostSet::Words(more)) => {
                words.append(more);
                HostSet::Words(words)
            }
            (HostSet::Words(words), other) | (other, HostSet::Words(words)) if words.is_empty() => other,
            (HostSet::Union(mut sets), other) => {
                match (sets.pop(), other) {
                    (Some(last @ HostSet::Words(_)), more @ HostSet::Words(_)) => sets.push(last.or(more)),
                    (last, HostSet::Union(more)) => {
                        sets.extend(last);
                        sets.extend(more);
                    }
                    (last, other) => {
                        sets.extend(last);
                        sets.push(other);
                    }
                }
                HostSet::Union(sets)
            }
            (set, other) => HostSet::Union(vec![set]).or(other),
        }
    }

    pub fn combine(self, operator: Operator, other: HostSet<'a>) -> HostSet<'a> {
        HostSet::Operation(operator, Box::new([self, other]))
    }

    /// Whether the set has the host of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.has(name, &|words| words.contains(name))
    }

    /// Whether it would have it if there were no words but patterns.
    pub fn patterns_contain(&self, name: &str) -> bool {
        self.has(name, &|words| words.patterns_contain(name))
    }

    /// [`HostSet::contains`] where `has` decides for words.
    fn has(&self, name: &str, has: &dyn Fn(&Words) -> bool) -> bool {
        match self {
            HostSet::Words(words) => has(words),
            HostSet::Union(sets) => sets.iter().any(|set| set.has(name, has)),
            HostSet::Operation(operator, sides) => {
                let [left, right] = &**sides;
                operator.holds(left.has(name, has), || right.has(name, has))
            }
        }
    }

    /// Whether any of it came as a record.
    pub fn has_records(&self) -> bool {
        self.all_words().any(|words| words.iter().any(|word| matches!(word, Word::Record(_))))
    }

    /// The words of all operands.
    pub fn all_words(&self) -> Box<dyn Iterator<Item = &Words<'a>> + '_> {
        match self {
            HostSet::Words(words) => Box::new(std::iter::once(words)),
            HostSet::Union(sets) => Box::new(sets.iter().flat_map(|set| set.all_words())),
            HostSet::Operation(_, sides) => Box::new(sides.iter().flat_map(|set| set.all_words())),
        }
    }

    /// Gives each host to `sink`, once and in order.
    pub fn feed(&self, sink: &mut dyn Sink) -> Step {
        match self {
            HostSet::Words(words) => words.feed(sink),
            HostSet::Union(sets) => sets.iter().enumerate().try_for_each(|(at, set)| {
                set.feed(&mut Filter::new(sink, &|name| !sets[..at].iter().any(|set| set.contains(name))))
            }),
            HostSet::Operation(operator, sides) => {
                let [left, right] = &**sides;
                left.feed(&mut Filter::new(sink, &|name| operator.keeps(right.contains(name))))?;
                match operator {
                    Operator::SymmetricDifference => right.feed(&mut Filter::new(sink, &|name| !left.contains(name))),
                    _ => Ok(()),
                }
            }
        }
    }

    /// [`HostSet::feed`], with the hosts that are given twice.
    pub fn feed_duplicates(&self, sink: &mut dyn Sink) -> Step {
        match self {
            HostSet::Words(words) => words.feed_duplicates(sink),
            HostSet::Union(sets) => sets.iter().try_for_each(|set| set.feed_duplicates(sink)),
            HostSet::Operation(operator, sides) => {
                let [left, right] = &**sides;
                left.feed_duplicates(&mut Filter::new(sink, &|name| operator.keeps(right.contains(name))))?;
                match operator {
                    Operator::SymmetricDifference => {
                        right.feed_duplicates(&mut Filter::new(sink, &|name| !left.contains(name)))
                    }
                    _ => Ok(()),
                }
            }
        }
    }

    /// Whether the hosts come in natural order, as far as can be seen without expanding.
    pub fn is_sorted(&self) -> bool {
        match self {
            HostSet::Words(words) => match words.iter().as_slice() {
                [Word::Pattern(pattern)] => pattern.is_ascending(),
                words => words.len() < 2,
            },
            HostSet::Union(_) | HostSet::Operation(Operator::SymmetricDifference, _) => false,
            HostSet::Operation(_, sides) => sides[0].is_sorted(),
        }
    }

    /// At most so many hosts, duplicates counted: known without expanding.
    pub fn most(&self) -> BigUint {
        self.all_words()
            .flat_map(Words::iter)
            .map(|word| match word {
                Word::Pattern(pattern) => pattern.count(),
                Word::Name(_) | Word::Record(_) => 1u8.into(),
            })
            .sum()
    }

    /// Parses nothing anew: the same set without its loans.
    pub fn into_owned(self) -> HostSet<'static> {
        match self {
            HostSet::Words(words) => HostSet::Words(words.into_owned()),
            HostSet::Union(sets) => HostSet::Union(sets.into_iter().map(HostSet::into_owned).collect()),
            HostSet::Operation(operator, sides) => {
                HostSet::Operation(operator, Box::new(sides.map(HostSet::into_owned)))
            }
        }
    }
}

impl Operator {
    /// Whether a host of the left side stays.
    pub fn keeps(self, is_in_right: bool) -> bool {
        match self {
            Operator::Intersection => is_in_right,
            Operator::Difference | Operator::SymmetricDifference => !is_in_right,
        }
    }

    pub fn holds(self, left: bool, right: impl FnOnce() -> bool) -> bool {
        match self {
            Operator::Intersection | Operator::Difference => left && self.keeps(right()),
            Operator::SymmetricDifference => left != right(),
        }
    }
}

/// Lets through what `keep` says.
struct Filter<'s> {
    sink: &'s mut dyn Sink,
    keep: &'s dyn Fn(&str) -> bool,
    left_out: u32,
}

/// So many hosts that are left out one after another are a while.
pub(crate) const IDLE: u32 = 1 << 14;

impl<'s> Filter<'s> {
    fn new(sink: &'s mut dyn Sink, keep: &'s dyn Fn(&str) -> bool) -> Filter<'s> {
        Filter { sink, keep, left_out: 0 }
    }
}

impl Sink for Filter<'_> {
    fn host(&mut self, host: Host<'_>) -> Step {
        if (self.keep)(host.name()) {
            return self.sink.host(host);
        }
        self.left_out += 1;
        match self.left_out % IDLE {
            0 => self.sink.idle(),
            _ => Ok(()),
        }
    }

    fn idle(&mut self) -> Step {
        self.sink.idle()
    }
}
