//! EC2's buckets: how many calls an account may make at once and in a second, and the limiter that keeps calls within
//! them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How many tokens a bucket holds, and how many are added a second.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate {
    size: f64,
    refill: f64,
}

/// The buckets of some calls. A request takes one token of the first bucket, and of the second one for each instance.
struct Limits {
    calls: &'static [&'static str],
    requests: Rate,
    resources: Option<Rate>,
}

const fn rate(size: u32, refill: u32) -> Rate {
    Rate { size: size as f64, refill: refill as f64 }
}

const fn requests(calls: &'static [&'static str], size: u32, refill: u32) -> Limits {
    Limits { calls, requests: rate(size, refill), resources: None }
}

const fn and_resources(limits: Limits, size: u32, refill: u32) -> Limits {
    Limits { resources: Some(rate(size, refill)), ..limits }
}

/// Each call has its own buckets in each account and region. Sources: Amazon EC2 Developer Guide, "Request throttling
/// for the Amazon EC2 API" (tables "Request token bucket sizes and refill rates" and "Resource token bucket sizes and
/// refill rates"); for Parameter Store AWS General Reference, "AWS Systems Manager endpoints and quotas" (default
/// throughput).
const LIMITS: &[Limits] = &[
    and_resources(requests(&["RunInstances", "StartInstances"], 5, 2), 1000, 2),
    and_resources(requests(&["StopInstances"], 50, 5), 1000, 20),
    and_resources(requests(&["TerminateInstances"], 100, 5), 1000, 20),
    requests(&["RebootInstances"], 50, 5),
    requests(&["CreateTags", "DeleteTags"], 100, 10),
    // What is asked for without a filter and without paging.
    requests(&["DescribeRegions"], 50, 10),
    requests(&["GetParameter", "GetParameters", "GetParametersByPath"], 40, 40),
    requests(&["PutParameter", "DeleteParameter", "DeleteParameters"], 3, 3),
    // AWS documents no rate for these: it is found out from throttled calls.
    requests(&["CancelCommand", "ListCommands", "SendCommand"], 20, 10),
    requests(&["DescribeInstanceInformation", "GetCommandInvocation", "ListCommandInvocations"], 20, 20),
    // Less than what S3 takes for each prefix ("Best practices design patterns", Amazon S3 User Guide).
    requests(&["DeleteObject", "GetObject"], 1000, 1000),
];

/// The guide's "non-mutating actions" with a filter or with paging, and "mutating actions".
const READS: Limits = requests(&[], 100, 20);
const CHANGES: Limits = requests(&[], 50, 5);

/// Returns whether a call changes nothing, by its name.
pub(crate) fn is_read(call: &str) -> bool {
    ["Describe", "Get", "List", "Search"].iter().any(|verb| call.starts_with(verb))
}

fn limits(call: &str) -> &'static Limits {
    let listed = LIMITS.iter().find(|limits| limits.calls.contains(&call));
    listed.unwrap_or(if is_read(call) { &READS } else { &CHANGES })
}

/// Returns how long `calls` calls of one instance each take at least, if the buckets are full.
pub fn time_for(call: &str, calls: usize) -> Duration {
    time_for_batches(call, calls, calls)
}

/// Returns how long `calls` calls of so many `resources` together take at least, if the buckets are full.
pub(crate) fn time_for_batches(call: &str, calls: usize, resources: usize) -> Duration {
    let limits = limits(call);
    let time = |rate: Rate, tokens: usize| (tokens as f64 - rate.size).max(0.0) / rate.refill;
    let seconds = limits.resources.map_or(0.0, |rate| time(rate, resources)).max(time(limits.requests, calls));
    Duration::from_secs_f64(seconds)
}

/// A shorter time is not reported.
const WORTH_SAYING: Duration = Duration::from_secs(5);

