//! Finds instances: page by page, or all of them in order.

pub(crate) mod arrange;
pub(crate) mod details;
pub(crate) mod last;
pub(crate) mod resources;
pub(crate) mod search;

use crate::find::arrange::{arrange, missing_new};
use crate::find::last::{Refreshed, Saved, refresh};
use crate::find::search::{Answers, Place, Search};
use crate::query::Query;
use cerveza_ec2::{Account, Accounts, Ec2, RegionArgs, has_ended, refuse_ambiguous, region_list};
use cerveza_manners::{Failure, Result, Status};
use cerveza_record::Record;
use futures_util::future::join_all;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};

/// Who is asked, and what for.
pub struct Finder<'a> {
    pub accounts: &'a Accounts,
    pub regions: &'a RegionArgs,
    pub query: &'a Query,
    /// A saved listing. Only its instances are asked for.
    pub saved: Option<&'a Saved>,
}

/// What was found.
pub struct Found {
    pub records: Vec<Record>,
    /// Hosts that were asked for and have no instance. One that only a filter leaves out is not missing.
    pub missing: Vec<Record>,
    /// Hosts of a saved listing that have been terminated since.
    pub gone: Vec<String>,
    /// The regions that gave no answer, each with the AWS profile of its account. The region is empty if the whole
    /// account cannot be used.
    pub unanswered: Vec<(Option<String>, String)>,
    /// How the regions answered.
    pub status: Status,
}

impl Found {
    /// Returns whether the region of a record gave no answer.
    pub fn is_unknown(&self, record: &Record) -> bool {
        let (account, region) = (record.str("aws_profile"), record.str("region"));
        let is_its = |(its_account, its_region): &(Option<String>, String)| {
            *its_account == account && (its_region.is_empty() || region.as_deref() == Some(its_region))
        };
        self.unanswered.iter().any(is_its)
    }
}

fn count_of_hosts(count: usize) -> String {
    if count == 1 { "1 host".to_string() } else { format!("{count} hosts") }
}

