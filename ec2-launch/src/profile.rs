//! A profile: what a host is launched as. The file's form is that of the LISA 2011 report, keys with blanks and all;
//! each key may be written in snake_case too, and by the EC2 API's name.

use crate::yaml::{explain, flag, texts, yes_or_no};
use cerveza_ec2::Volume;
use serde::{Deserialize, Deserializer};
use serde_yaml::Value;
use std::collections::BTreeMap;

/// One profile file. Keys stand at the top or under `aws`, as in the report; where both have one, that under `aws`
/// counts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    pub name: Option<String>,
    pub description: Option<String>,
    aws: Option<Box<Profile>>,
    #[serde(rename = "ami", alias = "amis", alias = "image", alias = "image id", alias = "image_id")]
    pub image: Option<PerPlace>,
    #[serde(rename = "instance type", alias = "instance_type", alias = "type")]
    pub instance_type: Option<String>,
    #[serde(
        rename = "security group",
        alias = "security_group",
        alias = "security groups",
        alias = "security_groups",
        deserialize_with = "texts"
    )]
    pub security_groups: Vec<String>,
    #[serde(rename = "key pair", alias = "key_pair", alias = "key name", alias = "key_name")]
    pub key_name: Option<String>,
    #[serde(rename = "elastic ip", alias = "elastic_ip", deserialize_with = "elastic_ip")]
    pub elastic_ip: Option<ElasticIp>,
    #[serde(alias = "availability zone", alias = "availability_zone")]
    pub zone: Option<String>,
    #[serde(rename = "subnet", alias = "subnet id", alias = "subnet_id")]
    pub subnet: Option<PerPlace>,
    #[serde(rename = "iam instance profile", alias = "iam_instance_profile")]
    pub iam_instance_profile: Option<String>,
    #[serde(rename = "user data", alias = "user_data", deserialize_with = "texts")]
    pub user_data: Vec<String>,
    #[serde(rename = "startup scripts", alias = "startup_scripts", deserialize_with = "texts")]
    pub startup_scripts: Vec<String>,
    #[serde(rename = "shutdown scripts", alias = "shutdown_scripts", deserialize_with = "texts")]
    pub shutdown_scripts: Vec<String>,
    #[serde(rename = "check ec2 kernel", alias = "check_ec2_kernel", deserialize_with = "flag")]
    pub check_ec2_kernel: Option<bool>,
    #[serde(deserialize_with = "volumes")]
    pub volumes: Vec<Volume>,
    #[serde(deserialize_with = "tags")]
    pub tags: BTreeMap<String, String>,
}

/// One value for everywhere, or one for each region or zone.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum PerPlace {
    Everywhere(String),
    Each(BTreeMap<String, String>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum ElasticIp {
    /// An address of the account's own, kept for the host by its name.
    Own,
    /// This one: an IPv4 address or an `eipalloc-` id.
    Address(String),
}

impl PerPlace {
    /// The value for a zone or, failing that, for its region.
    pub fn at(&self, region: &str, zone: Option<&str>) -> Option<&str> {
        match self {
            PerPlace::Everywhere(value) => Some(value),
            PerPlace::Each(values) => zone.and_then(|zone| values.get(zone)).or(values.get(region)).map(String::as_str),
        }
    }
}

impl Profile {
    /// Reads a profile's YAML. The error names the line, and for an unknown key the nearest known one.
    pub fn parse(text: &str) -> Result<Profile, String> {
        let profile: Option<Profile> = serde_yaml::from_str(text).map_err(|error| explain(&error))?;
        let mut profile = profile.ok_or("it is empty")?;
        match profile.aws.take() {
            Some(aws) if aws.aws.is_some() => Err("an aws key within aws".to_string()),
            Some(aws) => Ok(aws.over(profile)),
            None => Ok(profile),
        }
    }

    /// This profile's values, and `below`'s where it has none.
    fn over(self, below: Profile) -> Profile {
        let list = |upper: Vec<String>, lower: Vec<String>| if upper.is_empty() { lower } else { upper };
        let mut tags = below.tags;
        tags.extend(self.tags);
        Profile {
            name: self.name.or(below.name),
            description: self.description.or(below.description),
            aws: None,
            image: self.image.or(below.image),
            instance_type: self.instance_type.or(below.instance_type),
            security_groups: list(self.security_groups, below.security_groups),
            key_name: self.key_name.or(below.key_name),
            elastic_ip: self.elastic_ip.or(below.elastic_ip),
            zone: self.zone.or(below.zone),
            subnet: self.subnet.or(below.subnet),
            iam_instance_profile: self.iam_instance_profile.or(below.iam_instance_profile),
            user_data: list(self.user_data, below.user_data),
            startup_scripts: list(self.startup_scripts, below.startup_scripts),
            shutdown_scripts: list(self.shutdown_scripts, below.shutdown_scripts),
            check_ec2_kernel: self.check_ec2_kernel.or(below.check_ec2_kernel),
            volumes: if self.volumes.is_empty() { below.volumes } else { self.volumes },
            tags,
        }
    }
}

fn elastic_ip<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ElasticIp>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null | Value::Bool(false) => Ok(None),
        Value::Bool(true) => Ok(Some(ElasticIp::Own)),
        Value::String(text) => Ok(match yes_or_no(&text) {
            Some(true) => Some(ElasticIp::Own),
            Some(false) => None,
            None => Some(ElasticIp::Address(text)),
        }),
        _ => Err(serde::de::Error::custom("elastic ip: expected yes, no or an address")),
    }
}

