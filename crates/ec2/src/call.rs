//! One call of the EC2 API: every request of every tool goes through [`Ec2::call`], which waits for its bucket and
//! decides what is repeated.

use crate::buckets::{Buckets, is_read};
use crate::client::Ec2;
use crate::failure::{CallError, Verdict, verdict};
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::SdkError;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Calls that change something and have the same effect when they are made twice (Amazon EC2 API Reference, and "Ensuring
/// idempotency in Amazon EC2 API requests"). Every other change is made once if its answer got lost.
const SAME_TWICE: [&str; 8] = [
    "AssociateAddress",
    "CreateTags",
    "DeleteTags",
    "ModifyInstanceAttribute",
    "PutParameter",
    "StartInstances",
    "StopInstances",
    "TerminateInstances",
];

/// Reads that name an instance by its id. Those with filters only do not fail for an id that is not visible.
const READS_OF_ONE: [&str; 3] = ["DescribeInstanceAttribute", "GetConsoleOutput", "GetPasswordData"];

/// How often a call is made whose answers got lost, and how long after the first attempt a change is still repeated.
const ATTEMPTS: u32 = 4;
const REPEATED_FOR: Duration = Duration::from_secs(60);

/// How long one attempt of a change may take.
const CHANGE_LIMIT: Duration = Duration::from_secs(30);

/// How long a read may take, with all attempts. None of them takes more than half of it, so a connection that has died
/// costs no answer.
const READ_LIMIT: Duration = Duration::from_secs(20);
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// How long an id that EC2 has just given may be unknown to other calls ("Eventual consistency in the Amazon EC2 API").
pub const VISIBLE_AFTER: Duration = Duration::from_secs(30);

/// The default of --timeout.
const TIMEOUT: Duration = Duration::from_secs(300);

/// What a call gives.
pub(crate) type Answer<T, E> = Result<T, SdkError<E, HttpResponse>>;

/// What the calls of a run share.
pub(crate) struct Calls {
    buckets: Buckets,
    /// When EC2 last did what it was asked for, or refused it.
    progress: Mutex<Instant>,
    /// How long a call may wait after that.
    timeout: Mutex<Duration>,
    read_limit: Mutex<Duration>,
    pub arrivals: Arrivals,
    /// How often any request is sent at most, if the user has set that.
    max_attempts: Option<u32>,
}

impl Calls {
    pub fn new(max_attempts: Option<u32>) -> Calls {
        Calls {
            buckets: Buckets::default(),
            progress: Mutex::new(Instant::now()),
            timeout: Mutex::new(TIMEOUT),
            read_limit: Mutex::new(READ_LIMIT),
            arrivals: Arrivals::default(),
            max_attempts,
        }
    }

    /// Waits for an answer, for `limit` after it was asked for and after each part of it. `first` is when the first attempt
    /// was sent that has no answer.
    async fn bounded<T, E>(
        &self,
        region: &str,
        first: Instant,
        limit: Duration,
        answer: impl Future<Output = Answer<T, E>>,
    ) -> Answer<T, E> {
        let (mut answer, begun) = (pin!(answer), Instant::now());
        loop {
            let deadline = self.arrivals.last(region, begun) + limit;
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                () = sleep_until(deadline) => {}
            }
            let last = self.arrivals.last(region, begun);
            if last + limit <= Instant::now() {
                let silent_since = if last > begun { last } else { first };
                return Err(SdkError::timeout_error(NoAnswer(silent_since.elapsed())));
            }
        }
    }

    /// Returns once nothing has made progress for the time limit, counted from `begun` at the earliest.
    async fn stalled(&self, begun: Instant) -> NotSent {
        loop {
            let (progress, timeout) = (get(&self.progress), get(&self.timeout));
            let deadline = begun.max(progress) + timeout;
            if Instant::now() >= deadline {
                return NotSent::Stalled(timeout);
            }
            sleep_until(deadline).await;
        }
    }
}

/// When a part of an answer last arrived, by region.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals(Arc<Mutex<HashMap<String, Instant>>>);

