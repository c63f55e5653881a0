//! Selects hosts by position (`--nth`) or at random (`--pick`).

use crate::pattern::names::Names;
use crate::pattern::positions::Positions;
use crate::set::Host;
use crate::set::visit::{HostVisitor, Stop, Visited};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;
use std::ops::Range;

/// Returns `count` of `total` positions at random, the same for the same seed.
pub(crate) fn pick(count: u64, total: u128, seed: Option<u64>) -> Positions {
    let count = total.min(count.into());
    let mut random = ChaCha8Rng::seed_from_u64(seed.unwrap_or_else(rand::random));
    // Floyd's algorithm: each step adds exactly one position.
    let mut picked = BTreeSet::new();
    for last in total - count..total {
        let position = random.random_range(0..=last);
        if !picked.insert(position) {
            picked.insert(last);
        }
    }
    Positions::new(picked.into_iter().map(|place| place..place + 1).collect())
}

/// Passes on the hosts at some positions.
pub(crate) struct Select<'s> {
    visitor: &'s mut dyn HostVisitor,
    /// The remaining ranges, the next one last.
    ranges: Vec<Range<u128>>,
    at: u128,
}

impl<'s> Select<'s> {
    pub fn new(positions: Positions, visitor: &'s mut dyn HostVisitor) -> Select<'s> {
        Select { visitor, ranges: positions.ranges().iter().rev().cloned().collect(), at: 0 }
    }

    /// Returns the range that has not ended, or `Enough` after the last one.
    fn range(&mut self) -> Result<Range<u128>, Stop> {
        let at = self.at;
        while self.ranges.pop_if(|range| range.end <= at).is_some() {}
        self.ranges.last().cloned().ok_or(Stop::Enough)
    }
}

impl HostVisitor for Select<'_> {
    fn visit_host(&mut self, host: &Host<'_>) -> Visited {
        let is_wanted = self.range()?.contains(&self.at);
        self.at += 1;
        if is_wanted {
            self.visitor.visit_host(host)?;
        }
        self.range().map(|_| ())
    }

    fn visit_run(&mut self, run: &mut Names<'_>) -> Visited {
        while run.left() > 0 {
            let range = self.range()?;
            let is_wanted = range.contains(&self.at);
            let count = if is_wanted { range.end } else { range.start } - self.at;
            let mut part = run.split_off(count);
            self.at = self.at.saturating_add(part.left());
            if is_wanted {
                self.visitor.visit_run(&mut part)?;
            }
        }
        self.range().map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_seed_picks_the_same_positions_and_none_twice() {
        let pick = |count, seed| super::pick(count, 100, Some(seed));
        assert_eq!(pick(10, 1), pick(10, 1));
        assert_ne!(pick(10, 1), pick(10, 2));
        for seed in 0..50 {
            assert_eq!(pick(99, seed).len(), 99);
        }
        assert_eq!(pick(200, 1).len(), 100);
    }
}
