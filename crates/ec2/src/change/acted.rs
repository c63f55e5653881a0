//! An "acted" host is one that a tool acts on, with its result. Such hosts are changed and waited for together.

use crate::change::wait::WaitArgs;
use crate::change::{Change, is_protected_by_ec2};
use crate::client::Ec2;
use crate::client::accounts::{Account, Accounts};
use crate::config::aws_profile::AWS_PROFILE;
use crate::describe::find::by_region;
use cerveza_manners::{Failure, ProgressArgs, Result, Status};
use cerveza_record::Record;
use futures_util::future::join_all;
use std::collections::HashMap;
use std::mem::{replace, take};

/// What was done to one host, or would be under --dry-run.
#[derive(Clone, Debug, PartialEq)]
pub struct Acted {
    pub record: Record,
    /// The record's `action`; [`NO_ACTION`] where nothing had to be done.
    pub action: &'static str,
    /// Nothing more is done to a host that has failed.
    pub result: Result<()>,
}

pub const NO_ACTION: &str = "unchanged";

/// The action of a host that a tag or EC2 itself protects from the change.
pub const PROTECTED: &str = "protected";

/// The action of a host that is left out because of what its record says.
pub const SKIPPED: &str = "skipped";

pub const LAUNCHED: &str = "launched";

/// The action of a host that has failed before anything was done to it.
pub const FAILED: &str = "failed";

impl Acted {
    /// Returns the action as the record shows it: what was done. The same for all tools.
    pub fn shown_action(&self) -> &'static str {
        match self.result {
            Err(_) if self.action == NO_ACTION => FAILED,
            _ => self.action,
        }
    }

    /// Gives a host that has failed by now the action that says that nothing was done to it.
    pub fn note_not_done(&mut self) {
        if self.result.is_err() && ![PROTECTED, SKIPPED].contains(&self.action) {
            self.action = FAILED;
        }
    }

    /// Sets the failure of a host to which nothing was done.
    pub fn fail(&mut self, failure: Failure) {
        self.result = Err(failure);
        self.note_not_done();
    }

    /// Region and id of the instance; empty where there is none.
    pub fn instance_key(&self) -> (String, String) {
        (self.record.str("region").unwrap_or_default(), self.id())
    }

    fn id(&self) -> String {
        self.record.str("instance_id").unwrap_or_default()
    }
}

impl Accounts {
    /// Runs `flow` on the hosts of each account, all accounts at once. A host that was found nowhere is left as it is.
    /// If two profiles reach one instance, all its records go to the account of the first one, so it is changed once.
    pub async fn in_each_account(&self, acted: &mut Vec<Acted>, flow: impl AsyncFn(&Ec2, &mut Vec<Acted>)) {
        let mut groups: Vec<(Vec<usize>, Vec<Acted>)> = self.iter().map(|_| Default::default()).collect();
        let mut left = Vec::new();
        let mut account_of: HashMap<(String, String), usize> = HashMap::new();
        let profiles: Vec<Option<String>> = acted.iter().map(|host| host.record.str(AWS_PROFILE)).collect();
        for (at, host) in take(acted).into_iter().enumerate() {
            let is_its = |account: &Account| account.ec2.as_ref().is_ok_and(|ec2| ec2.owns(&host.record));
            match self.iter().position(is_its) {
                Some(own) => {
                    let account =
                        if host.id().is_empty() { own } else { *account_of.entry(host.instance_key()).or_insert(own) };
                    groups[account].0.push(at);
                    groups[account].1.push(host);
                }
                None => left.push((at, host)),
            }
        }
        join_all(self.iter().zip(&mut groups).map(async |(account, (_, hosts))| {
            let Ok(ec2) = &account.ec2 else { return };
            let failed: Vec<bool> = hosts.iter().map(|host| host.result.is_err()).collect();
            if !hosts.is_empty() {
                flow(ec2, hosts).await;
            }
            for (host, _) in hosts.iter_mut().zip(failed).filter(|(_, failed)| !failed) {
                let result = replace(&mut host.result, Ok(()));
                host.result = result.map_err(|failure| self.failure_of(account.profile.as_deref(), failure));
            }
        }))
        .await;
        let groups = groups.into_iter().flat_map(|(places, hosts)| places.into_iter().zip(hosts));
        left.extend(groups);
        left.sort_by_key(|(at, _)| *at);
        acted.extend(left.into_iter().map(|(_, host)| host));
        // A record keeps its profile, whichever account has refreshed it.
        for (host, profile) in acted.iter_mut().zip(profiles) {
            match profile {
                profile if profile == host.record.str(AWS_PROFILE) => {}
                Some(profile) => host.record.set(AWS_PROFILE, profile),
                None => host.record.remove(AWS_PROFILE),
            }
        }
    }
}

