//! SFTP (version 3) on an open session, bound to libssh2 directly: the `ssh2` crate's own handles switch the session to
//! blocking when they are dropped, and it does not bind `posix-rename@openssh.com`.
//!
//! Every call is one try. On a non-blocking session it returns "would block", and must be repeated with the same arguments
//! until it returns something else. libssh2 keeps one half-sent packet for each channel: another call in between would send
//! the bytes of the first as its own, or read past its buffer. So `Sftp` remembers the current call and refuses others.

mod attributes;
mod handle;

pub use attributes::Attributes;
pub use handle::Handle;

use libssh2_sys as raw;
use ssh2::{Error, ErrorCode, Session};
use std::cell::Cell;
use std::ffi::{c_char, c_int, c_long, c_uint, c_ulong};
use std::ptr::NonNull;

unsafe extern "C" {
    /// In the libssh2 that libssh2-sys 0.3.4 builds (`include/libssh2_sftp.h`), and not in its bindings.
    fn libssh2_sftp_posix_rename_ex(
        sftp: *mut raw::LIBSSH2_SFTP,
        from: *const c_char,
        from_len: usize,
        to: *const c_char,
        to_len: usize,
    ) -> c_int;
    fn libssh2_sftp_get_channel(sftp: *mut raw::LIBSSH2_SFTP) -> *mut raw::LIBSSH2_CHANNEL;
}

/// Longer paths are refused: what libssh2 sends besides file contents has to fit one packet and the channel's window.
const LONGEST_PATH: usize = 8 * 1024;
/// The longest name, or target of a link, that is read from the server.
pub const LONGEST_NAME: usize = 4 * 1024;

/// What libssh2's buffers depend on. The repetition of a call must be equal in all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Call {
    name: &'static str,
    handle: usize,
    lengths: [usize; 2],
    flags: c_ulong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// This call would have blocked and must be repeated.
    UnderWay(Call),
    /// Our end of the channel is closed.
    Closing,
    /// The connection is gone, or the server sent what is not SFTP. All calls fail from now on.
    Broken,
}

/// The SFTP subsystem on a channel of its own.
///
/// Invariant, on which every SAFETY comment below stands: `sftp` came from `libssh2_sftp_init` on `session` and is freed
/// only in `drop`; `session` keeps the C session alive as long; every call that gets the pointer, or that of a handle,
/// holds the session's lock and comes after `enter`, by which no other call is under way.
pub struct Sftp {
    session: Session,
    sftp: NonNull<raw::LIBSSH2_SFTP>,
    state: Cell<State>,
}

/// How to open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    Read,
    /// Writes to a file that exists, and keeps its contents.
    Write,
    /// Creates a file that does not exist. Follows no link.
    Create,
}

impl Sftp {
    /// Opens a channel and starts the subsystem. The session keeps its half-done state from try to try.
    pub fn open(session: &Session) -> Result<Sftp, Error> {
        let mut locked = session.raw();
        // SAFETY: the session is alive and locked.
        let sftp = unsafe { raw::libssh2_sftp_init(&mut *locked) };
        drop(locked);
        match NonNull::new(sftp) {
            Some(sftp) => Ok(Sftp { session: session.clone(), sftp, state: Cell::new(State::Idle) }),
            None => Err(Error::last_session_error(session).unwrap_or_else(Error::unknown)),
        }
    }

