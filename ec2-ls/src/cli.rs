//! The command line of `ec2-ls`.

use crate::query::Query;
use crate::user_data::{self, UserData};
use cerveza_ec2::{Ec2, RegionArgs, block_on, refuse_ambiguous};
use cerveza_manners::{Column, Failure, OutputArgs, OutputMode, ProgressArgs, RecordWriter, Result, Status, Tool};
use cerveza_record::Record;
use clap::{CommandFactory, Parser};
use futures_util::future::join_all;
use hostrange::{fold, natural_cmp, warn_of_globbed};
use std::collections::{BTreeSet, HashSet};
use std::io;

/// List EC2 instances by tags, names and states
///
/// Finds instances by their tags, names, ids and states in one or more regions, and writes each as a record.
#[derive(Parser, Clone, Debug)]
#[command(name = "ec2-ls", version)]
pub struct Args {
    /// What to look for. KEY=GLOB: a tag, of which all must hold (the same key twice: either value). A pattern as in
    /// 'web*', an expression as in 'mysql[1-40]', or an instance id: any of these hosts. `-`: names and records on
    /// stdin. Nothing: every instance
    #[arg(value_name = "KEY=GLOB|HOST")]
    pub words: Vec<String>,

    /// Instances in these states, separated by commas: pending, running, stopping, stopped, shutting-down,
    /// terminated, or all. Without it all but shutting-down and terminated
    #[arg(short, long, value_name = "STATE", value_delimiter = ',', value_parser = STATES, hide_possible_values = true)]
    pub state: Vec<String>,

    /// Ask also for the user-data of each instance, and write it, in base64, under `user_data`. It may hold secrets; a
    /// table shows its size alone
    #[arg(long)]
    pub user_data: bool,

    /// Exit with 1 when nothing is found
    #[arg(long)]
    pub fail_empty: bool,

    #[command(flatten)]
    pub region: RegionArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub progress: ProgressArgs,
}

const STATES: [&str; 7] = ["pending", "running", "stopping", "stopped", "shutting-down", "terminated", "all"];

/// The last is for --user-data.
const COLUMNS: [Column; 8] = [
    Column { header: "HOST", key: "host" },
    Column { header: "INSTANCE", key: "instance_id" },
    Column { header: "STATE", key: "state" },
    Column { header: "TYPE", key: "instance_type" },
    Column { header: "ZONE", key: "zone" },
    Column { header: "PRIVATE IP", key: "private_ip" },
    Column { header: "PUBLIC IP", key: "public_ip" },
    Column { header: "USER DATA", key: "user_data" },
];

pub fn command() -> clap::Command {
    Args::command()
}

/// Reads the words, asks every region, says what was not found, writes what was.
pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    let all = args.state.iter().any(|state| state == "all");
    let states = if all { &["all".to_string()] } else { args.state.as_slice() };
    warn_of_globbed(&args.words, tool);
    let query = Query::new(&args.words, states, io::stdin().lock())?;
    let answer = block_on(search(args, &query))??;
    let status = say(args, tool, &query, &answer);
    let mode = args.output.mode(OutputMode::Table);
    let columns = if args.user_data { &COLUMNS } else { &COLUMNS[..COLUMNS.len() - 1] };
    let mut writer = RecordWriter::stdout(mode, columns);
    let written = answer.found.into_iter().try_for_each(|found| {
        let read = found.str("instance_id").and_then(|id| answer.user_data.get(&id));
        let mut record = query.answer(found);
        if let Some(read) = read {
            user_data::put(&mut record, read);
        }
        if mode == OutputMode::Table {
            user_data::put_size(&mut record);
        }
        writer.write(&record)
    });
    match written.and_then(|()| writer.finish()) {
        Err(failure) if !failure.is_closed_pipe() => Err(failure),
        _ => Ok(status),
    }
}

/// What was found, by name, its user-data where that was asked for, and the regions that did not answer.
struct Answer {
    found: Vec<Record>,
    user_data: UserData,
    failures: Vec<Failure>,
}

fn say(args: &Args, tool: &Tool, query: &Query, answer: &Answer) -> Status {
    let status = say_found(args, tool, query, answer);
    user_data::say_unread(tool, &answer.found, &answer.user_data);
    match answer.user_data.values().any(Result::is_err) {
        true => status.max(Status::Unreached),
        false => status,
    }
}

