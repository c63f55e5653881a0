//! Errors of the SDK as sentences: which call, in which region, refused for what reason.

use crate::aws_profile::{self, CredentialsFailure, LOGIN};
use crate::buckets::is_read;
use crate::call::{NoAnswer, NotSent};
use crate::credentials::classify;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use cerveza_manners::Failure;
use hyper_util::client::legacy::Error as HttpError;
use std::error::Error;

/// What the error of any call of the SDK is.
pub(crate) trait CallError: ProvideErrorMetadata + Error + 'static {}

impl<E: ProvideErrorMetadata + Error + 'static> CallError for E {}

/// `RunInstances in us-east-1: InsufficientInstanceCapacity: We currently do not have ...`, with what to do next for
/// the errors that people meet.
pub(crate) fn failure<E: CallError>(call: &str, region: &str, error: &SdkError<E, HttpResponse>) -> Failure {
    if let Some(failure) = credentials(error) {
        return failure;
    }
    match source::<NotSent>(error) {
        Some(NotSent::Interrupted) => return Failure::interrupted().within(format!("{call} in {region}")),
        Some(stalled) => {
            return Failure::unreached(format!("{call} in {region}: {stalled}")).hint(SLOWER);
        }
        None => {}
    }
    let why = match error {
        SdkError::ServiceError(service) => match service.err().code() {
            Some(code) => format!("{code}: {}", service.err().message().unwrap_or("no reason given").trim_end()),
            None => "the answer was an error without an EC2 error code: is the endpoint EC2?".to_string(),
        },
        SdkError::TimeoutError(_) => source::<NoAnswer>(error).map_or("no answer in time".to_string(), NoAnswer::to_string),
        // The SDK has no public type for credentials that take too long.
        _ if is_of_signing(error) && innermost(error).starts_with("identity resolver") => {
            return unusable_credentials(&innermost(error));
        }
        _ if is_of_signing(error) => format!("the request cannot be made: {}", innermost(error)),
        SdkError::DispatchFailure(_) => format!("the endpoint cannot be reached: {}", innermost(error)),
        SdkError::ResponseError(_) => format!("the answer cannot be used: {}", innermost(error)),
        _ => innermost(error),
    };
    let failure = Failure::unreached(format!("{call} in {region}: {why}"));
    let code = match error {
        SdkError::ServiceError(service) => service.err().code().unwrap_or_default(),
        _ => "",
    };
    match hint(code) {
        Some(hint) => failure.hint(hint),
        None if is_ambiguous(error) && !is_read(call) => {
            failure.hint("EC2 may have done it all the same: look with ec2-ls before you run this again")
        }
        None => failure,
    }
}

/// What keeps the request from being signed, wherever in the chain the SDK says so.
fn credentials(error: &(dyn Error + 'static)) -> Option<Failure> {
    Some(match classify(source::<CredentialsError>(error)?) {
        // Its own text lists every place that was looked in, wherever the user keeps credentials.
        CredentialsFailure::None => Failure::usage(format!("no AWS credentials were found{}", in_profile())).hint(LOGIN),
        CredentialsFailure::SessionEnded => unusable_credentials("they have expired"),
        CredentialsFailure::Other(why) => unusable_credentials(&why),
    })
}

fn unusable_credentials(why: &str) -> Failure {
    Failure::usage(format!("the AWS credentials{} cannot be used: {why}", in_profile())).hint(LOGIN)
}

fn in_profile() -> String {
    aws_profile::selected().map(|(_, name)| format!(" in the profile {name}")).unwrap_or_default()
}

/// Codes of a request that the account may not make, whatever it is of.
const DENIED: [&str; 4] = ["AccessDenied", "AccessDeniedException", "OptInRequired", "UnauthorizedOperation"];

/// Whether EC2 has denied a call, as [`failure`] words it.
pub(crate) fn is_denied(failure: &Failure) -> bool {
    DENIED.iter().any(|code| failure.message.contains(&format!(": {code}: ")))
}

/// What an error of a call says of its effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Too many calls: nothing was done.
    Throttled,
    /// The request did not reach EC2.
    NotSent,
    /// EC2 may have done it: the answer got lost, or EC2 says that something failed within itself.
    Ambiguous,
    /// An id in the request does not exist, or not yet.
    NotFound,
    /// EC2 has refused it.
    Refused,
}

