//! A channel that runs one command, bound to libssh2 directly: the `ssh2` crate keeps its channel's pointer to itself
//! and does not declare `libssh2_channel_has_exit_status`, without which a status that never arrived reads as 0.
//!
//! Every call is one try: on a non-blocking session it returns "would block".

use super::queue::take_packet;
use cerveza_results::Stream;
use libssh2_sys as raw;
use ssh2::{Error, Session};
use std::ffi::{c_char, c_int};
use std::ptr::{self, NonNull};

unsafe extern "C" {
    /// In the libssh2 that libssh2-sys 0.3.4 builds (`src/channel.c`), and not in its bindings.
    fn libssh2_channel_has_exit_status(channel: *mut raw::LIBSSH2_CHANNEL) -> c_int;
    fn libssh2_channel_signal_ex(channel: *mut raw::LIBSSH2_CHANNEL, name: *const c_char, len: usize) -> c_int;
    /// Internal to it (`src/channel.h`).
    fn ssh2_channel_locate(session: *mut raw::LIBSSH2_SESSION, id: u32) -> *mut raw::LIBSSH2_CHANNEL;
    fn ssh2_channel_packet_data_len(channel: *mut raw::LIBSSH2_CHANNEL, stream: c_int) -> usize;
}

/// The longest command that fits into a packet of libssh2's (`ssh2_transport_send`): less than 35,000 bytes, of which 256 are
/// kept for the packet's own needs and 18 are the request's.
pub const LONGEST_COMMAND: usize = 35_000 - 256 - 1 - 18;

/// An open session channel.
///
/// Invariant, on which every SAFETY comment below stands: `channel` came from `libssh2_channel_open_ex` on `session`
/// and is freed only in `drop`; `session` keeps the C session alive as long; and every call that gets the pointer holds
/// the session's lock.
pub struct ExecChannel {
    session: Session,
    channel: NonNull<raw::LIBSSH2_CHANNEL>,
}

impl ExecChannel {
    pub fn open(session: &Session) -> Result<ExecChannel, Error> {
        const KIND: &[u8] = b"session";
        let mut locked = session.raw();
        // SAFETY: the session is alive and locked; KIND is as long as said and no message goes with it.
        let channel = unsafe {
            raw::libssh2_channel_open_ex(
                &mut *locked,
                KIND.as_ptr().cast(),
                KIND.len() as u32,
                raw::LIBSSH2_CHANNEL_WINDOW_DEFAULT,
                raw::LIBSSH2_CHANNEL_PACKET_DEFAULT,
                ptr::null(),
                0,
            )
        };
        drop(locked);
        match NonNull::new(channel) {
            Some(channel) => Ok(ExecChannel { session: session.clone(), channel }),
            None => Err(Error::last_session_error(session).unwrap_or_else(Error::unknown)),
        }
    }

    /// Asks the server to run `command`.
    pub fn start(&self, command: &str) -> Result<(), Error> {
        const KIND: &[u8] = b"exec";
        // SAFETY: the invariant; both buffers are as long as said, and libssh2 copies them.
        self.call(|channel| unsafe {
            raw::libssh2_channel_process_startup(
                channel,
                KIND.as_ptr().cast(),
                KIND.len() as u32,
                command.as_ptr().cast::<c_char>(),
                command.len() as u32,
            ) as isize
        })
        .map(|_| ())
    }

    /// Closes the command's stdin.
    pub fn send_eof(&self) -> Result<(), Error> {
        // SAFETY: the invariant.
        self.call(|channel| unsafe { raw::libssh2_channel_send_eof(channel) as isize }).map(|_| ())
    }

    /// Reads what has arrived; 0 at the end.
    pub fn read(&self, stream: Stream, buffer: &mut [u8]) -> Result<usize, Error> {
        // SAFETY: the invariant; libssh2 writes at most the buffer's length into it.
        self.call(|channel| unsafe {
            raw::libssh2_channel_read_ex(channel, stream as c_int, buffer.as_mut_ptr().cast(), buffer.len())
        })
    }

    /// Whether both streams have ended and nothing of them is left to read.
    pub fn ended(&self) -> bool {
        // SAFETY: the invariant.
        self.call(|channel| unsafe { raw::libssh2_channel_eof(channel) as isize }).is_ok_and(|eof| eof == 1)
    }

    /// Takes output that has arrived and that [`ExecChannel::read`] does not hand over, because the connection has ended.
    /// Returns what is left of the first packet of the stream.
    pub fn take_queued(&self, stream: Stream) -> Option<Vec<u8>> {
        const DATA: u8 = 94;
        const EXTENDED_DATA: u8 = 95;
        let mut locked = self.session.raw();
        // SAFETY: the invariant, here and below. libssh2 counts its channels up from 0.
        let is_own = |id: &u32| unsafe { ssh2_channel_locate(&mut *locked, *id) == self.channel.as_ptr() };
        let id = (0..=u32::from(u16::MAX)).find(is_own)?.to_be_bytes();
        // SAFETY: as above. This is the length of what was not read of the first packet, which is its end.
        let left = unsafe { ssh2_channel_packet_data_len(self.channel.as_ptr(), stream as c_int) };
        let mut packet = match stream {
            Stream::Stdout => take_packet(&mut locked, DATA, &id)?,
            Stream::Stderr => {
                let head = [id, (stream as u32).to_be_bytes()].concat();
                take_packet(&mut locked, EXTENDED_DATA, &head)?
            }
        };
        Some(packet.split_off(packet.len().saturating_sub(left)))
    }

