//! Filters, and DescribeInstances: every page, in batches that EC2 takes.

use crate::FILTER_VALUES;
use crate::client::{Ec2, check_region};
use crate::failure::failure;
use crate::instance::record;
use aws_sdk_ec2::types;
use cerveza_manners::Result;
use cerveza_record::Record;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;

/// A filter of DescribeInstances: a field and the values of which any may match. `*` and `?` are wildcards in values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub name: String,
    pub values: Vec<String>,
}

impl Filter {
    pub fn new(name: impl Into<String>, values: impl IntoIterator<Item = impl Into<String>>) -> Filter {
        Filter { name: name.into(), values: values.into_iter().map(Into::into).collect() }
    }

    /// A filter on the exact text of `values`, wildcards taken literally.
    pub fn exact(name: impl Into<String>, values: impl IntoIterator<Item = impl AsRef<str>>) -> Filter {
        Filter::new(name, values.into_iter().map(|value| escape(value.as_ref())))
    }

    /// The filter as the SDK has it.
    pub(crate) fn api(&self) -> types::Filter {
        types::Filter::builder().name(&self.name).set_values(Some(self.values.clone())).build()
    }
}

/// EC2's filters take `\*`, `\?` and `\\` for the characters themselves.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, '*' | '?' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// Calls `page` for as many values as a call takes, and for each further page. Gathers what the pages hold.
pub(crate) async fn gather<T, E, F>(
    values: impl IntoIterator<Item = &String>,
    page: impl Fn(Vec<String>, Option<String>) -> F,
) -> std::result::Result<Vec<T>, E>
where
    F: Future<Output = std::result::Result<(Vec<T>, Option<String>), E>>,
{
    let values: Vec<String> = values.into_iter().cloned().collect();
    let mut found = Vec::new();
    for values in values.chunks(FILTER_VALUES) {
        let mut token = None;
        loop {
            let (items, next) = page(values.to_vec(), token).await?;
            found.extend(items);
            token = next.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
    }
    Ok(found)
}

/// Instances (region, id) by region, each once, however often a host was given.
pub(crate) fn by_region(instances: &[(String, String)]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut regions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (region, id) in instances {
        regions.entry(region).or_default().insert(id);
    }
    regions
}

impl Ec2 {
    /// The instances of one region that match all of `filters`. A filter with more values than a request takes is
    /// asked for in several; at most one may be so long.
    pub async fn find(&self, region: &str, filters: &[Filter]) -> Result<Vec<Record>> {
        let found = self.describe(region, filters).await?;
        Ok(found.into_iter().map(|(record, _)| record).collect())
    }

    /// The instances of one region with these ids, by id; one that is not listed is left out.
    pub(crate) async fn instances(
        &self,
        region: &str,
        ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<HashMap<String, Record>> {
        let filter = Filter::exact("instance-id", ids);
        // No value would be no filter.
        let found = if filter.values.is_empty() { Vec::new() } else { self.find(region, &[filter]).await? };
        Ok(found.into_iter().map(|instance| (instance.str("instance_id").unwrap_or_default(), instance)).collect())
    }

    /// The instances (region, id) as they are now, by id; one that is not listed is left out.
    pub(crate) async fn refresh(&self, instances: &[(String, String)]) -> HashMap<String, Result<Record>> {
        let mut now = HashMap::new();
        for (region, ids) in by_region(instances) {
            match self.instances(region, &ids).await {
                Ok(found) => now.extend(found.into_iter().map(|(id, instance)| (id, Ok(instance)))),
                Err(failure) => now.extend(ids.iter().map(|id| (id.to_string(), Err(failure.clone())))),
            }
        }
        now
    }

    /// As [`Ec2::find`], with each instance's reason for its state.
    pub(crate) async fn describe(&self, region: &str, filters: &[Filter]) -> Result<Vec<(Record, Option<String>)>> {
        check_region(region)?;
        let total: usize = filters.iter().map(|filter| filter.values.len()).sum();
        let long = (0..filters.len()).max_by_key(|index| filters[*index].values.len());
        let Some(long) = long.filter(|_| total > FILTER_VALUES) else {
            return self.describe_batch(region, filters).await;
        };
        let room = FILTER_VALUES.saturating_sub(total - filters[long].values.len()).max(1);
        let mut found = Vec::new();
        for values in filters[long].values.chunks(room) {
            let mut batch = filters.to_vec();
            batch[long].values = values.to_vec();
            found.extend(self.describe_batch(region, &batch).await?);
        }
        Ok(found)
    }

    async fn describe_batch(&self, region: &str, filters: &[Filter]) -> Result<Vec<(Record, Option<String>)>> {
        let filters: Vec<_> = filters.iter().map(Filter::api).collect();
        let request = self.client(region).describe_instances().set_filters(Some(filters));
        // An answer without a page size is cut off at no documented length: ask for pages.
        let request = request.max_results(1000);
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let page = request.clone().set_next_token(next);
            let page = self.call("DescribeInstances", region, 1, || page.clone().send()).await;
            let page = page.map_err(|error| failure("DescribeInstances", region, &error))?;
            for reservation in page.reservations() {
                let account = reservation.owner_id();
                for instance in reservation.instances() {
                    found.push((
                        record(instance, region, account, self.profile()),
                        crate::instance::state_reason(instance),
                    ));
                }
            }
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(found);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_values_have_no_wildcards() {
        assert_eq!(Filter::exact("tag:Name", ["web*", r"a\b?"]).values, [r"web\*", r"a\\b\?"]);
    }
}
