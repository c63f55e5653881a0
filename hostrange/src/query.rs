//! Questions about a set that are answered by an exit status or a number.

use crate::chosen::Hosts;
use crate::names::Names;
use crate::set::{Host, HostSet, Operator, Sink, Step, Stop, finished};
use cerveza_manners::{Failure, Result};
use num_bigint::BigUint;

/// Of so many hosts each is looked up; more are counted.
const FEW: u32 = 100_000;

/// Whether the set has all hosts of `asked`.
pub(crate) fn contains(set: &HostSet<'_>, asked: &HostSet<'_>) -> Result<bool> {
    let many = asked.count();
    if many == BigUint::ZERO {
        return Err(Failure::usage("--contains: the expression stands for no host"));
    }
    has_all(set, asked, &many)
}

/// Whether the set has all hosts of `asked`, which are so many.
pub(crate) fn has_all(set: &HostSet<'_>, asked: &HostSet<'_>, many: &BigUint) -> Result<bool> {
    if *many > FEW.into() {
        return Ok(asked.clone().combine(Operator::Difference, set.clone()).count() == BigUint::ZERO);
    }
    let mut missing = Missing { set, any: false };
    finished(asked.feed(&mut missing))?;
    Ok(!missing.any)
}

struct Missing<'s> {
    set: &'s HostSet<'s>,
    any: bool,
}

impl Sink for Missing<'_> {
    fn host(&mut self, host: Host<'_>) -> Step {
        self.any = !self.set.contains(host.name());
        if self.any { Err(Stop::Enough) } else { Ok(()) }
    }
}

/// The place of `name` among the hosts.
pub(crate) fn index(hosts: &Hosts<'_>, name: &str) -> Result<Option<BigUint>> {
    if let Hosts::Names(set) = hosts
        && !set.contains(name)
    {
        return Ok(None);
    }
    let mut search = Search { name, at: BigUint::ZERO, is_found: false };
    finished(hosts.feed(&mut search))?;
    Ok(search.is_found.then_some(search.at))
}

struct Search<'s> {
    name: &'s str,
    at: BigUint,
    is_found: bool,
}

impl Sink for Search<'_> {
    fn host(&mut self, host: Host<'_>) -> Step {
        self.is_found = host.name() == self.name;
        if self.is_found {
            return Err(Stop::Enough);
        }
        self.at += 1u8;
        Ok(())
    }

    fn names(&mut self, names: &mut Names<'_>) -> Step {
        match names.pattern().find(self.name) {
            None => {
                self.at += names.remaining();
                Ok(())
            }
            Some(index) => {
                self.at += index;
                self.is_found = true;
                Err(Stop::Enough)
            }
        }
    }
}