    /// Waits for the server to close the channel; what tells how the command ended has arrived by then.
    pub fn closed(&self) -> Result<(), Error> {
        // SAFETY: the invariant.
        self.call(|channel| unsafe { raw::libssh2_channel_wait_closed(channel) as isize }).map(|_| ())
    }

    /// Closes our side of the channel. After `closed` the server has nothing to say to that.
    pub fn close(&self) -> Result<(), Error> {
        // SAFETY: the invariant.
        self.call(|channel| unsafe { raw::libssh2_channel_close(channel) as isize }).map(|_| ())
    }

    /// Sends bytes to the command's stdin; how many were taken.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Error> {
        // SAFETY: the invariant; libssh2 reads no more than the buffer's length.
        self.call(|channel| unsafe { raw::libssh2_channel_write_ex(channel, 0, bytes.as_ptr().cast(), bytes.len()) })
    }

    /// Asks the server to set a variable for the command. sshd refuses what its AcceptEnv does not name.
    pub fn set_env(&self, name: &str, value: &str) -> Result<(), Error> {
        let (name_len, value_len) = (name.len() as u32, value.len() as u32);
        // SAFETY: the invariant; both are as long as said, and libssh2 copies them.
        self.call(|channel| unsafe {
            raw::libssh2_channel_setenv_ex(channel, name.as_ptr().cast(), name_len, value.as_ptr().cast(), value_len)
                as isize
        })
        .map(|_| ())
    }

    /// Asks for a terminal of this type and size (columns, rows).
    pub fn request_pty(&self, term: &str, (columns, rows): (u32, u32)) -> Result<(), Error> {
        // SAFETY: the invariant; the name is as long as said, and there are no modes.
        self.call(|channel| unsafe {
            raw::libssh2_channel_request_pty_ex(
                channel,
                term.as_ptr().cast(),
                term.len() as u32,
                ptr::null(),
                0,
                columns as c_int,
                rows as c_int,
                0,
                0,
            ) as isize
        })
        .map(|_| ())
    }

    /// Sends the command a signal, named as RFC 4254 section 6.10 does (`TERM`). The server does not say whether it did.
    pub fn signal(&self, name: &str) -> Result<(), Error> {
        // SAFETY: the invariant; the name is as long as said, and libssh2 copies it.
        self.call(|channel| unsafe { libssh2_channel_signal_ex(channel, name.as_ptr().cast(), name.len()) as isize })
            .map(|_| ())
    }

    /// The exit status, if one really arrived.
    pub fn exit_code(&self) -> Option<u32> {
        let _locked = self.session.raw();
        // SAFETY: the invariant.
        unsafe {
            match libssh2_channel_has_exit_status(self.channel.as_ptr()) {
                0 => None,
                _ => Some(raw::libssh2_channel_get_exit_status(self.channel.as_ptr()) as u32),
            }
        }
    }

    /// The signal that ended the command, without its `SIG`, if the server told of one.
    pub fn exit_signal(&self) -> Option<String> {
        let mut locked = self.session.raw();
        let (mut name, mut len) = (ptr::null_mut::<c_char>(), 0);
        // SAFETY: the invariant; the pointers not asked for may be null. `name` is then null, or `len` bytes that
        // libssh2 allocated for us and that its own `free` takes back.
        unsafe {
            let rc = raw::libssh2_channel_get_exit_signal(
                self.channel.as_ptr(),
                &mut name,
                &mut len,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
            );
            if rc != 0 || name.is_null() {
                return None;
            }
            let bytes = std::slice::from_raw_parts(name.cast::<u8>(), len);
            let signal = String::from_utf8_lossy(bytes).into_owned();
            raw::libssh2_free(&mut *locked, name.cast());
            Some(signal)
        }
    }

    /// One call under the session's lock; a negative result is an error.
    fn call(&self, call: impl FnOnce(*mut raw::LIBSSH2_CHANNEL) -> isize) -> Result<usize, Error> {
        let locked = self.session.raw();
        let result = call(self.channel.as_ptr());
        drop(locked);
        usize::try_from(result).map_err(|_| Error::from_session_error(&self.session, result as c_int))
    }
}

impl Drop for ExecChannel {
    fn drop(&mut self) {
        let _locked = self.session.raw();
        // SAFETY: the invariant. Where the farewell would block the channel stays with its session, which frees it.
        unsafe {
            raw::libssh2_channel_free(self.channel.as_ptr());
        }
    }
}
