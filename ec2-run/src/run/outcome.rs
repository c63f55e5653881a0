//! Makes the outcome of a host: from the frame that its script printed, else from SSM's status. Without I/O.

use crate::script::frame::{Frame, Part};
use cerveza_ec2::{Invocation, InvocationOutput, InvocationStatus};
use cerveza_manners::last_line;
use cerveza_results::{HostStatus, Outcome, Phase};
use std::time::Duration;

/// What ends a run early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Interrupted,
    Deadline,
}

/// Why we cancelled a command on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    Stop(Stop),
    /// The agent did not fetch it in this time.
    NotFetched(Duration),
}

/// An outcome, and the output that goes with it.
#[derive(Clone, Debug)]
pub struct HostResult {
    pub outcome: Outcome,
    pub stdout: Part,
    pub stderr: Part,
}

impl HostResult {
    /// Whether output is missing.
    pub fn is_cut(&self) -> bool {
        self.stdout.left_out > 0 || self.stderr.left_out > 0
    }
}

impl From<Outcome> for HostResult {
    fn from(outcome: Outcome) -> HostResult {
        HostResult { outcome, stdout: Part::default(), stderr: Part::default() }
    }
}

/// The result of a command whose exit status arrived, or that was killed after `limit`.
pub fn from_frame(frame: Frame, limit: Option<Duration>) -> HostResult {
    let outcome = match (frame.is_late, frame.exit) {
        (false, Some(code)) => exited(code),
        _ => {
            let limit =
                limit.map_or("its time limit".to_string(), |limit| humantime::format_duration(limit).to_string());
            let error = format!("the command was not done within {limit}: it was killed");
            Outcome::error(HostStatus::Timeout, Phase::Exec, error)
        }
    };
    HostResult { outcome, stdout: frame.stdout, stderr: frame.stderr }
}

fn exited(code: u32) -> Outcome {
    let outcome = match code {
        0 => Outcome::new(HostStatus::Ok, Some(Phase::Exec)),
        code => Outcome::error(HostStatus::Failed, Phase::Exec, format!("the command's exit status is {code}")),
    };
    Outcome { exit_code: Some(code), ..outcome }
}

/// The result of a command of PowerShell. It prints no frame, so its exit status is the one that SSM reports.
pub fn from_powershell(invocation: &Invocation, output: InvocationOutput, reason: Option<CancelReason>) -> HostResult {
    let ended = matches!(invocation.status, InvocationStatus::Success | InvocationStatus::Failed);
    let outcome = match u32::try_from(invocation.code) {
        Ok(code) if ended => exited(code),
        // Windows has such statuses; -1 is what SSM says if there is none.
        Err(_) if ended && invocation.code < -1 => {
            let error = format!("the command's exit status is {}", invocation.code);
            Outcome::error(HostStatus::Failed, Phase::Exec, error)
        }
        _ => from_status(invocation, reason),
    };
    HostResult { outcome, stdout: cut_text(output.stdout), stderr: cut_text(output.stderr) }
}

/// What SSM Agent puts at the end of an output that it has cut.
const CUT: &str = "--output truncated--";

fn cut_text(text: String) -> Part {
    match text.strip_suffix(CUT) {
        Some(head) => Part { head: head.as_bytes().to_vec(), tail: Vec::new(), left_out: Part::UNKNOWN },
        None => Part { head: text.into_bytes(), ..Part::default() },
    }
}

