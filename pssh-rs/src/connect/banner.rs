//! Reads a server's first bytes before libssh2 does. They show that the host is alive, or that the server refuses
//! connections for now.

use crate::base::shutdown::Stop;
use crate::base::socket::Socket;
use crate::base::wait::{WaitError, wait_for};
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// The longest wait for the banner. Servers send it at once (RFC 4253 section 4.2). A server that waits for ours gets it after
/// this.
const BANNER_WAIT: Duration = Duration::from_secs(2);

/// What sshd sends instead of its banner to clients that it refuses for now (`MaxStartups`, `PerSourcePenalties`).
const REFUSALS: [&str; 2] = ["Exceeded MaxStartups", "Not allowed at this time"];

#[derive(Debug, PartialEq)]
pub enum Banner {
    /// The host answers with this first line.
    Some(String),
    /// Nothing has arrived.
    None,
    /// The server has closed the connection.
    Closed,
    /// The server refuses connections for now. The text is its message.
    Shed(String),
}

/// Reads the first line without removing it from the socket.
pub fn read_banner(socket: &Socket, deadline: Instant, stop: &Stop) -> Result<Banner, WaitError> {
    let until = deadline.min(Instant::now() + BANNER_WAIT);
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
    let is_refusal = REFUSALS.iter().any(|refusal| first.starts_with(refusal));
    Ok(if is_refusal { Banner::Shed(first.to_string()) } else { Banner::Some(first.to_string()) })
}
