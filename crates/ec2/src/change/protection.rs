//! Looks up EC2's own protection of instances: the attributes disableApiTermination and disableApiStop.

use crate::change::acted::{Acted, PROTECTED, chosen};
use crate::change::{Change, protected};
use crate::client::Ec2;
use crate::describe::each_instance::{AskError, each_instance};
use aws_sdk_ec2::types::InstanceAttributeName;
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use std::collections::{HashMap, HashSet};

impl Ec2 {
    /// Looks up which of the hosts that `wanted` holds of EC2 protects from a change, with one call a host. A protected
    /// host has failed then. Returns why the protection of a host is unknown, if it is.
    pub async fn check_protection(
        &self,
        hosts: &mut [Acted],
        wanted: impl Fn(&Acted) -> bool,
        change: Change,
    ) -> Option<Failure> {
        let (attribute, what) = match change {
            Change::Stop(_) => (InstanceAttributeName::DisableApiStop, "stop"),
            Change::Terminate => (InstanceAttributeName::DisableApiTermination, "termination"),
            Change::Start | Change::Reboot => return None,
        };
        let mut hosts = chosen(hosts, wanted);
        let mut seen = HashSet::new();
        let instances: Vec<Record> =
            hosts.iter().filter(|host| seen.insert(host.instance_key())).map(|host| host.record.clone()).collect();
        let is_protected: HashMap<String, Result<bool>> =
            each_instance(&instances, || (), |host| self.has_attribute(host, attribute.clone())).await;
        for host in &mut hosts {
            if let Some(Ok(true)) = is_protected.get(&host.instance_key().1) {
                (host.action, host.result) = (PROTECTED, Err(protected(attribute.as_str(), what)));
            }
        }
        is_protected.into_values().find_map(Result::err)
    }

    /// Returns whether an attribute of an instance is true.
    async fn has_attribute(
        &self,
        host: &Record,
        attribute: InstanceAttributeName,
    ) -> std::result::Result<bool, AskError> {
        const CALL: &str = "DescribeInstanceAttribute";
        let region = host.str("region").unwrap_or_default();
        let request = self.client(&region).describe_instance_attribute();
        let request = request.set_instance_id(host.str("instance_id")).attribute(attribute);
        let answer = self.call(CALL, &region, 1, || request.clone().send()).await;
        let answer = answer.map_err(|error| AskError::new(CALL, &region, &error))?;
        let values = [answer.disable_api_termination(), answer.disable_api_stop()];
        Ok(values.into_iter().flatten().any(|attribute| attribute.value() == Some(true)))
    }
}
