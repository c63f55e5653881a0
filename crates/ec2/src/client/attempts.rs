//! The attempts of one call: whether a call that failed is made again, and when.

use crate::client::buckets::is_read;
use crate::client::verdict::Verdict;
use std::time::Duration;
use tokio::time::Instant;

/// Calls that change something and have the same effect when they are made twice (Amazon EC2 API Reference, and
/// "Ensuring idempotency in Amazon EC2 API requests"). Every other change is made once if its answer got lost.
const SAME_TWICE: [&str; 10] = [
    "AssociateAddress",
    "CancelCommand",
    "CreateTags",
    "DeleteObject",
    "DeleteTags",
    "ModifyInstanceAttribute",
    "PutParameter",
    "StartInstances",
    "StopInstances",
    "TerminateInstances",
];

/// Reads that name an instance by its id. Those with filters only do not fail for an id that is not visible.
const READS_OF_ONE: [&str; 3] = ["DescribeInstanceAttribute", "GetConsoleOutput", "GetPasswordData"];

/// Changes of many resources at once. `in_batches` tries again the ids that are not found.
const CHANGES_OF_MANY: [&str; 6] =
    ["CreateTags", "DeleteTags", "RebootInstances", "StartInstances", "StopInstances", "TerminateInstances"];

/// How often a call is made whose answers got lost, and how long after the first attempt a change is still repeated.
const ATTEMPTS: u32 = 4;
const REPEATED_FOR: Duration = Duration::from_secs(60);

/// How long one attempt of a change may take.
const CHANGE_LIMIT: Duration = Duration::from_secs(30);

/// How long a read may take, with all attempts. None of them takes more than half of it, so a connection that has died
/// costs no answer.
pub(crate) const READ_LIMIT: Duration = Duration::from_secs(20);
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// How long an id that EC2 has just given may be unknown to other calls ("Eventual consistency in the Amazon EC2 API").
pub const VISIBLE_AFTER: Duration = Duration::from_secs(30);

/// The attempts of one call: decides whether there is another one, and how long each may take.
#[derive(Debug)]
pub(crate) struct Attempts {
    pub call: &'static str,
    pub begun: Instant,
    /// When the first attempt was sent that has no answer.
    pub(super) unanswered: Option<Instant>,
    failed: u32,
    max_attempts: Option<u32>,
    read_limit: Duration,
}

impl Attempts {
    pub fn new(call: &'static str, read_limit: Duration, max_attempts: Option<u32>) -> Attempts {
        Attempts { call, begun: Instant::now(), unanswered: None, failed: 0, max_attempts, read_limit }
    }

    /// Returns how long an attempt may take that is sent now.
    pub fn limit(&mut self, now: Instant) -> Duration {
        let first = *self.unanswered.get_or_insert(now);
        if is_read(self.call) {
            (self.read_limit / 2).min((first + self.read_limit).saturating_duration_since(now))
        } else {
            CHANGE_LIMIT
        }
    }

    /// Notes that an answer has come.
    pub fn answered(&mut self) {
        self.unanswered = None;
    }

    /// Returns how long to wait before the next attempt, or `None` if the error is the call's result. A throttled call
    /// waits for its bucket instead.
    pub fn next(&mut self, verdict: Verdict, now: Instant) -> Option<Duration> {
        let pause = FIRST_PAUSE * 2u32.pow(self.failed.min(4));
        let is_repeated = match verdict {
            Verdict::Throttled => self.max_attempts.is_none_or(|most| self.failed + 1 < most),
            Verdict::Refused => false,
            Verdict::NotSent => self.is_repeated(now + pause),
            Verdict::Ambiguous => {
                (is_read(self.call) || SAME_TWICE.contains(&self.call)) && self.is_repeated(now + pause)
            }
            Verdict::NotFound => {
                let is_read = is_read(self.call);
                let is_of_one =
                    if is_read { READS_OF_ONE.contains(&self.call) } else { !CHANGES_OF_MANY.contains(&self.call) };
                is_of_one && now < self.begun + VISIBLE_AFTER
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how often a call is made that fails so each time, `each` after the one before.
    fn attempts(call: &'static str, verdict: Verdict, each: Duration) -> usize {
        attempts_of(call, verdict, each, None)
    }

    fn attempts_of(call: &'static str, verdict: Verdict, each: Duration, max_attempts: Option<u32>) -> usize {
        let mut attempts = Attempts::new(call, READ_LIMIT, max_attempts);
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
            assert_eq!(attempts(call, Verdict::Ambiguous, QUICK), made, "{call}");
            assert_eq!(attempts(call, Verdict::NotSent, QUICK), 4, "{call}");
            assert_eq!(attempts(call, Verdict::Refused, QUICK), 1, "{call}");
            assert_eq!(attempts(call, Verdict::Throttled, QUICK), 100, "{call}");
        }
    }

    #[test]
    fn an_endpoint_that_is_silent_is_not_asked_for_minutes() {
        assert_eq!(attempts("DescribeInstances", Verdict::Ambiguous, Duration::from_secs(30)), 2);
    }

    #[test]
    fn a_read_has_two_attempts_of_ten_seconds_and_a_change_of_thirty() {
        let mut read = Attempts::new("DescribeInstances", READ_LIMIT, None);
        let begun = read.begun;
        let seconds = Duration::from_secs;
        assert_eq!(read.limit(begun), seconds(10));
        assert_eq!(read.limit(begun + seconds(11)), seconds(9));
        assert!(read.next(Verdict::Ambiguous, begun + seconds(10)).is_some());
        assert!(read.next(Verdict::Ambiguous, begun + seconds(20)).is_none());
        // An answer that says to wait is an answer too.
        read.answered();
        assert_eq!(read.limit(begun + seconds(60)), seconds(10));
        assert_eq!(Attempts::new("StopInstances", READ_LIMIT, None).limit(begun), seconds(30));
    }

    #[test]
    fn the_user_may_bound_the_attempts() {
        for (most, made) in [(1, 1), (3, 3), (6, 6)] {
            for verdict in [Verdict::Ambiguous, Verdict::NotSent, Verdict::Throttled] {
                assert_eq!(attempts_of("DescribeInstances", verdict, QUICK, Some(most)), made, "{verdict:?}");
            }
        }
    }

    #[test]
    fn an_id_that_is_new_is_tried_for_half_a_minute() {
        let tried = attempts("AssociateAddress", Verdict::NotFound, QUICK);
        assert!((6..20).contains(&tried), "{tried}");
        assert_eq!(attempts("CreateTags", Verdict::NotFound, QUICK), 1);
        assert_eq!(attempts("DescribeVolumes", Verdict::NotFound, QUICK), 1);
        assert!(attempts("GetConsoleOutput", Verdict::NotFound, QUICK) > 5);
    }
}
