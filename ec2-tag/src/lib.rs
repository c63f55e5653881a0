//! `ec2-tag`: sets and removes tags of instances and their volumes.

mod cli;
mod execute;
mod facts;
mod hint;
mod plan;
mod show;
mod wanted;
mod words;

pub use cli::{Args, command, run};

use std::env::ArgsOs;
use std::process::ExitCode;

/// Runs the tool with a command line, and returns its exit status.
pub fn main(words: ArgsOs) -> ExitCode {
    cerveza_manners::main(words, "ec2-tag", hint::hint, run)
}