/// Where a region did not answer, what is not found is unknown: nothing is said of it.
fn say_found(args: &Args, tool: &Tool, query: &Query, answer: &Answer) -> Status {
    if !answer.failures.is_empty() {
        answer.failures.iter().for_each(|failure| tool.failure(failure));
        return Status::Unreached;
    }
    let missing = query.missing(&answer.found);
    if !missing.is_empty() {
        let narrowed = if query.is_narrowed() { ", or not of these tags and states" } else { "" };
        tool.warn(format!("not found{narrowed}: {}", fold(missing)));
        return Status::No;
    }
    if answer.found.is_empty() {
        tool.warn("no instance matches");
    }
    match answer.found.is_empty() && args.fail_empty {
        true => Status::No,
        false => Status::Done,
    }
}

/// Asks all regions at once. Where none of them answers there is nothing to write: an error.
async fn search(args: &Args, query: &Query) -> Result<Answer> {
    let ec2 = &Ec2::connect(&args.region).await?;
    let mut regions: BTreeSet<String> = query.regions().collect();
    if query.is_anywhere() {
        regions.extend(ec2.regions()?.iter().cloned());
    }
    let asked = tokio::select! {
        asked = ask(ec2, query, &regions) => asked,
        interrupted = ec2.interrupted() => return Err(interrupted),
    };
    let (answered, failed): (Vec<_>, Vec<_>) = asked.into_iter().partition(Result::is_ok);
    let mut failures: Vec<Failure> = failed.into_iter().filter_map(Result::err).collect();
    if answered.is_empty() && !failures.is_empty() {
        let failure = failures.swap_remove(0);
        return Err(Failure { status: Status::Usage, ..failure });
    }
    let mut found: Vec<Record> = answered.into_iter().flatten().flatten().collect();
    refuse_ambiguous(&query.expressions, &found)?;
    query.keep_exact(&mut found);
    sort(&mut found);
    let user_data = match args.user_data {
        true => read_user_data(ec2, &args.progress, &found).await?,
        false => UserData::new(),
    };
    Ok(Answer { found, user_data, failures })
}

/// Asks each region. If hosts that were launched a moment ago are missing, asks again once EC2 lists them.
async fn ask(ec2: &Ec2, query: &Query, regions: &BTreeSet<String>) -> Vec<Result<Vec<Record>>> {
    let ask = || {
        join_all(regions.iter().map(|region| async {
            let mut found = Vec::new();
            for filters in query.requests(region) {
                found.extend(ec2.find(region, &filters).await?);
            }
            Ok(found)
        }))
    };
    let asked = ask().await;
    let found: Vec<Record> = asked.iter().flatten().flatten().cloned().collect();
    let new = query.missing_new(&found);
    // Where a region did not answer it is unknown what is missing.
    if new.is_empty() || asked.iter().any(Result::is_err) {
        return asked;
    }
    ec2.wait_until_listed(&new).await;
    ask().await
}

/// A terminated instance has none any more, and is not asked for it.
async fn read_user_data(ec2: &Ec2, progress: &ProgressArgs, found: &[Record]) -> Result<UserData> {
    let place = |record: &Record| Some((record.str("region")?, record.str("instance_id")?));
    let is_gone = |record: &&Record| record.str("state").as_deref() == Some("terminated");
    let (gone, there): (Vec<&Record>, Vec<&Record>) = found.iter().partition(is_gone);
    let there: Vec<_> = there.into_iter().filter_map(place).collect();
    let bar = progress.bar(there.len() as u64, "reading user-data");
    let mut user_data = tokio::select! {
        read = ec2.user_data(&there, || bar.inc(1)) => read,
        interrupted = ec2.interrupted() => return Err(interrupted),
    };
    bar.finish_and_clear();
    user_data.extend(gone.into_iter().filter_map(place).map(|(_, id)| (id, Ok(None))));
    Ok(user_data)
}

/// By name as people count, each instance once though it may match by name and by id.
fn sort(found: &mut Vec<Record>) {
    let mut seen = HashSet::new();
    found.retain(|record| seen.insert(record.str("instance_id")));
    found.sort_by(|a, b| natural_cmp(a.host(), b.host()).then_with(|| a.str("instance_id").cmp(&b.str("instance_id"))));
}
