//! An instance of the API as a host record.

use crate::accounts::AWS_PROFILE;
use crate::locate::is_instance_id;
use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use cerveza_record::{Record, Value, json};
use serde_json::Map;

/// The keys of a record after `host`, in order, each with the path of its text in an instance's XML. Those without a path
/// are made of several elements, or of none.
const KEYS: [(&str, &str); 30] = [
    ("instance_id", "instanceId"),
    ("region", ""),
    ("zone", "placement/availabilityZone"),
    ("account", ""),
    ("state", "instanceState/name"),
    ("instance_type", "instanceType"),
    ("image_id", "imageId"),
    ("private_ip", "privateIpAddress"),
    ("public_ip", "ipAddress"),
    ("ipv6", "ipv6Address"),
    ("private_dns", "privateDnsName"),
    ("public_dns", "dnsName"),
    ("key_name", "keyName"),
    ("security_groups", ""),
    ("security_group_ids", ""),
    ("subnet_id", "subnetId"),
    ("vpc_id", "vpcId"),
    ("launch_time", "launchTime"),
    ("state_reason", "stateReason/message"),
    ("state_time", "reason"),
    ("lifecycle", "instanceLifecycle"),
    ("architecture", "architecture"),
    ("platform", "platformDetails"),
    ("iam_profile", "iamInstanceProfile/arn"),
    ("root_device", "rootDeviceName"),
    ("monitoring", "monitoring/state"),
    ("metadata_options", ""),
    ("profile", ""),
    ("tags", ""),
    ("volumes", ""),
];

/// What a record needs of one instance, collected while its XML is read.
#[derive(Debug, Default)]
pub(crate) struct InstanceFacts {
    /// By position in [`KEYS`].
    texts: [String; KEYS.len()],
    tags: Vec<(String, String)>,
    groups: Vec<Group>,
    volumes: Vec<Volume>,
    metadata_options: Map<String, Value>,
    /// The code of the reason for the state, for an instance without its message.
    state_code: String,
    /// Those of the network interfaces.
    ipv6: Vec<String>,
}

#[derive(Debug, Default)]
struct Group {
    id: String,
    name: String,
}

#[derive(Debug, Default)]
struct Volume {
    device: String,
    id: String,
    delete_on_termination: String,
}

impl InstanceFacts {
    /// Notes that the element at `path`, counted from the instance, begins.
    pub fn begin(&mut self, path: &str) {
        match path {
            "tagSet/item" => self.tags.push(Default::default()),
            "groupSet/item" => self.groups.push(Default::default()),
            "blockDeviceMapping/item" => self.volumes.push(Default::default()),
            _ => {}
        }
    }

    /// Notes the text of the element at `path`.
    pub fn note(&mut self, path: &str, text: &str) {
        let place = match path {
            "tagSet/item/key" => self.tags.last_mut().map(|tag| &mut tag.0),
            "tagSet/item/value" => self.tags.last_mut().map(|tag| &mut tag.1),
            "groupSet/item/groupId" => self.groups.last_mut().map(|group| &mut group.id),
            "groupSet/item/groupName" => self.groups.last_mut().map(|group| &mut group.name),
            "blockDeviceMapping/item/deviceName" => self.volumes.last_mut().map(|volume| &mut volume.device),
            "blockDeviceMapping/item/ebs/volumeId" => self.volumes.last_mut().map(|volume| &mut volume.id),
            "blockDeviceMapping/item/ebs/deleteOnTermination" => {
                self.volumes.last_mut().map(|volume| &mut volume.delete_on_termination)
            }
            "stateReason/code" => Some(&mut self.state_code),
            "networkInterfaceSet/item/ipv6AddressesSet/item/ipv6Address" => {
                self.ipv6.push(String::new());
                self.ipv6.last_mut()
            }
            _ => match path.strip_prefix("metadataOptions/") {
                Some(name) => {
                    self.metadata_options.insert(snake_case(name), number_or_text(text));
                    None
                }
                None => KEYS.iter().position(|(_, known)| *known == path).map(|at| &mut self.texts[at]),
            },
        };
        if let Some(place) = place {
            place.clear();
            place.push_str(text);
        }
    }

