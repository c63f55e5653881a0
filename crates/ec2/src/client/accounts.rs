//! The AWS accounts of a run. Each is reached by a profile of the AWS configuration.

use crate::client::Ec2;
use crate::client::interrupt::Interrupt;
use crate::client::region_args::RegionArgs;
use crate::config::aws_profile::AWS_PROFILE;
use cerveza_manners::{Failure, Result, Tool};
use cerveza_record::Record;
use futures_util::future::join_all;
use std::collections::HashSet;
use tokio::sync::oneshot;

/// One account, and why it cannot be used if it cannot.
pub struct Account {
    /// The profile that `--account` or a record names. `None` is the account of the environment.
    pub profile: Option<String>,
    pub ec2: Result<Ec2>,
}

pub struct Accounts {
    accounts: Vec<Account>,
    interrupt: Interrupt,
    /// Why regions denied the look-up of hosts that were found in other regions.
    pub(crate) denied: Vec<Failure>,
}

impl Accounts {
    /// Connects to the accounts that the records of `hosts` name by `aws_profile`, and, if a host names none or there
    /// are no hosts, to those of `--account`, or to that of the environment. Watches for Ctrl-C from then on.
    pub async fn connect(args: &RegionArgs, hosts: &[Record]) -> Accounts {
        let interrupt = Interrupt::watch();
        let watched = &interrupt;
        let connect = |profile: Option<String>| async move {
            let ec2 = Ec2::connect_to(args, profile.clone(), watched.clone()).await;
            Account { profile, ec2 }
        };
        let accounts = join_all(profiles(args, hosts).into_iter().map(connect)).await;
        Accounts { accounts, interrupt, denied: Vec::new() }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Account> {
        self.accounts.iter()
    }

    /// Returns the first account, if it can be used.
    pub fn into_first(self) -> Option<Ec2> {
        self.accounts.into_iter().next()?.ec2.ok()
    }

    /// Returns the accounts that can be used.
    pub fn connected(&self) -> impl Iterator<Item = &Ec2> {
        self.accounts.iter().filter_map(|account| account.ec2.as_ref().ok())
    }

    /// Returns the places in `iter` of the accounts that a host may be in: that of its record's `aws_profile`, else
    /// those of `--account`.
    pub fn places_of(&self, args: &RegionArgs, host: &Record) -> Vec<usize> {
        let profile = host.str(AWS_PROFILE);
        let is_its = |account: &Account| match &profile {
            Some(_) => account.profile == profile,
            None => account.profile.as_ref().is_none_or(|profile| args.account.contains(profile)),
        };
        (0..self.accounts.len()).filter(|place| is_its(&self.accounts[*place])).collect()
    }

    /// Returns a failure of this account. The message names the account if there are several.
    pub fn failure_of(&self, profile: Option<&str>, failure: Failure) -> Failure {
        if self.accounts.len() > 1 { named(profile, failure) } else { failure }
    }

    /// Says which regions hosts could not be looked for in, though they were found in others.
    pub fn warn_of_denied(&self, tool: &Tool) {
        for failure in &self.denied {
            tool.warn(format!("hosts in this region were not looked up: {failure}"));
        }
    }

    /// Returns once Ctrl-C was pressed.
    pub async fn interrupted(&self) -> Failure {
        self.interrupt.wait().await;
        Failure::interrupted()
    }

    /// Runs work that blocks, such as reading from a terminal, on a thread of its own. Ctrl-C ends the wait for it.
    pub async fn unless_interrupted<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let (sender, done) = oneshot::channel();
        std::thread::spawn(move || sender.send(work()));
        tokio::select! {
            Ok(done) = done => Ok(done),
            failure = self.interrupted() => Err(failure),
        }
    }
}

/// Returns the profiles of the accounts to connect to, each once.
fn profiles(args: &RegionArgs, hosts: &[Record]) -> Vec<Option<String>> {
    let mut profiles: Vec<Option<String>> = Vec::new();
    let of_records: Vec<Option<String>> = hosts.iter().map(|host| host.str(AWS_PROFILE)).collect();
    if hosts.is_empty() || of_records.contains(&None) {
        if args.account.is_empty() {
            profiles.push(None)
        } else {
            profiles.extend(args.account.iter().cloned().map(Some))
        }
    }
    profiles.extend(of_records.into_iter().flatten().map(Some));
    let mut seen = HashSet::new();
    profiles.retain(|profile| seen.insert(profile.clone()));
    profiles
}

/// Puts the account before the message of its failure.
pub(crate) fn named(profile: Option<&str>, failure: Failure) -> Failure {
    match profile {
        Some(profile) => failure.within(format!("account {profile}")),
        None => failure,
    }
}
