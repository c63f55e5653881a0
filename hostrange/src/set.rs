//! Sets of hosts as they were asked for: words, and operations between them. Nothing is expanded until it is wanted, and
//! then one name after another: what an operation leaves out is asked of the other side's patterns.

use crate::names::Names;
use crate::pattern::Pattern;
use crate::sieve::Sieve;
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

    pub fn is_difference(&self) -> bool {
        matches!(self, HostSet::Operation(Operator::Difference, _))
    }

    /// `A!B!C` is `A!(B,C)`: what is left out one after another does not nest.
    pub fn combine(self, operator: Operator, other: HostSet<'a>) -> HostSet<'a> {
        match (self, operator) {
            (HostSet::Operation(Operator::Difference, sides), Operator::Difference) => {
                let [left, right] = *sides;
                HostSet::Operation(operator, Box::new([left, right.or(other)]))
            }
            (left, operator) => HostSet::Operation(operator, Box::new([left, other])),
        }
    }

    /// Whether the set has the host of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.holds(&|words| words.contains(name))
    }

    /// Whether it would have it if there were no words but patterns.
    pub fn patterns_contain(&self, name: &str) -> bool {
        self.holds(&|words| words.patterns_contain(name))
    }

    /// Whether the set has a name of which `has` tells whether words have it.
    fn holds(&self, has: &dyn Fn(&Words) -> bool) -> bool {
        match self {
            HostSet::Words(words) => has(words),
            HostSet::Union(sets) => sets.iter().any(|set| set.holds(has)),
            HostSet::Operation(operator, sides) => operator.holds(sides[0].holds(has), || sides[1].holds(has)),
        }
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
            HostSet::Union(sets) => (0..sets.len()).try_for_each(|at| {
                let (before, set) = (&sets[..at], &sets[at]);
                set.feed(&mut Sieve::of(before, false).on(sink))
            }),
            HostSet::Operation(operator, sides) => operate(*operator, sides, sink, HostSet::feed),
        }
    }

    /// [`HostSet::feed`], with the hosts that are given twice.
    pub fn feed_duplicates(&self, sink: &mut dyn Sink) -> Step {
        match self {
            HostSet::Words(words) => words.feed_duplicates(sink),
            HostSet::Union(sets) => sets.iter().try_for_each(|set| set.feed_duplicates(sink)),
            HostSet::Operation(operator, sides) => operate(*operator, sides, sink, HostSet::feed_duplicates),
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
        self.all_words().map(|words| words.names_given() + words.patterns().map(Pattern::count).sum::<BigUint>()).sum()
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

/// Gives what each side has, as far as the operator keeps it.
fn operate<'s, 'a>(
    operator: Operator,
    sides: &'s [HostSet<'a>; 2],
    sink: &mut dyn Sink,
    feed: impl Fn(&'s HostSet<'a>, &mut dyn Sink) -> Step,
) -> Step {
    let [left, right] = sides;
    feed(left, &mut Sieve::of(&sides[1..], operator.keeps(true)).on(sink))?;
    match operator {
        Operator::SymmetricDifference => feed(right, &mut Sieve::of(&sides[..1], false).on(sink)),
        Operator::Difference | Operator::Intersection => Ok(()),
    }
}
