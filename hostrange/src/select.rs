//! Which hosts of a set come out: by their places in it, or some at random.

use crate::names::Names;
use crate::output::Output;
use crate::set::{Host, Sink, Step, Stop};
use num_bigint::{BigInt, BigUint};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;
use std::str::FromStr;

/// Places in a set as they are asked for: `0`, `-1`, `10-19`, `5-`, `-3-`, and several with commas.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Of each range the first place and the last, where it has one.
    ranges: Vec<(BigInt, Option<BigInt>)>,
}

/// Places in a set, counted from 0: ascending, and no two ranges touch. The last may go on for ever.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Places(Vec<(BigUint, Option<BigUint>)>);

impl FromStr for Slice {
    type Err = String;

    fn from_str(text: &str) -> Result<Slice, String> {
        let wrong = |item: &str| format!("'{item}' is no place: give 0, -1 (the last), 10-19 or 5-");
        let ranges = text.split(',').map(|item| range(item.trim()).ok_or_else(|| wrong(item)));
        Ok(Slice { ranges: ranges.collect::<Result<_, _>>()? })
    }
}

fn range(item: &str) -> Option<(BigInt, Option<BigInt>)> {
    let number = |text: &str| text.parse::<BigInt>().ok().filter(|_| !text.starts_with('+'));
    // The first dash is a sign where nothing is before it.
    let dash = item.bytes().enumerate().skip(1).find(|(_, byte)| *byte == b'-').map(|(at, _)| at);
    let Some(dash) = dash else {
        return number(item).map(|at| (at.clone(), Some(at)));
    };
    let first = number(&item[..dash])?;
    let last = match &item[dash + 1..] {
        "" => None,
        last => Some(number(last)?),
    };
    let goes_up = |last: &BigInt| last.sign() != first.sign() || *last >= first;
    last.as_ref().is_none_or(goes_up).then_some((first, last))
}

impl Slice {
    /// Whether one has to know how many hosts there are to find the places.
    pub fn counts_from_end(&self) -> bool {
        let is_negative = |at: &BigInt| *at < BigInt::ZERO;
        self.ranges.iter().any(|(first, last)| is_negative(first) || last.as_ref().is_some_and(is_negative))
    }

    /// The places in a set of `total` hosts, which may be unknown where nothing counts from the end.
    pub(crate) fn places(&self, total: Option<&BigUint>) -> Places {
        let total = total.map(|total| BigInt::from(total.clone()));
        let place = |at: &BigInt| match &total {
            Some(total) if *at < BigInt::ZERO => total + at,
            _ => at.clone(),
        };
        let ranges = self.ranges.iter().filter_map(|(first, last)| {
            let last = match (last.as_ref().map(place), &total) {
                (Some(last), Some(total)) => Some(last.min(total - 1)),
                (None, Some(total)) => Some(total - 1),
                (last, None) => last,
            };
            let first = place(first).max(BigInt::ZERO).to_biguint()?;
            match last {
                None => Some((first, None)),
                Some(last) => last.to_biguint().filter(|last| *last >= first).map(|last| (first, Some(last))),
            }
        });
        Places::new(ranges.collect())
    }
}

impl Places {
    fn new(mut ranges: Vec<(BigUint, Option<BigUint>)>) -> Places {
        ranges.sort_by(|a, b| a.0.cmp(&b.0));
        let mut places: Vec<(BigUint, Option<BigUint>)> = Vec::new();
        for (first, last) in ranges {
            match places.last_mut() {
                Some((_, None)) => break,
                Some((_, Some(end))) if first <= &*end + 1u8 => match last {
                    None => places.last_mut().into_iter().for_each(|range| range.1 = None),
                    Some(last) if last > *end => *end = last,
                    Some(_) => {}
                },
                _ => places.push((first, last)),
            }
        }
        Places(places)
    }

    /// `count` of `total` places at random, the same for the same seed.
    pub fn pick(count: u64, total: &BigUint, seed: Option<u64>) -> Result<Places, String> {
        if *total <= count.into() {
            return Ok(Places(vec![(BigUint::ZERO, None)]));
        }
        let total = u128::try_from(total).map_err(|_| format!("cannot pick from {total} hosts: more than 2^128"))?;
        let mut random = match seed {
            Some(seed) => ChaCha8Rng::seed_from_u64(seed),
            None => ChaCha8Rng::seed_from_u64(rand::random()),
        };
        // Floyd's: each step adds one place, whatever was picked before.
        let mut picked = BTreeSet::new();
        for last in total - u128::from(count)..total {
            let place = random.random_range(0..=last);
            if !picked.insert(place) {
                picked.insert(last);
            }
        }
        Ok(Places(picked.into_iter().map(|place| (place.into(), Some(place.into()))).collect()))
    }

    /// How many of `total` hosts they are.
    pub fn count(&self, total: &BigUint) -> BigUint {
        let count = |(first, last): &(BigUint, Option<BigUint>)| {
            let end = last.as_ref().map_or_else(|| total.clone(), |last| (last + 1u8).min(total.clone()));
            if *first < end { end - first } else { BigUint::ZERO }
        };
        self.0.iter().map(count).sum()
    }
}

/// Lets through the hosts at some places.
pub(crate) struct Select<'s> {
    sink: &'s mut dyn Sink,
    /// The ranges that are left, the next one last.
    ranges: Vec<(BigUint, Option<BigUint>)>,
    at: BigUint,
}

