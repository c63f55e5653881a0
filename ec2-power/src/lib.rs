//! `ec2-power`: starts, stops, reboots, resizes and terminates instances.

mod args;
mod cli;
mod confirm;
mod due;
mod execute;
mod guard;
mod hint;
mod identity;
mod leftovers;
mod plan;
mod resize;

pub use args::Args;
pub use cli::{command, run};
pub use hint::hint;

use std::env::ArgsOs;
use std::process::ExitCode;

/// Runs the tool with a command line, and returns its exit status.
pub fn main(words: ArgsOs) -> ExitCode {
    cerveza_manners::main(words, "ec2-power", hint, run)
}
