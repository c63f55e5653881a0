//! The command line of `ec2-ls`.

use crate::find::details::{add_details, with_health};
use crate::find::last::read_saved;
use crate::find::resources::{read_resources, write_resources};
use crate::find::{Finder, Found};
use crate::query::Query;
use crate::query::find_args::FindArgs;
use crate::show::show_args::ShowArgs;
use crate::show::watch::{self, Look};
use crate::show::writer::Writer;
use crate::show::{Listing, prepare};
use cerveza_ec2::{Accounts, RegionArgs, block_on};
use cerveza_manners::{Failure, OutputMode, ProgressArgs, Result, Status, Tool};
use cerveza_record::Record;
use clap::{CommandFactory, Parser};
use hostrange::{fold, warn_of_globbed};
use std::cell::RefCell;
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
    if let Some(state) = args.find.volume_states().first().filter(|_| !args.show.volumes) {
        return Err(Failure::usage(format!("--state {state}: a state of volumes, not of instances"))
            .hint("--volumes lists volumes"));
    }
    warn_of_globbed(&args.find.words, tool);
    let regions = RegionArgs { read_limit: args.find.timeout, timeout: args.find.timeout, ..args.find.region_args()? };
    let query = Query::new(&args.find, io::stdin().lock())?;
    let saved = match &args.find.last {
        Some(path) => {
            query.check_is_local()?;
            Some(read_saved(path, &regions.region)?)
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
        let finder = Finder { accounts, regions: &regions, query: &query, saved: saved.as_ref() };
        match args.show.watch {
            Some(interval) => watch_hosts(args, &finder, interval, tool).await,
            None if args.show.volumes || args.show.addresses => list_resources(args, &finder, tool).await,
            None if args.show.is_streamed() && !query.needs_all() && saved.is_none() => {
                stream(args, &finder, tool).await
            }
            None => list(args, &finder, tool).await,
        }
    })?;
    match listed {
        Err(failure) if failure.is_closed_pipe() => Ok(Status::Done),
        listed => listed,
    }
}

/// Writes instances as they arrive.
async fn stream(args: &Args, finder: &Finder<'_>, tool: &Tool) -> Result<Status> {
    let writer = Writer::start(Listing::new(&args.show, tool));
    let answers = tokio::select! {
        answers = finder.pages(|failure| tool.failure(&failure), async |page| writer.write(page).await) => answers,
        closed = writer.closed() => Err(closed),
    };
    let count = writer.finish()?;
    let status = answers?.status();
    Ok(if count == 0 && status == Status::Done { say_empty("instance", args, finder, tool) } else { status })
}

/// Finds all, reads what else was asked for, and writes the records.
async fn list(args: &Args, finder: &Finder<'_>, tool: &Tool) -> Result<Status> {
    let mut found = find(args, finder, |failure| tool.failure(&failure)).await?;
    let status = say_found(args, finder, tool, &found);
    let unread = add_details(&args.show, finder, &args.progress, &mut found.records).await?;
    let status = status.max(unread.warn_of_each(tool));
    let mut listing = Listing::new(&args.show, tool);
    let written = found.records.into_iter().try_for_each(|record| listing.write(record));
    match written.and_then(|()| listing.finish()) {
        Err(failure) if !failure.is_closed_pipe() => Err(failure),
        _ => Ok(status),
    }
}

/// Finds all. For a table on a terminal it also reads which instances are not well.
async fn find(args: &Args, finder: &Finder<'_>, report: impl Fn(Failure)) -> Result<Found> {
    let is_table = args.show.mode() == OutputMode::Table && io::stdout().is_terminal();
    let found = finder.all(report);
    if is_table && !args.show.status && finder.saved.is_none() { with_health(finder, found).await } else { found.await }
}

/// Writes the volumes or addresses of what is found.
async fn list_resources(args: &Args, finder: &Finder<'_>, tool: &Tool) -> Result<Status> {
    let found = finder.all(|failure| tool.failure(&failure)).await?;
    let all = finder.query.is_everything();
    // A region without instances may have volumes.
    let mut status = if all { found.status } else { say_found(args, finder, tool, &found) };
    let (mut records, failures) = tokio::select! {
        read = read_resources(&args.show, finder, &found.records, all) => read?,
        interrupted = finder.accounts.interrupted() => return Err(interrupted),
    };
    failures.iter().for_each(|failure| tool.failure(failure));
    let states = args.find.volume_states();
    records
        .retain(|record| states.is_empty() || states.iter().any(|state| record.str("state").as_deref() == Some(state)));
    if !failures.is_empty() {
        status = status.max(Status::Unreached);
    } else if records.is_empty() && status == Status::Done && (all || !found.records.is_empty()) {
        status = say_empty(if args.show.volumes { "volume" } else { "address" }, args, finder, tool);
    }
    match write_resources(&args.show, &records, tool) {
        Err(failure) if !failure.is_closed_pipe() => Err(failure),
        _ => Ok(status),
    }
}

