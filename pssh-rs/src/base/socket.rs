//! The non-blocking socket of an SSH connection: a TCP connection, or a local socket to a proxy.

use crate::base::transcript::Transcript;
use cerveza_results::lock;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, Shutdown, SocketType, recv, send, shutdown};
#[cfg(target_os = "linux")]
use rustix::net::{SocketFlags, socket_with};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// After this many bytes, `receive` returns once that there is no more for now, so the caller can check its deadline while a
/// server streams.
const TURN: usize = 256 * 1024;
/// Packets up to this size are always accepted. Only data is larger.
const SMALL: usize = 4 * 1024;
/// With more unsent bytes than this, nothing is received, because it might need a reply.
const MOST_UNSENT: usize = 64 * 1024;

/// A socket that never blocks.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    /// How many bytes were received.
    received: AtomicU64,
    /// How many bytes were received in this turn.
    turn: AtomicUsize,
    /// The rest of packets for which the socket had no room.
    unsent: Mutex<Vec<u8>>,
    pub transcript: Transcript,
}

impl Socket {
    /// `fd` is non-blocking.
    pub fn new(fd: OwnedFd) -> Socket {
        Socket {
            fd,
            received: AtomicU64::new(0),
            turn: AtomicUsize::new(0),
            unsent: Mutex::default(),
            transcript: Transcript::default(),
        }
    }

    /// Ends the connection for both sides, also for other holders of the socket.
    pub fn cut(&self) {
        let _ = shutdown(&self.fd, Shutdown::Both);
    }

    /// Receives into `buffer`. Returns the number of bytes, which is 0 at the end of the connection.
    pub fn receive(&self, buffer: &mut [MaybeUninit<u8>]) -> Result<usize, Errno> {
        let result = if self.turn.load(Ordering::Relaxed) >= TURN || !self.may_receive() {
            Err(Errno::AGAIN)
        } else {
            recv(&self.fd, &mut *buffer, RecvFlags::DONTWAIT).map(|((bytes, _), _)| {
                self.transcript.note_received(bytes);
                bytes.len()
            })
        };
        match result {
            Ok(len) => {
                self.received.fetch_add(len as u64, Ordering::Relaxed);
                self.turn.fetch_add(len, Ordering::Relaxed);
            }
            Err(_) => self.turn.store(0, Ordering::Relaxed),
        }
        result
    }

    /// How many bytes have been received so far. If the number is the same as before, nothing has changed.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub fn may_receive(&self) -> bool {
        lock(&self.unsent).len() <= MOST_UNSENT
    }

    /// Sends a packet, whole or not at all. A large packet fails with `AGAIN` if the socket has no room for the ones before
    /// it.
    ///
    /// A packet that cannot be sent because the connection is broken is dropped. `receive` reports the end, after everything
    /// that arrived before it.
    pub fn send(&self, packet: &[u8]) -> Result<(), Errno> {
        let mut unsent = lock(&self.unsent);
        self.send_rest(&mut unsent);
        if !unsent.is_empty() && packet.len() > SMALL {
            return Err(Errno::AGAIN);
        }
        unsent.extend_from_slice(packet);
        self.send_rest(&mut unsent);
        Ok(())
    }

    /// Sends what was left of earlier packets. Returns whether all of it is sent.
    pub fn flush(&self) -> bool {
        let mut unsent = lock(&self.unsent);
        self.send_rest(&mut unsent);
        unsent.is_empty()
    }

    fn send_rest(&self, unsent: &mut Vec<u8>) {
        let mut sent = 0;
        while sent < unsent.len() {
            match send(&self.fd, &unsent[sent..], SendFlags::DONTWAIT) {
                Ok(len) => sent += len,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => sent = unsent.len(),
            }
        }
        unsent.drain(..sent);
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// Returns a new stream socket that never blocks and that no child process gets.
pub fn stream_socket(family: AddressFamily) -> rustix::io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    return socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None);
    #[cfg(not(target_os = "linux"))]
    {
        let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(socket)
    }
}

/// Returns two connected stream sockets that never block: ours, and the one for another process.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    theirs.set_nonblocking(true)?;
    Ok((ours.into(), theirs.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(fd: &OwnedFd) -> usize {
        let mut buffer = [0; 64 * 1024];
        let mut total = 0;
        while let Ok((len @ 1.., _)) = recv(fd, &mut buffer, RecvFlags::DONTWAIT) {
            total += len;
        }
        total
    }

    #[test]
    fn a_packet_is_accepted_whole_or_not_at_all() {
        let (ours, theirs) = pair().unwrap();
        let socket = Socket::new(ours);
        let packet = vec![7; 32 * 1024];
        let mut taken = 0;
        while socket.send(&packet).is_ok() {
            taken += packet.len();
        }
        assert!(!socket.flush());
        // A small one is still accepted.
        socket.send(b"small").unwrap();
        let mut came = 0;
        while !socket.flush() {
            came += read_all(&theirs);
        }
        came += read_all(&theirs);
        assert_eq!(came, taken + 5);
    }

    #[test]
    fn nothing_is_received_while_many_replies_are_unsent() {
        let (ours, theirs) = pair().unwrap();
        let socket = Socket::new(ours);
        send(&theirs, b"x", SendFlags::empty()).unwrap();
        let receive = || socket.receive(&mut [MaybeUninit::uninit(); 8]);
        while socket.may_receive() {
            socket.send(&[0; SMALL]).unwrap();
        }
        assert_eq!(receive(), Err(Errno::AGAIN));
        read_all(&theirs);
        while !socket.flush() {
            read_all(&theirs);
        }
        assert_eq!((receive(), socket.received()), (Ok(1), 1));
    }

    #[test]
    fn a_broken_connection_returns_what_arrived_and_then_its_end() {
        let (ours, theirs) = pair().unwrap();
        let socket = Socket::new(ours);
        send(&theirs, b"last words", SendFlags::empty()).unwrap();
        drop(theirs);
        for _ in 0..3 {
            socket.send(&[0; 8 * 1024]).unwrap();
        }
        let mut buffer = [MaybeUninit::uninit(); 64];
        assert_eq!(socket.receive(&mut buffer), Ok(10));
        assert_eq!(socket.receive(&mut buffer), Ok(0));
    }
}
