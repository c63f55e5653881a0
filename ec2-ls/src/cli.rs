//! The command line of `ec2-ls`.

use crate::find_args::FindArgs;
use crate::query::Query;
use crate::search::{Found, search};
use crate::show::{read_user_data, show};
use crate::show_args::ShowArgs;
use crate::user_data::{self, UserData};
use cerveza_ec2::{Ec2, block_on};
use cerveza_manners::{ProgressArgs, Result, Status, Tool};
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
    let query = Query::new(&args.find.words, args.find.states(), io::stdin().lock())?;
    let (found, user_data) = block_on(read(args, &query))??;
    let status = say(args, tool, &query, &found, &user_data);
    match show(&args.show, &query, found.records, &user_data) {
        Err(failure) if !failure.is_closed_pipe() => Err(failure),
        _ => Ok(status),
    }
}

/// What was found, with its user-data where that was asked for.
async fn read(args: &Args, query: &Query) -> Result<(Found, UserData)> {
    let ec2 = &Ec2::connect(&args.find.region).await?;
    let found = search(ec2, query).await?;
    let user_data = match args.show.user_data {
        true => read_user_data(ec2, &args.progress, &found.records).await?,
        false => UserData::new(),
    };
    Ok((found, user_data))
}

fn say(args: &Args, tool: &Tool, query: &Query, found: &Found, user_data: &UserData) -> Status {
    let status = say_found(args, tool, query, found);
    user_data::say_unread(tool, &found.records, user_data);
    match user_data.values().any(Result::is_err) {
        true => status.max(Status::Unreached),
        false => status,
    }
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
