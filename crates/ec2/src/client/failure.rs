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
use cerveza_manners::{Failure, is_opaque};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
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
            Some(code) => format!("{code}: {}", service.err().message().unwrap_or("no reason given").trim_end()),
            None => match service.raw().status().as_u16() {
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
        SdkError::ResponseError(_) => format!("the answer cannot be used: {}", innermost(error)),
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

/// Returns what the failures of hosts have in common that failed for the same reason: the text without what names the host,
/// an address, a port, a resource or an opaque token.
fn reason(host: &str, failure: &Failure) -> String {
    let mut is_port = false;
    let words = failure.message.split_whitespace().filter(|word| !is_opaque(word.trim_end_matches(['.', ','])));
    let words = words.map(|word| {
        let bare = word.trim_start_matches(|c| is_punctuation(c) && c != ':').trim_end_matches(is_punctuation);
        let is_name = bare == host || is_address(bare) || std::mem::replace(&mut is_port, bare == "port");
        if is_name { word.replace(bare, "...") } else { elide_ids(word) }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() && !matches!(c, '[' | ']')
}

/// Returns whether a word is an IP address, with a port or without.
fn is_address(word: &str) -> bool {
    word.parse::<IpAddr>().is_ok() || word.parse::<SocketAddr>().is_ok()
}

fn elide_ids(word: &str) -> String {
    let is_end = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let parts = word.split_inclusive(is_end).map(|part| {
        let id = part.trim_end_matches(is_end);
        if is_resource_id(id) { format!("...{}", &part[id.len()..]) } else { part.to_string() }
    });
    parts.collect()
}

/// Returns whether a word has the form of an id, as `i-0123456789abcdef0`.
fn is_resource_id(word: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    word.split_once('-').is_some_and(|(kind, digits)| {
        !kind.is_empty()
            && kind.bytes().all(|byte| byte.is_ascii_lowercase())
            && !digits.is_empty()
            && digits.bytes().all(is_hex)
    })
}

/// Returns the message of two failures with the same reason, with the words of the reason where they differ. If there is an
/// opaque token, that of the first failure stands for all.
fn common(first: &str, second: &str, reason: &str) -> String {
    let words = |text| str::split_whitespace(text).collect::<Vec<_>>();
    let (first_words, second, reason) = (words(first), words(second), words(reason));
    if first_words == second || first_words.len() != reason.len() || second.len() != reason.len() {
        return first.to_string();
    }
    let words = first_words.iter().zip(second).zip(reason);
    words.map(|((first, second), reason)| if *first == second { first } else { reason }).collect::<Vec<_>>().join(" ")
}

/// Returns the failures by their reason, each with its hosts. A message leaves out what is different for each host, and only
/// the last of several failures with the same hint has the hint.
pub fn grouped<'a>(failures: impl IntoIterator<Item = (&'a str, &'a Failure)>) -> Vec<(Vec<&'a str>, Failure)> {
    let mut places: HashMap<(String, u8), usize> = HashMap::new();
    let mut groups: Vec<(Vec<&str>, Failure)> = Vec::new();
    for (host, failure) in failures {
        let reason = reason(host, failure);
        match places.entry((reason.clone(), failure.status.code())) {
            Entry::Vacant(entry) => {
                entry.insert(groups.len());
                groups.push((vec![host], failure.clone()));
            }
            Entry::Occupied(entry) => {
                let (hosts, group) = &mut groups[*entry.get()];
                hosts.push(host);
                group.message = common(&group.message, &failure.message, &reason);
            }
        }
    }
    let mut hints = HashSet::new();
    for (_, failure) in groups.iter_mut().rev() {
        failure.hint.take_if(|hint| !hints.insert(hint.clone()));
    }
    groups
}

const SLOWER: &str = "others use the account's request limits too: wait longer with --timeout, or try again later";

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
        "PendingVerification" => Some("AWS checks the account for this region: try again later, within some 4 hours"),
        "InvalidParameterCombination" => Some("--dry-run shows everything that is requested"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the groups of hosts, each with its message.
    fn groups(failures: &[(&str, Failure)]) -> Vec<String> {
        let groups = grouped(failures.iter().map(|(host, failure)| (*host, failure)));
        groups.into_iter().map(|(hosts, failure)| format!("{}: {failure}", hosts.join(","))).collect()
    }

    #[test]
    fn failures_that_differ_in_an_opaque_token_have_one_reason() {
        let denied = |token: &str| {
            let token = token.repeat(200);
            Failure::unreached(format!(
                "StopInstances in us-east-1: UnauthorizedOperation: You are not authorized. Encoded authorization failure message: {token}"
            ))
        };
        let first = denied("aB3_-");
        let said = format!("web1,web2: {first}");
        assert_eq!(groups(&[("web1", first), ("web2", denied("xY9+/"))]), [said]);
    }

    #[test]
    fn failures_that_differ_in_a_name_have_one_reason() {
        let of = |why: &str, differs: &str| Failure::unreached(why.replace('_', differs));
        for (why, first, second, shown) in [
            (
                "GetConsoleOutput in us-east-1: Denied: not on instance/_.",
                "i-0123456789abcdef0",
                "i-0123456789abcdef1",
                "GetConsoleOutput in us-east-1: Denied: not on instance/....",
            ),
            (
                "skipped (cannot connect to _ port 22: refused)",
                "127.0.0.1",
                "::1",
                "skipped (cannot connect to ... port 22: refused)",
            ),
            ("cannot connect to _: refused", "127.0.0.1:22", "[::1]:23", "cannot connect to ...: refused"),
            ("port _: refused", "22", "2222", "port ...: refused"),
            ("_ does not answer", "web1", "web2", "... does not answer"),
            ("several have this name: _, i-0", "i-1", "i-2", "several have this name: ..., i-0"),
        ] {
            let failures = [("web1", of(why, first)), ("web2", of(why, second))];
            assert_eq!(groups(&failures), [format!("web1,web2: {shown}")]);
            // What is of one host alone is said in full.
            assert_eq!(groups(&failures[..1]), [format!("web1: {}", failures[0].1)]);
        }
        let others =
            ["exit code 1", "exit code 2", "web1 is named web3 now", "it is in us-east-1a", "it is in us-east-1b"];
        let others = others.map(|why| ("web1", Failure::unreached(why)));
        assert_eq!(groups(&others).len(), 5);
    }

    #[test]
    fn a_hint_is_given_once() {
        let failures = [("a", "one", "x"), ("b", "two", "y"), ("c", "three", "x")];
        let failures = failures.map(|(host, why, hint)| (host, Failure::unreached(why).hint(hint)));
        let groups = grouped(failures.iter().map(|(host, failure)| (*host, failure)));
        let hints: Vec<_> = groups.iter().map(|(_, failure)| failure.hint.as_deref()).collect();
        assert_eq!(hints, [None, Some("y"), Some("x")]);
    }

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
