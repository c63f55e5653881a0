//! The command line of `hostrange`.

use crate::fold;
use crate::hosts::{Entry, entries};
use cerveza_manners::{Column, Failure, OutputArgs, OutputMode, RecordWriter, Result, Status, Tool};
use cerveza_record::Record;
use clap::{CommandFactory, Parser};
use std::collections::HashSet;
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
        true => fold_all(&entries),
        false => expand_all(&entries, args.output.mode(OutputMode::Names)),
    }
}

/// Names of which those that came before are remembered: some gigabytes of memory at the most.
const MOST_REMEMBERED: u128 = 20_000_000;

/// Gives every record and name to `each`, as they are expanded; a name that came before is left out.
fn for_each_host(entries: &[Entry], mut each: impl FnMut(&Record) -> Result<()>) -> Result<()> {
    let is_distinct = matches!(entries, [Entry::Set { set, .. }] if set.is_plainly_distinct());
    let mut seen = HashSet::new();
    for entry in entries {
        match entry {
            Entry::Record(record) => each(record)?,
            Entry::Set { text, set } => {
                if !is_distinct && set.count().is_none_or(|count| count > MOST_REMEMBERED) {
                    let why = format!("more than {MOST_REMEMBERED} names, of which one may come twice");
                    return Err(Failure::usage(format!("{text} stands for {why}")));
                }
                let mut names = set.names();
                while let Some(name) = names.next_name() {
                    if is_distinct || seen.insert(name.to_string()) {
                        each(&Record::named(name))?;
                    }
                }
            }
        }
    }
    Ok(())
}

fn expand_all(entries: &[Entry], mode: OutputMode) -> Result<Status> {
    let mut writer = RecordWriter::stdout(mode, &COLUMNS);
    for_each_host(entries, |record| writer.write(record))?;
    writer.finish()?;
    Ok(Status::Done)
}

fn fold_all(entries: &[Entry]) -> Result<Status> {
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
