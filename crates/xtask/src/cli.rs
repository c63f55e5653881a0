//! The command line of `cargo xtask`.

use crate::{layers, pages};
use cerveza_manners::{Result, Status, Tool};
use clap::{Parser, Subcommand};

/// Write man/ and completions/ from the clap definitions and the hand-written manuals
#[derive(Parser, Clone, Debug)]
#[command(name = "cargo xtask", args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Write nothing; list the files that are out of date, and fail if there are any
    #[arg(long)]
    pub check: bool,
    #[command(subcommand)]
    pub job: Option<Job>,
}

#[derive(Subcommand, Clone, Debug)]
pub enum Job {
    /// Print the circles of imports between folders of a crate, and fail if there are any
    Layers,
}

pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    match args.job {
        Some(Job::Layers) => layers::run(&pages::root(), tool),
        None => pages::run(args.check, tool),
    }
}
