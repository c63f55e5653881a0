//! Errors of the SDK as sentences: which call, in which region, refused for what reason.

use crate::aws_profile;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use cerveza_manners::Failure;
use std::error::Error;

/// `RunInstances in us-east-1: InsufficientInstanceCapacity: We currently do not have ...`, with what to do next for
/// the errors that people meet.
pub(crate) fn failure<E, R>(call: &str, region: &str, error: &SdkError<E, R>) -> Failure
where
    E: ProvideErrorMetadata + Error + 'static,
    R: std::fmt::Debug + 'static,
{
    if let Some(failure) = credentials(error) {
        return failure;
    }
    let why = match error {
        SdkError::ServiceError(service) => match service.err().code() {
            Some(code) => format!("{code}: {}", service.err().message().unwrap_or("no reason given").trim_end()),
            None => "the answer was an error without an EC2 error code: is the endpoint EC2?".to_string(),
        },
        SdkError::TimeoutError(_) => "no answer in time".to_string(),
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
        None if went_out(error) && !call.starts_with("Describe") => {
            failure.hint("EC2 may have done it all the same: look with ec2-ls before you run this again")
        }
        None => failure,
    }
}

/// What keeps the request from being signed, wherever in the chain the SDK says so.
fn credentials(error: &(dyn Error + 'static)) -> Option<Failure> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<CredentialsError>() {
            let profile = aws_profile::selected().map(|(_, name)| format!(" in the profile {name}"));
            let profile = profile.unwrap_or_default();
            let what = match error {
                // Its own text lists every place that was looked in, wherever the user keeps credentials.
                CredentialsError::CredentialsNotLoaded(_) => format!("no AWS credentials were found{profile}"),
                error => format!("the AWS credentials{profile} cannot be used: {}", innermost(error)),
            };
            let hint =
                "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in with `aws sso login`";
            return Some(Failure::usage(what).hint(hint));
        }
        next = error.source();
    }
    None
}

/// Whether EC2 may have done what was asked for all the same: the request went out and no answer came back whole.
pub(crate) fn is_ambiguous<E, R>(error: &SdkError<E, R>) -> bool {
    match error {
        SdkError::DispatchFailure(failure) => !failure.is_user(),
        error => went_out(error),
    }
}

/// Whether EC2 got the request and its answer did not come back whole.
fn went_out<E, R>(error: &SdkError<E, R>) -> bool {
    matches!(error, SdkError::TimeoutError(_) | SdkError::ResponseError(_))
}

/// The error's code, where EC2 gave one.
pub(crate) fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    match error {
        SdkError::ServiceError(service) => service.err().code(),
        _ => None,
    }
}

fn hint(code: &str) -> Option<&'static str> {
    match code {
        "AuthFailure" | "InvalidClientTokenId" | "SignatureDoesNotMatch" => {
            Some("the credentials are wrong for this endpoint or region, or the region is not enabled for the account")
        }
        "RequestExpired" | "ExpiredToken" => Some("the credentials have expired: log in again (`aws sso login`)"),
        "OptInRequired" => Some("the account has not enabled this region"),
        "VcpuLimitExceeded" | "InstanceLimitExceeded" => {
            Some("ask for a higher quota (Service Quotas), or use another instance type")
        }
        "InsufficientInstanceCapacity" => Some("try another zone (--zone) or instance type, or try again later"),
        _ => None,
    }
}

/// The cause at the bottom of the chain: "Connection refused (os error 111)" instead of five wrappers around it.
pub(crate) fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
