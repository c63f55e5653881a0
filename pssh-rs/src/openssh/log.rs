//! The lines of ssh's log at level DEBUG1. It is written to a pipe of its own (`-E`): on stderr the remote command could
//! print lines that look the same.

/// The most that is kept of a line.
const LINE: usize = 4096;
/// Bytes that come in pieces, as lines.
#[derive(Debug, Default)]
pub struct LogLines {
    rest: Vec<u8>,
}

impl LogLines {
    pub fn take(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for &byte in bytes {
            match byte {
                b'\n' => {
                    let text = String::from_utf8_lossy(&self.rest);
                    line(text.trim_end_matches('\r'));
                    self.rest.clear();
                }
                byte if self.rest.len() < LINE => self.rest.push(byte),
                _ => {}
            }
        }
    }
}

/// A message that is meant for the user, rather than for who debugs ssh.
pub fn is_message(line: &str) -> bool {
    let noise = ["debug1: ", "Authenticated to ", "Transferred: ", "Bytes per second: ", "Authenticated using "];
    !line.trim().is_empty() && !noise.iter().any(|noise| line.starts_with(noise)) && !line.starts_with("OpenSSH_")
}

/// A line without the mark of its level.
pub fn text(line: &str) -> String {
    line.strip_prefix("debug1: ").unwrap_or(line).to_string()
}
