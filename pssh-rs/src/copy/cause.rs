//! Why a copy failed.

use crate::base::wait::WaitError;
use crate::session::ssh_session::phrase;
use cerveza_results::Copied;
use libssh2_sys as raw;
use std::fmt;
use std::time::Duration;

/// Why a copy failed.
#[derive(Debug)]
pub enum Cause {
    /// The server's answer about a path.
    Answer {
        path: String,
        code: i32,
        words: String,
    },
    /// What is there, on either side, does not allow this copy.
    Refused(String),
    /// The server has no SFTP.
    NoSftp(String),
    /// A problem of this machine: a file that changed, a full disk.
    Local(String),
    /// The server did not answer for this time.
    Silent(Duration),
    WaitError(WaitError),
}

impl Cause {
    /// Whether the server said that nothing is at the path.
    pub fn is_missing(&self) -> bool {
        matches!(self, Cause::Answer { code: raw::LIBSSH2_FX_NO_SUCH_FILE | raw::LIBSSH2_FX_NO_SUCH_PATH, .. })
    }

    /// Whether something may be at the path already. OpenSSH says then only that it failed.
    pub fn is_taken(&self) -> bool {
        matches!(self, Cause::Answer { code: raw::LIBSSH2_FX_FAILURE | raw::LIBSSH2_FX_FILE_ALREADY_EXISTS, .. })
    }

    pub fn is_unsupported(&self) -> bool {
        matches!(self, Cause::Answer { code: raw::LIBSSH2_FX_OP_UNSUPPORTED, .. })
    }

    /// Whether the connection can no longer be used.
    pub fn is_end(&self) -> bool {
        matches!(self, Cause::Silent(_) | Cause::WaitError(_))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Answer { path, code, words } => write!(f, "{path}: {words} (SFTP {code})"),
            Cause::Refused(why) | Cause::NoSftp(why) | Cause::Local(why) => f.write_str(why),
            Cause::Silent(bound) => {
                write!(f, "no answer from the SFTP server within {}", humantime::format_duration(*bound))
            }
            Cause::WaitError(WaitError::Deadline) => f.write_str("the time was over"),
            Cause::WaitError(WaitError::Stopped) => f.write_str("interrupted"),
            Cause::WaitError(WaitError::Ssh(error)) => f.write_str(&phrase(error)),
            Cause::WaitError(WaitError::Io(error)) => write!(f, "{error}"),
        }
    }
}

/// What became of the copy of a file.
pub enum Copy {
    Done,
    /// The temporary file is gone, or was there already: another run may be copying the same file at the same time.
    Raced(Cause),
}

/// How often a file is copied again that another run copies at the same time.
const RACES: usize = 5;

/// Copies a file, and again while another run takes its temporary file away. `copy` gets the number of the attempt.
pub fn repeated(mut copy: impl FnMut(usize) -> Result<Copy, Cause>) -> Result<(), Cause> {
    let mut attempt = 0;
    loop {
        match copy(attempt)? {
            Copy::Done => return Ok(()),
            Copy::Raced(cause) if attempt == RACES => return Err(cause),
            Copy::Raced(_) => attempt += 1,
        }
    }
}

/// A copy that failed. What was copied before stays.
#[derive(Debug)]
pub struct CopyError {
    pub copied: Copied,
    pub cause: Cause,
    /// The file with the part that was copied, which the next run continues: a remote path for a push, a local one for a
    /// pull.
    pub partial: Option<String>,
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        match &self.partial {
            Some(path) => write!(f, " (what there is of it is in {path}: the same command continues it)"),
            None => Ok(()),
        }
    }
}

/// Returns the result of a push or pull.
pub(super) fn copy_result(
    done: Result<(), Cause>,
    copied: Copied,
    partial: Option<String>,
) -> Result<Copied, Box<CopyError>> {
    match done {
        Ok(()) => Ok(copied),
        Err(cause) => Err(Box::new(CopyError { copied, cause, partial })),
    }
}
