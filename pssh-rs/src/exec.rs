//! One command on an open session: started, drained, ended.

use crate::ffi::{ExecChannel, Stream};
use crate::link::{Halt, Link, would_block};
use crate::outcome::Output;
use libssh2_sys as raw;
use ssh2::ErrorCode;
use std::time::{Duration, Instant};

/// To open a channel and get the command accepted is part of no `-t`, and yet may not take for ever.
pub const START: Duration = Duration::from_secs(15);
const BUFFER: usize = 32 * 1024;

/// What came of a command, however it ended.
#[derive(Debug, Default)]
pub struct Ran {
    pub stdout: Output,
    pub stderr: Output,
    pub exit_code: Option<u32>,
    pub signal: Option<String>,
}

/// How the waiting for it ended.
#[derive(Debug)]
pub enum End {
    /// The server closed the channel in order.
    Closed,
    /// The server would not run it.
    Denied,
    /// The server was not asked to run it.
    Unasked(Halt),
    /// The server was asked, and did not say whether it does.
    Unconfirmed(Halt),
    Halt(Halt),
}

/// Runs `command` with an empty stdin. `watch` is told of each deadline: that of the start, then the command's.
pub fn exec(
    link: &Link,
    command: &str,
    timeout: Option<Duration>,
    watch: &mut dyn FnMut(Option<Instant>),
) -> (Ran, End) {
    let mut ran = Ran::default();
    let deadline = Some(Instant::now() + START);
    watch(deadline);
    let channel = match link.drive(deadline, ExecChannel::open) {
        Ok(channel) => channel,
        Err(Halt::Ssh(error)) if is_denied(&error) => return (ran, End::Denied),
        Err(halt) => return (ran, End::Unasked(halt)),
    };
    match link.drive(deadline, |_| channel.start(command)) {
        Ok(()) => {}
        Err(Halt::Ssh(error)) if is_denied(&error) => return (ran, End::Denied),
        Err(halt) => return (ran, End::Unconfirmed(halt)),
    }
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    watch(deadline);
    let end = match follow(link, &channel, deadline, &mut ran) {
        Ok(()) => End::Closed,
        Err(halt) => End::Halt(halt),
    };
    ran.exit_code = channel.exit_code();
    ran.signal = channel.exit_signal();
    if matches!(end, End::Halt(Halt::Deadline | Halt::Stopped)) {
        // One try: it tells the server that nobody listens any more.
        let _ = channel.close();
    }
    // What ended, in order or not, after its last output and with its exit status, has ended well.
    let complete = channel.ended() && (ran.exit_code.is_some() || ran.signal.is_some());
    match end {
        End::Halt(Halt::Ssh(_)) if complete => (ran, End::Closed),
        end => (ran, end),
    }
}

fn is_denied(error: &ssh2::Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::Session(raw::LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED | raw::LIBSSH2_ERROR_CHANNEL_FAILURE)
    )
}

/// Ends the command's stdin, then drains both streams side by side, since they share one window, until the server closes the channel.
fn follow(link: &Link, channel: &ExecChannel, deadline: Option<Instant>, ran: &mut Ran) -> Result<(), Halt> {
    match link.drive(deadline, |_| channel.send_eof()) {
        Err(halt @ (Halt::Deadline | Halt::Stopped)) => return Err(halt),
        // The command may have ended already: what there is to read tells.
        Ok(()) | Err(Halt::Ssh(_) | Halt::Io(_)) => {}
    }
    let mut buffer = vec![0; BUFFER];
    loop {
        let stdout = drain(link, channel, Stream::Stdout, &mut ran.stdout, deadline, &mut buffer)?;
        let stderr = drain(link, channel, Stream::Stderr, &mut ran.stderr, deadline, &mut buffer)?;
        if stdout || stderr {
            continue;
        }
        if channel.ended() {
            return link.drive(deadline, |_| channel.closed());
        }
        link.wait(deadline)?;
    }
}

/// Reads what has arrived on one stream; whether that was anything. Stops to look at the other after a while.
fn drain(
    link: &Link,
    channel: &ExecChannel,
    stream: Stream,
    output: &mut Output,
    deadline: Option<Instant>,
    buffer: &mut [u8],
) -> Result<bool, Halt> {
    const TURNS: usize = 32;
    for turn in 0..TURNS {
        // A fast sender never lets us wait, where the deadline is looked at too.
        link.check(deadline)?;
        match channel.read(stream, buffer) {
            Ok(0) => return Ok(turn > 0),
            Ok(len) => output.take(&buffer[..len]),
            Err(error) if would_block(&error) => return Ok(turn > 0),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}
