//! What carries the bytes of an SSH connection: a TCP connection, or a local socket behind which a proxy is.

use rustix::net::{Shutdown, shutdown};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// A socket that never blocks.
#[derive(Debug)]
pub struct Wire(OwnedFd);

impl Wire {
    /// `socket` is non-blocking.
    pub fn new(socket: OwnedFd) -> Wire {
        Wire(socket)
    }

    /// Ends it for both sides, whoever else holds it.
    pub fn cut(&self) {
        let _ = shutdown(&self.0, Shutdown::Both);
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Wire {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
