//! The command line of `ec2-ls`.

use crate::details::{Unread, add_details, with_health};
use crate::find_args::FindArgs;
use crate::query::Query;
use crate::resources::{read_resources, write_resources};
use crate::search::{Found, regions, search};
use crate::show::{Listing, prepare_for_columns};
use crate::show_args::ShowArgs;
use crate::watch::{self, Look};
use cerveza_ec2::{Ec2, block_on};
use cerveza_manners::{Failure, OutputMode, ProgressArgs, Result, Status, Tool};
use cerveza_record::Record;
use clap::{CommandFactory, Parser};
use hostrange::{fold, warn_of_globbed};
use std::io::{self, IsTerminal};
use std::time::Duration;

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
    if args.show.watch.is_some() {
        watch::check(&args.show)?;
    }
    warn_of_globbed(&args.find.words, tool);
    let query = Query::new(&args.find.words, args.find.states(), io::stdin().lock())?;
    let (written, status) = match args.show.watch {
        Some(interval) => return block_on(watch_instances(args, &query, interval, tool))?,
        None if args.show.volumes || args.show.addresses => {
            let (records, failures, status) = block_on(read_all_resources(args, &query, tool))??;
            failures.iter().for_each(|failure| tool.failure(failure));
            let status = if failures.is_empty() { status } else { status.max(Status::Unreached) };
            (write_resources(&args.show, &records, tool), status)
        }
        None => {
            let (found, unread) = block_on(read(args, &query))??;
            let status = say_found(args, tool, &query, &found).max(unread.say(tool));
            let mut listing = Listing::new(&args.show, tool);
            let written = found.records.into_iter().try_for_each(|record| listing.write(record));
            (written.and_then(|()| listing.finish()), status)
        }
    };
    match written {
        Err(failure) if !failure.is_closed_pipe() => Err(failure),
        _ => Ok(status),
    }
}

/// What was found, with what else is to be shown of it.
async fn read(args: &Args, query: &Query) -> Result<(Found, Unread)> {
    let ec2 = &Ec2::connect(&args.find.region).await?;
    let mut found = look(args, query, ec2).await?;
    let unread = match args.show.needs_details() {
        true => add_details(&args.show, ec2, &args.progress, &mut found.records).await?,
        false => Unread::default(),
    };
    Ok((found, unread))
}

/// Searches. For a table on a terminal it also reads which instances are not well.
async fn look(args: &Args, query: &Query, ec2: &Ec2) -> Result<Found> {
    let is_table = args.show.mode() == OutputMode::Table && io::stdout().is_terminal();
    let mut found = match is_table && !args.show.status {
        true => with_health(ec2, &regions(ec2, query)?, search(ec2, query)).await?,
        false => search(ec2, query).await?,
    };
    found.records = found.records.into_iter().map(|record| query.answer(record)).collect();
    Ok(found)
}

async fn read_all_resources(args: &Args, query: &Query, tool: &Tool) -> Result<(Vec<Record>, Vec<Failure>, Status)> {
    let ec2 = &Ec2::connect(&args.find.region).await?;
    let found = search(ec2, query).await?;
    let all = query.is_everything();
    // A region without instances may have volumes.
    let status = if all && found.failures.is_empty() { Status::Done } else { say_found(args, tool, query, &found) };
    let regions = regions(ec2, query)?;
    let (records, failures) = tokio::select! {
        read = read_resources(&args.show, ec2, &found.records, &regions, all) => read,
        interrupted = ec2.interrupted() => return Err(interrupted),
    };
    Ok((records, failures, status))
}

async fn watch_instances(args: &Args, query: &Query, interval: Duration, tool: &Tool) -> Result<Status> {
    let ec2 = &Ec2::connect(&args.find.region).await?;
    let words = args.find.words.iter().map(String::as_str);
    let what = ["ec2-ls"].into_iter().chain(words).collect::<Vec<_>>().join(" ");
    let look = async || {
        let mut found = look(args, query, ec2).await?;
        if args.show.needs_details() {
            add_details(&args.show, ec2, &args.progress, &mut found.records).await?;
        }
        found.records.iter_mut().for_each(prepare_for_columns);
        let messages: Vec<String> = found.failures.iter().map(|failure| failure.message.clone()).collect();
        let is_unknown = move |record: &Record| {
            record
                .str("region")
                .is_some_and(|region| messages.iter().any(|message| message.contains(&format!(" in {region}: "))))
        };
        Ok(Look { records: found.records, failures: found.failures, is_unknown: Box::new(is_unknown) })
    };
    watch::watch(&args.show, interval, &what, tool, look, async || ec2.interrupted().await).await
}

/// Where a region did not answer, what is not found is unknown: nothing is said of it.
fn say_found(args: &Args, tool: &Tool, query: &Query, found: &Found) -> Status {
    if !found.failures.is_empty() {
        found.failures.iter().for_each(|failure| tool.failure(failure));
        return Status::Unreached;
    }
    let missing = query.missing(&found.records);
    if !missing.is_empty() {
        let narrowed = if query.is_narrowed() { ", or not of these tags and states" } else { "" };
        tool.warn(format!("not found{narrowed}: {}", fold(missing)));
        return Status::No;
    }
    if found.records.is_empty() {
        tool.warn("no instance matches");
    }
    match found.records.is_empty() && args.find.fail_empty {
        true => Status::No,
        false => Status::Done,
    }
}