/// The outcome of a command without a frame: what SSM's status says. `reason` is why we cancelled it, if we did.
pub fn from_status(invocation: &Invocation, reason: Option<CancelReason>) -> Outcome {
    use InvocationStatus::*;
    let began = invocation.started_at.is_some();
    let phase = if began { Phase::Exec } else { Phase::Deliver };
    match &invocation.status {
        Success => Outcome::error(
            HostStatus::Lost,
            Phase::Exec,
            "SSM reports success, but the command's exit status did not arrive",
        ),
        Failed => {
            let last = last_line(invocation.output.as_bytes());
            let why = last.map_or(String::new(), |line| format!(": {line}"));
            Outcome::error(HostStatus::Failed, Phase::Exec, format!("the command ended without an exit status{why}"))
        }
        ExecutionTimedOut => Outcome::error(
            HostStatus::Timeout,
            Phase::Exec,
            "SSM killed the command after its time limit: what it printed is not known",
        ),
        DeliveryTimedOut if began => Outcome::error(
            HostStatus::Lost,
            Phase::Exec,
            "the command began, and SSM Agent reported nothing more before the command expired",
        ),
        DeliveryTimedOut => unreachable("SSM Agent did not fetch the command before it expired (DeliveryTimedOut)"),
        Undeliverable => unreachable(
            "SSM could not deliver the command (Undeliverable): the instance does not exist any more, or does not respond",
        ),
        InvalidPlatform => unreachable(
            "the command is not for this platform (InvalidPlatform): use --shell powershell for Windows, else --shell sh",
        ),
        AccessDenied => Outcome::error(
            HostStatus::Auth,
            Phase::Deliver,
            "SSM may not run the command on this instance (AccessDenied): check the policies for ssm:SendCommand",
        ),
        Terminated => Outcome {
            phase: None,
            ..Outcome::error(HostStatus::Skipped, Phase::Deliver, "not begun: more hosts failed than --max-fail allows")
        },
        Cancelled => cancelled(phase, reason),
        Other(status) => Outcome::error(HostStatus::Lost, phase, format!("SSM reports the unknown status {status}")),
        Pending | InProgress | Cancelling => unconfirmed(invocation, reason),
    }
}

fn unreachable(why: &str) -> Outcome {
    Outcome::error(HostStatus::Unreachable, Phase::Deliver, why)
}

fn cancelled(phase: Phase, reason: Option<CancelReason>) -> Outcome {
    let outcome = match reason {
        Some(CancelReason::Stop(stop)) => Outcome { phase: Some(phase), ..stopped(stop) },
        Some(CancelReason::NotFetched(limit)) if phase == Phase::Deliver => {
            let limit = humantime::format_duration(limit);
            return unreachable(&format!("SSM Agent did not fetch the command within {limit}: it was cancelled"));
        }
        _ => Outcome::error(HostStatus::Cancelled, phase, "someone else cancelled the command"),
    };
    let what = if phase == Phase::Exec { "the command was killed" } else { "the command was not begun" };
    append(outcome, what)
}

/// The outcome of a host whose command we asked SSM to cancel, without an answer so far.
fn unconfirmed(invocation: &Invocation, reason: Option<CancelReason>) -> Outcome {
    let began = invocation.status != InvocationStatus::Pending;
    let phase = if began { Phase::Exec } else { Phase::Deliver };
    let outcome = match reason {
        Some(CancelReason::Stop(stop)) => Outcome { phase: Some(phase), ..stopped(stop) },
        Some(CancelReason::NotFetched(_)) | None => {
            Outcome::error(HostStatus::Lost, phase, "SSM reports no end of the command")
        }
    };
    append(outcome, "SSM was asked to cancel the command and has not confirmed it, so it may be running")
}

pub fn stopped(stop: Stop) -> Outcome {
    Outcome::stopped(stop == Stop::Deadline)
}

/// The outcome of a host whose command was not sent because the run was stopped.
pub fn not_sent(stop: Stop) -> Outcome {
    match stop {
        Stop::Interrupted => stopped(stop),
        Stop::Deadline => {
            let error = Some("not tried: the run's deadline had passed".to_string());
            Outcome { error, ..Outcome::new(HostStatus::Skipped, None) }
        }
    }
}

/// The outcome of a host on which the command may be running, because nothing more is known.
pub fn lost(why: &str) -> Outcome {
    Outcome::error(HostStatus::Lost, Phase::Exec, format!("{why}; the command may be running"))
}

