//! `hostrange`: sets of host names, written as expressions such as `mysql[1-40]`.
//!
//! Every other tool reads its hosts with this library: [`read_given`].
//!
//! Folders, each of which imports only from those after it: `cli` (the command), `output` (writes hosts), `input` (reads
//! stdin, files and arguments), `fold` (names to an expression), `language` (an expression to a set), `node_groups`
//! (`@NAME`), `set` (unions and operations), `pattern` (one name with brackets, such as `web[1-3]`).

mod cli;
pub mod completion;
mod fold;
mod input;
mod language;
mod node_groups;
mod output;
mod pattern;
mod set;

#[cfg(test)]
mod tests;

pub use cli::args::{Args, hint};
pub use cli::{command, run};
pub use fold::fold;
pub use input::{
    ExcludedHosts, Given, given_from, read_given, read_given_unless_empty, read_hosts_and_excluded, warn_of_globbed,
};