    /// Every key is there, `null` where EC2 has nothing: merged into an older record it leaves nothing stale. Addresses
    /// and DNS names that EC2 gives as empty strings (a stopped or terminated instance) are `null` too.
    ///
    /// `profile` is that of the AWS configuration which the account was named by.
    pub fn record(mut self, region: &str, account: &str, profile: Option<&str>) -> Record {
        // The same instance gives the same record.
        self.tags.sort_unstable();
        let id = std::mem::take(&mut self.texts[0]);
        let mut record = Record::with_capacity(host_name(self.tag("Name"), &id), KEYS.len() + 1);
        record.set("instance_id", id.as_str());
        for (at, (key, _)) in KEYS.iter().enumerate().skip(1) {
            record.set(key, self.value(key, at, region, account));
            if let Some(profile) = profile.filter(|_| *key == "account") {
                record.set(AWS_PROFILE, profile);
            }
        }
        record
    }

    fn value(&self, key: &str, at: usize, region: &str, account: &str) -> Value {
        let own = self.texts[at].as_str();
        match key {
            "region" => json!(region),
            "account" => text(account),
            "ipv6" => text(first_of(own, self.ipv6.first().map_or("", String::as_str))),
            "security_groups" => self.groups.iter().map(|group| text(&group.name)).collect(),
            "security_group_ids" => self.groups.iter().map(|group| text(&group.id)).collect(),
            "launch_time" => time(own),
            "state_reason" => text(first_of(own, &self.state_code)),
            "state_time" => state_time(own),
            "metadata_options" if self.metadata_options.is_empty() => Value::Null,
            "metadata_options" => Value::Object(self.metadata_options.clone()),
            "profile" => text(self.tag("profile").unwrap_or_default()),
            "tags" => self.tags.iter().map(|(key, value)| (key.clone(), json!(value))).collect(),
            "volumes" => self.volumes.iter().map(volume).collect(),
            _ => text(own),
        }
    }

    fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

/// The name that an instance goes by: its `Name` tag. Without one, or with one that reads as an instance id, its own id:
/// such a name would mean another instance.
pub fn host_name<'a>(name: Option<&'a str>, id: &'a str) -> &'a str {
    name.filter(|name| !name.is_empty() && !is_instance_id(name)).unwrap_or(id)
}

fn volume(volume: &Volume) -> Value {
    json!({
        "device": text(&volume.device),
        "volume_id": text(&volume.id),
        "delete_on_termination": volume.delete_on_termination.parse::<bool>().ok(),
    })
}

fn first_of<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

fn number_or_text(value: &str) -> Value {
    value.parse::<i64>().map_or_else(|_| text(value), Value::from)
}

/// RFC 3339 without a fraction that is zero.
fn time(text: &str) -> Value {
    let time = DateTime::from_str(text, DateTimeFormat::DateTime).ok();
    time.and_then(|time| time.fmt(DateTimeFormat::DateTime).ok()).map_or(Value::Null, Value::from)
}

/// The time in the reason of a change of state, as `User initiated (2026-01-31 12:00:00 GMT)`.
fn state_time(reason: &str) -> Value {
    let within = reason.rsplit_once('(').and_then(|(_, rest)| rest.strip_suffix(" GMT)"));
    let parts = within.and_then(|time| time.split_once(' '));
    parts.map_or(Value::Null, |(date, clock)| time(&format!("{date}T{clock}Z")))
}

/// `httpTokens` is `http_tokens`.
fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(facts: &[(&str, &str)]) -> Record {
        let mut instance = InstanceFacts::default();
        for (path, text) in facts {
            match text.is_empty() {
                true => instance.begin(path),
                false => instance.note(path, text),
            }
        }
        instance.record("us-east-1", "123456789012", None)
    }

    #[test]
    fn a_record_has_every_key_in_the_order_of_the_manual() {
        let nothing = record(&[("instanceId", "i-0123456789abcdef0")]);
        assert_eq!(
            nothing.to_string(),
            concat!(
                r#"{"host":"i-0123456789abcdef0","instance_id":"i-0123456789abcdef0","region":"us-east-1","zone":null,"#,
                r#""account":"123456789012","state":null,"instance_type":null,"image_id":null,"private_ip":null,"#,
                r#""public_ip":null,"ipv6":null,"private_dns":null,"public_dns":null,"key_name":null,"#,
                r#""security_groups":[],"security_group_ids":[],"subnet_id":null,"vpc_id":null,"launch_time":null,"#,
                r#""state_reason":null,"state_time":null,"lifecycle":null,"architecture":null,"platform":null,"#,
                r#""iam_profile":null,"root_device":null,"monitoring":null,"metadata_options":null,"profile":null,"#,
                r#""tags":{},"volumes":[]}"#
            )
        );
    }