impl<'a> Finder<'a> {
    /// Gives each page to `page` as it arrives. `report` is called at once for a region that fails.
    pub async fn pages(
        &self,
        report: impl Fn(Failure),
        page: impl AsyncFn(Vec<Record>) -> Result<()>,
    ) -> Result<Answers<'a>> {
        self.search().run(report, page).await
    }

    /// Finds all. Hosts of stdin keep their order, others are sorted by name.
    pub async fn all(&self, report: impl Fn(Failure)) -> Result<Found> {
        match self.saved {
            Some(saved) => self.refreshed(saved, report).await,
            None => self.searched(report).await,
        }
    }

    /// Returns the places that are asked.
    pub fn places(&self) -> Result<Vec<Place<'a>>> {
        self.search().places()
    }

    /// Returns where these hosts were looked for, or where everything was if there are none: ` in us-east-1`, or
    /// ` in fleet.jsonl`.
    pub fn looked_in(&self, hosts: &[Record]) -> String {
        if let Some(saved) = self.saved {
            return format!(" in {}", saved.name);
        }
        let search = self.search();
        let places = search.places().unwrap_or_default();
        let is_asked = |place: &Place<'_>| hosts.is_empty() || hosts.iter().any(|host| search.is_in(host, place));
        let regions = places.into_iter().filter(is_asked).map(|place| place.region);
        let regions: BTreeSet<String> = regions.filter(|region| !region.is_empty()).collect();
        let regions: Vec<String> = regions.into_iter().collect();
        if regions.is_empty() { String::new() } else { format!(" in {}", region_list(&regions)) }
    }

    /// Returns the records of each account that can be used, by their positions.
    pub fn by_account(&self, records: &[Record]) -> Vec<(&'a Account, &'a Ec2, Vec<usize>)> {
        let account_of = |record: &Record| self.accounts.places_of(self.regions, record).first().copied();
        let accounts = self.accounts.iter().enumerate();
        accounts
            .filter_map(|(number, account)| {
                let its = (0..records.len()).filter(|at| account_of(&records[*at]) == Some(number)).collect();
                Some((account, account.ec2.as_ref().ok()?, its))
            })
            .collect()
    }

    fn search(&self) -> Search<'a> {
        Search { accounts: self.accounts, args: self.regions, query: self.query }
    }

    async fn searched(&self, report: impl Fn(Failure)) -> Result<Found> {
        let (search, found) = (self.search(), RefCell::new(Vec::new()));
        let gather = async |page| {
            found.borrow_mut().extend::<Vec<Record>>(page);
            Ok(())
        };
        let mut answers = search.run(&report, gather).await?;
        let new = missing_new(self.query, &found.borrow());
        // Hosts that were launched a moment ago are asked for again once EC2 lists them. Where a region did not answer
        // it is unknown what is missing.
        if !new.is_empty() && answers.failed.is_empty() {
            let listed = join_all(self.accounts.connected().map(|ec2| ec2.wait_until_listed(&new)));
            tokio::select! {
                _ = listed => {}
                interrupted = self.accounts.interrupted() => return Err(interrupted),
            }
            found.borrow_mut().clear();
            answers = search.run(&report, gather).await?;
        }
        let found = found.into_inner();
        refuse_ambiguous(&self.query.possible_names, &found)?;
        let failure_of = |host: &Record| {
            let mut failed = answers.failed.iter();
            failed.find(|(place, _)| search.is_in(host, place)).map(|(_, failure)| failure)
        };
        let (records, mut missing) = arrange(self.query, found, failure_of);
        if !missing.is_empty() && self.query.is_narrowed() {
            missing = self.without_filtered(missing).await?;
        }
        let place = |(place, _): &(Place<'_>, Failure)| (place.account.profile.clone(), place.region.clone());
        let unanswered = answers.failed.iter().map(place).collect();
        Ok(Found { records, missing, gone: Vec::new(), unanswered, status: answers.status() })
    }

    /// Returns the hosts that have no instance even without the filters.
    async fn without_filtered(&self, hosts: Vec<Record>) -> Result<Vec<Record>> {
        let query = self.query.unfiltered(hosts);
        let (search, found) = (Search { query: &query, ..self.search() }, RefCell::new(Vec::new()));
        let gather = async |page| {
            found.borrow_mut().extend::<Vec<Record>>(page);
            Ok(())
        };
        search.run(|_| {}, gather).await?;
        Ok(arrange(&query, found.into_inner(), |_| None).1)
    }

    async fn refreshed(&self, saved: &Saved, report: impl Fn(Failure)) -> Result<Found> {
        let Refreshed { mut records, gone, failed } = tokio::select! {
            refreshed = refresh(self.accounts, self.regions, saved) => refreshed,
            interrupted = self.accounts.interrupted() => return Err(interrupted),
        };
        let is_wanted = |record: &Record| {
            self.query.conditions.iter().all(|condition| condition.holds(record)) && self.query.is_named(record)
        };
        // One that has ended since then is gone too, unless its state is looked for.
        let had_ended = saved.records.iter().filter(|saved| has_ended(saved)).map(|saved| saved.str("instance_id"));
        let had_ended: HashSet<Option<String>> = had_ended.collect();
        let has_ended_since = |record: &Record| {
            let mut live = record.clone();
            live.set("state", "running");
            let has_ended = has_ended(record) && !had_ended.contains(&record.str("instance_id"));
            has_ended && !is_wanted(record) && is_wanted(&live)
        };
        let ended: Vec<Record> = records.extract_if(.., |record| has_ended_since(record)).collect();
        let filtered = records.extract_if(.., |record| !is_wanted(record)).collect();
        let mut status = Status::Done;
        for (zone, failure, hosts) in failed {
            let (listed, named) =
                (hosts.iter().filter(|host| is_wanted(host)), hosts.iter().filter(|host| self.query.is_named(host)));
            // State, tags and type may have changed since.
            let what = match (listed.count(), named.count()) {
                (_, 0) => continue,
                (0, count) => format!("{} did not match when last seen, and may match now", count_of_hosts(count)),
                (1, _) => "1 host is listed as last seen".to_string(),
                (count, _) => format!("{count} hosts are listed as last seen"),
            };
            report(failure.within(format!("{zone}: {what}")));
            status = Status::Unreached;
        }
        let (records, missing) = arrange(self.query, records, |_| None);
        let missing = arrange(&self.query.unfiltered(missing), filtered, |_| None).1;
        // Hosts that were named are missing.
        let is_gone = |host: &&Record| self.query.hosts.is_empty() && is_wanted(host) && !has_ended(host);
        let gone = gone.iter().filter(is_gone).chain(ended.iter().filter(|_| self.query.hosts.is_empty()));
        let gone = gone.map(|host| host.host().to_string()).collect();
        // Hosts of a zone that does not answer are among the records.
        Ok(Found { records, missing, gone, unanswered: Vec::new(), status })
    }
}
