//! Errors of the SDK as sentences: which call, in which region, refused for what reason.

use crate::client::buckets::is_read;
use crate::client::call::{NoAnswer, NotSent};
use crate::client::verdict::{CallError, code, is_ambiguous, is_of_signing};
use crate::config::aws_profile::{self, CredentialsFailure, LOGIN};
use crate::config::credentials::classify;
use crate::config::error_chain::{innermost, source};
use crate::config::http;
use crate::config::region_name::is_known;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::SdkError;
use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use cerveza_manners::Failure;
use std::error::Error;
use std::time::{Duration, SystemTime};

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
            Some(code) if !code.is_empty() => format!("{code}: {}", one_line(service.err().message())),
            _ => match service.raw().status().as_u16() {
                407 => PROXY_ASKS.to_string(),
                status => format!("HTTP {status}, without an error code of EC2: is the endpoint EC2?"),
            },
        },
        SdkError::TimeoutError(_) => {
            source::<NoAnswer>(error).map_or("no answer in time".to_string(), NoAnswer::to_string)
        }
        // The SDK has no public type for credentials that take too long.
        _ if is_of_signing(error) && innermost(error).starts_with("identity resolver") => {
            return unusable_credentials(&innermost(error));
        }
        _ if is_of_signing(error) => format!("the request cannot be made: {}", innermost(error)),
        SdkError::DispatchFailure(_) => match innermost(error).as_str() {
            "tunnel error: proxy authorization required" => PROXY_ASKS.to_string(),
            "tunnel error: unsuccessful" => "the proxy does not let the request through".to_string(),
            why => format!("the endpoint cannot be reached: {why}"),
        },
        SdkError::ResponseError(response) => match innermost(error) {
            // Only answers of SSM are JSON.
            why if why.contains("Error at offset") || why == "type mismatch: expected object" => {
                format!("HTTP {}, and the answer is not JSON: is the endpoint SSM?", response.raw().status().as_u16())
            }
            why => format!("the answer cannot be used: {why}"),
        },
        _ => innermost(error),
    };
    let failure = Failure::unreached(format!("{call} in {region}: {why}"));
    let code = code(error).unwrap_or_default();
    let is_of_network = matches!(error, SdkError::DispatchFailure(_)) || code.is_empty();
    let hint = hint_of_clock(code, error)
        .or_else(|| hint(code, call, &why).map(str::to_string))
        .or_else(|| hint_of_network(region, &why).filter(|_| is_of_network));
    match hint {
        Some(hint) => failure.hint(hint),
        None if is_ambiguous(error) && !is_read(call) => {
            failure.hint("EC2 may have done it anyway: check with ec2-ls before you run this again")
        }
        None => failure,
    }
}

const PROXY_ASKS: &str = "the proxy asks for a user and password (HTTP 407)";

/// The longest message of AWS that is passed on, in characters.
const LONGEST_MESSAGE: usize = 16 * 1024;

/// Returns a message of AWS on one line: a line of its own would look as if the tool had written it.
fn one_line(message: Option<&str>) -> String {
    let words: Vec<&str> = message.unwrap_or_default().split_whitespace().collect();
    match words.join(" ") {
        line if line.is_empty() => "no reason given".to_string(),
        line => line.chars().take(LONGEST_MESSAGE).collect(),
    }
}

/// Returns what may be wrong with the network.
fn hint_of_network(region: &str, why: &str) -> Option<String> {
    if let Some((variable, address)) = http::proxy() {
        let host = address.rsplit('@').next().unwrap_or_default();
        return Some(if why == PROXY_ASKS {
            format!("{variable} names the proxy: write it as http://USER:PASSWORD@{}", host_of(host))
        } else {
            format!("requests go through the proxy {} ({variable}); NO_PROXY makes exceptions", host_of(host))
        });
    }
    let is_unknown = why.contains("failed to lookup address") && !is_known(region);
    is_unknown.then(|| format!("AWS documents no region {region}: is the name right?"))
}

fn host_of(address: &str) -> &str {
    address.trim_start_matches("http://").trim_start_matches("https://").trim_end_matches('/')
}

/// Codes that a wrong clock leads to, besides others.
const OF_CLOCK: [&str; 5] =
    ["AuthFailure", "InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch"];

/// How far a clock may be from AWS's, which takes requests of 5 minutes before and after.
const SKEW: i64 = 240;

/// Says how wrong this machine's clock is, if that explains the error.
fn hint_of_clock<E: CallError>(code: &str, error: &SdkError<E, HttpResponse>) -> Option<String> {
    let SdkError::ServiceError(service) = error else { return None };
    let theirs = DateTime::from_str(service.raw().headers().get("date")?, DateTimeFormat::HttpDate).ok()?;
    let skew = DateTime::from(SystemTime::now()).secs() - theirs.secs();
    if !OF_CLOCK.contains(&code) || skew.abs() < SKEW {
        return None;
    }
    let time = in_words(Duration::from_secs(skew.unsigned_abs()));
    let how = if skew > 0 { "ahead of" } else { "behind" };
    Some(format!("the clock of this machine is {time} {how} that of AWS: set it, as with `timedatectl set-ntp true`"))
}

