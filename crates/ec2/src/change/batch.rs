//! Changes many resources in one request. If EC2 refuses it because of a few of them, the others are tried again.

use crate::client::Ec2;
use crate::client::attempts::VISIBLE_AFTER;
use crate::client::call::Answer;
use crate::client::failure::{failure, is_named};
use crate::client::verdict::{CallError, Verdict, code, verdict};
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::SdkError;
use cerveza_manners::{Failure, Result};
use std::collections::VecDeque;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A refused request.
pub(crate) struct Refused {
    pub failure: Failure,
    /// Whether the others may succeed without the one that was wrong. Not so when EC2 could not be reached.
    pub divisible: bool,
    /// EC2 does not know an id. It may have given it a moment ago.
    pub not_found: bool,
}

impl Ec2 {
    /// Makes the call `name` in `region` with the ids of so many `resources`. `send` is called once for each attempt.
    pub(crate) async fn call_batch<T, E: CallError>(
        &self,
        name: &'static str,
        region: &str,
        resources: usize,
        send: impl AsyncFn() -> Answer<T, E>,
    ) -> std::result::Result<(), Refused> {
        let answer = self.call(name, region, resources, send).await;
        answer.map(drop).map_err(|error| refused(name, region, &error))
    }
}

/// Codes that concern no single id (EC2 API reference, "Error codes"): dividing the request would only add to it.
const NOT_OF_ONE_ID: [&str; 8] = [
    "AuthFailure",
    "InternalError",
    "InternalFailure",
    "RequestExpired",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "Throttling",
    "Unavailable",
];

/// Returns what a failed request means for its members. A refusal by EC2 itself may be for one id of many.
fn refused<E: CallError>(call: &str, region: &str, error: &SdkError<E, HttpResponse>) -> Refused {
    Refused {
        failure: failure(call, region, error),
        divisible: code(error).is_some_and(|code| !NOT_OF_ONE_ID.contains(&code)),
        not_found: verdict(error) == Verdict::NotFound,
    }
}

/// The first pause before ids that were not found are tried again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Calls with the ids of several hosts at once. `size` returns the size of the next batch, from the number of hosts in
/// the batches before. If EC2 refuses a batch, the hosts that its message names fail and the others are tried again
/// without them; if the message names none, the batch is divided in two. Ids that are not found were listed a moment
/// ago, so they are tried again for [`VISIBLE_AFTER`]. Returns one result for each host, in order. Calls after `stop`
/// returned true are not made.
pub(crate) async fn in_batches<C, F>(
    hosts: &[Vec<String>],
    size: impl Fn(usize) -> usize,
    stop: impl Fn() -> bool,
    call: C,
) -> Vec<Result<()>>
where
    C: Fn(Vec<String>) -> F,
    F: Future<Output = std::result::Result<(), Refused>>,
{
    let mut queue = batches(hosts.len(), size);
    let mut results: Vec<Result<()>> = vec![Ok(()); hosts.len()];
    let mut invisible: Vec<usize> = Vec::new();
    let (deadline, mut pause) = (Instant::now() + VISIBLE_AFTER, FIRST_PAUSE);
    loop {
        while let Some(batch) = queue.pop_front() {
            if stop() {
                fail(&batch, &mut results, &Failure::interrupted().within("not changed"));
                continue;
            }
            let ids = batch.iter().flat_map(|host| hosts[*host].iter().cloned()).collect();
            let Err(refused) = call(ids).await else {
                batch.iter().for_each(|host| results[*host] = Ok(()));
                continue;
            };
            let (named, others): (Vec<usize>, Vec<usize>) =
                batch.iter().partition(|host| hosts[**host].iter().any(|id| is_named(&refused.failure.message, id)));
            match (named.is_empty(), batch.len()) {
                _ if !refused.divisible => fail(&batch, &mut results, &refused.failure),
                (true, 2..) => {
                    let (first, second) = batch.split_at(batch.len() / 2);
                    queue.push_front(second.to_vec());
                    queue.push_front(first.to_vec());
                }
                (is_unnamed, _) => {
                    let (failed, others) = if is_unnamed { (batch, Vec::new()) } else { (named, others) };
                    fail(&failed, &mut results, &refused.failure);
                    if refused.not_found {
                        invisible.extend(failed);
                    }
                    if !others.is_empty() {
                        queue.push_front(others);
                    }
                }
            }
        }
        if invisible.is_empty() || stop() || Instant::now() + pause > deadline {
            return results;
        }
        sleep(pause).await;
        pause *= 2;
        queue.push_back(std::mem::take(&mut invisible));
    }
}