pub fn append(mut outcome: Outcome, what: &str) -> Outcome {
    outcome.error = Some(match outcome.error.take() {
        Some(error) => format!("{error}; {what}"),
        None => what.to_string(),
    });
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn invocation(status: InvocationStatus, began: bool) -> Invocation {
        Invocation {
            instance_id: "i-1".to_string(),
            status,
            output: "mktemp: no space left\n".to_string(),
            code: -1,
            started_at: began.then(SystemTime::now),
            finished_at: None,
        }
    }

    #[test]
    fn no_status_of_ssm_makes_a_host_ok_or_gives_an_exit_code() {
        use InvocationStatus::*;
        let other = Other("New".to_string());
        for (status, began, expected, phase) in [
            (Success, true, HostStatus::Lost, Some(Phase::Exec)),
            (Failed, true, HostStatus::Failed, Some(Phase::Exec)),
            (ExecutionTimedOut, true, HostStatus::Timeout, Some(Phase::Exec)),
            (DeliveryTimedOut, true, HostStatus::Lost, Some(Phase::Exec)),
            (DeliveryTimedOut, false, HostStatus::Unreachable, Some(Phase::Deliver)),
            (Undeliverable, false, HostStatus::Unreachable, Some(Phase::Deliver)),
            (InvalidPlatform, false, HostStatus::Unreachable, Some(Phase::Deliver)),
            (AccessDenied, false, HostStatus::Auth, Some(Phase::Deliver)),
            (Terminated, false, HostStatus::Skipped, None),
            (Cancelled, true, HostStatus::Cancelled, Some(Phase::Exec)),
            (Cancelled, false, HostStatus::Cancelled, Some(Phase::Deliver)),
            (InProgress, true, HostStatus::Lost, Some(Phase::Exec)),
            (other, false, HostStatus::Lost, Some(Phase::Deliver)),
        ] {
            let outcome = from_status(&invocation(status.clone(), began), None);
            assert_eq!((outcome.status, outcome.phase), (expected, phase), "{status:?} {began}");
            assert_eq!(outcome.exit_code, None);
            assert!(outcome.error.is_some());
        }
    }

    #[test]
    fn a_cancelled_command_says_why() {
        let error = |began, reason| {
            let outcome = from_status(&invocation(InvocationStatus::Cancelled, began), reason);
            format!("{}: {}", outcome.status.name(), outcome.error.unwrap_or_default())
        };
        let limit = Some(CancelReason::NotFetched(Duration::from_secs(60)));
        assert_eq!(
            error(true, Some(CancelReason::Stop(Stop::Interrupted))),
            "cancelled: interrupted; the command was killed"
        );
        assert_eq!(
            error(false, Some(CancelReason::Stop(Stop::Deadline))),
            "timeout: the run's deadline has passed; the command was not begun"
        );
        assert_eq!(error(false, limit), "unreachable: SSM Agent did not fetch the command within 1m: it was cancelled");
        assert_eq!(error(true, None), "cancelled: someone else cancelled the command; the command was killed");
    }

    #[test]
    fn a_killed_command_is_a_timeout_without_an_exit_code() {
        let part = Part { head: b"x".to_vec(), ..Part::default() };
        let frame = Frame { exit: None, is_late: true, stdout: part.clone(), stderr: Part::default() };
        let result = from_frame(frame, Some(Duration::from_secs(90)));
        assert_eq!((result.outcome.status, result.outcome.exit_code), (HostStatus::Timeout, None));
        assert_eq!(result.outcome.error.unwrap(), "the command was not done within 1m 30s: it was killed");
        assert_eq!(result.stdout, part);
    }

    #[test]
    fn powershell_has_the_exit_status_that_ssm_reports() {
        let found = |status, code| {
            let invocation = Invocation { code, ..invocation(status, true) };
            let output = InvocationOutput { stdout: format!("a{CUT}"), stderr: "b".to_string() };
            from_powershell(&invocation, output, None)
        };
        let result = found(InvocationStatus::Failed, 5);
        assert_eq!((result.outcome.exit_code, result.stdout.left_out), (Some(5), Part::UNKNOWN));
        assert_eq!(found(InvocationStatus::ExecutionTimedOut, 137).outcome.exit_code, None);
        assert_eq!(found(InvocationStatus::Failed, -1).outcome.exit_code, None);
        let outcome = found(InvocationStatus::Failed, -1_073_741_819).outcome;
        assert_eq!(outcome.error.unwrap(), "the command's exit status is -1073741819");
    }
}
