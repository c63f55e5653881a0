//! Gives hosts their elastic IP address: looks it up, allocates it if there is none, and associates it.
//!
//! AllocateAddress has no client token, so several runs at once may each allocate an address for the same host. Each
//! run looks again after it has allocated one. All runs keep the address that the instance has, else the one with the
//! lowest allocation id, and each run releases only what it has allocated itself. It knows that by a tag, even if the
//! answer of AllocateAddress got lost.

use crate::change::limit::Limit;
use crate::client::call::random_bits;
use crate::client::{CONCURRENCY, Ec2};
use crate::resources::elastic_ip_choice::{
    AddressNeed, AddressProgress, FIRST_PAUSE, HostAddress, NextStep, SeenAddresses, next_step,
};
use cerveza_manners::{Failure, Result};
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A host, what this run has done for its address, and the result once there is one.
struct HostInWork<'a> {
    need: &'a AddressNeed,
    progress: AddressProgress,
    result: Option<Result<HostAddress>>,
}

impl Ec2 {
    /// Gives each instance its address and returns that, or why not; in order. `done` is called once for each host.
    pub async fn associate_addresses(
        &self,
        needs: &[AddressNeed],
        timeout: Duration,
        done: impl Fn(),
    ) -> Vec<Result<HostAddress>> {
        let (limit, done) = (&Limit::new(timeout), &done);
        let mut regions: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, need) in needs.iter().enumerate() {
            regions.entry(&need.region).or_default().push(index);
        }
        let given = stream::iter(regions).map(|(region, indexes)| async move {
            let needs = indexes.iter().map(|index| &needs[*index]).collect();
            let results = self.associate_in_region(region, needs, limit, done).await;
            indexes.into_iter().zip(results)
        });
        let given: Vec<_> = given.buffer_unordered(CONCURRENCY).collect().await;
        let mut results: Vec<_> = given.into_iter().flatten().collect();
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }

    async fn associate_in_region(
        &self,
        region: &str,
        needs: Vec<&AddressNeed>,
        limit: &Limit,
        done: &impl Fn(),
    ) -> Vec<Result<HostAddress>> {
        let run = random_name();
        let in_work = |need| HostInWork { need, progress: AddressProgress::new(&run), result: None };
        let mut hosts: Vec<HostInWork<'_>> = needs.into_iter().map(in_work).collect();
        let mut pause = FIRST_PAUSE;
        loop {
            let pending: Vec<&mut HostInWork> = hosts.iter_mut().filter(|host| host.result.is_none()).collect();
            if pending.is_empty() {
                break;
            }
            let seen = &self.look_at_addresses(region, pending.iter().map(|host| host.need)).await;
            let is_last = limit.is_over();
            let steps = stream::iter(pending).map(|host| async move {
                let has_changed = self.take_next_step(host, seen, limit, is_last).await;
                if host.result.is_some() {
                    done();
                }
                has_changed
            });
            let changed: Vec<bool> = steps.buffer_unordered(CONCURRENCY).collect().await;
            if changed.contains(&true) {
                limit.progressed();
                pause = FIRST_PAUSE;
                continue;
            }
            tokio::select! {
                () = sleep(limit.at_most(pause)) => {}
                () = self.interrupt.wait() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        hosts.into_iter().map(|host| host.result.unwrap_or_else(|| Err(Failure::interrupted()))).collect()
    }

    /// Does what is next for a host, whose addresses are `seen`. Returns false if that is to wait and look again.
    async fn take_next_step(
        &self,
        host: &mut HostInWork<'_>,
        seen: &Result<SeenAddresses>,
        limit: &Limit,
        is_last: bool,
    ) -> bool {
        let HostInWork { need, progress, result } = host;
        let step = match seen {
            Ok(seen) => next_step(need, progress, seen, Instant::now()),
            Err(failure) => NextStep::Fail(failure.clone()),
        };
        match step {
            NextStep::Done(public_ip) => {
                let spare = seen.as_ref().map_or(Vec::new(), |seen| seen.spare(need, &public_ip));
                *result = Some(Ok(HostAddress { public_ip, spare }));
            }
            NextStep::Fail(failure) => {
                self.give_up_address(need, progress).await;
                *result = Some(Err(failure));
            }
            // Also after Ctrl-C.
            NextStep::Release(_) => self.change_address(need, progress, step).await,
            _ if self.is_interrupted() => *result = Some(Err(Failure::interrupted())),
            NextStep::Wait(why) if is_last => {
                let failure = Failure::unreached(format!("{why} after {}", limit.timeout_text()));
                *result = Some(Err(failure.hint("run the same command again, or wait longer with --timeout")));
            }
            NextStep::Wait(_) => return false,
            NextStep::Allocate | NextStep::Associate(_) => {
                self.change_address(need, progress, step).await;
                let settled = progress.settled();
                *result = settled.map(|public_ip| Ok(HostAddress { public_ip, spare: Vec::new() }));
            }
        }
        true
    }

    async fn change_address(&self, need: &AddressNeed, progress: &mut AddressProgress, change: NextStep) {
        match change {
            NextStep::Allocate => {
                let allocated = self.allocate(&need.region, &need.host, &progress.run).await;
                progress.note_allocation(allocated, Instant::now());
            }
            NextStep::Associate(address) => {
                let associated = self.associate(&need.region, &need.instance_id, &address.allocation_id).await;
                progress.note_association(address, associated, Instant::now());
            }
            NextStep::Release(address) => {
                progress.allocated = None;
                progress.releases += 1;
                if let Err(error) = self.release(&need.region, &address.allocation_id).await {
                    // Another run may have associated it just now. It is looked at again.
                    progress.failure = Some(error.failure);
                }
            }
            NextStep::Done(_) | NextStep::Wait(_) | NextStep::Fail(_) => {}
        }
    }

    /// Releases what this run has allocated and not associated: another run may have given the host its address. EC2
    /// refuses to release one that is in use.
    async fn give_up_address(&self, need: &AddressNeed, progress: &AddressProgress) {
        if let Some(own) = progress.allocated.as_ref().filter(|_| progress.associated.is_none()) {
            let _ = self.release(&need.region, &own.allocation_id).await;
        }
    }

    /// Looks at the addresses of these hosts, and at the instances that have them.
    async fn look_at_addresses<'a>(
        &self,
        region: &str,
        needs: impl Iterator<Item = &'a AddressNeed>,
    ) -> Result<SeenAddresses> {
        let (mut hosts, mut ids, mut ips) = (Vec::new(), Vec::new(), Vec::new());
        let mut own = BTreeSet::new();
        for need in needs {
            own.insert(need.instance_id.as_str());
            match &need.given {
                None => hosts.push(need.host.clone()),
                Some(id) if id.starts_with("eipalloc-") => ids.push(id.clone()),
                Some(ip) => ips.push(ip.clone()),
            }
        }
        let mut addresses = Vec::new();
        for (field, values) in [("tag:Name", hosts), ("allocation-id", ids), ("public-ip", ips)] {
            addresses.extend(self.addresses(region, field, &values).await?);
        }
        let others: BTreeSet<&str> = addresses.iter().filter_map(|address| address.instance_id.as_deref()).collect();
        let others = self.instances(region, others.difference(&own)).await?;
        let states = others.into_iter().map(|(id, instance)| (id, instance.str("state").unwrap_or_default())).collect();
        Ok(SeenAddresses { addresses, states })
    }
}

/// Returns a name that no other run has.
fn random_name() -> String {
    format!("{:016x}", random_bits())
}