/// Says how long the requests for so many hosts take at least because of EC2's request limits, if that is long.
pub fn time_notice(hosts: usize, time: Duration) -> Option<String> {
    let seconds = time.as_secs_f64().ceil();
    let text = || format!("this takes at least {seconds} s for {hosts} hosts because of EC2's request limits");
    (time >= WORTH_SAYING).then(text)
}

/// How many seconds a batch waits for its tokens once the bucket is empty.
const BATCH_SECONDS: f64 = 5.0;

/// Returns how many resources, `most` at most, the next call should change after so many `before`. A batch after the
/// bucket is empty is small, so calls succeed every few seconds and a pause of minutes does not look like a stall.
pub(crate) fn batch_size(call: &str, before: usize, most: usize) -> usize {
    match limits(call).resources {
        Some(bucket) if before as f64 >= bucket.size => most.min((bucket.refill * BATCH_SECONDS) as usize),
        _ => most,
    }
}

/// Tokens are added once a second, so a bucket that was full may get its first ones a second after a token was taken.
const REFILL_STEP: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Bucket {
    rate: Rate,
    tokens: f64,
    /// `tokens` is what the bucket holds at this time.
    counted: Instant,
}

impl Bucket {
    fn new(rate: Rate, now: Instant) -> Bucket {
        Bucket { rate, tokens: rate.size, counted: now }
    }

    /// Adds what has been refilled until `now`, at `share` of the bucket's rate.
    fn refill(&mut self, share: f64, now: Instant) {
        let added = now.saturating_duration_since(self.counted).as_secs_f64() * self.rate.refill * share;
        self.tokens = (self.tokens + added).min(self.rate.size);
        self.counted = self.counted.max(now);
    }

    /// Returns when `count` tokens are there. No request waits for more than the bucket can hold.
    fn ready(&self, count: f64, share: f64, now: Instant) -> Instant {
        let lacking = count.min(self.rate.size) - self.tokens;
        // Less than a thousandth of a token is an error of rounding.
        if lacking < 0.001 {
            return now;
        }
        self.counted + Duration::from_secs_f64(lacking / (self.rate.refill * share))
    }

    fn take_tokens(&mut self, count: f64, now: Instant) {
        if self.tokens >= self.rate.size {
            self.counted = now + REFILL_STEP;
        }
        self.tokens -= count.min(self.rate.size);
    }
}

/// After EC2 has throttled a call its rate is multiplied by this, down to the least share ...
const LOWERED: f64 = 0.7;
const LEAST_SHARE: f64 = 1.0 / 32.0;
/// ... and each call that succeeds adds this again.
const RAISED: f64 = 0.02;

/// The buckets of one call in one region. Others may use the same account, so EC2's answers correct what is counted
/// here.
#[derive(Debug)]
struct CallBuckets {
    requests: Bucket,
    resources: Option<Bucket>,
    /// The part of the documented rate that is used: at most 1.
    share: f64,
    /// When `share` was lowered last. Answers to requests that were sent before do not lower it again.
    lowered: Option<Instant>,
}

impl CallBuckets {
    fn new(call: &str, now: Instant) -> CallBuckets {
        let limits = limits(call);
        let resources = limits.resources.map(|rate| Bucket::new(rate, now));
        CallBuckets { requests: Bucket::new(limits.requests, now), resources, share: 1.0, lowered: None }
    }

    /// Takes the tokens of one request, or returns when to try again.
    fn take_tokens(&mut self, resources: usize, now: Instant) -> Result<(), Instant> {
        let CallBuckets { requests, resources: bucket, share, .. } = self;
        let (share, resources) = (*share, resources as f64);
        requests.refill(share, now);
        let mut ready = requests.ready(1.0, share, now);
        if let Some(bucket) = bucket {
            bucket.refill(share, now);
            ready = ready.max(bucket.ready(resources, share, now));
        }
        if ready > now {
            return Err(ready);
        }
        requests.take_tokens(1.0, now);
        if let Some(bucket) = bucket {
            bucket.take_tokens(resources, now);
        }
        Ok(())
    }

