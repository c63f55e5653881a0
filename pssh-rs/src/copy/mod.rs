//! `--push` and `--pull`: copies files and trees over SFTP with mode, mtime and symbolic links. A file is replaced as a
//! whole or not at all. An unfinished copy is continued by the next run.
//!
//! A plan is made once for the whole run: `spec` reads the options, `tree` the local files. `push` and `pull` act on
//! one host through `remote`, one SFTP session with our deadlines. `push` sends files by `send`. `pull` finds files by
//! `find` and writes them by `local`, which cannot leave its folder. `names` and `pattern` are rules for names, `budget`
//! limits the memory that names take, and `cause` says why a copy failed.

mod budget;
mod cause;
mod find;
mod local;
mod names;
mod pattern;
mod pull;
mod pull_plan;
mod push;
mod remote;
mod send;
mod spec;
#[cfg(test)]
mod test_server;
#[cfg(test)]
mod tests;
mod tree;

pub use cause::{Cause, CopyError};
pub use pull::pull;
pub use pull_plan::PullPlan;
pub use push::push;
pub use spec::Spec;
pub use tree::PushPlan;
