//! StartInstances, StopInstances, RebootInstances, TerminateInstances.

use crate::batch::{Refused, in_batches};
use crate::client::Ec2;
use crate::failure::{code, failure};
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use cerveza_manners::Result;

/// What can be done to the power of an instance.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Start stopped instances
    Start,
    /// Stop running instances: their EBS volumes stay, what is on instance store is lost
    Stop,
    /// Reboot running instances; they keep their addresses
    Reboot,
    /// Terminate instances for good, with the volumes that are marked for it
    Terminate,
}

impl Change {
    /// The word on the command line and in the record's `action`.
    pub fn word(self) -> &'static str {
        match self {
            Change::Start => "start",
            Change::Stop => "stop",
            Change::Reboot => "reboot",
            Change::Terminate => "terminate",
        }
    }

    /// The state an instance ends in.
    pub fn end_state(self) -> &'static str {
        match self {
            Change::Start | Change::Reboot => "running",
            Change::Stop => "stopped",
            Change::Terminate => "terminated",
        }
    }
}

/// EC2 takes 1,000 ids; a smaller request fails for fewer when one id is bad.
const BATCH: usize = 50;

impl Ec2 {
    /// Changes the instances `ids` of one region; one result an id, in order.
    pub async fn change(&self, region: &str, change: Change, ids: &[String]) -> Vec<Result<()>> {
        let client = &self.client(region);
        let hosts: Vec<_> = ids.iter().map(|id| vec![id.clone()]).collect();
        let call = |ids: Vec<String>| async move {
            let ids = Some(ids);
            match change {
                Change::Start => {
                    let answer = client.start_instances().set_instance_ids(ids).send().await;
                    answer.map(drop).map_err(|error| refused("StartInstances", region, &error))
                }
                Change::Stop => {
                    let answer = client.stop_instances().set_instance_ids(ids).send().await;
                    answer.map(drop).map_err(|error| refused("StopInstances", region, &error))
                }
                Change::Reboot => {
                    let answer = client.reboot_instances().set_instance_ids(ids).send().await;
                    answer.map(drop).map_err(|error| refused("RebootInstances", region, &error))
                }
                Change::Terminate => {
                    let answer = client.terminate_instances().set_instance_ids(ids).send().await;
                    answer.map(drop).map_err(|error| refused("TerminateInstances", region, &error))
                }
            }
        };
        in_batches(&hosts, BATCH, || self.is_interrupted(), call).await
    }
}

/// Codes that say nothing of a single id (EC2 API reference, "Error codes"): asking host by host would only add to it.
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

/// A refusal that EC2 itself spoke may be for one id of many.
pub(crate) fn refused<E, R>(call: &str, region: &str, error: &SdkError<E, R>) -> Refused
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    Refused {
        failure: failure(call, region, error),
        divisible: code(error).is_some_and(|code| !NOT_OF_ONE_ID.contains(&code)),
    }
}
