//! SFTP (version 3) on an open session, bound to libssh2 directly: the `ssh2` crate's own handles switch the session to
//! blocking when they are dropped, and it does not bind `posix-rename@openssh.com`.
//!
//! Every call is one try: on a non-blocking session it returns "would block", and is then to be repeated with the same
//! arguments until it returns something else. libssh2 keeps half-sent packets for the repetition and the whole channel has
//! one place for them: another call in between would send bytes of the one as the other's, or read past its buffer. So
//! `Sftp` remembers what is under way and refuses all else.

use libssh2_sys as raw;
use ssh2::{Error, ErrorCode, Session};
use std::cell::Cell;
use std::ffi::{c_char, c_int, c_long, c_uint, c_ulong};
use std::ptr::{self, NonNull};

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
/// Room for a name or a link's target, which the server says and libssh2 copies only where it fits.
pub const LONGEST_NAME: usize = 4 * 1024;

/// What a server says of a file; each part may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub size: Option<u64>,
    pub uid: Option<u32>,
    /// Type and permissions, as `st_mode`.
    pub mode: Option<u32>,
    /// Access and modification time, in seconds since 1970.
    pub times: Option<(u32, u32)>,
}

/// What a call is, as far as libssh2's buffers depend on it: a repetition has to be the same in all of it.
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
    /// This call would have blocked.
    UnderWay(Call),
    /// Our end of the channel is closed.
    Closing,
    /// The connection is gone, or the server does not speak SFTP as libssh2 does: no call makes sense any more.
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
    /// One that exists, and keeps what it holds.
    Write,
    /// One that does not exist; no link is followed.
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
        // Until it is complete nobody else may read it: that is what the mode is for.
        const MODE: c_long = 0o600;
        let len = length(path)?;
        self.enter(Call { name, handle: 0, lengths: [path.len(), 0], flags })?;
        let locked = self.session.raw();
        // SAFETY: the invariant; the path is as long as said, and libssh2 copies it.
        let handle =
            unsafe { raw::libssh2_sftp_open_ex(self.sftp.as_ptr(), path.as_ptr().cast(), len, flags, MODE, kind) };
        drop(locked);
        match NonNull::new(handle) {
            Some(handle) => {
                self.state.set(State::Idle);
                Ok(Handle { sftp: self, handle, closed: Cell::new(false), unacknowledged: Cell::new(0) })
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

    /// What a path leads to.
    pub fn stat(&self, path: &[u8]) -> Result<Attributes, Error> {
        self.stat_by("stat", path, raw::LIBSSH2_SFTP_STAT)
    }

    /// What a path is; a symbolic link is not followed.
    pub fn lstat(&self, path: &[u8]) -> Result<Attributes, Error> {
        self.stat_by("lstat", path, raw::LIBSSH2_SFTP_LSTAT)
    }

    fn stat_by(&self, name: &'static str, path: &[u8], kind: c_int) -> Result<Attributes, Error> {
        let len = length(path)?;
        let mut attributes = Attributes::default().to_raw();
        // SAFETY: the invariant; the path is as long as said, and the attributes are ours to write.
        self.call(Call { name, handle: 0, lengths: [path.len(), 0], flags: 0 }, |sftp| unsafe {
            raw::libssh2_sftp_stat_ex(sftp, path.as_ptr().cast(), len, kind, &mut attributes) as isize
        })?;
        Ok(Attributes::from_raw(&attributes))
    }

    /// Sets what is said of a path; a symbolic link is followed.
    pub fn setstat(&self, path: &[u8], attributes: &Attributes) -> Result<(), Error> {
        let len = length(path)?;
        let mut attributes = attributes.to_raw();
        let call = Call { name: "setstat", handle: 0, lengths: [path.len(), 0], flags: attributes.flags };
        // SAFETY: the invariant; the path is as long as said, and the flags, which tell the packet's length, those of the
        // first try.
        self.call(call, |sftp| unsafe {
            let kind = raw::LIBSSH2_SFTP_SETSTAT;
            raw::libssh2_sftp_stat_ex(sftp, path.as_ptr().cast(), len, kind, &mut attributes) as isize
        })?;
        Ok(())
    }

    pub fn mkdir(&self, path: &[u8], mode: u32) -> Result<(), Error> {
        let len = length(path)?;
        // SAFETY: the invariant; the path is as long as said.
        self.call(Call { name: "mkdir", handle: 0, lengths: [path.len(), 0], flags: 0 }, |sftp| unsafe {
            raw::libssh2_sftp_mkdir_ex(sftp, path.as_ptr().cast(), len, c_long::from(mode as i32)) as isize
        })?;
        Ok(())
    }

    pub fn unlink(&self, path: &[u8]) -> Result<(), Error> {
        let len = length(path)?;
        // SAFETY: the invariant; the path is as long as said.
        self.call(Call { name: "unlink", handle: 0, lengths: [path.len(), 0], flags: 0 }, |sftp| unsafe {
            raw::libssh2_sftp_unlink_ex(sftp, path.as_ptr().cast(), len) as isize
        })?;
        Ok(())
    }

    /// Renames as POSIX does: what is at `to` is replaced. A server without the extension answers "unsupported" (8).
    pub fn posix_rename(&self, from: &[u8], to: &[u8]) -> Result<(), Error> {
        length(from)?;
        length(to)?;
        let call = Call { name: "posix_rename", handle: 0, lengths: [from.len(), to.len()], flags: 0 };
        // SAFETY: the invariant; both paths are as long as said.
        self.call(call, |sftp| unsafe {
            let (from_at, to_at) = (from.as_ptr().cast(), to.as_ptr().cast());
            libssh2_sftp_posix_rename_ex(sftp, from_at, from.len(), to_at, to.len()) as isize
        })?;
        Ok(())
    }

    /// Renames as version 3 does: the server refuses where something is at `to`.
    pub fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), Error> {
        let (from_len, to_len) = (length(from)?, length(to)?);
        let call = Call { name: "rename", handle: 0, lengths: [from.len(), to.len()], flags: 0 };
        // SAFETY: the invariant; both paths are as long as said.
        self.call(call, |sftp| unsafe {
            let (from_at, to_at) = (from.as_ptr().cast(), to.as_ptr().cast());
            raw::libssh2_sftp_rename_ex(sftp, from_at, from_len, to_at, to_len, 0) as isize
        })?;
        Ok(())
    }

    /// Makes a symbolic link at `path`. Target first, as OpenSSH has it and all others since; the drafts have it the other
    /// way round.
    pub fn symlink(&self, target: &[u8], path: &[u8]) -> Result<(), Error> {
        let (target_len, path_len) = (length(target)?, length(path)?);
        let call = Call { name: "symlink", handle: 0, lengths: [target.len(), path.len()], flags: 0 };
        let mut path = path.to_vec();
        // SAFETY: the invariant; both are as long as said. A server that answers with a name has it written over the path,
        // no more of it than the path's length: so that is a copy of ours.
        self.call(call, |sftp| unsafe {
            let (target_at, path_at) = (target.as_ptr().cast(), path.as_mut_ptr().cast());
            let kind = raw::LIBSSH2_SFTP_SYMLINK;
            raw::libssh2_sftp_symlink_ex(sftp, target_at, target_len, path_at, path_len, kind) as isize
        })?;
        Ok(())
    }

    /// Where a symbolic link points to.
    pub fn readlink(&self, path: &[u8]) -> Result<Vec<u8>, Error> {
        self.ask_name("readlink", path, raw::LIBSSH2_SFTP_READLINK)
    }

    /// The absolute path without links.
    pub fn realpath(&self, path: &[u8]) -> Result<Vec<u8>, Error> {
        self.ask_name("realpath", path, raw::LIBSSH2_SFTP_REALPATH)
    }

    fn ask_name(&self, name: &'static str, path: &[u8], kind: c_int) -> Result<Vec<u8>, Error> {
        let len = length(path)?;
        let mut room = vec![0u8; LONGEST_NAME];
        // SAFETY: the invariant; libssh2 writes at most the room's length.
        let taken = self.call(Call { name, handle: 0, lengths: [path.len(), 0], flags: 0 }, |sftp| unsafe {
            let (path_at, room_at) = (path.as_ptr().cast(), room.as_mut_ptr().cast());
            raw::libssh2_sftp_symlink_ex(sftp, path_at, len, room_at, LONGEST_NAME as c_uint, kind) as isize
        })?;
        room.truncate(taken);
        Ok(room)
    }

    /// Tells the server that nothing more is asked, and waits until it has closed the channel. No other call comes after
    /// this one.
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

    /// Lets a call in if nothing is under way, or if that is this very call.
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

    /// What a failed call leaves behind, and its error: the server's answer where that was one.
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

/// An open file or folder.
///
/// Invariant, besides that of `Sftp`: `handle` came from `libssh2_sftp_open_ex` on `sftp`, and is freed by the call of
/// `libssh2_sftp_close_handle` that does not return "would block"; `closed` tells that, and no call comes after it.
pub struct Handle<'a> {
    sftp: &'a Sftp,
    handle: NonNull<raw::LIBSSH2_SFTP_HANDLE>,
    closed: Cell<bool>,
    /// Bytes that were handed over and not yet acknowledged, at most.
    unacknowledged: Cell<usize>,
}

