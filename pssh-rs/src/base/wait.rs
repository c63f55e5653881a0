//! Waits for a file descriptor until a deadline or a stop. `WaitError` says why a wait failed.

use crate::base::shutdown::Stop;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Why a wait failed.
#[derive(Debug)]
pub enum WaitError {
    Deadline,
    Stopped,
    Ssh(ssh2::Error),
    Io(io::Error),
}

impl From<ssh2::Error> for WaitError {
    fn from(error: ssh2::Error) -> WaitError {
        WaitError::Ssh(error)
    }
}

/// Fails if a stop came or the deadline has passed. For loops that may never wait.
pub fn check(deadline: Option<Instant>, stop: &Stop) -> Result<(), WaitError> {
    match deadline {
        _ if stop.is_set() => Err(WaitError::Stopped),
        Some(deadline) if Instant::now() >= deadline => Err(WaitError::Deadline),
        _ => Ok(()),
    }
}

/// Waits until `poll` reports anything about a file descriptor.
pub fn wait_for(fd: BorrowedFd<'_>, flags: PollFlags, deadline: Option<Instant>, stop: &Stop) -> Result<(), WaitError> {
    loop {
        let timeout = match deadline {
            None => None,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(WaitError::Deadline);
                }
                // Rounded up: a poll that ends a moment early would spin through its last millisecond.
                Timespec::try_from(left + Duration::from_millis(1)).ok()
            }
        };
        let stop_fd = stop.as_fd();
        let mut fds = [PollFd::from_borrowed_fd(fd, flags), PollFd::from_borrowed_fd(stop_fd, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Err(Errno::INTR) | Ok(0) => continue,
            Err(error) => return Err(WaitError::Io(error.into())),
            Ok(_) if !fds[1].revents().is_empty() => return Err(WaitError::Stopped),
            Ok(_) => return Ok(()),
        }
    }
}
