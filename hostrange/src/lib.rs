//! `hostrange`: sets of host names as expressions, such as `mysql[1-40]`.
//!
//! The library is also how every other tool takes its hosts: [`read_hosts`].

mod args;
mod bracket;
mod cli;
mod count;
mod digits;
mod error;
mod field;
mod fold;
mod folded;
mod grouped;
mod input;
mod item;
mod names;
mod node_group_list;
mod nodegroups;
mod options;
mod order;
mod output;
mod parse;
mod pattern;
mod query;
mod select;
mod set;
mod visit;

#[cfg(test)]
mod tests;

pub use args::Args;
pub use cerveza_record::natural_cmp;
pub use cli::{command, run};
pub use fold::fold;
pub use input::{
    ExcludedHosts, Given, given_from, read_given, read_given_unless_empty, read_hosts, read_hosts_and_excluded,
    warn_of_globbed,
};
