//! Visits the hosts of a set: `HostVisitor` is called with each host. A "run" is a series of names of a pattern, visited in
//! one call.

use crate::pattern::names::Names;
use crate::pattern::portion::Portion;
use crate::pattern::positions::Positions;
use crate::set::{Host, HostSet, Member};
use cerveza_manners::Failure;

pub(crate) trait HostVisitor {
    fn visit_host(&mut self, host: &Host<'_>) -> Visited;

    /// Visits all remaining names of a run. Visitors override it if they can do better than one name at a time.
    fn visit_run(&mut self, run: &mut Names<'_>) -> Visited {
        while let Some(name) = run.next_name() {
            self.visit_host(&name.into())?;
        }
        Ok(())
    }
}

pub(crate) type Visited = Result<(), Stop>;

/// Why a visitor ends the visit.
pub(crate) enum Stop {
    Enough,
    Failed(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

/// Returns the failure of a visit. `Enough` is not a failure.
pub(crate) fn finished(visited: Visited) -> Result<(), Failure> {
    match visited {
        Ok(()) | Err(Stop::Enough) => Ok(()),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

impl HostSet<'_> {
    /// Visits each host once, in order. A run never contains a name that is also a member or has a record.
    pub fn for_each_host(&self, visitor: &mut dyn HostVisitor) -> Visited {
        self.members.iter().enumerate().try_for_each(|(at, member)| match member {
            Member::Host(host) if self.is_in_members(host.name(), at) => Ok(()),
            Member::Host(host) => visitor.visit_host(host),
            Member::Pattern(portion) => match self.positions_to_check(portion, at) {
                Some(positions) => self.visit_as_runs(portion, positions, at, visitor),
                None => self.visit_one_by_one(portion, at, visitor),
            },
        })
    }

    /// Visits each host as often as it was given.
    pub fn for_each_duplicate(&self, visitor: &mut dyn HostVisitor) -> Visited {
        self.members.iter().try_for_each(|member| match member {
            Member::Host(host) => visitor.visit_host(host),
            Member::Pattern(portion) => portion.runs().try_for_each(|mut run| visitor.visit_run(&mut run)),
        })
    }

    /// Visits the names of `portion` that none of the first `end` members gives.
    fn visit_one_by_one(&self, portion: &Portion, end: usize, visitor: &mut dyn HostVisitor) -> Visited {
        let pattern = &portion.pattern;
        for mut names in portion.runs() {
            let mut position = names.position();
            while let Some(name) = names.next_name() {
                let is_repeated = pattern.is_ambiguous() && pattern.find(name) != Some(position);
                if !is_repeated && !self.is_in_members(name, end) {
                    visitor.visit_host(&name.into())?;
                }
                position += 1;
            }
        }
        Ok(())
    }

    /// Like `visit_one_by_one`, but looks up only the names at the positions to check, and those that have a record.
    fn visit_as_runs(
        &self,
        portion: &Portion,
        to_check: Positions,
        end: usize,
        visitor: &mut dyn HostVisitor,
    ) -> Visited {
        let with_record = self.operand_records.iter().filter_map(|record| portion.find(record.host()));
        let with_record = with_record.map(|position| position..position + 1);
        let single = Positions::new(to_check.into_ranges().into_iter().chain(with_record).collect());
        // Positions of this portion, ascending as its runs do.
        let mut single_positions = single.into_ranges().into_iter().flatten().peekable();
        for mut run in portion.runs() {
            while let Some(position) = single_positions.next_if(|position| *position < run.position() + run.left()) {
                visitor.visit_run(&mut run.split_off(position - run.position()))?;
                if let Some(name) = run.next_name()
                    && !self.is_in_members(name, end)
                {
                    visitor.visit_host(&name.into())?;
                }
            }
            visitor.visit_run(&mut run)?;
        }
        Ok(())
    }
}
