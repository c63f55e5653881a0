//! Filters, and DescribeInstances: every page, in batches that EC2 takes.

use crate::client::failure::failure;
use crate::client::{Ec2, FILTER_VALUES};
use crate::config::region_name::check_region;
use aws_sdk_ec2::types;
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, natural_cmp};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::future::Future;

/// A filter of DescribeInstances: a field and values; any of the values may match. `*` and `?` are wildcards in values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub name: String,
    pub values: Vec<String>,
}

impl Filter {
    pub fn new(name: impl Into<String>, values: impl IntoIterator<Item = impl Into<String>>) -> Filter {
        Filter { name: name.into(), values: values.into_iter().map(Into::into).collect() }
    }

    /// Returns a filter on the exact text of `values`, wildcards taken literally.
    pub fn exact(name: impl Into<String>, values: impl IntoIterator<Item = impl AsRef<str>>) -> Filter {
        Filter::new(name, values.into_iter().map(|value| escape(value.as_ref())))
    }

    /// Returns the filter as the SDK has it.
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
    E: From<Failure>,
{
    let values: Vec<String> = values.into_iter().cloned().collect();
    let mut found = Vec::new();
    for values in values.chunks(FILTER_VALUES) {
        let mut token = None;
        loop {
            let (items, next) = page(values.to_vec(), token.clone()).await?;
            found.extend(items);
            token = next_page(token, next)?;
            if token.is_none() {
                break;
            }
        }
    }
    Ok(found)
}

/// Returns the token of the page after that of the token `last`, or none after the last page. An endpoint that gives the
/// same page again would be asked for ever.
pub(crate) fn next_page(last: Option<String>, next: Option<String>) -> Result<Option<String>> {
    let next = next.filter(|token| !token.is_empty());
    match next.is_some() && next == last {
        true => Err(Failure::unreached("the endpoint gives the same page again and again: is it EC2?")),
        false => Ok(next),
    }
}

/// How many instances become records at a time: a record is several times as large.
const PART: usize = 100;

/// Instances (region, id) by region, each once, however often a host was given.
pub(crate) fn by_region(instances: &[(String, String)]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut regions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (region, id) in instances {
        regions.entry(region).or_default().insert(id);
    }
    regions
}

impl Ec2 {
    /// Finds the instances of one region that match all of `filters`, each once. Gives each page to `part` as it
    /// arrives, sorted by name, a part after the other. Filters may have any number of values. An error of `part` ends
    /// the search.
    pub async fn find_pages(
        &self,
        region: &str,
        filters: &[Filter],
        mut part: impl AsyncFnMut(Vec<Record>) -> Result<()>,
    ) -> Result<()> {
        check_region(region)?;
        let (calls, instances) = (calls(filters), self.instance_page(region));
        // Two calls may find the same instance: "web1" matches web* and *1.
        let mut seen = HashSet::new();
        for filters in &calls {
            let filters: Vec<_> = filters.iter().map(Filter::api).collect();
            let request = self.client(region).describe_instances().set_filters(Some(filters));
            // An answer without a page size is cut off at no documented length: ask for pages.
            let request = request.max_results(1000);
            let mut next = None;
            loop {
                let request = request.clone().set_next_token(next.clone());
                let send = || request.clone().customize().interceptor(instances.clone()).send();
                let answer = self.call("DescribeInstances", region, 1, send).await;
                let answer = answer.map_err(|error| failure("DescribeInstances", region, &error))?;
                let mut found = instances.take_instances();
                if calls.len() > 1 {
                    found.retain(|instance| seen.insert(instance.id().to_string()));
                }
                found.sort_by(|a, b| natural_cmp(a.host(), b.host()).then_with(|| a.id().cmp(b.id())));
                for some in found.chunks(PART) {
                    part(some.iter().map(|instance| instances.record(instance)).collect()).await?;
                }
                next = next_page(next, answer.next_token)
                    .map_err(|failure| failure.within(format!("DescribeInstances in {region}")))?;
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    /// As [`Ec2::find_pages`], all together.
    pub async fn find(&self, region: &str, filters: &[Filter]) -> Result<Vec<Record>> {
        let mut found = Vec::new();
        self.find_pages(region, filters, async |part| {
            found.extend(part);
            Ok(())
        })
        .await?;
        Ok(found)
    }

    /// Returns the instances of one region with these ids, by id; one that is not listed is left out.
    pub(crate) async fn instances(
        &self,
        region: &str,
        ids: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<HashMap<String, Record>> {
        let ids: Vec<String> = ids.into_iter().map(|id| id.as_ref().to_string()).collect();
        let found = self.find_ids(region, &ids).await?;
        Ok(found.into_iter().map(|instance| (instance.str("instance_id").unwrap_or_default(), instance)).collect())
    }

    /// Returns the instances (region, id) as they are now, by id; one that is not listed is left out.
    pub async fn refresh(&self, instances: &[(String, String)]) -> HashMap<String, Result<Record>> {
        let mut now = HashMap::new();
        for (region, ids) in by_region(instances) {
            match self.instances(region, &ids).await {
                Ok(found) => now.extend(found.into_iter().map(|(id, instance)| (id, Ok(instance)))),
                Err(failure) => now.extend(ids.iter().map(|id| (id.to_string(), Err(failure.clone())))),
            }
        }
        now
    }
}

/// Returns the filters of each call that together find what `filters` find. EC2 takes [`FILTER_VALUES`] values in one
/// call, those of all filters together, so long filters are divided: each part of one goes with each part of the
/// others.
fn calls(filters: &[Filter]) -> Vec<Vec<Filter>> {
    let mut parts = vec![1; filters.len()];
    let longest = |at: usize, parts: &[usize]| filters[at].values.len().div_ceil(parts[at]);
    while (0..filters.len()).map(|at| longest(at, &parts)).sum::<usize>() > FILTER_VALUES {
        match (0..filters.len()).max_by_key(|at| longest(*at, &parts)) {
            Some(at) if longest(at, &parts) > 1 => parts[at] += 1,
            // More filters than a call takes values: EC2 refuses that.
            _ => break,
        }
    }
    let mut calls: Vec<Vec<Filter>> = vec![Vec::new()];
    for (at, filter) in filters.iter().enumerate() {
        let size = longest(at, &parts).max(1);
        // A filter without values stays, and EC2 refuses it: left out, it would find everything.
        let values: Vec<&[String]> =
            if filter.values.is_empty() { vec![&[]] } else { filter.values.chunks(size).collect() };
        let with =
            |call: &Vec<Filter>, values: &[String]| [call.as_slice(), &[Filter::new(&filter.name, values)]].concat();
        calls = calls.iter().flat_map(|call| values.iter().map(|values| with(call, values))).collect();
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_values_have_no_wildcards() {
        assert_eq!(Filter::exact("tag:Name", ["web*", r"a\b?"]).values, [r"web\*", r"a\\b\?"]);
    }

    fn filter(name: &str, count: usize) -> Filter {
        Filter::new(name, (0..count).map(|number| format!("{name}{number}")))
    }

    #[test]
    fn no_call_has_more_values_than_ec2_takes() {
        for (counts, expected) in [
            (&[][..], 1),
            (&[200][..], 1),
            (&[196, 4], 1),
            (&[197, 4], 2),
            (&[450, 4], 3),
            (&[300, 300], 9),
            (&[1000, 300, 4], 55),
        ] {
            let filters: Vec<Filter> =
                (0..).zip(counts).map(|(at, count)| filter(&format!("f{at}-"), *count)).collect();
            let calls = calls(&filters);
            let values = |call: &Vec<Filter>| call.iter().map(|filter| filter.values.len()).sum::<usize>();
            assert!(calls.iter().all(|call| values(call) <= FILTER_VALUES), "{counts:?}");
            assert!(calls.len() <= expected, "{counts:?}: {} calls", calls.len());
            // Each combination of values is in exactly one call.
            let combinations =
                calls.iter().map(|call| call.iter().map(|filter| filter.values.len()).product::<usize>());
            assert_eq!(combinations.sum::<usize>(), counts.iter().product::<usize>(), "{counts:?}");
            for (at, filter) in filters.iter().enumerate() {
                let asked: BTreeSet<&String> = calls.iter().flat_map(|call| &call[at].values).collect();
                assert_eq!(asked, filter.values.iter().collect(), "{counts:?}");
            }
        }
    }

    #[test]
    fn a_filter_without_values_is_not_left_out() {
        assert_eq!(
            calls(&[filter("a", 0), filter("b", 300)]).iter().map(|call| call.len()).collect::<Vec<_>>(),
            [2, 2]
        );
    }
}
