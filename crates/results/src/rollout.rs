//! A rollout divides a run into batches, and ends it if too many hosts fail. Without I/O.

use crate::output::outcome::Mark;
use std::ops::Range;
use std::str::FromStr;

/// A number of hosts, or a percentage of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Share {
    Hosts(usize),
    Percent(f64),
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Share, String> {
        let text = text.trim();
        let bad = || format!("{text:?} is neither a number of hosts, as in 3, nor a part of them, as in 10%");
        match text.strip_suffix('%') {
            Some(number) => match number.trim().parse::<f64>() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Share::Percent(percent)),
                _ => Err(bad()),
            },
            None => text.parse().map(Share::Hosts).map_err(|_| bad()),
        }
    }
}

/// Parses the size of a batch, which is at least one host.
pub fn batch_size(text: &str) -> Result<Share, String> {
    match text.parse()? {
        Share::Hosts(0) | Share::Percent(0.0) => Err("a batch has one host at least".to_string()),
        share => Ok(share),
    }
}

impl Share {
    /// Returns the number of hosts. A percentage is rounded down: 10% of 15 hosts is one.
    fn of(self, hosts: usize) -> usize {
        match self {
            Share::Hosts(number) => number,
            // At most the number of hosts, for which f64 is exact.
            Share::Percent(percent) => (hosts as f64 * percent / 100.0).floor() as usize,
        }
    }
}

#[derive(clap::Args, Clone, Debug)]
pub struct RolloutArgs {
    /// One host at a time, in order; stop at the first failure
    #[arg(long, conflicts_with = "batch", help_heading = "Limits", hide_short_help = true)]
    pub serial: bool,

    /// Run in batches, as in 1,10%,50%; stop if one fails
    ///
    /// Sizes are numbers of hosts, or percentages of all hosts; the last size repeats. A percentage is rounded down, to at
    /// least one host for a batch. A batch begins when all hosts of the batch before are finished, if at least one of them
    /// was reached and at most --max-fail hosts have failed in all.
    #[arg(long, value_name = "SIZE[,SIZE...]", value_delimiter = ',', value_parser = batch_size, help_heading = "Limits")]
    pub batch: Vec<Share>,

    /// Start no more hosts once more than this many have failed
    ///
    /// The remaining hosts are `skipped` [default: 0 with --batch or --serial, else no limit].
    #[arg(long, value_name = "NUMBER|PERCENT%", help_heading = "Limits", hide_short_help = true)]
    pub max_fail: Option<Share>,

    /// Like --max-fail, for hosts that were not reached [default: no limit]
    #[arg(long, value_name = "NUMBER|PERCENT%", help_heading = "Limits", hide_short_help = true)]
    pub max_unreachable: Option<Share>,
}

impl RolloutArgs {
    pub fn rules(&self) -> RolloutRules {
        // Without a limit a rollout would go on after its first batch failed.
        let careful = (self.serial || !self.batch.is_empty()).then_some(Share::Hosts(0));
        RolloutRules {
            batches: self.batch.clone(),
            max_fail: self.max_fail.or(careful),
            max_unreachable: self.max_unreachable,
        }
    }
}

/// The rules of a rollout, from the command line.
#[derive(Clone, Debug, Default)]
pub struct RolloutRules {
    /// The sizes of the batches. The last size is repeated. Empty: all hosts in one batch.
    pub batches: Vec<Share>,
    /// The rollout ends if more hosts than this fail.
    pub max_fail: Option<Share>,
    /// The rollout ends if more hosts than this are not reached.
    pub max_unreachable: Option<Share>,
}

/// The state of a rollout.
#[derive(Debug)]
pub struct Rollout {
    batches: Vec<Range<usize>>,
    /// The current batch; past the last batch when all are done.
    at: usize,
    /// How many hosts of the current batch are not done.
    open: usize,
    /// Whether a host of the current batch was reached.
    answered: bool,
    failed: usize,
    unreached: usize,
    max_fail: Option<usize>,
    max_unreachable: Option<usize>,
}

impl Rollout {
    pub fn new(hosts: usize, rules: &RolloutRules) -> Rollout {
        let batches = batches(hosts, &rules.batches);
        let open = batches.first().map_or(0, Range::len);
        let most = |share: Option<Share>| share.map(|share| share.of(hosts));
        let (max_fail, max_unreachable) = (most(rules.max_fail), most(rules.max_unreachable));
        Rollout { batches, at: 0, open, answered: false, failed: 0, unreached: 0, max_fail, max_unreachable }
    }

    /// Returns the hosts of the current batch, as indexes of the input.
    pub fn batch(&self) -> Range<usize> {
        self.batches.get(self.at).cloned().unwrap_or(0..0)
    }

    /// Returns the hosts of later batches.
    pub fn rest(&self) -> Range<usize> {
        let all = self.batches.last().map_or(0, |batch| batch.end);
        self.batch().end.max(if self.at >= self.batches.len() { all } else { 0 })..all
    }

    /// A host of the current batch is done. Returns whether the next batch begins.
    pub fn add_mark(&mut self, mark: Mark) -> bool {
        match mark {
            Mark::Good => {}
            Mark::Failed => self.failed += 1,
            Mark::Unreached => self.unreached += 1,
        }
        self.answered |= mark != Mark::Unreached;
        self.open = self.open.saturating_sub(1);
        if self.open > 0 || self.at >= self.batches.len() || self.why_over().is_some() {
            return false;
        }
        self.at += 1;
        self.open = self.batch().len();
        self.answered = false;
        self.open > 0
    }

