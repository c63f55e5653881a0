//! Follows a running command to its end: sends its stdin, reads its output, and answers sudo.

use crate::base::attempt_timer::AttemptTimer;
use crate::base::wait::WaitError;
use crate::session::command_channel::CommandChannel;
use crate::session::exec::{CommandEnd, Stdin};
use crate::session::sudo::{NoPassword, Secret, SudoGate, SudoSign};
use cerveza_results::{Sink, Stream};
use std::io;
use std::time::{Duration, Instant};
use zeroize::Zeroize;

/// Time limit for sudo to start the command, or to ask for a password.
const SUDO: Duration = Duration::from_secs(60);
const BUFFER: usize = 32 * 1024;
const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

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
        let (bytes, signs) = gate.filter(stream, bytes);
        for sign in signs {
            match sign {
                SudoSign::Begun => gate.accept_password(),
                SudoSign::Prompt => {
                    self.timer.pause();
                    let password = gate.password(&|| self.channel.check(None)).map_err(|error| match error {
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
                    bytes = gate.filter(stream, &bytes).0;
                }
                let _ = self.pass_on(stream, &bytes);
            }
        }
        let _ = self.pass_on_held();
    }

    /// Passes on what the gate has held back.
    fn pass_on_held(&mut self) -> Result<(), WaitError> {
        for stream in STREAMS {
            let held = self.gate.as_mut().map(|gate| gate.take_held(stream)).unwrap_or_default();
            if !held.is_empty() {
                self.pass_on(stream, &held)?;
            }
        }
        Ok(())
    }

    /// Passes output on. The time that the reader of our output takes does not count as the host's.
    fn pass_on(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), WaitError> {
        let before = self.sink.reader_time();
        let taken = self.sink.write(stream, bytes, &|| {
            self.timer.touch();
            self.channel.check(None)
        });
        self.timer.postpone(self.sink.reader_time() - before);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::command_line::Sudo;
    use crate::session::sudo::Password;
    use cerveza_results::Captured;
    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;
    use std::fs::File;
    use zeroize::Zeroizing;

    /// What the server sends.
    enum Arrival {
        Output(Stream, &'static str),
        /// Room for more of stdin. It is received by the next read of stderr, as a part of which libssh2 may receive anything.
        Window(usize),
        End,
        /// The connection breaks after this output.
        Lost(&'static str),
    }

    /// A channel on which something arrives with each wait.
    struct FakeChannel {
        arrivals: RefCell<VecDeque<Arrival>>,
        output: RefCell<[Vec<u8>; 2]>,
        window: Cell<usize>,
        next_window: Cell<usize>,
        stdin: RefCell<Vec<u8>>,
        stdin_is_closed: Cell<bool>,
        received: Cell<u64>,
        has_ended: Cell<bool>,
        is_lost: Cell<bool>,
    }

    impl FakeChannel {
        fn new(window: usize, arrivals: impl IntoIterator<Item = Arrival>) -> FakeChannel {
            FakeChannel {
                arrivals: RefCell::new(arrivals.into_iter().collect()),
                output: RefCell::default(),
                window: Cell::new(window),
                next_window: Cell::new(0),
                stdin: RefCell::default(),
                stdin_is_closed: Cell::new(false),
                received: Cell::new(0),
                has_ended: Cell::new(false),
                is_lost: Cell::new(false),
            }
        }
    }

    fn lost() -> WaitError {
        WaitError::Io(io::ErrorKind::ConnectionReset.into())
    }

    impl CommandChannel for FakeChannel {
        fn read(&self, stream: Stream, buffer: &mut [u8]) -> Result<usize, WaitError> {
            if self.is_lost.get() {
                return Err(lost());
            }
            if stream == Stream::Stderr && self.next_window.get() > 0 {
                self.window.set(self.next_window.take());
                self.received.set(self.received.get() + 1);
            }
            let output = &mut self.output.borrow_mut()[stream as usize];
            let len = output.len().min(buffer.len());
            buffer[..len].copy_from_slice(&output[..len]);
            output.drain(..len);
            Ok(len)
        }

        fn take_queued(&self, stream: Stream) -> Option<Vec<u8>> {
            let output = std::mem::take(&mut self.output.borrow_mut()[stream as usize]);
            (!output.is_empty()).then_some(output)
        }

        fn write(&self, bytes: &[u8]) -> Result<usize, WaitError> {
            if self.stdin_is_closed.get() {
                return Err(lost());
            }
            let len = bytes.len().min(self.window.get());
            self.window.set(self.window.get() - len);
            self.stdin.borrow_mut().extend_from_slice(&bytes[..len]);
            Ok(len)
        }

        fn send_eof(&self) -> Result<bool, WaitError> {
            self.stdin.borrow_mut().extend_from_slice(b"<EOF>");
            Ok(true)
        }

        fn may_send(&self) -> bool {
            true
        }

        fn output_ended(&self) -> bool {
            self.has_ended.get() && self.output.borrow().iter().all(Vec::is_empty)
        }

        fn is_closed(&self) -> Result<bool, WaitError> {
            Ok(self.has_ended.get())
        }

        fn received(&self) -> u64 {
            self.received.get()
        }

        fn check(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) { Err(WaitError::Deadline) } else { Ok(()) }
        }

        fn wait(&self, deadline: Option<Instant>) -> Result<(), WaitError> {
            self.check(deadline)?;
            match self.arrivals.borrow_mut().pop_front().expect("the server sends nothing more") {
                Arrival::Output(stream, text) => {
                    self.output.borrow_mut()[stream as usize].extend_from_slice(text.as_bytes());
                }
                Arrival::Window(window) => self.next_window.set(window),
                Arrival::End => self.has_ended.set(true),
                Arrival::Lost(text) => {
                    self.output.borrow_mut()[0].extend_from_slice(text.as_bytes());
                    self.is_lost.set(true);
                }
            }
            Ok(())
        }
    }

    const LIMIT: Duration = Duration::from_secs(60);
    use Arrival::{End, Lost, Output, Window};
    use Stream::{Stderr, Stdout};

    /// Follows the command of a channel. Returns how it ended, and stdout and stderr.
    fn follow(channel: &FakeChannel, stdin: Stdin<'_>) -> (CommandEnd, String, String) {
        let (timer, mut sink) = (AttemptTimer::started(LIMIT), Captured::default());
        let end = Follow::new(channel, stdin, None, &timer, &mut sink).run_to_end();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (end, text(sink.stdout), text(sink.stderr))
    }

    #[test]
    fn stdin_and_both_outputs_pass_through() {
        let channel = FakeChannel::new(100, [Output(Stdout, "out"), Output(Stderr, "err"), Output(Stdout, "put"), End]);
        let (end, stdout, stderr) = follow(&channel, Stdin::Bytes(b"in"));
        assert!(matches!(end, CommandEnd::Closed), "{end:?}");
        assert_eq!((stdout.as_str(), stderr.as_str()), ("output", "err"));
        assert_eq!(*channel.stdin.borrow(), b"in<EOF>");
    }

    #[test]
    fn a_window_that_a_read_receives_is_used_before_the_next_wait() {
        // Each window arrives during the read of stderr, after stdin was found blocked. Nothing arrives after it that would
        // end a wait, except the end, which must find all of stdin sent.
        let channel = FakeChannel::new(4, [Window(3), Window(100), End]);
        let (end, ..) = follow(&channel, Stdin::Bytes(b"0123456789"));
        assert!(matches!(end, CommandEnd::Closed), "{end:?}");
        assert_eq!(*channel.stdin.borrow(), b"0123456789<EOF>");
    }

    #[test]
    fn a_command_that_closes_its_stdin_is_followed_to_its_end() {
        let channel = FakeChannel::new(100, [Output(Stdout, "out"), End]);
        channel.stdin_is_closed.set(true);
        let (end, stdout, _) = follow(&channel, Stdin::Bytes(b"in"));
        assert!(matches!(end, CommandEnd::Closed), "{end:?}");
        assert_eq!(stdout, "out");
    }

    #[test]
    fn output_that_arrived_before_the_connection_was_lost_is_kept() {
        let channel = FakeChannel::new(100, [Output(Stdout, "first, "), Lost("last words")]);
        let (end, stdout, _) = follow(&channel, Stdin::Nothing);
        assert!(matches!(end, CommandEnd::WaitError(WaitError::Io(_))), "{end:?}");
        assert_eq!(stdout, "first, last words");
    }

    #[test]
    fn a_deadline_ends_the_wait() {
        let channel = FakeChannel::new(100, []);
        let (timer, mut sink) = (AttemptTimer::started(Duration::ZERO), Captured::default());
        let end = Follow::new(&channel, Stdin::Nothing, None, &timer, &mut sink).run_to_end();
        assert!(matches!(end, CommandEnd::WaitError(WaitError::Deadline)), "{end:?}");
    }

    #[test]
    fn a_stdin_that_cannot_be_read_ends_the_wait() {
        let folder = File::open("/").unwrap();
        let (end, ..) = follow(&FakeChannel::new(100, []), Stdin::File(&folder));
        assert!(matches!(end, CommandEnd::Stdin(_)), "{end:?}");
    }

    /// A sink whose reader takes ten seconds for each piece of output.
    #[derive(Default)]
    struct SlowSink(Duration);

    impl Sink<WaitError> for SlowSink {
        fn write(
            &mut self,
            _stream: Stream,
            _bytes: &[u8],
            check: &dyn Fn() -> Result<(), WaitError>,
        ) -> Result<(), WaitError> {
            self.0 += Duration::from_secs(10);
            check()
        }

        fn reader_time(&self) -> Duration {
            self.0
        }
    }

    #[test]
    fn a_slow_reader_of_our_output_does_not_use_up_the_time_of_the_command() {
        let channel = FakeChannel::new(100, [Output(Stdout, "a"), Output(Stderr, "b"), End]);
        let (timer, mut sink) = (AttemptTimer::started(LIMIT), SlowSink::default());
        let deadline = timer.deadline().unwrap();
        let end = Follow::new(&channel, Stdin::Nothing, None, &timer, &mut sink).run_to_end();
        assert!(matches!(end, CommandEnd::Closed), "{end:?}");
        assert_eq!(timer.deadline(), Some(deadline + Duration::from_secs(20)));
    }

    #[test]
    fn sudo_gets_the_password_before_the_command_gets_stdin() {
        let sudo = Sudo { user: None, prompt: "<ask>".to_string(), begun: "<go>".to_string() };
        let password = Password::new(Box::new(|_| Ok(Zeroizing::new(b"secret".to_vec()))));
        let arrivals =
            [Output(Stderr, "lecture\n<a"), Output(Stderr, "sk>"), Output(Stderr, "<go>"), Output(Stdout, "x"), End];
        let channel = FakeChannel::new(100, arrivals);
        let (timer, mut sink) = (AttemptTimer::started(LIMIT), Captured::default());
        let before = timer.deadline();
        let gate = SudoGate::new(&sudo, &password, "me".to_string());
        let mut follow = Follow::new(&channel, Stdin::Bytes(b"in"), Some(gate), &timer, &mut sink);
        let end = follow.run_to_end();
        assert!(matches!(end, CommandEnd::Closed) && follow.refusal().is_none(), "{end:?}");
        drop(follow);
        assert_eq!(*channel.stdin.borrow(), b"secret\nin<EOF>");
        assert_eq!((sink.stdout.as_slice(), sink.stderr.as_slice()), (&b"x"[..], &b"lecture\n"[..]));
        assert!(timer.deadline() > before);
    }

    #[test]
    fn a_password_that_nobody_knows_ends_the_wait() {
        let sudo = Sudo { user: None, prompt: "<ask>".to_string(), begun: "<go>".to_string() };
        let password = Password::new(Box::new(|_| Err(NoPassword::Because("no terminal".to_string()))));
        let channel = FakeChannel::new(100, [Output(Stderr, "<ask>")]);
        let (timer, mut sink) = (AttemptTimer::started(LIMIT), Captured::default());
        let gate = SudoGate::new(&sudo, &password, "me".to_string());
        let end = Follow::new(&channel, Stdin::Bytes(b"in"), Some(gate), &timer, &mut sink).run_to_end();
        assert!(matches!(&end, CommandEnd::NoPassword(why) if why == "no terminal"), "{end:?}");
        assert!(channel.stdin.borrow().is_empty());
    }
}
