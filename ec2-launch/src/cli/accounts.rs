//! Launches hosts whose records name AWS profiles, the hosts of each account in that account.

use cerveza_ec2::{Acted, FAILED, RegionArgs};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use hostrange::Given;

/// Runs `flow` on the hosts of each account, one account after another. Returns the hosts in their order. A failure of
/// the first account ends the run; after that it is a failure of the account's hosts, because others have been changed.
pub async fn each_account(
    regions: &RegionArgs,
    given: Given,
    flow: impl AsyncFn(RegionArgs, Given) -> Result<Vec<Acted>>,
) -> Result<Vec<Acted>> {
    let mut acted: Vec<(usize, Acted)> = Vec::new();
    for (places, profile, hosts) in by_profile(given.hosts) {
        let regions = RegionArgs { account: profile.into_iter().collect(), ..regions.clone() };
        let group = Given { hosts: hosts.clone(), possible_names: given.possible_names.clone() };
        let done = match Box::pin(flow(regions, group)).await {
            Ok(done) => done,
            Err(failure) if acted.is_empty() => return Err(failure),
            Err(failure) => hosts.into_iter().map(|host| failed(host, &failure)).collect(),
        };
        acted.extend(places.into_iter().zip(done));
    }
    acted.sort_by_key(|(place, _)| *place);
    Ok(acted.into_iter().map(|(_, host)| host).collect())
}

fn failed(record: Record, failure: &Failure) -> Acted {
    Acted { record, action: FAILED, result: Err(failure.clone()) }
}

/// Returns the one account that the records name, if they name any.
pub fn only_profile(hosts: &[Record]) -> Result<Option<String>> {
    let mut profiles = by_profile(hosts.to_vec()).into_iter().map(|(_, profile, _)| profile);
    let first = profiles.next().flatten();
    match profiles.next() {
        None => Ok(first),
        Some(_) => {
            Err(Failure::usage("the records are of several accounts (`aws_profile`): give those of one account"))
        }
    }
}

/// The hosts of one profile, and their places among all hosts.
type Group = (Vec<usize>, Option<String>, Vec<Record>);

/// Returns the hosts by the profile that their records name; one group if there are no hosts.
fn by_profile(hosts: Vec<Record>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (place, host) in hosts.into_iter().enumerate() {
        let profile = host.str("aws_profile");
        match groups.iter_mut().find(|(_, known, _)| *known == profile) {
            Some((places, _, hosts)) => {
                places.push(place);
                hosts.push(host);
            }
            None => groups.push((vec![place], profile, vec![host])),
        }
    }
    if groups.is_empty() {
        groups.push((Vec::new(), None, Vec::new()));
    }
    groups
}
