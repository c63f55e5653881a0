//! If a region fails, because one of its zones may be down: asks for its instances by id, zone by zone.

use super::answers::{Answers, Key, Scope, named_of};
use crate::client::failure::is_server_fault;
use crate::client::{CONCURRENCY, Ec2};
use cerveza_manners::Result;
use cerveza_record::Record;
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, HashMap};

/// Asks for the hosts whose record has a zone and an id, if AWS failed when their region was asked. They are then
/// looked for in that zone only.
pub(super) async fn ask_by_zone(
    accounts: &[Result<&Ec2>],
    hosts: &[Record],
    scopes: &mut [(Key, Vec<Scope>)],
    answers: &mut Answers,
) {
    let mut zones: BTreeMap<Scope, Vec<String>> = BTreeMap::new();
    for (host, (key, scopes)) in hosts.iter().zip(scopes) {
        let (Key::Id(id), Some(zone)) = (&*key, host.str("zone")) else { continue };
        for scope in scopes {
            if answers.get(scope).is_some_and(|answer| answer.as_ref().is_err_and(is_server_fault)) {
                scope.zone = Some(zone.clone());
                zones.entry(scope.clone()).or_default().push(id.clone());
            }
        }
    }
    let asked = stream::iter(zones).map(async |(scope, ids)| {
        let found = match &accounts[scope.account] {
            Ok(ec2) => {
                let found = ec2.find_by_id(&scope.region, &ids).await;
                found.map_err(|failure| named_of(accounts, ec2, failure))
            }
            Err(failure) => Err(failure.clone()),
        };
        let found = found.map(|found| {
            let by_id = |record: Record| (Key::Id(record.str("instance_id").unwrap_or_default()), vec![record]);
            found.into_iter().map(by_id).collect::<HashMap<_, _>>()
        });
        (scope, found)
    });
    answers.extend(asked.buffer_unordered(CONCURRENCY).collect::<Vec<_>>().await);
}
