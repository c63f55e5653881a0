//! One SFTP session. Each call ends by our deadlines, and its errors are told apart.

use super::cause::Cause;
use super::names::shown;
use crate::base::wait::WaitError;
use crate::ffi::{Attributes, Handle, LONGEST_NAME, Open, Sftp};
use crate::session::exec::START;
use crate::session::open_channel::is_refused;
use crate::session::ssh_session::{LOST, SshSession, is_disconnect};
use libssh2_sys as raw;
use ssh2::{Error, ErrorCode, Session};
use std::time::{Duration, Instant};

/// Time limit for one answer of the server, with or without `-t`. libssh2 has the same limit for some of them.
const ANSWER: Duration = Duration::from_secs(60);
/// Time limit for the server to close its end of the session.
const CLOSE: Duration = Duration::from_secs(10);
/// The most bytes that may arrive before an answer is complete. libssh2 reads up to 16 MiB of names at a time, and keeps
/// everything that a server sends.
const MOST_OF_ANSWER: u64 = 32 << 20;
const FLOOD: &str = "the server sends what it was not asked for";

/// Visits a name in a folder, with its attributes.
pub type Visit<'a> = dyn FnMut(&[u8], Attributes) -> Result<(), Cause> + 'a;

pub struct Remote<'a> {
    session: &'a SshSession,
    sftp: Sftp,
    deadline: Option<Instant>,
}

