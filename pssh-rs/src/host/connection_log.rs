//! What ssh's log at level DEBUG1 tells of one connection: how far it came, and why it ended.

use crate::auth::attempts_ended;
use crate::openssh::log::is_message;
use cerveza_results::Phase;

/// The most keys that are kept: a server ends a login sooner.
const KEYS: usize = 100;
/// What log.c has room for in a message.
const MESSAGE: usize = 1024;
/// What clientloop.c shows of the command.
const SHOWN: usize = 900;

/// What became of a connection so far, by its log.
#[derive(Debug)]
pub struct ConnectionLog {
    pub phase: Phase,
    /// The server was asked to run the command.
    pub sent: bool,
    /// The server would not.
    pub denied: bool,
    /// `exit-status` came (RFC 4254 section 6.10).
    pub status: bool,
    /// `exit-signal` came.
    pub signal: bool,
    /// What ssh made of the exit status: it is an `int` here, and only its low 8 bits are ssh's own exit status.
    pub exit: Option<i64>,
    pub host_key_failed: bool,
    pub auth_failed: bool,
    /// How many keys ssh has to offer.
    keys: usize,
    /// Those that the server was offered, as ssh names them.
    offered: Vec<String>,
    /// Why the server ended the connection, in its own words.
    disconnect: Option<String>,
    /// The last messages, oldest first.
    pub messages: Vec<String>,
    /// Lines that are still to come of the command, which is shown with its line feeds.
    command: usize,
    command_lines: usize,
}

impl ConnectionLog {
    pub fn new(command: &str) -> ConnectionLog {
        ConnectionLog {
            phase: Phase::Resolve,
            sent: false,
            denied: false,
            status: false,
            signal: false,
            exit: None,
            host_key_failed: false,
            auth_failed: false,
            keys: 0,
            offered: Vec::new(),
            disconnect: None,
            messages: Vec::new(),
            command: 0,
            command_lines: shown_lines(command),
        }
    }

    pub fn line(&mut self, line: &str) {
        const MESSAGES: usize = 4;
        if self.command > 0 {
            self.command -= 1;
            return;
        }
        if let Some(debug) = line.strip_prefix("debug1: ") {
            return self.debug(debug);
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
        self.denied |= self.sent && line.starts_with("exec request failed on channel ");
        if self.messages.len() == MESSAGES {
            self.messages.remove(0);
        }
        self.messages.push(line.to_string());
    }

    fn debug(&mut self, line: &str) {
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
            self.keys += 1;
        } else if let Some(key) = line.strip_prefix("Offering public key: ") {
            if self.offered.len() < KEYS {
                self.offered.push(key.to_string());
            }
        } else if line.starts_with("Authentication succeeded (") {
            self.reach(Phase::Exec);
        } else if line.starts_with("Sending command: ") {
            self.reach(Phase::Exec);
            self.sent = true;
            self.command = self.command_lines;
        } else if let Some(request) = line.strip_prefix("client_input_channel_req: channel ") {
            let kind = request.split_once(" rtype ").map_or("", |(_, kind)| kind);
            self.status |= self.sent && kind.starts_with("exit-status ");
            self.signal |= self.sent && kind.starts_with("exit-signal ");
        } else if let Some(exit) = line.strip_prefix("Exit status ") {
            self.exit = exit.trim().parse().ok().filter(|_| self.sent);
        }
    }

    /// A phase is never left for an earlier one: keys are exchanged anew in the middle of a session, too.
    fn reach(&mut self, phase: Phase) {
        if (phase as u8) > (self.phase as u8) {
            self.phase = phase;
        }
    }

    /// The exit status, if one really arrived.
    pub fn exit_code(&self) -> Option<u32> {
        // A server may send any 32 bits; ssh tells them as a signed number.
        self.exit.filter(|_| self.status).and_then(|exit| i32::try_from(exit).ok()).map(|exit| exit as u32)
    }

    /// Why it ended, in ssh's own words: the last message, or the one before it where only that tells.
    pub fn why(&self) -> Option<String> {
        let (last, earlier) = self.messages.split_last()?;
        match earlier.last() {
            Some(before) if last == "Host key verification failed." => Some(format!("{before} {last}")),
            Some(before) if last.starts_with("Disconnected from ") => Some(before.clone()),
            _ => Some(last.clone()),
        }
    }

    /// Why the login was refused.
    pub fn refusal(&self, user: &str) -> Option<String> {
        let words = self.offered.join(", ");
        match (&self.disconnect, self.why()) {
            (Some(disconnect), _) => Some(attempts_ended(user, disconnect, &words, self.keys > 1)),
            (None, Some(why)) if !words.is_empty() => Some(format!("{why} Tried {words}")),
            (None, why) => why,
        }
    }
}

/// How many line feeds of the command are in the log: log.c cuts what it shows, after it has made bytes that it takes
/// for unsafe four times as long (`strnvis` with VIS_SAFE and VIS_OCTAL).
fn shown_lines(command: &str) -> usize {
    let mut room = MESSAGE - 1;
    let message = b"debug1: Sending command: ".iter().chain(command.as_bytes().iter().take(SHOWN));
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
    use crate::openssh::log::LogLines;

    fn connection_log(command: &str, log: &str) -> ConnectionLog {
        let (mut connection_log, mut lines) = (ConnectionLog::new(command), LogLines::default());
        // In pieces of any size.
        for piece in log.as_bytes().chunks(7) {
            lines.take(piece, |line| connection_log.line(line));
        }
        connection_log
    }

    #[test]
    fn an_exit_status_is_one_that_arrived_and_not_ssh_s_own() {
        let log = "debug1: Sending command: x\r\ndebug1: client_input_channel_req: channel 0 rtype exit-status reply 0\r\n\
                   debug1: Exit status 255\r\n";
        assert_eq!(connection_log("x", log).exit_code(), Some(255));
        let lost = "debug1: Sending command: x\r\nConnection to a closed by remote host.\r\ndebug1: Exit status -1\r\n";
        let lost = connection_log("x", lost);
        assert_eq!((lost.exit_code(), lost.sent), (None, true));
        assert_eq!(lost.why().unwrap(), "Connection to a closed by remote host.");
        let wide = log.replace("255", "256");
        assert_eq!(connection_log("x", &wide).exit_code(), Some(256));
    }

    #[test]
    fn the_command_s_own_lines_are_no_log() {
        let command = "x\ndebug1: client_input_channel_req: channel 0 rtype exit-status reply 0\ndebug1: Exit status 0";
        let log = format!("debug1: Sending command: {command}\r\ndebug1: Exit status -1\r\n");
        let connection_log = connection_log(command, &log);
        assert!(connection_log.sent && !connection_log.status);
        assert_eq!((connection_log.exit, connection_log.exit_code()), (Some(-1), None));
        assert_eq!(shown_lines(&"é\n".repeat(400)), 110);
    }

    #[test]
    fn phases_and_refusals_are_told_by_the_log() {
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
