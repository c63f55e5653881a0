//! Asks EC2 what a [`Query`] says, in all accounts and regions side by side.

use crate::query::Query;
use cerveza_ec2::{Account, Accounts, Ec2, RegionArgs, is_server_fault};
use cerveza_manners::{Failure, Result, Status};
use cerveza_record::Record;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};

/// Who is asked, and what for.
pub struct Search<'a> {
    pub accounts: &'a Accounts,
    pub args: &'a RegionArgs,
    pub query: &'a Query,
}

/// A region of an account.
#[derive(Clone)]
pub struct Place<'a> {
    pub account: &'a Account,
    /// The account's number.
    pub number: usize,
    /// Empty for an account that cannot be used.
    pub region: String,
    /// Whether hosts are looked for here that do not say where they are.
    is_searched: bool,
}

/// What became of a search.
pub struct Answers<'a> {
    /// How many places were asked.
    asked: usize,
    pub failed: Vec<(Place<'a>, Failure)>,
}

impl Answers<'_> {
    pub fn status(&self) -> Status {
        match self.failed.len() {
            0 => Status::Done,
            // Nothing could be done.
            failed if failed == self.asked => Status::Usage,
            _ => Status::Unreached,
        }
    }
}

impl<'a> Search<'a> {
    /// Asks all places at once, and gives each page of each to `page` as it arrives, sorted by name. Calls `report` at
    /// once for a place that fails. An error of `page` ends the search.
    pub async fn run(
        &self,
        report: impl Fn(Failure),
        page: impl AsyncFn(Vec<Record>) -> Result<()>,
    ) -> Result<Answers<'a>> {
        let places = self.places()?;
        let mut answers = Answers { asked: places.len(), failed: Vec::new() };
        let (page, stop) = (&page, &RefCell::new(None));
        let mut hints = HashSet::new();
        let ask = |place: Place<'a>| async move {
            let asked = match &place.account.ec2 {
                Ok(ec2) => self.ask_place(ec2, &place, page, stop).await,
                Err(failure) => Err(failure.clone()),
            };
            (place, asked)
        };
        let mut asked: FuturesUnordered<_> = places.into_iter().map(ask).collect();
        loop {
            let next = tokio::select! {
                next = asked.next() => next,
                interrupted = self.accounts.interrupted() => return Err(interrupted),
            };
            if let Some(failure) = stop.borrow_mut().take() {
                return Err(failure);
            }
            match next {
                None => return Ok(answers),
                Some((_, Ok(()))) => {}
                Some((place, Err(failure))) => {
                    let failure = self.accounts.failure_of(place.account.profile.as_deref(), failure);
                    let mut reported = with_advice(failure.clone());
                    // The same advice is given once.
                    reported.hint = reported.hint.filter(|hint| hints.insert(hint.clone()));
                    report(reported);
                    answers.failed.push((place, failure));
                }
            }
        }
    }

    /// Returns where to ask: in the region of each host that says its own, and in all that the arguments name for the
    /// others.
    pub fn places(&self) -> Result<Vec<Place<'a>>> {
        let anywhere = self.accounts.places_of(self.args, &Record::named("*"));
        let mut places = Vec::new();
        for (number, account) in self.accounts.iter().enumerate() {
            let place = |region: String, is_searched| Place { account, number, region, is_searched };
            let Ok(ec2) = &account.ec2 else {
                places.push(place(String::new(), false));
                continue;
            };
            let mut searched = BTreeSet::new();
            if self.query.is_anywhere() && anywhere.contains(&number) {
                searched.extend(ec2.regions()?.iter().cloned());
            }
            let its = |host: &&Record| self.accounts.places_of(self.args, host).contains(&number);
            let of_hosts = self.query.hosts.iter().filter(its).filter_map(|host| host.str("region"));
            let others: BTreeSet<String> = of_hosts.filter(|region| !searched.contains(region)).collect();
            places.extend(searched.into_iter().map(|region| place(region, true)));
            places.extend(others.into_iter().map(|region| place(region, false)));
        }
        Ok(places)
    }

    /// Returns whether a host may be in a place.
    pub fn is_in(&self, host: &Record, place: &Place<'_>) -> bool {
        let is_here = host.str("region").map_or(place.is_searched, |region| region == place.region);
        (is_here || place.region.is_empty()) && self.accounts.places_of(self.args, host).contains(&place.number)
    }

    async fn ask_place(
        &self,
        ec2: &Ec2,
        place: &Place<'_>,
        page: &impl AsyncFn(Vec<Record>) -> Result<()>,
        stop: &RefCell<Option<Failure>>,
    ) -> Result<()> {
        let calls = self.query.calls(|host| self.is_in(host, place), place.is_searched);
        let left = self.query.left();
        // Two calls may find the same instance, by its name and by its id.
        let mut seen = HashSet::new();
        for filters in &calls {
            let each = async |mut records: Vec<Record>| {
                records.retain(|record| {
                    let is_wanted = left.iter().all(|condition| condition.holds(record)) && self.query.is_named(record);
                    is_wanted && (calls.len() == 1 || seen.insert(record.str("instance_id")))
                });
                let taken = if records.is_empty() { Ok(()) } else { page(records).await };
                taken.inspect_err(|failure| _ = stop.replace(Some(failure.clone())))
            };
            ec2.find_pages(&place.region, filters, each).await?;
        }
        Ok(())
    }
}

fn with_advice(failure: Failure) -> Failure {
    if failure.hint.is_some() || !is_server_fault(&failure) {
        return failure;
    }
    failure.hint(
        "if a zone is down, `ec2-ls --last SAVED` asks for the hosts of the other zones (SAVED: output of ec2-ls)",
    )
}
