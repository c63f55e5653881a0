//! One command on an open session: started, fed, drained, ended.

use crate::base::wait::WaitError;
use crate::ffi::ExecChannel;
use crate::session::phase_timer::PhaseTimer;
use crate::session::ssh_session::{SshSession, would_block};
use crate::session::sudo::{NoPassword, Secret, SudoGate, SudoSign};
use crate::session::terminate::channel::terminate_channel;
use crate::session::terminate::{LONGEST, Termination};
use cerveza_results::{Sink, Stream};
use libssh2_sys as raw;
use ssh2::ErrorCode;
use std::cell::Cell;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// To open a channel and get the command accepted is part of no `-t`, and yet may not take for ever.
pub const START: Duration = Duration::from_secs(15);
/// After Ctrl-C the server's word that the command was started is waited for no longer than this.
const CONFIRM: Duration = Duration::from_secs(3);
/// Sudo lets the command begin, or asks (again), within this.
const SUDO: Duration = Duration::from_secs(60);
const BUFFER: usize = 32 * 1024;
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
    /// A file, from its beginning; it is shared with others.
    File(&'a File),
}

impl Stdin<'_> {
    fn read(&self, buffer: &mut [u8], at: u64) -> std::io::Result<usize> {
        match self {
            Stdin::Nothing => Ok(0),
            Stdin::Bytes(bytes) => {
                let rest = bytes.get(at as usize..).unwrap_or_default();
                let len = rest.len().min(buffer.len());
                buffer[..len].copy_from_slice(&rest[..len]);
                Ok(len)
            }
            Stdin::File(file) => file.read_at(buffer, at),
        }
    }
}

/// How a command ended, as far as that arrived.
#[derive(Debug, Default)]
pub struct CommandExit {
    pub exit_code: Option<u32>,
    pub signal: Option<String>,
}

impl CommandExit {
    fn has_ended(&self) -> bool {
        self.exit_code.is_some() || self.signal.is_some()
    }
}

/// How the waiting for it ended.
#[derive(Debug)]
pub enum CommandEnd {
    /// The server closed the channel in order.
    Closed,
    /// The server would not run it.
    Denied,
    /// The server would not give it a terminal.
    NoTerminal,
    /// The server was not asked to run it.
    NotSent(WaitError),
    /// The server was asked, and did not say whether it does.
    Unconfirmed(WaitError),
    /// It was to end before its time; what became of it.
    Terminated(WaitError, Termination),
    /// Its exit status arrived, and the connection ended before the end of its output did.
    Unfinished(WaitError),
    WaitError(WaitError),
    /// Sudo did not let it begin.
    NoPassword(String),
    /// Its stdin could not be read.
    Stdin(std::io::Error),
}

enum FollowError {
    WaitError(WaitError),
    NoPassword(String),
    Stdin(std::io::Error),
}

impl From<WaitError> for FollowError {
    fn from(wait_error: WaitError) -> FollowError {
        FollowError::WaitError(wait_error)
    }
}

/// Runs a command. Where the clock or a stop ends it, it is ended on the host too.
pub fn exec(
    session: &SshSession,
    request: CommandRequest<'_>,
    timer: &PhaseTimer<'_>,
    sink: &mut dyn Sink<WaitError>,
) -> (CommandExit, CommandEnd) {
    let started = Instant::now();
    let starts_by = started + START;
    timer.report_deadline(Some(starts_by));
    let channel = match start(session, &request, starts_by) {
        Ok(channel) => channel,
        Err(end) => return (CommandExit::default(), end),
    };
    timer.report_own_deadline();
    sink.open();
    let mut follow = Follow {
        session,
        channel: &channel,
        timer,
        sink,
        feeder: Feeder::new(request.stdin),
        gate: request.gate,
        buffer: vec![0; BUFFER],
        sudo_since: Instant::now(),
    };
    let broken = follow.follow();
    if let Err(FollowError::WaitError(WaitError::Ssh(_) | WaitError::Io(_))) = broken {
        follow.take_queued();
    }
    let refusal = follow.gate.as_ref().and_then(SudoGate::refusal);
    drop(follow);
    // Read before we end the command: whether an exit status or signal of that still arrives is chance.
    let exit = CommandExit { exit_code: channel.exit_code(), signal: channel.exit_signal() };
    let mut end_it = || {
        timer.report_deadline(Some(Instant::now() + LONGEST));
        session.sheltered(|| terminate_channel(session, &channel, started.elapsed(), sink))
    };
    let end = match broken {
        Ok(()) => refusal.map_or(CommandEnd::Closed, CommandEnd::NoPassword),
        Err(FollowError::WaitError(wait_error @ (WaitError::Deadline | WaitError::Stopped))) => {
            let ended = end_it();
            CommandEnd::Terminated(wait_error, ended)
        }
        // What ended, in order or not, after its last output and with its exit status, has ended well.
        Err(FollowError::WaitError(_)) if exit.has_ended() && channel.ended() => CommandEnd::Closed,
        Err(FollowError::WaitError(wait_error)) if exit.has_ended() => CommandEnd::Unfinished(wait_error),
        Err(FollowError::WaitError(wait_error)) => CommandEnd::WaitError(wait_error),
        Err(FollowError::NoPassword(why)) => {
            // Without an answer sudo would ask until somebody hangs up.
            end_it();
            CommandEnd::NoPassword(why)
        }
        Err(FollowError::Stdin(error)) => {
            end_it();
            CommandEnd::Stdin(error)
        }
    };
    session.close_session(&channel);
    (exit, end)
}

