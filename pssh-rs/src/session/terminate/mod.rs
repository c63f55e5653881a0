//! Terminates a remote command, not only its connection.
//!
//! A script on a second channel of the same connection does it: that works with every sshd and shows what is left. If no
//! script can be run, SSH's own signals are sent (RFC 4254 section 6.9). sshd accepts these only since 8.1, never for root
//! ("session signalling requires privilege separation", session.c), and delivers them to the process group that it started,
//! which background processes may have left.

pub mod channel;
mod script;

use crate::base::wait::WaitError;
use script::{ScriptReply, last_reply, script};
use std::time::{Duration, Instant};

/// The script runs within this, or it was not started.
const STARTED: Duration = Duration::from_secs(5);
/// Once it runs it needs two seconds, and longer on a busy host.
const SCRIPT_TIME: Duration = Duration::from_secs(8);
/// How long a server may take to end the command after one of SSH's own signals.
const AFTER_SIGNAL: Duration = Duration::from_secs(2);
/// How long the last output of an ended command may take.
const LAST_OUTPUT_TIME: Duration = Duration::from_secs(2);
/// All of it together.
pub const LONGEST: Duration = Duration::from_secs(16);

/// What is known of a command that was to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Termination {
    /// It is gone, with all that it started in its session. The signal is the last that was needed, `TERM` or `KILL`.
    By(&'static str),
    /// The same for the processes of the login user; the host hides those of others.
    OwnBy(&'static str),
    /// The same, and yet something holds its output open.
    HeldAfter(&'static str),
    /// The server ended it after this signal. Of what it started nothing is known.
    SignaledBy(&'static str),
    No,
}

impl Termination {
    /// For the record's error, after what it is the end of.
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

    /// The same of what a command left that had ended before.
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

/// What is known once it is also known whether the command's output ended.
fn conclude(ended: Termination, output_ended: bool) -> Termination {
    match ended {
        Termination::By(signal) | Termination::OwnBy(signal) if !output_ended => Termination::HeldAfter(signal),
        ended => ended,
    }
}

/// A command that runs on a host, and what it takes to terminate it there. Both engines have one.
pub trait TerminableCommand {
    /// Starts `script` as a second command on the same connection.
    fn start_script(&mut self, script: &str, deadline: Instant) -> Result<(), WaitError>;

    fn script_ended(&self) -> bool;

    /// Passes on what the command has printed, and adds to `printed` what the script has. Waits if there is nothing. The time
    /// that the reader of our own output takes is added to the deadline.
    fn transfer(&mut self, deadline: &mut Instant, printed: Option<&mut Vec<u8>>) -> Result<(), WaitError>;

    fn output_ended(&mut self) -> bool;

    /// Sends one of SSH's own signals to the command.
    fn send_signal(&mut self, signal: &str, deadline: Instant) -> Result<(), WaitError>;

    /// Whether an exit status or signal of the command has arrived.
    fn has_exit(&self) -> bool;

    /// Whether the server has closed the command's channel.
    fn is_closed(&self) -> bool;
}

/// Terminates a command that began so long ago, within [`LONGEST`]. What it still prints is passed on.
pub fn terminate(command: &mut dyn TerminableCommand, age: Duration) -> Termination {
    match run_script(command, age) {
        Ok(Some(ScriptReply::Ended(ended))) => {
            // Its last output is on its way.
            let _ = transfer_until(command, Instant::now() + LAST_OUTPUT_TIME, |command| command.output_ended());
            conclude(ended, command.output_ended())
        }
        Ok(Some(ScriptReply::Left | ScriptReply::Found)) | Err(Over) => Termination::No,
        Ok(Some(ScriptReply::Nothing) | None) => send_signals(command),
    }
}

/// A stop, or the end of the connection: nothing more can be done.
struct Over;

/// Returns the script's last reply, `None` if it did not run.
fn run_script(command: &mut dyn TerminableCommand, age: Duration) -> Result<Option<ScriptReply>, Over> {
    /// The most of its output that is kept: a login shell may print without an end.
    const MOST: usize = 64 * 1024;
    let mut deadline = Instant::now() + STARTED;
    match command.start_script(&script(age), deadline) {
        Ok(()) => {}
        Err(WaitError::Stopped | WaitError::Io(_)) => return Err(Over),
        Err(WaitError::Deadline | WaitError::Ssh(_)) => return Ok(None),
    }
    let mut printed = Vec::new();
    let mut runs = false;
    loop {
        let transferred = command.transfer(&mut deadline, Some(&mut printed));
        printed.truncate(MOST);
        let reply = last_reply(&printed);
        match reply {
            Some(ScriptReply::Found) if !runs => {
                runs = true;
                deadline = Instant::now() + SCRIPT_TIME;
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
        let deadline = Instant::now() + AFTER_SIGNAL;
        if command.send_signal(signal, deadline).is_err() {
            return Termination::No;
        }
        // The end of its output is not the end of the command.
        match transfer_until(command, deadline, |command| command.is_closed() || !had_exit && command.has_exit()) {
            Ok(()) => return Termination::SignaledBy(signal),
            Err(WaitError::Deadline) => {}
            Err(_) => return Termination::No,
        }
    }
    Termination::No
}

fn transfer_until(
    command: &mut dyn TerminableCommand,
    mut deadline: Instant,
    is_done: impl Fn(&mut dyn TerminableCommand) -> bool,
) -> Result<(), WaitError> {
    while !is_done(command) {
        command.transfer(&mut deadline, None)?;
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

        fn transfer(&mut self, deadline: &mut Instant, printed: Option<&mut Vec<u8>>) -> Result<(), WaitError> {
            match (printed, &mut self.replies) {
                _ if self.is_lost => Err(WaitError::Io(std::io::ErrorKind::ConnectionReset.into())),
                (Some(printed), Some(replies)) if !replies.is_empty() => {
                    printed.extend_from_slice(replies.remove(0).as_bytes());
                    Ok(())
                }
                _ => {
                    *deadline = Instant::now();
                    Err(WaitError::Deadline)
                }
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
