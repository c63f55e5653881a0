//! Follows a running command to its end: sends its stdin, reads its output, and answers sudo.

use crate::base::attempt_timer::AttemptTimer;
use crate::base::wait::WaitError;
use crate::ffi::ExecChannel;
use crate::session::exec::{CommandEnd, Stdin};
use crate::session::ssh_session::{SshSession, unless_blocked};
use crate::session::sudo::{NoPassword, Secret, SudoGate, SudoSign};
use cerveza_results::{Sink, Stream};
use std::io;
use std::time::{Duration, Instant};
use zeroize::Zeroize;

/// Time limit for sudo to start the command, or to ask for a password.
const SUDO: Duration = Duration::from_secs(60);
const BUFFER: usize = 32 * 1024;
const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

/// The channel of a running command. None of its calls blocks, except `wait`.
pub trait CommandChannel {
    /// Reads what has arrived on one stream. Returns 0 if nothing has.
    fn read(&self, stream: Stream, buffer: &mut [u8]) -> Result<usize, WaitError>;

    /// Returns output that arrived before the connection broke.
    fn take_queued(&self, stream: Stream) -> Option<Vec<u8>>;

    /// Sends some bytes. Returns how many, which is 0 if the window is full.
    fn write(&self, bytes: &[u8]) -> Result<usize, WaitError>;

    /// Sends the end of stdin. Returns whether it was sent.
    fn send_eof(&self) -> Result<bool, WaitError>;

    fn may_send(&self) -> bool;

    fn output_ended(&self) -> bool;

    /// Returns whether the server has closed the channel.
    fn is_closed(&self) -> Result<bool, WaitError>;

    /// Returns how many bytes the connection has received.
    fn received(&self) -> u64;

    /// Fails if the deadline has passed or a stop came.
    fn check(&self, deadline: Option<Instant>) -> Result<(), WaitError>;

    /// Waits until something can be received or sent.
    fn wait(&self, deadline: Option<Instant>) -> Result<(), WaitError>;
}

/// A channel of libssh2 and its session.
pub struct SessionChannel<'a> {
    pub session: &'a SshSession,
    pub channel: &'a ExecChannel,
}

impl CommandChannel for SessionChannel<'_> {
    fn read(&self, stream: Stream, buffer: &mut [u8]) -> Result<usize, WaitError> {
        Ok(unless_blocked(self.channel.read(stream, buffer))?.unwrap_or(0))
    }

    fn take_queued(&self, stream: Stream) -> Option<Vec<u8>> {
        self.channel.take_queued(stream)
    }

    fn write(&self, bytes: &[u8]) -> Result<usize, WaitError> {
        Ok(unless_blocked(self.channel.write(bytes))?.unwrap_or(0))
    }

    fn send_eof(&self) -> Result<bool, WaitError> {
        Ok(unless_blocked(self.channel.send_eof())?.is_some())
    }

    fn may_send(&self) -> bool {
        self.session.may_send()
    }

    fn output_ended(&self) -> bool {
        self.channel.ended()
    }

    fn is_closed(&self) -> Result<bool, WaitError> {
        Ok(unless_blocked(self.channel.closed())?.is_some())
    }

    fn received(&self) -> u64 {
        self.session.received()
    }

    fn check(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        self.session.check(deadline)
    }

    fn wait(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
        self.session.wait(deadline)
    }
}

/// What is still to be sent to the command.
struct Feeder<'a> {
    stdin: Stdin<'a>,
    offset: u64,
    /// A piece of stdin, or a password.
    chunk: Vec<u8>,
    /// How many bytes of the chunk are sent.
    sent: usize,
    password: Option<Secret>,
    /// Nothing more is sent: all of it was, or the command does not read it.
    is_over: bool,
}

impl Feeder<'_> {
    /// Fills the chunk, once all of it was sent. It stays empty at the end of stdin. Returns false if sudo has not started the
    /// command: until then only passwords are sent.
    fn fill(&mut self, command_started: bool) -> io::Result<bool> {
        if self.sent < self.chunk.len() {
            return Ok(true);
        }
        self.sent = 0;
        self.chunk.clear();
        if let Some(password) = self.password.take() {
            self.chunk.extend_from_slice(&password);
            self.chunk.push(b'\n');
        } else if !command_started {
            return Ok(false);
        } else if !matches!(self.stdin, Stdin::Nothing) {
            self.chunk.resize(BUFFER, 0);
            let len = self.stdin.read_at(&mut self.chunk, self.offset)?;
            self.chunk.truncate(len);
            self.offset += len as u64;
        }
        Ok(true)
    }
}

pub struct Follow<'a> {
    channel: &'a dyn CommandChannel,
    timer: &'a AttemptTimer,
    sink: &'a mut dyn Sink<WaitError>,
    feeder: Feeder<'a>,
    gate: Option<SudoGate<'a>>,
    /// When sudo got what it had asked for.
    sudo_since: Instant,
}

