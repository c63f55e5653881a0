//! Makes outcomes: of a wait that failed, of a command that ended, and of an attempt that hangs. For both engines.

use crate::auth::LoginError;
use crate::base::wait::WaitError;
use crate::connect::jump_host::JumpError;
use crate::known_hosts::verifier::HostKeyError;
use crate::session::exec::{CommandEnd, CommandExit, START};
use crate::session::ssh_session::{is_disconnect, phrase};
use crate::session::terminate::Termination;
use cerveza_results::{HostStatus, Outcome, Phase, Retry};
use std::io;
use std::time::Duration;

/// Why a phase before the command failed.
pub enum PhaseError {
    WaitError(WaitError),
    /// The host, or something on the way to it, refused. The text says why.
    Refused(HostStatus, String),
}

impl From<WaitError> for PhaseError {
    fn from(wait_error: WaitError) -> PhaseError {
        PhaseError::WaitError(wait_error)
    }
}

impl From<JumpError> for PhaseError {
    fn from(error: JumpError) -> PhaseError {
        match error {
            JumpError::Jump(why) | JumpError::Target(why) => PhaseError::Refused(HostStatus::Unreachable, why),
            JumpError::WaitError(wait_error) => PhaseError::WaitError(wait_error),
        }
    }
}

impl From<HostKeyError> for PhaseError {
    fn from(error: HostKeyError) -> PhaseError {
        match error {
            HostKeyError::Refused(why) => PhaseError::Refused(HostStatus::HostKey, why),
            HostKeyError::Stopped => PhaseError::WaitError(WaitError::Stopped),
        }
    }
}

impl From<LoginError> for PhaseError {
    fn from(error: LoginError) -> PhaseError {
        match error {
            LoginError::Refused(why) => PhaseError::Refused(HostStatus::Auth, why),
            LoginError::Late(why) => PhaseError::Refused(HostStatus::Timeout, why),
            LoginError::WaitError(wait_error) => PhaseError::WaitError(wait_error),
        }
    }
}

/// Returns the outcome of a wait that failed. Its error is "`what`: reason", where `what` says what failed. If the connection
/// was lost from the login on, it is "reason `what`", where `what` says when. `is_late`: a stop is due to the run's deadline.
pub fn wait_failed(phase: Phase, limit: Duration, is_late: bool, wait_error: WaitError, what: &str) -> Outcome {
    let reason = match &wait_error {
        WaitError::Stopped => return Outcome { phase: Some(phase), ..Outcome::stopped(is_late) },
        WaitError::Deadline => format!("not done within {}", humantime::format_duration(limit)),
        WaitError::Ssh(error) => phrase(error),
        WaitError::Io(error) => error.to_string(),
    };
    match (phase, &wait_error) {
        (Phase::Lookup | Phase::Deliver | Phase::Resolve | Phase::Connect | Phase::Handshake | Phase::HostKey, _) => {
            Outcome {
                retry: if may_pass(&wait_error) { Retry::Once } else { Retry::Never },
                ..Outcome::error(HostStatus::Unreachable, phase, format!("{what}: {reason}"))
            }
        }
        (Phase::Auth | Phase::Exec, WaitError::Deadline) => {
            Outcome::error(HostStatus::Timeout, phase, format!("{what}: {reason}"))
        }
        (Phase::Auth, _) => Outcome::error(HostStatus::Unreachable, phase, format!("{reason} {what}")),
        (Phase::Exec, _) => Outcome::error(HostStatus::Lost, phase, format!("{reason} {what}")),
    }
}

/// Returns whether another try may help: the connection was refused or reset, perhaps because sshd is restarting. Never
/// after a timeout.
fn may_pass(wait_error: &WaitError) -> bool {
    match wait_error {
        WaitError::Deadline | WaitError::Stopped => false,
        WaitError::Ssh(error) => is_disconnect(error),
        WaitError::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
        ),
    }
}

