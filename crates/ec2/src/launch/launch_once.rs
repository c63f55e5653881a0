//! Launches a host exactly once, however often and by however many runs that is asked for at the same time.
//!
//! EC2 launches one instance for a ClientToken and answers repeated requests with that instance (Amazon EC2 Developer
//! Guide, "Ensuring idempotency in Amazon EC2 API requests"). The token is made from what all runs know: the host and
//! the last instance of its name that has ended. Its scope is the region, or the zone if the request names one.

use crate::client::Ec2;
use crate::client::attempts::VISIBLE_AFTER;
use crate::client::failure::failure;
use crate::client::verdict::{code, is_ambiguous};
use crate::describe::find::Filter;
use crate::instance::has_ended;
use crate::launch::LaunchRequest;
use aws_sdk_ec2::error::SdkError;
use aws_sdk_ec2::operation::run_instances::RunInstancesError;
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use sha2::{Digest, Sha256};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// One attempt to launch a host.
#[derive(Clone, Copy, Debug)]
pub struct LaunchAttempt<'a> {
    pub host: &'a str,
    /// The id of the last instance of this name that has ended, or nothing.
    pub generation: &'a str,
    /// Counts the different requests that are tried while EC2 has no capacity.
    pub number: usize,
    pub request: &'a LaunchRequest,
}

/// Why an attempt has launched nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum NotLaunched {
    /// EC2 lacks capacity for this request. Another instance type or zone may do.
    NoCapacity(Failure),
    Failed(Failure),
}

/// Codes of a lack of capacity (Amazon EC2 API Reference, "Error codes"). `Unsupported` is said of an instance type
/// that the zone does not offer.
const NO_CAPACITY: [&str; 6] = [
    "InsufficientCapacityOnHost",
    "InsufficientFreeAddressesInSubnet",
    "InsufficientHostCapacity",
    "InsufficientInstanceCapacity",
    "InsufficientReservedInstanceCapacity",
    "Unsupported",
];

/// How many earlier lives of a host are passed over. A token is known for at least a day after its instance has ended,
/// but the instance is listed for an hour only.
const GENERATIONS: usize = 5;

/// How often a launch is requested whose answers get lost, and the first pause between two requests.
const REQUESTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Whose instance a token stands for.
enum TokenOwner {
    Live(Record),
    /// The instance has ended, or is not listed any more: the token belongs to an earlier life of the host.
    EarlierLife,
}

impl Ec2 {
    /// Launches one instance, or returns the one that another run has launched by the same request.
    pub async fn launch(&self, attempt: LaunchAttempt<'_>) -> std::result::Result<Record, NotLaunched> {
        let LaunchAttempt { host, generation, number, request } = attempt;
        let region = request.region.as_str();
        let mut token = client_token(region, host, generation, number);
        for _ in 0..=GENERATIONS {
            match self.request_instance(host, request, &token).await? {
                Answer::Instance(instance) if !is_of_earlier_life(&instance, host) => return Ok(*instance),
                Answer::Instance(_) | Answer::Ended => {}
                Answer::Differs => match self.token_owner(region, host, &token).await.map_err(NotLaunched::Failed)? {
                    TokenOwner::Live(instance) => {
                        return Err(NotLaunched::Failed(launched_differently(&instance, host)));
                    }
                    TokenOwner::EarlierLife => {}
                },
            }
            token = client_token(region, host, &token, number);
        }
        let why =
            format!("its last {} instances have ended, and EC2 still knows how they were launched", GENERATIONS + 1);
        Err(NotLaunched::Failed(Failure::unreached(why).hint("launch it again in an hour, or use another name")))
    }

    /// Requests the instance of a token. A request whose answer got lost is repeated once EC2 has shown that there is
    /// no such instance; the token makes that safe even if the instance is still invisible.
    async fn request_instance(
        &self,
        host: &str,
        request: &LaunchRequest,
        token: &str,
    ) -> std::result::Result<Answer, NotLaunched> {
        let region = request.region.as_str();
        let mut requests = 0;
        loop {
            let error = match self.run_instances(request, token).await {
                Ok(instances) => {
                    let why = || format!("RunInstances in {region}: no instance in the answer");
                    let instance = instances.into_iter().next();
                    let instance = instance.ok_or_else(|| NotLaunched::Failed(Failure::unreached(why())))?;
                    return Ok(Answer::Instance(Box::new(instance)));
                }
                Err(error) => error,
            };
            match code(&error) {
                Some("IdempotentParameterMismatch") => return Ok(Answer::Differs),
                Some("IdempotentInstanceTerminated") => return Ok(Answer::Ended),
                _ if !is_ambiguous(&error) => return Err(refused(region, &error)),
                _ => {}
            }
            requests += 1;
            let is_last = requests == REQUESTS || self.is_interrupted();
            let patience = if is_last { VISIBLE_AFTER } else { Duration::ZERO };
            let lost = failure("RunInstances", region, &error);
            match self.find_launched(region, host, token, patience).await {
                Ok(Some(instance)) => return Ok(Answer::Instance(Box::new(instance))),
                Ok(None) if is_last => return Err(NotLaunched::Failed(lost.hint(LOST))),
                Ok(None) => self.pause(FIRST_PAUSE * 2u32.pow(requests)).await,
                Err(unseen) => {
                    let why =
                        format!("{}, and it is unknown whether it was launched: {}", lost.message, unseen.message);
                    return Err(NotLaunched::Failed(Failure { message: why, ..lost }.hint(LOST)));
                }
            }
        }
    }

