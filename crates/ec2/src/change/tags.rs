//! Sets and removes tags (CreateTags, DeleteTags), and checks them by EC2's rules.

use crate::change::batch::in_batches;
use crate::client::buckets::time_for;
use crate::client::{CONCURRENCY, Ec2};
use aws_sdk_ec2::types::Tag;
use cerveza_manners::Result;
use futures_util::stream::{self, StreamExt};
use std::time::Duration;

/// Tags to set and keys to remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    pub set: Vec<(String, String)>,
    pub remove: Vec<String>,
}

/// Tags that resources get, or keys without values that they lose: one of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagCall {
    pub resources: Vec<String>,
    pub tags: Vec<(String, Option<String>)>,
}

impl TagCall {
    fn is_set(&self) -> bool {
        self.tags.iter().all(|(_, value)| value.is_some())
    }
}

/// Returns how long these calls in one region take at least.
pub fn time_for_tags(calls: &[TagCall]) -> Duration {
    let requests = |is_set| {
        let calls = calls.iter().filter(|call| call.is_set() == is_set);
        calls.map(|call| call.resources.len().div_ceil(BATCH)).sum()
    };
    time_for("CreateTags", requests(true)) + time_for("DeleteTags", requests(false))
}

/// How many tags of the account's own a resource may have (EC2 user guide, "Tag restrictions"). Keys that begin with
/// `aws:` do not count.
pub const MOST_TAGS: usize = 50;

/// The key of the tag that names the device of a volume.
pub const DEVICE_TAG: &str = "device";

/// Resources in one request. CreateTags takes 1,000, but is documented to want fewer.
const BATCH: usize = 200;

/// Checks a tag by EC2's rules (EC2 user guide, "Tag restrictions"), and refuses control characters, which EC2 may
/// take and no line of a tool would hold.
pub fn check_tag(key: &str, value: &str) -> std::result::Result<(), String> {
    let shown: String = key.chars().take(40).collect();
    if key.is_empty() {
        return Err("a tag has no key".to_string());
    }
    if key.chars().count() > 128 {
        return Err(format!("tag {shown}...: the key is longer than 128 characters"));
    }
    if value.chars().count() > 256 {
        return Err(format!("tag {shown}: the value is longer than 256 characters"));
    }
    if key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
        return Err(format!("tag {shown}: keys that begin with aws: are reserved"));
    }
    if key.chars().chain(value.chars()).any(char::is_control) {
        return Err(format!("tag {shown:?}: a control character in it"));
    }
    Ok(())
}

/// Returns whether a tag's key can be a path in the instance metadata (EC2 user guide, "View tags for your EC2
/// instances using instance metadata").
pub fn fits_metadata(key: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "+-=.,_:@".contains(c);
    key.chars().all(fits) && ![".", "..", "_index"].contains(&key)
}

impl Ec2 {
    /// Makes calls in one region, several at once. Returns one result for each resource. `done` is called with the
    /// number of resources of each call.
    pub async fn tag_all(&self, region: &str, calls: Vec<TagCall>, done: &impl Fn(usize)) -> Vec<(String, Result<()>)> {
        let results = stream::iter(calls).map(|call| async move {
            let results = self.tag(region, &call.resources, &call.tags).await;
            done(results.len());
            call.resources.into_iter().zip(results).collect::<Vec<_>>()
        });
        results.buffer_unordered(CONCURRENCY).concat().await
    }

    /// Sets tags of resources in one region, or removes them where no value is given. Returns one result for each
    /// resource, in order.
    pub async fn tag(&self, region: &str, ids: &[String], tags: &[(String, Option<String>)]) -> Vec<Result<()>> {
        let client = &self.client(region);
        let is_set = tags.iter().all(|(_, value)| value.is_some());
        let tags: &Vec<Tag> = &tags.iter().map(|(key, value)| tag(key, value.as_deref())).collect();
        let call = |ids: Vec<String>| async move {
            let (count, ids, tags) = (ids.len(), Some(ids), Some(tags.clone()));
            if is_set {
                let request = client.create_tags().set_resources(ids).set_tags(tags);
                self.call_batch("CreateTags", region, count, || request.clone().send()).await
            } else {
                let request = client.delete_tags().set_resources(ids).set_tags(tags);
                self.call_batch("DeleteTags", region, count, || request.clone().send()).await
            }
        };
        let resources: Vec<Vec<String>> = ids.iter().map(|id| vec![id.clone()]).collect();
        in_batches(&resources, |_| BATCH, || self.is_interrupted(), call).await
    }
}

/// DeleteTags removes a key whatever its value only when no value is sent.
pub(crate) fn tag(key: &str, value: Option<&str>) -> Tag {
    Tag::builder().key(key).set_value(value.map(str::to_string)).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_tags_counts_requests() {
        let call = |resources: usize, value: Option<&str>| TagCall {
            resources: vec![String::new(); resources],
            tags: vec![("team".to_string(), value.map(str::to_string))],
        };
        assert_eq!(time_for_tags(&[call(20_000, Some("dba"))]), Duration::ZERO);
        let mut calls = vec![call(2, Some("dba")); 400];
        assert_eq!(time_for_tags(&calls), Duration::from_secs(30));
        calls.extend(vec![call(201, None); 100]);
        assert_eq!(time_for_tags(&calls), Duration::from_secs(40));
    }

    #[test]
    fn tags_are_checked_by_ec2s_rules() {
        assert_eq!(check_tag("team", ""), Ok(()));
        assert_eq!(check_tag("é".repeat(128).as_str(), "x"), Ok(()));
        assert!(check_tag("", "x").is_err());
        assert!(check_tag(&"k".repeat(129), "x").is_err());
        assert!(check_tag("k", &"v".repeat(257)).is_err());
        assert!(check_tag("AWS:x", "x").is_err());
        assert!(check_tag("k", "a\nb").is_err());
    }
}
