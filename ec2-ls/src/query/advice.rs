//! Suggests what to write, for words that look for a fact of EC2 among the tags.

use crate::condition::fact;
use crate::condition::launched::Launched;
use crate::condition::network::address_tests;
use crate::query::find_args::is_state;
use crate::query::shell::shell_word;
use cerveza_manners::{Failure, Result};
use std::time::SystemTime;

/// Names of facts, each with the option that looks for them. An empty option is for a word without one.
const OPTIONS: [(&str, &str); 41] = [
    ("ami", "--ami"),
    ("availability-zone", "--zone"),
    ("availability_zone", "--zone"),
    ("az", "--zone"),
    ("group", "--group"),
    ("group-id", "--group"),
    ("group-name", "--group"),
    ("id", ""),
    ("image", "--ami"),
    ("image-id", "--ami"),
    ("image_id", "--ami"),
    ("instance-id", ""),
    ("instance-state-name", "--state"),
    ("instance-type", "--type"),
    ("instance.group-id", "--group"),
    ("instance.group-name", "--group"),
    ("instance_id", ""),
    ("instance_type", "--type"),
    ("ip", "--ip"),
    ("ip-address", "--ip"),
    ("ipv6", "--ip"),
    ("ipv6-address", "--ip"),
    ("launch-time", "--launched-after"),
    ("launch_time", "--launched-after"),
    ("private-ip-address", "--ip"),
    ("private_ip", "--ip"),
    ("profile", "--profile"),
    ("public_ip", "--ip"),
    ("region", "--region"),
    ("security-group", "--group"),
    ("security_groups", "--group"),
    ("state", "--state"),
    ("subnet", "--subnet"),
    ("subnet-id", "--subnet"),
    ("subnet_id", "--subnet"),
    ("tag-key", "--has"),
    ("type", "--type"),
    ("vpc", "--vpc"),
    ("vpc-id", "--vpc"),
    ("vpc_id", "--vpc"),
    ("zone", "--zone"),
];

/// Filters of EC2 that no record has a key for. Users of the AWS CLI know them.
const FILTERS: [&str; 11] = [
    "availability-zone-id",
    "client-token",
    "ebs-optimized",
    "ena-support",
    "host-id",
    "instance-state-code",
    "placement-group-name",
    "product-code",
    "reservation-id",
    "root-device-type",
    "virtualization-type",
];

/// Returns what looks for the fact `key`, if it is one: `--type 't3.*'`.
fn instead(key: &str, value: &str) -> Option<String> {
    let option = OPTIONS.iter().find(|(name, _)| *name == key).map(|(_, option)| *option);
    let key = if key == "ip" { "private_ip" } else { key };
    match option {
        Some("") => Some(shell_word(value)),
        Some("--state") if !is_state(value) => None,
        Some(option) if takes(option, value) => Some(format!("{option} {}", shell_word(value))),
        _ if FILTERS.contains(&key) || fact::is_name(key) => {
            let filter = fact::filter_of(key).unwrap_or(key);
            Some(format!("--filter {}", shell_word(&format!("Name={filter},Values={value}"))))
        }
        _ => None,
    }
}

/// Returns whether an option takes the value.
fn takes(option: &str, value: &str) -> bool {
    match option {
        "--ip" => address_tests(value).is_ok(),
        "--launched-after" => Launched::new(Some(value), None, SystemTime::now()).is_ok(),
        "--region" => !value.contains(['*', '?']),
        _ => true,
    }
}

/// Refuses a word for a tag whose key is a name that only EC2 has. A plain word, as `state`, may be a tag.
pub fn refuse_fact(word: &str, key: &str, value: &str) -> Result<()> {
    if !key.contains(['-', '_', '.']) {
        return Ok(());
    }
    match instead(key, value) {
        None => Ok(()),
        Some(instead) => Err(Failure::usage(format!("{}: {key} is a fact of EC2, not a tag", shell_word(word)))
            .hint(format!("write {instead}; for a tag of that name, {}", shell_word(&format!("tag:{word}"))))),
    }
}

/// Returns what to write instead of a pattern that looks like a set operation, for when nothing matches.
pub fn pattern_advice(pattern: &str) -> Option<String> {
    let is_operation = pattern.contains(['!', '&', '^']) || pattern.starts_with('(');
    is_operation.then(|| {
        format!(
            "{} is one pattern of names; hostrange has the set operations, as in `ec2-ls 'web*' | hostrange -x 'web[1-3]'`",
            shell_word(pattern)
        )
    })
}

/// Returns what else a word for a tag may mean, for when nothing matches.
pub fn tag_advice(key: &str, value: &str) -> Option<String> {
    let tag = shell_word(&format!("{key}={value}"));
    if let Some(instead) = instead(key, value) {
        return Some(format!("{tag} looks for a tag; {instead} looks for the fact of EC2"));
    }
    match key {
        "name" | "host" => {
            Some(format!("{tag} looks for a tag of that name; {} looks for the host", shell_word(value)))
        }
        _ if value.contains(',') => {
            let words: Vec<String> = value.split(',').map(|value| shell_word(&format!("{key}={value}"))).collect();
            Some(format!("{tag} looks for that one value; {} looks for any of these", words.join(" ")))
        }
        _ => None,
    }
}
