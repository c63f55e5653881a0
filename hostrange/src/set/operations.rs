//! Operations on sets (`!`, `&`, `^`), and the names that a pattern shares with other members.

use crate::pattern::portion::Portion;
use crate::pattern::positions::Positions;
use crate::set::{Host, HostSet, MOST_IN_MEMORY, Member};
use cerveza_manners::Failure;
use std::cell::OnceCell;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Difference,
    Intersection,
    SymmetricDifference,
}

/// With more patterns than this it is faster to look a name up in a table of all their names.
const MANY_PATTERNS: usize = 64;

/// Patterns with more names than this are never put into that table.
const MOST_EXPANDED: u128 = 10_000;

impl<'a> HostSet<'a> {
    /// Returns the result of an operation, or an error if a side has too many names.
    pub fn combine(self, operator: Operator, right: HostSet<'a>) -> Result<HostSet<'a>, String> {
        let (left, right) = (self.expand_many_patterns(), right.expand_many_patterns());
        let mut members = left.members_where(&right, operator == Operator::Intersection)?;
        if operator == Operator::SymmetricDifference {
            members.append(&mut right.members_where(&left, false)?);
        }
        let operand_records = left.records().chain(right.records()).cloned().collect();
        Ok(HostSet { members, operand_records, index: OnceCell::new() })
    }

    /// Whether all hosts are in `other`.
    pub fn is_subset(&self, other: &HostSet<'_>) -> Result<bool, Failure> {
        match self.members_where(other, false) {
            Ok(missing) => Ok(missing.is_empty()),
            Err(_) => Err(Failure::usage(format!("cannot look up more than {MOST_IN_MEMORY} hosts"))),
        }
    }

    /// Returns the members that are in `other`, or those that are not.
    fn members_where(&self, other: &HostSet<'_>, in_other: bool) -> Result<Vec<Member<'a>>, String> {
        if self.len() > MOST_IN_MEMORY {
            return Err(format!("too many hosts for an operation: it reads at most {MOST_IN_MEMORY} into memory"));
        }
        let mut kept = Vec::new();
        for member in &self.members {
            match member {
                Member::Pattern(portion) => {
                    let shared = other.positions_of_shared(portion);
                    let positions = if in_other { shared } else { portion.positions().without(&shared) };
                    if !positions.is_empty() {
                        kept.push(Member::Pattern(portion.with_positions(positions)));
                    }
                }
                Member::Host(host) if other.contains(host.name()) == in_other => kept.push(member.clone()),
                Member::Host(_) => {}
            }
        }
        Ok(kept)
    }

    /// Returns the positions of the names of `portion` that are in this set.
    fn positions_of_shared(&self, portion: &Portion) -> Positions {
        let end = self.members.len();
        self.positions_to_check(portion, end).unwrap_or_else(|| {
            let mut positions = Positions::default();
            portion.for_each_name(|position, name| {
                if self.is_in_members(name, end) {
                    positions.push(position..position + 1);
                }
            });
            positions
        })
    }

    /// Returns the positions of the names of `portion` that may be elsewhere: in a pattern of the first `end` members, or as
    /// any host of the set. `None` if it is faster to look up each name of the portion.
    pub(super) fn positions_to_check(&self, portion: &Portion, end: usize) -> Option<Positions> {
        let overlapping = || self.patterns_in_members(end).filter(|other| !portion.pattern.is_disjoint(&other.pattern));
        let names = self.distinct_names().len() as u128;
        let others = overlapping().fold(names, |sum, other| sum.saturating_add(other.len()));
        if portion.pattern.is_ambiguous() || others >= portion.len() {
            return None;
        }
        let mut positions = Vec::new();
        let mut add = |name: &str| positions.extend(portion.find(name).map(|position| position..position + 1));
        self.distinct_names().for_each(&mut add);
        overlapping().for_each(|other| other.for_each_name(|_, name| add(name)));
        Some(Positions::new(positions))
    }

    /// Returns the same set. If it has many patterns, the small ones are expanded.
    pub fn expand_many_patterns(self) -> HostSet<'a> {
        if self.patterns().nth(MANY_PATTERNS).is_none() || self.len() > MOST_IN_MEMORY {
            return self;
        }
        let mut members = Vec::new();
        for member in self.members {
            match member {
                Member::Pattern(portion) if portion.len() <= MOST_EXPANDED => {
                    portion.for_each_name(|_, name| members.push(Member::Host(Host::Name(name.to_string().into()))));
                }
                member => members.push(member),
            }
        }
        HostSet { members, operand_records: self.operand_records, index: OnceCell::new() }
    }
}
