//! How hosts travel: a set calls a `HostVisitor` with one host, or one run of names, after the other.

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

    /// Visits all names that are left of a pattern. Override it if that is faster than one name after the other.
    fn visit_run(&mut self, run: &mut Names<'_>) -> Visited {
        while let Some(name) = run.next_name() {
            self.visit_host(Host::Name(name))?;
        }
        Ok(())
    }
}

pub(crate) type Visited = Result<(), Stop>;

/// Why a visitor takes no more hosts.
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
