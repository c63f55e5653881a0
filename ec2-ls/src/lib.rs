//! `ec2-ls`: finds instances and writes them as records.

mod arrange;
mod cli;
mod condition;
mod details;
mod find;
mod last;
mod note;
mod query;
mod resources;
mod search;
mod show;
mod show_args;
mod watch;
mod writer;

pub use cli::{Args, command, run};
