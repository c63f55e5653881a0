//! The channel of a running command.

use crate::base::wait::WaitError;
use crate::ffi::ExecChannel;
use crate::session::ssh_session::{SshSession, unless_blocked};
use cerveza_results::Stream;
use std::time::Instant;

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
