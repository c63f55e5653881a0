//! How libssh2 reads from the socket: as it would itself, with two differences that it has no option for.
//!
//! It hands output over only once it has read all that there is, and not at all where the connection has ended meanwhile: so
//! the end is told of some calls later than it comes. And it reads as long as anything comes, which a hostile server can make
//! for ever: so after so many bytes it hears that there is no more for now, and our own waits look at the time.

use libssh2_sys as raw;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use ssh2::Session;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;

/// From `libssh2.h`.
const CALLBACK_RECV: c_int = 6;
/// So many bytes at a time.
const MOST: usize = 256 * 1024;
/// In the session's number, above the bytes: how often its end was met.
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

/// Sets it up for a session on which nothing was read yet.
pub fn receive_in_turns(session: &Session) {
    let mut locked = session.raw();
    // SAFETY: the session is alive and locked, and the callback is of the type that this kind has.
    unsafe {
        libssh2_session_callback_set2(&mut *locked, CALLBACK_RECV, Some(receive));
    }
}

/// What the session's abstract slot holds is a number, never a pointer: the bytes read in this turn, and [`END_MET`].
unsafe extern "C" fn receive(
    socket: raw::libssh2_socket_t,
    buffer: *mut c_void,
    len: usize,
    _flags: c_int,
    slot: *mut *mut c_void,
) -> isize {
    let later = -(Errno::AGAIN.raw_os_error() as isize);
    // SAFETY: libssh2 gives a place for `len` bytes, its own open socket, and the address of the session's slot.
    let (socket, buffer, slot) = unsafe {
        let buffer = std::slice::from_raw_parts_mut(buffer.cast::<MaybeUninit<u8>>(), len);
        (BorrowedFd::borrow_raw(socket), buffer, &mut *slot.cast::<usize>())
    };
    if *slot & BYTES >= MOST {
        *slot &= !BYTES;
        return later;
    }
    let most = len.min(MOST);
    match recv(socket, &mut buffer[..most], RecvFlags::DONTWAIT) {
        Ok(((read, _), _)) if !read.is_empty() => {
            *slot += read.len();
            read.len() as isize
        }
        Err(Errno::AGAIN | Errno::INTR) => {
            *slot &= !BYTES;
            later
        }
        // The end, or an error.
        _ if *slot < PATIENCE * END_MET => {
            *slot = (*slot & !BYTES) + END_MET;
            later
        }
        Ok(_) => 0,
        Err(error) => -(error.raw_os_error() as isize),
    }
}
