//! How many hosts a set has, without expanding it.
//!
//! Names that stand as words are looked up one by one. What patterns give is counted by an automaton that reads names
//! byte by byte: all names that have led to the same places in the patterns are one state, and only how many they are is
//! kept. So names that come out twice, in whatever way, and operations between sets are counted right.

use crate::bracket::Segment;
use crate::digits;
use crate::names::Names;
use crate::pattern::{Part, Pattern};
use crate::set::{Host, HostSet, Operator, Sink, Step};
use hashbrown::{HashMap, HashSet};
use num_bigint::BigUint;
use std::collections::BTreeMap;

/// The most states of one length of names. Beyond it names are counted one by one.
const MOST_STATES: usize = 200_000;

impl HostSet<'_> {
    /// How many hosts the set has, each counted once.
    pub fn count(&self) -> BigUint {
        let Some(count) = self.count_patterns() else {
            return count_fed(|counter| self.feed(counter));
        };
        if let HostSet::Words(words) = self {
            return count + words.distinct_names().filter(|name| !words.patterns_contain(name)).count();
        }
        let (mut more, mut fewer) = (0u64, 0u64);
        for name in self.all_words().flat_map(|words| words.distinct_names()).collect::<HashSet<&str>>() {
            match (self.contains(name), self.patterns_contain(name)) {
                (true, false) => more += 1,
                (false, true) => fewer += 1,
                _ => {}
            }
        }
        count + more - fewer
    }

    /// How many hosts the words give, those that are given more than once counted as often.
    pub fn count_duplicates(&self) -> BigUint {
        match self {
            HostSet::Words(_) => self.most(),
            HostSet::Union(sets) => sets.iter().map(HostSet::count_duplicates).sum(),
            HostSet::Operation(..) => count_fed(|counter| self.feed_duplicates(counter)),
        }
    }

    /// How many names there are if there were no words but patterns. `None` where the automaton grows too large.
    fn count_patterns(&self) -> Option<BigUint> {
        if let HostSet::Words(words) = self
            && let Some(patterns) = words.distinct_patterns()
        {
            return Some(patterns.into_iter().map(Pattern::count).sum());
        }
        Automaton::new(std::slice::from_ref(self)).count()
    }
}

/// Counts by expanding.
fn count_fed(feed: impl FnOnce(&mut Counter) -> Step) -> BigUint {
    let mut counter = Counter(BigUint::ZERO);
    // A counter never ends it.
    let _ = feed(&mut counter);
    counter.0
}

struct Counter(BigUint);

impl Sink for Counter {
    fn host(&mut self, _: Host<'_>) -> Step {
        self.0 += 1u8;
        Ok(())
    }

    fn names(&mut self, names: &mut Names<'_>) -> Step {
        self.0 += names.remaining();
        Ok(())
    }
}

/// A set as a question about which patterns a name is of: those of words are a range of numbers.
enum Formula {
    Patterns(std::ops::Range<usize>),
    Any(Vec<Formula>),
    Operation(Operator, Box<[Formula; 2]>),
}

impl Formula {
    fn of<'s>(set: &'s HostSet<'_>, patterns: &mut Vec<&'s Pattern>) -> Formula {
        match set {
            HostSet::Words(words) => {
                let start = patterns.len();
                patterns.extend(words.patterns());
                Formula::Patterns(start..patterns.len())
            }
            HostSet::Union(sets) => Formula::Any(sets.iter().map(|set| Formula::of(set, patterns)).collect()),
            HostSet::Operation(operator, sides) => {
                let [left, right] = &**sides;
                let left = Formula::of(left, patterns);
                Formula::Operation(*operator, Box::new([left, Formula::of(right, patterns)]))
            }
        }
    }

    /// `ended` are the patterns that the name is of, ascending.
    fn holds(&self, ended: &[usize]) -> bool {
        match self {
            Formula::Patterns(range) => ended.iter().any(|pattern| range.contains(pattern)),
            Formula::Any(formulas) => formulas.iter().any(|formula| formula.holds(ended)),
            Formula::Operation(operator, sides) => operator.holds(sides[0].holds(ended), || sides[1].holds(ended)),
        }
    }
}

