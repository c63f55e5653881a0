//! EC2's token buckets: for each call, account and region one for requests and one for resources.
//!
//! Sizes and refills are of "Request throttling for the Amazon EC2 API" in the EC2 developer guide, those of SSM of
//! "AWS Systems Manager endpoints and quotas" in the AWS general reference.

use super::params::{ApiError, Params};
use std::collections::HashMap;
use std::time::Instant;

/// A bucket's size, and what it gets each second.
type Size = (f64, f64);

/// Calls with buckets of their own: for requests, and for resources.
const OWN: &[(&str, Size, Option<Size>)] = &[
    ("RunInstances", (5.0, 2.0), Some((1000.0, 2.0))),
    ("StartInstances", (5.0, 2.0), Some((1000.0, 2.0))),
    ("StopInstances", (50.0, 5.0), Some((1000.0, 20.0))),
    ("TerminateInstances", (100.0, 5.0), Some((1000.0, 20.0))),
    ("CreateTags", (100.0, 10.0), None),
    ("DeleteTags", (100.0, 10.0), None),
    ("GetParameter", (40.0, 40.0), None),
    ("GetParameters", (40.0, 40.0), None),
    ("PutParameter", (3.0, 3.0), None),
    // AWS does not document these.
    ("SendCommand", (5.0, 5.0), None),
    ("CancelCommand", (5.0, 5.0), None),
    ("ListCommandInvocations", (10.0, 10.0), None),
    ("GetCommandInvocation", (10.0, 10.0), None),
];
/// Describe and Get calls with a filter or a page size.
const FILTERED: Size = (100.0, 20.0);
const UNFILTERED: Size = (50.0, 10.0);
const OTHER_CHANGES: Size = (50.0, 5.0);

#[derive(Default)]
pub struct Buckets(HashMap<(String, String), Bucket>);

struct Bucket {
    tokens: f64,
    refilled: Instant,
}

impl Buckets {
    /// Takes the tokens of a call, or fails as EC2 does when one of its buckets has too few. `speed` is how much faster
    /// than EC2's the clock runs.
    pub fn take(&mut self, region: &str, action: &str, params: &Params, speed: f64) -> Result<(), ApiError> {
        let now = Instant::now();
        let own = OWN.iter().find(|(name, _, _)| *name == action);
        let is_read = action.starts_with("Describe") || action.starts_with("Get");
        let is_filtered = params.get("MaxResults").is_some() || !params.items("Filter").is_empty();
        let (requests, resources) = match own {
            Some((_, requests, resources)) => (("requests", *requests), *resources),
            None if is_read && is_filtered => (("filtered requests", FILTERED), None),
            None if is_read => (("requests", UNFILTERED), None),
            None => (("requests", OTHER_CHANGES), None),
        };
        let mut wanted = vec![(requests.0, requests.1, 1.0)];
        let count = params.number("MaxCount")?.unwrap_or_else(|| params.list("InstanceId").len() as i64) as f64;
        wanted.extend(resources.map(|size| ("resources", size, count)));
        for (kind, (size, refill), tokens) in &wanted {
            let key = (region.to_string(), format!("{action} {kind}"));
            let bucket = self.0.entry(key).or_insert(Bucket { tokens: *size, refilled: now });
            let passed = now.duration_since(bucket.refilled).as_secs_f64();
            bucket.tokens = (bucket.tokens + passed * refill * speed).min(*size);
            bucket.refilled = now;
            if bucket.tokens < *tokens {
                return Err(throttled(action));
            }
        }
        for (kind, _, tokens) in &wanted {
            let key = (region.to_string(), format!("{action} {kind}"));
            self.0.get_mut(&key).expect("made above").tokens -= tokens;
        }
        Ok(())
    }
}

/// What a throttled call is answered with.
pub fn throttled(action: &str) -> ApiError {
    if action.ends_with("Object") {
        return ApiError::server(503, "SlowDown", "Please reduce your request rate.");
    }
    let of_ssm = ["Parameter", "Parameters", "Command", "Commands", "Invocation", "Invocations", "Information"];
    match of_ssm.iter().any(|end| action.ends_with(end)) {
        true => ApiError::new("ThrottlingException", "Rate exceeded"),
        false => ApiError::server(503, "RequestLimitExceeded", "Request limit exceeded."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_launches_are_taken_at_once_and_a_region_has_its_own_bucket() {
        let (mut buckets, one) = (Buckets::default(), Params::parse("MaxCount=1"));
        let mut take = |region: &str| buckets.take(region, "RunInstances", &one, 0.0);
        assert!((0..5).all(|_| take("us-east-1").is_ok()));
        assert_eq!(take("us-east-1").unwrap_err().code, "RequestLimitExceeded");
        assert!(take("eu-west-1").is_ok());
    }

    #[test]
    fn one_call_for_many_resources_takes_their_tokens() {
        let (mut buckets, many) = (Buckets::default(), Params::parse("MaxCount=600"));
        assert!(buckets.take("us-east-1", "RunInstances", &many, 0.0).is_ok());
        assert!(buckets.take("us-east-1", "RunInstances", &many, 0.0).is_err());
    }
}
