//! `Positions`: places in a list of hosts or names, counted from 0.

use std::iter;
use std::ops::Range;

/// Ascending ranges that do not touch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Positions(Vec<Range<u128>>);

impl From<Range<u128>> for Positions {
    fn from(range: Range<u128>) -> Positions {
        Positions(iter::once(range).collect())
    }
}

impl Positions {
    pub fn new(mut ranges: Vec<Range<u128>>) -> Positions {
        ranges.sort_unstable_by_key(|range| range.start);
        let mut positions = Positions::default();
        ranges.into_iter().for_each(|range| positions.push(range));
        positions
    }

    /// Adds a range that does not start before the last one.
    pub fn push(&mut self, range: Range<u128>) {
        match self.0.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => self.0.push(range),
        }
    }

    pub fn ranges(&self) -> &[Range<u128>] {
        &self.0
    }

    pub fn into_ranges(self) -> Vec<Range<u128>> {
        self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> u128 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// Returns how many positions are before `end`.
    pub fn count_before(&self, end: u128) -> u128 {
        self.0.iter().map(|range| range.end.min(end).saturating_sub(range.start)).sum()
    }

    pub fn contains(&self, position: u128) -> bool {
        let after = self.0.partition_point(|range| range.end <= position);
        self.0.get(after).is_some_and(|range| range.start <= position)
    }

    /// Returns the positions that are not in `others`.
    pub fn without(&self, others: &Positions) -> Positions {
        let mut rest = Positions::default();
        let mut others = others.0.iter().peekable();
        for range in &self.0 {
            let mut start = range.start;
            while let Some(other) = others.next_if(|other| other.end <= range.end) {
                if start < other.start {
                    rest.push(start..other.start);
                }
                start = start.max(other.end);
            }
            let end = others.peek().map_or(range.end, |other| other.start.clamp(start, range.end));
            if start < end {
                rest.push(start..end);
            }
        }
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn positions_are_a_set_of_numbers(a in any::<u32>(), b in any::<u32>()) {
            let positions = |bits: u32| Positions::new((0..32).filter(|at| (bits >> at) & 1 == 1).map(|at| at..at + 1).collect());
            let rest = positions(a).without(&positions(b));
            prop_assert_eq!(&rest, &positions(a & !b));
            prop_assert_eq!(rest.len(), (a & !b).count_ones().into());
            prop_assert!((0..32).all(|at| rest.contains(at) == (((a & !b) >> at) & 1 == 1)));
        }
    }
}
