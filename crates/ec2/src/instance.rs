//! An instance of the API as a host record.

use crate::accounts::AWS_PROFILE;
use crate::locate::is_instance_id;
use aws_sdk_ec2::primitives::DateTimeFormat;
use aws_sdk_ec2::types::{Instance, InstanceBlockDeviceMapping, Tag};
use cerveza_record::{Record, Value, json};

/// Every key is there, `null` where EC2 has nothing: merged into an older record it leaves nothing stale. Addresses
/// and DNS names that EC2 gives as empty strings (a stopped or terminated instance) are `null` too.
///
/// `profile` is that of the AWS configuration which the account was named by.
pub(crate) fn record(instance: &Instance, region: &str, account: Option<&str>, profile: Option<&str>) -> Record {
    let id = instance.instance_id().unwrap_or_default();
    let tags = instance.tags();
    let mut record = Record::named(host_name(tag(tags, "Name"), id));
    let groups: Vec<_> = instance.security_groups().iter().map(|group| text(group.group_name())).collect();
    let launch_time = instance.launch_time().and_then(|time| time.fmt(DateTimeFormat::DateTime).ok());
    record.set("instance_id", id);
    record.set("region", region);
    record.set("zone", text(instance.placement().and_then(|placement| placement.availability_zone())));
    record.set("account", text(account));
    if let Some(profile) = profile {
        record.set(AWS_PROFILE, profile);
    }
    record.set("state", text(instance.state().and_then(|state| state.name()).map(|name| name.as_str())));
    record.set("instance_type", text(instance.instance_type().map(|kind| kind.as_str())));
    record.set("image_id", text(instance.image_id()));
    record.set("private_ip", text(instance.private_ip_address()));
    record.set("public_ip", text(instance.public_ip_address()));
    record.set("private_dns", text(instance.private_dns_name()));
    record.set("public_dns", text(instance.public_dns_name()));
    record.set("key_name", text(instance.key_name()));
    record.set("security_groups", groups);
    record.set("subnet_id", text(instance.subnet_id()));
    record.set("vpc_id", text(instance.vpc_id()));
    record.set("launch_time", text(launch_time.as_deref()));
    record.set("profile", text(tag(tags, "profile")));
    record.set("tags", tags_object(tags));
    let volumes: Vec<_> = instance.block_device_mappings().iter().map(volume).collect();
    record.set("volumes", volumes);
    record
}

/// The name that an instance goes by: its `Name` tag. Without one, or with one that reads as an instance id, its own id:
/// such a name would mean another instance.
pub fn host_name<'a>(name: Option<&'a str>, id: &'a str) -> &'a str {
    name.filter(|name| !name.is_empty() && !is_instance_id(name)).unwrap_or(id)
}

/// Why the instance is in its state, such as `Server.InsufficientInstanceCapacity: ...`.
pub(crate) fn state_reason(instance: &Instance) -> Option<String> {
    let reason = instance.state_reason()?;
    Some(reason.message().or(reason.code())?.to_string())
}

fn volume(mapping: &InstanceBlockDeviceMapping) -> Value {
    let ebs = mapping.ebs();
    json!({
        "device": mapping.device_name(),
        "volume_id": ebs.and_then(|ebs| ebs.volume_id()),
        "delete_on_termination": ebs.and_then(|ebs| ebs.delete_on_termination()),
    })
}

/// The tags by name, so that the same instance gives the same record.
fn tags_object(tags: &[Tag]) -> Value {
    let mut pairs: Vec<_> =
        tags.iter().map(|tag| (tag.key().unwrap_or_default(), tag.value().unwrap_or_default())).collect();
    pairs.sort_unstable();
    pairs.into_iter().map(|(key, value)| (key.to_string(), json!(value))).collect()
}

fn tag<'a>(tags: &'a [Tag], key: &str) -> Option<&'a str> {
    tags.iter().find(|tag| tag.key() == Some(key)).and_then(|tag| tag.value())
}

fn text(text: Option<&str>) -> Value {
    match text {
        None | Some("") => Value::Null,
        Some(text) => json!(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ec2::primitives::DateTime;
    use aws_sdk_ec2::types::{InstanceState, InstanceStateName, InstanceType, Placement};

    #[test]
    fn a_record_has_every_key_in_the_order_of_the_manual() {
        let instance = Instance::builder()
            .instance_id("i-0123456789abcdef0")
            .state(InstanceState::builder().name(InstanceStateName::Running).build())
            .instance_type(InstanceType::T3Micro)
            .placement(Placement::builder().availability_zone("us-east-1a").build())
            .public_dns_name("")
            .launch_time(DateTime::from_secs(1_321_000_000))
            .tags(Tag::builder().key("role").value("db").build())
            .tags(Tag::builder().key("Name").value("mysql1").build())
            .build();
        assert_eq!(
            record(&instance, "us-east-1", Some("123456789012"), None).to_string(),
            concat!(
                r#"{"host":"mysql1","instance_id":"i-0123456789abcdef0","region":"us-east-1","zone":"us-east-1a","#,
                r#""account":"123456789012","state":"running","instance_type":"t3.micro","image_id":null,"#,
                r#""private_ip":null,"public_ip":null,"private_dns":null,"public_dns":null,"key_name":null,"#,
                r#""security_groups":[],"subnet_id":null,"vpc_id":null,"launch_time":"2011-11-11T08:26:40Z","#,
                r#""profile":null,"tags":{"Name":"mysql1","role":"db"},"volumes":[]}"#
            )
        );
    }

    #[test]
    fn an_instance_without_a_name_of_its_own_goes_by_its_id() {
        let host = |name: Option<&str>| {
            let name = name.map(|name| Tag::builder().key("Name").value(name).build());
            let instance = Instance::builder().instance_id("i-0123456789abcdef0").set_tags(name.map(|name| vec![name]));
            record(&instance.build(), "us-east-1", None, None).host().to_string()
        };
        assert_eq!(host(None), "i-0123456789abcdef0");
        assert_eq!(host(Some("")), "i-0123456789abcdef0");
        assert_eq!(host(Some("i-0fedcba9876543210")), "i-0123456789abcdef0");
        assert_eq!(host(Some("i-beam")), "i-beam");
    }
}