/// Returns what keeps the request from being signed, wherever in the chain the SDK says so.
fn credentials(error: &(dyn Error + 'static)) -> Option<Failure> {
    Some(match classify(source::<CredentialsError>(error)?) {
        // Its own text lists every place that was looked in, wherever the user keeps credentials.
        CredentialsFailure::None => {
            Failure::usage(format!("no AWS credentials were found{}", in_profile())).hint(LOGIN)
        }
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

/// Returns whether EC2 has denied a call, as [`failure`] words it.
pub(crate) fn is_denied(failure: &Failure) -> bool {
    DENIED.iter().any(|code| failure.message.contains(&format!(": {code}: ")))
}

/// Returns whether a message has this id in it, and not only a longer one.
pub(crate) fn is_named(message: &str, id: &str) -> bool {
    message.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').any(|word| word == id)
}

/// Errors of AWS itself. While a zone is down, they answer whatever asks about its whole region.
const SERVER_FAULTS: [&str; 4] = [": InternalError: ", ": Unavailable: ", ": ServiceUnavailable: ", ": no answer in "];

/// Returns whether AWS itself has failed, as [`failure`] words it.
pub fn is_server_fault(failure: &Failure) -> bool {
    SERVER_FAULTS.iter().any(|fault| failure.message.contains(fault))
}

const SLOWER: &str = "others use the account's request limits too: try again later";

/// Returns a whole number of minutes in words: `2h 5m`.
fn in_words(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours @ ..48, minutes) => format!("{hours} h {minutes} min"),
        (hours, _) => format!("{} days", hours / 24),
    }
}

fn hint(code: &str, call: &str, why: &str) -> Option<&'static str> {
    let is_start = call == "StartInstances";
    match code {
        "AuthFailure" | "InvalidClientTokenId" | "SignatureDoesNotMatch" => {
            Some("the credentials are wrong for this endpoint or region, or the region is not enabled for the account")
        }
        "RequestLimitExceeded" | "Throttling" | "ThrottlingException" => Some(SLOWER),
        "RequestExpired" => Some(
            "the clock of this machine may be wrong: compare `date -u` with another's; if the credentials are temporary they \
             may have expired: log in again",
        ),
        "ExpiredToken" | "ExpiredTokenException" => {
            Some("the credentials have expired: log in again, as with `aws sso login --profile PROFILE`")
        }
        "OptInRequired" => Some("the account has not enabled this region"),
        "VcpuLimitExceeded" | "InstanceLimitExceeded" | "VolumeLimitExceeded" | "MaxSpotInstanceCountExceeded" => {
            Some("ask for a higher quota (Service Quotas), or use another instance type, or fewer of them")
        }
        "InsufficientInstanceCapacity" if is_start => {
            Some("its zone has no capacity for this instance type now: try again later, or change the type")
        }
        "InsufficientInstanceCapacity" => Some("try another zone (--zone) or instance type, or try again later"),
        "InsufficientFreeAddressesInSubnet" => Some("give the profile another subnet, or several of them"),
        "Unsupported" if is_start => None,
        "InsufficientVolumeCapacity" | "Unsupported" => Some("try another zone (--zone), instance type or volume type"),
        "UnauthorizedOperation" if why.contains("Encoded authorization failure message") => Some(
            "`aws sts decode-authorization-message --encoded-message ...` tells which policy denies it; the host's record \
             has the whole message in `error` (-o json)",
        ),
        "UnauthorizedOperation" => {
            Some("a policy of the account or of its organization denies this request, or none allows it")
        }
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
        "SpotMaxPriceTooLow" => Some("raise `max price`, or leave it out: the limit is then the on-demand price"),
        "InvalidOutputFolder" | "NoSuchBucket" => {
            Some("--output-bucket names a bucket that does not exist, or that the account may not use")
        }
        "PendingVerification" => Some("AWS checks the account for this region: try again later, within some 4 hours"),
        "InvalidParameterCombination" => Some("--dry-run shows everything that is requested"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_not_told_to_choose_a_zone() {
        for (code, call, has_zone) in [
            ("InsufficientInstanceCapacity", "StartInstances", false),
            ("InsufficientInstanceCapacity", "RunInstances", true),
            ("Unsupported", "StartInstances", false),
        ] {
            assert_eq!(hint(code, call, "").is_some_and(|hint| hint.contains("--zone")), has_zone, "{code} {call}");
        }
    }

    #[test]
    fn a_difference_of_clocks_is_said_in_words() {
        let of = |minutes: u64| in_words(Duration::from_secs(minutes * 60));
        assert_eq!([5, 60, 125, 24 * 60, 4000].map(of), ["5 min", "1 h", "2 h 5 min", "24 h", "2 days"]);
    }
}
