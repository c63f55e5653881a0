//! `hostrange`: sets of host names as expressions, such as `mysql[1-40]`.
//!
//! The library is also how every other tool takes its hosts: [`read_hosts`].

mod cli;
mod fold;
mod input;
mod language;
mod nodegroups;
mod output;
mod pattern;
mod set;

#[cfg(test)]
mod tests;

pub use cerveza_record::natural_cmp;
pub use cli::args::Args;
pub use cli::{command, run};
pub use fold::fold;
pub use input::{
    ExcludedHosts, Given, given_from, read_given, read_given_unless_empty, read_hosts, read_hosts_and_excluded,
    warn_of_globbed,
};
