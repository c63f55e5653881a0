//! `Bracket`: one `[...]` and the strings it stands for, in the order written.

use crate::pattern::digits;
use num_bigint::BigUint;
use std::cmp::Ordering;

/// Strings of one length from `low` to `high`, every `step`th of them: numbers, or single letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub low: Box<str>,
    pub high: Box<str>,
    pub step: u64,
}

/// An item such as `8-12` is one segment for each length of its numbers: `8-9`, `10-12`.
#[derive(Clone, Debug)]
pub(crate) struct Bracket {
    pub segments: Vec<Segment>,
    /// The indices of the segments, ascending by length and low end.
    sorted: Vec<u32>,
    /// Whether a string may be in two segments. Only their ends are compared.
    overlaps: bool,
    /// The lengths of the strings, ascending, each with its end in `sorted`.
    lengths: Vec<(usize, usize)>,
    /// The number of strings up to the end of each segment. `u128::MAX` means "or more".
    ends: Vec<u128>,
}

impl Segment {
    pub fn is_letter(&self) -> bool {
        !self.low.as_bytes()[0].is_ascii_digit()
    }

    /// Whether `text`, of the segment's length, is one of its strings.
    pub fn contains(&self, text: &[u8]) -> bool {
        let (low, high) = (self.low.as_bytes(), self.high.as_bytes());
        if text < low || text > high {
            return false;
        }
        // Between 10 and 20 there is also 1a.
        if text.len() > 1 && !text.iter().all(u8::is_ascii_digit) {
            return false;
        }
        match self.step {
            1 => true,
            step if self.is_letter() => u64::from(text[0] - low[0]).is_multiple_of(step),
            step => digits::modulo(text, step) == digits::modulo(low, step),
        }
    }

    pub fn count(&self) -> BigUint {
        let (low, high) = (self.low.as_bytes(), self.high.as_bytes());
        match self.len() {
            u128::MAX => (digits::value(high) - digits::value(low)) / self.step + 1u8,
            len => len.into(),
        }
    }

    /// Returns the number of strings. `u128::MAX` means "or more".
    fn len(&self) -> u128 {
        self.steps_from(self.low.as_bytes()).saturating_add(1)
    }

    /// Returns the number of steps from the low end to `text`, one of the strings.
    fn index_of(&self, text: &[u8]) -> u128 {
        self.steps(self.low.as_bytes(), text)
    }

    /// Returns the number of steps from `text`, one of the strings, to the high end.
    pub fn steps_from(&self, text: &[u8]) -> u128 {
        self.steps(text, self.high.as_bytes())
    }

    fn steps(&self, from: &[u8], to: &[u8]) -> u128 {
        if self.is_letter() {
            return u128::from(u64::from(to[0] - from[0]) / self.step);
        }
        match digits::difference(from, to) {
            Some(difference) => difference / u128::from(self.step),
            None => ((digits::value(to) - digits::value(from)) / self.step).try_into().unwrap_or(u128::MAX),
        }
    }

    /// Moves `text` on by one step. Returns false at the end.
    pub fn advance(&self, text: &mut [u8]) -> bool {
        let is_before_end = text != self.high.as_bytes();
        if is_before_end {
            self.step_on(text);
        }
        is_before_end
    }

    /// Moves `text` on by one step. It must not be at the end.
    #[inline]
    pub fn step_on(&self, text: &mut [u8]) {
        if self.is_letter() {
            text[0] += self.step as u8;
        } else if self.step == 1 {
            digits::increment(text);
        } else {
            digits::add(text, 1, self.step);
        }
    }

    /// Returns the string after `index` steps.
    pub fn nth(&self, index: u128) -> Vec<u8> {
        if self.is_letter() {
            return vec![self.low.as_bytes()[0] + (index as u64 * self.step) as u8];
        }
        let mut text = self.low.as_bytes().to_vec();
        digits::add(&mut text, index, self.step);
        text
    }
}

impl Bracket {
    /// `segments` must not be empty.
    pub fn new(segments: Vec<Segment>) -> Bracket {
        let mut sorted: Vec<u32> = (0..segments.len() as u32).collect();
        let key = |index: u32| {
            let low = &segments[index as usize].low;
            (low.len(), low)
        };
        sorted.sort_by(|a, b| key(*a).cmp(&key(*b)));
        let overlaps = sorted.windows(2).any(|pair| {
            let (a, b) = (&segments[pair[0] as usize], &segments[pair[1] as usize]);
            a.high.len() == b.low.len() && a.high >= b.low
        });
        let length = |index: u32| segments[index as usize].low.len();
        let runs = sorted.chunk_by(|a, b| length(*a) == length(*b));
        let end = |end: &mut usize, run: &[u32]| {
            *end += run.len();
            Some((length(run[0]), *end))
        };
        let lengths = runs.scan(0, end).collect();
        let add = |end: &mut u128, segment: &Segment| {
            *end = end.saturating_add(segment.len());
            Some(*end)
        };
        let ends = segments.iter().scan(0, add).collect();
        Bracket { segments, sorted, overlaps, lengths, ends }
    }

