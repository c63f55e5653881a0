//! The outcome of a command on one host: status, phase, exit code, output, error.

use crate::output::capture::Output;
use crate::output::copied::Copied;
use cerveza_manners::Status;
use std::time::{Duration, SystemTime};

/// The status of a host in its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostStatus {
    Ok,
    /// The command's exit status was not 0, or the server refused to run it.
    Failed,
    /// A signal ended the command.
    Signaled,
    /// A deadline passed while logging in or running.
    Timeout,
    /// No connection was made, or it ended before the command was sent.
    Unreachable,
    /// The login was refused.
    Auth,
    /// The host's key is unknown, changed or revoked.
    HostKey,
    /// The connection ended before the command's exit status arrived. What the command did is not known.
    Lost,
    /// The run was interrupted first.
    Cancelled,
    /// The host was never tried. The error says why.
    Skipped,
}

impl HostStatus {
    pub fn name(self) -> &'static str {
        match self {
            HostStatus::Ok => "ok",
            HostStatus::Failed => "failed",
            HostStatus::Signaled => "signaled",
            HostStatus::Timeout => "timeout",
            HostStatus::Unreachable => "unreachable",
            HostStatus::Auth => "auth",
            HostStatus::HostKey => "hostkey",
            HostStatus::Lost => "lost",
            HostStatus::Cancelled => "cancelled",
            HostStatus::Skipped => "skipped",
        }
    }

    /// Returns what the host contributes to the exit status of the run.
    pub fn exit(self) -> Status {
        match self {
            HostStatus::Ok => Status::Done,
            HostStatus::Failed | HostStatus::Signaled => Status::No,
            _ => Status::Unreached,
        }
    }
}

/// The phase that an attempt reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Finding out which instance a host is (ec2-run).
    Lookup,
    /// Getting the command to the agent of the host (ec2-run).
    Deliver,
    Resolve,
    Connect,
    Handshake,
    HostKey,
    Auth,
    Exec,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Phase::Lookup => "lookup",
            Phase::Deliver => "deliver",
            Phase::Resolve => "resolve",
            Phase::Connect => "connect",
            Phase::Handshake => "handshake",
            Phase::HostKey => "hostkey",
            Phase::Auth => "auth",
            Phase::Exec => "exec",
        }
    }
}

/// Whether another attempt may help. It is harmless only if the command was not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    #[default]
    Never,
    Once,
    /// The server closed the connection before it said anything, perhaps because of load.
    Closed,
    /// The server said that it is overloaded.
    Shed,
    /// Nothing was tried, because the host waited too long for a slot. Does not count as an attempt.
    Again,
}

/// What a host that is done counts as in a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Good,
    /// The command failed, or it may have run, or the host refused it.
    Failed,
    /// The command was not started.
    Unreached,
}

/// What happened on one host.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub status: HostStatus,
    /// `None` if nothing was begun.
    pub phase: Option<Phase>,
    /// Set only if it really arrived.
    pub exit_code: Option<u32>,
    pub signal: Option<String>,
    pub stdout: Output,
    pub stderr: Output,
    pub error: Option<String>,
    /// When the last attempt began.
    pub started_at: Option<SystemTime>,
    pub duration: Duration,
    pub attempts: u32,
    /// Whether its files of `--outdir` are incomplete.
    pub unwritten: bool,
    /// What was copied, if that was requested.
    pub copied: Option<Copied>,
    /// AWS's id of the command, if it was sent through AWS.
    pub command_id: Option<String>,
    /// Whether the command was certainly not started, although its phase was reached.
    pub not_started: bool,
    pub retry: Retry,
}

impl Outcome {
    pub fn new(status: HostStatus, phase: Option<Phase>) -> Outcome {
        Outcome {
            status,
            phase,
            exit_code: None,
            signal: None,
            stdout: Output::default(),
            stderr: Output::default(),
            error: None,
            started_at: None,
            duration: Duration::ZERO,
            attempts: 0,
            unwritten: false,
            copied: None,
            command_id: None,
            not_started: false,
            retry: Retry::Never,
        }
    }

    pub fn error(status: HostStatus, phase: Phase, error: impl Into<String>) -> Outcome {
        Outcome { error: Some(error.into()), ..Outcome::new(status, Some(phase)) }
    }

    /// Adds to the error, after a semicolon.
    pub fn add_error(self, more: &str) -> Outcome {
        let error = match self.error {
            Some(error) => format!("{error}; {more}"),
            None => more.to_string(),
        };
        Outcome { error: Some(error), ..self }
    }

    /// Returns what the host counts as in a rollout.
    pub fn mark(&self) -> Mark {
        match self.status {
            HostStatus::Ok => Mark::Good,
            HostStatus::Failed => Mark::Failed,
            HostStatus::Unreachable | HostStatus::Skipped => Mark::Unreached,
            _ if self.phase == Some(Phase::Exec) && !self.not_started => Mark::Failed,
            _ => Mark::Unreached,
        }
    }

    /// The outcome of a host that was cut short by the run's deadline (`late`) or by Ctrl-C.
    pub fn stopped(late: bool) -> Outcome {
        let (status, error) = if late {
            (HostStatus::Timeout, "the run's deadline has passed")
        } else {
            (HostStatus::Cancelled, "interrupted")
        };
        Outcome { error: Some(error.to_string()), ..Outcome::new(status, None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_counts_as_failed_only_if_its_command_may_have_run() {
        use HostStatus::*;
        let mark = |status, phase| Outcome::new(status, Some(phase)).mark();
        assert_eq!(mark(Ok, Phase::Exec), Mark::Good);
        for status in [Failed, Signaled, Timeout, Lost, Cancelled] {
            assert_eq!(mark(status, Phase::Exec), Mark::Failed, "{status:?}");
        }
        // Also if the connection ended between the login and the command, or the record names no script.
        for status in [Unreachable, Skipped] {
            assert_eq!(mark(status, Phase::Exec), Mark::Unreached, "{status:?}");
        }
        assert_eq!(mark(Timeout, Phase::Auth), Mark::Unreached);
        let not_started = Outcome { not_started: true, ..Outcome::new(Timeout, Some(Phase::Exec)) };
        assert_eq!(not_started.mark(), Mark::Unreached);
    }

    #[test]
    fn only_ok_is_done() {
        use HostStatus::*;
        assert_eq!(Ok.exit(), Status::Done);
        for status in [Failed, Signaled] {
            assert_eq!(status.exit(), Status::No);
        }
        for status in [Timeout, Unreachable, Auth, HostKey, Lost, Cancelled, Skipped] {
            assert_eq!(status.exit(), Status::Unreached);
        }
    }
}
