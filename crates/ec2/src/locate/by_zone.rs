//! If a region fails, because one of its zones may be down: asks for its instances by id, zone by zone.

use super::answers::{Answers, Key, Place, named_of};
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
    places: &mut [(Key, Vec<Place>)],
    answers: &mut Answers,
) {
    let mut zones: BTreeMap<Place, Vec<String>> = BTreeMap::new();
    for (host, (key, places)) in hosts.iter().zip(places) {
        let (Key::Id(id), Some(zone)) = (&*key, host.str("zone")) else { continue };
        for place in places {
            if answers.get(place).is_some_and(|answer| answer.as_ref().is_err_and(is_server_fault)) {
                place.zone = Some(zone.clone());
                zones.entry(place.clone()).or_default().push(id.clone());
            }
        }
    }
    let asked = stream::iter(zones).map(async |(place, ids)| {
        let found = match &accounts[place.account] {
            Ok(ec2) => {
                let found = ec2.find_by_id(&place.region, &ids).await;
                found.map_err(|failure| named_of(accounts, ec2, failure))
            }
            Err(failure) => Err(failure.clone()),
        };
        let found = found.map(|found| {
            let by_id = |record: Record| (Key::Id(record.str("instance_id").unwrap_or_default()), vec![record]);
            found.into_iter().map(by_id).collect::<HashMap<_, _>>()
        });
        (place, found)
    });
    answers.extend(asked.buffer_unordered(CONCURRENCY).collect::<Vec<_>>().await);
}