/// Returns the outcome of a command. `limit` is its time limit.
pub fn command_outcome(exit: CommandExit, end: CommandEnd, limit: Duration, is_late: bool) -> Outcome {
    let failed = |error: &str| Outcome::error(HostStatus::Failed, Phase::Exec, error);
    let timeout = |error: String| Outcome::error(HostStatus::Timeout, Phase::Exec, error);
    let wait_failed = |wait_error, what| wait_failed(Phase::Exec, limit, is_late, wait_error, what);
    let start = START.as_secs();
    let not_started = matches!(end, CommandEnd::NotSent(_));
    let outcome = match end {
        CommandEnd::Closed => exited(&exit),
        CommandEnd::Denied => failed("the server refused to run the command"),
        CommandEnd::NoTerminal => {
            failed("the server refused the terminal of --tty (sshd's PermitTTY): run the command without it")
        }
        CommandEnd::NotSent(WaitError::Deadline) => {
            timeout(format!("the server opened no session within {start}s: the command was not sent"))
        }
        CommandEnd::NotSent(wait_error) => {
            let outcome = wait_failed(wait_error, "before the command was sent: it was not started");
            let is_lost = outcome.status == HostStatus::Lost;
            Outcome { status: if is_lost { HostStatus::Unreachable } else { outcome.status }, ..outcome }
        }
        CommandEnd::Unconfirmed(WaitError::Deadline) => timeout(format!(
            "the server did not confirm within {start}s that it started the command: it may be running"
        )),
        CommandEnd::Unconfirmed(WaitError::Stopped) => {
            wait_failed(WaitError::Stopped, "").add_error("the command may be running")
        }
        CommandEnd::Unconfirmed(wait_error) => {
            wait_failed(wait_error, "before the server confirmed that it had started the command (it may be running)")
        }
        CommandEnd::Terminated(wait_error, termination) => {
            wait_failed(wait_error, "the command").add_error(&terminated(&exit, termination))
        }
        CommandEnd::Unfinished(wait_error) => {
            let lost = wait_failed(wait_error, "before the end of its output, some of which may be missing");
            exited(&exit).add_error(&lost.error.unwrap_or_default())
        }
        CommandEnd::WaitError(wait_error) => wait_failed(wait_error, "before the command's exit status arrived"),
        CommandEnd::NoPassword(why) => failed(&why),
        CommandEnd::Stdin(error) => failed(&format!("the file of --stdin cannot be read: {error}")),
    };
    Outcome { exit_code: exit.exit_code, signal: exit.signal, not_started, ..outcome }
}

/// Returns the outcome of a command that ended by itself.
fn exited(exit: &CommandExit) -> Outcome {
    let (status, error) = match exit {
        CommandExit { signal: Some(signal), .. } => {
            (HostStatus::Signaled, format!("signal {signal} ended the command"))
        }
        CommandExit { exit_code: Some(0), .. } => return Outcome::new(HostStatus::Ok, Some(Phase::Exec)),
        CommandExit { exit_code: Some(code), .. } => {
            (HostStatus::Failed, format!("the command's exit status is {code}"))
        }
        CommandExit { has_ended: true, .. } => {
            (HostStatus::Signaled, "a signal ended the command (ssh does not tell which)".to_string())
        }
        CommandExit { has_ended: false, .. } => {
            (HostStatus::Lost, "the server closed the channel without the command's exit status".to_string())
        }
    };
    Outcome::error(status, Phase::Exec, error)
}

/// Says what a command that was terminated had done before, and what became of it.
fn terminated(exit: &CommandExit, termination: Termination) -> String {
    let rest = termination.phrase_of_rest();
    match exit {
        CommandExit { signal: Some(signal), .. } => format!("signal {signal} ended it, {rest}"),
        CommandExit { exit_code: Some(code), .. } => format!("it ended with status {code}, {rest}"),
        CommandExit { has_ended: true, .. } => format!("it had ended, {rest}"),
        CommandExit { has_ended: false, .. } => termination.phrase(),
    }
}

