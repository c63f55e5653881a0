//! Requests that change many resources at once, and what to do when EC2 refuses one for the sake of a single member.

use cerveza_manners::{Failure, Result};
use std::future::Future;

/// A refused request.
pub(crate) struct Refused {
    pub failure: Failure,
    /// Whether the others may succeed without the one that was wrong. Not so when EC2 could not be reached.
    pub divisible: bool,
}

/// Calls with the ids of up to `size` hosts at once, and host by host again where EC2 refuses a whole batch: it does
/// so for one bad id. Gives one result a host, in order. Calls after `stop` returned true are not made.
pub(crate) async fn in_batches<C, F>(
    hosts: &[Vec<String>],
    size: usize,
    stop: impl Fn() -> bool,
    call: C,
) -> Vec<Result<()>>
where
    C: Fn(Vec<String>) -> F,
    F: Future<Output = std::result::Result<(), Refused>>,
{
    let mut results = Vec::with_capacity(hosts.len());
    for batch in hosts.chunks(size) {
        if stop() {
            results.extend(batch.iter().map(|_| Err(Failure::interrupted().within("not changed"))));
            continue;
        }
        match call(batch.concat()).await {
            Ok(()) => results.extend(batch.iter().map(|_| Ok(()))),
            Err(refused) if refused.divisible && batch.len() > 1 => {
                for host in batch {
                    results.push(match stop() {
                        true => Err(Failure::interrupted().within("not changed")),
                        false => call(host.clone()).await.map_err(|refused| refused.failure),
                    });
                }
            }
            Err(refused) => results.extend(batch.iter().map(|_| Err(refused.failure.clone()))),
        }
    }
    results
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn hosts(names: &str) -> Vec<Vec<String>> {
        names.split(' ').map(|name| vec![name.to_string()]).collect()
    }

    fn run(hosts: &[Vec<String>], divisible: bool) -> (Vec<bool>, Vec<String>) {
        let calls = RefCell::new(Vec::new());
        let call = |ids: Vec<String>| {
            calls.borrow_mut().push(ids.join("+"));
            let failure = Failure::unreached("bad id");
            let bad = ids.iter().any(|id| id == "bad");
            async move { if bad { Err(Refused { failure, divisible }) } else { Ok(()) } }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let results = runtime.block_on(in_batches(hosts, 3, || false, call));
        (results.iter().map(Result::is_ok).collect(), calls.into_inner())
    }

    #[test]
    fn one_bad_id_fails_alone() {
        let (results, calls) = run(&hosts("a bad c d"), true);
        assert_eq!(results, [true, false, true, true]);
        assert_eq!(calls, ["a+bad+c", "a", "bad", "c", "d"]);
    }

    #[test]
    fn an_endpoint_that_is_down_is_not_asked_once_a_host() {
        let (results, calls) = run(&hosts("a bad c d"), false);
        assert_eq!(results, [false, false, false, true]);
        assert_eq!(calls, ["a+bad+c", "d"]);
    }
}
