//! The lines of ssh's log at level DEBUG1. ssh writes it to a separate pipe (`-E`), because the remote command could
//! print lines that look the same to stderr.

/// The most bytes that are kept of a line.
const LONGEST_LINE: usize = 4096;

/// Makes lines of bytes that arrive in pieces.
#[derive(Debug, Default)]
pub struct LogLines {
    rest: Vec<u8>,
}

impl LogLines {
    /// Reads some bytes. Calls `line` for each line that is complete.
    pub fn read(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) {
        for &byte in bytes {
            match byte {
                b'\n' => {
                    let text = String::from_utf8_lossy(&self.rest);
                    line(text.trim_end_matches('\r'));
                    self.rest.clear();
                }
                byte if self.rest.len() < LONGEST_LINE => self.rest.push(byte),
                _ => {}
            }
        }
    }
}

/// Returns whether a line is a message for the user, rather than debugging output.
pub fn is_message(line: &str) -> bool {
    let noise = ["debug1: ", "Authenticated to ", "Transferred: ", "Bytes per second: ", "Authenticated using "];
    !line.trim().is_empty() && !noise.iter().any(|noise| line.starts_with(noise)) && !line.starts_with("OpenSSH_")
}

/// Returns a line without the mark of its level.
pub fn text(line: &str) -> String {
    line.strip_prefix("debug1: ").unwrap_or(line).to_string()
}
