//! The command line of `ec2-ls`.

use crate::arrange::{arrange, missing_new};
use crate::find_args::FindArgs;
use crate::last::{Refreshed, Saved, read_saved, refresh};
use crate::query::Query;
use crate::search::{Answers, Search};
use crate::show::{read_user_data, show, writer};
use crate::show_args::ShowArgs;
use crate::user_data::{self, UserData};
use crate::writer::Writer;
use cerveza_ec2::{Accounts, RegionArgs, block_on, refuse_ambiguous};
use cerveza_manners::{ProgressArgs, Result, Status, Tool};
use cerveza_record::Record;
use clap::{CommandFactory, Parser};
use futures_util::future::join_all;
use hostrange::{fold, warn_of_globbed};
use std::cell::{Cell, RefCell};
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
        let accounts = Accounts::connect(&regions, &hosts).await;
        accounts.connected().for_each(|ec2| ec2.set_read_limit(args.find.timeout));
        let listing = Listing { args, regions: &regions, query: &query, accounts: &accounts, tool };
        match &saved {
            Some(saved) => listing.last(saved).await,
            None if args.show.is_streamed() && !query.needs_all() => listing.stream().await,
            None => listing.collect().await,
        }
    })?;
    match listed {
        Err(failure) if failure.is_closed_pipe() => Ok(Status::Done),
        listed => listed,
    }
}

struct Listing<'a> {
    args: &'a Args,
    regions: &'a RegionArgs,
    query: &'a Query,
    accounts: &'a Accounts,
    tool: &'a Tool,
}

impl<'a> Listing<'a> {
    fn search(&self) -> Search<'a> {
        Search::new(self.accounts, self.regions, self.query, self.tool)
    }

    /// Writes each page as it arrives.
    async fn stream(&self) -> Result<Status> {
        let (writer, count) = (Writer::start(writer(&self.args.show, self.tool)), Cell::new(0));
        let search = self.search();
        let listed = search.run(async |page| {
            count.set(count.get() + page.len());
            writer.write(page).await
        });
        let answers = tokio::select! {
            answers = listed => answers,
            closed = writer.closed() => Err(closed),
        };
        writer.finish()?;
        Ok(self.say_empty(&answers?, count.get()))
    }

    /// Writes once all is known: hosts that come from records keep their order, a table is sorted.
    async fn collect(&self) -> Result<Status> {
        let (search, found) = (self.search(), RefCell::new(Vec::new()));
        let gather = async |page| {
            found.borrow_mut().extend::<Vec<Record>>(page);
            Ok(())
        };
        let mut answers = search.run(gather).await?;
        let new = missing_new(self.query, &found.borrow());
        // Hosts that were launched a moment ago are asked for again once EC2 lists them. Where a region did not answer it
        // is unknown what is missing.
        if !new.is_empty() && answers.failed.is_empty() {
            let listed = join_all(self.accounts.connected().map(|ec2| ec2.wait_until_listed(&new)));
            tokio::select! {
                _ = listed => {}
                interrupted = self.accounts.interrupted() => return Err(interrupted),
            }
            found.borrow_mut().clear();
            answers = search.run(gather).await?;
        }
        let found = found.into_inner();
        refuse_ambiguous(&self.query.expressions, &found)?;
        let failure_of = |host: &Record| {
            let mut failed = answers.failed.iter();
            failed.find(|(place, _)| search.is_in(host, place)).map(|(_, failure)| failure)
        };
        let arranged = arrange(self.query, found, failure_of);
        let missing = arranged.missing.iter().map(|host| host.host());
        let status = match arranged.missing.is_empty() {
            true => self.say_empty(&answers, arranged.records.len()),
            false => self.say_missing(missing).max(answers.status()),
        };
        self.show(arranged.records, status).await
    }

    /// Asks for the hosts of a saved listing alone.
    async fn last(&self, saved: &Saved) -> Result<Status> {
        let Refreshed { mut records, gone, failed } = tokio::select! {
            refreshed = refresh(self.accounts, self.regions, saved) => refreshed,
            interrupted = self.accounts.interrupted() => return Err(interrupted),
        };
        let is_wanted = |record: &Record| {
            self.query.conditions.iter().all(|condition| condition.holds(record)) && self.query.is_named(record)
        };
        records.retain(is_wanted);
        let mut status = Status::Done;
        for (zone, failure, hosts) in failed {
            let count = hosts.iter().filter(|host| is_wanted(host)).count();
            if count > 0 {
                let hosts = if count == 1 { "host comes" } else { "hosts come" };
                self.tool.failure(&failure.within(format!("{zone}: {count} {hosts} out as last seen")));
                status = Status::Unreached;
            }
        }
        if self.query.hosts.is_empty() && gone.iter().any(is_wanted) {
            let gone = gone.iter().filter(|host| is_wanted(host)).map(Record::host);
            self.tool.warn(format!("no longer in EC2: {}", fold(gone)));
            status = status.max(Status::No);
        }
        let arranged = arrange(self.query, records, |_| None);
        if !arranged.missing.is_empty() {
            status = status.max(self.say_missing(arranged.missing.iter().map(|host| host.host())));
        }
        self.show(arranged.records, status).await
    }

    /// Reads what else was asked for, and writes the records.
    async fn show(&self, found: Vec<Record>, status: Status) -> Result<Status> {
        let user_data = match self.args.show.user_data {
            true => read_user_data(self.accounts, &self.args.progress, &found).await?,
            false => UserData::new(),
        };
        user_data::say_unread(self.tool, &found, &user_data);
        show(&self.args.show, found, &user_data, self.tool)?;
        match user_data.values().any(Result::is_err) {
            true => Ok(status.max(Status::Unreached)),
            false => Ok(status),
        }
    }

    fn say_missing<'b>(&self, missing: impl Iterator<Item = &'b str>) -> Status {
        let narrowed = if self.query.is_narrowed() { ", or not of these tags and states" } else { "" };
        self.tool.warn(format!("not found{narrowed}: {}", fold(missing)));
        Status::No
    }

    /// Where a region did not answer, nothing is said of what was not found: it is unknown.
    fn say_empty(&self, answers: &Answers<'_>, count: usize) -> Status {
        if count > 0 || !answers.failed.is_empty() {
            return answers.status();
        }
        self.tool.warn("no instance matches");
        self.query.advice.iter().for_each(|advice| self.tool.warn(advice));
        if self.args.find.fail_empty { Status::No } else { Status::Done }
    }
}
