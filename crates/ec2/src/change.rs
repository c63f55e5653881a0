//! StartInstances, StopInstances, RebootInstances, TerminateInstances.

use crate::batch::{Refused, in_batches};
use crate::client::Ec2;
use crate::failure::{CallError, Verdict, code, failure, verdict};
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::SdkError;
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
            let (count, ids) = (ids.len(), Some(ids));
            match change {
                Change::Start => {
                    let request = client.start_instances().set_instance_ids(ids);
                    let answer = self.call_batch("StartInstances", region, count, || request.clone().send()).await;
                    answer.map(drop).map_err(|error| refused("StartInstances", region, &error))
                }
                Change::Stop => {
                    let request = client.stop_instances().set_instance_ids(ids);
                    let answer = self.call_batch("StopInstances", region, count, || request.clone().send()).await;
                    answer.map(drop).map_err(|error| refused("StopInstances", region, &error))
                }
                Change::Reboot => {
                    let request = client.reboot_instances().set_instance_ids(ids);
                    let answer = self.call_batch("RebootInstances", region, count, || request.clone().send()).await;
                    answer.map(drop).map_err(|error| refused("RebootInstances", region, &error))
                }
                Change::Terminate => {
                    let request = client.terminate_instances().set_instance_ids(ids);
                    let answer = self.call_batch("TerminateInstances", region, count, || request.clone().send()).await;
                    answer.map(drop).map_err(|error| refused("TerminateInstances", region, &error))
                }
            }
        };
        in_batches(&hosts, BATCH, || self.is_interrupted(), call).await
    }
}

/// Codes that concern no single id (EC2 API reference, "Error codes"): dividing the request would only add to it.
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

/// Returns what a failed request means for its members. A refusal by EC2 itself may be for one id of many.
pub(crate) fn refused<E: CallError>(call: &str, region: &str, error: &SdkError<E, HttpResponse>) -> Refused {
    Refused {
        failure: failure(call, region, error),
        divisible: code(error).is_some_and(|code| !NOT_OF_ONE_ID.contains(&code)),
        not_found: verdict(error) == Verdict::NotFound,
    }
}
