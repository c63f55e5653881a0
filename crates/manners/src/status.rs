//! The exit status of a tool.

use std::process::ExitCode;

/// How a run ended, in the order of severity: the worst host decides (`max`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All done.
    Done,
    /// Done, with a negative result for some host.
    No,
    /// Some hosts or regions could not be reached or changed.
    Unreached,
    /// Wrong usage, bad input, or nothing could be done.
    Usage,
    /// Ended by a signal. The code is that of Ctrl-C: 128 + SIGINT, as in a shell.
    Interrupted,
}

impl Status {
    pub fn code(self) -> u8 {
        match self {
            Status::Done => 0,
            Status::No => 1,
            Status::Usage => 2,
            Status::Unreached => 3,
            Status::Interrupted => 130,
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(status.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_of_several_decides() {
        assert_eq!(Status::No.max(Status::Unreached), Status::Unreached);
        assert_eq!(Status::Unreached.max(Status::Done), Status::Unreached);
        assert_eq!(Status::Usage.max(Status::Interrupted), Status::Interrupted);
    }
}
