//! Makes the parameters of RunInstances of a `LaunchRequest`.

use crate::change::tags::tag;
use crate::launch::keys::{check_values, set_all};
use crate::launch::parameters::{Draft, LAUNCH_KEYS, PARAMETERS};
use crate::launch::{LaunchRequest, Volume};
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

    /// Returns the parameters of RunInstances for one instance, without a ClientToken.
    pub(crate) fn to_input(&self) -> Result<RunInstancesInputBuilder, String> {
        check_values(LAUNCH_KEYS, &self.settings)?;
        let mut draft = set_all(&PARAMETERS, Draft::default(), &self.settings);
        if let Some(problem) = draft.problems.pop() {
            return Err(problem);
        }
        let interfaces = self.interfaces(&mut draft)?;
        let (placement, template) = (draft.placement.set_availability_zone(self.zone.clone()), draft.template.build());
        let market = market_options(draft.market, draft.spot)?;
        if template.version.is_some()
            && template.launch_template_id.is_none()
            && template.launch_template_name.is_none()
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

    /// Returns the network interfaces to request; none if an ordinary one will do. RunInstances refuses SubnetId,
    /// groups and addresses beside NetworkInterfaces, so they move into the interfaces.
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
            first.associate_public_ip_address =
                first.associate_public_ip_address.or(common.associate_public_ip_address);
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
            return Err(format!(
                "spot options: the host is not a Spot Instance (spot: false, or market type: {market})"
            ));
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

/// Returns whether a security group is given by its id.
pub fn is_group_id(group: &str) -> bool {
    group.starts_with("sg-")
}

/// Returns the text, or none if it is empty: then the launch template has the value.
fn filled(text: &str) -> Option<String> {
    Some(text.to_string()).filter(|text| !text.is_empty())
}

/// Returns the list, or none if it is empty.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

/// Returns the structure, or none if nothing is set in it.
fn differs<T: PartialEq>(value: T, empty: T) -> Option<T> {
    Some(value).filter(|value| *value != empty)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::http::http_client;
    use crate::launch::keys::{Key, Kind};
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

    /// Returns the parameters of each request in the body that is really sent, as `Name=value`, sorted.
    fn sent(requests: &[LaunchRequest]) -> Vec<Vec<String>> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let config = aws_sdk_ec2::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .endpoint_url(format!("http://{}", listener.local_addr().unwrap()))
            .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
            .http_client(http_client(None))
            .retry_config(RetryConfig::disabled())
            .build();
        let (client, count) = (Client::from_conf(config), requests.len());
        let server = std::thread::spawn(move || (0..count).map(|_| parameters(&listener)).collect());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for request in requests {
            runtime.block_on(request.to_input().unwrap().client_token("token").send_with(&client)).unwrap_err();
        }
        server.join().unwrap()
    }

    /// Reads one request, and refuses it.
    fn parameters(listener: &TcpListener) -> Vec<String> {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        let mut length = 0;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        let refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.get_mut().write_all(refusal).unwrap();
        let body = String::from_utf8(body).unwrap();
        let mut parameters: Vec<String> = body.split('&').map(str::to_string).collect();
        parameters.sort();
        parameters
    }

    fn sample(key: &Key, kind: Kind) -> Value {
        match kind {
            _ if key.name == "valid until" => json!("2030-01-31T12:00:00Z"),
            Kind::Text => json!("sg-sample"),
            Kind::Flag => json!(true),
            Kind::Number { most, .. } => json!(most),
            Kind::Choice(choices) => json!(choices[0]),
            Kind::List(kind) => json!([sample(key, *kind)]),
            Kind::Object(keys) => keys.iter().map(|key| (key.name.to_string(), sample(key, key.kind))).collect(),
            Kind::Texts => json!({"sample": "sample"}),
        }
    }

    /// Settings that have one key, or one key within a key, each.
    fn one_by_one() -> Vec<Value> {
        let mut settings = Vec::new();
        for key in LAUNCH_KEYS {
            for inner in key.kind.keys() {
                let value = json!({inner.name: sample(inner, inner.kind)});
                let value = if matches!(key.kind, Kind::List(_)) { json!([value]) } else { value };
                settings.push(json!({key.name: value}));
            }
            if key.kind.keys().is_empty() {
                settings.push(json!({key.name: sample(key, key.kind)}));
            }
        }
        settings
    }

    #[test]
    fn every_key_is_in_the_request_that_is_sent() {
        // Without a value of their own in the request: a version needs a template, an index has the default 0.
        let context = |settings: &Value| match settings.get("launch template version") {
            Some(_) => json!({"launch template": "base"}),
            None if settings.get("network interfaces").is_some() => json!({"network interfaces": [{}]}),
            None => json!({}),
        };
        let settings = one_by_one();
        let with = settings.iter().map(|settings| {
            let mut all = context(settings).as_object().unwrap().clone();
            all.extend(settings.as_object().unwrap().clone());
            request(all.into())
        });
        let without = sent(&settings.iter().map(|settings| request(context(settings))).collect::<Vec<_>>());
        for ((settings, with), without) in settings.iter().zip(sent(&with.collect::<Vec<_>>())).zip(without) {
            assert!(with.iter().any(|parameter| !without.contains(parameter)), "{settings} is not sent");
        }
    }

    #[test]
    fn a_public_address_moves_subnet_groups_and_addresses_into_the_interface() {
        let mut request = request(json!({"associate public ip": false, "private ip": "10.0.0.7"}));
        request.subnet_id = Some("subnet-1".to_string());
        request.security_groups = vec!["sg-1".to_string()];
        let ordinary = LaunchRequest { settings: Map::new(), ..request.clone() };
        let sent = sent(&[request.clone(), ordinary]);
        for parameter in [
            "NetworkInterface.1.AssociatePublicIpAddress=false",
            "NetworkInterface.1.DeviceIndex=0",
            "NetworkInterface.1.PrivateIpAddress=10.0.0.7",
            "NetworkInterface.1.SecurityGroupId.1=sg-1",
            "NetworkInterface.1.SubnetId=subnet-1",
        ] {
            assert!(sent[0].iter().any(|sent| sent == parameter), "{parameter}: {:?}", sent[0]);
        }
        assert!(!sent[0].iter().any(|sent| sent.starts_with("SubnetId") || sent.starts_with("SecurityGroup")));
        for parameter in ["SubnetId=subnet-1", "SecurityGroupId.1=sg-1"] {
            assert!(sent[1].iter().any(|sent| sent == parameter), "{parameter}: {:?}", sent[1]);
        }
        request.security_groups = vec!["web".to_string()];
        assert_eq!(request.check(), Err("security group web: a network interface takes ids (sg-...)".to_string()));
    }

    #[test]
    fn tags_are_those_of_all_that_is_made() {
        let sent = sent(&[request(json!({"spot": true}))]);
        for (number, kind) in (1..).zip(["instance", "volume", "network-interface", "spot-instances-request"]) {
            let parameter = format!("TagSpecification.{number}.ResourceType={kind}");
            assert!(sent[0].contains(&parameter), "{parameter}: {:?}", sent[0]);
            assert!(sent[0].contains(&format!("TagSpecification.{number}.Tag.1.Value=web1")));
        }
    }

    #[test]
    fn settings_that_exclude_each_other_are_refused() {
        let why = |settings| request(settings).check().unwrap_err();
        assert_eq!(
            why(json!({"spot options": {"valid until": "soon"}})),
            "spot options: valid until: expected a time such as 2030-01-31T12:00:00Z, not \"soon\""
        );
        assert!(why(json!({"spot": false, "spot options": {"max price": "1"}})).contains("spot: false"));
        assert!(why(json!({"launch template version": "2"})).contains("there is no launch template"));
        let existing = json!({"private ip": "10.0.0.7", "network interfaces": [{"network interface id": "eni-1"}]});
        assert!(why(existing).contains("new first network interface"));
    }
}
