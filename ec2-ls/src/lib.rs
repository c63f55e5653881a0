//! `ec2-ls`: finds instances and writes them as records.

mod cli;
mod find_args;
mod query;
mod search;
mod show;
mod show_args;
mod user_data;

pub use cli::{Args, command, run};
