//! The outcome of an attempt whose wait ended without what it waited for.

use crate::base::wait::WaitError;
use crate::host::job::Job;
use crate::session::ssh_session::{is_disconnect, phrase};
use cerveza_results::{HostStatus, Outcome, Phase, Retry};
use std::io;
use std::time::Duration;

/// The outcome of an attempt that found no SSH server. One that said no in a moment may say yes in the next (it
/// restarts); one that used up its time gets no second helping.
pub fn unreached(job: &Job, phase: Phase, wait_error: WaitError, bound: Duration, what: &str) -> Outcome {
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
        WaitError::Stopped => halted(job, phase, wait_error, bound, what),
        wait_error => Outcome {
            retry,
            ..Outcome::error(HostStatus::Unreachable, phase, format!("{what}: {}", why(&wait_error, bound)))
        },
    }
}

/// The outcome of an attempt that ended after the server had answered and before it was asked to run anything.
pub fn unasked(job: &Job, phase: Phase, wait_error: WaitError, bound: Duration, what: &str) -> Outcome {
    let outcome = halted(job, phase, wait_error, bound, what);
    match outcome.status {
        HostStatus::Lost => Outcome { status: HostStatus::Unreachable, ..outcome },
        _ => outcome,
    }
}

/// The outcome of an attempt that ended on the way: what the command did, if it ran, is not known.
pub fn halted(job: &Job, phase: Phase, wait_error: WaitError, bound: Duration, what: &str) -> Outcome {
    match &wait_error {
        WaitError::Stopped => Outcome { phase: Some(phase), ..Outcome::stopped(job.shutdown.is_late()) },
        WaitError::Deadline => {
            Outcome::error(HostStatus::Timeout, phase, format!("{what}: {}", why(&wait_error, bound)))
        }
        WaitError::Ssh(_) | WaitError::Io(_) => {
            Outcome::error(HostStatus::Lost, phase, format!("{} {what}", why(&wait_error, bound)))
        }
    }
}

fn why(wait_error: &WaitError, bound: Duration) -> String {
    match wait_error {
        WaitError::Deadline => format!("not done within {}", humantime::format_duration(bound)),
        WaitError::Stopped => "interrupted".to_string(),
        WaitError::Ssh(error) => phrase(error),
        WaitError::Io(error) => error.to_string(),
    }
}
