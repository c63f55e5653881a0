//! `ec2-ls`: finds instances and writes them as records.

mod cli;
mod condition;
mod find;
mod query;
mod show;

pub use cli::{Args, command, run};