impl Ec2 {
    /// Changes the hosts that `wanted` holds of, all regions at once; an instance given twice is changed once. A call
    /// that has failed may have had its effect, because only its answer got lost: such a host has not failed.
    pub async fn change_all(&self, hosts: &mut [Acted], wanted: impl Fn(&Acted) -> bool, change: Change) {
        self.change_chosen(hosts, wanted, change, false).await;
    }

    /// As [`Ec2::change_all`], but also after Ctrl-C: to finish what was begun.
    pub async fn finish_all(&self, hosts: &mut [Acted], wanted: impl Fn(&Acted) -> bool, change: Change) {
        self.change_chosen(hosts, wanted, change, true).await;
    }

    async fn change_chosen(&self, hosts: &mut [Acted], wanted: impl Fn(&Acted) -> bool, change: Change, finish: bool) {
        let mut hosts = chosen(hosts, wanted);
        let places: Vec<_> = hosts.iter().map(|host| host.instance_key()).collect();
        let changes = by_region(&places).into_iter().map(|(region, ids)| async move {
            let ids: Vec<String> = ids.into_iter().map(str::to_string).collect();
            let results = self.change(region, change, &ids, finish).await;
            ids.into_iter().zip(results).collect::<Vec<_>>()
        });
        let results: HashMap<String, Result<()>> = join_all(changes).await.into_iter().flatten().collect();
        for host in &mut hosts {
            if let Some(result) = results.get(&host.id()) {
                host.result = result.clone();
                if result.as_ref().is_err_and(is_protected_by_ec2) {
                    host.action = PROTECTED;
                }
            }
        }
        let states = change.states_after();
        if !states.is_empty() {
            let is_changed = |host: &Acted| host.record.str("state").is_some_and(|state| states.contains(&&*state));
            self.look_at_failed(hosts, is_changed).await;
        }
    }

    /// Looks at those of the hosts whose call has failed. One that `is_done` holds of now has not failed. One that
    /// cannot be looked at has no `state` any more.
    pub(crate) async fn look_at_failed(&self, hosts: Vec<&mut Acted>, is_done: impl Fn(&Acted) -> bool) {
        // After Ctrl-C the call was not made at all.
        let is_unsure = |failure: &Failure| failure.status != Status::Interrupted && !is_protected_by_ec2(failure);
        let is_failed = |host: &&mut Acted| host.result.as_ref().is_err_and(is_unsure);
        let failed: Vec<&mut Acted> = hosts.into_iter().filter(is_failed).collect();
        let places: Vec<_> = failed.iter().map(|host| host.instance_key()).collect();
        let now = self.refresh(&places).await;
        for host in failed {
            let Some(Ok(record)) = now.get(&host.id()) else {
                host.record.remove("state");
                continue;
            };
            host.record.merge(record.clone());
            if is_done(host) {
                host.result = Ok(());
            }
        }
    }

    /// Waits until the hosts that `wanted` holds of are in one of `states`, and gives their records the facts seen
    /// last.
    pub async fn wait_all(
        &self,
        hosts: &mut [Acted],
        wanted: impl Fn(&Acted) -> bool,
        states: &[&str],
        args: &WaitArgs,
        progress: &ProgressArgs,
    ) {
        let mut hosts = chosen(hosts, wanted);
        if hosts.is_empty() {
            return;
        }
        let places: Vec<_> = hosts.iter().map(|host| host.instance_key()).collect();
        let bar = progress.bar(places.len() as u64, "waiting");
        let waited = self.wait(&places, states, args.timeout, || bar.inc(1)).await;
        bar.finish_and_clear();
        for host in &mut hosts {
            if let Some(waited) = waited.get(&host.id()) {
                match &waited.record {
                    Some(record) => host.record.merge(record.clone()),
                    // What the record says is of before the change.
                    None => host.record.remove("state"),
                }
                host.result = waited.outcome.clone();
            }
        }
    }

    /// Gives the hosts' records the facts as they are now. If they cannot be read for a host that was changed, the host
    /// has failed and has no `state`: what its record says is of before the change.
    pub async fn refresh_all(&self, hosts: &mut [Acted]) {
        let mut hosts = chosen(hosts, |_| true);
        let places: Vec<_> = hosts.iter().map(|host| host.instance_key()).collect();
        let now = self.refresh(&places).await;
        for host in &mut hosts {
            match now.get(&host.id()) {
                Some(Ok(record)) => host.record.merge(record.clone()),
                Some(Err(_)) if host.action == NO_ACTION => {}
                Some(Err(failure)) => {
                    host.result = Err(failure.clone().within("done, but its state now is unknown"));
                    host.record.remove("state");
                }
                // EC2 lists a new instance after a moment.
                None => {}
            }
        }
    }
}

/// Returns the hosts that have not failed and that `wanted` holds of.
pub(crate) fn chosen(hosts: &mut [Acted], wanted: impl Fn(&Acted) -> bool) -> Vec<&mut Acted> {
    hosts.iter_mut().filter(|host| host.result.is_ok() && wanted(host)).collect()
}
