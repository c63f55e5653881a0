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
    cerveza_manners::main(words, "ec2-ls", hint, run)
}

/// Returns what `ec2-ls` has for an option that it does not have, or that lacks its value.
fn hint(word: &str) -> Option<String> {
    let hint = match word {
        "--name" | "--names" => "names are words, as in `ec2-ls 'web*'`",
        "--security-group" | "--sg" => "the option is --group GROUP",
        "--tag" | "--tags" => "tags are words, as in `ec2-ls role=web`",
        "--watch=" => "--watch takes seconds, as in --watch 10",
        _ => return cerveza_ec2::awscli_hint(word),
    };
    Some(hint.to_string())
}