impl<'a> Remote<'a> {
    pub fn open(session: &'a SshSession, deadline: Option<Instant>) -> Result<Remote<'a>, Cause> {
        let start = Instant::now() + START;
        let bound = deadline.map_or(start, |deadline| deadline.min(start));
        let sftp = session.open_channel(Some(bound), limited(session, Sftp::open)).map_err(|wait_error| {
            match wait_error {
            WaitError::Deadline if bound == start => Cause::Silent(START),
            WaitError::Ssh(error) if session.is_closed() => Cause::WaitError(WaitError::Ssh(error)),
            WaitError::Ssh(error) if error.message() == FLOOD => Cause::NoSftp(FLOOD.to_string()),
            WaitError::Ssh(error) if is_refused(&error) => Cause::NoSftp(
                "the server refused to open a session for SFTP (does its MaxSessions allow one?)".to_string(),
            ),
            WaitError::Ssh(error) => Cause::NoSftp(match error.code() {
                ErrorCode::Session(raw::LIBSSH2_ERROR_CHANNEL_PACKET_EXCEEDED | raw::LIBSSH2_ERROR_SFTP_PROTOCOL) => {
                    "what the server's SFTP subsystem says is no SFTP (does the shell's startup file print something?)"
                        .to_string()
                }
                _ => format!("the server has no SFTP subsystem: {}", error.message()),
            }),
            wait_error => Cause::WaitError(wait_error),
        }
        })?;
        Ok(Remote { session, sftp, deadline })
    }

    /// Returns an error after the deadline or a stop, also if no call waits.
    pub fn check(&self) -> Result<(), Cause> {
        self.session.check(self.deadline).map_err(Cause::WaitError)
    }

    /// Repeats a call about a path until the server has answered.
    fn ask<T>(&self, path: &[u8], mut call: impl FnMut(&Sftp) -> Result<T, Error>) -> Result<T, Cause> {
        self.check()?;
        let silence = Instant::now() + ANSWER;
        let bound = self.deadline.map_or(silence, |deadline| deadline.min(silence));
        self.session.drive(Some(bound), limited(self.session, |_| call(&self.sftp))).map_err(|wait_error| {
            match wait_error {
                WaitError::Deadline if bound == silence => Cause::Silent(ANSWER),
                WaitError::Ssh(error) => match error.code() {
                    ErrorCode::SFTP(code) => Cause::Answer {
                        path: shown(path),
                        code,
                        words: words(code).unwrap_or(error.message()).to_string(),
                    },
                    ErrorCode::Session(raw::LIBSSH2_ERROR_TIMEOUT) => Cause::Silent(ANSWER),
                    _ if error.message() == FLOOD => Cause::WaitError(WaitError::Io(std::io::Error::other(FLOOD))),
                    _ if is_disconnect(&error) || self.session.is_closed() => {
                        Cause::WaitError(WaitError::Io(std::io::Error::other(LOST)))
                    }
                    _ => Cause::WaitError(WaitError::Ssh(error)),
                },
                wait_error => Cause::WaitError(wait_error),
            }
        })
    }

    /// Returns what a path leads to, if there is anything.
    pub fn stat(&self, path: &[u8]) -> Result<Option<Attributes>, Cause> {
        found(self.ask(path, |sftp| sftp.stat(path)))
    }

    /// Returns what is at a path itself, if anything is. Does not follow a link.
    pub fn lstat(&self, path: &[u8]) -> Result<Option<Attributes>, Cause> {
        found(self.ask(path, |sftp| sftp.lstat(path)))
    }

    pub fn setstat(&self, path: &[u8], attributes: &Attributes) -> Result<(), Cause> {
        self.ask(path, |sftp| sftp.setstat(path, attributes))
    }

    pub fn mkdir(&self, path: &[u8], mode: u32) -> Result<(), Cause> {
        self.ask(path, |sftp| sftp.mkdir(path, mode))
    }

    /// Removes a file, if there is one.
    pub fn unlink(&self, path: &[u8]) -> Result<(), Cause> {
        found(self.ask(path, |sftp| sftp.unlink(path))).map(|_| ())
    }

    pub fn symlink(&self, target: &[u8], path: &[u8]) -> Result<(), Cause> {
        self.ask(path, |sftp| sftp.symlink(target, path))
    }

    pub fn readlink(&self, path: &[u8]) -> Result<Vec<u8>, Cause> {
        self.ask(path, |sftp| sftp.readlink(path))
    }

    pub fn realpath(&self, path: &[u8]) -> Result<Vec<u8>, Cause> {
        self.ask(path, |sftp| sftp.realpath(path))
    }

    /// Puts `from` in the place of `to`. Returns whether that was one step, which not every server can do.
    pub fn replace(&self, from: &[u8], to: &[u8]) -> Result<bool, Cause> {
        match self.ask(to, |sftp| sftp.posix_rename(from, to)) {
            Err(cause) if cause.is_unsupported() => {
                self.unlink(to)?;
                self.ask(to, |sftp| sftp.rename(from, to))?;
                Ok(false)
            }
            result => result.map(|()| true),
        }
    }

    /// Opens a file. An error names `as_path`.
    pub fn open_file(&self, path: &[u8], open: Open, as_path: &[u8]) -> Result<Handle<'_>, Cause> {
        // Not by `ask`: the handle borrows from here, not from the call.
        let sftp = &self.sftp;
        self.ask(as_path, |_| sftp.open_file(path, open))
    }

    /// Visits all names in a folder but `.` and `..`.
    pub fn list(&self, path: &[u8], visit: &mut Visit<'_>) -> Result<(), Cause> {
        let sftp = &self.sftp;
        let here = here(path);
        let handle = self.ask(here, |_| sftp.open_dir(here))?;
        let mut buffer = [0; LONGEST_NAME];
        let mut read = || {
            while let Some((len, attributes)) = self.ask(here, |_| handle.read_dir(&mut buffer))? {
                let name = &buffer[..len];
                if name != b"." && name != b".." {
                    visit(name, attributes)?;
                }
            }
            Ok(())
        };
        let listed = match read() {
            Err(Cause::WaitError(WaitError::Ssh(error)))
                if error.code() == ErrorCode::Session(raw::LIBSSH2_ERROR_PROTO) =>
            {
                let what = format!("the server lists a name of {LONGEST_NAME} bytes or more, or what is not a list");
                Err(Cause::Refused(format!("{}: {what}", shown(here))))
            }
            listed => listed,
        };
        self.finish(&handle, here, listed)
    }