impl Arrivals {
    /// Notes that a part of an answer has arrived, which gives the rest of it more time.
    pub fn note(&self, region: &str) {
        self.lock().insert(region.to_string(), Instant::now());
    }

    /// Returns when a part of an answer last arrived after `begun`, or `begun`.
    fn last(&self, region: &str, begun: Instant) -> Instant {
        self.lock().get(region).copied().unwrap_or(begun).max(begun)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn get<T: Copy>(mutex: &Mutex<T>) -> T {
    *mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn set<T>(mutex: &Mutex<T>, value: T) {
    *mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = value;
}

/// Why a call was given up before it was sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NotSent {
    Interrupted,
    Stalled(Duration),
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotSent::Interrupted => write!(f, "interrupted"),
            NotSent::Stalled(timeout) => {
                write!(f, "not sent, because no call has succeeded for {} s", timeout.as_secs_f64())
            }
        }
    }
}

impl std::error::Error for NotSent {}

/// A call was given up after this time, with all its attempts.
#[derive(Debug)]
pub(crate) struct NoAnswer(pub Duration);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        // A longer time without its tenths: the same failure of many hosts is reported once.
        let seconds = if seconds < 10.0 { (seconds * 10.0).round() / 10.0 } else { seconds.round() };
        write!(f, "no answer in {seconds} s")
    }
}

impl std::error::Error for NoAnswer {}

impl Ec2 {
    /// Sets how long calls wait after the last progress of the run: what --timeout says.
    pub fn set_timeout(&self, timeout: Duration) {
        set(&self.calls.timeout, timeout);
    }

    /// Sets how long a region may take to answer a read.
    pub fn set_read_limit(&self, limit: Duration) {
        set(&self.calls.read_limit, limit);
    }

    /// Makes the call `name` (as `RunInstances`) in `region` for so many `resources`. `send` is called once for each
    /// attempt.
    ///
    /// Waits for the call's bucket. A throttled call is made again until nothing has made progress for the time limit. A
    /// call that did not reach EC2, or that has the same effect twice and whose answer got lost, is made again a few
    /// times. An id that is not found is tried again for [`VISIBLE_AFTER`]: EC2 has just given it. The error of a change
    /// that may have been made is returned at once (`is_ambiguous`). Ctrl-C ends all waiting.
    pub(crate) async fn call<T, E, F>(
        &self,
        name: &'static str,
        region: &str,
        resources: usize,
        send: impl Fn() -> F,
    ) -> Answer<T, E>
    where
        E: CallError,
        F: Future<Output = Answer<T, E>>,
    {
        self.attempt(Attempts::new(name, true, &self.calls), region, resources, send).await
    }

    /// As [`Ec2::call`] for a call with many ids: if one is not found the error is returned at once.
    pub(crate) async fn call_batch<T, E, F>(
        &self,
        name: &'static str,
        region: &str,
        resources: usize,
        send: impl Fn() -> F,
    ) -> Answer<T, E>
    where
        E: CallError,
        F: Future<Output = Answer<T, E>>,
    {
        self.attempt(Attempts::new(name, false, &self.calls), region, resources, send).await
    }

