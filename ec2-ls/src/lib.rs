//! `ec2-ls`: finds instances and writes them as records.

mod arrange;
mod cli;
mod condition;
mod details;
mod find;
mod last;
mod query;
mod resources;
mod search;
mod show;

pub use cli::{Args, command, run};
