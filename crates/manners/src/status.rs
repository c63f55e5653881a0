//! The exit status as a type: every tool ends with one of these.

use std::process::ExitCode;

/// How a run ended. The order is that of gravity: of several hosts the gravest decides (`max`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All done.
    Done,
    /// Done, but the answer is no for some host.
    No,
    /// Some hosts or regions could not be reached or changed.
    Unreached,
    /// Wrong usage, bad input, or nothing could be done.
    Usage,
    /// Ended by a signal. The code is that of Ctrl-C (128 + SIGINT, as shells count).
    Interrupted,
}

impl Status {
    /// Every status with its line in the man pages, by code.
    pub const ALL: [(Status, &'static str); 5] = [
        (Status::Done, "All done."),
        (
            Status::No,
            "Done, and the answer is no: a remote command failed, nothing matched under --fail-empty, or --check found \
             something wrong.",
        ),
        (Status::Usage, "Wrong usage, bad input, or nothing could be done."),
        (Status::Unreached, "Some hosts or regions could not be reached or changed."),
        (
            Status::Interrupted,
            "Interrupted: what was under way is finished or given up, each host has come out, and the tool has died of \
             the signal, so a shell's loop ends too. After SIGTERM a shell says 143, and after SIGHUP 129.",
        ),
    ];

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
    fn the_codes_are_those_of_the_man_pages() {
        assert_eq!(Status::ALL.map(|(status, _)| status.code()), [0, 1, 2, 3, 130]);
    }

    #[test]
    fn the_gravest_of_several_decides() {
        assert_eq!(Status::No.max(Status::Unreached), Status::Unreached);
        assert_eq!(Status::Unreached.max(Status::Done), Status::Unreached);
        assert_eq!(Status::Usage.max(Status::Interrupted), Status::Interrupted);
    }
}
