//! How libssh2 reads from the socket: as it would itself, with two differences that it has no option for.
//!
//! It hands output over only once it has read all that there is, and not at all where the connection has ended meanwhile: so
//! the end is told of some calls later than it comes. And it reads as long as anything comes, which a hostile server can make
//! for ever: so after so many bytes it hears that there is no more for now, and our own waits look at the time.

use super::disconnect::note_disconnect;
use crate::wire::Wire;
use libssh2_sys as raw;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use ssh2::Session;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// From `libssh2.h`.
const CALLBACK_RECV: c_int = 6;
/// So many bytes at a time.
const MOST: usize = 256 * 1024;
/// In the wire's number, above the bytes: how often its end was met.
const END_MET: usize = 1 << (usize::BITS - 4);
const BYTES: usize = END_MET - 1;
/// So often is the end kept to ourselves: until each stream of a command was asked for what there is of it.
const PATIENCE: usize = 4;

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
/// Invariant of the callbacks: the session's slot holds the address of a `Wire` that lives as long as the C session,
/// because the session itself keeps an `Arc` of it, which it drops after it has freed the C session. Nothing else
/// replaces either of them.
pub fn connect_to_wire(session: &mut Session, wire: &Arc<Wire>) {
    session.set_tcp_stream(Arc::clone(wire));
    let mut locked = session.raw();
    // SAFETY: the session is alive and locked, the slot is the session's own, and the callback is of the type that this
    // kind has.
    unsafe {
        *raw::libssh2_session_abstract(&mut *locked) = Arc::as_ptr(wire).cast_mut().cast();
        libssh2_session_callback_set2(&mut *locked, CALLBACK_RECV, Some(receive));
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
    let later = -(Errno::AGAIN.raw_os_error() as isize);
    // SAFETY: the invariant; libssh2 gives a place for `len` bytes.
    let (wire, buffer) =
        unsafe { (&*(*slot).cast::<Wire>(), std::slice::from_raw_parts_mut(buffer.cast::<MaybeUninit<u8>>(), len)) };
    let turn = wire.turn.load(Ordering::Relaxed);
    let set = |turn| wire.turn.store(turn, Ordering::Relaxed);
    if turn & BYTES >= MOST {
        set(turn & !BYTES);
        return later;
    }
    let most = len.min(MOST);
    match recv(wire, &mut buffer[..most], RecvFlags::DONTWAIT) {
        Ok(((read, _), _)) if !read.is_empty() => {
            set(turn + read.len());
            wire.heard.hear(read);
            read.len() as isize
        }
        Err(Errno::AGAIN | Errno::INTR) => {
            set(turn & !BYTES);
            later
        }
        // The end, or an error.
        _ if turn < PATIENCE * END_MET => {
            set((turn & !BYTES) + END_MET);
            later
        }
        Ok(_) => 0,
        Err(error) => -(error.raw_os_error() as isize),
    }
}
