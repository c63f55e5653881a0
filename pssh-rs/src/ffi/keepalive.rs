//! A keepalive: a request that every server answers.

use super::queue::take_packet;
use libssh2_sys as raw;
use ssh2::Session;
use std::ffi::c_int;
use std::ptr;

unsafe extern "C" {
    /// Internal to the libssh2 that libssh2-sys 0.3.4 builds (`src/transport.h`). Its `libssh2_keepalive_send` names the
    /// request otherwise, and blocks the connection for good if only half of it can be sent.
    fn ssh2_transport_send(
        session: *mut raw::LIBSSH2_SESSION,
        data: *const u8,
        len: usize,
        more: *const u8,
        more_len: usize,
    ) -> c_int;
}

/// A global request of this name that wants a reply (RFC 4254, section 4).
static KEEPALIVE: &[u8] = b"\x50\0\0\0\x15keepalive@openssh.com\x01";
/// The two kinds of reply, which libssh2 keeps.
const REPLIES: [u8; 2] = [81, 82];

/// Sends a keepalive, unless libssh2 is in the middle of something else. Forgets the replies to earlier ones.
pub fn send_keepalive(session: &Session) {
    let mut locked = session.raw();
    for kind in REPLIES {
        while take_packet(&mut locked, kind, &[]).is_some() {}
    }
    // SAFETY: the session is alive and locked; the packet is as long as said and never changes or goes away.
    unsafe {
        ssh2_transport_send(&mut *locked, KEEPALIVE.as_ptr(), KEEPALIVE.len(), ptr::null(), 0);
    }
}
