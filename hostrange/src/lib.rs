//! `hostrange`: sets of host names as expressions, such as `mysql[1-40]`.
//!
//! The library is also how every other tool takes its hosts: [`read_hosts`].

mod cli;
mod error;
mod expand;
mod fold;
mod hosts;
mod natural;
mod parse;

pub use cli::{Args, command, run};
pub use error::ExprError;
pub use expand::Names;
pub use fold::{FoldError, fold, fold_or_list};
pub use hosts::{hosts_from, read_hosts};
pub use natural::natural_cmp;
pub use parse::{HostSet, parse};