    async fn attempt<T, E, F>(
        &self,
        mut attempts: Attempts,
        region: &str,
        resources: usize,
        send: impl Fn() -> F,
    ) -> Answer<T, E>
    where
        E: CallError,
        F: Future<Output = Answer<T, E>>,
    {
        let (name, begun, buckets) = (attempts.call, attempts.begun, &self.calls.buckets);
        let mut last = None;
        loop {
            if let Err(why) = self.waiting(begun, buckets.take(region, name, resources)).await {
                return Err(given_up(last, why));
            }
            let sent = Instant::now();
            let limit = attempts.limit(sent);
            let first = attempts.unanswered.unwrap_or(sent);
            let error = match self.calls.bounded(region, first, limit, send()).await {
                Ok(answer) => {
                    buckets.succeeded(region, name);
                    set(&self.calls.progress, Instant::now());
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let verdict = verdict(&error);
            let is_answer = !matches!(verdict, Verdict::NotSent | Verdict::Ambiguous);
            if is_answer || self.calls.arrivals.last(region, sent) > sent {
                attempts.answered();
            }
            match verdict {
                Verdict::Throttled => {
                    buckets.throttled(region, name, sent, random());
                }
                Verdict::NotSent => buckets.give_back(region, name, resources),
                Verdict::Ambiguous => {}
                Verdict::NotFound | Verdict::Refused => set(&self.calls.progress, Instant::now()),
            }
            let Some(pause) = attempts.next(verdict, Instant::now()) else { return Err(error) };
            let pause = pause.mul_f64(0.5 + random() / 2.0);
            last = Some((error, verdict));
            if let Err(why) = self.waiting(begun, sleep(pause)).await {
                return Err(given_up(last, why));
            }
        }
    }

    /// Waits for `work`, but not after Ctrl-C, nor when nothing makes progress. What is ready goes on in any case: after
    /// Ctrl-C a run still finishes what it has begun.
    async fn waiting<T>(&self, begun: Instant, work: impl Future<Output = T>) -> Result<T, NotSent> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = self.interrupt.wait() => Err(NotSent::Interrupted),
            stalled = self.calls.stalled(begun) => Err(stalled),
        }
    }
}

/// The error of a call that is not repeated: the last one, unless that did nothing and Ctrl-C was pressed.
fn given_up<E>(last: Option<(SdkError<E, HttpResponse>, Verdict)>, why: NotSent) -> SdkError<E, HttpResponse> {
    match last {
        Some((error, verdict)) if why != NotSent::Interrupted || verdict == Verdict::Ambiguous => error,
        _ => SdkError::construction_failure(why),
    }
}

/// The attempts of one call: decides whether there is another one, and how long each may take.
#[derive(Debug)]
struct Attempts {
    call: &'static str,
    /// Whether an id that is not found is tried again.
    is_patient: bool,
    begun: Instant,
    /// When the first attempt was sent that has no answer.
    unanswered: Option<Instant>,
    failed: u32,
    max_attempts: Option<u32>,
    read_limit: Duration,
}

impl Attempts {
    fn new(call: &'static str, is_patient: bool, calls: &Calls) -> Attempts {
        let (max_attempts, read_limit) = (calls.max_attempts, get(&calls.read_limit));
        Attempts { call, is_patient, begun: Instant::now(), unanswered: None, failed: 0, max_attempts, read_limit }
    }

    /// Returns how long an attempt may take that is sent now.
    fn limit(&mut self, now: Instant) -> Duration {
        let first = *self.unanswered.get_or_insert(now);
        match is_read(self.call) {
            true => (self.read_limit / 2).min((first + self.read_limit).saturating_duration_since(now)),
            false => CHANGE_LIMIT,
        }
    }

    /// Takes note of an answer.
    fn answered(&mut self) {
        self.unanswered = None;
    }

    /// Returns how long to wait before the next attempt, or `None` if the error is the call's result. A throttled call
    /// waits for its bucket instead.
    fn next(&mut self, verdict: Verdict, now: Instant) -> Option<Duration> {
        let pause = FIRST_PAUSE * 2u32.pow(self.failed.min(4));
        let is_repeated = match verdict {
            Verdict::Throttled => self.max_attempts.is_none_or(|most| self.failed + 1 < most),
            Verdict::Refused => false,
            Verdict::NotSent => self.is_repeated(now + pause),
            Verdict::Ambiguous => {
                (is_read(self.call) || SAME_TWICE.contains(&self.call)) && self.is_repeated(now + pause)
            }
            Verdict::NotFound => {
                let is_of_one = !is_read(self.call) || READS_OF_ONE.contains(&self.call);
                self.is_patient && is_of_one && now < self.begun + VISIBLE_AFTER
            }
        };
        self.failed += 1;
        let pause = if verdict == Verdict::Throttled { Duration::ZERO } else { pause };
        is_repeated.then_some(pause)
    }

