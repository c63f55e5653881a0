//! Makes a call for each of many instances, some at a time.

use crate::client::CONCURRENCY;
use crate::client::failure::failure;
use crate::client::verdict::{CallError, code};
use crate::config::region_name::check_region;
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::SdkError;
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use futures_util::stream::{self, StreamExt};
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;

/// Why the call for one instance failed.
pub(crate) struct AskError {
    pub failure: Failure,
    /// The region gave no answer at all.
    is_silent: bool,
}

impl AskError {
    pub fn new<E: CallError>(call: &str, region: &str, error: &SdkError<E, HttpResponse>) -> AskError {
        let failure = failure(call, region, error);
        match code(error) {
            Some("UnauthorizedOperation") => {
                AskError { failure: failure.hint(format!("this needs the permission ec2:{call}")), is_silent: false }
            }
            code => AskError { failure, is_silent: code.is_none() },
        }
    }
}

/// Returns what `ask` gives for each instance, by id. `done` is called for each. A region that has given no answer at
/// all is not asked again, because each instance would take as long as all the retries.
pub(crate) async fn each_instance<'a, T, F>(
    instances: &'a [Record],
    done: impl Fn(),
    ask: impl Fn(&'a Record) -> F,
) -> HashMap<String, Result<T>>
where
    F: Future<Output = std::result::Result<T, AskError>>,
{
    let silent: &RefCell<HashMap<String, Failure>> = &RefCell::default();
    let (ask, done) = (&ask, &done);
    let asked = instances.iter().map(|instance| async move {
        let region = instance.str("region").unwrap_or_default();
        let known = silent.borrow().get(&region).cloned();
        let answer = match known.map_or_else(|| check_region(&region), Err) {
            Err(failure) => Err(failure),
            Ok(()) => ask(instance).await.map_err(|error| {
                if error.is_silent {
                    silent.borrow_mut().insert(region, error.failure.clone());
                }
                error.failure
            }),
        };
        done();
        (instance.str("instance_id").unwrap_or_default(), answer)
    });
    stream::iter(asked).buffer_unordered(CONCURRENCY).collect().await
}
