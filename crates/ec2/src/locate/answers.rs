//! The answers of all regions that are asked, and which instance a host is by these answers.

use super::found::Found;
use crate::client::Ec2;
use crate::client::accounts::named;
use crate::client::failure::is_denied;
use crate::config::aws_profile::AWS_PROFILE;
use crate::instance::has_ended;
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use std::collections::{BTreeSet, HashMap, HashSet};

/// How one host is looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    Id(String),
    Name(String),
}

/// Where a host is looked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Scope {
    /// The number of the account.
    pub account: usize,
    pub region: String,
    /// The only zone that is asked about. Without one, it is the whole region.
    pub zone: Option<String>,
}

impl Scope {
    pub fn new(account: usize, region: impl Into<String>) -> Scope {
        Scope { account, region: region.into(), zone: None }
    }
}

/// The instances of each region of each account under the keys they were asked for by.
pub(super) type Answers = HashMap<Scope, Result<HashMap<Key, Vec<Record>>>>;

/// Returns what a host with this key is, by the answers of its scopes.
pub(super) fn found_host(key: &Key, scopes: &[Scope], answers: &Answers) -> Found {
    let mut instances: Vec<&Record> = Vec::new();
    let (mut denied, mut failed) = (None, None);
    for scope in scopes {
        match answers.get(scope) {
            Some(Ok(answer)) => instances.extend(answer.get(key).into_iter().flatten()),
            Some(Err(failure)) if is_denied(failure) => denied = Some(failure.clone()),
            Some(Err(failure)) => failed = Some(failure.clone()),
            None => {}
        }
    }
    let mut ids = HashSet::new();
    instances.retain(|instance| ids.insert(instance.str("instance_id")));
    // An instance that was asked for by its id is that instance in any state.
    let is_name = matches!(key, Key::Name(_));
    let (ended, instances): (Vec<&Record>, Vec<&Record>) =
        instances.into_iter().partition(|instance| is_name && has_ended(instance));
    match (instances.as_slice(), failed.filter(|_| is_name || instances.is_empty()), denied) {
        ([_, _, ..], _, _) => Found::Several(ids_and_scopes(&instances)),
        // One name here may be one of two. Where the account may do nothing it has no instances that can be worked on.
        (_, Some(failure), _) => Found::Unknown(failure),
        ([one], None, _) => Found::One((*one).clone()),
        // Absent here and unknown there is unknown.
        ([], None, Some(failure)) => Found::Unknown(failure),
        ([], None, None) => match ended.into_iter().max_by_key(|instance| age_key(instance)) {
            Some(last) => Found::Ended(last.clone()),
            None => Found::Absent(regions(scopes)),
        },
    }
}

/// Returns the id of each instance, with its account and region if these are not the same for all: `i-1 (prod,
/// us-east-1)`.
fn ids_and_scopes(instances: &[&Record]) -> Vec<String> {
    let differs = |key: &&str| instances.iter().any(|instance| instance.str(key) != instances[0].str(key));
    let keys: Vec<&str> = [AWS_PROFILE, "region"].into_iter().filter(differs).collect();
    let scope = |instance: &Record| keys.iter().filter_map(|key| instance.str(key)).collect::<Vec<_>>().join(", ");
    let described = |instance: &&Record| {
        let (id, scope) = (instance.str("instance_id")?, scope(instance));
        Some(if scope.is_empty() { id } else { format!("{id} ({scope})") })
    };
    instances.iter().filter_map(described).collect()
}

/// Returns the regions of these scopes, each once.
fn regions(scopes: &[Scope]) -> Vec<String> {
    let regions: BTreeSet<&String> = scopes.iter().map(|scope| &scope.region).collect();
    regions.into_iter().cloned().collect()
}

/// Orders instances by their launch, the newest last; the id decides between equals, so all runs agree.
fn age_key(instance: &Record) -> (Option<String>, Option<String>) {
    (instance.str("launch_time"), instance.str("instance_id"))
}

/// Returns a failure of this account. The message names the account if there are several.
pub(super) fn named_of(accounts: &[Result<&Ec2>], ec2: &Ec2, failure: Failure) -> Failure {
    if accounts.len() > 1 { named(ec2.profile(), failure) } else { failure }
}

#[cfg(test)]
mod tests;