    #[test]
    fn lists_and_tags_keep_their_parts_together() {
        let instance = record(&[
            ("instanceId", "i-0123456789abcdef0"),
            ("tagSet/item", ""),
            ("tagSet/item/value", "db"),
            ("tagSet/item/key", "role"),
            ("tagSet/item", ""),
            ("tagSet/item/key", "Name"),
            ("tagSet/item/value", "mysql1"),
            ("tagSet/item", ""),
            ("tagSet/item/key", "empty"),
            ("blockDeviceMapping/item", ""),
            ("blockDeviceMapping/item/deviceName", "/dev/sda1"),
            ("blockDeviceMapping/item/ebs/volumeId", "vol-1"),
            ("blockDeviceMapping/item/ebs/deleteOnTermination", "true"),
            ("blockDeviceMapping/item", ""),
            ("blockDeviceMapping/item/deviceName", "/dev/sdb"),
        ]);
        assert_eq!(instance.host(), "mysql1");
        assert_eq!(instance.get("tags"), Some(json!({"Name": "mysql1", "empty": "", "role": "db"})));
        let volumes = json!([
            {"device": "/dev/sda1", "volume_id": "vol-1", "delete_on_termination": true},
            {"device": "/dev/sdb", "volume_id": null, "delete_on_termination": null},
        ]);
        assert_eq!(instance.get("volumes"), Some(volumes));
    }

    #[test]
    fn an_instance_without_a_name_of_its_own_goes_by_its_id() {
        let host = |name: &[(&str, &str)]| {
            record(&[&[("instanceId", "i-0123456789abcdef0")], name].concat()).host().to_string()
        };
        let named = |name| [("tagSet/item", ""), ("tagSet/item/key", "Name"), ("tagSet/item/value", name)];
        assert_eq!(host(&[]), "i-0123456789abcdef0");
        assert_eq!(host(&named("")), "i-0123456789abcdef0");
        assert_eq!(host(&named("i-0fedcba9876543210")), "i-0123456789abcdef0");
        assert_eq!(host(&named("i-beam")), "i-beam");
    }

    #[test]
    fn the_time_of_a_state_is_in_its_reason() {
        for (reason, expected) in [
            ("User initiated (2026-01-31 12:00:00 GMT)", json!("2026-01-31T12:00:00Z")),
            ("Server.SpotInstanceTermination: (x) (2026-01-31 12:00:00 GMT)", json!("2026-01-31T12:00:00Z")),
            ("User initiated", Value::Null),
            ("", Value::Null),
            ("(2026-13-31 12:00:00 GMT)", Value::Null),
        ] {
            assert_eq!(state_time(reason), expected, "{reason}");
        }
    }

    #[test]
    fn the_address_and_reason_that_come_first_count() {
        let interface = "networkInterfaceSet/item/ipv6AddressesSet/item/ipv6Address";
        let of = |facts: &[(&str, &str)], key| record(&[&[("instanceId", "i-1")], facts].concat()).get(key);
        assert_eq!(of(&[(interface, "2001:db8::1"), (interface, "2001:db8::2")], "ipv6"), Some(json!("2001:db8::1")));
        assert_eq!(
            of(&[(interface, "2001:db8::1"), ("ipv6Address", "2001:db8::3")], "ipv6"),
            Some(json!("2001:db8::3"))
        );
        assert_eq!(of(&[("stateReason/code", "Server.X")], "state_reason"), Some(json!("Server.X")));
        let options = [("metadataOptions/httpTokens", "required"), ("metadataOptions/httpPutResponseHopLimit", "2")];
        assert_eq!(
            of(&options, "metadata_options"),
            Some(json!({"http_tokens": "required", "http_put_response_hop_limit": 2}))
        );
    }
}
