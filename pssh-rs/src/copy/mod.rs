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

use cerveza_results::Copied;
use std::fmt;

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
