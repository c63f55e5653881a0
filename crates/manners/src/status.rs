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
    /// All statuses by code, with their description in the man pages.
    pub const ALL: [(Status, &'static str); 5] = [
        (Status::Done, "Everything was done."),
        (
            Status::No,
            "Done, with a negative result: a remote command failed, nothing matched with --fail-empty, or --check found a \
             problem.",
        ),
        (Status::Usage, "Wrong usage or bad input, or nothing could be done."),
        (Status::Unreached, "Some hosts or regions could not be reached or changed."),
        (
            Status::Interrupted,
            "Interrupted by a signal. Every host was written, and the tool died of the signal, so a loop in a shell ends \
             too. After SIGTERM the status is 143, and after SIGHUP 129.",
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
