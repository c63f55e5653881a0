//! The first bytes of a server, looked at before libssh2 gets them: they tell a host that lives, and one that sends
//! everybody away for now.

use crate::base::shutdown::Stop;
use crate::base::socket::Socket;
use crate::base::wait::{WaitError, wait_for};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Servers greet at once (RFC 4253, section 4.2: both sides do). One that waits for us gets to hear us after this.
const SOON: Duration = Duration::from_secs(2);

/// What sshd says, in place of its identification, to whom it does not let in now (`MaxStartups`, `PerSourcePenalties`).
const SHEDS: [&str; 2] = ["Exceeded MaxStartups", "Not allowed at this time"];

#[derive(Debug, PartialEq)]
pub enum Banner {
    /// The host answers; the first line of it.
    Some(String),
    /// Nothing yet.
    None,
    /// The connection is closed already; what was said before that.
    Closed,
    /// The server has too much to do, or had enough of us; its words.
    Shed(String),
}

pub fn read_banner(socket: &Socket, deadline: Instant, stop: &Stop) -> Result<Banner, WaitError> {
    let until = deadline.min(Instant::now() + SOON);
    match wait_for(socket.as_fd(), PollFlags::IN, Some(until), stop) {
        Ok(()) => {}
        Err(WaitError::Deadline) => return Ok(Banner::None),
        Err(wait_error) => return Err(wait_error),
    }
    let mut bytes = [0; 255];
    let text = match recv(socket, &mut bytes[..], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, 0)) => return Ok(Banner::Closed),
        Ok((_, len)) => String::from_utf8_lossy(&bytes[..len]).into_owned(),
        Err(Errno::AGAIN | Errno::INTR) => return Ok(Banner::None),
        Err(error) => return Err(WaitError::Io(error.into())),
    };
    let first = text.lines().next().unwrap_or_default().trim_end();
    match SHEDS.iter().any(|sheds| first.starts_with(sheds)) {
        true => Ok(Banner::Shed(first.to_string())),
        false => Ok(Banner::Some(first.to_string())),
    }
}
