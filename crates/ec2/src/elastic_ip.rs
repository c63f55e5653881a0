//! Gives hosts their elastic IP address: looks it up, allocates it if there is none, and associates it.
//!
//! AllocateAddress has no client token, so several runs at once may each allocate an address for the same host. Each run
//! looks again after it has allocated one. All runs keep the address that the instance has, else the one with the lowest
//! allocation id, and each run releases only what it has allocated itself.

use crate::CONCURRENCY;
use crate::address::{Address, AddressError};
use crate::client::Ec2;
use crate::find::Filter;
use crate::limit::Limit;
use cerveza_manners::{Failure, Result};
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A running instance that is to have an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressNeed {
    pub region: String,
    pub host: String,
    pub instance_id: String,
    /// An IPv4 address or an `eipalloc-` id that the account has. `None`: the host's own, found by its tag `Name`.
    pub given: Option<String>,
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a run that may not be alone waits for what the others do, before it associates an address and after.
const SETTLE: Duration = Duration::from_secs(2);
/// How long an address is looked for whose AllocateAddress got no answer, and for one that another run allocates where
/// the account has no more.
const LOOK_FOR: Duration = Duration::from_secs(4);
const MOST_ALLOCATIONS: u32 = 3;
const MOST_ASSOCIATIONS: u32 = 5;

/// What is known of one host's address in this run.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// The address that this run has allocated and not released.
    allocated: Option<Address>,
    /// The address that this run has associated, and when.
    associated: Option<(Address, Instant)>,
    /// Another run may be doing the same.
    is_contested: bool,
    /// When more than one address was first seen.
    contested_since: Option<Instant>,
    /// An AllocateAddress may have had an effect that is not seen.
    is_answer_lost: bool,
    /// Nothing is allocated before this.
    allocate_after: Option<Instant>,
    refused_since: Option<Instant>,
    allocations: u32,
    associations: u32,
    /// What the last call said that failed.
    failure: Option<Failure>,
}

/// What is done next for a host.
#[derive(Clone, Debug, PartialEq)]
enum Next {
    Done(String),
    Allocate,
    Associate(Address),
    /// Releases what this run has allocated.
    Release(Address),
    /// Looks again, and says this if it was the last look.
    Wait(String),
    Fail(Failure),
}