    /// Gives the tokens of a request back that did not reach EC2.
    fn give_back(&mut self, resources: usize) {
        self.requests.tokens += 1.0;
        if let Some(bucket) = &mut self.resources {
            bucket.tokens += resources as f64;
        }
    }

    /// EC2 has throttled a request that was sent at `sent`: the bucket is empty. `jitter` (0 to 1) keeps clients of one
    /// account from trying again at the same time.
    fn throttled(&mut self, sent: Instant, now: Instant, jitter: f64) {
        if self.lowered.is_some_and(|lowered| sent <= lowered) {
            return;
        }
        self.lowered = Some(now);
        self.share = (self.share * LOWERED).max(LEAST_SHARE);
        self.requests.tokens = 0.0;
        self.requests.counted = now + Duration::from_secs_f64(jitter / (self.requests.rate.refill * self.share));
    }

    fn succeeded(&mut self) {
        self.share = (self.share + RAISED).min(1.0);
    }
}

/// Makes calls of one kind wait for their tokens, first come first served.
struct Limiter {
    /// Held while waiting. Tokio's mutex is fair.
    queue: tokio::sync::Mutex<()>,
    buckets: Mutex<CallBuckets>,
}

/// The limiters of all regions and calls. All methods take the region and the call's name.
#[derive(Default)]
pub(crate) struct Buckets(Mutex<HashMap<(String, &'static str), Arc<Limiter>>>);

impl Buckets {
    /// Returns once the tokens of a request are there and taken.
    pub async fn wait_for_tokens(&self, region: &str, call: &'static str, resources: usize) {
        let limiter = self.limiter(region, call);
        let _turn = limiter.queue.lock().await;
        loop {
            let taken = lock(&limiter.buckets).take_tokens(resources, Instant::now());
            match taken {
                Ok(()) => return,
                Err(ready) => sleep_until(ready).await,
            }
        }
    }

    pub fn give_back(&self, region: &str, call: &'static str, resources: usize) {
        lock(&self.limiter(region, call).buckets).give_back(resources);
    }

    /// Lowers the rate after EC2 has throttled a request that was sent at `sent`.
    pub fn throttled(&self, region: &str, call: &'static str, sent: Instant, jitter: f64) {
        lock(&self.limiter(region, call).buckets).throttled(sent, Instant::now(), jitter);
    }

    pub fn succeeded(&self, region: &str, call: &'static str) {
        lock(&self.limiter(region, call).buckets).succeeded();
    }

    fn limiter(&self, region: &str, call: &'static str) -> Arc<Limiter> {
        let make = || {
            let buckets = Mutex::new(CallBuckets::new(call, Instant::now()));
            Arc::new(Limiter { queue: tokio::sync::Mutex::default(), buckets })
        };
        lock(&self.0).entry((region.to_string(), call)).or_insert_with(make).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns when each of `calls` calls is made, in seconds after the first; each as soon as its tokens are there.
    fn times(call: &str, calls: usize, resources: usize) -> Vec<f64> {
        let start = Instant::now();
        let (mut now, mut buckets) = (start, CallBuckets::new(call, start));
        let mut made = Vec::new();
        while made.len() < calls {
            match buckets.take_tokens(resources, now) {
                Ok(()) => made.push((now - start).as_secs_f64()),
                Err(ready) => now = ready,
            }
        }
        made
    }

    /// Returns how many of these calls a bucket of EC2 would throttle that adds its tokens once a second, at `phase` of
    /// it.
    fn throttled(times: &[f64], rate: Rate, phase: f64) -> usize {
        let (mut tokens, mut second, mut refused) = (rate.size, 0.0, 0);
        for time in times {
            let passed = (time + phase).floor();
            tokens = (tokens + (passed - second) * rate.refill).min(rate.size);
            second = passed;
            if tokens >= 1.0 { tokens -= 1.0 } else { refused += 1 }
        }
        refused
    }

    #[test]
    fn launches_keep_to_the_buckets_and_near_their_floor() {
        for calls in [1, 5, 6, 100, 190, 1000] {
            let times = times("RunInstances", calls, 1);
            let floor = time_for("RunInstances", calls).as_secs_f64();
            let last = times.last().copied().unwrap_or_default();
            assert!((floor..floor + 1.001).contains(&last), "{calls}: {last} for {floor}");
            for phase in [0.0, 0.3, 0.999] {
                assert_eq!(throttled(&times, limits("RunInstances").requests, phase), 0, "{calls} at {phase}");
            }
        }
        assert_eq!(time_for("RunInstances", 5), Duration::ZERO);
        assert_eq!(time_for("RunInstances", 1000), Duration::from_millis(497_500));
    }

    #[test]
    fn each_instance_takes_a_token_of_the_resource_bucket() {
        // 1,000 at once, and then 2 a second: 100 more take 50 seconds.
        let times = times("StartInstances", 11, 100);
        assert_eq!(times[4], 0.0);
        assert!((50.0..51.1).contains(&times[10]), "{times:?}");
        // A request for more than the bucket holds is made when the bucket is full.
        assert_eq!(self::times("StartInstances", 1, 5000), [0.0]);
    }

    #[test]
    fn the_table_tells_the_buckets_of_every_call() {
        let of = |call| (limits(call).requests, limits(call).resources);
        assert_eq!(of("RunInstances"), (rate(5, 2), Some(rate(1000, 2))));
        assert_eq!(of("StartInstances"), of("RunInstances"));
        assert_eq!(of("StopInstances"), (rate(50, 5), Some(rate(1000, 20))));
        assert_eq!(of("TerminateInstances"), (rate(100, 5), Some(rate(1000, 20))));
        assert_eq!(of("RebootInstances"), (rate(50, 5), None));
        assert_eq!(of("CreateTags"), (rate(100, 10), None));
        assert_eq!(of("DescribeInstances"), (rate(100, 20), None));
        assert_eq!(of("GetConsoleOutput"), (rate(100, 20), None));
        assert_eq!(of("AllocateAddress"), (rate(50, 5), None));
    }

    #[test]
    fn a_throttled_call_slows_down_and_recovers() {
        let start = Instant::now();
        let mut buckets = CallBuckets::new("RunInstances", start);
        for _ in 0..5 {
            assert_eq!(buckets.take_tokens(1, start), Ok(()));
        }
        // All five are throttled: the bucket was empty. That is one reason to slow down, not five.
        for _ in 0..5 {
            buckets.throttled(start, start + SECOND, 0.0);
        }
        assert_eq!(buckets.share, LOWERED);
        let ready = buckets.take_tokens(1, start + SECOND).unwrap_err();
        assert!((0.7..0.72).contains(&(ready - start - SECOND).as_secs_f64()), "{ready:?}");
        assert_eq!(buckets.take_tokens(1, ready), Ok(()));
        for _ in 0..100 {
            buckets.throttled(ready, ready, 1.0);
            buckets.lowered = None;
        }
        assert_eq!(buckets.share, LEAST_SHARE);
        for _ in 0..50 {
            buckets.succeeded();
        }
        assert_eq!(buckets.share, 1.0);
    }

    #[test]
    fn a_request_that_did_not_reach_ec2_costs_nothing() {
        let start = Instant::now();
        let mut buckets = CallBuckets::new("RunInstances", start);
        for _ in 0..50 {
            assert_eq!(buckets.take_tokens(1, start), Ok(()));
            buckets.give_back(1);
        }
    }

    #[test]
    fn regions_and_calls_have_buckets_of_their_own() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let buckets = Buckets::default();
            for region in ["us-east-1", "eu-west-1"] {
                for call in ["RunInstances", "StartInstances"] {
                    for _ in 0..5 {
                        buckets.wait_for_tokens(region, call, 1).await;
                    }
                }
            }
            let limiter = buckets.limiter("us-east-1", "RunInstances");
            assert!(lock(&limiter.buckets).take_tokens(1, Instant::now()).is_err());
        });
    }
}