/// Returns the positions of `count` hosts in batches.
pub(crate) fn batches(count: usize, size: impl Fn(usize) -> usize) -> VecDeque<Vec<usize>> {
    let (mut batches, mut next) = (VecDeque::new(), 0);
    while next < count {
        let end = count.min(next + size(next).max(1));
        batches.push_back((next..end).collect());
        next = end;
    }
    batches
}

fn fail(batch: &[usize], results: &mut [Result<()>], failure: &Failure) {
    batch.iter().for_each(|host| results[*host] = Err(failure.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    fn hosts(names: &str) -> Vec<Vec<String>> {
        names.split(' ').map(|name| vec![name.to_string()]).collect()
    }

    fn run(hosts: &[Vec<String>], divisible: bool, message: &str) -> (Vec<bool>, Vec<String>) {
        let calls = RefCell::new(Vec::new());
        let call = |ids: Vec<String>| {
            calls.borrow_mut().push(ids.join("+"));
            let failure = Failure::unreached(message);
            let bad = ids.iter().any(|id| id == "bad");
            async move { if bad { Err(Refused { failure, divisible, not_found: false }) } else { Ok(()) } }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let results = runtime.block_on(in_batches(hosts, |_| 3, || false, call));
        (results.iter().map(Result::is_ok).collect(), calls.into_inner())
    }

    #[test]
    fn host_that_the_message_names_fails_alone() {
        let (results, calls) = run(&hosts("a bad c d"), true, "the instance ID 'bad' does not exist");
        assert_eq!(results, [true, false, true, true]);
        assert_eq!(calls, ["a+bad+c", "a+c", "d"]);
    }

    #[test]
    fn batch_is_divided_if_the_message_names_no_host() {
        let (results, calls) = run(&hosts("a bad c d"), true, "one of badly named instances");
        assert_eq!(results, [true, false, true, true]);
        assert_eq!(calls, ["a+bad+c", "a", "bad+c", "bad", "c", "d"]);
    }

    #[test]
    fn batches_have_the_size_that_is_left() {
        let sizes =
            |count| batches(count, |before| if before < 6 { 3 } else { 2 }).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(0), [0; 0]);
        assert_eq!(sizes(2), [2]);
        assert_eq!(sizes(9), [3, 3, 2, 1]);
    }

    #[test]
    fn batch_is_not_divided_if_the_endpoint_is_down() {
        let (results, calls) = run(&hosts("a bad c d"), false, "down");
        assert_eq!(results, [false, false, false, true]);
        assert_eq!(calls, ["a+bad+c", "d"]);
    }

    #[test]
    fn id_that_is_not_visible_at_first_is_tried_again() {
        let calls = Cell::new(0);
        let call = |ids: Vec<String>| {
            calls.set(calls.get() + 1);
            let failure = Failure::unreached("the instance IDs 'new, newer' do not exist");
            let unseen = calls.get() < 4 && ids.iter().any(|id| id.starts_with("new"));
            async move { if unseen { Err(Refused { failure, divisible: true, not_found: true }) } else { Ok(()) } }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let results = runtime.block_on(in_batches(&hosts("a new newer"), |_| 3, || false, call));
        assert_eq!(results, [Ok(()), Ok(()), Ok(())]);
        assert_eq!(calls.get(), 4);
    }
}