/// Counts the names that one of some sets has, as far as patterns give them.
pub(crate) struct Automaton<'a> {
    patterns: Vec<&'a Pattern>,
    formula: Formula,
}

/// All that can become of the names that were read so far: a place for each way in which a pattern may have given them.
/// Ascending.
type State = Vec<Place>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place {
    pattern: usize,
    /// As many as the pattern has at the end of a name.
    part: usize,
    within: Within,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Within {
    /// After so many bytes of a text, or at the end.
    Text(usize),
    /// After so many bytes of a string of the segment. `is_low` and `is_high`: those are all of the beginning of its
    /// low end, of its high end, which then bounds what follows. `residue`: of what was read, as if zeros followed,
    /// modulo the step.
    Segment { segment: usize, read: usize, is_low: bool, is_high: bool, residue: u64 },
    /// Before so many digits, whatever they are.
    Digits(usize),
}

impl<'a> Automaton<'a> {
    pub fn new(sets: &'a [HostSet<'_>]) -> Automaton<'a> {
        let mut patterns = Vec::new();
        let formula = Formula::Any(sets.iter().map(|set| Formula::of(set, &mut patterns)).collect());
        Automaton { patterns, formula }
    }

    pub fn of_patterns(patterns: Vec<&'a Pattern>) -> Automaton<'a> {
        Automaton { formula: Formula::Patterns(0..patterns.len()), patterns }
    }

    /// How many places it has to keep in mind at the most, as a measure of its work.
    pub fn size(&self) -> usize {
        self.patterns.iter().flat_map(|pattern| pattern.brackets()).map(|bracket| bracket.segments.len() + 1).sum()
    }

    /// `None` where it would grow too large.
    pub fn count(&self) -> Option<BigUint> {
        self.count_where(&self.patterns, None)
    }

    /// Of the names of `range` alone.
    pub fn count_within(&self, range: &Pattern) -> Option<BigUint> {
        let patterns: Vec<&Pattern> = self.patterns.iter().copied().chain([range]).collect();
        match self.patterns.is_empty() {
            true => Some(BigUint::ZERO),
            false => self.count_where(&patterns, Some(self.patterns.len())),
        }
    }

    /// Counts the names that the formula holds of, and which are of the pattern `required`, the last one.
    fn count_where(&self, patterns: &[&Pattern], required: Option<usize>) -> Option<BigUint> {
        let machine = Machine { patterns };
        let may_become = |state: &State| required.is_none_or(|last| state.last().is_some_and(|at| at.pattern == last));
        let mut start = State::new();
        (0..patterns.len()).for_each(|pattern| machine.enter(pattern, 0, &mut start));
        let mut total = BigUint::ZERO;
        // The states of one length of names, with how many names have led to each.
        let mut states = HashMap::from([(start, BigUint::from(1u8))]);
        while !states.is_empty() {
            let mut longer: HashMap<State, BigUint> = HashMap::new();
            for (state, count) in &states {
                let ended = machine.ended(state);
                let is_wanted = required.is_none_or(|last| ended.last() == Some(&last));
                if !ended.is_empty() && is_wanted && self.formula.holds(&ended) {
                    total += count;
                }
                for mut state in machine.read(state).into_values() {
                    state.sort_unstable();
                    state.dedup();
                    if may_become(&state) {
                        *longer.entry(state).or_default() += count;
                    }
                }
            }
            if longer.len() > MOST_STATES {
                return None;
            }
            states = longer;
        }
        Some(total)
    }
}

/// How states follow from each other.
struct Machine<'m> {
    patterns: &'m [&'m Pattern],
}

