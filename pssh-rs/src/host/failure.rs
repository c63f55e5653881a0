//! What happened to an attempt, as an outcome: a wait that failed, or a command that ended.

use crate::base::wait::WaitError;
use crate::host::job::Job;
use crate::session::exec::CommandExit;
use crate::session::ssh_session::{is_disconnect, phrase};
use cerveza_results::{HostStatus, Outcome, Phase, Retry};
use std::io;
use std::time::Duration;

/// The outcome of an attempt that did not reach an SSH server. Retries once if the connection was refused or reset, because
/// sshd may be restarting. Never retries after a timeout.
pub fn not_reached(job: &Job, phase: Phase, wait_error: WaitError, bound: Duration, what: &str) -> Outcome {
    let once = match &wait_error {
        WaitError::Deadline | WaitError::Stopped => false,
        WaitError::Ssh(error) => is_disconnect(error),
        WaitError::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
        ),
    };
    let retry = if once { Retry::Once } else { Retry::Never };
    match wait_error {
        WaitError::Stopped => wait_failed(job, phase, wait_error, bound, what),
        wait_error => Outcome {
            retry,
            ..Outcome::error(HostStatus::Unreachable, phase, format!("{what}: {}", reason(&wait_error, bound)))
        },
    }
}

/// The outcome of an attempt whose wait failed after the server had answered and before the command was sent.
pub fn failed_before_command(job: &Job, phase: Phase, wait_error: WaitError, bound: Duration, what: &str) -> Outcome {
    let outcome = wait_failed(job, phase, wait_error, bound, what);
    match outcome.status {
        HostStatus::Lost => Outcome { status: HostStatus::Unreachable, ..outcome },
        _ => outcome,
    }
}

/// The outcome of an attempt whose wait failed. What the command did, if it ran, is not known.
pub fn wait_failed(job: &Job, phase: Phase, wait_error: WaitError, bound: Duration, what: &str) -> Outcome {
    match &wait_error {
        WaitError::Stopped => Outcome { phase: Some(phase), ..Outcome::stopped(job.shutdown.is_late()) },
        WaitError::Deadline => {
            Outcome::error(HostStatus::Timeout, phase, format!("{what}: {}", reason(&wait_error, bound)))
        }
        WaitError::Ssh(_) | WaitError::Io(_) => {
            Outcome::error(HostStatus::Lost, phase, format!("{} {what}", reason(&wait_error, bound)))
        }
    }
}

fn reason(wait_error: &WaitError, bound: Duration) -> String {
    match wait_error {
        WaitError::Deadline => format!("not done within {}", humantime::format_duration(bound)),
        WaitError::Stopped => "interrupted".to_string(),
        WaitError::Ssh(error) => phrase(error),
        WaitError::Io(error) => error.to_string(),
    }
}

/// The outcome of a command that ended by itself.
pub fn exited(exit: &CommandExit) -> Outcome {
    match exit {
        CommandExit { signal: Some(signal), .. } => {
            Outcome::error(HostStatus::Signaled, Phase::Exec, format!("signal {signal} ended the command"))
        }
        CommandExit { exit_code: Some(0), .. } => Outcome::new(HostStatus::Ok, Some(Phase::Exec)),
        CommandExit { exit_code: Some(code), .. } => {
            Outcome::error(HostStatus::Failed, Phase::Exec, format!("the command's exit status is {code}"))
        }
        CommandExit { exit_code: None, signal: None } => Outcome::error(
            HostStatus::Lost,
            Phase::Exec,
            "the server closed the channel without the command's exit status",
        ),
    }
}