impl Handle<'_> {
    /// Reads on; 0 at the end. A larger buffer lets libssh2 ask ahead for more: four times its length.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        // SAFETY: both invariants; libssh2 writes at most the buffer's length, whatever that was at the try before.
        self.call("read", 0, |handle| unsafe {
            raw::libssh2_sftp_read(handle, buffer.as_mut_ptr().cast(), buffer.len())
        })
    }

    /// Hands bytes over; how many of them the server has acknowledged. All of the buffer is sent, in many packets, before
    /// the first is acknowledged: the next call is to begin with the first byte that was not, and may bring more after
    /// those it brought. Before anything else is asked all must be acknowledged.
    pub fn write(&self, bytes: &[u8]) -> Result<usize, Error> {
        self.unacknowledged.set(self.unacknowledged.get().max(bytes.len()));
        // SAFETY: both invariants; libssh2 reads no more than the buffer's length, and copies it.
        let taken = self.call("write", 0, |handle| unsafe {
            match raw::libssh2_sftp_write(handle, bytes.as_ptr().cast(), bytes.len()) {
                // It could not send all nor has any of it been acknowledged.
                0 if !bytes.is_empty() => raw::LIBSSH2_ERROR_EAGAIN as isize,
                result => result,
            }
        });
        match &taken {
            Ok(taken) => self.unacknowledged.set(bytes.len().saturating_sub(*taken)),
            // After a refusal libssh2 forgets what was under way.
            Err(error) if matches!(error.code(), ErrorCode::SFTP(_)) => self.unacknowledged.set(0),
            Err(_) => {}
        }
        taken
    }

    /// Where the next read or write begins. Only before the first of them.
    pub fn seek(&self, offset: u64) {
        if self.closed.get() || self.sftp.state.get() != State::Idle {
            return;
        }
        let _locked = self.sftp.session.raw();
        // SAFETY: both invariants; nothing is under way.
        unsafe { raw::libssh2_sftp_seek64(self.handle.as_ptr(), offset) }
    }

    pub fn stat(&self) -> Result<Attributes, Error> {
        let mut attributes = Attributes::default().to_raw();
        // SAFETY: both invariants; the attributes are ours to write.
        self.call("fstat", 0, |handle| unsafe { raw::libssh2_sftp_fstat_ex(handle, &mut attributes, 0) as isize })?;
        Ok(Attributes::from_raw(&attributes))
    }

    pub fn setstat(&self, attributes: &Attributes) -> Result<(), Error> {
        let mut attributes = attributes.to_raw();
        // SAFETY: both invariants; the flags, which tell the packet's length, are those of the first try.
        self.call("fsetstat", attributes.flags, |handle| unsafe {
            raw::libssh2_sftp_fstat_ex(handle, &mut attributes, 1) as isize
        })?;
        Ok(())
    }

    /// Puts the next name in a folder, `.` and `..` among them, into `name`, and gives its length; `None` at the end.
    pub fn read_dir(&self, name: &mut [u8; LONGEST_NAME]) -> Result<Option<(usize, Attributes)>, Error> {
        let mut attributes = Attributes::default().to_raw();
        // SAFETY: both invariants; libssh2 writes at most the buffer's length, and no long entry.
        let taken = self.call("readdir", 0, |handle| unsafe {
            let (name_at, none) = (name.as_mut_ptr().cast(), ptr::null_mut());
            raw::libssh2_sftp_readdir_ex(handle, name_at, LONGEST_NAME, none, 0, &mut attributes) as isize
        })?;
        Ok((taken > 0).then(|| (taken, Attributes::from_raw(&attributes))))
    }

    /// Closes it: on any answer but "would block" it is gone.
    pub fn close(&self) -> Result<(), Error> {
        if self.closed.get() {
            return Ok(());
        }
        // SAFETY: both invariants; `closed` is set where libssh2 frees it.
        self.call("close", 0, |handle| unsafe {
            let result = raw::libssh2_sftp_close_handle(handle);
            self.closed.set(result != raw::LIBSSH2_ERROR_EAGAIN);
            result as isize
        })
        .map(|_| ())
    }

    /// For a connection that was cut: what was under way here fails now when repeated, and then closing does, which frees
    /// the handle and its packets all the same.
    pub fn release(&self) {
        if let State::UnderWay(call) = self.sftp.state.get() {
            match call.name {
                "write" if self.is_of(call) => drop(self.write(&[])),
                "read" if self.is_of(call) => drop(self.read(&mut [0])),
                _ => {}
            }
        }
        if !self.closed.get() && !matches!(self.sftp.state.get(), State::UnderWay(_)) {
            let _locked = self.sftp.session.raw();
            // SAFETY: both invariants: nothing is under way, and the channel's own state is idle after a failure.
            let result = unsafe { raw::libssh2_sftp_close_handle(self.handle.as_ptr()) };
            self.closed.set(result != raw::LIBSSH2_ERROR_EAGAIN);
            self.sftp.state.set(State::Broken);
        }
    }

    fn is_of(&self, call: Call) -> bool {
        call.handle == self.handle.as_ptr() as usize
    }

    fn call(
        &self,
        name: &'static str,
        flags: c_ulong,
        run: impl FnOnce(*mut raw::LIBSSH2_SFTP_HANDLE) -> isize,
    ) -> Result<usize, Error> {
        if self.closed.get() {
            return Err(bad_use("the handle is closed"));
        }
        if self.unacknowledged.get() > 0 && name != "write" {
            return Err(bad_use("writes are not acknowledged yet"));
        }
        let handle = self.handle.as_ptr();
        self.sftp.call(Call { name, handle: handle as usize, lengths: [0, 0], flags }, |_| run(handle))
    }
}

