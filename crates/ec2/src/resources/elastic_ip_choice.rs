//! Decides what is done next for the elastic IP address of a host, from what the run has done and what EC2 lists. No
//! I/O.

use crate::resources::address::{Address, AddressError};
use cerveza_manners::Failure;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// A running instance that is to have an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressNeed {
    pub region: String,
    pub host: String,
    pub instance_id: String,
    /// An IPv4 address or an `eipalloc-` id that the account has. `None`: the host's own, found by its tag `Name`.
    pub given: Option<String>,
}

/// The address that a host has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAddress {
    pub public_ip: String,
    /// Free addresses that carry the host's name too: a run that was killed has allocated them.
    pub spare: Vec<String>,
}

pub const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How long a run waits for other runs that may be at work, before it associates an address and after.
const SETTLE: Duration = Duration::from_secs(2);
/// How long an address is looked for whose AllocateAddress got no answer, and for one that another run allocates where
/// the account has no more.
const LOOK_FOR: Duration = Duration::from_secs(4);
const MOST_ALLOCATIONS: u32 = 3;
const MOST_ASSOCIATIONS: u32 = 5;
const MOST_RELEASES: u32 = 3;

/// What is known of one host's address in this run.
#[derive(Clone, Debug, Default)]
pub struct AddressProgress {
    /// The tag of the addresses that this run has allocated.
    pub run: String,
    /// The last address that this run has allocated and not released. EC2 may list it late.
    pub allocated: Option<Address>,
    /// The address that this run has associated, and when.
    pub associated: Option<(Address, Instant)>,
    /// Whether another run may be doing the same.
    is_contested: bool,
    /// When more than one address was first seen.
    contested_since: Option<Instant>,
    /// Nothing is allocated before this.
    allocate_after: Option<Instant>,
    /// Until when an address may appear whose AllocateAddress got no answer.
    lost_until: Option<Instant>,
    refused_since: Option<Instant>,
    allocations: u32,
    associations: u32,
    pub releases: u32,
    /// The failure of the last call that failed.
    pub failure: Option<Failure>,
}

/// What is done next for a host.
#[derive(Clone, Debug, PartialEq)]
pub enum NextStep {
    Done(String),
    Allocate,
    Associate(Address),
    /// Releases what this run has allocated.
    Release(Address),
    /// Looks again, and says this if it was the last look.
    Wait(String),
    Fail(Failure),
}

/// The addresses as EC2 has listed them once.
pub struct SeenAddresses {
    pub addresses: Vec<Address>,
    /// The states of other instances that have one of them.
    pub states: HashMap<String, String>,
}

impl SeenAddresses {
    /// Returns the addresses that may be the host's.
    fn matching(&self, need: &AddressNeed) -> Vec<Address> {
        let is_meant = |address: &&Address| match &need.given {
            None => address.name == need.host,
            Some(given) => *given == address.allocation_id || *given == address.public_ip,
        };
        self.addresses.iter().filter(is_meant).cloned().collect()
    }

    /// Returns the free addresses that are the host's own beside the one that it has.
    pub fn spare(&self, need: &AddressNeed, public_ip: &str) -> Vec<String> {
        let own = if need.given.is_none() { self.matching(need) } else { Vec::new() };
        own.into_iter().filter(|own| own.is_free() && own.public_ip != public_ip).map(|own| own.public_ip).collect()
    }
}

impl AddressProgress {
    pub fn new(run: &str) -> AddressProgress {
        AddressProgress { run: run.to_string(), ..AddressProgress::default() }
    }

    /// Returns the address that was associated if no other run can change that, so it need not be checked again.
    pub fn settled(&self) -> Option<String> {
        let (address, _) = self.associated.as_ref().filter(|_| !self.is_contested)?;
        Some(address.public_ip.clone())
    }

    /// Returns whether this run has allocated the address.
    fn has_allocated(&self, address: &Address) -> bool {
        let is_answered = self.allocated.as_ref().is_some_and(|own| own.allocation_id == address.allocation_id);
        is_answered || address.run.as_ref() == Some(&self.run)
    }

