//! `Failure`: an error with a message, an exit status, and a hint that says what to do.

use crate::{Status, without_error_numbers};
use std::fmt;
use std::io;

pub type Result<T> = std::result::Result<T, Failure>;

/// Why a run ended, or why one host or region failed. `Display` gives only the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub status: Status,
    /// `what failed: why`, without the tool's name. Empty only for a closed pipe, which ends a tool without a message.
    pub message: String,
    /// What to do, as a separate sentence.
    pub hint: Option<String>,
}

impl Failure {
    /// Wrong usage, bad input, or nothing could be done.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Status::Usage, message)
    }

    /// Done, with a negative result.
    pub fn no(message: impl Into<String>) -> Failure {
        Failure::new(Status::No, message)
    }

    /// Returns the failure of a host or region that could not be reached or changed.
    pub fn unreached(message: impl Into<String>) -> Failure {
        Failure::new(Status::Unreached, message)
    }

    pub fn interrupted() -> Failure {
        Failure::new(Status::Interrupted, "interrupted")
    }

    fn new(status: Status, message: impl Into<String>) -> Failure {
        Failure { status, message: without_error_numbers(&message.into()), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Puts a place before the message: a file or a host.
    pub fn within(mut self, place: impl fmt::Display) -> Failure {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// Returns the failure of a write to stdout. If the reader has gone (`| head`), there is no message.
    pub fn stdout(error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::new(Status::Done, ""),
            _ => Failure::usage(format!("cannot write to stdout: {error}")),
        }
    }

    pub fn is_closed_pipe(&self) -> bool {
        self.message.is_empty()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
