//! A host of the run: the instance that it is, or why there is none to run on.

use cerveza_record::Record;
use cerveza_results::{HostStatus, Outcome, Phase};

/// Where the commands of some hosts are sent: one account and one region.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The number of the account in the run.
    pub account: usize,
    pub region: String,
}

#[derive(Clone, Debug)]
pub struct Target {
    pub record: Record,
    pub instance: Result<Instance, Problem>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    pub place: Place,
    pub id: String,
    /// With --resume: the command that was sent before.
    pub command: Option<String>,
}

/// Why nothing can be run on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub status: HostStatus,
    pub phase: Phase,
    pub why: String,
}

impl Problem {
    pub fn outcome(&self) -> Outcome {
        Outcome::error(self.status, self.phase, &self.why)
    }
}
