//! One command on an open session: started, fed, drained, ended.

use crate::base::wait::Halt;
use crate::ffi::{ExecChannel, Stream};
use crate::session::phase_timer::Clock;
use crate::session::ssh_session::{Link, would_block};
use crate::session::sudo::{Gate, NoPassword, Secret, Seen};
use crate::session::terminate::{self, Ended};
use crate::sink::Sink;
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
pub struct Ask<'a> {
    pub line: &'a str,
    /// Variables that the server is asked to set.
    pub env: &'a [(String, String)],
    pub stdin: Stdin<'a>,
    pub tty: bool,
    pub gate: Option<Gate<'a>>,
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
pub struct Ran {
    pub exit_code: Option<u32>,
    pub signal: Option<String>,
}

impl Ran {
    fn has_ended(&self) -> bool {
        self.exit_code.is_some() || self.signal.is_some()
    }
}

/// How the waiting for it ended.
#[derive(Debug)]
pub enum End {
    /// The server closed the channel in order.
    Closed,
    /// The server would not run it.
    Denied,
    /// The server would not give it a terminal.
    NoTerminal,
    /// The server was not asked to run it.
    Unasked(Halt),
    /// The server was asked, and did not say whether it does.
    Unconfirmed(Halt),
    /// It was to end before its time; what became of it.
    Ended(Halt, Ended),
    /// Its exit status arrived, and the connection ended before the end of its output did.
    Unfinished(Halt),
    Halt(Halt),
    /// Sudo did not let it begin.
    NoPassword(String),
    /// Its stdin could not be read.
    Stdin(std::io::Error),
}

enum Broken {
    Halt(Halt),
    NoPassword(String),
    Stdin(std::io::Error),
}

impl From<Halt> for Broken {
    fn from(halt: Halt) -> Broken {
        Broken::Halt(halt)
    }
}

/// Runs a command. Where the clock or a stop ends it, it is ended on the host too.
pub fn exec(link: &Link, ask: Ask<'_>, clock: &Clock<'_>, sink: &mut dyn Sink) -> (Ran, End) {
    let started = Instant::now();
    let starts_by = started + START;
    clock.tell(Some(starts_by));
    let channel = match start(link, &ask, starts_by) {
        Ok(channel) => channel,
        Err(end) => return (Ran::default(), end),
    };
    clock.back();
    sink.open();
    let mut follow = Follow {
        link,
        channel: &channel,
        clock,
        sink,
        feeder: Feeder::new(ask.stdin),
        gate: ask.gate,
        buffer: vec![0; BUFFER],
        sudo_since: Instant::now(),
    };
    let broken = follow.follow();
    if let Err(Broken::Halt(Halt::Ssh(_) | Halt::Io(_))) = broken {
        follow.take_queued();
    }
    let refusal = follow.gate.as_ref().and_then(Gate::refusal);
    drop(follow);
    // Read before we end the command: whether an exit status or signal of that still arrives is chance.
    let ran = Ran { exit_code: channel.exit_code(), signal: channel.exit_signal() };
    let mut end_it = || {
        clock.tell(Some(Instant::now() + terminate::LONGEST));
        link.sheltered(|| terminate::end(link, &channel, started.elapsed(), sink))
    };
    let end = match broken {
        Ok(()) => refusal.map_or(End::Closed, End::NoPassword),
        Err(Broken::Halt(halt @ (Halt::Deadline | Halt::Stopped))) => {
            let ended = end_it();
            End::Ended(halt, ended)
        }
        // What ended, in order or not, after its last output and with its exit status, has ended well.
        Err(Broken::Halt(_)) if ran.has_ended() && channel.ended() => End::Closed,
        Err(Broken::Halt(halt)) if ran.has_ended() => End::Unfinished(halt),
        Err(Broken::Halt(halt)) => End::Halt(halt),
        Err(Broken::NoPassword(why)) => {
            // Without an answer sudo would ask until somebody hangs up.
            end_it();
            End::NoPassword(why)
        }
        Err(Broken::Stdin(error)) => {
            end_it();
            End::Stdin(error)
        }
    };
    link.close_session(&channel);
    (ran, end)
}

