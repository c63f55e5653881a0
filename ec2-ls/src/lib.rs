//! `ec2-ls`: finds instances and writes them as records.

mod cli;
mod query;
mod user_data;

pub use cli::{Args, command, run};
