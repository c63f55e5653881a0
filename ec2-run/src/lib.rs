//! `ec2-run`: runs a command on hosts through SSM Run Command, and writes the record of each.
//!
//! Imports run one way: `cli` (options, hosts, --dry-run), `run` (sends commands and polls them), `script` (what runs on
//! the host, and how its answer is read).

mod cli;
mod run;
mod script;

pub use cli::args::Args;
pub use cli::hint::hint;
pub use cli::{command, run};

use std::env::ArgsOs;
use std::process::ExitCode;

/// Runs the tool with a command line, and returns its exit status.
pub fn main(words: ArgsOs) -> ExitCode {
    cerveza_manners::main(words, "ec2-run", hint, run)
}