    /// Returns a free address that this run has allocated beside `kept`, and may still try to release.
    fn spare_allocation<'a>(&self, kept: &Address, all: &'a [Address]) -> Option<&'a Address> {
        let is_spare = |it: &&Address| self.has_allocated(it) && it.is_free() && it.allocation_id != kept.allocation_id;
        all.iter().find(is_spare).filter(|_| self.releases < MOST_RELEASES)
    }

    /// Notes the answer to AllocateAddress.
    pub fn note_allocation(&mut self, allocated: std::result::Result<Address, AddressError>, now: Instant) {
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
                    self.lost_until = Some(now + LOOK_FOR);
                    self.allocate_after = self.lost_until;
                } else {
                    self.allocations = MOST_ALLOCATIONS;
                }
                self.failure = Some(error.failure);
            }
        }
    }

    /// Notes the answer to AssociateAddress.
    pub fn note_association(&mut self, address: Address, answer: std::result::Result<(), AddressError>, now: Instant) {
        self.associations += 1;
        match answer {
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
pub fn next_step(need: &AddressNeed, progress: &mut AddressProgress, seen: &SeenAddresses, now: Instant) -> NextStep {
    let mut addresses = seen.matching(need);
    let is_listed = |own: &&Address| addresses.iter().any(|known| known.allocation_id == own.allocation_id);
    // EC2 may list a new address late.
    if let Some(own) = progress.allocated.as_ref().filter(|own| !is_listed(own)).cloned() {
        addresses.push(own);
    }
    if addresses.iter().any(|address| progress.has_allocated(address)) {
        progress.lost_until = None;
    }
    if addresses.len() > 1 && need.given.is_none() {
        progress.is_contested = true;
        progress.contested_since.get_or_insert(now);
    }
    if let Some(current) = addresses.iter().find(|it| it.instance_id.as_deref() == Some(&need.instance_id)) {
        return step_with_address(current, &addresses, progress, now);
    }
    match &progress.associated {
        Some((address, time)) if now < *time + 2 * SETTLE => {
            return NextStep::Wait(format!("EC2 does not yet list its address {} as associated", address.public_ip));
        }
        _ => {}
    }
    progress.associated = None;
    let free = addresses.iter().filter(|address| address.is_free());
    if let Some(lowest) = free.min_by_key(|address| address.allocation_id.clone()) {
        return step_with_free_address(lowest, &addresses, progress, now);
    }
    if let Some(held) = addresses.first() {
        return step_with_held_address(held, &seen.states);
    }
    match &need.given {
        Some(given) => {
            NextStep::Fail(Failure::unreached(format!("the account has no elastic IP {given} in {}", need.region)))
        }
        None => step_without_address(progress, now),
    }
}

/// Decides for a host whose instance has the address `current`.
fn step_with_address(current: &Address, all: &[Address], progress: &AddressProgress, now: Instant) -> NextStep {
    if let Some(spare) = progress.spare_allocation(current, all) {
        return NextStep::Release(spare.clone());
    }
    if progress.lost_until.is_some_and(|until| now < until) {
        return NextStep::Wait(format!("a second address may have been allocated beside {}", current.public_ip));
    }
    let is_settled = match &progress.associated {
        Some((_, time)) => !progress.is_contested || now >= *time + SETTLE,
        None => true,
    };
    if is_settled {
        NextStep::Done(current.public_ip.clone())
    } else {
        NextStep::Wait(format!("another run may be changing its address {}", current.public_ip))
    }
}

/// Decides for a host without an address, if `lowest` is free. All runs choose the lowest allocation id.
fn step_with_free_address(lowest: &Address, all: &[Address], progress: &AddressProgress, now: Instant) -> NextStep {
    if progress.associations >= MOST_ASSOCIATIONS {
        return NextStep::Fail(failed(progress, "EC2 does not keep its address associated"));
    }
    if let Some(spare) = progress.spare_allocation(lowest, all) {
        return NextStep::Release(spare.clone());
    }
    match progress.contested_since {
        Some(since) if now < since + SETTLE => NextStep::Wait("another run may be changing its address".to_string()),
        _ => NextStep::Associate(lowest.clone()),
    }
}

/// Decides for a host whose address something else has. `states` has the states of instances.
fn step_with_held_address(held: &Address, states: &HashMap<String, String>) -> NextStep {
    let (address, holder) = (&held.public_ip, held.holder());
    let state = held.instance_id.as_ref().map(|id| states.get(id).map_or("gone", String::as_str));
    match state {
        // EC2 takes an address away from an instance when that is terminated.
        Some(state @ ("shutting-down" | "terminated" | "gone")) => {
            NextStep::Wait(format!("{address} is still associated with {holder}, which is {state}"))
        }
        _ => NextStep::Fail(
            Failure::unreached(format!("elastic IP {address} is in use by {holder}"))
                .hint("ec2-launch does not take an address away from its user: disassociate it first"),
        ),
    }
}

/// Decides for a host that no address is listed for.
fn step_without_address(progress: &AddressProgress, now: Instant) -> NextStep {
    match (progress.allocate_after, progress.refused_since) {
        _ if progress.allocations >= MOST_ALLOCATIONS => NextStep::Fail(failed(progress, "no address was allocated")),
        // Other runs may have allocated more than one, and release the rest.
        (_, Some(since)) if now >= since + LOOK_FOR => NextStep::Fail(failed(progress, "no address was allocated")),
        (Some(time), _) if now < time => NextStep::Wait(failed(progress, "no address was allocated").message),
        _ => NextStep::Allocate,
    }
}

fn failed(progress: &AddressProgress, otherwise: &str) -> Failure {
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
            run: None,
            association_id: instance.map(|id| format!("eipassoc-{id}")),
            instance_id: instance.map(str::to_string),
            network_interface_id: None,
        }
    }

    fn seen(addresses: &[(&str, Option<&str>)]) -> SeenAddresses {
        let addresses = addresses.iter().map(|(id, instance)| address(id, *instance)).collect();
        SeenAddresses { addresses, states: HashMap::new() }
    }

    /// Returns an address that the run of [`progress`] has allocated.
    fn own_address(id: &str) -> Address {
        Address { run: Some("this run".into()), ..address(id, None) }
    }

    fn progress() -> AddressProgress {
        AddressProgress::new("this run")
    }

    fn own(id: &str) -> AddressProgress {
        let mut progress = progress();
        progress.note_allocation(Ok(own_address(id)), Instant::now());
        progress
    }

    fn error(code: &str, is_ambiguous: bool) -> AddressError {
        AddressError { failure: Failure::unreached(code), code: code.into(), is_ambiguous }
    }

    #[test]
    fn an_address_is_allocated_only_if_there_is_none() {
        let now = Instant::now();
        let decide = |addresses| next_step(&need(), &mut AddressProgress::default(), &seen(addresses), now);
        assert_eq!(decide(&[]), NextStep::Allocate);
        assert_eq!(decide(&[("a", None)]), NextStep::Associate(address("a", None)));
        assert_eq!(decide(&[("a", Some("i-1"))]), NextStep::Done("ip-a".into()));
        let NextStep::Wait(why) = decide(&[("a", Some("i-9"))]) else { panic!("does not wait") };
        assert_eq!(why, "ip-a is still associated with i-9, which is gone");
    }

    #[test]
    fn free_addresses_beside_the_one_that_the_host_has_are_spare() {
        let seen = seen(&[("a", Some("i-1")), ("b", None), ("c", Some("i-9"))]);
        assert_eq!(seen.spare(&need(), "ip-a"), ["ip-b"]);
        let given = AddressNeed { given: Some("ip-a".into()), ..need() };
        assert_eq!(seen.spare(&given, "ip-a"), [""; 0]);
    }

    #[test]
    fn an_address_that_something_else_uses_is_not_taken() {
        let mut here = seen(&[("a", Some("i-9"))]);
        here.states.insert("i-9".into(), "stopped".into());
        let NextStep::Fail(failure) = next_step(&need(), &mut AddressProgress::default(), &here, Instant::now()) else {
            panic!("took it")
        };
        assert_eq!(failure.message, "elastic IP ip-a is in use by i-9");
        here.states.insert("i-9".into(), "shutting-down".into());
        assert!(matches!(
            next_step(&need(), &mut AddressProgress::default(), &here, Instant::now()),
            NextStep::Wait(_)
        ));
        here.addresses[0].instance_id = None;
        here.addresses[0].network_interface_id = Some("eni-1".into());
        let NextStep::Fail(failure) = next_step(&need(), &mut AddressProgress::default(), &here, Instant::now()) else {
            panic!("took it")
        };
        assert_eq!(failure.message, "elastic IP ip-a is in use by eni-1");
    }

    #[test]
    fn of_two_new_addresses_all_runs_keep_the_same() {
        let later = Instant::now() + 2 * SETTLE;
        let listed = |addresses: [Address; 2]| SeenAddresses { addresses: addresses.into(), states: HashMap::new() };
        // The run that has allocated b releases it, the other one waits for what that does.
        let own_b = listed([address("a", None), own_address("b")]);
        assert_eq!(next_step(&need(), &mut own("b"), &own_b, later), NextStep::Release(own_address("b")));
        let mut first = own("a");
        let own_a = listed([own_address("a"), address("b", None)]);
        assert!(matches!(next_step(&need(), &mut first, &own_a, later), NextStep::Wait(_)));
        assert_eq!(next_step(&need(), &mut first, &own_a, later + SETTLE), NextStep::Associate(own_address("a")));
        // The one that the instance has wins over a lower id.
        let has_b = listed([own_address("a"), address("b", Some("i-1"))]);
        assert_eq!(next_step(&need(), &mut own("a"), &has_b, later), NextStep::Release(own_address("a")));
        // Nobody releases what another run has allocated.
        assert_eq!(next_step(&need(), &mut AddressProgress::default(), &has_b, later), NextStep::Done("ip-b".into()));
        let mut refused = AddressProgress { releases: MOST_RELEASES, ..own("a") };
        assert_eq!(next_step(&need(), &mut refused, &has_b, later), NextStep::Done("ip-b".into()));
    }

    #[test]
    fn a_new_address_that_is_not_listed_is_associated_and_looked_at_again() {
        let now = Instant::now();
        let mut progress = own("a");
        assert_eq!(next_step(&need(), &mut progress, &seen(&[]), now), NextStep::Associate(own_address("a")));
        progress.note_association(own_address("a"), Ok(()), now);
        let has = seen(&[("a", Some("i-1"))]);
        assert!(matches!(next_step(&need(), &mut progress, &has, now), NextStep::Wait(_)));
        assert_eq!(next_step(&need(), &mut progress, &has, now + SETTLE), NextStep::Done("ip-a".into()));
    }

    #[test]
    fn an_allocation_whose_answer_was_lost_is_looked_for_before_the_next() {
        let now = Instant::now();
        let mut progress = progress();
        progress.note_allocation(Err(error("", true)), now);
        assert!(matches!(next_step(&need(), &mut progress, &seen(&[]), now), NextStep::Wait(_)));
        let mut found = progress.clone();
        assert_eq!(next_step(&need(), &mut found, &seen(&[("a", None)]), now), NextStep::Associate(address("a", None)));
        assert_eq!(next_step(&need(), &mut progress, &seen(&[]), now + LOOK_FOR), NextStep::Allocate);
        // The lost one appears after the second was allocated: one of them is released.
        progress.note_allocation(Ok(own_address("a")), now);
        let both = SeenAddresses { addresses: vec![own_address("a"), own_address("z")], states: HashMap::new() };
        assert_eq!(next_step(&need(), &mut progress, &both, now), NextStep::Release(own_address("z")));
    }

    #[test]
    fn an_allocation_whose_answer_was_lost_is_released_if_another_run_was_first() {
        let now = Instant::now();
        let mut progress = progress();
        progress.note_allocation(Err(error("", true)), now);
        let has = seen(&[("b", Some("i-1"))]);
        assert!(matches!(next_step(&need(), &mut progress, &has, now), NextStep::Wait(_)));
        assert_eq!(next_step(&need(), &mut progress.clone(), &has, now + LOOK_FOR), NextStep::Done("ip-b".into()));
        let late =
            SeenAddresses { addresses: vec![own_address("a"), address("b", Some("i-1"))], states: HashMap::new() };
        assert_eq!(next_step(&need(), &mut progress, &late, now), NextStep::Release(own_address("a")));
    }

    #[test]
    fn a_full_account_is_tried_again_while_other_runs_release_theirs() {
        let now = Instant::now();
        let mut progress = AddressProgress::default();
        progress.note_allocation(Err(error("AddressLimitExceeded", false)), now);
        assert!(matches!(next_step(&need(), &mut progress, &seen(&[]), now), NextStep::Wait(_)));
        assert_eq!(next_step(&need(), &mut progress, &seen(&[]), now + FIRST_PAUSE), NextStep::Allocate);
        let NextStep::Fail(failure) = next_step(&need(), &mut progress, &seen(&[]), now + LOOK_FOR) else {
            panic!("goes on")
        };
        assert_eq!(failure.message, "AddressLimitExceeded");
        let mut refused = AddressProgress::default();
        refused.note_allocation(Err(error("UnauthorizedOperation", false)), now);
        assert!(matches!(next_step(&need(), &mut refused, &seen(&[]), now), NextStep::Fail(_)));
    }

    #[test]
    fn an_association_that_failed_is_looked_at_before_it_counts() {
        let now = Instant::now();
        let mut progress = AddressProgress::default();
        progress.note_association(address("a", None), Err(error("", true)), now);
        let has = seen(&[("a", Some("i-1"))]);
        assert_eq!(next_step(&need(), &mut progress.clone(), &has, now), NextStep::Done("ip-a".into()));
        assert!(matches!(next_step(&need(), &mut progress, &seen(&[("a", None)]), now), NextStep::Fail(_)));
        let mut gone = AddressProgress::default();
        gone.note_association(address("a", None), Err(error("InvalidAllocationID.NotFound", false)), now);
        assert_eq!(next_step(&need(), &mut gone, &seen(&[("b", None)]), now), NextStep::Associate(address("b", None)));
    }

    #[test]
    fn an_address_named_by_the_profile_is_never_allocated() {
        let given = Some("192.0.2.1".to_string());
        let need = AddressNeed { given, ..need() };
        let NextStep::Fail(failure) = next_step(&need, &mut AddressProgress::default(), &seen(&[]), Instant::now())
        else {
            panic!("allocates")
        };
        assert_eq!(failure.message, "the account has no elastic IP 192.0.2.1 in us-east-1");
    }
}
