//! `HostVisitor`: what a set calls with each of its hosts. A "run" is the rest of a pattern's names, visited in one call.

use crate::pattern::names::Names;
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
