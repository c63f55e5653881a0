//! The command line of `ec2-ls`.

use crate::query::Query;
use cerveza_ec2::{Ec2, RegionArgs, block_on, folded};
use cerveza_manners::{Column, Failure, OutputArgs, OutputMode, RecordWriter, Result, Status, Tool};
use cerveza_record::Record;
use clap::{CommandFactory, Parser};
use futures_util::future::join_all;
use hostrange::natural_cmp;
use std::collections::HashSet;
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

    /// Exit with 1 when nothing is found
    #[arg(long)]
    pub fail_empty: bool,

    #[command(flatten)]
    pub region: RegionArgs,

    #[command(flatten)]
    pub output: OutputArgs,
}

const STATES: [&str; 7] = ["pending", "running", "stopping", "stopped", "shutting-down", "terminated", "all"];

const COLUMNS: [Column; 7] = [
    Column { header: "HOST", key: "host" },
    Column { header: "INSTANCE", key: "instance_id" },
    Column { header: "STATE", key: "state" },
    Column { header: "TYPE", key: "instance_type" },
    Column { header: "ZONE", key: "zone" },
    Column { header: "PRIVATE IP", key: "private_ip" },
    Column { header: "PUBLIC IP", key: "public_ip" },
];

pub fn command() -> clap::Command {
    Args::command()
}

/// Reads the words, asks every region, writes what was found, says what was not.
pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    let all = args.state.iter().any(|state| state == "all");
    let states = if all { &["all".to_string()] } else { args.state.as_slice() };
    let query = Query::new(&args.words, states, io::stdin().lock())?;
    let answer = block_on(search(&args.region, &query))?;
    let mut writer = RecordWriter::stdout(args.output.mode(OutputMode::Table), &COLUMNS);
    answer.found.iter().try_for_each(|record| writer.write(record))?;
    writer.finish()?;
    answer.failures.iter().for_each(|failure| tool.failure(failure));
    let mut status = match answer.failures.is_empty() {
        true => Status::Done,
        false => Status::Unreached,
    };
    let missing = query.missing(&answer.found);
    if !missing.is_empty() && answer.failures.is_empty() {
        tool.warn(format!("not found: {}", folded(&missing)));
        status = status.max(Status::No);
    }
    if answer.found.is_empty() && answer.failures.is_empty() {
        if missing.is_empty() {
            tool.warn("no instance matches");
        }
        status = status.max(if args.fail_empty { Status::No } else { Status::Done });
    }
    Ok(status)
}

struct Answer {
    found: Vec<Record>,
    /// Of the regions that did not answer.
    failures: Vec<Failure>,
}

/// Asks all regions at once. Where none of them answers there is nothing to write: an error.
async fn search(args: &RegionArgs, query: &Query) -> Result<Answer> {
    let ec2 = &Ec2::connect(args).await?;
    let requests = query.requests();
    let regions = ec2.regions()?;
    let asked = join_all(regions.iter().map(|region| async {
        let mut found = Vec::new();
        for filters in &requests {
            found.extend(ec2.find(region, filters).await?);
        }
        Ok(found)
    }));
    let mut answer = Answer { found: Vec::new(), failures: Vec::new() };
    for asked in asked.await {
        match asked {
            Ok(found) => answer.found.extend(found),
            Err(failure) => answer.failures.push(failure),
        }
    }
    if answer.failures.len() == regions.len() {
        let failure = answer.failures.swap_remove(0);
        return Err(Failure { status: Status::Usage, ..failure });
    }
    sort(&mut answer.found);
    Ok(answer)
}

/// By name as people count, each instance once though it may match by name and by id.
fn sort(found: &mut Vec<Record>) {
    let mut seen = HashSet::new();
    found.retain(|record| seen.insert(record.str("instance_id")));
    found.sort_by(|a, b| natural_cmp(a.host(), b.host()).then_with(|| a.str("instance_id").cmp(&b.str("instance_id"))));
}
