//! How libssh2 reads from the socket and writes to it: through [`Socket`], which takes a packet whole or not at all.
//!
//! libssh2's own way loses data and hangs: only the call that began a packet can send the rest of it, so that any other
//! one waits for ever; and an error while sending keeps it from handing over what has already arrived.

use super::disconnect::note_disconnect;
use crate::base::socket::Socket;
use libssh2_sys as raw;
use rustix::io::Errno;
use ssh2::Session;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;

/// From `libssh2.h`.
const CALLBACK_SEND: c_int = 5;
const CALLBACK_RECV: c_int = 6;

/// The buffer is constant for `CALLBACK_SEND`.
type Callback = unsafe extern "C" fn(raw::libssh2_socket_t, *mut c_void, usize, c_int, *mut *mut c_void) -> isize;

unsafe extern "C" {
    fn libssh2_session_callback_set2(
        session: *mut raw::LIBSSH2_SESSION,
        kind: c_int,
        callback: Option<Callback>,
    ) -> Option<Callback>;
}

/// Connects a session, on which nothing was read or written, to a wire.
///
/// Invariant of the callbacks: the session's slot holds the address of a `Socket` that lives as long as the C session,
/// because the session itself keeps an `Arc` of it, which it drops after it has freed the C session. Nothing else
/// replaces either of them.
pub fn attach_socket(session: &mut Session, socket: &Arc<Socket>) {
    session.set_tcp_stream(Arc::clone(socket));
    let mut locked = session.raw();
    // SAFETY: the session is alive and locked, the slot is the session's own, and the callbacks are of the type that
    // their kinds have.
    unsafe {
        *raw::libssh2_session_abstract(&mut *locked) = Arc::as_ptr(socket).cast_mut().cast();
        libssh2_session_callback_set2(&mut *locked, CALLBACK_RECV, Some(receive));
        libssh2_session_callback_set2(&mut *locked, CALLBACK_SEND, Some(send));
    }
    drop(locked);
    note_disconnect(session);
}

unsafe extern "C" fn receive(
    _socket: raw::libssh2_socket_t,
    buffer: *mut c_void,
    len: usize,
    _flags: c_int,
    slot: *mut *mut c_void,
) -> isize {
    // SAFETY: the invariant; libssh2 gives a place for `len` bytes.
    let (socket, buffer) =
        unsafe { (&*(*slot).cast::<Socket>(), std::slice::from_raw_parts_mut(buffer.cast::<MaybeUninit<u8>>(), len)) };
    socket.receive(buffer).map_or_else(negative, |len| len as isize)
}

unsafe extern "C" fn send(
    _socket: raw::libssh2_socket_t,
    packet: *mut c_void,
    len: usize,
    _flags: c_int,
    slot: *mut *mut c_void,
) -> isize {
    // SAFETY: the invariant; libssh2 gives `len` bytes.
    let (socket, packet) =
        unsafe { (&*(*slot).cast::<Socket>(), std::slice::from_raw_parts(packet.cast::<u8>(), len)) };
    socket.send(packet).map_or_else(negative, |()| len as isize)
}

/// As libssh2 wants an error: negative.
fn negative(error: Errno) -> isize {
    let error = if error == Errno::INTR { Errno::AGAIN } else { error };
    -(error.raw_os_error() as isize)
}