impl<'s> Select<'s> {
    pub fn new(places: Places, sink: &'s mut dyn Sink) -> Select<'s> {
        Select { sink, ranges: places.0.into_iter().rev().collect(), at: BigUint::ZERO }
    }

    /// The range that is not over yet.
    fn range(&mut self) -> Result<(BigUint, Option<BigUint>), Stop> {
        let at = &self.at;
        while self.ranges.pop_if(|(_, last)| last.as_ref().is_some_and(|last| last < at)).is_some() {}
        self.ranges.last().cloned().ok_or(Stop::Enough)
    }
}

impl Sink for Select<'_> {
    fn host(&mut self, host: Host<'_>) -> Step {
        let is_wanted = self.range()?.0 <= self.at;
        self.at += 1u8;
        if is_wanted {
            self.sink.host(host)?;
        }
        self.range().map(|_| ())
    }

    fn names(&mut self, names: &mut Names<'_>) -> Step {
        while names.left() > 0 {
            let (first, last) = self.range()?;
            let is_wanted = first <= self.at;
            let count = match (is_wanted, last) {
                (false, _) => first - &self.at,
                (true, Some(last)) => last - &self.at + 1u8,
                (true, None) => names.remaining(),
            };
            let mut part = names.split_off(&count);
            self.at += part.remaining();
            if is_wanted {
                self.sink.names(&mut part)?;
            }
        }
        self.range().map(|_| ())
    }

    fn idle(&mut self) -> Step {
        self.sink.idle()
    }
}

/// Deals hosts out to parts whose sizes differ by one at the most, the larger ones first.
pub(crate) struct Split<'s> {
    output: &'s mut dyn Output,
    /// The sizes of the parts that have not begun, the next one last.
    sizes: Vec<BigUint>,
    /// How many hosts the part that has begun still takes.
    left: BigUint,
}

impl<'s> Split<'s> {
    pub fn new(total: &BigUint, parts: u32, output: &'s mut dyn Output) -> Split<'s> {
        let (size, more) = (total / parts, total % parts);
        let sizes = (0..parts).rev().map(|part| if more > part.into() { &size + 1u8 } else { size.clone() });
        let sizes = sizes.filter(|size| *size > BigUint::ZERO).collect();
        Split { output, sizes, left: BigUint::ZERO }
    }

    fn begin(&mut self) -> Step {
        if self.left == BigUint::ZERO {
            self.left = self.sizes.pop().ok_or(Stop::Enough)?;
            self.output.next_part()?;
        }
        Ok(())
    }
}

impl Sink for Split<'_> {
    fn host(&mut self, host: Host<'_>) -> Step {
        self.begin()?;
        self.left -= 1u8;
        self.output.host(host)
    }

    fn names(&mut self, names: &mut Names<'_>) -> Step {
        while names.left() > 0 {
            self.begin()?;
            let mut part = names.split_off(&self.left);
            self.left -= part.remaining();
            self.output.names(&mut part)?;
        }
        Ok(())
    }

    fn idle(&mut self) -> Step {
        self.output.idle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str, total: u32) -> Vec<u32> {
        let places = text.parse::<Slice>().unwrap().places(Some(&total.into()));
        let all: Vec<u32> = places
            .0
            .iter()
            .flat_map(|(first, last)| {
                let number = |at: &BigUint| u32::try_from(at).unwrap();
                number(first)..=number(last.as_ref().unwrap())
            })
            .collect();
        assert_eq!(places.count(&total.into()), BigUint::from(all.len()));
        all
    }

    #[test]
    fn places_count_from_either_end() {
        assert_eq!(places("0", 5), [0]);
        assert_eq!(places("-1", 5), [4]);
        assert_eq!(places("1-2", 5), [1, 2]);
        assert_eq!(places("-2-", 5), [3, 4]);
        assert_eq!(places("-3--2", 5), [2, 3]);
        assert_eq!(places("3-,0,0", 5), [0, 3, 4]);
        assert_eq!(places("1--2", 5), [1, 2, 3]);
        assert_eq!(places("3-99", 5), [3, 4]);
        assert_eq!(places("5", 5), [0u32; 0]);
        assert_eq!(places("-9", 5), [0u32; 0]);
        assert_eq!(places("-9-0", 5), [0]);
    }

    #[test]
    fn what_lies_beyond_the_end_does_not_count() {
        let count = |text: &str| text.parse::<Slice>().unwrap().places(None).count(&3u8.into());
        assert_eq!(["5", "0-9", "1-", "7-", "2,8"].map(count), [0u8, 3, 2, 0, 1].map(BigUint::from));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for bad in ["", "a", "1,", "5-2", "-1--2", "1-2-3", "+1", "--1"] {
            assert!(bad.parse::<Slice>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_seed_picks_the_same_places_and_never_one_twice() {
        let pick = |count, seed| Places::pick(count, &100u8.into(), Some(seed)).unwrap();
        assert_eq!(pick(10, 1), pick(10, 1));
        assert_ne!(pick(10, 1), pick(10, 2));
        for seed in 0..50 {
            assert_eq!(pick(99, seed).count(&100u8.into()), BigUint::from(99u8));
        }
        assert_eq!(pick(200, 1).count(&100u8.into()), BigUint::from(100u8));
    }
}
