//! From a `LaunchRequest` to the parameters of RunInstances.

use crate::launch::{LaunchRequest, Volume};
use crate::launch_keys::{LAUNCH_KEYS, check_values, set_all};
use crate::launch_parameters::{Draft, PARAMETERS};
use crate::tags::tag;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesInputBuilder;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, InstanceMarketOptionsRequest, InstanceNetworkInterfaceSpecification,
    InstanceType, LaunchTemplateSpecification, MarketType, Placement, ResourceType, TagSpecification, VolumeType,
};

impl LaunchRequest {
    /// Checks what can be checked without EC2: the types of the settings, and settings that exclude each other.
    pub fn check(&self) -> Result<(), String> {
        self.to_input().map(drop)
    }

    /// The parameters of RunInstances for one instance, without a ClientToken.
    pub(crate) fn to_input(&self) -> Result<RunInstancesInputBuilder, String> {
        check_values(LAUNCH_KEYS, &self.settings)?;
        let mut draft = set_all(&PARAMETERS, Draft::default(), &self.settings);
        if let Some(problem) = draft.problems.pop() {
            return Err(problem);
        }
        let interfaces = self.interfaces(&mut draft)?;
        let (placement, template) = (draft.placement.set_availability_zone(self.zone.clone()), draft.template.build());
        let market = market_options(draft.market, draft.spot)?;
        if template.version.is_some() && template.launch_template_id.is_none() && template.launch_template_name.is_none()
        {
            return Err("launch template version: there is no launch template".to_string());
        }
        let is_spot = market.as_ref().is_some_and(|market| market.market_type == Some(MarketType::Spot));
        let makes_interfaces = interfaces.is_empty() || interfaces.iter().any(|it| it.network_interface_id.is_none());
        let devices = self.volumes.iter().map(device).collect();
        let mut input = draft
            .input
            .min_count(1)
            .max_count(1)
            .set_image_id(filled(&self.image_id))
            .set_instance_type(filled(&self.instance_type).map(|name| InstanceType::from(name.as_str())))
            .set_key_name(self.key_name.clone())
            .set_placement(differs(placement.build(), Placement::builder().build()))
            .set_launch_template(differs(template, LaunchTemplateSpecification::builder().build()))
            .set_instance_market_options(market)
            .set_user_data(self.user_data.clone())
            .set_block_device_mappings(some(devices))
            // An instance can be described before it can be tagged: tags go in here or are missing for a while.
            .tag_specifications(self.tag_specification(ResourceType::Instance))
            .tag_specifications(self.tag_specification(ResourceType::Volume));
        if makes_interfaces {
            input = input.tag_specifications(self.tag_specification(ResourceType::NetworkInterface));
        }
        if is_spot {
            input = input.tag_specifications(self.tag_specification(ResourceType::SpotInstancesRequest));
        }
        if interfaces.is_empty() {
            let (ids, names) = self.security_groups.iter().cloned().partition(|group: &String| is_group_id(group));
            let first = draft.first_interface.build();
            return Ok(input
                .set_subnet_id(self.subnet_id.clone())
                .set_security_group_ids(some(ids))
                .set_security_groups(some(names))
                .set_private_ip_address(first.private_ip_address)
                .set_ipv6_address_count(first.ipv6_address_count)
                .set_ipv6_addresses(first.ipv6_addresses)
                .set_enable_primary_ipv6(first.primary_ipv6));
        }
        Ok(input.set_network_interfaces(Some(interfaces)))
    }

    /// The network interfaces to request; none if an ordinary one will do. RunInstances refuses SubnetId, groups and
    /// addresses beside NetworkInterfaces, so they move into the interfaces.
    fn interfaces(&self, draft: &mut Draft) -> Result<Vec<InstanceNetworkInterfaceSpecification>, String> {
        let mut interfaces = std::mem::take(&mut draft.interfaces);
        let common = std::mem::take(&mut draft.first_interface);
        if interfaces.is_empty() && common.get_associate_public_ip_address().is_none() {
            draft.first_interface = common;
            return Ok(interfaces);
        }
        if interfaces.is_empty() {
            interfaces.push(InstanceNetworkInterfaceSpecification::builder().build());
        }
        for (position, interface) in (0..).zip(&mut interfaces) {
            interface.device_index.get_or_insert(position);
            // An existing interface has its subnet, groups and addresses.
            if interface.network_interface_id.is_none() {
                interface.subnet_id = interface.subnet_id.take().or(self.subnet_id.clone());
                interface.groups = interface.groups.take().or(some(self.security_groups.clone()));
                if let Some(name) = interface.groups.iter().flatten().find(|group| !is_group_id(group)) {
                    return Err(format!("security group {name}: a network interface takes ids (sg-...)"));
                }
            }
        }
        let common = common.build();
        if common != InstanceNetworkInterfaceSpecification::builder().build() {
            let is_first = |it: &&mut InstanceNetworkInterfaceSpecification| it.device_index == Some(0);
            let first = interfaces.iter_mut().find(is_first).filter(|first| first.network_interface_id.is_none());
            let first = first.ok_or("private ip, ipv6 and public ip are for a new first network interface")?;
            first.associate_public_ip_address = first.associate_public_ip_address.or(common.associate_public_ip_address);
            first.private_ip_address = first.private_ip_address.take().or(common.private_ip_address);
            first.ipv6_address_count = first.ipv6_address_count.or(common.ipv6_address_count);
            first.ipv6_addresses = first.ipv6_addresses.take().or(common.ipv6_addresses);
            first.primary_ipv6 = first.primary_ipv6.or(common.primary_ipv6);
        }
        Ok(interfaces)
    }