fn start(session: &SshSession, request: &CommandRequest<'_>, deadline: Instant) -> Result<ExecChannel, CommandEnd> {
    let deadline = Some(deadline);
    let not_sent = |wait_error| match wait_error {
        WaitError::Ssh(error) if is_denied(&error) => CommandEnd::Denied,
        wait_error => CommandEnd::NotSent(wait_error),
    };
    let channel = session.open_session(deadline, ExecChannel::open).map_err(not_sent)?;
    if request.tty {
        let (term, size) = TERMINAL;
        session.drive(deadline, |_| channel.request_pty(term, size)).map_err(|wait_error| {
            match not_sent(wait_error) {
                CommandEnd::Denied => CommandEnd::NoTerminal,
                end => end,
            }
        })?;
    }
    for (name, value) in request.env {
        match session.drive(deadline, |_| channel.set_env(name, value)) {
            // As for ssh, a server that takes no such variable is no reason not to run the command.
            Err(WaitError::Ssh(error)) if is_denied(&error) => {}
            result => result.map_err(not_sent)?,
        }
    }
    match session.drive(deadline, |_| channel.start(request.line)) {
        Ok(()) => Ok(channel),
        Err(WaitError::Ssh(error)) if is_denied(&error) => Err(CommandEnd::Denied),
        // It may be running: what the server says is heard yet, so that it can be ended.
        Err(WaitError::Stopped) => {
            let until = deadline.map(|deadline| deadline.min(Instant::now() + CONFIRM));
            match session.sheltered(|| session.drive(until, |_| channel.start(request.line))) {
                Ok(()) => Ok(channel),
                Err(_) => Err(CommandEnd::Unconfirmed(WaitError::Stopped)),
            }
        }
        Err(wait_error) => Err(CommandEnd::Unconfirmed(wait_error)),
    }
}

fn is_denied(error: &ssh2::Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::Session(raw::LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED | raw::LIBSSH2_ERROR_CHANNEL_FAILURE)
    )
}

/// What is still to be sent to the command.
struct Feeder<'a> {
    stdin: Stdin<'a>,
    at: u64,
    /// Bytes taken from it, or a password, of which some are sent.
    chunk: Vec<u8>,
    sent: usize,
    /// Nothing more is sent: all of it was, or the command does not want it.
    over: bool,
    password: Option<Secret>,
}

impl<'a> Feeder<'a> {
    fn new(stdin: Stdin<'a>) -> Feeder<'a> {
        Feeder { stdin, at: 0, chunk: Vec::new(), sent: 0, over: false, password: None }
    }
}

struct Follow<'a, 'c> {
    session: &'a SshSession,
    channel: &'a ExecChannel,
    timer: &'a PhaseTimer<'c>,
    sink: &'a mut dyn Sink<WaitError>,
    feeder: Feeder<'a>,
    gate: Option<SudoGate<'a>>,
    buffer: Vec<u8>,
    /// Since when sudo has what it needs.
    sudo_since: Instant,
}

impl Follow<'_, '_> {
    /// Feeds stdin and drains both streams side by side, since they share one window, until the server closes the channel.
    fn follow(&mut self) -> Result<(), FollowError> {
        loop {
            let received = self.session.received();
            let mut moved = self.feed()?;
            for stream in [Stream::Stdout, Stream::Stderr] {
                moved |= self.drain(stream)?;
            }
            // Who has closed its outputs may read on.
            if !moved && self.channel.ended() {
                self.rest()?;
                match self.channel.closed() {
                    Ok(()) => return Ok(()),
                    Err(error) if would_block(&error) => {}
                    Err(error) => return Err(WaitError::from(error).into()),
                }
            }
            // Whatever a call receives may be what an earlier one waits for, and nothing more may come after it: a larger
            // window, new keys, output on the other stream.
            if moved || self.session.received() != received {
                continue;
            }
            self.sink.flush();
            let sudo = self.gate.as_ref().filter(|gate| !gate.is_open()).map(|_| self.sudo_since + SUDO);
            match self.session.wait(self.timer.deadline().into_iter().chain(sudo).min()) {
                Err(WaitError::Deadline) if sudo.is_some_and(|by| by <= Instant::now()) => {
                    return Err(FollowError::NoPassword(
                        "sudo did not let the command begin within a minute".to_string(),
                    ));
                }
                waited => waited?,
            }
        }
    }

