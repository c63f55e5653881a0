//! `ec2-ls`: finds instances and writes them as records.

mod advice;
mod arrange;
mod cli;
mod condition;
mod conditions;
mod details;
mod filter_option;
mod find;
mod find_args;
mod last;
mod note;
mod query;
mod resources;
mod search;
mod shell;
mod show;
mod show_args;
mod watch;
mod words;
mod writer;

pub use cli::{Args, command, run};
