//! Lets through the hosts that other sets have, or have not.
//!
//! Of a pattern with many names the automaton tells how many stay: if none or all do, none is looked at, else either half
//! is asked for again. So `n[1-999999999999]!n[5-7]` is two long runs.

use crate::count::Automaton;
use crate::names::Names;
use crate::pattern::Pattern;
use crate::set::{Host, HostSet, Sink, Step};
use num_bigint::BigUint;
use std::rc::Rc;

/// What is asked of each name, and which answer lets it through.
pub(crate) struct Sieve<'s> {
    pub automaton: Automaton<'s>,
    /// The names of which the automaton does not know.
    pub names: Rc<Vec<&'s str>>,
    pub has: Box<dyn Fn(&str) -> bool + 's>,
    /// What the automaton says of a name.
    pub patterns_have: Box<dyn Fn(&str) -> bool + 's>,
    pub wanted: bool,
}

/// So many names that are left out one after another are a while.
const IDLE: u32 = 1 << 14;

impl<'s> Sieve<'s> {
    /// Asks whether one of `sets` has a name.
    pub fn of(sets: &'s [HostSet<'_>], wanted: bool) -> Sieve<'s> {
        Sieve {
            automaton: Automaton::new(sets),
            names: sets
                .iter()
                .flat_map(HostSet::all_words)
                .flat_map(|words| words.distinct_names())
                .collect::<Vec<_>>()
                .into(),
            has: Box::new(|name| sets.iter().any(|set| set.contains(name))),
            patterns_have: Box::new(|name| sets.iter().any(|set| set.patterns_contain(name))),
            wanted,
        }
    }

    pub fn on<'f>(&'f self, sink: &'f mut dyn Sink) -> Sifted<'f>
    where
        's: 'f,
    {
        Sifted { sieve: self, sink, left_out: 0 }
    }

    /// Of so many names of a pattern it is quicker to look at each.
    fn few(&self) -> usize {
        match cfg!(test) {
            // The sets of tests are small, and are to take the same way.
            true => 2,
            false => 500 + 16 * self.automaton.size() + self.names.len(),
        }
    }

    /// The places in `pattern` of the names that the automaton is wrong about, and what `has` says of them.
    fn corrections(&self, pattern: &Pattern) -> Vec<(BigUint, bool)> {
        let wrong = self.names.iter().filter_map(|name| {
            let index = pattern.find(name)?;
            let has = (self.has)(name);
            (has != (self.patterns_have)(name)).then_some((index, has))
        });
        let mut wrong: Vec<_> = wrong.collect();
        wrong.sort_unstable();
        wrong.dedup();
        wrong
    }
}

/// Hosts on their way through a sieve.
pub(crate) struct Sifted<'f> {
    sieve: &'f Sieve<'f>,
    sink: &'f mut dyn Sink,
    left_out: u32,
}

impl Sifted<'_> {
    /// Takes the names of `part`, a part of a pattern in which `start` names come before it.
    fn sift(&mut self, part: &Pattern, start: BigUint, corrections: &[(BigUint, bool)]) -> Step {
        let size = part.count();
        let held = match size > self.sieve.few().into() {
            true => self.sieve.automaton.count_within(part),
            false => None,
        };
        let Some(mut held) = held else { return self.one_by_one(&mut Names::new(part)) };
        let place = |at: &BigUint| corrections.partition_point(|(index, _)| index < at);
        for (_, has) in &corrections[place(&start)..place(&(&start + &size))] {
            match has {
                true => held += 1u8,
                false => held -= 1u8,
            }
        }
        let kept = if self.sieve.wanted { held } else { &size - held };
        if kept == BigUint::ZERO {
            return self.leave_out(IDLE / 64);
        }
        if kept == size {
            return self.sink.names(&mut Names::new(part));
        }
        let (first, second) = part.halves();
        let middle = &start + first.count();
        self.sift(&first, start, corrections)?;
        self.sift(&second, middle, corrections)
    }

    fn one_by_one(&mut self, names: &mut Names<'_>) -> Step {
        while let Some(name) = names.next_name() {
            self.host(Host::Name(name))?;
        }
        Ok(())
    }

    fn leave_out(&mut self, names: u32) -> Step {
        self.left_out += names;
        if self.left_out < IDLE {
            return Ok(());
        }
        self.left_out = 0;
        self.sink.idle()
    }
}

impl Sink for Sifted<'_> {
    fn host(&mut self, host: Host<'_>) -> Step {
        match (self.sieve.has)(host.name()) == self.sieve.wanted {
            true => self.sink.host(host),
            false => self.leave_out(1),
        }
    }

    fn names(&mut self, names: &mut Names<'_>) -> Step {
        let pattern = names.pattern();
        if !names.is_whole() || pattern.is_ambiguous() || pattern.count() <= self.sieve.few().into() {
            return self.one_by_one(names);
        }
        self.sift(pattern, BigUint::ZERO, &self.sieve.corrections(pattern))
    }

    fn idle(&mut self) -> Step {
        self.sink.idle()
    }
}
