//! The command line of `cargo xtask`.

use crate::{files, generate};
use cerveza_manners::{Failure, Result, Status, Tool};
use clap::Parser;

/// What to run when a generated file is stale.
const FIX: &str = "run: cargo xtask";

/// Write man/ and completions/ from the clap definitions and the hand-written manuals
#[derive(Parser, Clone, Debug)]
#[command(name = "cargo xtask")]
pub struct Args {
    /// Write nothing; name the files that are stale, and fail if there are any
    #[arg(long)]
    pub check: bool,
}

pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    let generated = generate()?;
    let stale = files::stale(&generated);
    if args.check {
        return match stale.is_empty() {
            true => Ok(Status::Done),
            false => Err(Failure::usage(format!("stale: {}", stale.join(", "))).hint(FIX)),
        };
    }
    files::write(&generated)?;
    for file in stale {
        let done = if generated.contains_key(&file) { "wrote" } else { "removed" };
        tool.summary(format!("{done} {file}"));
    }
    Ok(Status::Done)
}
