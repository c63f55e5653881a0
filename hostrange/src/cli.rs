//! The command line of `hostrange`.

use crate::{HostSet, fold, parse};
use cerveza_manners::{Column, Failure, OutputArgs, OutputMode, RecordWriter, Result, Status, Tool};
use cerveza_record::{Item, Lines, Record};
use clap::{CommandFactory, Parser};
use std::collections::HashSet;
use std::io::{self, IsTerminal};

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

/// Reads, expands or folds, writes.
pub fn run(args: &Args, _tool: &Tool) -> Result<Status> {
    let stdin = io::stdin();
    if args.expressions.is_empty() && stdin.is_terminal() {
        return Err(Failure::usage("no expression is given").hint("name one, as in 'web[1-3]', or pipe names in"));
    }
    let words: &[String] = match args.expressions.is_empty() {
        true => &["-".to_string()],
        false => &args.expressions,
    };
    match args.fold {
        true => fold_all(words),
        false => expand_all(words, args.output.mode(OutputMode::Names)),
    }
}

/// Streams the names and records of `words` to `each`; a name that came before is left out.
fn for_each_host(words: &[String], mut each: impl FnMut(Record) -> Result<()>) -> Result<()> {
    // All of the command line is checked before the first name is written.
    let sets = words.iter().map(|word| match word.as_str() {
        "-" => Ok(None),
        expression => parse(expression).map(Some),
    });
    let mut seen = HashSet::new();
    for set in sets.collect::<std::result::Result<Vec<_>, _>>()? {
        match set {
            Some(set) => expand(&set, &mut seen, &mut each)?,
            None => expand_stdin(&mut seen, &mut each)?,
        }
    }
    Ok(())
}

fn expand_stdin(seen: &mut HashSet<String>, each: &mut impl FnMut(Record) -> Result<()>) -> Result<()> {
    let mut empty = true;
    for item in Lines::new(io::stdin().lock()) {
        empty = false;
        match item.map_err(|error| Failure::usage(format!("stdin: {error}")))? {
            (_, Item::Record(record)) => each(record)?,
            (line, Item::Text(text)) => {
                let set = parse(&text).map_err(|error| Failure::usage(format!("stdin: line {line}: {error}")))?;
                expand(&set, seen, each)?;
            }
        }
    }
    match empty {
        true => Err(Failure::usage("no hosts: stdin was empty")),
        false => Ok(()),
    }
}

fn expand(set: &HostSet, seen: &mut HashSet<String>, each: &mut impl FnMut(Record) -> Result<()>) -> Result<()> {
    let mut names = set.names();
    while let Some(name) = names.next_name() {
        if seen.insert(name.to_string()) {
            each(Record::named(name))?;
        }
    }
    Ok(())
}

fn expand_all(words: &[String], mode: OutputMode) -> Result<Status> {
    let mut writer = RecordWriter::stdout(mode, &COLUMNS);
    let streamed = for_each_host(words, |record| writer.write(&record));
    // What was right before a bad line is written all the same.
    match &streamed {
        Err(failure) if failure.is_closed_pipe() => {}
        _ => writer.finish()?,
    }
    streamed.map(|()| Status::Done)
}

fn fold_all(words: &[String]) -> Result<Status> {
    use std::io::Write;
    let mut names = Vec::new();
    for_each_host(words, |record| {
        names.push(record.host().to_string());
        Ok(())
    })?;
    let folded = fold(names.iter().map(String::as_str)).map_err(|error| Failure::usage(error.to_string()))?;
    writeln!(io::stdout(), "{folded}").map_err(|error| Failure::stdout(&error))?;
    Ok(Status::Done)
}
