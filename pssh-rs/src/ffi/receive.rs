//! How libssh2 reads from the socket: as it would itself, with two differences that it has no option for.
//!
//! It hands output over only once it has read all that there is, and not at all where the connection has ended meanwhile: so
//! the end is told of some calls later than it comes. And it reads as long as anything comes, which a hostile server can make
//! for ever: so after so many bytes it hears that there is no more for now, and our own waits look at the time.
//!
//! Beside that, what libssh2 keeps to itself is noted: the server's first bytes, and why it ended the connection.

use crate::lock::lock;
use crate::wire::Wire;
use libssh2_sys as raw;
use rustix::fd::{AsRawFd, BorrowedFd, RawFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use ssh2::Session;
use std::ffi::{c_char, c_int, c_void};
use std::mem::{self, MaybeUninit};
use std::slice;
use std::sync::{Arc, Mutex};

/// From `libssh2.h`.
const CALLBACK_DISCONNECT: c_int = 2;
const CALLBACK_RECV: c_int = 6;
/// So many bytes at a time.
const MOST: usize = 256 * 1024;
/// In the session's number, above the bytes: how often its end was met.
const END_MET: usize = 1 << (usize::BITS - 4);
const BYTES: usize = END_MET - 1;
/// So often is the end kept to ourselves: until each stream of a command was asked for what there is of it.
const PATIENCE: usize = 4;
/// The first bytes that are kept: lines before the banner, the banner, and the longest KEXINIT that libssh2 reads.
const OPENING: usize = 48 * 1024;
/// The longest reason of a DISCONNECT that is kept.
const REASON: usize = 512;

type Callback = unsafe extern "C" fn();
type Receive = unsafe extern "C" fn(raw::libssh2_socket_t, *mut c_void, usize, c_int, *mut *mut c_void) -> isize;
type Disconnect = unsafe extern "C" fn(
    *mut raw::LIBSSH2_SESSION,
    c_int,
    *const c_char,
    c_int,
    *const c_char,
    c_int,
    *mut *mut c_void,
);

unsafe extern "C" {
    fn libssh2_session_callback_set2(
        session: *mut raw::LIBSSH2_SESSION,
        kind: c_int,
        callback: Option<Callback>,
    ) -> Option<Callback>;
}

/// What was received on one session.
#[derive(Debug, Default)]
struct State {
    /// The bytes read in this turn, and [`END_MET`].
    turn: usize,
    opening: Vec<u8>,
    is_open: bool,
    disconnect: Option<String>,
}

/// What libssh2 does not tell of a session.
#[derive(Clone, Debug)]
pub struct Received(Arc<Mutex<State>>);

/// What the session keeps as its socket: it lives until libssh2 has freed the session, and with it the state.
struct Socket {
    wire: Arc<Wire>,
    _state: Arc<Mutex<State>>,
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.wire.as_raw_fd()
    }
}

/// Gives a new session its socket.
pub fn receive_in_turns(session: &mut Session, wire: Arc<Wire>) -> Received {
    let state = Arc::new(Mutex::new(State::default()));
    session.set_tcp_stream(Socket { wire, _state: Arc::clone(&state) });
    let mut locked = session.raw();
    // SAFETY: the session is alive and locked. Its slot is ours: no call that would use it otherwise is made. The session
    // owns a share of the state, which therefore outlives every callback. Both callbacks are of the type that their kind
    // has; libssh2 casts them back before it calls them.
    unsafe {
        *raw::libssh2_session_abstract(&mut *locked) = Arc::as_ptr(&state).cast_mut().cast();
        let receive = mem::transmute::<Receive, Callback>(receive);
        let disconnect = mem::transmute::<Disconnect, Callback>(disconnect);
        libssh2_session_callback_set2(&mut *locked, CALLBACK_RECV, Some(receive));
        libssh2_session_callback_set2(&mut *locked, CALLBACK_DISCONNECT, Some(disconnect));
    }
    drop(locked);
    Received(state)
}

impl Received {
    /// Takes the server's first bytes. No more of them are kept.
    pub fn take_opening(&self) -> Vec<u8> {
        let mut state = lock(&self.0);
        state.is_open = true;
        mem::take(&mut state.opening)
    }

    /// Returns the server's reason, if it has sent a DISCONNECT (RFC 4253 section 11.1). The reason may be empty.
    pub fn disconnect(&self) -> Option<String> {
        lock(&self.0).disconnect.clone()
    }
}

/// SAFETY: `slot` is the address of the session's slot, which `receive_in_turns` has filled.
unsafe fn state<'a>(slot: *mut *mut c_void) -> &'a Mutex<State> {
    // SAFETY: the session, during a callback of which this is used, owns a share of the state.
    unsafe { &*(*slot).cast::<Mutex<State>>() }
}

/// SAFETY: called by libssh2 alone, with a place for `len` bytes, its own open socket, and the address of the session's slot.
unsafe extern "C" fn receive(
    socket: raw::libssh2_socket_t,
    buffer: *mut c_void,
    len: usize,
    _flags: c_int,
    slot: *mut *mut c_void,
) -> isize {
    let later = -(Errno::AGAIN.raw_os_error() as isize);
    // SAFETY: as above.
    let (socket, buffer, state) = unsafe {
        let buffer = slice::from_raw_parts_mut(buffer.cast::<MaybeUninit<u8>>(), len);
        (BorrowedFd::borrow_raw(socket), buffer, state(slot))
    };
    let state = &mut *lock(state);
    let slot = &mut state.turn;
    if *slot & BYTES >= MOST {
        *slot &= !BYTES;
        return later;
    }
    let most = len.min(MOST);
    match recv(socket, &mut buffer[..most], RecvFlags::DONTWAIT) {
        Ok(((read, _), _)) if !read.is_empty() => {
            *slot += read.len();
            if !state.is_open {
                let room = OPENING.saturating_sub(state.opening.len());
                state.opening.extend_from_slice(&read[..read.len().min(room)]);
            }
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

/// SAFETY: called by libssh2 alone; `message` is null or of `len` bytes, and `slot` the address of the session's slot.
unsafe extern "C" fn disconnect(
    _session: *mut raw::LIBSSH2_SESSION,
    _code: c_int,
    message: *const c_char,
    len: c_int,
    _language: *const c_char,
    _language_len: c_int,
    slot: *mut *mut c_void,
) {
    let len = usize::try_from(len).unwrap_or_default().min(REASON);
    // SAFETY: as above.
    let (message, state) = unsafe {
        let message = if message.is_null() { &[] } else { slice::from_raw_parts(message.cast::<u8>(), len) };
        (message, state(slot))
    };
    lock(state).disconnect = Some(String::from_utf8_lossy(message).into_owned());
}