/// Returns the outcome of an attempt that overran its deadline and was given up.
pub fn overran(phase: Option<Phase>) -> Outcome {
    let (status, error) = match phase {
        None => (HostStatus::Unreachable, "stuck before anything was begun"),
        Some(Phase::Lookup | Phase::Resolve) => (HostStatus::Unreachable, "stuck while looking up the address"),
        Some(Phase::Deliver | Phase::Connect) => (HostStatus::Unreachable, "stuck while connecting"),
        Some(Phase::Handshake) => (HostStatus::Unreachable, "stuck: the server sent much and said nothing"),
        Some(Phase::HostKey) => (HostStatus::HostKey, "stuck while keeping the host key"),
        Some(Phase::Auth) => (HostStatus::Timeout, "stuck while logging in"),
        Some(Phase::Exec) => (HostStatus::Timeout, "stuck while the command ran"),
    };
    Outcome { error: Some(error.to_string()), ..Outcome::new(status, phase) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cerveza_results::Mark;

    const LIMIT: Duration = Duration::from_secs(5);

    fn lost() -> WaitError {
        WaitError::Io(io::Error::new(io::ErrorKind::ConnectionReset, "reset"))
    }

    fn code(exit_code: u32) -> CommandExit {
        CommandExit { exit_code: Some(exit_code), signal: None, has_ended: true }
    }

    #[test]
    fn a_lost_connection_counts_by_the_phase_it_ended_in() {
        let failed = |phase| {
            let outcome = wait_failed(phase, LIMIT, false, lost(), "what");
            (outcome.status, outcome.retry, outcome.error.unwrap())
        };
        let once = (HostStatus::Unreachable, Retry::Once, "what: reset".to_string());
        assert_eq!(failed(Phase::Resolve), once);
        assert_eq!(failed(Phase::Handshake), once);
        assert_eq!(failed(Phase::Auth), (HostStatus::Unreachable, Retry::Never, "reset what".to_string()));
        assert_eq!(failed(Phase::Exec), (HostStatus::Lost, Retry::Never, "reset what".to_string()));
    }

    #[test]
    fn a_deadline_is_a_timeout_once_the_server_has_answered_and_is_never_retried() {
        let failed = |phase| {
            let outcome = wait_failed(phase, LIMIT, false, WaitError::Deadline, "what");
            assert_eq!(outcome.error.unwrap(), "what: not done within 5s");
            (outcome.status, outcome.retry)
        };
        assert_eq!(failed(Phase::Connect), (HostStatus::Unreachable, Retry::Never));
        assert_eq!(failed(Phase::Auth), (HostStatus::Timeout, Retry::Never));
        assert_eq!(failed(Phase::Exec), (HostStatus::Timeout, Retry::Never));
    }

    #[test]
    fn a_stop_is_a_cancellation_or_the_end_of_the_run_s_time() {
        for phase in [Phase::Connect, Phase::Exec] {
            let stopped = |is_late| wait_failed(phase, LIMIT, is_late, WaitError::Stopped, "what");
            assert_eq!((stopped(false).status, stopped(false).phase), (HostStatus::Cancelled, Some(phase)));
            assert_eq!(stopped(true).status, HostStatus::Timeout);
        }
    }

    #[test]
    fn a_command_is_judged_by_what_arrived_of_its_end() {
        let outcome = |exit, end| {
            let outcome = command_outcome(exit, end, LIMIT, false);
            (outcome.status, outcome.exit_code, outcome.error.unwrap_or_default())
        };
        let none = CommandExit::default;
        assert_eq!(outcome(code(0), CommandEnd::Closed), (HostStatus::Ok, Some(0), String::new()));
        assert_eq!(outcome(code(7), CommandEnd::Closed).0, HostStatus::Failed);
        let (status, exit_code, error) = outcome(code(0), CommandEnd::Unfinished(lost()));
        assert_eq!((status, exit_code), (HostStatus::Ok, Some(0)));
        assert_eq!(error, "reset before the end of its output, some of which may be missing");
        assert_eq!(outcome(none(), CommandEnd::Closed).0, HostStatus::Lost);
        assert_eq!(outcome(none(), CommandEnd::WaitError(lost())).0, HostStatus::Lost);
        // Nothing was run.
        assert_eq!(outcome(none(), CommandEnd::NotSent(lost())).0, HostStatus::Unreachable);
        assert_eq!(outcome(none(), CommandEnd::NotSent(WaitError::Deadline)).0, HostStatus::Timeout);
        assert!(
            outcome(none(), CommandEnd::Unconfirmed(WaitError::Stopped)).2.ends_with("; the command may be running")
        );
        let mark = |end| command_outcome(none(), end, LIMIT, false).mark();
        for wait_error in [lost(), WaitError::Deadline, WaitError::Stopped] {
            assert_eq!(mark(CommandEnd::NotSent(wait_error)), Mark::Unreached);
        }
        assert_eq!(mark(CommandEnd::Unconfirmed(WaitError::Deadline)), Mark::Failed);
        let named = CommandExit { signal: Some("HUP".to_string()), ..none() };
        assert_eq!(outcome(named, CommandEnd::Closed).2, "signal HUP ended the command");
    }

    #[test]
    fn a_terminated_command_keeps_the_exit_that_arrived_before() {
        let by_term = || CommandEnd::Terminated(WaitError::Deadline, Termination::By("TERM"));
        let error = |exit| command_outcome(exit, by_term(), LIMIT, false).error.unwrap();
        let start = "the command: not done within 5s; ";
        assert_eq!(error(CommandExit::default()), format!("{start}the command was ended by TERM"));
        let rest = "and left a process that held its output open, which was ended by TERM";
        assert_eq!(error(code(7)), format!("{start}it ended with status 7, {rest}"));
        let unnamed = CommandExit { has_ended: true, ..CommandExit::default() };
        assert_eq!(error(unnamed), format!("{start}it had ended, {rest}"));
    }
}
