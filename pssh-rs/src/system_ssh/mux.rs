//! A client of OpenSSH's multiplexing protocol, version 4 (PROTOCOL.mux and mux.c in its source). It asks an ssh that
//! runs as a master for one more channel on its connection, and passes it the sockets of the channel.
//!
//! The master replies to a request once the server has answered it, and reads nothing more from that client until then
//! (`mux_pause`). Each client has its own connection, so a request that hangs blocks no other. The channel lives as
//! long as the client.

use crate::base::shutdown::Stop;
use crate::base::socket::stream_socket;
use crate::base::wait::{WaitError, check, wait_for};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, connect, recv,
    sendmsg,
};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

const VERSION: u32 = 4;
const HELLO: u32 = 0x0000_0001;
const NEW_SESSION: u32 = 0x1000_0002;
const ALIVE_CHECK: u32 = 0x1000_0004;
const TERMINATE: u32 = 0x1000_0005;
const NEW_STDIO_FWD: u32 = 0x1000_0008;
const DENIED: u32 = 0x8000_0002;
const FAILURE: u32 = 0x8000_0003;
const ALIVE: u32 = 0x8000_0005;
const SESSION_OPENED: u32 = 0x8000_0006;

/// The number of the request, of which every client makes one.
const REQUEST: u32 = 1;
/// The longest reply that is read.
const LONGEST_REPLY: usize = 64 * 1024;
/// The pause before another connection to the master, if its queue of 64 connections is full.
const QUEUE_PAUSE: Duration = Duration::from_millis(10);

/// Why the master opened no channel.
#[derive(Debug)]
pub enum MuxError {
    /// It does not run, or has ended.
    Gone,
    /// It, or the server behind it, refused. The text says why.
    Refused(String),
    WaitError(WaitError),
}

impl From<WaitError> for MuxError {
    fn from(wait_error: WaitError) -> MuxError {
        match wait_error {
            WaitError::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::NotFound
                | io::ErrorKind::UnexpectedEof => MuxError::Gone,
                _ => MuxError::WaitError(WaitError::Io(error)),
            },
            wait_error => MuxError::WaitError(wait_error),
        }
    }
}

/// A client of a master.
#[derive(Debug)]
pub struct MuxClient {
    socket: OwnedFd,
}

impl AsFd for MuxClient {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl MuxClient {
    /// Connects to the master behind a control socket and exchanges versions.
    pub fn connect(path: &Path, deadline: Instant, stop: &Stop) -> Result<MuxClient, MuxError> {
        let socket = stream_socket(AddressFamily::UNIX).map_err(io_error)?;
        let address = SocketAddrUnix::new(path).map_err(io_error)?;
        loop {
            match connect(&socket, &address) {
                Ok(()) => break,
                Err(Errno::AGAIN | Errno::INTR) => pause(deadline, stop)?,
                Err(error) => return Err(io_error(error).into()),
            }
        }
        let client = MuxClient { socket };
        client.send(&Message::new(HELLO).u32(VERSION), deadline, stop)?;
        let hello = client.receive(deadline, stop)?;
        match (word(&hello, 0), word(&hello, 1)) {
            (Some(HELLO), Some(VERSION)) => Ok(client),
            _ => Err(MuxError::Refused("ssh speaks another multiplexing protocol".to_string())),
        }
    }

    /// Opens a channel to `host` and `port` as seen from the server. Both directions use `end`.
    pub fn forward(
        &self,
        host: &str,
        port: u16,
        end: BorrowedFd<'_>,
        deadline: Instant,
        stop: &Stop,
    ) -> Result<(), MuxError> {
        let message = Message::new(NEW_STDIO_FWD).u32(REQUEST).string(b"").string(host.as_bytes()).u32(port.into());
        self.open(&message, &[end, end], deadline, stop)
    }

