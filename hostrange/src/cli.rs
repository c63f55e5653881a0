//! The command line of `hostrange`.

use crate::fold;
use crate::hosts::{Entry, MOST_REMEMBERED, entries, for_each_host};
use cerveza_manners::{Column, Failure, OutputArgs, OutputMode, RecordWriter, Result, Status, Tool};
use clap::{CommandFactory, Parser};
use std::io::{self, Write};

/// Expand and fold sets of host names
///
/// Expands expressions such as mysql[1-40] into host names, or folds names back into one expression.
#[derive(Parser, Clone, Debug)]
#[command(name = "hostrange", version)]
pub struct Args {
    /// Expressions, as in 'web[1-3]' or 'n[1-2][01-10],db1'; `-` reads names and records from stdin, as does no
    /// expression at all
    #[arg(value_name = "EXPR")]
    pub expressions: Vec<String>,

    /// Fold the names into one expression
    #[arg(short, long, conflicts_with_all = ["output", "names"])]
    pub fold: bool,

    #[command(flatten)]
    pub output: OutputArgs,
}

const COLUMNS: [Column; 1] = [Column { header: "HOST", key: "host" }];

pub fn command() -> clap::Command {
    Args::command()
}

/// Reads to the end, then expands or folds: a reader that acts on hosts must not get half of a bad input.
pub fn run(args: &Args, _tool: &Tool) -> Result<Status> {
    let entries = entries(&args.expressions)?;
    match args.fold {
        true => fold_all(entries),
        false => expand_all(entries, args.output.mode(OutputMode::Names)),
    }
}

fn expand_all(entries: Vec<Entry>, mode: OutputMode) -> Result<Status> {
    let mut writer = RecordWriter::stdout(mode, &COLUMNS);
    for_each_host(entries, |record| writer.write(&record))?;
    writer.finish()?;
    Ok(Status::Done)
}

fn fold_all(entries: Vec<Entry>) -> Result<Status> {
    let count = |entry: &Entry| match entry {
        Entry::Record(_) => Some(1),
        Entry::Set { set, .. } => set.count(),
    };
    let many = entries.iter().try_fold(0u128, |sum, entry| sum.checked_add(count(entry)?));
    if many.is_none_or(|many| many > MOST_REMEMBERED) {
        return Err(Failure::usage(format!("cannot fold more than {MOST_REMEMBERED} names")));
    }
    let mut names = Vec::new();
    for_each_host(entries, |record| {
        names.push(record.host().to_string());
        Ok(())
    })?;
    let folded = fold(names.iter().map(String::as_str)).map_err(|error| Failure::usage(error.to_string()))?;
    writeln!(io::stdout(), "{folded}").map_err(|error| Failure::stdout(&error))?;
    Ok(Status::Done)
}
