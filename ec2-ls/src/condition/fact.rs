//! The facts of an instance: how EC2's filters name them, and where a record has them.

use cerveza_record::{Record, Value};

/// Filters of DescribeInstances, and the key of the record. `volumes.device` is that key of each of the volumes.
const FACTS: [(&str, &str); 29] = [
    ("architecture", "architecture"),
    ("availability-zone", "zone"),
    ("block-device-mapping.device-name", "volumes.device"),
    ("block-device-mapping.volume-id", "volumes.volume_id"),
    ("dns-name", "public_dns"),
    ("iam-instance-profile.arn", "iam_profile"),
    ("image-id", "image_id"),
    ("instance-id", "instance_id"),
    ("instance-lifecycle", "lifecycle"),
    ("instance-state-name", "state"),
    ("instance-type", "instance_type"),
    ("instance.group-id", "security_group_ids"),
    ("instance.group-name", "security_groups"),
    ("ip-address", "public_ip"),
    ("ipv6-address", "ipv6"),
    ("key-name", "key_name"),
    ("launch-time", "launch_time"),
    ("metadata-options.http-endpoint", "metadata_options.http_endpoint"),
    ("metadata-options.http-tokens", "metadata_options.http_tokens"),
    ("metadata-options.instance-metadata-tags", "metadata_options.instance_metadata_tags"),
    ("monitoring-state", "monitoring"),
    // A record has the first of these.
    ("network-interface.addresses.private-ip-address", "private_ip"),
    ("network-interface.ipv6-addresses.ipv6-address", "ipv6"),
    ("owner-id", "account"),
    ("platform-details", "platform"),
    ("private-dns-name", "private_dns"),
    ("private-ip-address", "private_ip"),
    ("subnet-id", "subnet_id"),
    ("vpc-id", "vpc_id"),
];

pub const TAG: &str = "tag:";
pub const TAG_KEY: &str = "tag-key";

fn key(fact: &str) -> Option<&'static str> {
    FACTS.iter().find(|(name, _)| *name == fact).map(|(_, key)| *key)
}

/// Returns whether a record has the fact.
pub fn is_known(fact: &str) -> bool {
    fact.starts_with(TAG) || fact == TAG_KEY || key(fact).is_some()
}

/// Returns whether EC2 has such a filter, or the record such a key.
pub fn is_name(word: &str) -> bool {
    FACTS.iter().any(|(name, key)| *name == word || *key == word)
}

/// Returns the filter of a key of the record: of several the one with the shortest name.
pub fn filter_of(word: &str) -> Option<&'static str> {
    let filters = FACTS.iter().filter(|(name, key)| *name == word || *key == word).map(|(name, _)| *name);
    filters.min_by_key(|name| name.len())
}

/// Returns the values of a fact. A fact that EC2 does not have of the instance has none.
pub fn values(record: &Record, fact: &str) -> Vec<String> {
    if let Some(tag) = fact.strip_prefix(TAG) {
        return record.get("tags").map(|tags| texts(&tags[tag])).unwrap_or_default();
    }
    if fact == TAG_KEY {
        return match record.get("tags") {
            Some(Value::Object(tags)) => tags.into_iter().map(|(key, _)| key).collect(),
            _ => Vec::new(),
        };
    }
    let Some(key) = key(fact) else { return Vec::new() };
    match key.split_once('.') {
        None => record.get(key).map(|value| texts(&value)).unwrap_or_default(),
        Some((key, field)) => match record.get(key) {
            Some(Value::Array(items)) => items.iter().flat_map(|item| texts(&item[field])).collect(),
            Some(value) => texts(&value[field]),
            None => Vec::new(),
        },
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_a_record_are_found_by_the_names_of_the_filters() {
        let record = Record::parse(concat!(
            r#"{"host":"web1","zone":"us-east-1a","public_ip":null,"security_groups":["web","ssh"],"#,
            r#""tags":{"Name":"web1","empty":""},"volumes":[{"device":"/dev/sda1"},{"device":"/dev/sdf"}]}"#
        ))
        .unwrap();
        for (fact, expected) in [
            ("availability-zone", &["us-east-1a"][..]),
            ("ip-address", &[]),
            ("instance.group-name", &["web", "ssh"]),
            ("instance.group-id", &[]),
            ("block-device-mapping.device-name", &["/dev/sda1", "/dev/sdf"]),
            ("tag:Name", &["web1"]),
            ("tag:empty", &[""]),
            ("tag:other", &[]),
            ("tag-key", &["Name", "empty"]),
        ] {
            assert_eq!(values(&record, fact), expected, "{fact}");
        }
        assert!(is_known("tag:any") && is_known("vpc-id") && !is_known("ebs-optimized"));
    }
}
