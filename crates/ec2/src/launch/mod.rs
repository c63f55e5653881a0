//! RunInstances: one host in each request, with all its tags.

pub(crate) mod keys;
pub(crate) mod launch_once;
pub(crate) mod nested_parameters;
pub(crate) mod parameters;
pub(crate) mod run_instances;
pub(crate) mod value;

use crate::client::Ec2;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::SdkError;
use aws_sdk_ec2::operation::run_instances::RunInstancesError;
use cerveza_record::Record;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// What RunInstances is asked for, for one host, decided in full. `--dry-run` prints it, `--plan` reads it back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LaunchRequest {
    pub region: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    pub image_id: String,
    pub instance_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet_id: Option<String>,
    /// `sg-` ids if `subnet_id` is set; else names of groups of the default VPC, or ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security_groups: Vec<String>,
    /// Every other parameter, by its name in `LAUNCH_KEYS`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
    /// The tags of the instance, its volumes and its network interfaces.
    pub tags: BTreeMap<String, String>,
    /// Volumes that EC2 creates together with the instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
    /// Base64, as the API takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<String>,
}

/// A block device to create at launch. What is `None` is left to the AMI and EC2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// As `/dev/sdf`.
    pub device: String,
    /// In GiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iops: Option<i32>,
    /// In MiB/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_on_termination: Option<bool>,
}

impl Ec2 {
    /// Requests one instance. Returns the instances of the answer.
    pub(crate) async fn run_instances(
        &self,
        request: &LaunchRequest,
        token: &str,
    ) -> std::result::Result<Vec<Record>, SdkError<RunInstancesError>> {
        let input = request.to_input().map_err(SdkError::construction_failure)?.client_token(token);
        let instances = self.instance_page(&request.region);
        // An input that is made without a client has no other place for an interceptor.
        let config = self.client(&request.region).config().to_builder().interceptor(instances.clone());
        let client = Client::from_conf(config.build());
        self.call("RunInstances", &request.region, 1, || input.clone().send_with(&client)).await?;
        Ok(instances.take_records())
    }
}
