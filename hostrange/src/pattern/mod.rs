//! `Pattern`: a name with brackets, such as `rack[1-2]n[01-40]`, and arithmetic on the names it gives.

pub(crate) mod bracket;
pub(crate) mod digits;
pub(crate) mod item;
pub(crate) mod names;
pub(crate) mod portion;
pub(crate) mod positions;

use crate::pattern::bracket::Bracket;
use cerveza_record::is_bare;
use num_bigint::BigUint;

/// Texts and brackets in order. It has at least one bracket, and no two texts side by side.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub parts: Vec<Part>,
    ambiguous: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Part {
    Text(Box<str>),
    Bracket(Bracket),
}

impl Pattern {
    pub fn new(parts: Vec<Part>) -> Pattern {
        // A name can come out in two ways only if two brackets have strings of several lengths, and a longer string of
        // the first can look like a shorter one and the start of what follows.
        let varies = |part: &Part| matches!(part, Part::Bracket(bracket) if bracket.lengths().nth(1).is_some());
        let runs_on = |at: usize, bracket: &Bracket| match parts.get(at + 1) {
            _ if !varies(&parts[at]) || !parts[at + 1..].iter().any(varies) => false,
            None => false,
            Some(Part::Text(text)) => bracket.has_like(text.as_bytes()[0]),
            Some(Part::Bracket(_)) => true,
        };
        let ambiguous = parts.iter().enumerate().any(|(at, part)| match part {
            Part::Text(_) => false,
            Part::Bracket(bracket) => bracket.overlaps() || runs_on(at, bracket),
        });
        Pattern { parts, ambiguous }
    }

    /// Whether it may give a name twice. Expands nothing, so it may be true for a pattern that does not.
    pub fn is_ambiguous(&self) -> bool {
        self.ambiguous
    }

    /// Whether its names are printed without quotes.
    pub fn is_bare(&self) -> bool {
        is_bare(self.parts.iter().map(|part| match part {
            Part::Text(text) => text,
            Part::Bracket(_) => "",
        }))
    }

    pub fn brackets(&self) -> impl DoubleEndedIterator<Item = &Bracket> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Bracket(bracket) => Some(bracket),
        })
    }

    /// Returns the number of names; a name that comes out twice counts twice.
    pub fn count(&self) -> BigUint {
        self.brackets().map(Bracket::count).product()
    }

    /// Returns [`Pattern::count`]. `u128::MAX` means "or more".
    pub fn len(&self) -> u128 {
        self.brackets().fold(1, |product: u128, bracket| product.saturating_mul(bracket.len()))
    }

    /// Returns the index of `name`, or `None` if the pattern does not give it. `u128::MAX` means "or more".
    pub fn find(&self, name: &str) -> Option<u128> {
        // Remembers what has failed, because trying it again would take exponential time.
        let failed = if self.ambiguous { vec![false; self.parts.len() * (name.len() + 1)] } else { Vec::new() };
        Walk { parts: &self.parts, name: name.as_bytes(), failed }.find_from(0, 0, 0)
    }

    /// Returns the text before its only bracket, that bracket, and the text after it. `None` if it has several brackets.
    pub fn as_one_bracket(&self) -> Option<(&str, &Bracket, &str)> {
        let (mut brackets, (before, after)) = (self.brackets(), self.ends());
        brackets.next().filter(|_| brackets.next().is_none()).map(|bracket| (before, bracket, after))
    }

    /// Whether the names come in natural order: each bracket ascends, and no other digit or letter touches it.
    pub fn is_ascending(&self) -> bool {
        let is_apart = |pair: &[Part]| match pair {
            [Part::Bracket(_), Part::Bracket(_)] => false,
            [Part::Bracket(bracket), Part::Text(text)] => !bracket.has_like(text.as_bytes()[0]),
            [Part::Text(text), Part::Bracket(bracket)] => !bracket.has_like(text.as_bytes()[text.len() - 1]),
            _ => true,
        };
        self.parts.windows(2).all(is_apart) && self.brackets().all(Bracket::is_ascending)
    }

    /// Returns the text before the first bracket and the text after the last.
    pub fn ends(&self) -> (&str, &str) {
        fn text(part: Option<&Part>) -> &str {
            match part {
                Some(Part::Text(text)) => text,
                _ => "",
            }
        }
        (text(self.parts.first()), text(self.parts.last()))
    }

    /// Whether the two are known to have no name in common. Expands nothing.
    pub fn is_disjoint(&self, other: &Pattern) -> bool {
        let ((before, after), (its_before, its_after)) = (self.ends(), other.ends());
        let prefixes = before.as_bytes().iter().zip(its_before.as_bytes());
        let suffixes = after.as_bytes().iter().rev().zip(its_after.as_bytes().iter().rev());
        if prefixes.chain(suffixes).any(|(a, b)| a != b) {
            return true;
        }
        match (self.as_one_bracket(), other.as_one_bracket()) {
            (Some((_, bracket, _)), Some((_, its_bracket, _))) if before == its_before && after == its_after => {
                let both = bracket.segments.iter().chain(&its_bracket.segments).cloned().collect();
                !bracket.overlaps() && !its_bracket.overlaps() && !Bracket::new(both).overlaps()
            }
            _ => false,
        }
    }
}

struct Walk<'a> {
    parts: &'a [Part],
    name: &'a [u8],
    failed: Vec<bool>,
}

impl Walk<'_> {
    /// Returns the index of the name if the parts from `part` on give the rest of it, from byte `at` on. `index` is the
    /// index of what the earlier parts gave. It recurses once per part.
    fn find_from(&mut self, part: usize, at: usize, index: u128) -> Option<u128> {
        let (parts, name) = (self.parts, self.name);
        let rest = &name[at..];
        let bracket = match parts.get(part) {
            None => return rest.is_empty().then_some(index),
            Some(Part::Text(text)) => {
                return rest.starts_with(text.as_bytes()).then(|| self.find_from(part + 1, at + text.len(), index))?;
            }
            Some(Part::Bracket(bracket)) => bracket,
        };
        let mark = part * (self.name.len() + 1) + at;
        if self.failed.get(mark).is_some_and(|failed| *failed) {
            return None;
        }
        // Checks the text that follows first, because that is cheap.
        let goes_on = |rest: &[u8]| match parts.get(part + 1) {
            None => rest.is_empty(),
            Some(Part::Text(text)) => rest.starts_with(text.as_bytes()),
            Some(Part::Bracket(_)) => true,
        };
        let find = |length: usize| {
            let (text, rest) = rest.split_at_checked(length)?;
            goes_on(rest).then(|| bracket.find(text))?.map(|segment| (segment, text))
        };
        let is_unambiguous = self.failed.is_empty();
        let mut go = |(segment, text): (usize, &[u8])| {
            let index = index.saturating_mul(bracket.len()).saturating_add(bracket.index_of(segment, text));
            self.find_from(part + 1, at + text.len(), index)
        };
        if is_unambiguous {
            return bracket.lengths().filter_map(find).find_map(go);
        }
        // The names come in the order of the segments.
        let mut ways: Vec<(usize, &[u8])> = bracket.lengths().filter_map(find).collect();
        ways.sort_unstable();
        let index = ways.into_iter().find_map(&mut go);
        self.failed[mark] = index.is_none();
        index
    }
}