    /// Returns how many more hosts may fail before the rollout ends, if that is limited.
    pub fn failures_left(&self) -> Option<usize> {
        self.max_fail.map(|most| most.saturating_sub(self.failed))
    }

    /// Returns why no more hosts may begin, if so.
    pub fn why_over(&self) -> Option<String> {
        let over = |count: usize, most: Option<usize>| most.is_some_and(|most| count > most);
        if over(self.failed, self.max_fail) {
            return Some(format!("{} failed, which is more than --max-fail", hosts(self.failed)));
        }
        if over(self.unreached, self.max_unreachable) {
            return Some(format!("{} not reached, which is more than --max-unreachable", hosts(self.unreached)));
        }
        // A batch of dead hosts does not show whether the command works.
        if self.open == 0 && !self.answered && !self.rest().is_empty() {
            return Some("no host of the batch before was reached".to_string());
        }
        None
    }
}

fn hosts(count: usize) -> String {
    match count {
        1 => "1 host".to_string(),
        count => format!("{count} hosts"),
    }
}

/// Divides hosts into batches of at least one host. A percentage counts all hosts, not the remaining ones.
pub fn batches(hosts: usize, sizes: &[Share]) -> Vec<Range<usize>> {
    let mut batches = Vec::new();
    let mut from = 0;
    while from < hosts {
        let size = sizes.get(batches.len()).or(sizes.last()).map_or(hosts, |share| share.of(hosts).max(1));
        let to = from.saturating_add(size).min(hosts);
        batches.push(from..to);
        from = to;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares(text: &str) -> Vec<Share> {
        text.split(',').map(|share| share.parse().unwrap()).collect()
    }

    #[test]
    fn the_last_size_goes_on_and_a_batch_is_never_empty() {
        assert_eq!(batches(10, &shares("100%")), batches(10, &[]));
        assert!(batches(0, &shares("1")).is_empty());
        assert_eq!(batches(10, &shares("1,10%,50%")), [0..1, 1..2, 2..7, 7..10]);
        assert_eq!(batches(5, &shares("1%")), [0..1, 1..2, 2..3, 3..4, 4..5]);
        assert_eq!(batches(3, &shares("100")), batches(3, &[]));
        assert_eq!(batches(3, &shares("0")), [0..1, 1..2, 2..3]);
        for bad in ["", "-1", "101%", "%", "x", "1.5", "NaN%"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_batch_begins_when_the_one_before_is_done_and_well() {
        let rules = RolloutRules { batches: shares("1,2"), max_fail: Some(Share::Hosts(0)), ..RolloutRules::default() };
        let mut rollout = Rollout::new(5, &rules);
        assert_eq!((rollout.batch(), rollout.rest()), (0..1, 1..5));
        assert!(rollout.add_mark(Mark::Good));
        assert_eq!((rollout.batch(), rollout.rest()), (1..3, 3..5));
        assert!(!rollout.add_mark(Mark::Failed));
        assert_eq!(rollout.why_over().unwrap(), "1 host failed, which is more than --max-fail");
        assert!(!rollout.add_mark(Mark::Good));
        assert_eq!(rollout.rest(), 3..5);
    }

    #[test]
    fn a_batch_of_dead_hosts_is_the_last() {
        let mut rollout = Rollout::new(3, &RolloutRules { batches: shares("2"), ..RolloutRules::default() });
        assert!(!rollout.add_mark(Mark::Unreached));
        assert!(!rollout.add_mark(Mark::Unreached));
        assert_eq!(rollout.why_over().unwrap(), "no host of the batch before was reached");
        assert_eq!(rollout.rest(), 2..3);
    }

    #[test]
    fn failures_and_dead_hosts_are_counted_apart() {
        let rules = RolloutRules {
            max_fail: Some(Share::Percent(50.0)),
            max_unreachable: Some(Share::Hosts(1)),
            ..RolloutRules::default()
        };
        let mut rollout = Rollout::new(4, &rules);
        for mark in [Mark::Failed, Mark::Failed, Mark::Unreached] {
            rollout.add_mark(mark);
            assert_eq!(rollout.why_over(), None);
        }
        rollout.add_mark(Mark::Unreached);
        assert_eq!(rollout.why_over().unwrap(), "2 hosts not reached, which is more than --max-unreachable");
    }

    proptest! {
        #[test]
        fn every_host_is_in_one_batch(hosts in 0usize..500, sizes in proptest::collection::vec(0usize..100, 0..4)) {
            let sizes: Vec<Share> = sizes.into_iter().map(|size| match size % 2 {
                0 => Share::Hosts(size),
                _ => Share::Percent(size as f64),
            }).collect();
            let batches = batches(hosts, &sizes);
            let all: Vec<usize> = batches.iter().cloned().flatten().collect();
            prop_assert_eq!(all, (0..hosts).collect::<Vec<_>>());
            prop_assert!(batches.iter().all(|batch| !batch.is_empty()));
            let mut rollout = Rollout::new(hosts, &RolloutRules { batches: sizes, ..RolloutRules::default() });
            for host in 0..hosts {
                prop_assert!(rollout.batch().contains(&host));
                rollout.add_mark(Mark::Good);
            }
            prop_assert!(rollout.rest().is_empty());
        }
    }
}
