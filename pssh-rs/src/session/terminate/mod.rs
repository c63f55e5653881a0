//! Terminates a remote command, not only its connection.
//!
//! A script on a second channel of the same connection does it: that works with every sshd and shows what is left. If no
//! script can be run, SSH's own signals are sent (RFC 4254 section 6.9). sshd accepts these only since 8.1, never for root
//! ("session signalling requires privilege separation", session.c), and delivers them to the process group that it started,
//! which background processes may have left.

pub mod channel;
mod script;

use crate::base::attempt_timer::AttemptTimer;
use crate::base::wait::WaitError;
use script::{ScriptReply, last_reply, script};
use std::time::{Duration, Instant};

/// Time limit for starting the script.
const START_TIME: Duration = Duration::from_secs(5);
/// Time limit for the script once it runs. It needs two seconds, and longer on a busy host.
const SCRIPT_TIME: Duration = Duration::from_secs(8);
/// Time limit for the server to end the command after one of SSH's own signals.
const SIGNAL_TIME: Duration = Duration::from_secs(2);
/// Time limit for the last output of a command that has ended.
const LAST_OUTPUT_TIME: Duration = Duration::from_secs(2);
/// The longest that all of this takes together.
pub const LONGEST: Duration = Duration::from_secs(16);

/// What is known about a command after the attempt to terminate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Termination {
    /// It is gone, with everything it started in its session. `TERM` or `KILL`: the last signal that was needed.
    By(&'static str),
    /// The same for the processes of the login user. The host hides processes of other users.
    OwnBy(&'static str),
    /// The same, but something still holds its output open.
    HeldAfter(&'static str),
    /// The server ended it after this signal. Nothing is known about the processes that it started.
    SignaledBy(&'static str),
    No,
}

impl Termination {
    /// Returns what became of the command, for the record's error.
    pub fn phrase(self) -> String {
        match self {
            Termination::By(signal) => format!("the command was ended by {signal}"),
            Termination::OwnBy(signal) => {
                format!(
                    "the command was ended by {signal}, but the host hides whether it left processes of other users"
                )
            }
            Termination::HeldAfter(signal) => format!(
                "the command was ended by {signal}, but a process that it had detached holds its output open: it may still \
                 be running"
            ),
            Termination::SignaledBy(signal) => {
                format!("the command was ended by {signal}; what it had started in the background may still be running")
            }
            Termination::No => "the command could not be ended: it may still be running".to_string(),
        }
    }

    /// Returns what became of the processes that a command left which had ended before.
    pub fn phrase_of_rest(self) -> String {
        let rest = match self {
            Termination::By(signal) | Termination::OwnBy(signal) | Termination::SignaledBy(signal) => {
                format!("was ended by {signal}")
            }
            Termination::HeldAfter(_) | Termination::No => "may still be running".to_string(),
        };
        format!("and left a process that held its output open, which {rest}")
    }
}

/// Takes into account whether the command's output has ended.
fn conclude(ended: Termination, output_ended: bool) -> Termination {
    match ended {
        Termination::By(signal) | Termination::OwnBy(signal) if !output_ended => Termination::HeldAfter(signal),
        ended => ended,
    }
}

/// A command on a host, and what is needed to terminate it there. Each engine implements this.
pub trait TerminableCommand {
    /// Starts `script` as a second command on the same connection.
    fn start_script(&mut self, script: &str, deadline: Instant) -> Result<(), WaitError>;

    fn script_ended(&self) -> bool;

    /// Passes on what the command has printed, and adds to `printed` what the script has. Waits if there is nothing. The time
    /// that the reader of our own output takes is added to the deadline.
    fn transfer(&mut self, timer: &AttemptTimer, printed: Option<&mut Vec<u8>>) -> Result<(), WaitError>;

    fn output_ended(&mut self) -> bool;

    /// Sends one of SSH's own signals to the command.
    fn send_signal(&mut self, signal: &str, deadline: Instant) -> Result<(), WaitError>;

    /// Whether an exit status or signal of the command has arrived.
    fn has_exit(&self) -> bool;

    /// Whether the server has closed the command's channel.
    fn is_closed(&self) -> bool;
}

/// Terminates a command that was started `age` ago, within [`LONGEST`]. What it still prints is passed on.
pub fn terminate(command: &mut dyn TerminableCommand, age: Duration) -> Termination {
    match run_script(command, age) {
        Ok(Some(ScriptReply::Ended(ended))) => {
            // Its last output may still be on its way.
            let _ = transfer_until(command, LAST_OUTPUT_TIME, |command| command.output_ended());
            conclude(ended, command.output_ended())
        }
        Ok(Some(ScriptReply::Left | ScriptReply::Found)) | Err(Over) => Termination::No,
        Ok(Some(ScriptReply::Nothing) | None) => send_signals(command),
    }
}

/// A stop came, or the connection ended: nothing more can be done.
struct Over;

/// Returns the script's last reply, or `None` if it did not run.
fn run_script(command: &mut dyn TerminableCommand, age: Duration) -> Result<Option<ScriptReply>, Over> {
    /// The most output that is kept: a login shell may print without end.
    const MOST: usize = 64 * 1024;
    let mut timer = AttemptTimer::started(START_TIME);
    match command.start_script(&script(age), Instant::now() + START_TIME) {
        Ok(()) => {}
        Err(WaitError::Stopped | WaitError::Io(_)) => return Err(Over),
        Err(WaitError::Deadline | WaitError::Ssh(_)) => return Ok(None),
    }
    let mut printed = Vec::new();
    let mut runs = false;
    loop {
        let transferred = command.transfer(&timer, Some(&mut printed));
        printed.truncate(MOST);
        let reply = last_reply(&printed);
        match reply {
            Some(ScriptReply::Found) if !runs => {
                runs = true;
                timer = AttemptTimer::started(SCRIPT_TIME);
            }
            Some(ScriptReply::Found) | None => {}
            Some(_) => return Ok(reply),
        }
        match transferred {
            Ok(()) if command.script_ended() => return Ok(reply),
            Ok(()) => {}
            Err(WaitError::Deadline) => return Ok(reply),
            Err(_) => return Err(Over),
        }
    }
}

fn send_signals(command: &mut dyn TerminableCommand) -> Termination {
    let had_exit = command.has_exit();
    for signal in ["TERM", "KILL"] {
        let until = Instant::now() + SIGNAL_TIME;
        if command.send_signal(signal, until).is_err() {
            return Termination::No;
        }
        // The end of its output is not the end of the command.
        let left = until.saturating_duration_since(Instant::now());
        match transfer_until(command, left, |command| command.is_closed() || !had_exit && command.has_exit()) {
            Ok(()) => return Termination::SignaledBy(signal),
            Err(WaitError::Deadline) => {}
            Err(_) => return Termination::No,
        }
    }
    Termination::No
}

fn transfer_until(
    command: &mut dyn TerminableCommand,
    limit: Duration,
    is_done: impl Fn(&mut dyn TerminableCommand) -> bool,
) -> Result<(), WaitError> {
    let timer = AttemptTimer::started(limit);
    while !is_done(command) {
        command.transfer(&timer, None)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_gone_while_its_output_is_open() {
        assert_eq!(conclude(Termination::By("KILL"), true), Termination::By("KILL"));
        assert_eq!(conclude(Termination::By("KILL"), false), Termination::HeldAfter("KILL"));
        assert_eq!(conclude(Termination::SignaledBy("TERM"), true), Termination::SignaledBy("TERM"));
    }

    /// A command that ends when the script, or a signal, has terminated it.
    #[derive(Default)]
    struct FakeCommand {
        /// What the script prints, a piece for each transfer; `None`: no script can be started.
        replies: Option<Vec<&'static str>>,
        output_ends: bool,
        /// The signal that ends the command.
        ends_by: &'static str,
        sent: Vec<String>,
        /// The connection ends with the first transfer.
        is_lost: bool,
    }

    impl TerminableCommand for FakeCommand {
        fn start_script(&mut self, _script: &str, _deadline: Instant) -> Result<(), WaitError> {
            self.replies.as_ref().map(|_| ()).ok_or(WaitError::Deadline)
        }

        fn script_ended(&self) -> bool {
            self.replies.as_ref().is_none_or(Vec::is_empty)
        }

        fn transfer(&mut self, _timer: &AttemptTimer, printed: Option<&mut Vec<u8>>) -> Result<(), WaitError> {
            match (printed, &mut self.replies) {
                _ if self.is_lost => Err(WaitError::Io(std::io::ErrorKind::ConnectionReset.into())),
                (Some(printed), Some(replies)) if !replies.is_empty() => {
                    printed.extend_from_slice(replies.remove(0).as_bytes());
                    Ok(())
                }
                _ => Err(WaitError::Deadline),
            }
        }

        fn output_ended(&mut self) -> bool {
            self.output_ends
        }

        fn send_signal(&mut self, signal: &str, _deadline: Instant) -> Result<(), WaitError> {
            self.sent.push(signal.to_string());
            Ok(())
        }

        fn has_exit(&self) -> bool {
            self.sent.iter().any(|signal| signal == self.ends_by)
        }

        fn is_closed(&self) -> bool {
            false
        }
    }

    fn terminated(mut command: FakeCommand) -> (Termination, Vec<String>) {
        (terminate(&mut command, Duration::ZERO), command.sent)
    }

    #[test]
    fn the_last_reply_of_the_script_decides() {
        let by_script = |replies: &[&'static str], output_ends| {
            let (termination, sent) =
                terminated(FakeCommand { replies: Some(replies.to_vec()), output_ends, ..FakeCommand::default() });
            assert!(sent.is_empty());
            termination
        };
        assert_eq!(by_script(&["motd\npssh-rs-end FO", "UND\n", "pssh-rs-end TERM\n"], true), Termination::By("TERM"));
        assert_eq!(by_script(&["pssh-rs-end FOUND\npssh-rs-end KILL\n"], false), Termination::HeldAfter("KILL"));
        assert_eq!(by_script(&["pssh-rs-end FOUND\n", "pssh-rs-end LEFT\n"], true), Termination::No);
        // It was cut off.
        assert_eq!(by_script(&["pssh-rs-end FOUND\n"], true), Termination::No);
    }

    #[test]
    fn signals_are_sent_if_no_script_runs_or_it_finds_nothing() {
        for replies in [None, Some(vec!["pssh-rs-end NONE\n"]), Some(vec!["no such shell\n"])] {
            let by_signals = |ends_by| {
                terminated(FakeCommand {
                    replies: replies.clone(),
                    output_ends: true,
                    ends_by,
                    ..FakeCommand::default()
                })
            };
            assert_eq!(by_signals("TERM"), (Termination::SignaledBy("TERM"), vec!["TERM".to_string()]));
            assert_eq!(by_signals("KILL").0, Termination::SignaledBy("KILL"));
            assert_eq!(by_signals("none").0, Termination::No);
        }
    }

    #[test]
    fn nothing_is_sent_on_a_lost_connection() {
        let lost = FakeCommand { replies: Some(vec!["x"]), is_lost: true, ..FakeCommand::default() };
        assert_eq!(terminated(lost), (Termination::No, Vec::new()));
    }
}
