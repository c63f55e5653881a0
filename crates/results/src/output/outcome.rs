//! What became of a command on one host.

use crate::output::capture::Output;
use crate::output::copied::Copied;
use cerveza_manners::Status;
use std::time::{Duration, SystemTime};

/// How a host ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostStatus {
    Ok,
    /// The command ended with a status other than 0, or the server would not run it.
    Failed,
    /// A signal ended the command.
    Signaled,
    /// A deadline passed while logging in or running.
    Timeout,
    /// No SSH connection came about, or it ended before the command was sent.
    Unreachable,
    /// Every key was refused.
    Auth,
    /// The host's key is unknown, changed or revoked.
    HostKey,
    /// The connection ended before the command's exit status arrived: what it did is not known.
    Lost,
    /// Ctrl-C came first.
    Cancelled,
    /// It was never tried: the rollout had ended before its turn.
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

    /// What the host makes of the run's exit status.
    pub fn exit(self) -> Status {
        match self {
            HostStatus::Ok => Status::Done,
            HostStatus::Failed | HostStatus::Signaled => Status::No,
            _ => Status::Unreached,
        }
    }
}

/// How far an attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
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
            Phase::Resolve => "resolve",
            Phase::Connect => "connect",
            Phase::Handshake => "handshake",
            Phase::HostKey => "hostkey",
            Phase::Auth => "auth",
            Phase::Exec => "exec",
        }
    }
}

/// Whether another attempt may help and can do no harm: the server had not yet heard of the command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    #[default]
    Never,
    Once,
    /// The server hung up before it said anything, as it may do to shed load.
    Closed,
    /// The server said that it sheds load: later it may not.
    Shed,
    /// Nothing was tried: a live host waited too long for a slot. It does not count.
    Again,
}

/// What a host that is done counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Good,
    /// The command ran and failed, or may have.
    Failed,
    /// It was not started.
    Unreached,
}

/// What became of one host.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub status: HostStatus,
    /// `None` where nothing was begun.
    pub phase: Option<Phase>,
    /// Only one that really arrived.
    pub exit_code: Option<u32>,
    pub signal: Option<String>,
    pub stdout: Output,
    pub stderr: Output,
    pub error: Option<String>,
    /// Of the attempt that this is the outcome of.
    pub started_at: Option<SystemTime>,
    pub duration: Duration,
    pub attempts: u32,
    /// Whether its files of `--outdir` are not whole.
    pub unwritten: bool,
    /// What was copied, where that was asked for.
    pub copied: Option<Copied>,
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
            retry: Retry::Never,
        }
    }

    pub fn error(status: HostStatus, phase: Phase, error: impl Into<String>) -> Outcome {
        Outcome { error: Some(error.into()), ..Outcome::new(status, Some(phase)) }
    }

    /// What the host counts as in a rollout: where nothing was started there nothing failed.
    pub fn mark(&self) -> Mark {
        match (self.status, self.phase) {
            (HostStatus::Ok, _) => Mark::Good,
            (_, Some(Phase::Exec)) => Mark::Failed,
            _ => Mark::Unreached,
        }
    }

    /// The outcome of a host that the end of the run came before: by its deadline (`late`) or by Ctrl-C.
    pub fn stopped(late: bool) -> Outcome {
        let (status, error) = match late {
            true => (HostStatus::Timeout, "the run's deadline has passed"),
            false => (HostStatus::Cancelled, "interrupted"),
        };
        Outcome { error: Some(error.to_string()), ..Outcome::new(status, None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
