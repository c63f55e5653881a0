//! The command line of `ec2-ls`.

use crate::find::{Finder, Found};
use crate::find_args::FindArgs;
use crate::last::read_saved;
use crate::query::Query;
use crate::show::{read_user_data, show, writer};
use crate::show_args::ShowArgs;
use crate::user_data::{self, UserData};
use crate::writer::Writer;
use cerveza_ec2::{Accounts, block_on};
use cerveza_manners::{ProgressArgs, Result, Status, Tool};
use cerveza_record::Record;
use clap::{CommandFactory, Parser};
use hostrange::{fold, warn_of_globbed};
use std::io;

/// List EC2 instances by tags, names and states
///
/// Finds instances by their tags, names, ids and states in one or more regions, and writes each as a record.
#[derive(Parser, Clone, Debug)]
#[command(name = "ec2-ls", version)]
pub struct Args {
    #[command(flatten)]
    pub find: FindArgs,

    #[command(flatten)]
    pub show: ShowArgs,

    #[command(flatten)]
    pub progress: ProgressArgs,
}

pub fn command() -> clap::Command {
    Args::command()
}

/// Reads the words, asks every region, says what was not found, writes what was.
pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    warn_of_globbed(&args.find.words, tool);
    let regions = args.find.region_args()?;
    let query = Query::new(&args.find, io::stdin().lock())?;
    let saved = match &args.find.last {
        Some(path) => {
            query.check_is_local()?;
            Some(read_saved(path)?)
        }
        None => None,
    };
    let listed = block_on(async {
        let mut hosts = saved.as_ref().map_or(query.hosts.as_slice(), |saved| &saved.records).to_vec();
        if query.has_patterns() {
            // Patterns are looked for in the accounts of the arguments.
            hosts.push(Record::named("*"));
        }
        let accounts = &Accounts::connect(&regions, &hosts).await;
        accounts.connected().for_each(|ec2| ec2.set_read_limit(args.find.timeout));
        let finder = Finder { accounts, regions: &regions, query: &query, saved: saved.as_ref() };
        match args.show.is_streamed() && !query.needs_all() && saved.is_none() {
            true => stream(args, &finder, tool).await,
            false => list(args, &finder, tool).await,
        }
    })?;
    match listed {
        Err(failure) if failure.is_closed_pipe() => Ok(Status::Done),
        listed => listed,
    }
}

/// Writes instances as they arrive.
async fn stream(args: &Args, finder: &Finder<'_>, tool: &Tool) -> Result<Status> {
    let writer = Writer::start(writer(&args.show));
    let answers = tokio::select! {
        answers = finder.pages(|failure| tool.failure(&failure), async |page| writer.write(page).await) => answers,
        closed = writer.closed() => Err(closed),
    };
    let count = writer.finish()?;
    let status = answers?.status();
    Ok(if count == 0 && status == Status::Done { say_empty(args, finder.query, tool) } else { status })
}

/// Finds all, reads what else was asked for, and writes the records.
async fn list(args: &Args, finder: &Finder<'_>, tool: &Tool) -> Result<Status> {
    let found = finder.all(|failure| tool.failure(&failure)).await?;
    let status = say_found(args, finder.query, tool, &found);
    let user_data = match args.show.user_data {
        true => read_user_data(finder.accounts, finder.regions, &args.progress, &found.records).await?,
        false => UserData::new(),
    };
    user_data::say_unread(tool, &found.records, &user_data);
    if let Err(failure) = show(&args.show, found.records, &user_data)
        && !failure.is_closed_pipe()
    {
        return Err(failure);
    }
    match user_data.values().any(Result::is_err) {
        true => Ok(status.max(Status::Unreached)),
        false => Ok(status),
    }
}

/// Says which hosts were not found.
fn say_found(args: &Args, query: &Query, tool: &Tool, found: &Found) -> Status {
    let mut status = found.status;
    if !found.missing.is_empty() {
        let narrowed = if query.is_narrowed() { ", or not of these tags and states" } else { "" };
        tool.warn(format!("not found{narrowed}: {}", fold(found.missing.iter().map(String::as_str))));
        status = status.max(Status::No);
    }
    if !found.gone.is_empty() {
        tool.warn(format!("no longer in EC2: {}", fold(found.gone.iter().map(String::as_str))));
        status = status.max(Status::No);
    }
    match found.records.is_empty() && status == Status::Done {
        true => say_empty(args, query, tool),
        false => status,
    }
}

/// Says that nothing was found, and what else the words may mean. Where a region did not answer this is unknown.
fn say_empty(args: &Args, query: &Query, tool: &Tool) -> Status {
    tool.warn("no instance matches");
    query.advice.iter().for_each(|advice| tool.warn(advice));
    if args.find.fail_empty { Status::No } else { Status::Done }
}