impl<'a> Follow<'a> {
    pub fn new(
        channel: &'a dyn CommandChannel,
        stdin: Stdin<'a>,
        gate: Option<SudoGate<'a>>,
        timer: &'a AttemptTimer,
        sink: &'a mut dyn Sink<WaitError>,
    ) -> Follow<'a> {
        let feeder = Feeder { stdin, offset: 0, chunk: Vec::new(), sent: 0, password: None, is_over: false };
        Follow { channel, timer, sink, feeder, gate, sudo_since: Instant::now() }
    }

    /// Runs until the server has closed the channel, or the wait for that failed.
    pub fn run_to_end(&mut self) -> CommandEnd {
        let Err(end) = self.transfer_all() else { return CommandEnd::Closed };
        if let CommandEnd::WaitError(WaitError::Ssh(_) | WaitError::Io(_)) = end {
            self.pass_on_queued();
        }
        end
    }

    /// Returns why sudo did not start the command, if it wanted a password.
    pub fn refusal(&self) -> Option<String> {
        self.gate.as_ref().and_then(SudoGate::refusal)
    }

    /// Sends stdin and reads both streams side by side, because they share one window.
    fn transfer_all(&mut self) -> Result<(), CommandEnd> {
        let mut buffer = vec![0; BUFFER];
        loop {
            let received = self.channel.received();
            let mut moved = self.send_stdin()?;
            for stream in STREAMS {
                moved |= self.read_stream(stream, &mut buffer)?;
            }
            // A command that has closed its outputs may still read its stdin.
            if !moved && self.channel.output_ended() {
                self.pass_on_held()?;
                if self.channel.is_closed()? {
                    return Ok(());
                }
            }
            // What one call receives may be what an earlier one waits for (a larger window, new keys, output on the other
            // stream), and nothing more may come after it.
            if moved || self.channel.received() != received {
                continue;
            }
            self.sink.flush();
            let sudo = (!self.command_started()).then(|| self.sudo_since + SUDO);
            match self.channel.wait(self.timer.deadline().into_iter().chain(sudo).min()) {
                Err(WaitError::Deadline) if sudo.is_some_and(|until| until <= Instant::now()) => {
                    let why = "sudo did not let the command begin within a minute";
                    return Err(CommandEnd::NoPassword(why.to_string()));
                }
                waited => waited?,
            }
        }
    }

    /// Returns whether the command runs, rather than a sudo that may ask for a password.
    fn command_started(&self) -> bool {
        self.gate.as_ref().is_none_or(SudoGate::is_open)
    }

    /// Sends some of stdin, and at last its end. Returns whether any bytes were sent.
    fn send_stdin(&mut self) -> Result<bool, CommandEnd> {
        let command_started = self.command_started();
        let feeder = &mut self.feeder;
        if feeder.is_over || !self.channel.may_send() || !feeder.fill(command_started).map_err(CommandEnd::Stdin)? {
            return Ok(false);
        }
        let sent = if feeder.chunk.is_empty() {
            self.channel.send_eof().map(|sent| feeder.is_over = sent).map(|()| 0)
        } else {
            self.channel.write(&feeder.chunk[feeder.sent..])
        };
        // If it failed, the command may have ended or closed its stdin. What there is to read shows that.
        let Ok(sent) = sent else {
            feeder.is_over = true;
            return Ok(false);
        };
        feeder.sent += sent;
        if !command_started && feeder.sent == feeder.chunk.len() {
            // The password was sent: no copy of it stays here.
            feeder.chunk.zeroize();
            feeder.sent = 0;
        }
        if feeder.is_over {
            feeder.chunk = Vec::new();
        }
        Ok(sent > 0)
    }

    /// Reads what has arrived on one stream. Returns whether anything has. Stops after a while, for the other stream.
    fn read_stream(&mut self, stream: Stream, buffer: &mut [u8]) -> Result<bool, CommandEnd> {
        const TURNS: usize = 32;
        for turn in 0..TURNS {
            // A fast sender never lets us wait, so the deadline is checked here too.
            self.channel.check(self.timer.deadline())?;
            match self.channel.read(stream, buffer)? {
                0 => return Ok(turn > 0),
                len => self.handle_output(stream, &buffer[..len])?,
            }
        }
        Ok(true)
    }

    fn handle_output(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), CommandEnd> {
        let Some(gate) = self.gate.as_mut().filter(|gate| !gate.is_open()) else {
            return Ok(self.pass_on(stream, bytes)?);
        };
        let (bytes, signs) = gate.pass(stream, bytes);
        for sign in signs {
            match sign {
                SudoSign::Begun => gate.accepted(),
                SudoSign::Prompt => {
                    self.timer.pause();
                    let password = gate.answer(&|| self.channel.check(None)).map_err(|error| match error {
                        NoPassword::Because(why) => CommandEnd::NoPassword(why),
                        NoPassword::WaitError(wait_error) => CommandEnd::WaitError(wait_error),
                    })?;
                    self.feeder.password = Some(password);
                    self.sudo_since = Instant::now();
                }
            }
            self.timer.restart();
        }
        Ok(self.pass_on(stream, &bytes)?)
    }

    /// Passes on what arrived before the connection ended. It fails only if the reader of our output takes no more.
    fn pass_on_queued(&mut self) {
        for stream in STREAMS {
            while let Some(mut bytes) = self.channel.take_queued(stream) {
                if let Some(gate) = self.gate.as_mut().filter(|gate| !gate.is_open()) {
                    bytes = gate.pass(stream, &bytes).0;
                }
                let _ = self.pass_on(stream, &bytes);
            }
        }
        let _ = self.pass_on_held();
    }

    /// Passes on what the gate has held back.
    fn pass_on_held(&mut self) -> Result<(), WaitError> {
        for stream in STREAMS {
            let held = self.gate.as_mut().map(|gate| gate.rest(stream)).unwrap_or_default();
            if !held.is_empty() {
                self.pass_on(stream, &held)?;
            }
        }
        Ok(())
    }

    /// Passes output on. The time that the reader of our output takes does not count as the host's.
    fn pass_on(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), WaitError> {
        let before = self.sink.reader_time();
        let taken = self.sink.take(stream, bytes, &|| {
            self.timer.touch();
            self.channel.check(None)
        });
        self.timer.postpone(self.sink.reader_time() - before);
        taken
    }
}
