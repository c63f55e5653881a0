//! Starts, stops, reboots and terminates instances, and what all changes of instances share.

pub(crate) mod acted;
pub(crate) mod batch;
pub(crate) mod limit;
pub(crate) mod protection;
pub(crate) mod report;
pub(crate) mod resize;
pub(crate) mod tags;
pub(crate) mod wait;
pub(crate) mod wait_checks;

use crate::change::batch::{batches, in_batches};
use crate::client::Ec2;
use crate::client::buckets::{batch_size, time_for_batches};
use cerveza_manners::{Failure, Result};
use std::time::Duration;

/// What can be done to the power of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Start,
    Stop(StopMode),
    Reboot,
    Terminate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    Shutdown,
    /// The operating system gets no chance to shut down. This also stops an instance that is stuck in `stopping`.
    Force,
    /// The memory is kept on the root volume. If the instance cannot do that in the end, EC2 shuts it down.
    Hibernate,
}

impl Change {
    /// Returns the state an instance ends in.
    pub fn end_state(self) -> &'static str {
        match self {
            Change::Start | Change::Reboot => "running",
            Change::Stop(_) => "stopped",
            Change::Terminate => "terminated",
        }
    }

    /// Returns the states that an instance has only after the change was requested. There are none after a reboot.
    pub(crate) fn states_after(self) -> &'static [&'static str] {
        match self {
            Change::Start => &["pending", "running"],
            // The instance may have been stopping before.
            Change::Stop(StopMode::Force) => &["stopped"],
            Change::Stop(_) => &["stopping", "stopped"],
            Change::Reboot => &[],
            Change::Terminate => &["shutting-down", "terminated"],
        }
    }

    /// Returns the call of the API.
    fn call(self) -> &'static str {
        match self {
            Change::Start => "StartInstances",
            Change::Stop(_) => "StopInstances",
            Change::Reboot => "RebootInstances",
            Change::Terminate => "TerminateInstances",
        }
    }

    /// Returns how long the requests to change so many instances of one region take at least.
    pub fn time_for(self, instances: usize) -> Duration {
        let calls = batches(instances, |before| self.batch_size(before)).len();
        time_for_batches(self.call(), calls, instances)
    }

    fn batch_size(self, before: usize) -> usize {
        batch_size(self.call(), before, BATCH)
    }
}

/// EC2 takes 1,000 ids. With fewer, a refusal for one id holds up fewer others.
const BATCH: usize = 100;

/// Why a host has failed that EC2 itself protects.
const PROTECTED: &str = "protected by EC2";

/// Returns whether a change was refused because EC2 itself protects the instance.
pub(crate) fn is_protected_by_ec2(failure: &Failure) -> bool {
    failure.message.starts_with(PROTECTED)
}

impl Ec2 {
    /// Changes the instances `ids` of one region; one result an id, in order. After Ctrl-C no further call is made,
    /// unless `finish` is set.
    pub(crate) async fn change(&self, region: &str, change: Change, ids: &[String], finish: bool) -> Vec<Result<()>> {
        let client = &self.client(region);
        let hosts: Vec<_> = ids.iter().map(|id| vec![id.clone()]).collect();
        let name = change.call();
        let call = |ids: Vec<String>| async move {
            let (count, ids) = (ids.len(), Some(ids));
            match change {
                Change::Start => {
                    let request = client.start_instances().set_instance_ids(ids);
                    self.call_batch(name, region, count, || request.clone().send()).await
                }
                Change::Stop(mode) => {
                    let request = client.stop_instances().set_instance_ids(ids);
                    let request = match mode {
                        StopMode::Shutdown => request,
                        StopMode::Force => request.force(true),
                        StopMode::Hibernate => request.hibernate(true),
                    };
                    self.call_batch(name, region, count, || request.clone().send()).await
                }
                Change::Reboot => {
                    let request = client.reboot_instances().set_instance_ids(ids);
                    self.call_batch(name, region, count, || request.clone().send()).await
                }
                Change::Terminate => {
                    let request = client.terminate_instances().set_instance_ids(ids);
                    self.call_batch(name, region, count, || request.clone().send()).await
                }
            }
        };
        let stop = || !finish && self.is_interrupted();
        let results = in_batches(&hosts, |before| change.batch_size(before), stop, call).await;
        results.into_iter().map(|result| result.map_err(name_protection)).collect()
    }
}

/// Gives all instances that EC2 protects the same failure. EC2 says: "The instance '...' may not be stopped. Modify its
/// 'disableApiStop' instance attribute and try again."
fn name_protection(failure: Failure) -> Failure {
    let attributes = [("disableApiStop", "stop"), ("disableApiTermination", "termination")];
    let is_named = |(attribute, _): &&(&str, &str)| failure.message.contains(attribute);
    match attributes.iter().find(is_named).filter(|_| failure.message.contains(": OperationNotPermitted: ")) {
        None => failure,
        Some((attribute, what)) => protected(attribute, what),
    }
}

/// Returns the failure of an instance that has this attribute set, which protects it from `what`.
pub(crate) fn protected(attribute: &str, what: &str) -> Failure {
    Failure::unreached(format!("{PROTECTED}: {attribute} is set")).hint(format!(
        "ec2-power never lifts this protection; `aws ec2 modify-instance-attribute --instance-id ID \
         --no-disable-api-{what}` does"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protection_by_ec2_is_told_from_other_refusals() {
        let of = |message: &str| name_protection(Failure::unreached(message));
        let failure =
            of("StopInstances in us-east-1: OperationNotPermitted: The instance 'i-1' may not be stopped. Modify its \
             'disableApiStop' instance attribute and try again.");
        assert_eq!(failure.message, "protected by EC2: disableApiStop is set");
        assert!(failure.hint.as_ref().is_some_and(|hint| hint.contains("--no-disable-api-stop")));
        assert!(is_protected_by_ec2(&failure));
        let other = "StopInstances in us-east-1: OperationNotPermitted: not allowed";
        assert_eq!(of(other), Failure::unreached(other));
    }

    #[test]
    fn time_of_a_change_counts_batches_and_instances() {
        assert_eq!(Change::Start.time_for(500), Duration::ZERO);
        // Ten batches: five at once, then two a second.
        assert_eq!(Change::Start.time_for(1000), Duration::from_millis(2500));
        // Each instance after the first 1,000 takes half a second.
        assert_eq!(Change::Start.time_for(1500), Duration::from_secs(250));
        assert_eq!(Change::Stop(StopMode::Shutdown).time_for(3000), Duration::from_secs(100));
        assert_eq!(Change::Reboot.time_for(5000), Duration::ZERO);
    }
}
