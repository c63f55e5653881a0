//! Makes a host record of an instance of the API.

pub(crate) mod id;
pub(crate) mod identity;
pub(crate) mod page;
pub(crate) mod xml;

use crate::config::aws_profile::AWS_PROFILE;
use crate::instance::id::is_instance_id;
use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use cerveza_record::{Record, Value, json};

/// The keys of a record after `host`, in order, each with the path of its text in an instance's XML. Those without a
/// path are made of several elements, or of none.
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

/// What a record needs of one instance, collected while its XML is read. A page has a thousand of them, so they are
/// small: all texts are in one string.
#[derive(Debug, Default)]
pub(crate) struct InstanceFacts {
    all: String,
    account: Span,
    /// By position in [`KEYS`].
    texts: [Span; KEYS.len()],
    tags: Vec<(Span, Span)>,
    groups: Vec<Group>,
    volumes: Vec<Volume>,
    metadata_options: Vec<(Span, Span)>,
    /// The code of the reason for the state, for an instance without its message.
    state_code: Span,
    /// The first address of the network interfaces.
    ipv6: Span,
}

/// A part of the string of all texts.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

#[derive(Debug, Default)]
struct Group {
    id: Span,
    name: Span,
}

#[derive(Debug, Default)]
struct Volume {
    device: Span,
    id: Span,
    delete_on_termination: Span,
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
        if let Some(name) = path.strip_prefix("metadataOptions/") {
            let option = (self.push(name), self.push(text));
            self.metadata_options.push(option);
            return;
        }
        let span = self.next_span(text);
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
                Some(&mut self.ipv6).filter(|first| first.start == first.end)
            }
            _ => KEYS.iter().position(|(_, known)| *known == path).map(|at| &mut self.texts[at]),
        };
        if let Some(place) = place {
            *place = span;
            self.all.push_str(text);
        }
    }

    /// Notes the account, which is outside of the instance, once the instance has been read.
    pub fn finish(&mut self, account: &str) {
        self.account = self.push(account);
        self.all.shrink_to_fit();
    }

    fn next_span(&self, text: &str) -> Span {
        // An instance has a few KiB of text.
        let position = |at: usize| u32::try_from(at).unwrap_or_default();
        Span { start: position(self.all.len()), end: position(self.all.len() + text.len()) }
    }

    fn push(&mut self, text: &str) -> Span {
        let span = self.next_span(text);
        self.all.push_str(text);
        span
    }

    fn text(&self, span: Span) -> &str {
        self.all.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    pub fn id(&self) -> &str {
        self.text(self.texts[0])
    }

    pub fn host(&self) -> &str {
        host_name(self.tag("Name"), self.id())
    }

    /// Every key is there, `null` where EC2 has nothing: merged into an older record it leaves nothing stale. Addresses
    /// and DNS names that EC2 gives as empty strings (a stopped or terminated instance) are `null` too.
    ///
    /// `profile` is that of the AWS configuration which the account was named by.
    pub fn record(&self, region: &str, profile: Option<&str>) -> Record {
        let mut record = Record::with_capacity(self.host(), KEYS.len() + 1);
        for (at, (key, _)) in KEYS.iter().enumerate() {
            record.set(key, self.value(key, self.text(self.texts[at]), region));
            if let Some(profile) = profile.filter(|_| *key == "account") {
                record.set(AWS_PROFILE, profile);
            }
        }
        record
    }

    fn value(&self, key: &str, own: &str, region: &str) -> Value {
        let text = |span| text_or_null(self.text(span));
        match key {
            "region" => json!(region),
            "account" => text(self.account),
            "ipv6" if own.is_empty() => text(self.ipv6),
            "security_groups" => self.groups.iter().map(|group| text(group.name)).collect(),
            "security_group_ids" => self.groups.iter().map(|group| text(group.id)).collect(),
            "launch_time" => time(own),
            "state_reason" if own.is_empty() => text(self.state_code),
            "state_time" => state_time(own),
            "metadata_options" if self.metadata_options.is_empty() => Value::Null,
            "metadata_options" => {
                let option =
                    |(name, value): &(Span, Span)| (snake_case(self.text(*name)), number_or_text(self.text(*value)));
                self.metadata_options.iter().map(option).collect()
            }
            "profile" => self.tag("profile").map_or(Value::Null, text_or_null),
            "tags" => {
                let tag = |(key, value): &(Span, Span)| (self.text(*key), self.text(*value));
                let mut tags: Vec<_> = self.tags.iter().map(tag).collect();
                // The same instance gives the same record.
                tags.sort_unstable();
                tags.into_iter().map(|(key, value)| (key.to_string(), json!(value))).collect()
            }
            "volumes" => self.volumes.iter().map(|volume| self.volume(volume)).collect(),
            _ => text_or_null(own),
        }
    }

    fn volume(&self, volume: &Volume) -> Value {
        json!({
            "device": text_or_null(self.text(volume.device)),
            "volume_id": text_or_null(self.text(volume.id)),
            "delete_on_termination": self.text(volume.delete_on_termination).parse::<bool>().ok(),
        })
    }

    fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(known, _)| self.text(*known) == key).map(|(_, value)| self.text(*value))
    }
}

/// Returns the name that an instance goes by: its `Name` tag. Without one, or with one that reads as an instance id,
/// its own id: such a name would mean another instance.
pub fn host_name<'a>(name: Option<&'a str>, id: &'a str) -> &'a str {
    name.filter(|name| !name.is_empty() && !is_instance_id(name)).unwrap_or(id)
}

fn text_or_null(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { json!(text) }
}

fn number_or_text(value: &str) -> Value {
    value.parse::<i64>().map_or_else(|_| text_or_null(value), Value::from)
}

/// RFC 3339 without a fraction that is zero.
fn time(text: &str) -> Value {
    let time = DateTime::from_str(text, DateTimeFormat::DateTime).ok();
    time.and_then(|time| time.fmt(DateTimeFormat::DateTime).ok()).map_or(Value::Null, Value::from)
}

/// Returns the time in the reason of a change of state, as `User initiated (2026-01-31 12:00:00 GMT)`.
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

/// States of an instance that exists and can be used again.
pub const LIVE_STATES: [&str; 4] = ["pending", "running", "stopping", "stopped"];

/// Returns whether the instance is shutting down or terminated, and will never run again.
pub fn has_ended(instance: &Record) -> bool {
    matches!(instance.str("state").as_deref(), Some("shutting-down" | "terminated"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cerveza_record::FACTS;

    fn record(facts: &[(&str, &str)]) -> Record {
        let mut instance = InstanceFacts::default();
        for (path, text) in facts {
            if text.is_empty() { instance.begin(path) } else { instance.note(path, text) }
        }
        instance.finish("123456789012");
        instance.record("us-east-1", None)
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
        let listed: Vec<&str> = FACTS.iter().map(|key| key.name).filter(|name| *name != AWS_PROFILE).collect();
        assert_eq!(nothing.iter().map(|(key, _)| key).collect::<Vec<_>>(), listed);
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