fn start(link: &Link, ask: &Ask<'_>, deadline: Instant) -> Result<ExecChannel, End> {
    let deadline = Some(deadline);
    let unasked = |halt| match halt {
        Halt::Ssh(error) if is_denied(&error) => End::Denied,
        halt => End::Unasked(halt),
    };
    let channel = link.open_session(deadline, ExecChannel::open).map_err(unasked)?;
    if ask.tty {
        let (term, size) = TERMINAL;
        link.drive(deadline, |_| channel.request_pty(term, size)).map_err(|halt| match unasked(halt) {
            End::Denied => End::NoTerminal,
            end => end,
        })?;
    }
    for (name, value) in ask.env {
        match link.drive(deadline, |_| channel.set_env(name, value)) {
            // As for ssh, a server that takes no such variable is no reason not to run the command.
            Err(Halt::Ssh(error)) if is_denied(&error) => {}
            result => result.map_err(unasked)?,
        }
    }
    match link.drive(deadline, |_| channel.start(ask.line)) {
        Ok(()) => Ok(channel),
        Err(Halt::Ssh(error)) if is_denied(&error) => Err(End::Denied),
        // It may be running: what the server says is heard yet, so that it can be ended.
        Err(Halt::Stopped) => {
            let until = deadline.map(|deadline| deadline.min(Instant::now() + CONFIRM));
            match link.sheltered(|| link.drive(until, |_| channel.start(ask.line))) {
                Ok(()) => Ok(channel),
                Err(_) => Err(End::Unconfirmed(Halt::Stopped)),
            }
        }
        Err(halt) => Err(End::Unconfirmed(halt)),
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
    link: &'a Link,
    channel: &'a ExecChannel,
    clock: &'a Clock<'c>,
    sink: &'a mut dyn Sink,
    feeder: Feeder<'a>,
    gate: Option<Gate<'a>>,
    buffer: Vec<u8>,
    /// Since when sudo has what it needs.
    sudo_since: Instant,
}

impl Follow<'_, '_> {
    /// Feeds stdin and drains both streams side by side, since they share one window, until the server closes the channel.
    fn follow(&mut self) -> Result<(), Broken> {
        loop {
            let received = self.link.received();
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
                    Err(error) => return Err(Halt::from(error).into()),
                }
            }
            // Whatever a call receives may be what an earlier one waits for, and nothing more may come after it: a larger
            // window, new keys, output on the other stream.
            if moved || self.link.received() != received {
                continue;
            }
            self.sink.flush();
            let sudo = self.gate.as_ref().filter(|gate| !gate.is_open()).map(|_| self.sudo_since + SUDO);
            match self.link.wait(self.clock.deadline().into_iter().chain(sudo).min()) {
                Err(Halt::Deadline) if sudo.is_some_and(|by| by <= Instant::now()) => {
                    return Err(Broken::NoPassword("sudo did not let the command begin within a minute".to_string()));
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
                let _ = hand_on(self.link, self.clock, self.sink, stream, &bytes);
            }
        }
        let _ = self.rest();
    }

    /// Sends some of stdin, at its end the end; whether anything moved.
    fn feed(&mut self) -> Result<bool, Broken> {
        let open = self.gate.as_ref().is_none_or(Gate::is_open);
        let feeder = &mut self.feeder;
        if feeder.over || !self.link.may_send() {
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
                let len = feeder.stdin.read(&mut feeder.chunk, feeder.at).map_err(Broken::Stdin)?;
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
    fn drain(&mut self, stream: Stream) -> Result<bool, Broken> {
        const TURNS: usize = 32;
        for turn in 0..TURNS {
            // A fast sender never lets us wait, where the deadline is looked at too.
            self.link.check(self.clock.deadline())?;
            match self.channel.read(stream, &mut self.buffer) {
                Ok(0) => return Ok(turn > 0),
                Ok(len) => self.take(stream, len)?,
                Err(error) if would_block(&error) => return Ok(turn > 0),
                Err(error) => return Err(Halt::from(error).into()),
            }
        }
        Ok(true)
    }

    fn take(&mut self, stream: Stream, len: usize) -> Result<(), Broken> {
        let (link, clock) = (self.link, self.clock);
        let bytes = &self.buffer[..len];
        let Some(gate) = self.gate.as_mut().filter(|gate| !gate.is_open()) else {
            return Ok(hand_on(link, clock, self.sink, stream, bytes)?);
        };
        let (bytes, seen) = gate.pass(stream, bytes);
        for seen in seen {
            match seen {
                Seen::Begun => {
                    gate.accepted();
                    clock.restart();
                }
                Seen::Prompt => {
                    clock.pause();
                    self.feeder.password = Some(gate.answer(&|| link.check(None)).map_err(|no| match no {
                        NoPassword::Because(why) => Broken::NoPassword(why),
                        NoPassword::Halt(halt) => Broken::Halt(halt),
                    })?);
                    self.sudo_since = Instant::now();
                    clock.restart();
                }
            }
        }
        Ok(hand_on(link, clock, self.sink, stream, &bytes)?)
    }

    /// What the gate held back to the last.
    fn rest(&mut self) -> Result<(), Broken> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if let Some(rest) = self.gate.as_mut().map(|gate| gate.rest(stream)).filter(|rest| !rest.is_empty()) {
                hand_on(self.link, self.clock, self.sink, stream, &rest)?;
            }
        }
        Ok(())
    }
}

/// Hands output on. The clock stands still while the reader of our output takes no more: that is no fault of the host.
fn hand_on(link: &Link, clock: &Clock<'_>, sink: &mut dyn Sink, stream: Stream, bytes: &[u8]) -> Result<(), Halt> {
    let (before, waits) = (sink.reader_time(), Cell::new(false));
    let check = || {
        if !waits.replace(true) {
            clock.tell(None);
        }
        link.check(None)
    };
    let taken = sink.take(stream, bytes, &check);
    clock.postpone(sink.reader_time() - before);
    if waits.get() {
        clock.back();
    }
    taken
}
