//! `ec2-ls`: finds instances and writes them as records.

mod cli;
mod condition;
mod find;
mod query;
mod show;

pub use cli::{Args, command, run};

use std::env::ArgsOs;
use std::process::ExitCode;

/// Runs the tool with a command line, and returns its exit status.
pub fn main(words: ArgsOs) -> ExitCode {
    cerveza_manners::main(words, "ec2-ls", cerveza_ec2::awscli_hint, run)
}