impl Drop for Handle<'_> {
    /// One try. What then would block is left to the server, which closes what a channel had open when it ends; here it
    /// stays, some kilobytes, until the program ends. Nothing is sent into the middle of a write.
    fn drop(&mut self) {
        let _ = self.close();
    }
}

impl Attributes {
    fn to_raw(self) -> raw::LIBSSH2_SFTP_ATTRIBUTES {
        let flag = |present: bool, flag: c_ulong| if present { flag } else { 0 };
        let (atime, mtime) = self.times.unwrap_or_default();
        raw::LIBSSH2_SFTP_ATTRIBUTES {
            flags: flag(self.size.is_some(), raw::LIBSSH2_SFTP_ATTR_SIZE)
                | flag(self.mode.is_some(), raw::LIBSSH2_SFTP_ATTR_PERMISSIONS)
                | flag(self.times.is_some(), raw::LIBSSH2_SFTP_ATTR_ACMODTIME),
            filesize: self.size.unwrap_or_default(),
            // Never set: files belong to whoever logs in.
            uid: 0,
            gid: 0,
            permissions: self.mode.unwrap_or_default().into(),
            atime: atime.into(),
            mtime: mtime.into(),
        }
    }

    fn from_raw(from: &raw::LIBSSH2_SFTP_ATTRIBUTES) -> Attributes {
        let has = |flag: c_ulong| from.flags & flag != 0;
        Attributes {
            size: has(raw::LIBSSH2_SFTP_ATTR_SIZE).then_some(from.filesize),
            uid: has(raw::LIBSSH2_SFTP_ATTR_UIDGID).then_some(from.uid as u32),
            mode: has(raw::LIBSSH2_SFTP_ATTR_PERMISSIONS).then_some(from.permissions as u32),
            times: has(raw::LIBSSH2_SFTP_ATTR_ACMODTIME).then_some((from.atime as u32, from.mtime as u32)),
        }
    }
}

fn length(path: &[u8]) -> Result<c_uint, Error> {
    match path.len() <= LONGEST_PATH {
        true => Ok(path.len() as c_uint),
        false => Err(Error::from_errno(ErrorCode::SFTP(raw::LIBSSH2_FX_INVALID_FILENAME))),
    }
}

fn bad_use(why: &'static str) -> Error {
    Error::new(ErrorCode::Session(raw::LIBSSH2_ERROR_BAD_USE), why)
}
