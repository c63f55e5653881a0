//! What an error of the SDK says about the effect of a call.

use crate::config::error_chain::source;
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use hyper_util::client::legacy::Error as HttpError;
use std::error::Error;

/// What the error of any call of the SDK is.
pub(crate) trait CallError: ProvideErrorMetadata + Error + 'static {}

impl<E: ProvideErrorMetadata + Error + 'static> CallError for E {}

/// What an error of a call says about its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Too many calls: nothing was done.
    Throttled,
    /// The request did not reach EC2.
    NotSent,
    /// EC2 may have done it: the answer got lost, or EC2 says that something failed within itself.
    Ambiguous,
    /// An id in the request does not exist, or is too new to be visible.
    NotFound,
    /// EC2 has refused it.
    Refused,
}

/// Codes of a throttled call: EC2 API Reference, "Error codes"; SSM; S3; and the codes that AWS's own SDKs take for it.
const THROTTLED: [&str; 9] = [
    "EC2ThrottledException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// Codes of ids that EC2 may have given a moment ago.
const NOT_FOUND: [&str; 7] = [
    "InvalidAllocationID.NotFound",
    "InvalidAttachment.NotFound",
    "InvalidID",
    "InvalidInstanceID.NotFound",
    "InvalidNetworkInterfaceID.NotFound",
    "InvalidNetworkInterface.NotFound",
    "InvalidVolume.NotFound",
];

pub(crate) fn verdict<E: CallError>(error: &SdkError<E, HttpResponse>) -> Verdict {
    match error {
        SdkError::ServiceError(service) => {
            verdict_of_answer(service.err().code().unwrap_or_default(), service.raw().status().as_u16())
        }
        _ if is_of_signing(error) => Verdict::Refused,
        SdkError::DispatchFailure(_) => match source::<HttpError>(error) {
            Some(error) if error.is_connect() => Verdict::NotSent,
            _ => Verdict::Ambiguous,
        },
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => Verdict::Ambiguous,
        _ => Verdict::Refused,
    }
}

/// Returns whether the request could not be made, as without credentials or for an endpoint that is not a URL. Such an
/// error does not come from the HTTP client.
pub(crate) fn is_of_signing<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> bool {
    let SdkError::DispatchFailure(failure) = error else { return false };
    (failure.is_user() || failure.is_other()) && source::<HttpError>(error).is_none()
}

/// EC2 gives a lack of capacity with status 500, which is an answer like any other.
fn verdict_of_answer(code: &str, status: u16) -> Verdict {
    match (code, status) {
        (code, _) if THROTTLED.contains(&code) => Verdict::Throttled,
        ("Unavailable" | "ServiceUnavailable", 503) | (_, 429) => Verdict::Throttled,
        (code, _) if NOT_FOUND.contains(&code) => Verdict::NotFound,
        (
            "" | "InternalError" | "InternalFailure" | "InternalServerError" | "ServiceUnavailable" | "Unavailable",
            500..,
        ) => Verdict::Ambiguous,
        _ => Verdict::Refused,
    }
}

/// Returns whether EC2 may have made the change although the call failed.
pub(crate) fn is_ambiguous<E: CallError>(error: &SdkError<E, HttpResponse>) -> bool {
    verdict(error) == Verdict::Ambiguous
}

/// Returns the error's code, where EC2 gave one.
pub(crate) fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    match error {
        SdkError::ServiceError(service) => service.err().code(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_tells_whether_anything_was_done() {
        for (code, status, verdict) in [
            ("RequestLimitExceeded", 503, Verdict::Throttled),
            ("RequestLimitExceeded", 400, Verdict::Throttled),
            ("ThrottlingException", 400, Verdict::Throttled),
            ("Unavailable", 503, Verdict::Throttled),
            ("SlowDown", 503, Verdict::Throttled),
            ("", 503, Verdict::Ambiguous),
            ("", 502, Verdict::Ambiguous),
            ("InternalError", 500, Verdict::Ambiguous),
            ("InternalServerError", 500, Verdict::Ambiguous),
            ("InsufficientInstanceCapacity", 500, Verdict::Refused),
            ("InsufficientAddressCapacity", 500, Verdict::Refused),
            ("InvalidInstanceID.NotFound", 400, Verdict::NotFound),
            ("InvalidAMIID.NotFound", 400, Verdict::Refused),
            ("InvalidSubnetID.NotFound", 400, Verdict::Refused),
            ("UnauthorizedOperation", 403, Verdict::Refused),
            ("", 400, Verdict::Refused),
        ] {
            assert_eq!(verdict_of_answer(code, status), verdict, "{code} {status}");
        }
    }
}