/// Tag values are texts; a number or a boolean is taken as it is written.
fn tags<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values: Option<BTreeMap<String, Value>> = Option::deserialize(deserializer)?;
    let text = |(key, value)| match value {
        Value::String(text) => Ok((key, text)),
        Value::Number(number) => Ok((key, number.to_string())),
        Value::Bool(flag) => Ok((key, flag.to_string())),
        _ => Err(serde::de::Error::custom(format!("tags: the value of {key} is no text"))),
    };
    values.unwrap_or_default().into_iter().map(text).collect()
}

/// The keys of one volume.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VolumeKeys {
    device: Option<String>,
    size: Option<i32>,
    #[serde(rename = "type", alias = "volume type", alias = "volume_type")]
    volume_type: Option<String>,
    iops: Option<i32>,
    throughput: Option<i32>,
    #[serde(alias = "snapshot id", alias = "snapshot_id")]
    snapshot: Option<String>,
    #[serde(default, deserialize_with = "flag")]
    encrypted: Option<bool>,
    #[serde(rename = "delete on termination", alias = "delete_on_termination", default, deserialize_with = "flag")]
    delete_on_termination: Option<bool>,
}

/// Of volumes by device: a size in GiB, or the keys of a volume.
#[derive(Deserialize)]
#[serde(untagged)]
enum SizeOrKeys {
    Size(i32),
    Keys(VolumeKeys),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Volumes {
    List(Vec<VolumeKeys>),
    ByDevice(BTreeMap<String, SizeOrKeys>),
}

fn volumes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Volume>, D::Error> {
    let wrong = "volumes: expected a list of volumes with device and size, or devices with their size in GiB";
    let volumes: Option<Volumes> = Option::deserialize(deserializer).map_err(|_| serde::de::Error::custom(wrong))?;
    let volumes: Vec<VolumeKeys> = match volumes {
        None => Vec::new(),
        Some(Volumes::List(list)) => list,
        Some(Volumes::ByDevice(map)) => map.into_iter().map(|(device, value)| named(device, value)).collect(),
    };
    let volume = |keys: VolumeKeys| {
        let device = keys.device.ok_or_else(|| serde::de::Error::custom("volumes: a volume without device"))?;
        Ok(Volume {
            device,
            size: keys.size,
            volume_type: keys.volume_type,
            iops: keys.iops,
            throughput: keys.throughput,
            snapshot_id: keys.snapshot,
            encrypted: keys.encrypted,
            delete_on_termination: keys.delete_on_termination,
        })
    };
    volumes.into_iter().map(volume).collect()
}

fn named(device: String, value: SizeOrKeys) -> VolumeKeys {
    match value {
        SizeOrKeys::Keys(keys) => VolumeKeys { device: Some(device), ..keys },
        SizeOrKeys::Size(size) => VolumeKeys {
            device: Some(device),
            size: Some(size),
            volume_type: None,
            iops: None,
            throughput: None,
            snapshot: None,
            encrypted: None,
            delete_on_termination: None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form of the report's profile: a tagged document, keys with blanks, an AMI a region.
    const REPORT: &str = include_str!("../tests/MySQL.yaml");

    #[test]
    fn the_reports_profile_is_read_as_printed() {
        let profile = Profile::parse(REPORT).unwrap();
        assert_eq!(profile.name.as_deref(), Some("MySQL"));
        assert_eq!(profile.image.as_ref().unwrap().at("us-east-1", None), Some("ami-1aad5273"));
        assert_eq!(profile.image.as_ref().unwrap().at("us-west-1", Some("us-west-1b")), Some("ami-3d491d78"));
        assert_eq!(profile.image.as_ref().unwrap().at("eu-west-1", None), None);
        assert_eq!(profile.instance_type.as_deref(), Some("m2.4xlarge"));
        assert_eq!(profile.security_groups, ["default", "mysql"]);
        assert_eq!(profile.key_name.as_deref(), Some("prod"));
        assert_eq!(profile.elastic_ip, None);
        assert_eq!(
            profile.user_data,
            ["cloud-config-base.txt", "setup-hostname.sh", "root-login.sh", "cloud-config-puppet.txt"]
        );
        assert_eq!(profile.startup_scripts, ["mount-ebs.sh", "register-dns.sh"]);
        assert_eq!(profile.shutdown_scripts, ["unregister-dns.sh"]);
        assert_eq!(profile.check_ec2_kernel, Some(true));
        assert_eq!(profile.volumes.len(), 2);
        assert_eq!(profile.volumes[0].device, "/dev/sdf");
        assert_eq!(profile.volumes[0].size, Some(500));
    }

    #[test]
    fn snake_case_says_the_same() {
        let mut snake = String::new();
        for line in REPORT.lines() {
            match line.split_once(':') {
                Some((key, value)) if !key.trim_start().starts_with(['-', '#']) => {
                    let indent = key.len() - key.trim_start().len();
                    let key = key.trim_start().replace(' ', "_");
                    snake.push_str(&format!("{}{key}:{value}\n", " ".repeat(indent)));
                }
                _ => snake.push_str(&format!("{line}\n")),
            }
        }
        assert!(snake.contains("security_group:"), "{snake}");
        assert_eq!(Profile::parse(&snake), Profile::parse(REPORT));
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest_one() {
        assert_eq!(
            Profile::parse("--- !InstanceProfile\naws: !InstanceAws\n  ami: ami-1\n  securty group: web\n")
                .unwrap_err(),
            "line 4: unknown key \"securty group\": did you mean \"security group\"?"
        );
        assert_eq!(Profile::parse("colour: red\n").unwrap_err(), "line 1: unknown key \"colour\"");
        assert_eq!(Profile::parse("").unwrap_err(), "it is empty");
        assert_eq!(
            Profile::parse("ami: ami-1\ntags: [1]\n").unwrap_err(),
            "line 2: tags: invalid type: sequence, expected a map"
        );
        assert!(Profile::parse("ami: ami-1\n\tx: y\n").unwrap_err().starts_with("line 2: "));
    }

    #[test]
    fn keys_at_the_top_count_where_aws_has_none() {
        let profile = Profile::parse("ami: ami-1\nkey pair: a\naws:\n  key pair: b\n").unwrap();
        assert_eq!(profile.image, Some(PerPlace::Everywhere("ami-1".into())));
        assert_eq!(profile.key_name.as_deref(), Some("b"));
    }

    #[test]
    fn volumes_by_device_or_as_a_list_and_yes_in_the_words_of_yaml_1_1() {
        let by_device = Profile::parse("volumes:\n  /dev/sdf: 100\n  /dev/sdg: {size: 5, type: gp3}\n").unwrap();
        let list =
            Profile::parse("volumes:\n- {device: /dev/sdf, size: 100}\n- {device: /dev/sdg, size: 5, type: gp3}\n")
                .unwrap();
        assert_eq!(by_device, list);
        assert_eq!(Profile::parse("elastic ip: yes\n").unwrap().elastic_ip, Some(ElasticIp::Own));
        assert_eq!(Profile::parse("elastic ip: off\n").unwrap().elastic_ip, None);
        let address = Some(ElasticIp::Address("192.0.2.1".into()));
        assert_eq!(Profile::parse("elastic ip: 192.0.2.1\n").unwrap().elastic_ip, address);
    }
}