impl Machine<'_> {
    /// The patterns that the names of a state are of, ascending.
    fn ended(&self, state: &State) -> Vec<usize> {
        let is_end = |place: &&Place| place.part == self.patterns[place.pattern].parts.len();
        state.iter().filter(is_end).map(|place| place.pattern).collect()
    }

    /// Adds the places at the beginning of a part.
    fn enter(&self, pattern: usize, part: usize, state: &mut State) {
        match self.patterns[pattern].parts.get(part) {
            Some(Part::Bracket(bracket)) => {
                let within = |segment| Within::Segment { segment, read: 0, is_low: true, is_high: true, residue: 0 };
                let segments = 0..bracket.segments.len();
                state.extend(segments.map(|segment| Place { pattern, part, within: within(segment) }));
            }
            _ => state.push(Place { pattern, part, within: Within::Text(0) }),
        }
    }

    /// What state each next byte leads to.
    fn read(&self, state: &State) -> BTreeMap<u8, State> {
        let mut next: BTreeMap<u8, State> = BTreeMap::new();
        for &Place { pattern, part, within } in state {
            let mut go = |byte: u8, within: Option<Within>| {
                let state = next.entry(byte).or_default();
                match within {
                    Some(within) => state.push(Place { pattern, part, within }),
                    None => self.enter(pattern, part + 1, state),
                }
            };
            match (within, self.patterns[pattern].parts.get(part)) {
                (Within::Text(read), Some(Part::Text(text))) => {
                    let is_last = read + 1 == text.len();
                    go(text.as_bytes()[read], (!is_last).then_some(Within::Text(read + 1)));
                }
                (Within::Digits(left), _) => {
                    (b'0'..=b'9').for_each(|byte| go(byte, (left > 1).then_some(Within::Digits(left - 1))));
                }
                (Within::Segment { segment, .. }, Some(Part::Bracket(bracket))) => {
                    read_segment(&bracket.segments[segment], within, go);
                }
                _ => {}
            }
        }
        next
    }
}

/// Where each byte that may follow within a segment leads to: `None` stands for its end.
fn read_segment(segment: &Segment, within: Within, mut go: impl FnMut(u8, Option<Within>)) {
    let Within::Segment { segment: number, read, is_low, is_high, residue } = within else { return };
    let (low, high) = (segment.low.as_bytes(), segment.high.as_bytes());
    if segment.is_letter() {
        return (low[0]..=high[0]).step_by(segment.step as usize).for_each(|byte| go(byte, None));
    }
    let left = low.len() - read - 1;
    for byte in if is_low { low[read] } else { b'0' }..=if is_high { high[read] } else { b'9' } {
        let (is_low, is_high) = (is_low && byte == low[read], is_high && byte == high[read]);
        let residue = residue_with(residue, byte, left, segment.step);
        if !can_end_at(residue, low, left, segment.step) {
            continue;
        }
        let within = match (left, is_low || is_high || segment.step > 1) {
            (0, _) => None,
            (left, false) => Some(Within::Digits(left)),
            (_, true) => Some(Within::Segment { segment: number, read: read + 1, is_low, is_high, residue }),
        };
        go(byte, within);
    }
}

/// The residue when `digit` follows, with `left` places after it.
fn residue_with(residue: u64, digit: u8, left: usize, step: u64) -> u64 {
    if step == 1 {
        return 0;
    }
    let step = u128::from(step);
    let digit = u128::from(digit - b'0');
    let added = (0..left).fold(digit % step, |added, _| added * 10 % step);
    ((u128::from(residue) + added) % step) as u64
}

/// Whether some `left` digits lead to a number that is steps away from `low`.
fn can_end_at(residue: u64, low: &[u8], left: usize, step: u64) -> bool {
    if step == 1 {
        return true;
    }
    let wanted = digits::modulo(low, step);
    let missing = (u128::from(wanted) + u128::from(step) - u128::from(residue)) % u128::from(step);
    10u128.checked_pow(left as u32).is_none_or(|reach| missing < reach)
}
