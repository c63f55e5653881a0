//! The result of a look-up: what was found, or why it cannot be looked up.

use crate::client::failure::failure;
use crate::client::verdict::{CallError, code};
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::SdkError;
use cerveza_manners::Failure;

/// Why something cannot be looked up.
#[derive(Clone, Debug)]
pub(crate) struct NotLookedUp {
    pub failure: Failure,
    /// The account lacks the permission.
    pub denied: bool,
}

impl NotLookedUp {
    pub fn new<E: CallError>(call: &str, region: &str, error: &SdkError<E, HttpResponse>) -> NotLookedUp {
        let denied = matches!(code(error), Some("UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException"));
        NotLookedUp { failure: failure(call, region, error), denied }
    }
}

impl From<Failure> for NotLookedUp {
    fn from(failure: Failure) -> NotLookedUp {
        NotLookedUp { failure, denied: false }
    }
}

pub(crate) type LookedUp<T> = Result<T, NotLookedUp>;
