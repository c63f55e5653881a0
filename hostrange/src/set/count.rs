//! Counts the hosts of a set by arithmetic.

use crate::pattern::bracket::Bracket;
use crate::pattern::names::Names;
use crate::pattern::portion::Portion;
use crate::pattern::{Part, Pattern};
use crate::set::visit::{HostVisitor, Visited, finished};
use crate::set::{Host, HostSet, MOST_IN_MEMORY};
use cerveza_manners::{Failure, Result};
use indexmap::IndexMap;
use num_bigint::BigUint;

impl HostSet<'_> {
    /// Returns the number of hosts. Expands patterns only if two of them may give the same name.
    pub fn count(&self) -> Result<BigUint> {
        let portions = self.merged_patterns();
        let is_distinct = |at: usize| {
            let pattern = &portions[at].pattern;
            !pattern.is_ambiguous() && portions[..at].iter().all(|other| pattern.is_disjoint(&other.pattern))
        };
        if (0..portions.len()).all(is_distinct) {
            let is_new = |name: &&str| !portions.iter().any(|portion| portion.contains(name));
            let names = self.distinct_names().filter(is_new).count();
            return Ok(portions.iter().map(Portion::count).sum::<BigUint>() + names);
        }
        if self.len() > MOST_IN_MEMORY {
            let why = format!("cannot count more than {MOST_IN_MEMORY} hosts of overlapping patterns");
            return Err(Failure::usage(why));
        }
        let mut counter = Counter(0);
        finished(self.for_each_host(&mut counter))?;
        Ok(counter.0.into())
    }

    /// Returns the number of hosts, duplicates included.
    pub fn count_duplicates(&self) -> BigUint {
        let names = self.members.iter().filter(|member| member.name().is_some()).count();
        self.patterns().map(Portion::count).sum::<BigUint>() + names
    }

    /// Returns the patterns. Whole ones that differ only in one bracket are merged: n[1-5] and n[3-9] are n[1-9].
    fn merged_patterns(&self) -> Vec<Portion> {
        let mut merged: Vec<Portion> = Vec::new();
        let mut alike = IndexMap::new();
        for portion in self.patterns() {
            match portion.pattern.as_one_bracket() {
                Some((before, bracket, after)) if portion.is_whole() => {
                    alike.entry((before, after)).or_insert_with(Vec::new).extend(bracket.segments.iter().cloned());
                }
                _ => merged.push(portion.clone()),
            }
        }
        for ((before, after), segments) in alike {
            let text = |text: &str| Some(Part::Text(text.into())).filter(|_| !text.is_empty());
            let bracket = Part::Bracket(Bracket::merged(segments));
            let parts = text(before).into_iter().chain([bracket]).chain(text(after)).collect();
            merged.push(Pattern::new(parts).into());
        }
        merged
    }
}

struct Counter(u128);

impl HostVisitor for Counter {
    fn visit_host(&mut self, _: &Host<'_>) -> Visited {
        self.0 += 1;
        Ok(())
    }

    fn visit_run(&mut self, run: &mut Names<'_>) -> Visited {
        self.0 += run.left();
        Ok(())
    }
}