    /// Returns whose instance a token stands for, if EC2 has the token with other parameters.
    async fn token_owner(&self, region: &str, host: &str, token: &str) -> Result<TokenOwner> {
        Ok(match self.find_launched(region, host, token, VISIBLE_AFTER).await? {
            Some(instance) if !is_of_earlier_life(&instance, host) => TokenOwner::Live(instance),
            _ => TokenOwner::EarlierLife,
        })
    }

    /// Looks for the instance of a token, and for a live one with the host's name, until one is seen or `patience` is
    /// over. Without patience, only the token is looked up, once.
    async fn find_launched(&self, region: &str, host: &str, token: &str, patience: Duration) -> Result<Option<Record>> {
        let deadline = Instant::now() + patience;
        let mut pause = FIRST_PAUSE;
        loop {
            let by_token = self.find(region, &[Filter::exact("client-token", [token])]).await?;
            if let Some(instance) = by_token.into_iter().next() {
                return Ok(Some(instance));
            }
            if patience.is_zero() {
                return Ok(None);
            }
            let by_name = self.find(region, &[Filter::exact("tag:Name", [host])]).await?;
            if let Some(instance) = by_name.into_iter().find(|instance| !has_ended(instance)) {
                return Ok(Some(instance));
            }
            if Instant::now() + pause > deadline || self.is_interrupted() {
                return Ok(None);
            }
            self.pause(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn pause(&self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            () = self.interrupt.wait() => {}
        }
    }
}

/// What EC2 says to a request.
enum Answer {
    Instance(Box<Record>),
    /// The instance of the token has ended.
    Ended,
    /// The token is known with other parameters.
    Differs,
}

const LOST: &str = "run the same command again: it continues from here, and launches nothing twice";

fn refused(region: &str, error: &SdkError<RunInstancesError>) -> NotLaunched {
    let failure = failure("RunInstances", region, error);
    match code(error) {
        Some(code) if NO_CAPACITY.contains(&code) => NotLaunched::NoCapacity(failure),
        _ => NotLaunched::Failed(failure),
    }
}

/// Returns whether a token gave an instance that has ended, or that has been given another name.
fn is_of_earlier_life(instance: &Record, host: &str) -> bool {
    let name = instance.get("tags").and_then(|tags| Some(tags.get("Name")?.as_str()?.to_string()));
    has_ended(instance) || name.is_some_and(|name| name != host)
}

fn launched_differently(instance: &Record, host: &str) -> Failure {
    let text = |key| instance.str(key).unwrap_or_default();
    let (id, kind, zone) = (text("instance_id"), text("instance_type"), text("zone"));
    Failure::unreached(format!("another run has just launched {host} differently: {id}, {kind} in {zone}"))
        .hint("run it again to use that instance, or terminate it first")
}

/// Returns the token of a launch: 64 characters, which is what EC2 takes.
fn client_token(region: &str, host: &str, generation: &str, number: usize) -> String {
    // A NUL is in none of them, so no two launches have the same text.
    let digest = Sha256::digest([region, host, generation, &number.to_string()].join("\0"));
    let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("cerveza-{}", &digits[..56])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_same_for_the_same_launch_and_differs_for_every_other() {
        let token = client_token("us-east-1", "web1", "", 0);
        assert_eq!(token, client_token("us-east-1", "web1", "", 0));
        assert_eq!(token.len(), 64);
        for other in [
            client_token("eu-west-1", "web1", "", 0),
            client_token("us-east-1", "web", "1", 0),
            client_token("us-east-1", "web1", "i-1", 0),
            client_token("us-east-1", "web1", "", 1),
            client_token("us-east-1", "web1", &token, 0),
        ] {
            assert_ne!(token, other);
        }
    }

    #[test]
    fn an_ended_or_renamed_instance_is_of_an_earlier_life() {
        let instance = |json: &str| Record::parse(json).unwrap();
        let is_old = |json: &str| is_of_earlier_life(&instance(json), "web1");
        assert!(is_old(r#"{"host":"web1","state":"terminated","tags":{"Name":"web1"}}"#));
        assert!(is_old(r#"{"host":"old1","state":"running","tags":{"Name":"old1"}}"#));
        assert!(!is_old(r#"{"host":"web1","state":"pending","tags":{"Name":"web1"}}"#));
        assert!(!is_old(r#"{"host":"i-0123456789abcdef0","state":"pending","tags":{}}"#));
    }
}