    fn tag_specification(&self, resource: ResourceType) -> TagSpecification {
        let tags = self.tags.iter().map(|(key, value)| tag(key, Some(value))).collect();
        TagSpecification::builder().resource_type(resource).set_tags(Some(tags)).build()
    }
}

fn market_options(
    market: Option<MarketType>,
    spot: Option<aws_sdk_ec2::types::SpotMarketOptions>,
) -> Result<Option<InstanceMarketOptionsRequest>, String> {
    match (&market, &spot) {
        (Some(market), Some(_)) if *market != MarketType::Spot => {
            return Err(format!("spot options: the market type is {market}"));
        }
        // On demand is what RunInstances does without any option.
        (None | Some(MarketType::OnDemand), _) => return Ok(None),
        _ => {}
    }
    let options = InstanceMarketOptionsRequest::builder().set_market_type(market).set_spot_options(spot);
    Ok(Some(options.build()))
}

fn device(volume: &Volume) -> BlockDeviceMapping {
    let ebs = EbsBlockDevice::builder()
        .set_volume_size(volume.size)
        .set_volume_type(volume.volume_type.as_deref().map(VolumeType::from))
        .set_iops(volume.iops)
        .set_throughput(volume.throughput)
        .set_snapshot_id(volume.snapshot_id.clone())
        .set_encrypted(volume.encrypted)
        .set_kms_key_id(volume.kms_key_id.clone())
        .set_delete_on_termination(volume.delete_on_termination);
    BlockDeviceMapping::builder().device_name(&volume.device).ebs(ebs.build()).build()
}

pub(crate) fn is_group_id(group: &str) -> bool {
    group.starts_with("sg-")
}

/// A text that is empty is not sent: the launch template has the value.
fn filled(text: &str) -> Option<String> {
    Some(text.to_string()).filter(|text| !text.is_empty())
}

/// A list that is empty is not sent.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

/// A structure in which nothing is set is not sent.
fn differs<T: PartialEq>(value: T, empty: T) -> Option<T> {
    Some(value).filter(|value| *value != empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::http_client;
    use crate::launch_keys::{Key, Kind};
    use aws_credential_types::Credentials;
    use aws_sdk_ec2::Client;
    use aws_sdk_ec2::config::{BehaviorVersion, Region, retry::RetryConfig};
    use serde_json::{Map, Value, json};
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;

    fn request(settings: Value) -> LaunchRequest {
        let settings = settings.as_object().expect("an object").clone();
        let tags = [("Name".to_string(), "web1".to_string())].into();
        LaunchRequest {
            region: "us-east-1".into(),
            image_id: "ami-1".into(),
            instance_type: "t3.micro".into(),
            settings,
            tags,
            ..LaunchRequest::default()
        }
    }

    /// The parameters of each request in the bodies that are really sent, as `Name=value`, sorted.
    fn sent(requests: &[LaunchRequest]) -> Vec<Vec<String>> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let config = aws_sdk_ec2::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .endpoint_url(endpoint)
            .credentials_provider(Credentials::for_tests())
            .http_client(http_client())
            .retry_config(RetryConfig::disabled())
            .build();
        let client = Client::from_conf(config);
        let inputs: Vec<_> = requests.iter().map(|request| request.to_input().unwrap()).collect();
        let server = std::thread::spawn(move || (0..inputs.len()).map(|_| body(&listener)).zip(inputs.clone()).collect());
        let inputs: Vec<_> = requests.iter().map(|request| request.to_input().unwrap()).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for input in inputs {
            runtime.block_on(input.client_token("token").send_with(&client)).unwrap_err();
        }
        let bodies: Vec<(Vec<String>, _)> = server.join().expect("no panic");
        bodies.into_iter().map(|(body, _)| body).collect()
    }

    fn body(listener: &TcpListener) -> Vec<String> {
        todo!()
    }
}
