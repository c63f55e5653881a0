//! Counts the hosts of a set by arithmetic.

use crate::pattern::bracket::Bracket;
use crate::pattern::names::Names;
use crate::pattern::{Part, Pattern};
use crate::set::visit::{Host, HostVisitor, Visited, finished};
use crate::set::{HostSet, MOST_IN_MEMORY};
use cerveza_manners::{Failure, Result};
use indexmap::IndexMap;
use num_bigint::BigUint;

impl HostSet<'_> {
    /// Returns the number of hosts. Expands patterns only if two of them may give the same name.
    pub fn count(&self) -> Result<BigUint> {
        let patterns = self.merged_patterns();
        let is_distinct = |at: usize| {
            !patterns[at].is_ambiguous() && patterns[..at].iter().all(|other| patterns[at].is_disjoint(other))
        };
        if (0..patterns.len()).all(is_distinct) {
            let is_new = |name: &&str| !patterns.iter().any(|pattern| pattern.contains(name));
            return Ok(
                patterns.iter().map(Pattern::count).sum::<BigUint>() + self.distinct_names().filter(is_new).count()
            );
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
        self.patterns().map(Pattern::count).sum::<BigUint>() + self.names_given()
    }

    /// Returns the patterns. Those that differ only in one bracket are merged: n[1-5] and n[3-9] are n[1-9].
    fn merged_patterns(&self) -> Vec<Pattern> {
        let mut merged: Vec<Pattern> = Vec::new();
        let mut alike = IndexMap::new();
        for pattern in self.patterns() {
            match pattern.as_one_bracket() {
                Some((before, bracket, after)) => {
                    alike.entry((before, after)).or_insert_with(Vec::new).extend(bracket.segments.iter().cloned());
                }
                None => merged.push(pattern.clone()),
            }
        }
        for ((before, after), segments) in alike {
            let text = |text: &str| Some(Part::Text(text.into())).filter(|_| !text.is_empty());
            let bracket = Part::Bracket(Bracket::merged(segments));
            merged.push(Pattern::new(text(before).into_iter().chain([bracket]).chain(text(after)).collect()));
        }
        merged
    }
}

struct Counter(u128);

impl HostVisitor for Counter {
    fn visit_host(&mut self, _: Host<'_>) -> Visited {
        self.0 += 1;
        Ok(())
    }

    fn visit_run(&mut self, run: &mut Names<'_>) -> Visited {
        self.0 += run.left();
        Ok(())
    }
}
