//! An open file or folder of an SFTP server.

use super::{Attributes, Call, LONGEST_NAME, Sftp, State, bad_use};
use libssh2_sys as raw;
use ssh2::{Error, ErrorCode};
use std::cell::Cell;
use std::ffi::c_ulong;
use std::ptr::{self, NonNull};

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

impl<'a> Handle<'a> {
    pub(super) fn new(sftp: &'a Sftp, handle: NonNull<raw::LIBSSH2_SFTP_HANDLE>) -> Handle<'a> {
        Handle { sftp, handle, closed: Cell::new(false), unacknowledged: Cell::new(0) }
    }

    /// Reads what comes next; 0 at the end. libssh2 requests four times the length of the buffer ahead.
    pub fn read(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        // SAFETY: both invariants; libssh2 writes at most the buffer's length, whatever that was at the try before.
        self.call("read", 0, |handle| unsafe {
            raw::libssh2_sftp_read(handle, buffer.as_mut_ptr().cast(), buffer.len())
        })
    }

    /// Writes bytes. Returns how many of them the server has acknowledged. All of the buffer is sent, in many packets, before
    /// the first is acknowledged. The next call must begin with the first byte that was not, and may have more bytes at its
    /// end. Before any other call all must be acknowledged.
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

    /// Sets where the next read or write begins. Only before the first of them.
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

    /// Reads the next name of a folder into `name`, also `.` and `..`. Returns its length, or `None` at the end.
    pub fn read_dir(&self, name: &mut [u8; LONGEST_NAME]) -> Result<Option<(usize, Attributes)>, Error> {
        let mut attributes = Attributes::default().to_raw();
        // SAFETY: both invariants; libssh2 writes at most the buffer's length, and no long entry.
        let taken = self.call("readdir", 0, |handle| unsafe {
            let (name_at, none) = (name.as_mut_ptr().cast(), ptr::null_mut());
            raw::libssh2_sftp_readdir_ex(handle, name_at, LONGEST_NAME, none, 0, &mut attributes) as isize
        })?;
        Ok((taken > 0).then(|| (taken, Attributes::from_raw(&attributes))))
    }

    /// Closes the handle. It is gone after any answer but "would block".
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

    /// Frees the handle after the connection was cut: the current call fails when it is repeated, and so does closing,
    /// which frees the handle and its packets all the same.
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
    /// Tries once. If that would block, the server closes the file when the channel ends, and some kilobytes stay allocated
    /// until the program ends.
    fn drop(&mut self) {
        let _ = self.close();
    }
}
