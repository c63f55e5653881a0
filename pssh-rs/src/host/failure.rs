//! The outcome of an attempt whose wait ended without what it waited for.

use crate::base::wait::Halt;
use crate::host::job::Job;
use crate::outcome::{HostStatus, Outcome, Phase, Retry};
use crate::session::ssh_session::{is_disconnect, phrase};
use std::io;
use std::time::Duration;

/// The outcome of an attempt that found no SSH server. One that said no in a moment may say yes in the next (it
/// restarts); one that used up its time gets no second helping.
pub fn unreached(job: &Job, phase: Phase, halt: Halt, bound: Duration, what: &str) -> Outcome {
    let once = match &halt {
        Halt::Deadline | Halt::Stopped => false,
        Halt::Ssh(error) => is_disconnect(error),
        Halt::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
        ),
    };
    let retry = if once { Retry::Once } else { Retry::Never };
    match halt {
        Halt::Stopped => halted(job, phase, halt, bound, what),
        halt => Outcome {
            retry,
            ..Outcome::error(HostStatus::Unreachable, phase, format!("{what}: {}", why(&halt, bound)))
        },
    }
}

/// The outcome of an attempt that ended after the server had answered and before it was asked to run anything.
pub fn unasked(job: &Job, phase: Phase, halt: Halt, bound: Duration, what: &str) -> Outcome {
    let outcome = halted(job, phase, halt, bound, what);
    match outcome.status {
        HostStatus::Lost => Outcome { status: HostStatus::Unreachable, ..outcome },
        _ => outcome,
    }
}

/// The outcome of an attempt that ended on the way: what the command did, if it ran, is not known.
pub fn halted(job: &Job, phase: Phase, halt: Halt, bound: Duration, what: &str) -> Outcome {
    match &halt {
        Halt::Stopped => Outcome { phase: Some(phase), ..Outcome::stopped(job.ending.is_late()) },
        Halt::Deadline => Outcome::error(HostStatus::Timeout, phase, format!("{what}: {}", why(&halt, bound))),
        Halt::Ssh(_) | Halt::Io(_) => Outcome::error(HostStatus::Lost, phase, format!("{} {what}", why(&halt, bound))),
    }
}

fn why(halt: &Halt, bound: Duration) -> String {
    match halt {
        Halt::Deadline => format!("not done within {}", humantime::format_duration(bound)),
        Halt::Stopped => "interrupted".to_string(),
        Halt::Ssh(error) => phrase(error),
        Halt::Io(error) => error.to_string(),
    }
}