    /// Ends the SFTP session. The server has room for the next session when this returns.
    pub fn close(self) {
        let by = Instant::now() + CLOSE;
        let by = self.deadline.map_or(by, |deadline| deadline.min(by));
        // A failure changes nothing about what was copied.
        let _ = self.session.drive(Some(by), |_| self.sftp.close());
    }

    pub fn read(&self, handle: &Handle<'_>, path: &[u8], buffer: &mut [u8]) -> Result<usize, Cause> {
        self.ask(path, |_| handle.read(buffer))
    }

    pub fn write(&self, handle: &Handle<'_>, path: &[u8], bytes: &[u8]) -> Result<usize, Cause> {
        self.ask(path, |_| handle.write(bytes))
    }

    pub fn fstat(&self, handle: &Handle<'_>, path: &[u8]) -> Result<Attributes, Cause> {
        self.ask(path, |_| handle.stat())
    }

    pub fn fsetstat(&self, handle: &Handle<'_>, path: &[u8], attributes: &Attributes) -> Result<(), Cause> {
        self.ask(path, |_| handle.setstat(attributes))
    }

    /// Closes a handle, and returns the result of what was done with it. If the connection is at its end, cuts it, so
    /// libssh2 sends no half packet again and frees the handle.
    pub fn finish<T>(&self, handle: &Handle<'_>, path: &[u8], result: Result<T, Cause>) -> Result<T, Cause> {
        let closed = match &result {
            Err(cause) if cause.is_end() => Ok(()),
            _ => self.ask(path, |_| handle.close()),
        };
        let result = result.and_then(|value| closed.map(|()| value));
        if matches!(&result, Err(cause) if cause.is_end()) {
            self.session.cut();
            handle.release();
        }
        result
    }
}

/// Makes a call fail if more has arrived than one answer can take.
fn limited<T>(
    session: &SshSession,
    mut call: impl FnMut(&Session) -> Result<T, Error>,
) -> impl FnMut(&Session) -> Result<T, Error> {
    let before = session.received();
    move |ssh2_session| {
        if session.received() - before > MOST_OF_ANSWER {
            return Err(Error::new(ErrorCode::Session(raw::LIBSSH2_ERROR_OUT_OF_BOUNDARY), FLOOD));
        }
        call(ssh2_session)
    }
}

/// Returns a path for SFTP, in which the home folder is `.`.
pub fn here(path: &[u8]) -> &[u8] {
    if path.is_empty() { b"." } else { path }
}

/// Makes `None` of the answer that nothing is at a path.
fn found<T>(result: Result<T, Cause>) -> Result<Option<T>, Cause> {
    match result {
        Err(cause) if cause.is_missing() => Ok(None),
        result => result.map(Some),
    }
}

/// Returns the usual words for the common answers.
fn words(code: i32) -> Option<&'static str> {
    Some(match code {
        raw::LIBSSH2_FX_NO_SUCH_FILE | raw::LIBSSH2_FX_NO_SUCH_PATH => "no such file or directory",
        raw::LIBSSH2_FX_PERMISSION_DENIED => "permission denied",
        // All that version 3 has no word for: a full disk, a read-only file system, a name that is too long.
        raw::LIBSSH2_FX_FAILURE => "the server says only that it failed (a full disk? a name too long?)",
        raw::LIBSSH2_FX_OP_UNSUPPORTED => "the server cannot do that",
        raw::LIBSSH2_FX_INVALID_FILENAME => "too long a path",
        _ => return None,
    })
}

/// The type of a file in `st_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    File,
    Folder,
    Link,
    /// A device, a pipe, a socket, or unknown.
    Other,
}

impl Attributes {
    pub fn kind(&self) -> FileKind {
        match self.mode.unwrap_or_default() & 0o170000 {
            0o100000 => FileKind::File,
            0o040000 => FileKind::Folder,
            0o120000 => FileKind::Link,
            _ => FileKind::Other,
        }
    }

    pub fn permissions(&self) -> Option<u32> {
        self.mode.map(|mode| mode & 0o777)
    }

    pub fn mtime(&self) -> Option<u32> {
        self.times.map(|(_, mtime)| mtime)
    }
}
