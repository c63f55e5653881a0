//! One call of the EC2 API: every request of every tool goes through [`Ec2::call`], which waits for its bucket and
//! decides what is repeated.

use crate::client::Ec2;
use crate::client::attempts::{Attempts, READ_LIMIT};
use crate::client::buckets::Buckets;
use crate::client::verdict::{CallError, Verdict, verdict};
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::SdkError;
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// The default of --timeout.
const TIMEOUT: Duration = Duration::from_secs(300);

/// The call that begins a command on hosts.
pub(crate) const SEND_COMMAND: &str = "SendCommand";

/// The call that remembers a host once it is launched, so it belongs to what Ctrl-C finishes, for a short time.
pub(crate) const PUT_PARAMETER: &str = "PutParameter";
const REMEMBERED_FOR: Duration = Duration::from_secs(10);

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
    /// Whether calls wait also after Ctrl-C.
    goes_on: AtomicBool,
    /// When a [`PUT_PARAMETER`] first saw Ctrl-C.
    interrupted: OnceLock<Instant>,
    /// Whether no more commands are to be sent.
    sending_ended: watch::Sender<bool>,
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
            goes_on: AtomicBool::new(false),
            interrupted: OnceLock::new(),
            sending_ended: watch::Sender::new(false),
        }
    }

    /// Waits for an answer, for `limit` after it was asked for and after each part of it. `first` is when the first
    /// attempt was sent that has no answer.
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

    /// Returns once no more commands are to be sent.
    async fn sending_ended(&self) {
        // The sender lives as long as `self`.
        let _ = self.sending_ended.subscribe().wait_for(|is_set| *is_set).await;
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
    pub fn note_arrival(&self, region: &str) {
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

    /// Lets calls go on after Ctrl-C, except [`SEND_COMMAND`], for a tool that has to look after what it has begun. The
    /// tool must bound them.
    pub fn go_on_after_interrupt(&self) {
        self.calls.goes_on.store(true, Ordering::Relaxed);
    }

    /// Lets no [`SEND_COMMAND`] wait any more. One that is under way gets its answer.
    pub fn end_sending(&self) {
        self.calls.sending_ended.send_replace(true);
    }

    /// Sets how long a region may take to answer a read.
    pub fn set_read_limit(&self, limit: Duration) {
        set(&self.calls.read_limit, limit);
    }

    /// Makes the call `name` (as `RunInstances`) in `region` for so many `resources`. `send` is called once for each
    /// attempt.
    ///
    /// Waits for the call's bucket. A throttled call is made again until nothing has made progress for the time limit.
    /// A call that did not reach EC2, or that has the same effect twice and whose answer got lost, is made again a few
    /// times. An id that is not found is tried again for [`VISIBLE_AFTER`](crate::VISIBLE_AFTER), because EC2 may have
    /// given it a moment ago; `in_batches` does so for calls with many ids. The error of a change that may have been
    /// made is returned at once (`is_ambiguous`). Ctrl-C ends all waiting, that of [`PUT_PARAMETER`] a little later.
    pub(crate) async fn call<T, E: CallError>(
        &self,
        name: &'static str,
        region: &str,
        resources: usize,
        send: impl AsyncFn() -> Answer<T, E>,
    ) -> Answer<T, E> {
        let mut attempts = Attempts::new(name, get(&self.calls.read_limit), self.calls.max_attempts);
        let (begun, buckets) = (attempts.begun, &self.calls.buckets);
        let mut last = None;
        loop {
            if let Err(why) = self.waiting(name, begun, buckets.wait_for_tokens(region, name, resources)).await {
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
            if let Err(why) = self.waiting(name, begun, sleep(pause)).await {
                return Err(given_up(last, why));
            }
        }
    }

    /// Waits for `work`, but not after Ctrl-C, nor when nothing makes progress. What is ready goes on in any case:
    /// after Ctrl-C a run still finishes what it has begun.
    async fn waiting<T>(&self, name: &str, begun: Instant, work: impl Future<Output = T>) -> Result<T, NotSent> {
        let (sends, goes_on) = (name == SEND_COMMAND, self.calls.goes_on.load(Ordering::Relaxed));
        let interrupted = async {
            self.interrupt.wait().await;
            if name == PUT_PARAMETER {
                sleep_until(*self.calls.interrupted.get_or_init(Instant::now) + REMEMBERED_FOR).await;
            }
        };
        tokio::select! {
            biased;
            done = work => Ok(done),
            () = interrupted, if sends || !goes_on => Err(NotSent::Interrupted),
            () = self.calls.sending_ended(), if sends => Err(NotSent::Interrupted),
            stalled = self.calls.stalled(begun) => Err(stalled),
        }
    }
}

/// Returns the error of a call that is not repeated: the last one, unless that did nothing and Ctrl-C was pressed.
fn given_up<E>(last: Option<(SdkError<E, HttpResponse>, Verdict)>, why: NotSent) -> SdkError<E, HttpResponse> {
    match last {
        Some((error, verdict)) if why != NotSent::Interrupted || verdict == Verdict::Ambiguous => error,
        _ => SdkError::construction_failure(why),
    }
}

/// Returns a number from 0 to 1.
fn random() -> f64 {
    random_bits() as f64 / u64::MAX as f64
}

/// From the randomly keyed hasher of the standard library.
pub(crate) fn random_bits() -> u64 {
    RandomState::new().build_hasher().finish()
}
