//! Terminates the command of a libssh2 channel.

use crate::base::attempt_timer::AttemptTimer;
use crate::base::wait::WaitError;
use crate::ffi::ExecChannel;
use crate::session::follow::{CommandChannel, SessionChannel};
use crate::session::ssh_session::SshSession;
use crate::session::terminate::{TerminableCommand, Termination, terminate};
use cerveza_results::{Sink, Stream};
use std::time::{Duration, Instant};

struct ChannelCommand<'a> {
    session: &'a SshSession,
    channel: &'a ExecChannel,
    sink: &'a mut dyn Sink<WaitError>,
    script: Option<ExecChannel>,
}

/// Terminates the command of `channel`, which was started `age` ago. Everything it has printed is passed on.
pub fn terminate_channel(
    session: &SshSession,
    channel: &ExecChannel,
    age: Duration,
    sink: &mut dyn Sink<WaitError>,
) -> Termination {
    let mut command = ChannelCommand { session, channel, sink, script: None };
    let termination = terminate(&mut command, age);
    for stream in [Stream::Stdout, Stream::Stderr] {
        while let Some(bytes) = channel.take_queued(stream) {
            // It fails only if the reader of our output takes no more.
            let _ = command.sink.take(stream, &bytes, &|| session.check(None));
        }
    }
    termination
}

impl TerminableCommand for ChannelCommand<'_> {
    fn start_script(&mut self, script: &str, deadline: Instant) -> Result<(), WaitError> {
        let channel = self.session.drive(Some(deadline), ExecChannel::open)?;
        self.session.drive(Some(deadline), |_| channel.start(script))?;
        self.script = Some(channel);
        Ok(())
    }

    fn script_ended(&self) -> bool {
        self.script.as_ref().is_none_or(ExecChannel::ended)
    }

    fn transfer(&mut self, timer: &AttemptTimer, printed: Option<&mut Vec<u8>>) -> Result<(), WaitError> {
        let session = self.session;
        session.check(timer.deadline())?;
        let received = session.received();
        let mut buffer = [0; 16 * 1024];
        let before = self.sink.reader_time();
        let mut any = false;
        for stream in [Stream::Stdout, Stream::Stderr] {
            let len = SessionChannel { session, channel: self.channel }.read(stream, &mut buffer)?;
            if len > 0 {
                any = true;
                self.sink.take(stream, &buffer[..len], &|| session.check(None))?;
            }
        }
        timer.postpone(self.sink.reader_time() - before);
        if let Some((script, printed)) = self.script.as_ref().zip(printed) {
            let script = SessionChannel { session, channel: script };
            let len = script.read(Stream::Stdout, &mut buffer)?;
            printed.extend_from_slice(&buffer[..len]);
            any |= len > 0;
            any |= script.read(Stream::Stderr, &mut buffer)? > 0;
            any |= script.output_ended();
        }
        // What one read has received may be for another.
        if any || session.received() != received { Ok(()) } else { session.wait(timer.deadline()) }
    }

    fn output_ended(&mut self) -> bool {
        self.channel.ended()
    }

    fn send_signal(&mut self, signal: &str, deadline: Instant) -> Result<(), WaitError> {
        self.session.drive(Some(deadline), |_| self.channel.signal(signal))
    }

    fn has_exit(&self) -> bool {
        self.channel.exit_code().is_some() || self.channel.exit_signal().is_some()
    }

    fn is_closed(&self) -> bool {
        self.channel.closed().is_ok()
    }
}
