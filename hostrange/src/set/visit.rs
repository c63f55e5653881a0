//! Visits the hosts of a set: `HostVisitor` is called with each host. A "run" is a series of names of a pattern, visited in
//! one call.

use crate::pattern::names::Names;
use crate::pattern::portion::Portion;
use crate::pattern::positions::Positions;
use crate::set::{HostSet, Member};
use cerveza_manners::Failure;
use cerveza_record::Record;
use std::rc::Rc;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Host<'a> {
    Name(&'a str),
    Record(&'a Rc<Record>),
}

impl<'a> Host<'a> {
    pub fn name(self) -> &'a str {
        match self {
            Host::Name(name) => name,
            Host::Record(record) => record.host(),
        }
    }
}

pub(crate) trait HostVisitor {
    fn visit_host(&mut self, host: Host<'_>) -> Visited;

    /// Visits all remaining names of a run. Visitors override it if they can do better than one name at a time.
    fn visit_run(&mut self, run: &mut Names<'_>) -> Visited {
        while let Some(name) = run.next_name() {
            self.visit_host(Host::Name(name))?;
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
        self.members.iter().enumerate().try_for_each(|(at, member)| match (member, member.host()) {
            (Member::Pattern(portion), _) => self.visit_portion(at, portion, visitor),
            (_, Some(host)) if !self.is_in_members(host.name(), at) => visitor.visit_host(host),
            _ => Ok(()),
        })
    }

    /// Visits each host as often as it was given.
    pub fn for_each_duplicate(&self, visitor: &mut dyn HostVisitor) -> Visited {
        self.members.iter().try_for_each(|member| match (member, member.host()) {
            (Member::Pattern(portion), _) => portion.runs().try_for_each(|mut run| visitor.visit_run(&mut run)),
            (_, Some(host)) => visitor.visit_host(host),
            _ => Ok(()),
        })
    }

    /// Visits the names of `portion`, the member at `at`, that no earlier member gives.
    fn visit_portion(&self, at: usize, portion: &Portion, visitor: &mut dyn HostVisitor) -> Visited {
        let pattern = &portion.pattern;
        let Some(shared) = self.positions_to_check(portion, at) else {
            for mut names in portion.runs() {
                let mut position = names.position();
                while let Some(name) = names.next_name() {
                    let is_repeated = pattern.is_ambiguous() && pattern.find(name) != Some(position);
                    if !is_repeated && !self.is_in_members(name, at) {
                        visitor.visit_host(Host::Name(name))?;
                    }
                    position += 1;
                }
            }
            return Ok(());
        };
        let with_record = self.operand_records.iter().filter_map(|record| portion.find(record.host()));
        let with_record = with_record.map(|position| position..position + 1);
        let single = Positions::new(shared.ranges().iter().cloned().chain(with_record).collect());
        let mut single = single.ranges().iter().cloned().flatten().peekable();
        for mut names in portion.runs() {
            while let Some(position) = single.next_if(|position| *position < names.position() + names.left()) {
                visitor.visit_run(&mut names.split_off(position - names.position()))?;
                if let Some(name) = names.next_name()
                    && !self.is_in_members(name, at)
                {
                    visitor.visit_host(Host::Name(name))?;
                }
            }
            visitor.visit_run(&mut names)?;
        }
        Ok(())
    }
}
