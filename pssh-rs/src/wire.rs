//! What carries the bytes of an SSH connection: a TCP connection, or a local socket behind which a proxy is.

use crate::heard::Heard;
use rustix::net::{Shutdown, shutdown};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::AtomicUsize;

/// A socket that never blocks.
#[derive(Debug)]
pub struct Wire {
    socket: OwnedFd,
    /// What `ffi::receive` counts.
    pub turn: AtomicUsize,
    pub heard: Heard,
}

impl Wire {
    /// `socket` is non-blocking.
    pub fn new(socket: OwnedFd) -> Wire {
        Wire { socket, turn: AtomicUsize::new(0), heard: Heard::default() }
    }

    /// Ends it for both sides, whoever else holds it.
    pub fn cut(&self) {
        let _ = shutdown(&self.socket, Shutdown::Both);
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Wire {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