impl Ec2 {
    /// Gives each instance its address and returns that, or why not; in order. `done` is called once for each host.
    pub async fn associate_addresses(
        &self,
        needs: &[AddressNeed],
        timeout: Duration,
        done: impl Fn(),
    ) -> Vec<Result<String>> {
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
    ) -> Vec<Result<String>> {
        let mut hosts: Vec<(&AddressNeed, Progress, Option<Result<String>>)> =
            needs.into_iter().map(|need| (need, Progress::default(), None)).collect();
        let mut pause = FIRST_PAUSE;
        loop {
            let pending: Vec<_> = hosts.iter_mut().filter(|(_, _, result)| result.is_none()).collect();
            if pending.is_empty() {
                break;
            }
            let seen = self.see(region, pending.iter().map(|(need, _, _)| *need)).await;
            let is_last = limit.is_over();
            let steps = stream::iter(pending).map(|(need, progress, result)| {
                let next = match &seen {
                    Ok(seen) => next(need, progress, seen, Instant::now()),
                    Err(failure) => Next::Fail(failure.clone()),
                };
                async move {
                    match next {
                        Next::Done(address) => *result = Some(Ok(address)),
                        Next::Fail(failure) => *result = Some(Err(failure)),
                        _ if self.is_interrupted() => *result = Some(Err(Failure::interrupted())),
                        Next::Wait(why) if is_last => {
                            let failure = Failure::unreached(format!("{why} after {}", limit.words()));
                            *result =
                                Some(Err(failure.hint("run the same command again, or wait longer with --timeout")));
                        }
                        Next::Wait(_) => return false,
                        change => {
                            self.change_address(need, progress, change).await;
                            match progress.settled() {
                                Some(address) => *result = Some(Ok(address)),
                                None => return true,
                            }
                        }
                    }
                    done();
                    true
                }
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
        hosts.into_iter().map(|(_, _, result)| result.unwrap_or_else(|| Err(Failure::interrupted()))).collect()
    }

    async fn change_address(&self, need: &AddressNeed, progress: &mut Progress, change: Next) {
        match change {
            Next::Allocate => {
                let allocated = self.allocate(&need.region, &need.host).await;
                progress.allocated(allocated, Instant::now());
            }
            Next::Associate(address) => {
                let associated = self.associate(&need.region, &need.instance_id, &address.allocation_id).await;
                progress.associated(address, associated, Instant::now());
            }
            Next::Release(address) => {
                progress.allocated = None;
                if let Err(error) = self.release(&need.region, &address.allocation_id).await {
                    // Another run may have associated it just now. It is looked at again.
                    progress.failure = Some(error.failure);
                }
            }
            Next::Done(_) | Next::Wait(_) | Next::Fail(_) => {}
        }
    }

    /// Looks at the addresses of these hosts, and at the instances that have them.
    async fn see<'a>(&self, region: &str, needs: impl Iterator<Item = &'a AddressNeed>) -> Result<Seen> {
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
        let others: Vec<_> = others.difference(&own).collect();
        let mut states = HashMap::new();
        if !others.is_empty() {
            for instance in self.find(region, &[Filter::exact("instance-id", others)]).await? {
                let state = instance.str("state").unwrap_or_default();
                states.insert(instance.str("instance_id").unwrap_or_default(), state);
            }
        }
        Ok(Seen { addresses, states })
    }
}

/// One look at the addresses.
struct Seen {
    addresses: Vec<Address>,
    /// The states of other instances that have one of them.
    states: HashMap<String, String>,
}

impl Seen {
    fn of(&self, need: &AddressNeed) -> Vec<Address> {
        let is_meant = |address: &&Address| match &need.given {
            None => address.name == need.host,
            Some(given) => *given == address.allocation_id || *given == address.public_ip,
        };
        self.addresses.iter().filter(is_meant).cloned().collect()
    }
}

impl Progress {
    /// Returns the address that was associated if no other run may change that: there is no need to look again.
    fn settled(&self) -> Option<String> {
        let (address, _) = self.associated.as_ref().filter(|_| !self.is_contested)?;
        Some(address.public_ip.clone())
    }

    fn allocated(&mut self, allocated: std::result::Result<Address, AddressError>, now: Instant) {
        self.is_contested = true;
        self.allocations += 1;
        match allocated {
            Ok(address) => self.allocated = Some(address),
            Err(error) => {
                if error.code == "AddressLimitExceeded" {
                    self.refused_since.get_or_insert(now);
                    self.allocate_after = Some(now + FIRST_PAUSE);
                    self.allocations -= 1;
                } else if error.is_ambiguous {
                    self.is_answer_lost = true;
                    self.allocate_after = Some(now + LOOK_FOR);
                } else {
                    self.allocations = MOST_ALLOCATIONS;
                }
                self.failure = Some(error.failure);
            }
        }
    }

    fn associated(&mut self, address: Address, associated: std::result::Result<(), AddressError>, now: Instant) {
        self.associations += 1;
        match associated {
            Ok(()) => {
                self.failure = None;
                self.associated = Some((address, now));
            }
            Err(error) => {
                // The address is gone or in use since the last look, or the answer was lost.
                let is_other_now =
                    ["InvalidAllocationID.NotFound", "Resource.AlreadyAssociated"].contains(&&*error.code);
                if !is_other_now {
                    self.associations = MOST_ASSOCIATIONS;
                }
                self.is_contested = true;
                self.failure = Some(error.failure);
            }
        }
    }
}

/// Decides what is next for a host.
fn next(need: &AddressNeed, progress: &mut Progress, seen: &Seen, now: Instant) -> Next {
    let mut addresses = seen.of(need);
    let own = progress.allocated.clone();
    // EC2 may list a new address late.
    if let Some(own) = own.iter().find(|own| addresses.iter().all(|known| known.allocation_id != own.allocation_id)) {
        addresses.push(own.clone());
    }
    let is_own = |address: &Address| own.as_ref().is_some_and(|own| own.allocation_id == address.allocation_id);
    if addresses.len() > 1 && need.given.is_none() {
        progress.is_contested = true;
        progress.contested_since.get_or_insert(now);
    }
    let has = addresses.iter().find(|address| address.instance_id.as_deref() == Some(&need.instance_id));
    if let Some(has) = has {
        if let Some(own) = own.as_ref().filter(|own| own.allocation_id != has.allocation_id) {
            return Next::Release(own.clone());
        }
        let is_settled = match &progress.associated {
            Some((_, at)) => !progress.is_contested || now >= *at + SETTLE,
            None => true,
        };
        return match is_settled {
            true => Next::Done(has.public_ip.clone()),
            false => Next::Wait(format!("another run may be changing its address {}", has.public_ip)),
        };
    }
    match &progress.associated {
        Some((address, at)) if now < *at + 2 * SETTLE => {
            return Next::Wait(format!("EC2 does not list its address {} as associated", address.public_ip));
        }
        _ => {}
    }
    progress.associated = None;
    let free = addresses.iter().filter(|address| address.is_free());
    // One whose answer may have been lost goes before one that this run could release.
    let chosen = free.min_by_key(|address| (progress.is_answer_lost && is_own(address), address.allocation_id.clone()));
    if let Some(chosen) = chosen {
        if progress.associations >= MOST_ASSOCIATIONS {
            return Next::Fail(failed(progress, "EC2 does not keep its address associated"));
        }
        if let Some(own) = own.as_ref().filter(|own| own.allocation_id != chosen.allocation_id) {
            return Next::Release(own.clone());
        }
        return match progress.contested_since {
            Some(since) if now < since + SETTLE => Next::Wait("another run may be changing its address".to_string()),
            _ => Next::Associate(chosen.clone()),
        };
    }
    if let Some(held) = addresses.first() {
        let (address, holder) = (&held.public_ip, held.holder());
        let state = held.instance_id.as_ref().map(|id| seen.states.get(id).map_or("gone", String::as_str));
        return match state {
            // EC2 takes an address away from an instance when that is terminated.
            Some(state @ ("shutting-down" | "terminated" | "gone")) => {
                Next::Wait(format!("{address} is still associated with {holder}, which is {state}"))
            }
            _ => Next::Fail(
                Failure::unreached(format!("elastic IP {address} is in use by {holder}"))
                    .hint("an address is not taken from what uses it: disassociate it first"),
            ),
        };
    }
    if let Some(given) = &need.given {
        return Next::Fail(Failure::unreached(format!("the account has no elastic IP {given} in {}", need.region)));
    }
    match (progress.allocate_after, progress.refused_since) {
        _ if progress.allocations >= MOST_ALLOCATIONS => Next::Fail(failed(progress, "no address was allocated")),
        // Other runs may have allocated more than one, and release the rest.
        (_, Some(since)) if now >= since + LOOK_FOR => Next::Fail(failed(progress, "no address was allocated")),
        (Some(at), _) if now < at => Next::Wait(failed(progress, "no address was allocated").message),
        _ => Next::Allocate,
    }
}

fn failed(progress: &Progress, otherwise: &str) -> Failure {
    progress.failure.clone().unwrap_or_else(|| Failure::unreached(otherwise))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need() -> AddressNeed {
        let given = None;
        AddressNeed { region: "us-east-1".into(), host: "web1".into(), instance_id: "i-1".into(), given }
    }

    fn address(id: &str, instance: Option<&str>) -> Address {
        Address {
            allocation_id: id.into(),
            public_ip: format!("ip-{id}"),
            name: "web1".into(),
            association_id: instance.map(|id| format!("eipassoc-{id}")),
            instance_id: instance.map(str::to_string),
            network_interface_id: None,
        }
    }

    fn seen(addresses: &[(&str, Option<&str>)]) -> Seen {
        let addresses = addresses.iter().map(|(id, instance)| address(id, *instance)).collect();
        Seen { addresses, states: HashMap::new() }
    }

    fn own(id: &str) -> Progress {
        let mut progress = Progress::default();
        progress.allocated(Ok(address(id, None)), Instant::now());
        progress
    }

    fn error(code: &str, is_ambiguous: bool) -> AddressError {
        AddressError { failure: Failure::unreached(code), code: code.into(), is_ambiguous }
    }

    #[test]
    fn an_address_is_allocated_only_if_there_is_none() {
        let now = Instant::now();
        let decide = |addresses| next(&need(), &mut Progress::default(), &seen(addresses), now);
        assert_eq!(decide(&[]), Next::Allocate);
        assert_eq!(decide(&[("a", None)]), Next::Associate(address("a", None)));
        assert_eq!(decide(&[("a", Some("i-1"))]), Next::Done("ip-a".into()));
        let Next::Wait(why) = decide(&[("a", Some("i-9"))]) else { panic!("does not wait") };
        assert_eq!(why, "ip-a is still associated with i-9, which is gone");
    }

    #[test]
    fn an_address_that_something_else_uses_is_not_taken() {
        let mut here = seen(&[("a", Some("i-9"))]);
        here.states.insert("i-9".into(), "stopped".into());
        let Next::Fail(failure) = next(&need(), &mut Progress::default(), &here, Instant::now()) else {
            panic!("took it")
        };
        assert_eq!(failure.message, "elastic IP ip-a is in use by i-9");
        here.states.insert("i-9".into(), "shutting-down".into());
        assert!(matches!(next(&need(), &mut Progress::default(), &here, Instant::now()), Next::Wait(_)));
        here.addresses[0].instance_id = None;
        here.addresses[0].network_interface_id = Some("eni-1".into());
        let Next::Fail(failure) = next(&need(), &mut Progress::default(), &here, Instant::now()) else {
            panic!("took it")
        };
        assert_eq!(failure.message, "elastic IP ip-a is in use by eni-1");
    }

    #[test]
    fn of_two_new_addresses_all_runs_keep_the_same() {
        let later = Instant::now() + 2 * SETTLE;
        let both = || seen(&[("a", None), ("b", None)]);
        // The run that has allocated b releases it, the other one waits for what that does.
        assert_eq!(next(&need(), &mut own("b"), &both(), later), Next::Release(address("b", None)));
        let mut first = own("a");
        assert!(matches!(next(&need(), &mut first, &both(), later), Next::Wait(_)));
        assert_eq!(next(&need(), &mut first, &both(), later + SETTLE), Next::Associate(address("a", None)));
        // The one that the instance has wins over a lower id.
        let has_b = seen(&[("a", None), ("b", Some("i-1"))]);
        assert_eq!(next(&need(), &mut own("a"), &has_b, later), Next::Release(address("a", None)));
        // Nobody releases what another run has allocated.
        assert_eq!(next(&need(), &mut Progress::default(), &has_b, later), Next::Done("ip-b".into()));
    }

    #[test]
    fn a_new_address_that_is_not_listed_is_associated_and_looked_at_again() {
        let now = Instant::now();
        let mut progress = own("a");
        assert_eq!(next(&need(), &mut progress, &seen(&[]), now), Next::Associate(address("a", None)));
        progress.associated(address("a", None), Ok(()), now);
        let has = seen(&[("a", Some("i-1"))]);
        assert!(matches!(next(&need(), &mut progress, &has, now), Next::Wait(_)));
        assert_eq!(next(&need(), &mut progress, &has, now + SETTLE), Next::Done("ip-a".into()));
    }

    #[test]
    fn an_allocation_whose_answer_was_lost_is_looked_for_before_the_next() {
        let now = Instant::now();
        let mut progress = Progress::default();
        progress.allocated(Err(error("", true)), now);
        assert!(matches!(next(&need(), &mut progress, &seen(&[]), now), Next::Wait(_)));
        let mut found = progress.clone();
        assert_eq!(next(&need(), &mut found, &seen(&[("a", None)]), now), Next::Associate(address("a", None)));
        assert_eq!(next(&need(), &mut progress, &seen(&[]), now + LOOK_FOR), Next::Allocate);
        // The lost one appears after the second was allocated: the second one is released.
        progress.allocated(Ok(address("a", None)), now);
        let both = seen(&[("a", None), ("z", None)]);
        assert_eq!(next(&need(), &mut progress, &both, now), Next::Release(address("a", None)));
    }

    #[test]
    fn a_full_account_is_tried_again_while_other_runs_release_theirs() {
        let now = Instant::now();
        let mut progress = Progress::default();
        progress.allocated(Err(error("AddressLimitExceeded", false)), now);
        assert!(matches!(next(&need(), &mut progress, &seen(&[]), now), Next::Wait(_)));
        assert_eq!(next(&need(), &mut progress, &seen(&[]), now + FIRST_PAUSE), Next::Allocate);
        let Next::Fail(failure) = next(&need(), &mut progress, &seen(&[]), now + LOOK_FOR) else { panic!("goes on") };
        assert_eq!(failure.message, "AddressLimitExceeded");
        let mut refused = Progress::default();
        refused.allocated(Err(error("UnauthorizedOperation", false)), now);
        assert!(matches!(next(&need(), &mut refused, &seen(&[]), now), Next::Fail(_)));
    }

    #[test]
    fn an_association_that_failed_is_looked_at_before_it_counts() {
        let now = Instant::now();
        let mut progress = Progress::default();
        progress.associated(address("a", None), Err(error("", true)), now);
        let has = seen(&[("a", Some("i-1"))]);
        assert_eq!(next(&need(), &mut progress.clone(), &has, now), Next::Done("ip-a".into()));
        assert!(matches!(next(&need(), &mut progress, &seen(&[("a", None)]), now), Next::Fail(_)));
        let mut gone = Progress::default();
        gone.associated(address("a", None), Err(error("InvalidAllocationID.NotFound", false)), now);
        assert_eq!(next(&need(), &mut gone, &seen(&[("b", None)]), now), Next::Associate(address("b", None)));
    }

    #[test]
    fn an_address_named_by_the_profile_is_never_allocated() {
        let given = Some("192.0.2.1".to_string());
        let need = AddressNeed { given, ..need() };
        let Next::Fail(failure) = next(&need, &mut Progress::default(), &seen(&[]), Instant::now()) else {
            panic!("allocates")
        };
        assert_eq!(failure.message, "the account has no elastic IP 192.0.2.1 in us-east-1");
    }
}
