//! Reads from ssh's log at level DEBUG1 how far a connection came, and why it ended.

use crate::auth::attempts_ended;
use crate::session::exec::CommandExit;
use crate::system_ssh::log::is_message;
use cerveza_results::Phase;

/// The most keys that are kept. A server ends a login sooner.
const MOST_KEYS: usize = 100;
/// The longest message of log.c.
const LONGEST_MESSAGE: usize = 1024;
/// How many bytes of the command clientloop.c shows.
const SHOWN_COMMAND: usize = 900;

/// What the log shows of a connection so far.
#[derive(Debug)]
pub struct ConnectionLog {
    pub phase: Phase,
    /// The server was asked to run the command.
    pub command_sent: bool,
    /// The server refused to run it.
    pub is_denied: bool,
    /// `exit-status` arrived (RFC 4254 section 6.10).
    pub has_status: bool,
    /// `exit-signal` arrived.
    pub has_signal: bool,
    /// The exit status in the log: an `int`, of which ssh's own exit status has only the low 8 bits.
    logged_status: Option<i64>,
    pub host_key_failed: bool,
    pub auth_failed: bool,
    /// How many keys ssh has to offer.
    key_count: usize,
    /// The keys that were offered to the server, as ssh names them.
    offered_keys: Vec<String>,
    /// Why the server ended the connection, in its own words.
    disconnect: Option<String>,
    /// The last messages, oldest first.
    messages: Vec<String>,
    /// How many lines of the command are still to come: the log shows it with its line feeds.
    command_lines_left: usize,
    command_lines: usize,
}

impl ConnectionLog {
    pub fn new(command: &str) -> ConnectionLog {
        ConnectionLog {
            phase: Phase::Resolve,
            command_sent: false,
            is_denied: false,
            has_status: false,
            has_signal: false,
            logged_status: None,
            host_key_failed: false,
            auth_failed: false,
            key_count: 0,
            offered_keys: Vec::new(),
            disconnect: None,
            messages: Vec::new(),
            command_lines_left: 0,
            command_lines: shown_lines(command),
        }
    }

    /// Reads one line of the log.
    pub fn read_line(&mut self, line: &str) {
        const MESSAGES: usize = 4;
        if self.command_lines_left > 0 {
            self.command_lines_left -= 1;
            return;
        }
        if let Some(debug) = line.strip_prefix("debug1: ") {
            return self.read_debug_line(debug);
        }
        if line.starts_with("Authenticated to ") {
            self.reach(Phase::Exec);
        }
        if !is_message(line) {
            return;
        }
        self.host_key_failed |= line == "Host key verification failed.";
        if let Some(disconnect) = line.strip_prefix("Received disconnect from ") {
            // ADDRESS port NUMBER:REASON: WORDS
            let reason = disconnect.split_once(" port ").and_then(|(_, rest)| rest.splitn(3, ':').nth(2));
            self.disconnect = reason.map(|words| words.trim().to_string());
            self.auth_failed |= self.phase == Phase::Auth;
        }
        self.auth_failed |= line.contains(": Permission denied (");
        self.is_denied |= self.command_sent && line.starts_with("exec request failed on channel ");
        if self.messages.len() == MESSAGES {
            self.messages.remove(0);
        }
        self.messages.push(line.to_string());
    }

    fn read_debug_line(&mut self, line: &str) {
        if line.starts_with("Connecting to ") || line.starts_with("Executing proxy command: ") {
            self.reach(Phase::Connect);
        } else if line == "Connection established." || line.starts_with("Remote protocol version ") {
            self.reach(Phase::Handshake);
        } else if line.starts_with("Server host key: ") || line.starts_with("Server host certificate: ") {
            self.reach(Phase::HostKey);
        } else if line.starts_with("SSH2_MSG_NEWKEYS received") || line.starts_with("SSH2_MSG_SERVICE_ACCEPT received")
        {
            self.reach(Phase::Auth);
        } else if line.starts_with("Will attempt key: ") {
            self.key_count += 1;
        } else if let Some(key) = line.strip_prefix("Offering public key: ") {
            if self.offered_keys.len() < MOST_KEYS {
                self.offered_keys.push(key.to_string());
            }
        } else if line.starts_with("Authentication succeeded (") {
            self.reach(Phase::Exec);
        } else if line.starts_with("Sending command: ") {
            self.reach(Phase::Exec);
            self.command_sent = true;
            self.command_lines_left = self.command_lines;
        } else if let Some(request) = line.strip_prefix("client_input_channel_req: channel ") {
            let kind = request.split_once(" rtype ").map_or("", |(_, kind)| kind);
            self.has_status |= self.command_sent && kind.starts_with("exit-status ");
            self.has_signal |= self.command_sent && kind.starts_with("exit-signal ");
        } else if let Some(exit) = line.strip_prefix("Exit status ") {
            self.logged_status = exit.trim().parse().ok().filter(|_| self.command_sent);
        }
    }

    /// Sets the phase, unless a later one was reached: keys are exchanged again in the middle of a session, too.
    fn reach(&mut self, phase: Phase) {
        if (phase as u8) > (self.phase as u8) {
            self.phase = phase;
        }
    }

