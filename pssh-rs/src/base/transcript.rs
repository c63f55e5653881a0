//! What a server says that libssh2 keeps to itself: its first bytes, and why it ended the connection.

use cerveza_results::lock;
use std::mem;
use std::sync::Mutex;

/// The first bytes that are kept: lines before the banner, the banner, and the longest KEXINIT that libssh2 reads.
const OPENING: usize = 48 * 1024;
/// The longest reason of a DISCONNECT that is kept.
const REASON: usize = 512;

#[derive(Debug, Default)]
pub struct Transcript(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    opening: Vec<u8>,
    is_past_opening: bool,
    disconnect: Option<String>,
}

impl Transcript {
    /// Notes bytes that were received.
    pub fn note_received(&self, bytes: &[u8]) {
        let mut state = lock(&self.0);
        if !state.is_past_opening {
            let room = OPENING.saturating_sub(state.opening.len());
            state.opening.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }

    /// Takes the first bytes. No more of them are kept.
    pub fn take_opening(&self) -> Vec<u8> {
        let mut state = lock(&self.0);
        state.is_past_opening = true;
        mem::take(&mut state.opening)
    }

    /// Notes the reason of a DISCONNECT (RFC 4253 section 11.1).
    pub fn note_disconnect(&self, reason: &[u8]) {
        let reason = String::from_utf8_lossy(&reason[..reason.len().min(REASON)]).into_owned();
        lock(&self.0).disconnect = Some(reason);
    }

    /// Returns the server's reason, if it has sent a DISCONNECT. The reason may be empty.
    pub fn disconnect(&self) -> Option<String> {
        lock(&self.0).disconnect.clone()
    }
}