    /// Runs a command. `ends` are its stdin, stdout and stderr.
    pub fn run_command(
        &self,
        command: &str,
        ends: [BorrowedFd<'_>; 3],
        deadline: Instant,
        stop: &Stop,
    ) -> Result<(), MuxError> {
        const NO_ESCAPE: u32 = u32::MAX;
        let message = Message::new(NEW_SESSION).u32(REQUEST).string(b"");
        // No terminal, X11, agent or subsystem.
        let message = message.u32(0).u32(0).u32(0).u32(0).u32(NO_ESCAPE).string(b"").string(command.as_bytes());
        self.open(&message, &ends, deadline, stop)
    }

    fn open(&self, message: &Message, ends: &[BorrowedFd<'_>], deadline: Instant, stop: &Stop) -> Result<(), MuxError> {
        self.send(message, deadline, stop)?;
        // The master does nothing else until it has all of them.
        for end in ends {
            self.pass_fd(*end, deadline, stop)?;
        }
        let reply = self.receive(deadline, stop)?;
        match word(&reply, 0) {
            Some(SESSION_OPENED) => Ok(()),
            Some(DENIED | FAILURE) => Err(MuxError::Refused(reason(&reply))),
            _ => Err(MuxError::Refused("unexpected reply on ssh's control socket".to_string())),
        }
    }

    /// Returns the master's process id.
    pub fn pid(&self, deadline: Instant, stop: &Stop) -> Result<u32, MuxError> {
        self.send(&Message::new(ALIVE_CHECK).u32(REQUEST), deadline, stop)?;
        let reply = self.receive(deadline, stop)?;
        match (word(&reply, 0), word(&reply, 2)) {
            (Some(ALIVE), Some(pid)) => Ok(pid),
            _ => Err(MuxError::Refused(reason(&reply))),
        }
    }

    /// Ends the master. It exits before it answers.
    pub fn terminate(&self, deadline: Instant, stop: &Stop) -> Result<(), MuxError> {
        self.send(&Message::new(TERMINATE).u32(REQUEST), deadline, stop)?;
        while self.receive(deadline, stop).is_ok() {}
        Ok(())
    }

    fn send(&self, message: &Message, deadline: Instant, stop: &Stop) -> Result<(), WaitError> {
        let mut packet = (message.0.len() as u32).to_be_bytes().to_vec();
        packet.extend_from_slice(&message.0);
        let mut rest = packet.as_slice();
        while !rest.is_empty() {
            let sent = self.send_some(rest, &mut SendAncillaryBuffer::default(), deadline, stop)?;
            rest = &rest[sent..];
        }
        Ok(())
    }

    /// Passes a file descriptor with one byte of 0, as `mm_send_fd` does.
    fn pass_fd(&self, end: BorrowedFd<'_>, deadline: Instant, stop: &Stop) -> Result<(), WaitError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let ends = [end];
        control.push(SendAncillaryMessage::ScmRights(&ends));
        self.send_some(&[0], &mut control, deadline, stop).map(|_| ())
    }

    fn send_some(
        &self,
        bytes: &[u8],
        control: &mut SendAncillaryBuffer<'_, '_, '_>,
        deadline: Instant,
        stop: &Stop,
    ) -> Result<usize, WaitError> {
        loop {
            match sendmsg(&self.socket, &[IoSlice::new(bytes)], control, SendFlags::empty()) {
                Ok(sent) => return Ok(sent),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => wait_for(self.as_fd(), PollFlags::OUT, Some(deadline), stop)?,
                Err(error) => return Err(io_error(error)),
            }
        }
    }

    fn receive(&self, deadline: Instant, stop: &Stop) -> Result<Vec<u8>, WaitError> {
        let mut len = [0; 4];
        self.fill(&mut len, deadline, stop)?;
        let len = u32::from_be_bytes(len) as usize;
        if len > LONGEST_REPLY {
            return Err(WaitError::Io(io::Error::other("the reply on ssh's control socket is too long")));
        }
        let mut body = vec![0; len];
        self.fill(&mut body, deadline, stop)?;
        Ok(body)
    }

    fn fill(&self, mut room: &mut [u8], deadline: Instant, stop: &Stop) -> Result<(), WaitError> {
        while !room.is_empty() {
            match recv(&self.socket, &mut *room, RecvFlags::empty()) {
                Ok((_, 0)) => return Err(WaitError::Io(io::ErrorKind::UnexpectedEof.into())),
                Ok((_, len)) => room = &mut room[len..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => wait_for(self.as_fd(), PollFlags::IN, Some(deadline), stop)?,
                Err(error) => return Err(io_error(error)),
            }
        }
        Ok(())
    }
}

fn io_error(error: Errno) -> WaitError {
    WaitError::Io(error.into())
}

/// Waits a short time, unless the deadline or a stop comes first.
fn pause(deadline: Instant, stop: &Stop) -> Result<(), WaitError> {
    check(Some(deadline), stop)?;
    std::thread::sleep(deadline.saturating_duration_since(Instant::now()).min(QUEUE_PAUSE));
    Ok(())
}

/// A message in SSH's wire format (RFC 4251 section 5).
struct Message(Vec<u8>);

impl Message {
    fn new(kind: u32) -> Message {
        Message(kind.to_be_bytes().to_vec())
    }

    fn u32(mut self, value: u32) -> Message {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    fn string(self, bytes: &[u8]) -> Message {
        let mut message = self.u32(bytes.len() as u32);
        message.0.extend_from_slice(bytes);
        message
    }
}

/// Returns a 32-bit word of a message, counted from 0.
fn word(message: &[u8], index: usize) -> Option<u32> {
    let bytes = message.get(index * 4..index * 4 + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Returns why a request was refused: the string after the kind and the request's number.
fn reason(reply: &[u8]) -> String {
    let text = word(reply, 2).and_then(|len| reply.get(12..12 + len as usize)).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}
