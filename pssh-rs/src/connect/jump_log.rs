//! Reads the log of a jump host's ssh, which says why it refused a connection to a host.

use crate::base::trace::Trace;
use crate::system_ssh::log::{self, LogLines, is_message};
use cerveza_manners::Tool;
use cerveza_results::lock;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The longest wait for a reason in the log. ssh writes it before it refuses, but the log may be read a moment later.
const REASON_WAIT: Duration = Duration::from_millis(500);
/// How often a wait checks whether the log has ended.
const END_CHECK: Duration = Duration::from_millis(50);

/// Returns a refusal as a phrase. `why` is what ssh logs: the kind of refusal (RFC 4254 section 5.1), then the server's words.
pub fn refusal_text(spec: &str, host: &str, port: u16, why: &str) -> String {
    let place = format!("{host} port {port}");
    match why.split_once(": ") {
        Some(("administratively prohibited", _)) => format!("jump host {spec:?} forbids to connect to {place}"),
        Some(("connect failed", why)) => format!("jump host {spec:?} cannot connect to {place}: {why}"),
        _ => format!("jump host {spec:?} cannot connect to {place}: {why}"),
    }
}

/// What a master wrote to its log. A separate thread reads it until the log ends.
pub struct JumpLog {
    state: Mutex<LogState>,
    changed: Condvar,
}

#[derive(Default)]
struct LogState {
    messages: Vec<String>,
    /// The address of the next new channel.
    next_channel: Option<String>,
    channels: HashMap<u32, String>,
    /// Why the last channel to each address was refused.
    reasons: HashMap<String, String>,
    ended: bool,
}

impl JumpLog {
    /// Starts the thread. With `verbose`, it also writes each line up to the login.
    pub fn follow(reader: File, verbose: Option<Tool>, spec: &str) -> io::Result<Arc<JumpLog>> {
        let log = Arc::new(JumpLog { state: Mutex::default(), changed: Condvar::new() });
        let (reader_log, jump) = (Arc::clone(&log), format!("jump host {spec}"));
        let thread = thread::Builder::new().name("jump log".to_string()).stack_size(128 * 1024);
        thread.spawn(move || reader_log.read(reader, Trace::new(verbose, &jump)))?;
        Ok(log)
    }

    fn read(&self, mut reader: File, trace: Trace<'_>) {
        let (mut lines, mut buffer, mut logged_in) = (LogLines::default(), [0; 4096], false);
        loop {
            let mut fds = [PollFd::new(&reader, PollFlags::IN)];
            if !matches!(poll(&mut fds, None), Ok(_) | Err(Errno::INTR)) {
                break;
            }
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(len) => {
                    let mut state = lock(&self.state);
                    lines.read(&buffer[..len], |line| {
                        if !logged_in {
                            trace.say(|| log::text(line));
                        }
                        logged_in |= line.starts_with("Authenticated to ");
                        state.read_line(line);
                    });
                    self.changed.notify_all();
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(_) => break,
            }
        }
        lock(&self.state).ended = true;
        self.changed.notify_all();
    }

    /// Returns why the last channel to this address was refused.
    pub fn reason(&self, host: &str, port: u16) -> Option<String> {
        let (place, until) = (format!("{host}:{port}"), Instant::now() + REASON_WAIT);
        let mut state = lock(&self.state);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match state.reasons.get(&place) {
                Some(reason) => return Some(reason.clone()),
                None if state.ended || left.is_zero() => return None,
                None => state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
            }
        }
    }

    /// Returns the last messages, because the one that says why is often not the very last. Waits a moment for the log's end.
    pub fn last_words(&self) -> Option<String> {
        let until = Instant::now() + REASON_WAIT;
        let mut state = lock(&self.state);
        while !state.ended && Instant::now() < until {
            state = self.changed.wait_timeout(state, END_CHECK).unwrap_or_else(PoisonError::into_inner).0;
        }
        (!state.messages.is_empty()).then(|| state.messages.join(" "))
    }

    pub fn has_ended(&self) -> bool {
        lock(&self.state).ended
    }
}

impl LogState {
    fn read_line(&mut self, line: &str) {
        const MESSAGES: usize = 2;
        const PLACES: usize = 10_000;
        // "channel_connect_stdio_fwd: HOST:PORT" (without the first colon before 8.4), "channel 2: new stdio-forward
        // [stdio-forward]" (without the first word before 9.2), then perhaps "channel 2: open failed: REASON".
        let text = line.strip_prefix("debug1: ").unwrap_or(line);
        if let Some(place) = text.strip_prefix("channel_connect_stdio_fwd") {
            self.next_channel = Some(place.trim_start_matches(':').trim().to_string());
            return;
        }
        if let Some((channel, what)) = text.strip_prefix("channel ").and_then(|text| text.split_once(": ")) {
            let Ok(channel) = channel.parse() else { return };
            if what.starts_with("new ") && what.contains("[stdio-forward]") {
                if let Some(place) = self.next_channel.take() {
                    self.channels.insert(channel, place);
                }
            } else if let Some(why) = what.strip_prefix("open failed: ") {
                if let Some(place) = self.channels.remove(&channel)
                    && self.reasons.len() < PLACES
                {
                    self.reasons.insert(place, why.to_string());
                }
            } else if what.starts_with("free: ") {
                self.channels.remove(&channel);
            }
            return;
        }
        if is_message(line) {
            if self.messages.len() == MESSAGES {
                self.messages.remove(0);
            }
            self.messages.push(line.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_belongs_to_the_address_that_was_requested() {
        for log in [
            "debug1: channel_connect_stdio_fwd: a:1\ndebug1: channel 3: new stdio-forward [stdio-forward] (inactive timeout: 0)\n\
             debug1: channel_connect_stdio_fwd: ::1:2\ndebug1: channel 4: new stdio-forward [stdio-forward]\n\
             channel 4: open failed: administratively prohibited: open failed\n\
             channel 3: open failed: connect failed: Connection refused\n",
            "debug1: channel_connect_stdio_fwd a:1\ndebug1: channel 3: new [stdio-forward]\n\
             debug1: channel_connect_stdio_fwd ::1:2\ndebug1: channel 4: new [stdio-forward]\n\
             channel 4: open failed: administratively prohibited: open failed\n\
             channel 3: open failed: connect failed: Connection refused\n",
        ] {
            let mut state = LogState::default();
            log.lines().for_each(|line| state.read_line(line));
            assert_eq!(state.reasons["a:1"], "connect failed: Connection refused");
            assert_eq!(
                refusal_text("j", "::1", 2, &state.reasons["::1:2"]),
                "jump host \"j\" forbids to connect to ::1 port 2"
            );
            assert!(state.messages.is_empty());
        }
    }
}
