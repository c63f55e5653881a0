//! The packets that libssh2 has received and keeps until somebody asks for them. Nothing in its API gets at them once the
//! server has sent DISCONNECT: from then on each read fails, even if the output of a command is still in the queue.

use libssh2_sys as raw;
use std::ffi::c_int;
use std::ptr;

unsafe extern "C" {
    /// Internal to the libssh2 that libssh2-sys 0.3.4 builds (`src/packet.h`).
    fn ssh2_packet_ask(
        session: *mut raw::LIBSSH2_SESSION,
        kind: u8,
        data: *mut *mut u8,
        data_len: *mut usize,
        match_offset: c_int,
        matched: *const u8,
        matched_len: usize,
    ) -> c_int;
}

/// Removes the first packet of this kind whose contents begin with `head` from the queue. Returns it, with the kind as its
/// first byte.
pub(super) fn take_packet(session: &mut raw::LIBSSH2_SESSION, kind: u8, head: &[u8]) -> Option<Vec<u8>> {
    let (mut data, mut len) = (ptr::null_mut(), 0);
    // SAFETY: the session is alive and locked by whoever has the reference; `head` is as long as said. A packet that is
    // found is `len` bytes that libssh2 allocated, no longer refers to, and takes back by its own `free`.
    unsafe {
        if ssh2_packet_ask(session, kind, &mut data, &mut len, 1, head.as_ptr(), head.len()) != 0 {
            return None;
        }
        let packet = std::slice::from_raw_parts(data, len).to_vec();
        raw::libssh2_free(session, data.cast());
        Some(packet)
    }
}