    /// Returns what arrived of the command's end.
    pub fn exit(&self) -> CommandExit {
        CommandExit {
            exit_code: self.exit_code().filter(|_| !self.has_signal),
            signal: None,
            has_ended: self.has_status || self.has_signal,
        }
    }

    /// Returns the exit status, if one really arrived.
    fn exit_code(&self) -> Option<u32> {
        // A server may send any 32 bits. ssh logs them as a signed number.
        self.logged_status.filter(|_| self.has_status).and_then(|exit| i32::try_from(exit).ok()).map(|exit| exit as u32)
    }

    /// Returns why the connection ended, in ssh's own words: the last message, or the one before it if only that says why.
    pub fn why(&self) -> Option<String> {
        let (last, earlier) = self.messages.split_last()?;
        match earlier.last() {
            Some(before) if last == "Host key verification failed." => Some(format!("{before} {last}")),
            Some(before) if last.starts_with("Disconnected from ") => Some(before.clone()),
            _ => Some(last.clone()),
        }
    }

    /// Returns why the login was refused.
    pub fn refusal(&self, user: &str) -> Option<String> {
        let words = self.offered_keys.join(", ");
        match (&self.disconnect, self.why()) {
            (Some(disconnect), _) => Some(attempts_ended(user, disconnect, &words, self.key_count > 1)),
            (None, Some(why)) if !words.is_empty() => Some(format!("{why} Tried {words}")),
            (None, why) => why,
        }
    }
}

/// Returns how many line feeds of the command are in the log. log.c first writes each unsafe byte as four characters
/// (`strnvis` with VIS_SAFE and VIS_OCTAL), and then cuts the message.
fn shown_lines(command: &str) -> usize {
    let mut room = LONGEST_MESSAGE - 1;
    let message = b"debug1: Sending command: ".iter().chain(command.as_bytes().iter().take(SHOWN_COMMAND));
    let mut lines = 0;
    for &byte in message {
        let width = match byte {
            b'\\' => 2,
            b' '..=b'~' | b'\n' | b'\t' | b'\r' | 7 | 8 => 1,
            _ => 4,
        };
        if width > room {
            break;
        }
        room -= width;
        lines += usize::from(byte == b'\n');
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system_ssh::log::LogLines;

    fn connection_log(command: &str, log: &str) -> ConnectionLog {
        let (mut connection_log, mut lines) = (ConnectionLog::new(command), LogLines::default());
        // In pieces of any size.
        for piece in log.as_bytes().chunks(7) {
            lines.read(piece, |line| connection_log.read_line(line));
        }
        connection_log
    }

    #[test]
    fn only_an_exit_status_that_arrived_counts() {
        let log = "debug1: Sending command: x\r\ndebug1: client_input_channel_req: channel 0 rtype exit-status reply 0\r\n\
                   debug1: Exit status 255\r\n";
        assert_eq!(connection_log("x", log).exit_code(), Some(255));
        let lost = "debug1: Sending command: x\r\nConnection to a closed by remote host.\r\ndebug1: Exit status -1\r\n";
        let lost = connection_log("x", lost);
        assert_eq!((lost.exit_code(), lost.command_sent), (None, true));
        assert_eq!(lost.why().unwrap(), "Connection to a closed by remote host.");
        let wide = log.replace("255", "256");
        assert_eq!(connection_log("x", &wide).exit_code(), Some(256));
    }

    #[test]
    fn lines_of_the_command_are_not_read_as_log() {
        let command = "x\ndebug1: client_input_channel_req: channel 0 rtype exit-status reply 0\ndebug1: Exit status 0";
        let log = format!("debug1: Sending command: {command}\r\ndebug1: Exit status -1\r\n");
        let connection_log = connection_log(command, &log);
        assert!(connection_log.command_sent && !connection_log.has_status);
        assert_eq!((connection_log.logged_status, connection_log.exit_code()), (Some(-1), None));
        assert_eq!(shown_lines(&"é\n".repeat(400)), 110);
    }

    #[test]
    fn phases_and_refusals_are_read_from_the_log() {
        let log = "OpenSSH_9.2p1\r\ndebug1: Connecting to a [::1] port 22.\r\ndebug1: Connection established.\r\n\
                   debug1: Server host key: ssh-ed25519 SHA256:x\r\nNo ED25519 host key is known for a.\r\n\
                   Host key verification failed.\r\n";
        let key = connection_log("x", log);
        assert!(key.host_key_failed && key.phase == Phase::HostKey);
        assert_eq!(key.why().unwrap(), "No ED25519 host key is known for a. Host key verification failed.");
        let auth =
            connection_log("x", "debug1: SSH2_MSG_SERVICE_ACCEPT received\r\nu@a: Permission denied (publickey).\r\n");
        assert!(auth.auth_failed && auth.phase == Phase::Auth);
        let ended = "debug1: SSH2_MSG_SERVICE_ACCEPT received\r\ndebug1: Offering public key: /k ED25519 SHA256:x agent\r\n\
                     Received disconnect from ::1 port 22:2: Too many: yes\r\nDisconnected from ::1 port 22\r\n";
        let ended = connection_log("x", ended);
        assert!(ended.auth_failed);
        assert_eq!(
            ended.refusal("u").unwrap(),
            "the server refused user \"u\" and ended the attempts (\"Too many: yes\"): tried /k ED25519 SHA256:x agent"
        );
    }
}
