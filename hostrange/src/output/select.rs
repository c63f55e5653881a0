//! Selects hosts by position (`--nth`) or at random (`--pick`), and splits them into parts (`--split`).

use crate::output::Output;
use crate::pattern::names::Names;
use crate::pattern::positions::Positions;
use crate::set::visit::{Host, HostVisitor, Stop, Visited};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;
use std::ops::Range;
use std::str::FromStr;

/// The value of --nth: `0`, `-1`, `10-19`, `5-`, `-3-`, or several, separated by commas.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// The first and the last position of each range. `None`: it goes on to the end.
    ranges: Vec<(i128, Option<i128>)>,
}

impl FromStr for Slice {
    type Err = String;

    fn from_str(text: &str) -> Result<Slice, String> {
        let wrong = |item: &str| format!("'{item}' is not a position: use 0, -1 (the last), 10-19 or 5-");
        let ranges = text.split(',').map(|item| range(item.trim()).ok_or_else(|| wrong(item)));
        Ok(Slice { ranges: ranges.collect::<Result<_, _>>()? })
    }
}

fn range(item: &str) -> Option<(i128, Option<i128>)> {
    let number = |text: &str| text.parse::<i128>().ok().filter(|_| !text.starts_with('+'));
    // A dash at the start is a sign.
    let dash = item.bytes().enumerate().skip(1).find(|(_, byte)| *byte == b'-').map(|(at, _)| at);
    let Some(dash) = dash else {
        return number(item).map(|at| (at, Some(at)));
    };
    let first = number(&item[..dash])?;
    let last = match &item[dash + 1..] {
        "" => None,
        last => Some(number(last)?),
    };
    let goes_up = |last: i128| last.signum() != first.signum() || last >= first;
    last.is_none_or(goes_up).then_some((first, last))
}

impl Slice {
    /// Whether a position counts from the end, so the number of hosts must be known.
    pub fn counts_from_end(&self) -> bool {
        self.ranges.iter().any(|(first, last)| *first < 0 || last.is_some_and(|last| last < 0))
    }

    /// Returns the positions in a set of `total` hosts. `None` is allowed if nothing counts from the end.
    pub(crate) fn positions(&self, total: Option<u128>) -> Positions {
        // `None` is before the first host.
        let position = |at: i128| match u128::try_from(at) {
            Ok(place) => Some(place),
            Err(_) => total.unwrap_or_default().checked_sub(at.unsigned_abs()),
        };
        let most = total.unwrap_or(u128::MAX);
        let ranges = self.ranges.iter().filter_map(|(first, last)| {
            let end = match last {
                Some(last) => (position(*last)? + 1).min(most),
                None => most,
            };
            Some(position(*first).unwrap_or_default()..end).filter(|range| !range.is_empty())
        });
        Positions::new(ranges.collect())
    }
}

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
    fn visit_host(&mut self, host: Host<'_>) -> Visited {
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

/// Splits hosts into parts whose sizes differ by at most one, the larger ones first.
pub(crate) struct Split<'s> {
    output: &'s mut dyn Output,
    /// The sizes of the parts that have not started, the next one last.
    sizes: Vec<u128>,
    /// How many more hosts the current part takes.
    left: u128,
}

impl<'s> Split<'s> {
    pub fn new(total: u128, parts: u32, output: &'s mut dyn Output) -> Split<'s> {
        let parts = u128::from(parts);
        let sizes = (0..parts).rev().map(|part| total / parts + u128::from(part < total % parts));
        Split { output, sizes: sizes.filter(|size| *size > 0).collect(), left: 0 }
    }

    fn begin(&mut self) -> Visited {
        if self.left == 0 {
            self.left = self.sizes.pop().ok_or(Stop::Enough)?;
            self.output.next_part()?;
        }
        Ok(())
    }
}

impl HostVisitor for Split<'_> {
    fn visit_host(&mut self, host: Host<'_>) -> Visited {
        self.begin()?;
        self.left -= 1;
        self.output.visit_host(host)
    }

    fn visit_run(&mut self, run: &mut Names<'_>) -> Visited {
        while run.left() > 0 {
            self.begin()?;
            let mut part = run.split_off(self.left);
            self.left -= part.left();
            self.output.visit_run(&mut part)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(text: &str, total: u128) -> Vec<u128> {
        let positions = text.parse::<Slice>().unwrap().positions(Some(total));
        let all: Vec<u128> = positions.ranges().iter().cloned().flatten().collect();
        assert_eq!(positions.count_before(total), all.len() as u128);
        all
    }

    #[test]
    fn positions_count_from_either_end() {
        assert_eq!(positions("0", 5), [0]);
        assert_eq!(positions("-1", 5), [4]);
        assert_eq!(positions("1-2", 5), [1, 2]);
        assert_eq!(positions("-2-", 5), [3, 4]);
        assert_eq!(positions("-3--2", 5), [2, 3]);
        assert_eq!(positions("3-,0,0", 5), [0, 3, 4]);
        assert_eq!(positions("1--2", 5), [1, 2, 3]);
        assert_eq!(positions("3-99", 5), [3, 4]);
        assert_eq!(positions("5", 5), [0u128; 0]);
        assert_eq!(positions("-9", 5), [0u128; 0]);
        assert_eq!(positions("-9-0", 5), [0]);
    }

    #[test]
    fn positions_beyond_the_end_do_not_count() {
        let count = |text: &str| text.parse::<Slice>().unwrap().positions(None).count_before(3);
        assert_eq!(["5", "0-9", "1-", "7-", "2,8"].map(count), [0, 3, 2, 0, 1]);
    }

    #[test]
    fn a_text_that_is_not_a_position_is_refused() {
        for bad in ["", "a", "1,", "5-2", "-1--2", "1-2-3", "+1", "--1"] {
            assert!(bad.parse::<Slice>().is_err(), "{bad}");
        }
    }

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
