//! One `[...]`: the strings it stands for, in the order written.

use crate::digits;
use num_bigint::BigUint;
use std::cell::OnceCell;
use std::cmp::Ordering;

/// Strings of one length from `low` to `high`, every `step`th of them: numbers, or single letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub low: Box<str>,
    pub high: Box<str>,
    pub step: u64,
}

/// A group of segments. An item such as `8-12` has one for each length of its numbers: `8-9`, `10-12`.
#[derive(Clone, Debug)]
pub(crate) struct Bracket {
    pub segments: Vec<Segment>,
    /// Ascending by length and low end.
    sorted: Vec<u32>,
    /// Whether a string may be in two segments, seen by their ends alone.
    overlaps: bool,
    /// The lengths there are, ascending, each with where in `sorted` it ends.
    lengths: Vec<(usize, usize)>,
    /// How many strings there are up to the end of each segment.
    counts: OnceCell<Vec<BigUint>>,
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
        match self.small_count() {
            Some(count) => count.into(),
            None => (digits::value(&self.high) - digits::value(&self.low)) / self.step + 1u8,
        }
    }

    /// The count where it fits.
    pub fn small_count(&self) -> Option<u64> {
        self.steps_from(self.low.as_bytes()).map(|steps| steps + 1)
    }

    /// How many steps lead from `text`, one of the strings, to the high end.
    pub fn steps_from(&self, text: &[u8]) -> Option<u64> {
        let high = self.high.as_bytes();
        if self.is_letter() {
            return Some(u64::from(high[0] - text[0]) / self.step);
        }
        // 19 digits fit into 64 bits; of longer numbers only those do that differ in no more.
        let same = text.iter().zip(high).take_while(|(digit, high)| digit == high).count();
        if high.len() - same > 19 {
            return None;
        }
        let number = |digits: &[u8]| digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
        Some((number(&high[same..]) - number(&text[same..])) / self.step)
    }

    /// Moves `text` on by one step; false at the end.
    pub fn advance(&self, text: &mut [u8]) -> bool {
        let is_before_end = text != self.high.as_bytes();
        if is_before_end {
            self.step_on(text);
        }
        is_before_end
    }

    /// Moves `text` on by one step, which the segment has.
    #[inline]
    pub fn step_on(&self, text: &mut [u8]) {
        match self.step == 1 && !self.is_letter() {
            true => digits::increment(text),
            false => self.move_on(text, 1),
        }
    }

    /// Moves `text` on by `steps` that the segment has.
    pub fn move_on(&self, text: &mut [u8], steps: u64) {
        match self.is_letter() {
            true => text[0] += (steps * self.step) as u8,
            false => digits::add(text, u128::from(steps) * u128::from(self.step)),
        }
    }

    /// The string that `index` steps lead to.
    pub fn nth(&self, index: &BigUint) -> Vec<u8> {
        if let Ok(index) = u64::try_from(index) {
            let mut text = self.low.as_bytes().to_vec();
            self.move_on(&mut text, index);
            return text;
        }
        let value = digits::value(&self.low) + index * self.step;
        format!("{:0>width$}", value.to_string(), width = self.low.len()).into_bytes()
    }
}

impl Bracket {
    /// `segments` is not empty.
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
        Bracket { segments, sorted, overlaps, lengths, counts: OnceCell::new() }
    }

    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        self.lengths.iter().map(|(length, _)| *length)
    }

    pub fn overlaps(&self) -> bool {
        self.overlaps
    }

    /// How many strings there are, those in two segments counted twice.
    pub fn count(&self) -> BigUint {
        self.counts().last().cloned().unwrap_or_default()
    }

    /// The segment in which the string at `index` is, and its index there.
    pub fn locate(&self, index: &BigUint) -> (usize, BigUint) {
        let segment = self.counts().partition_point(|count| count <= index);
        (segment, index - self.before(segment))
    }

    /// The strings before `index` and those from there on. Neither may be none.
    pub fn split_at(&self, index: &BigUint) -> (Bracket, Bracket) {
        let (at, within) = self.locate(index);
        let segment = &self.segments[at];
        let (mut first, mut second) = (self.segments[..at].to_vec(), self.segments[at + 1..].to_vec());
        let text = |index: &BigUint| String::from_utf8_lossy(&segment.nth(index)).into();
        if within > BigUint::ZERO {
            first.push(Segment { high: text(&(&within - 1u8)), ..segment.clone() });
        }
        second.insert(0, Segment { low: text(&within), ..segment.clone() });
        (Bracket::new(first), Bracket::new(second))
    }

    /// The index of a string of `segment`.
    pub fn index_of(&self, segment: usize, text: &[u8]) -> BigUint {
        let up_to = Segment { high: String::from_utf8_lossy(text).into(), ..self.segments[segment].clone() };
        self.before(segment) + up_to.count() - 1u8
    }

    fn before(&self, segment: usize) -> BigUint {
        segment.checked_sub(1).map_or(BigUint::ZERO, |last| self.counts()[last].clone())
    }

    fn counts(&self) -> &[BigUint] {
        self.counts.get_or_init(|| {
            let sum = |sum: &mut BigUint, segment: &Segment| {
                *sum += segment.count();
                Some(sum.clone())
            };
            self.segments.iter().scan(BigUint::ZERO, sum).collect()
        })
    }

    /// The first segment that has `text`.
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

    /// Whether some string of the group begins with such a character as `byte` is: what a number before `[1-9]` or `0`
    /// could run on into.
    pub fn has_like(&self, byte: u8) -> bool {
        self.segments.iter().any(|segment| match segment.is_letter() {
            true => byte.is_ascii_alphabetic(),
            false => byte.is_ascii_digit(),
        })
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
    use crate::item::parse_item;

    #[test]
    fn a_text_is_found_in_the_first_segment_that_has_it() {
        let mut segments = Vec::new();
        for item in ["10-20/2", "8-12", "a-c"] {
            parse_item(item, &mut segments).unwrap();
        }
        let bracket = Bracket::new(segments);
        let find = |text: &str| bracket.find(text.as_bytes());
        assert_eq!([find("10"), find("11"), find("9"), find("b")], [Some(0), Some(2), Some(1), Some(3)]);
        assert_eq!([find("13"), find("1a"), find("d"), find("010"), find("")], [None; 5]);
        assert!(bracket.overlaps());
        assert_eq!(bracket.count(), BigUint::from(6u8 + 5 + 3));
    }

    #[test]
    fn counts_and_places_are_exact_beyond_64_bits() {
        let mut segments = Vec::new();
        parse_item("10000000000000000000000000-99999999999999999999999999", &mut segments).unwrap();
        let count = segments[0].count();
        assert_eq!(count.to_string(), "90000000000000000000000000");
        assert_eq!(segments[0].nth(&(count - 1u8)), segments[0].high.as_bytes());
        let mut segments = Vec::new();
        parse_item("90000000000000000000000000-90000000000000000000000009/3", &mut segments).unwrap();
        assert_eq!(segments[0].small_count(), Some(4));
        assert_eq!(segments[0].nth(&3u8.into()), b"90000000000000000000000009");
    }
}