    pub fn open_file(&self, path: &[u8], open: Open) -> Result<Handle<'_>, Error> {
        let flags = match open {
            Open::Read => raw::LIBSSH2_FXF_READ,
            Open::Write => raw::LIBSSH2_FXF_WRITE,
            Open::Create => raw::LIBSSH2_FXF_WRITE | raw::LIBSSH2_FXF_CREAT | raw::LIBSSH2_FXF_EXCL,
        };
        self.open_handle("open", path, flags, raw::LIBSSH2_SFTP_OPENFILE)
    }

    pub fn open_dir(&self, path: &[u8]) -> Result<Handle<'_>, Error> {
        self.open_handle("opendir", path, 0, raw::LIBSSH2_SFTP_OPENDIR)
    }

    fn open_handle(&self, name: &'static str, path: &[u8], flags: c_ulong, kind: c_int) -> Result<Handle<'_>, Error> {
        // Only the user may read it until it is complete.
        const MODE: c_long = 0o600;
        let len = path_length(path)?;
        self.enter(Call { name, handle: 0, lengths: [path.len(), 0], flags })?;
        let locked = self.session.raw();
        // SAFETY: the invariant; the path is as long as said, and libssh2 copies it.
        let handle =
            unsafe { raw::libssh2_sftp_open_ex(self.sftp.as_ptr(), path.as_ptr().cast(), len, flags, MODE, kind) };
        drop(locked);
        match NonNull::new(handle) {
            Some(handle) => {
                self.state.set(State::Idle);
                Ok(Handle::new(self, handle))
            }
            None => {
                let error = Error::last_session_error(&self.session).unwrap_or_else(Error::unknown);
                let code = match error.code() {
                    ErrorCode::Session(code) | ErrorCode::SFTP(code) => code,
                };
                Err(self.leave(code, error))
            }
        }
    }

    /// Returns what a path leads to.
    pub fn stat(&self, path: &[u8]) -> Result<Attributes, Error> {
        self.stat_by("stat", path, raw::LIBSSH2_SFTP_STAT)
    }

    /// Returns what is at a path. Does not follow a symbolic link.
    pub fn lstat(&self, path: &[u8]) -> Result<Attributes, Error> {
        self.stat_by("lstat", path, raw::LIBSSH2_SFTP_LSTAT)
    }

    fn stat_by(&self, name: &'static str, path: &[u8], kind: c_int) -> Result<Attributes, Error> {
        let mut attributes = Attributes::default().to_raw();
        // SAFETY: the invariant; the path is as long as said, and the attributes are ours to write.
        self.call_paths(name, [path, b""], 0, |sftp, [(path, len), _]| unsafe {
            raw::libssh2_sftp_stat_ex(sftp, path, len, kind, &mut attributes)
        })?;
        Ok(Attributes::from_raw(&attributes))
    }

    /// Sets the attributes of a path. Follows a symbolic link.
    pub fn setstat(&self, path: &[u8], attributes: &Attributes) -> Result<(), Error> {
        let mut attributes = attributes.to_raw();
        // SAFETY: the invariant; the path is as long as said, and the flags, which tell the packet's length, those of the
        // first try.
        let set = self.call_paths("setstat", [path, b""], attributes.flags, |sftp, [(path, len), _]| unsafe {
            raw::libssh2_sftp_stat_ex(sftp, path, len, raw::LIBSSH2_SFTP_SETSTAT, &mut attributes)
        });
        set.map(drop)
    }

    pub fn mkdir(&self, path: &[u8], mode: u32) -> Result<(), Error> {
        // SAFETY: the invariant; the path is as long as said.
        let made = self.call_paths("mkdir", [path, b""], 0, |sftp, [(path, len), _]| unsafe {
            raw::libssh2_sftp_mkdir_ex(sftp, path, len, c_long::from(mode as i32))
        });
        made.map(drop)
    }

    pub fn unlink(&self, path: &[u8]) -> Result<(), Error> {
        // SAFETY: the invariant; the path is as long as said.
        let removed = self.call_paths("unlink", [path, b""], 0, |sftp, [(path, len), _]| unsafe {
            raw::libssh2_sftp_unlink_ex(sftp, path, len)
        });
        removed.map(drop)
    }

    /// Renames as POSIX does: what is at `to` is replaced. A server without the extension answers "unsupported" (8).
    pub fn posix_rename(&self, from: &[u8], to: &[u8]) -> Result<(), Error> {
        // SAFETY: the invariant; both paths are as long as said.
        let renamed = self.call_paths("posix_rename", [from, to], 0, |sftp, [(from, from_len), (to, to_len)]| unsafe {
            libssh2_sftp_posix_rename_ex(sftp, from, from_len as usize, to, to_len as usize)
        });
        renamed.map(drop)
    }

    /// Renames as version 3 does: the server refuses if something is at `to`.
    pub fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), Error> {
        // SAFETY: the invariant; both paths are as long as said.
        let renamed = self.call_paths("rename", [from, to], 0, |sftp, [(from, from_len), (to, to_len)]| unsafe {
            raw::libssh2_sftp_rename_ex(sftp, from, from_len, to, to_len, 0)
        });
        renamed.map(drop)
    }

    /// Makes a symbolic link at `path`. The target comes first, as for OpenSSH and all others since; the drafts have it
    /// the other way round.
    pub fn symlink(&self, target: &[u8], path: &[u8]) -> Result<(), Error> {
        // libssh2 writes the name that a server answers with over the path, up to its length: so this is a copy of ours.
        let mut own = path.to_vec();
        let own_path = own.as_mut_ptr().cast();
        // SAFETY: the invariant; both are as long as said, and the path is ours to write.
        let made = self.call_paths("symlink", [target, path], 0, |sftp, [(target, len), (_, path_len)]| unsafe {
            raw::libssh2_sftp_symlink_ex(sftp, target, len, own_path, path_len, raw::LIBSSH2_SFTP_SYMLINK)
        });
        made.map(drop)
    }

    /// Returns what a symbolic link points to.
    pub fn readlink(&self, path: &[u8]) -> Result<Vec<u8>, Error> {
        self.ask_name("readlink", path, raw::LIBSSH2_SFTP_READLINK)
    }

    /// Returns the absolute path without links.
    pub fn realpath(&self, path: &[u8]) -> Result<Vec<u8>, Error> {
        self.ask_name("realpath", path, raw::LIBSSH2_SFTP_REALPATH)
    }

    fn ask_name(&self, name: &'static str, path: &[u8], kind: c_int) -> Result<Vec<u8>, Error> {
        let mut room = vec![0u8; LONGEST_NAME];
        let room_at = room.as_mut_ptr().cast();
        // SAFETY: the invariant; the path is as long as said, and libssh2 writes at most the room's length.
        let len = self.call_paths(name, [path, b""], 0, |sftp, [(path, len), _]| unsafe {
            raw::libssh2_sftp_symlink_ex(sftp, path, len, room_at, LONGEST_NAME as c_uint, kind)
        })?;
        room.truncate(len);
        Ok(room)
    }

    /// Ends the session, and waits until the server has closed the channel. No other call may follow.
    pub fn close(&self) -> Result<(), Error> {
        let mut rest = [0u8; 4096];
        let locked = self.session.raw();
        // SAFETY: the invariant; libssh2 writes at most the length of `rest` into it.
        let result = unsafe {
            let channel = libssh2_sftp_get_channel(self.sftp.as_ptr());
            let mut result = match self.state.get() {
                State::Idle => raw::libssh2_channel_send_eof(channel) as isize,
                State::Closing => 0,
                State::UnderWay(_) | State::Broken => raw::LIBSSH2_ERROR_BAD_USE as isize,
            };
            if result == 0 {
                self.state.set(State::Closing);
                result = 1;
            }
            while result > 0 {
                result = raw::libssh2_channel_read_ex(channel, 0, rest.as_mut_ptr().cast(), rest.len());
            }
            match result {
                0 => raw::libssh2_channel_wait_closed(channel),
                error => error as c_int,
            }
        };
        drop(locked);
        match result {
            0 => Ok(()),
            code => Err(Error::from_session_error(&self.session, code)),
        }
    }

    /// Allows a call if no other one must be repeated.
    fn enter(&self, call: Call) -> Result<(), Error> {
        match self.state.get() {
            State::Idle => Ok(()),
            State::UnderWay(earlier) if earlier == call => Ok(()),
            State::UnderWay(_) => Err(bad_use("another SFTP call is under way")),
            State::Closing => Err(bad_use("the SFTP channel is closed")),
            State::Broken => Err(bad_use("the SFTP channel is broken")),
        }
        .inspect(|_| self.state.set(State::UnderWay(call)))
    }

    /// Sets the state after a failed call. Returns its error: the server's answer, if there was one.
    fn leave(&self, code: c_int, error: Error) -> Error {
        if code == raw::LIBSSH2_ERROR_EAGAIN {
            return error;
        }
        // SAFETY: the invariant.
        let answer = unsafe { raw::libssh2_sftp_last_error(self.sftp.as_ptr()) };
        if code == raw::LIBSSH2_ERROR_SFTP_PROTOCOL && answer != 0 {
            self.state.set(State::Idle);
            return Error::from_errno(ErrorCode::SFTP(c_int::try_from(answer).unwrap_or(raw::LIBSSH2_FX_FAILURE)));
        }
        self.state.set(State::Broken);
        error
    }

    /// One try of a call about one path, or two: `run` gets the address and length of each.
    fn call_paths(
        &self,
        name: &'static str,
        paths: [&[u8]; 2],
        flags: c_ulong,
        run: impl FnOnce(*mut raw::LIBSSH2_SFTP, [(*const c_char, c_uint); 2]) -> c_int,
    ) -> Result<usize, Error> {
        let [one, other] = paths;
        let lengths = [path_length(one)?, path_length(other)?];
        let call = Call { name, handle: 0, lengths: [one.len(), other.len()], flags };
        let paths = [(one.as_ptr().cast(), lengths[0]), (other.as_ptr().cast(), lengths[1])];
        self.call(call, |sftp| run(sftp, paths) as isize)
    }

    /// One try of a call.
    fn call(&self, call: Call, run: impl FnOnce(*mut raw::LIBSSH2_SFTP) -> isize) -> Result<usize, Error> {
        self.enter(call)?;
        let locked = self.session.raw();
        let result = run(self.sftp.as_ptr());
        drop(locked);
        match usize::try_from(result) {
            Ok(value) => {
                self.state.set(State::Idle);
                Ok(value)
            }
            Err(_) => {
                let code = result as c_int;
                Err(self.leave(code, Error::from_session_error(&self.session, code)))
            }
        }
    }
}

impl Drop for Sftp {
    fn drop(&mut self) {
        let _locked = self.session.raw();
        // SAFETY: the invariant; no handle is left, since each borrows from here. Where the farewell would block the
        // channel stays with its session, which frees both.
        unsafe {
            raw::libssh2_sftp_shutdown(self.sftp.as_ptr());
        }
    }
}

fn path_length(path: &[u8]) -> Result<c_uint, Error> {
    if path.len() > LONGEST_PATH {
        return Err(Error::from_errno(ErrorCode::SFTP(raw::LIBSSH2_FX_INVALID_FILENAME)));
    }
    Ok(path.len() as c_uint)
}

fn bad_use(why: &'static str) -> Error {
    Error::new(ErrorCode::Session(raw::LIBSSH2_ERROR_BAD_USE), why)
}
