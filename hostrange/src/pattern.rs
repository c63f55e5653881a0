//! One word with groups in it: its parts, and which names are of it.

use crate::bracket::Bracket;
use cerveza_record::is_bare;
use num_bigint::BigUint;

/// `rack[1-2]n[01-40]`, parsed. No two texts stand side by side, and there is a bracket.
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

/// What a bracket gave to a name: a string of `length` bytes of the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub segment: usize,
    pub length: usize,
}

impl Pattern {
    pub fn new(parts: Vec<Part>) -> Pattern {
        // Two ways to one name need two brackets whose strings differ in length, and after the first of them something
        // into which a longer string can run.
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

    /// Whether it may give a name twice, as far as can be seen without expanding.
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

    /// How many names come out, those that come out twice counted twice.
    pub fn count(&self) -> BigUint {
        self.brackets().map(Bracket::count).product()
    }

    pub fn matches(&self, name: &str) -> bool {
        self.walk(name, None)
    }

    /// How `name` comes out the first time: what each bracket gives. `places` is empty at the start.
    pub fn first_places(&self, name: &str, places: &mut Vec<Place>) -> bool {
        self.walk(name, Some(places))
    }

    fn walk(&self, name: &str, places: Option<&mut Vec<Place>>) -> bool {
        // What is known to lead nowhere need not be tried again: without this, time would be exponential.
        let dead = match self.ambiguous {
            true => vec![false; self.parts.len() * (name.len() + 1)],
            false => Vec::new(),
        };
        Walk { parts: &self.parts, name: name.as_bytes(), dead, places }.on(0, 0)
    }

    /// How many names come out before `name`, where it is one of them.
    pub fn find(&self, name: &str) -> Option<BigUint> {
        let mut places = Vec::new();
        if !self.first_places(name, &mut places) {
            return None;
        }
        let (mut at, mut places) = (0, places.into_iter());
        let mut index = BigUint::ZERO;
        for part in &self.parts {
            match part {
                Part::Text(text) => at += text.len(),
                Part::Bracket(bracket) => {
                    let Place { segment, length } = places.next()?;
                    index = index * bracket.count() + bracket.index_of(segment, &name.as_bytes()[at..at + length]);
                    at += length;
                }
            }
        }
        Some(index)
    }

    /// The names in two parts, those of the first before those of the second. There are two names at least.
    pub fn halves(&self) -> (Pattern, Pattern) {
        let (mut first, mut second) = (self.parts.clone(), self.parts.clone());
        let is_wide = |part: &Part| matches!(part, Part::Bracket(bracket) if bracket.count() > 1u8.into());
        if let Some(at) = self.parts.iter().position(is_wide)
            && let Part::Bracket(bracket) = &self.parts[at]
        {
            let (low, high) = bracket.split_at(&(bracket.count() / 2u8));
            (first[at], second[at]) = (Part::Bracket(low), Part::Bracket(high));
        }
        (Pattern::new(first), Pattern::new(second))
    }

    /// Whether the names come in natural order: each bracket ascends, and is a number or letter of its own.
    pub fn is_ascending(&self) -> bool {
        let is_apart = |pair: &[Part]| match pair {
            [Part::Bracket(_), Part::Bracket(_)] => false,
            [Part::Bracket(bracket), Part::Text(text)] => !bracket.has_like(text.as_bytes()[0]),
            [Part::Text(text), Part::Bracket(bracket)] => !bracket.has_like(text.as_bytes()[text.len() - 1]),
            _ => true,
        };
        self.parts.windows(2).all(is_apart) && self.brackets().all(Bracket::is_ascending)
    }

    /// The text before the first bracket, and that after the last.
    pub fn ends(&self) -> (&str, &str) {
        fn text(part: Option<&Part>) -> &str {
            match part {
                Some(Part::Text(text)) => text,
                _ => "",
            }
        }
        (text(self.parts.first()), text(self.parts.last()))
    }

    /// Whether no name can be of both, as far as can be seen at once.
    pub fn is_disjoint(&self, other: &Pattern) -> bool {
        let ((before, after), (its_before, its_after)) = (self.ends(), other.ends());
        let prefixes = before.as_bytes().iter().zip(its_before.as_bytes());
        let suffixes = after.as_bytes().iter().rev().zip(its_after.as_bytes().iter().rev());
        if prefixes.chain(suffixes).any(|(a, b)| a != b) {
            return true;
        }
        let (mut brackets, mut its_brackets) = (self.brackets(), other.brackets());
        match (brackets.next(), brackets.next(), its_brackets.next(), its_brackets.next()) {
            (Some(bracket), None, Some(its_bracket), None) if before == its_before && after == its_after => {
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
    dead: Vec<bool>,
    places: Option<&'a mut Vec<Place>>,
}

impl Walk<'_> {
    /// Whether the parts from `part` on give the name from `at` on. It is as deep as there are parts.
    fn on(&mut self, part: usize, at: usize) -> bool {
        let (parts, name) = (self.parts, self.name);
        let rest = &name[at..];
        let bracket = match parts.get(part) {
            None => return rest.is_empty(),
            Some(Part::Text(text)) => return rest.starts_with(text.as_bytes()) && self.on(part + 1, at + text.len()),
            Some(Part::Bracket(bracket)) => bracket,
        };
        let mark = part * (self.name.len() + 1) + at;
        if self.dead.get(mark).is_some_and(|dead| *dead) {
            return false;
        }
        // What follows is a cheap question, so it comes first.
        let goes_on = |rest: &[u8]| match parts.get(part + 1) {
            None => rest.is_empty(),
            Some(Part::Text(text)) => rest.starts_with(text.as_bytes()),
            Some(Part::Bracket(_)) => true,
        };
        let found = |length: usize| {
            let (text, rest) = rest.split_at_checked(length)?;
            goes_on(rest).then(|| bracket.find(text))?.map(|segment| Place { segment, length })
        };
        if self.dead.is_empty() {
            return bracket.lengths().filter_map(found).any(|place| self.take(part, at, place));
        }
        // The names come in the order of the segments.
        let mut ways: Vec<Place> = bracket.lengths().filter_map(found).collect();
        ways.sort_unstable();
        let is_found = ways.into_iter().any(|place| self.take(part, at, place));
        self.dead[mark] = !is_found;
        is_found
    }

    fn take(&mut self, part: usize, at: usize, place: Place) -> bool {
        if let Some(places) = &mut self.places {
            places.push(place);
        }
        let is_found = self.on(part + 1, at + place.length);
        if !is_found && let Some(places) = &mut self.places {
            places.pop();
        }
        is_found
    }
}