/// Shows the table again and again.
async fn watch_hosts(args: &Args, finder: &Finder<'_>, interval: Duration, tool: &Tool) -> Result<Status> {
    let words = args.find.words.iter().map(String::as_str);
    let what = ["ec2-ls"].into_iter().chain(words).collect::<Vec<_>>().join(" ");
    let look = async || {
        let failures = RefCell::new(Vec::new());
        let mut found = find(args, finder, |failure| failures.borrow_mut().push(failure)).await?;
        let mut failures = failures.into_inner();
        if found.status == Status::Usage && found.records.is_empty() && !failures.is_empty() {
            return Err(Failure { status: Status::Usage, ..failures.swap_remove(0) });
        }
        add_details(&args.show, finder, &args.progress, &mut found.records).await?;
        found.records.iter_mut().for_each(|record| prepare(record, OutputMode::Table));
        let records = std::mem::take(&mut found.records);
        Ok(Look { records, failures, is_unknown: Box::new(move |record| found.is_unknown(record)) })
    };
    watch::watch(&args.show, interval, &what, tool, look, async || finder.accounts.interrupted().await).await
}

/// Says which hosts were not found.
fn say_found(args: &Args, finder: &Finder<'_>, tool: &Tool, found: &Found) -> Status {
    let mut status = found.status;
    if !found.missing.is_empty() {
        tool.warn(format!("not found{}: {}", finder.looked_in(&found.missing), missing_hosts(&found.missing)));
        if found.records.is_empty() {
            advise_regions(args, finder, &found.missing, tool);
        }
        status = status.max(Status::No);
    }
    if !found.gone.is_empty() {
        tool.warn(format!("terminated since the listing was saved: {}", fold(found.gone.iter().map(String::as_str))));
        status = status.max(Status::No);
    }
    if found.records.is_empty() && status == Status::Done { say_empty("instance", args, finder, tool) } else { status }
}

/// So many ids of hosts that were not found are named.
const MOST_IDS: usize = 3;

/// Returns the names of the hosts, folded, with the ids of the first ones that were looked for by the id of their
/// record: `web[1-2] (instances i-1, i-2)`.
fn missing_hosts(hosts: &[Record]) -> String {
    let names = fold(hosts.iter().map(Record::host));
    let id = |host: &Record| host.str("instance_id").filter(|id| id != host.host());
    let ids: Vec<String> = hosts.iter().filter_map(id).collect();
    match ids.as_slice() {
        [] => names,
        [id] => format!("{names} (instance {id})"),
        ids if ids.len() > MOST_IDS => {
            let (first, more) = ids.split_at(MOST_IDS);
            format!("{names} (instances {} and {} more)", first.join(", "), more.len())
        }
        ids => format!("{names} (instances {})", ids.join(", ")),
    }
}

/// Says that nothing was found, where, and what else the words may mean. Where a region did not answer this is unknown.
fn say_empty(what: &str, args: &Args, finder: &Finder<'_>, tool: &Tool) -> Status {
    tool.warn(format!("no {what} matches{}", finder.looked_in(&[])));
    finder.query.advice.iter().for_each(|advice| tool.warn(advice));
    if finder.query.advice.is_empty() {
        advise_regions(args, finder, &finder.query.hosts, tool);
    }
    if args.find.fail_empty { Status::No } else { Status::Done }
}

/// Says how to look in all regions, if only some were looked in for hosts that do not say their region.
fn advise_regions(args: &Args, finder: &Finder<'_>, hosts: &[Record], tool: &Tool) {
    let is_anywhere = hosts.is_empty() || hosts.iter().any(|host| !host.has("region"));
    let is_limited = args.find.zone.is_empty() && !finder.regions.regions().contains(&"all".to_string());
    if is_anywhere && is_limited && finder.saved.is_none() {
        tool.warn("-r all looks in all regions");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_records_are_told_with_their_ids() {
        let record = |number: usize| Record::parse(&format!(r#"{{"host":"w{number}","instance_id":"i-{number}"}}"#));
        let missing =
            |count: usize| missing_hosts(&(1..=count).map(|number| record(number).unwrap()).collect::<Vec<_>>());
        assert_eq!(missing_hosts(&[Record::named("w1"), Record::named("w2")]), "w[1-2]");
        assert_eq!(missing(1), "w1 (instance i-1)");
        assert_eq!(missing(3), "w[1-3] (instances i-1, i-2, i-3)");
        assert_eq!(missing(5), "w[1-5] (instances i-1, i-2, i-3 and 2 more)");
    }
}
