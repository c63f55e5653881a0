//! Asks EC2 what a [`Query`] says, in all regions side by side.

use crate::query::Query;
use cerveza_ec2::{Ec2, refuse_ambiguous};
use cerveza_manners::{Failure, Result, Status};
use cerveza_record::Record;
use futures_util::future::join_all;
use hostrange::natural_cmp;
use std::collections::{BTreeSet, HashSet};

/// What was found, by name, and the regions that did not answer.
pub struct Found {
    pub records: Vec<Record>,
    pub failures: Vec<Failure>,
}

/// Asks all regions at once. Where none of them answers there is nothing to write: an error.
pub async fn search(ec2: &Ec2, query: &Query) -> Result<Found> {
    let mut regions: BTreeSet<String> = query.regions().collect();
    if query.is_anywhere() {
        regions.extend(ec2.regions()?.iter().cloned());
    }
    let asked = tokio::select! {
        asked = ask(ec2, query, &regions) => asked,
        interrupted = ec2.interrupted() => return Err(interrupted),
    };
    let (answered, failed): (Vec<_>, Vec<_>) = asked.into_iter().partition(Result::is_ok);
    let mut failures: Vec<Failure> = failed.into_iter().filter_map(Result::err).collect();
    if answered.is_empty() && !failures.is_empty() {
        let failure = failures.swap_remove(0);
        return Err(Failure { status: Status::Usage, ..failure });
    }
    let mut records: Vec<Record> = answered.into_iter().flatten().flatten().collect();
    refuse_ambiguous(&query.expressions, &records)?;
    query.keep_exact(&mut records);
    sort(&mut records);
    Ok(Found { records, failures })
}

/// Asks each region. If hosts that were launched a moment ago are missing, asks again once EC2 lists them.
async fn ask(ec2: &Ec2, query: &Query, regions: &BTreeSet<String>) -> Vec<Result<Vec<Record>>> {
    let ask = || {
        join_all(regions.iter().map(|region| async {
            let mut found = Vec::new();
            for filters in query.requests(region) {
                found.extend(ec2.find(region, &filters).await?);
            }
            Ok(found)
        }))
    };
    let asked = ask().await;
    let found: Vec<Record> = asked.iter().flatten().flatten().cloned().collect();
    let new = query.missing_new(&found);
    // Where a region did not answer it is unknown what is missing.
    if new.is_empty() || asked.iter().any(Result::is_err) {
        return asked;
    }
    ec2.wait_until_listed(&new).await;
    ask().await
}

/// By name as people count, each instance once though it may match by name and by id.
fn sort(found: &mut Vec<Record>) {
    let mut seen = HashSet::new();
    found.retain(|record| seen.insert(record.str("instance_id")));
    found.sort_by(|a, b| natural_cmp(a.host(), b.host()).then_with(|| a.str("instance_id").cmp(&b.str("instance_id"))));
}
