//! The reason that a server gives in a DISCONNECT, which libssh2 tells to a callback alone.

use crate::base::socket::Socket;
use libssh2_sys as raw;
use ssh2::Session;
use std::ffi::{c_char, c_int, c_void};
use std::slice;

/// From `libssh2.h`.
const CALLBACK_DISCONNECT: c_int = 2;

unsafe extern "C" {
    /// In the libssh2 that libssh2-sys 0.3.4 builds (`src/session.c`), and not in its bindings.
    fn libssh2_session_callback_set(
        session: *mut raw::LIBSSH2_SESSION,
        kind: c_int,
        callback: *mut c_void,
    ) -> *mut c_void;
}

/// Has the reason noted on the session's wire. The session's slot must hold the wire's address already (see `receive`).
pub(super) fn note_disconnect(session: &Session) {
    let mut locked = session.raw();
    // SAFETY: the session is alive and locked, and the callback is of the type that this kind has, to which libssh2 casts it
    // back.
    unsafe {
        libssh2_session_callback_set(&mut *locked, CALLBACK_DISCONNECT, disconnect as *mut c_void);
    }
}

unsafe extern "C" fn disconnect(
    _session: *mut raw::LIBSSH2_SESSION,
    _code: c_int,
    message: *const c_char,
    len: c_int,
    _language: *const c_char,
    _language_len: c_int,
    slot: *mut *mut c_void,
) {
    let len = usize::try_from(len).unwrap_or_default();
    // SAFETY: libssh2 gives a message of `len` bytes, or null; and the slot's address, in which the wire's is, which lives
    // as long as the session.
    let (message, socket) = unsafe {
        let message = if message.is_null() { &[] } else { slice::from_raw_parts(message.cast::<u8>(), len) };
        (message, &*(*slot).cast::<Socket>())
    };
    socket.transcript.note_disconnect(message);
}