/// Codes of a throttled call: EC2 API Reference, "Error codes"; SSM; and the codes that AWS's own SDKs take for it.
const THROTTLED: [&str; 8] = [
    "EC2ThrottledException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
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

/// Whether the request could not be made, as without credentials or for an endpoint that is no URL: the HTTP client knows
/// nothing of such an error.
fn is_of_signing<E: Error + 'static>(error: &SdkError<E, HttpResponse>) -> bool {
    let SdkError::DispatchFailure(failure) = error else { return false };
    (failure.is_user() || failure.is_other()) && source::<HttpError>(error).is_none()
}

/// EC2 gives a lack of capacity with status 500, which is an answer like any other.
fn verdict_of_answer(code: &str, status: u16) -> Verdict {
    match (code, status) {
        (code, _) if THROTTLED.contains(&code) => Verdict::Throttled,
        ("Unavailable" | "ServiceUnavailable", 503) | (_, 429) => Verdict::Throttled,
        (code, _) if NOT_FOUND.contains(&code) => Verdict::NotFound,
        ("" | "InternalError" | "InternalFailure" | "ServiceUnavailable" | "Unavailable", 500..) => Verdict::Ambiguous,
        _ => Verdict::Refused,
    }
}

/// Whether EC2 may have done what was asked for all the same.
pub(crate) fn is_ambiguous<E: CallError>(error: &SdkError<E, HttpResponse>) -> bool {
    verdict(error) == Verdict::Ambiguous
}

/// The error's code, where EC2 gave one.
pub(crate) fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    match error {
        SdkError::ServiceError(service) => service.err().code(),
        _ => None,
    }
}

const SLOWER: &str = "others use the account's request limits too: wait longer with --timeout, or try again later";

fn hint(code: &str) -> Option<&'static str> {
    match code {
        "AuthFailure" | "InvalidClientTokenId" | "SignatureDoesNotMatch" => {
            Some("the credentials are wrong for this endpoint or region, or the region is not enabled for the account")
        }
        "RequestLimitExceeded" | "Throttling" | "ThrottlingException" => Some(SLOWER),
        "RequestExpired" | "ExpiredToken" => Some("the credentials have expired: log in again (`aws sso login`)"),
        "OptInRequired" => Some("the account has not enabled this region"),
        "VcpuLimitExceeded" | "InstanceLimitExceeded" | "VolumeLimitExceeded" | "MaxSpotInstanceCountExceeded" => {
            Some("ask for a higher quota (Service Quotas), or use another instance type or less")
        }
        "InsufficientInstanceCapacity" => Some("try another zone (--zone) or instance type, or try again later"),
        "InsufficientFreeAddressesInSubnet" => Some("give the profile another subnet, or several of them"),
        "InsufficientVolumeCapacity" | "Unsupported" => Some("try another zone (--zone), instance type or volume type"),
        "UnauthorizedOperation" => Some(
            "the account's policies do not allow this request; `aws sts decode-authorization-message` tells which one, from \
             the encoded message if there is one",
        ),
        "VPCIdNotSpecified" | "DefaultVpcDoesNotExist" => {
            Some("the region has no default VPC: give the profile a subnet")
        }
        "InvalidAMIID.NotFound" | "InvalidAMIID.Unavailable" => {
            Some("images differ by region: give the profile the ami of this one, as in `ami: {us-east-1: ami-...}`")
        }
        "InvalidSnapshot.NotFound" => {
            Some("snapshots differ by region, and those of other accounts must be shared with this one")
        }
        "InvalidKeyPair.NotFound" => Some("key pairs differ by region: `aws ec2 describe-key-pairs` lists them"),
        "InvalidGroup.NotFound" | "InvalidSecurityGroupID.NotFound" => {
            Some("security groups differ by VPC: `aws ec2 describe-security-groups` lists them")
        }
        "SpotMaxPriceTooLow" => Some("raise or leave out `max price`: without it the most is the on-demand price"),
        "PendingVerification" => Some("AWS checks the account for this region: try again later, within some 4 hours"),
        "InvalidParameterCombination" => Some("--dry-run shows everything that is requested"),
        _ => None,
    }
}

/// The first error of this type in the chain.
fn source<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// The cause at the bottom of the chain: "Connection refused (os error 111)" instead of five wrappers around it.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
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
            ("", 503, Verdict::Ambiguous),
            ("", 502, Verdict::Ambiguous),
            ("InternalError", 500, Verdict::Ambiguous),
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