    /// Takes what had arrived before the connection ended.
    fn take_queued(&mut self) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            while let Some(mut bytes) = self.channel.take_queued(stream) {
                if let Some(gate) = self.gate.as_mut().filter(|gate| !gate.is_open()) {
                    bytes = gate.pass(stream, &bytes).0;
                }
                // It fails only where our reader takes no more.
                let _ = hand_on(self.session, self.timer, self.sink, stream, &bytes);
            }
        }
        let _ = self.rest();
    }

    /// Sends some of stdin, at its end the end; whether anything moved.
    fn feed(&mut self) -> Result<bool, FollowError> {
        let open = self.gate.as_ref().is_none_or(SudoGate::is_open);
        let feeder = &mut self.feeder;
        if feeder.over || !self.session.may_send() {
            return Ok(false);
        }
        if feeder.sent == feeder.chunk.len() {
            feeder.sent = 0;
            feeder.chunk.clear();
            if let Some(password) = feeder.password.take() {
                feeder.chunk.extend_from_slice(&password);
                feeder.chunk.push(b'\n');
            } else if !open {
                return Ok(false);
            } else if !matches!(feeder.stdin, Stdin::Nothing) {
                feeder.chunk.resize(BUFFER, 0);
                let len = feeder.stdin.read(&mut feeder.chunk, feeder.at).map_err(FollowError::Stdin)?;
                feeder.chunk.truncate(len);
                feeder.at += len as u64;
            }
        }
        let result = match feeder.chunk.is_empty() {
            true => self.channel.send_eof().map(|()| 0),
            false => self.channel.write(&feeder.chunk[feeder.sent..]),
        };
        match result {
            Ok(0) if feeder.chunk.is_empty() => {
                feeder.over = true;
                feeder.chunk = Vec::new();
                Ok(false)
            }
            // The window is full.
            Ok(0) => Ok(false),
            Ok(len) => {
                feeder.sent += len;
                if !open && feeder.sent == feeder.chunk.len() {
                    // A password has gone out: nothing of it stays here.
                    zeroize::Zeroize::zeroize(&mut feeder.chunk);
                    feeder.sent = 0;
                }
                Ok(true)
            }
            Err(error) if would_block(&error) => Ok(false),
            // The command may have ended, or closed its stdin: what there is to read tells.
            Err(_) => {
                feeder.over = true;
                Ok(false)
            }
        }
    }

    /// Reads what has arrived on one stream; whether that was anything. Stops to look at the other after a while.
    fn drain(&mut self, stream: Stream) -> Result<bool, FollowError> {
        const TURNS: usize = 32;
        for turn in 0..TURNS {
            // A fast sender never lets us wait, where the deadline is looked at too.
            self.session.check(self.timer.deadline())?;
            match self.channel.read(stream, &mut self.buffer) {
                Ok(0) => return Ok(turn > 0),
                Ok(len) => self.take(stream, len)?,
                Err(error) if would_block(&error) => return Ok(turn > 0),
                Err(error) => return Err(WaitError::from(error).into()),
            }
        }
        Ok(true)
    }

    fn take(&mut self, stream: Stream, len: usize) -> Result<(), FollowError> {
        let (session, timer) = (self.session, self.timer);
        let bytes = &self.buffer[..len];
        let Some(gate) = self.gate.as_mut().filter(|gate| !gate.is_open()) else {
            return Ok(hand_on(session, timer, self.sink, stream, bytes)?);
        };
        let (bytes, seen) = gate.pass(stream, bytes);
        for seen in seen {
            match seen {
                SudoSign::Begun => {
                    gate.accepted();
                    timer.restart();
                }
                SudoSign::Prompt => {
                    timer.pause();
                    self.feeder.password = Some(gate.answer(&|| session.check(None)).map_err(|no| match no {
                        NoPassword::Because(why) => FollowError::NoPassword(why),
                        NoPassword::WaitError(wait_error) => FollowError::WaitError(wait_error),
                    })?);
                    self.sudo_since = Instant::now();
                    timer.restart();
                }
            }
        }
        Ok(hand_on(session, timer, self.sink, stream, &bytes)?)
    }

    /// What the gate held back to the last.
    fn rest(&mut self) -> Result<(), FollowError> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if let Some(rest) = self.gate.as_mut().map(|gate| gate.rest(stream)).filter(|rest| !rest.is_empty()) {
                hand_on(self.session, self.timer, self.sink, stream, &rest)?;
            }
        }
        Ok(())
    }
}

/// Hands output on. The clock stands still while the reader of our output takes no more: that is no fault of the host.
fn hand_on(
    session: &SshSession,
    timer: &PhaseTimer<'_>,
    sink: &mut dyn Sink<WaitError>,
    stream: Stream,
    bytes: &[u8],
) -> Result<(), WaitError> {
    let (before, waits) = (sink.reader_time(), Cell::new(false));
    let check = || {
        if !waits.replace(true) {
            timer.report_deadline(None);
        }
        session.check(None)
    };
    let taken = sink.take(stream, bytes, &check);
    timer.postpone(sink.reader_time() - before);
    if waits.get() {
        timer.report_own_deadline();
    }
    taken
}
