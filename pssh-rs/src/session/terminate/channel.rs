//! Terminating the command of a libssh2 channel.

use crate::base::wait::WaitError;
use crate::ffi::ExecChannel;
use crate::session::ssh_session::{SshSession, would_block};
use crate::session::terminate::{TerminableCommand, Termination, terminate};
use cerveza_results::{Sink, Stream};
use std::time::{Duration, Instant};

struct ChannelCommand<'a> {
    session: &'a SshSession,
    channel: &'a ExecChannel,
    sink: &'a mut dyn Sink<WaitError>,
    script: Option<ExecChannel>,
}

/// Terminates the command of `channel`, which began so long ago. All that it has printed is passed on.
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
            // It fails only where our reader takes no more.
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

    fn transfer(&mut self, deadline: &mut Instant, printed: Option<&mut Vec<u8>>) -> Result<(), WaitError> {
        let (session, sink) = (self.session, &mut *self.sink);
        session.check(Some(*deadline))?;
        let received = session.received();
        let mut buffer = [0; 16 * 1024];
        let before = sink.reader_time();
        let mut any = false;
        for stream in [Stream::Stdout, Stream::Stderr] {
            let mut taken = Ok(());
            let check = || session.check(None);
            any |= read(self.channel, stream, &mut buffer, |bytes| taken = sink.take(stream, bytes, &check))?;
            taken?;
        }
        *deadline += sink.reader_time() - before;
        if let Some((script, printed)) = self.script.as_ref().zip(printed) {
            any |= read(script, Stream::Stdout, &mut buffer, |bytes| printed.extend_from_slice(bytes))?;
            any |= read(script, Stream::Stderr, &mut buffer, |_| ())?;
            any |= script.ended();
        }
        // What one read has received may be for another.
        match any || session.received() != received {
            true => Ok(()),
            false => session.wait(Some(*deadline)),
        }
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

fn read(
    channel: &ExecChannel,
    stream: Stream,
    buffer: &mut [u8],
    mut take: impl FnMut(&[u8]),
) -> Result<bool, WaitError> {
    match channel.read(stream, buffer) {
        Ok(0) => Ok(false),
        Ok(len) => {
            take(&buffer[..len]);
            Ok(true)
        }
        Err(error) if would_block(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
