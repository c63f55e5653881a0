//! `ec2-launch`: makes each named host exist and run: launches it, starts it, or leaves it alone.

mod cli;
mod disks;
mod document;
mod execute;
mod library;
mod memory;
mod plan;
mod profile;
mod request;
mod tags;

pub use cli::{Args, command, run};
pub use document::key_help::{KeyHelp, key_tables};

use std::env::ArgsOs;
use std::process::ExitCode;

/// Runs the tool with a command line, and returns its exit status.
pub fn main(words: ArgsOs) -> ExitCode {
    cerveza_manners::main(words, "ec2-launch", cli::hint::hint, run)
}
