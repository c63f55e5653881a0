//! RunInstances: one named host a request, with all its tags in it.

use crate::client::Ec2;
use crate::tags::tag;
use aws_sdk_ec2::error::SdkError;
use aws_sdk_ec2::operation::run_instances::{RunInstancesError, RunInstancesOutput};
use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, IamInstanceProfileSpecification, InstanceType, Placement, ResourceType,
    TagSpecification, VolumeType,
};
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
    /// Requests one instance.
    pub(crate) async fn run_instances(
        &self,
        request: &LaunchRequest,
        token: &str,
    ) -> std::result::Result<RunInstancesOutput, SdkError<RunInstancesError>> {
        let (ids, names): (Vec<_>, Vec<_>) =
            request.security_groups.iter().cloned().partition(|group| group.starts_with("sg-"));
        let zone = request.zone.as_ref().map(|zone| Placement::builder().availability_zone(zone).build());
        // An instance can be described before it can be tagged: tags go in here or are missing for a while.
        let tags: Vec<_> = request.tags.iter().map(|(key, value)| tag(key, Some(value))).collect();
        let tagged = |kind| TagSpecification::builder().resource_type(kind).set_tags(Some(tags.clone())).build();
        let profile = request.settings.get("iam instance profile").and_then(Value::as_str).map(|profile| {
            let builder = IamInstanceProfileSpecification::builder();
            match profile.starts_with("arn:") {
                true => builder.arn(profile).build(),
                false => builder.name(profile).build(),
            }
        });
        let devices: Vec<_> = request.volumes.iter().map(device).collect();
        let call = self
            .client(&request.region)
            .run_instances()
            .client_token(token)
            .min_count(1)
            .max_count(1)
            .image_id(&request.image_id)
            .instance_type(InstanceType::from(request.instance_type.as_str()))
            .set_key_name(request.key_name.clone())
            .set_security_group_ids(some(ids))
            .set_security_groups(some(names))
            .set_subnet_id(request.subnet_id.clone())
            .set_placement(zone)
            .set_iam_instance_profile(profile)
            .set_user_data(request.user_data.clone())
            .set_block_device_mappings(some(devices))
            .tag_specifications(tagged(ResourceType::Instance))
            .tag_specifications(tagged(ResourceType::Volume));
        self.call("RunInstances", &request.region, 1, || call.clone().send()).await
    }
}

fn device(volume: &Volume) -> BlockDeviceMapping {
    let ebs = EbsBlockDevice::builder()
        .set_volume_size(volume.size)
        .set_volume_type(volume.volume_type.as_deref().map(VolumeType::from))
        .set_iops(volume.iops)
        .set_throughput(volume.throughput)
        .set_snapshot_id(volume.snapshot_id.clone())
        .set_encrypted(volume.encrypted)
        .set_delete_on_termination(volume.delete_on_termination);
    BlockDeviceMapping::builder().device_name(&volume.device).ebs(ebs.build()).build()
}

/// A list that is empty is not sent at all.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    if list.is_empty() { None } else { Some(list) }
}
