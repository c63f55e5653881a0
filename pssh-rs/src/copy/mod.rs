//! `--push` and `--pull`: files and trees over SFTP on an open connection, as they were (mode, mtime, symbolic links), each
//! file whole or not at all, and what was begun is continued.
//!
//! A plan is made once for the whole run: `spec` reads the options, `tree` the local files; then `push` and `pull` act on
//! one host, through `remote` (one SFTP session under our deadlines) and, where a server decides what is written here,
//! through `local`, which cannot leave its folder. `names` and `pattern` are the rules, `budget` limits the memory that names take.

mod budget;
mod local;
mod names;
mod pattern;
mod pull;
mod push;
mod remote;
mod spec;
#[cfg(test)]
mod tests;
mod tree;

pub use pull::{PullPlan, pull};
pub use push::push;
pub use remote::Cause;
pub use spec::Spec;
pub use tree::PushPlan;

use std::fmt;

/// So many remarks are kept of a host; who sends more has more of the same.
const MOST_REMARKS: usize = 100;

/// What was copied, also where it did not come to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Files and symbolic links that are now as the source, those that were so before not counted.
    pub files: u64,
    /// Of contents, over the wire.
    pub bytes: u64,
    /// Files and symbolic links that were as the source already.
    pub unchanged: u64,
    /// What was left out or is not quite as the source, and why: `PATH: why`.
    pub skipped: Vec<String>,
    /// Beyond those.
    pub more_skipped: u64,
}

impl Copied {
    pub fn add(&mut self, more: Copied) {
        self.files += more.files;
        self.bytes += more.bytes;
        self.unchanged += more.unchanged;
        self.skipped.extend(more.skipped);
        self.more_skipped += more.more_skipped;
    }

    fn skip(&mut self, path: &[u8], why: impl fmt::Display) {
        self.remark(format!("{}: {why}", names::shown(path)));
    }

    fn remark(&mut self, remark: String) {
        match self.skipped.len() < MOST_REMARKS {
            true => self.skipped.push(remark),
            false => self.more_skipped += 1,
        }
    }
}

/// Why a copy did not come to its end. What was done before stays done.
#[derive(Debug)]
pub struct CopyError {
    pub copied: Copied,
    pub cause: Cause,
    /// The file that what there is of the unfinished one was kept in, for the next run to continue: a path over there for
    /// a push, here for a pull.
    pub partial: Option<String>,
}

/// What a push or pull comes to.
fn ended(done: Result<(), Cause>, copied: Copied, partial: Option<String>) -> Result<Copied, Box<CopyError>> {
    match done {
        Ok(()) => Ok(copied),
        Err(cause) => Err(Box::new(CopyError { copied, cause, partial })),
    }
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
