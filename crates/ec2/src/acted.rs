//! Hosts on which something is being done: changed together, waited for together, each with its own result.

use crate::change::{Change, is_protected_by_ec2};
use crate::client::Ec2;
use crate::find::by_region;
use crate::wait::WaitArgs;
use cerveza_manners::{Failure, ProgressArgs, Result, Status};
use cerveza_record::Record;
use futures_util::future::join_all;
use std::collections::HashMap;

/// What was done to one host, or would be under --dry-run.
#[derive(Clone, Debug, PartialEq)]
pub struct Acted {
    pub record: Record,
    /// The record's `action`; [`NO_ACTION`] where nothing had to be done.
    pub action: &'static str,
    /// A host that has failed is left alone from then on.
    pub result: Result<()>,
}

pub const NO_ACTION: &str = "unchanged";

/// The action of a host that a tag or EC2 itself protects from the change.
pub const PROTECTED: &str = "protected";

impl Acted {
    /// Region and id of the instance; empty where there is none.
    pub fn place(&self) -> (String, String) {
        (self.record.str("region").unwrap_or_default(), self.id())
    }

    /// Whether an instance was found for the host.
    pub(crate) fn has_instance(&self) -> bool {
        !self.id().is_empty()
    }

    fn id(&self) -> String {
        self.record.str("instance_id").unwrap_or_default()
    }
}

impl Ec2 {
    /// Changes the hosts that `wanted` holds of, all regions at once; an instance given twice is changed once. A call that has
    /// failed may have had its effect, because only its answer got lost: such a host has not failed.
    pub async fn change_all(&self, hosts: &mut [Acted], wanted: impl Fn(&Acted) -> bool, change: Change) {
        self.change_chosen(hosts, wanted, change, false).await;
    }

    /// As [`Ec2::change_all`], but also after Ctrl-C: to finish what was begun.
    pub async fn finish_all(&self, hosts: &mut [Acted], wanted: impl Fn(&Acted) -> bool, change: Change) {
        self.change_chosen(hosts, wanted, change, true).await;
    }

    async fn change_chosen(&self, hosts: &mut [Acted], wanted: impl Fn(&Acted) -> bool, change: Change, finish: bool) {
        let mut hosts = chosen(hosts, wanted);
        let places: Vec<_> = hosts.iter().map(|host| host.place()).collect();
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

    /// Looks at those of the hosts whose call has failed. One that `is_done` holds of now has not failed. One that cannot be
    /// looked at has no `state` any more.
    pub(crate) async fn look_at_failed(&self, hosts: Vec<&mut Acted>, is_done: impl Fn(&Acted) -> bool) {
        // After Ctrl-C the call was not made at all.
        let is_unsure = |failure: &Failure| failure.status != Status::Interrupted && !is_protected_by_ec2(failure);
        let is_failed = |host: &&mut Acted| host.result.as_ref().is_err_and(is_unsure);
        let failed: Vec<&mut Acted> = hosts.into_iter().filter(is_failed).collect();
        let places: Vec<_> = failed.iter().map(|host| host.place()).collect();
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

    /// Waits until the hosts that `wanted` holds of are in one of `states`, and gives their records the facts seen last.
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
        let places: Vec<_> = hosts.iter().map(|host| host.place()).collect();
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

    /// Gives the hosts' records the facts as they are now. If EC2 does not tell those of a host that was changed, the host has
    /// failed and has no `state`: what its record says is of before the change.
    pub async fn refresh_all(&self, hosts: &mut [Acted]) {
        let mut hosts = chosen(hosts, |_| true);
        let places: Vec<_> = hosts.iter().map(|host| host.place()).collect();
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

/// The hosts that have not failed and that `wanted` holds of.
pub(crate) fn chosen(hosts: &mut [Acted], wanted: impl Fn(&Acted) -> bool) -> Vec<&mut Acted> {
    hosts.iter_mut().filter(|host| host.result.is_ok() && wanted(host)).collect()
}