    /// Returns a bracket of the same strings in which overlapping ranges are merged.
    pub fn merged(mut segments: Vec<Segment>) -> Bracket {
        segments.sort_by(|a, b| (a.low.len(), &a.low).cmp(&(b.low.len(), &b.low)));
        segments.dedup_by(|next, last| {
            let is_overlap =
                last.step == 1 && next.step == 1 && last.high.len() == next.low.len() && last.high >= next.low;
            if is_overlap && next.high > last.high {
                last.high = next.high.clone();
            }
            is_overlap
        });
        Bracket::new(segments)
    }

    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        self.lengths.iter().map(|(length, _)| *length)
    }

    pub fn overlaps(&self) -> bool {
        self.overlaps
    }

    /// Returns the number of strings; one that is in two segments counts twice.
    pub fn count(&self) -> BigUint {
        self.segments.iter().map(Segment::count).sum()
    }

    /// Returns [`Bracket::count`]. `u128::MAX` means "or more".
    pub fn len(&self) -> u128 {
        self.ends.last().copied().unwrap_or_default()
    }

    /// Returns the segment of the string at `index`, and the index within the segment.
    pub fn locate(&self, index: u128) -> (usize, u128) {
        let segment = self.ends.partition_point(|end| *end <= index);
        (segment, index - self.before(segment))
    }

    /// Returns the index of a string of `segment`.
    pub fn index_of(&self, segment: usize, text: &[u8]) -> u128 {
        self.before(segment).saturating_add(self.segments[segment].index_of(text))
    }

    fn before(&self, segment: usize) -> u128 {
        segment.checked_sub(1).map_or(0, |last| self.ends[last])
    }

    /// Returns the first segment that contains `text`.
    pub fn find(&self, text: &[u8]) -> Option<usize> {
        let has = |index: usize| {
            let segment = &self.segments[index];
            segment.low.len() == text.len() && segment.contains(text)
        };
        if self.overlaps {
            return (0..self.segments.len()).find(|index| has(*index));
        }
        let at = self.lengths.iter().position(|(length, _)| *length == text.len())?;
        let start = at.checked_sub(1).map_or(0, |before| self.lengths[before].1);
        let of_length = &self.sorted[start..self.lengths[at].1];
        let after = of_length.partition_point(|index| self.segments[*index as usize].low.as_bytes() <= text);
        let index = of_length[after.checked_sub(1)?] as usize;
        has(index).then_some(index)
    }

    /// Whether `byte` could be read as a part of a string of the bracket: a digit beside numbers, a letter beside letters.
    pub fn has_like(&self, byte: u8) -> bool {
        self.segments
            .iter()
            .any(|segment| if segment.is_letter() { byte.is_ascii_alphabetic() } else { byte.is_ascii_digit() })
    }

    /// Whether its strings come in natural order.
    pub fn is_ascending(&self) -> bool {
        self.segments.windows(2).all(|pair| match (pair[0].is_letter(), pair[1].is_letter()) {
            (false, false) => digits::compare(&pair[0].high, &pair[1].low) == Ordering::Less,
            (true, true) => pair[0].high < pair[1].low,
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::item::parse_item;

    #[test]
    fn find_returns_the_first_segment() {
        let mut segments = Vec::new();
        for item in ["10-20/2", "8-12", "a-c"] {
            parse_item(item, &mut segments).unwrap();
        }
        let bracket = Bracket::new(segments);
        let find = |text: &str| bracket.find(text.as_bytes());
        assert_eq!([find("10"), find("11"), find("9"), find("b")], [Some(0), Some(2), Some(1), Some(3)]);
        assert_eq!([find("13"), find("1a"), find("d"), find("010"), find("")], [None; 5]);
        assert!(bracket.overlaps());
        assert_eq!((bracket.count(), bracket.len()), (14u8.into(), 14));
    }

    #[test]
    fn counts_and_places_are_exact_beyond_64_bits() {
        let mut segments = Vec::new();
        parse_item("10000000000000000000000000-99999999999999999999999999", &mut segments).unwrap();
        assert_eq!(segments[0].count().to_string(), "90000000000000000000000000");
        assert_eq!(segments[0].len(), 90_000_000_000_000_000_000_000_000);
        assert_eq!(segments[0].nth(segments[0].len() - 1), segments[0].high.as_bytes());
        let mut segments = Vec::new();
        let (low, high) = ("1".to_string() + &"9".repeat(50), "2".to_string() + &"0".repeat(48) + "19");
        parse_item(&format!("{low}-{high}/10"), &mut segments).unwrap();
        assert_eq!((segments[0].len(), segments[0].count()), (3, 3u8.into()));
        assert_eq!(segments[0].nth(2), segments[0].high.as_bytes());
        assert_eq!(segments[0].index_of(segments[0].high.as_bytes()), 2);
    }
}
