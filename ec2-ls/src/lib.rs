//! `ec2-ls`: finds instances and writes them as records.

mod cli;
mod details;
mod find_args;
mod note;
mod query;
mod resources;
mod search;
mod show;
mod show_args;
mod watch;

pub use cli::{Args, command, run};