    fn is_repeated(&self, then: Instant) -> bool {
        let first = self.unanswered.unwrap_or(self.begun);
        let limit = if is_read(self.call) { self.read_limit } else { REPEATED_FOR };
        self.failed + 1 < self.max_attempts.unwrap_or(ATTEMPTS) && then < first + limit
    }
}

/// A number from 0 to 1.
fn random() -> f64 {
    random_bits() as f64 / u64::MAX as f64
}

/// From the randomly keyed hasher of the standard library.
pub(crate) fn random_bits() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often a call is made that fails so each time, `each` after the one before.
    fn attempts(call: &'static str, is_patient: bool, verdict: Verdict, each: Duration) -> usize {
        attempts_of(call, is_patient, verdict, each, None)
    }

    fn attempts_of(
        call: &'static str,
        is_patient: bool,
        verdict: Verdict,
        each: Duration,
        max_attempts: Option<u32>,
    ) -> usize {
        let mut attempts = Attempts::new(call, is_patient, &Calls::new(max_attempts));
        let mut now = attempts.begun;
        for made in 1..100 {
            now += each.min(attempts.limit(now));
            match attempts.next(verdict, now) {
                Some(pause) => now += pause,
                None => return made,
            }
        }
        100
    }

    const QUICK: Duration = Duration::from_millis(10);

    #[test]
    fn what_may_have_been_done_is_done_again_only_if_that_changes_nothing() {
        for (call, made) in [
            ("DescribeInstances", ATTEMPTS as usize),
            ("GetConsoleOutput", 4),
            ("StopInstances", 4),
            ("CreateTags", 4),
            ("RunInstances", 1),
            ("AllocateAddress", 1),
            ("CreateVolume", 1),
            ("RebootInstances", 1),
            ("AttachVolume", 1),
        ] {
            assert_eq!(attempts(call, true, Verdict::Ambiguous, QUICK), made, "{call}");
            assert_eq!(attempts(call, true, Verdict::NotSent, QUICK), 4, "{call}");
            assert_eq!(attempts(call, true, Verdict::Refused, QUICK), 1, "{call}");
            assert_eq!(attempts(call, true, Verdict::Throttled, QUICK), 100, "{call}");
        }
    }

    #[test]
    fn an_endpoint_that_is_silent_is_not_asked_for_minutes() {
        assert_eq!(attempts("DescribeInstances", true, Verdict::Ambiguous, Duration::from_secs(30)), 2);
    }

    #[test]
    fn a_read_has_two_attempts_of_ten_seconds_and_a_change_of_thirty() {
        let mut read = Attempts::new("DescribeInstances", true, &Calls::new(None));
        let begun = read.begun;
        let seconds = Duration::from_secs;
        assert_eq!(read.limit(begun), seconds(10));
        assert_eq!(read.limit(begun + seconds(11)), seconds(9));
        assert!(read.next(Verdict::Ambiguous, begun + seconds(10)).is_some());
        assert!(read.next(Verdict::Ambiguous, begun + seconds(20)).is_none());
        // An answer that tells to wait is an answer.
        read.answered();
        assert_eq!(read.limit(begun + seconds(60)), seconds(10));
        assert_eq!(Attempts::new("StopInstances", true, &Calls::new(None)).limit(begun), seconds(30));
    }

    #[test]
    fn the_user_may_bound_the_attempts() {
        for (most, made) in [(1, 1), (3, 3), (6, 6)] {
            for verdict in [Verdict::Ambiguous, Verdict::NotSent, Verdict::Throttled] {
                assert_eq!(attempts_of("DescribeInstances", true, verdict, QUICK, Some(most)), made, "{verdict:?}");
            }
        }
    }

    #[test]
    fn an_id_that_is_new_is_tried_for_half_a_minute() {
        let tried = attempts("AssociateAddress", true, Verdict::NotFound, QUICK);
        assert!((6..20).contains(&tried), "{tried}");
        assert_eq!(attempts("CreateTags", false, Verdict::NotFound, QUICK), 1);
        assert_eq!(attempts("DescribeVolumes", true, Verdict::NotFound, QUICK), 1);
        assert!(attempts("GetConsoleOutput", true, Verdict::NotFound, QUICK) > 5);
    }
}
