//! Runs one command on a session: starts it, follows it to its end, and terminates it on the host if it does not end in
//! time.

use crate::base::attempt_timer::AttemptTimer;
use crate::base::wait::WaitError;
use crate::ffi::ExecChannel;
use crate::session::command_channel::SessionChannel;
use crate::session::follow::Follow;
use crate::session::ssh_session::SshSession;
use crate::session::sudo::SudoGate;
use crate::session::terminate::channel::terminate_channel;
use crate::session::terminate::{LONGEST, Termination};
use cerveza_results::Sink;
use libssh2_sys as raw;
use ssh2::ErrorCode;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// Time limit for opening a channel and starting the command.
pub const START: Duration = Duration::from_secs(15);
/// After Ctrl-C, the longest wait for the server to confirm that it started the command.
const CONFIRMATION: Duration = Duration::from_secs(3);
/// The terminal of `--tty`: wide, so that programs do not wrap what is read as lines.
const TERMINAL: (&str, (u32, u32)) = ("xterm", (200, 50));

/// What to run, and how.
pub struct CommandRequest<'a> {
    pub line: &'a str,
    /// Variables that the server is asked to set.
    pub env: &'a [(String, String)],
    pub stdin: Stdin<'a>,
    pub tty: bool,
    pub gate: Option<SudoGate<'a>>,
}

/// What the command reads.
#[derive(Clone, Copy)]
pub enum Stdin<'a> {
    Nothing,
    Bytes(&'a [u8]),
    /// A file, from its beginning. Other hosts read it too.
    File(&'a File),
}

impl Stdin<'_> {
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Stdin::Nothing => Ok(0),
            Stdin::Bytes(bytes) => {
                let rest = bytes.get(offset as usize..).unwrap_or_default();
                let len = rest.len().min(buffer.len());
                buffer[..len].copy_from_slice(&rest[..len]);
                Ok(len)
            }
            Stdin::File(file) => file.read_at(buffer, offset),
        }
    }
}

/// What arrived of a command's end.
#[derive(Debug, Default)]
pub struct CommandExit {
    pub exit_code: Option<u32>,
    pub signal: Option<String>,
    /// An exit status or a signal arrived. ssh(1) says that one did before it says which.
    pub has_ended: bool,
}

/// How the wait for a command ended.
#[derive(Debug)]
pub enum CommandEnd {
    /// The server closed the channel in order.
    Closed,
    /// The server refused to run it.
    Denied,
    /// The server refused a terminal.
    NoTerminal,
    /// The server was not asked to run it.
    NotSent(WaitError),
    /// The server was asked to run it, and did not confirm that it does.
    Unconfirmed(WaitError),
    /// It was terminated after a deadline or a stop.
    Terminated(WaitError, Termination),
    /// Its exit status arrived, and the connection ended before the end of its output did.
    Unfinished(WaitError),
    WaitError(WaitError),
    /// Sudo did not start it.
    NoPassword(String),
    /// Its stdin could not be read.
    Stdin(io::Error),
}

impl From<WaitError> for CommandEnd {
    fn from(wait_error: WaitError) -> CommandEnd {
        CommandEnd::WaitError(wait_error)
    }
}

/// Runs a command. If its deadline passes, or a stop comes, it is terminated on the host too.
pub fn exec(
    session: &SshSession,
    request: CommandRequest<'_>,
    timer: &AttemptTimer,
    sink: &mut dyn Sink<WaitError>,
) -> (CommandExit, CommandEnd) {
    let started = Instant::now();
    let channel = match timer.with_limit(START, |deadline| start(session, &request, deadline)) {
        Ok(channel) => channel,
        Err(end) => return (CommandExit::default(), end),
    };
    sink.open();
    let io = SessionChannel { session, channel: &channel };
    let mut follow = Follow::new(&io, request.stdin, request.gate, timer, sink);
    let end = follow.run_to_end();
    let no_password = follow.refusal();
    drop(follow);
    // Read before we terminate the command: whether an exit status or signal still arrives after that is chance.
    let (exit_code, signal) = (channel.exit_code(), channel.exit_signal());
    let exit = CommandExit { has_ended: exit_code.is_some() || signal.is_some(), exit_code, signal };
    let mut terminate = || {
        timer.with_limit(LONGEST, |_| {
            session.sheltered(|| terminate_channel(session, &channel, started.elapsed(), sink))
        })
    };
    let end = match end {
        CommandEnd::Closed => no_password.map_or(CommandEnd::Closed, CommandEnd::NoPassword),
        CommandEnd::WaitError(wait_error @ (WaitError::Deadline | WaitError::Stopped)) => {
            let termination = terminate();
            CommandEnd::Terminated(wait_error, termination)
        }
        // The connection was lost after the command's last output and its exit status: it has ended well.
        CommandEnd::WaitError(_) if exit.has_ended && channel.ended() => CommandEnd::Closed,
        CommandEnd::WaitError(wait_error) if exit.has_ended => CommandEnd::Unfinished(wait_error),
        CommandEnd::NoPassword(_) | CommandEnd::Stdin(_) => {
            // Without an answer sudo would wait until the connection ends.
            terminate();
            end
        }
        end => end,
    };
    session.close_channel(&channel);
    (exit, end)
}

/// Opens a channel and starts the command on it.
fn start(session: &SshSession, request: &CommandRequest<'_>, deadline: Instant) -> Result<ExecChannel, CommandEnd> {
    let not_sent =
        |wait_error| if is_denied(&wait_error) { CommandEnd::Denied } else { CommandEnd::NotSent(wait_error) };
    let channel = session.open_channel(Some(deadline), ExecChannel::open).map_err(not_sent)?;
    if request.tty {
        let (term, size) = TERMINAL;
        let requested = session.drive(Some(deadline), |_| channel.request_pty(term, size));
        requested.map_err(|wait_error| {
            if is_denied(&wait_error) { CommandEnd::NoTerminal } else { CommandEnd::NotSent(wait_error) }
        })?;
    }
    for (name, value) in request.env {
        match session.drive(Some(deadline), |_| channel.set_env(name, value)) {
            // As for ssh, the command runs also if the server accepts no such variable.
            Err(wait_error) if is_denied(&wait_error) => {}
            result => result.map_err(not_sent)?,
        }
    }
    match session.drive(Some(deadline), |_| channel.start(request.line)) {
        Ok(()) => Ok(channel),
        Err(wait_error) if is_denied(&wait_error) => Err(CommandEnd::Denied),
        // The command may already be running. Wait briefly for the server's reply so we can terminate it.
        Err(WaitError::Stopped) => {
            let until = deadline.min(Instant::now() + CONFIRMATION);
            match session.sheltered(|| session.drive(Some(until), |_| channel.start(request.line))) {
                Ok(()) => Ok(channel),
                Err(_) => Err(CommandEnd::Unconfirmed(WaitError::Stopped)),
            }
        }
        Err(wait_error) => Err(CommandEnd::Unconfirmed(wait_error)),
    }
}

fn is_denied(wait_error: &WaitError) -> bool {
    const CODES: [i32; 2] = [raw::LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED, raw::LIBSSH2_ERROR_CHANNEL_FAILURE];
    matches!(wait_error, WaitError::Ssh(error) if CODES.map(ErrorCode::Session).contains(&error.code()))
}
