//! A profile: what a host is launched as. The file's form is that of the LISA 2011 report, keys with blanks and all;
//! each key may be written in snake_case too, and by the EC2 API's name.

use crate::volumes::volumes;
use crate::yaml::{Keys, Source, flag, is_nothing, known, text, texts};
use cerveza_ec2::{ImageChoice, Volume};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use serde_yaml::{Mapping, Value};
use std::collections::{BTreeMap, HashSet};
use std::net::Ipv4Addr;

/// One profile file. Keys stand at the top or under `aws`, as in the report; where both have one, that under `aws`
/// counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    pub name: Option<String>,
    pub image: Option<PerPlace<ImageChoice>>,
    /// Tried one after the other if EC2 has no capacity.
    pub instance_types: Vec<String>,
    pub security_groups: Vec<String>,
    pub key_name: Option<String>,
    pub elastic_ip: Option<ElasticIp>,
    /// Tried one after the other if EC2 has no capacity.
    pub zones: Vec<String>,
    /// Of one place: tried one after the other if EC2 has no capacity.
    pub subnets: Option<PerPlace<Vec<String>>>,
    pub user_data: Vec<String>,
    pub startup_scripts: Vec<String>,
    pub shutdown_scripts: Vec<String>,
    /// What `uname -r` must print on the host.
    pub kernel: Option<String>,
    /// The root volume, whatever device it is on. Its `device` is empty.
    pub root_volume: Option<Volume>,
    pub volume_sets: Vec<VolumeSet>,
    pub tags: BTreeMap<String, String>,
    /// Every other parameter of RunInstances, by its name in `cerveza_ec2::LAUNCH_KEYS`.
    pub settings: Map<String, serde_json::Value>,
}

/// Volumes that belong together: one disk of the host, which may be an array. A volume profile describes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeSet {
    /// The set's name; the tag `volume set` of its volumes.
    pub name: String,
    /// Each with its device; `count: 4` has become four volumes.
    pub volumes: Vec<Volume>,
    /// An existing volume to attach as `volumes[0].device`, in place of a new one.
    pub volume_id: Option<String>,
    pub raid: Option<Raid>,
    pub lvm: bool,
    /// As `ext4` or `xfs`.
    pub file_system: Option<String>,
    pub mount_point: Option<String>,
    pub mount_options: Option<String>,
    /// As `mysql` or `mysql:mysql`, of the mount point.
    pub owner: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Raid {
    #[serde(rename = "0")]
    Raid0,
    #[serde(rename = "1")]
    Raid1,
    #[serde(rename = "10")]
    Raid10,
}

/// One value for everywhere, or one for each region or zone.
#[derive(Clone, Debug, PartialEq)]
pub enum PerPlace<T> {
    Everywhere(T),
    Each(BTreeMap<String, T>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ElasticIp {
    /// An address of the account's own, kept for the host by its name.
    Own,
    /// This one: an IPv4 address or an `eipalloc-` id.
    Address(String),
}

impl<T> PerPlace<T> {
    /// Returns the value for a zone, or without one that for its region.
    pub fn at(&self, region: &str, zone: Option<&str>) -> Option<&T> {
        match self {
            PerPlace::Everywhere(value) => Some(value),
            PerPlace::Each(values) => zone.and_then(|zone| values.get(zone)).or(values.get(region)),
        }
    }

    fn map<U>(self, convert: impl Fn(T) -> U) -> PerPlace<U> {
        match self {
            PerPlace::Everywhere(value) => PerPlace::Everywhere(convert(value)),
            PerPlace::Each(values) => {
                PerPlace::Each(values.into_iter().map(|(place, value)| (place, convert(value))).collect())
            }
        }
    }
}

/// The keys of a profile, each with its other names, as `canonical` writes them.
const KEYS: &Keys = &[
    ("name", &[]),
    ("description", &["desc"]),
    ("aws", &[]),
    ("ami", &["amis", "image", "image id"]),
    ("instance type", &["type"]),
    ("security group", &["security groups"]),
    ("key pair", &["key name"]),
    ("elastic ip", &[]),
    ("zone", &["availability zone"]),
    ("subnet", &["subnet id"]),
    ("iam instance profile", &[]),
    ("user data", &[]),
    ("startup scripts", &["startup script"]),
    ("shutdown scripts", &["shutdown script"]),
    ("check ec2 kernel", &[]),
    ("volumes", &["volume"]),
    ("tags", &[]),
];

impl Profile {
    /// Reads a profile's YAML. The error names the line, and for an unknown key the nearest known one.
    pub fn parse(text: &str) -> Result<Profile, String> {
        let source = Source::new(text);
        let mapping = source.mapping()?;
        let mut profile = Profile::default();
        profile.read(&source, &mapping, true)?;
        for (key, value) in &mapping {
            if let (Some("aws"), Value::Mapping(aws)) = (key.as_str().and_then(|key| known(key, KEYS)), value) {
                profile.read(&source, aws, false)?;
            }
        }
        Ok(profile)
    }

    /// Takes the values of one level: of the top, or of `aws`, which comes later and counts.
    fn read(&mut self, source: &Source, mapping: &Mapping, top: bool) -> Result<(), String> {
        let mut seen = HashSet::new();
        for (key, value) in mapping {
            let key = text(key).ok_or("a key that is no text")?;
            let name = known(&key, KEYS).ok_or_else(|| source.unknown(&key, KEYS))?;
            if !seen.insert(name) {
                return Err(source.wrong(&key, &format!("{name} is given twice")));
            }
            let expected = |what: &str| source.wrong(&key, &format!("expected {what}"));
            let one = || match is_nothing(value) {
                true => Ok(None),
                false => text(value).map(Some).ok_or_else(|| expected("one text")),
            };
            let list = || texts(value).ok_or_else(|| expected("a text or a list of texts"));
            let place = || per_place(value).ok_or_else(|| expected("one for all, or one for each region"));
            match name {
                "aws" if !top => return Err(source.wrong(&key, "an aws key within aws")),
                "aws" if value.is_mapping() || value.is_null() => {}
                "aws" => return Err(expected("keys with values")),
                "name" => self.name = one()?,
                "ami" => self.image = place()?.map(|image| image.map(|text| ImageChoice::from_text(&text))),
                "instance type" => self.instance_types = list()?,
                "security group" => self.security_groups = list()?,
                "key pair" => self.key_name = one()?,
                "elastic ip" => self.elastic_ip = elastic_ip(value).ok_or_else(|| expected("yes, no or an address"))?,
                "zone" => self.zones = list()?,
                "subnet" => self.subnets = place()?.map(|subnet| subnet.map(|subnet| vec![subnet])),
                "iam instance profile" => {
                    self.settings.extend(one()?.map(|profile| (name.to_string(), profile.into())));
                }
                "user data" => self.user_data = list()?,
                "startup scripts" => self.startup_scripts = list()?,
                "shutdown scripts" => self.shutdown_scripts = list()?,
                "check ec2 kernel" if flag(value) == Some(true) => {
                    return Err(expected("the kernel release that `uname -r` prints on the host"));
                }
                "check ec2 kernel" => self.kernel = one()?,
                "volumes" => {
                    let set = |volume: Volume| VolumeSet {
                        name: volume.device.trim_start_matches("/dev/").to_string(),
                        volumes: vec![volume],
                        ..VolumeSet::default()
                    };
                    self.volume_sets = volumes(source, &key, value)?.into_iter().map(set).collect();
                }
                "tags" => self.tags.extend(tags(value).ok_or_else(|| expected("keys with texts"))?),
                // A description is for people.
                _ => {}
            }
        }
        Ok(())
    }
}

fn per_place(value: &Value) -> Option<Option<PerPlace<String>>> {
    match value {
        value if is_nothing(value) => Some(None),
        Value::Mapping(_) => Some(Some(PerPlace::Each(tags(value)?))),
        value => Some(Some(PerPlace::Everywhere(text(value)?))),
    }
}

fn elastic_ip(value: &Value) -> Option<Option<ElasticIp>> {
    match text(value) {
        _ if is_nothing(value) => Some(None),
        _ if flag(value) == Some(true) => Some(Some(ElasticIp::Own)),
        Some(text) if text.starts_with("eipalloc-") || text.parse::<Ipv4Addr>().is_ok() => {
            Some(Some(ElasticIp::Address(text)))
        }
        _ => None,
    }
}

/// Keys with a text each.
fn tags(value: &Value) -> Option<BTreeMap<String, String>> {
    match value {
        value if is_nothing(value) => Some(BTreeMap::new()),
        Value::Mapping(mapping) => mapping.iter().map(|(key, value)| Some((text(key)?, text(value)?))).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The form of the report's profile: a tagged document, keys with blanks, an AMI a region.
    const REPORT: &str = include_str!("../tests/MySQL.yaml");

    #[test]
    fn a_profile_in_the_reports_form_is_read() {
        let profile = Profile::parse(REPORT).unwrap();
        assert_eq!(profile.name.as_deref(), Some("MySQL"));
        let images = profile.image.as_ref().unwrap();
        assert_eq!(images.at("us-east-1", None), Some(&ImageChoice::Id("ami-1aad5273".into())));
        assert_eq!(images.at("us-west-1", Some("us-west-1b")), Some(&ImageChoice::Id("ami-3d491d78".into())));
        assert_eq!(images.at("eu-west-1", None), None);
        assert_eq!(profile.instance_types, ["m2.4xlarge"]);
        assert_eq!(profile.security_groups, ["default", "mysql"]);
        assert_eq!(profile.key_name.as_deref(), Some("prod"));
        assert_eq!(profile.elastic_ip, None);
        assert_eq!(
            profile.user_data,
            ["cloud-config-base.txt", "setup-hostname.sh", "root-login.sh", "cloud-config-puppet.txt"]
        );
        assert_eq!(profile.startup_scripts, ["mount-ebs.sh", "register-dns.sh"]);
        assert_eq!(profile.shutdown_scripts, ["unregister-dns.sh"]);
        assert_eq!(profile.kernel.as_deref(), Some("3.2.0-24-virtual"));
        assert_eq!(profile.volume_sets.len(), 2);
        assert_eq!(profile.volume_sets[0].volumes[0].device, "/dev/sdf");
        assert_eq!(profile.volume_sets[0].volumes[0].size, Some(500));
    }

    #[test]
    fn every_key_that_the_report_prints_is_read() {
        let profile = Profile::parse(include_str!("../tests/Crawler.yaml")).unwrap();
        let images = [("us-east-1", "ami-03cf127a"), ("eu-west-1", "ami-1e749f67"), ("ap-southeast-1", "ami-12c6146b")];
        let images = images.map(|(region, image)| (region.to_string(), ImageChoice::Id(image.into())));
        let expected = Profile {
            name: Some("Crawler".into()),
            image: Some(PerPlace::Each(images.into())),
            instance_types: vec!["m5.large".into()],
            security_groups: vec!["crawlers".into()],
            key_name: Some("crawler-ops".into()),
            user_data: ["base.txt", "hostname.sh.j2", "login.sh", "agent.txt"].map(String::from).into(),
            shutdown_scripts: vec!["hand-over".into()],
            kernel: Some("6.1.0-13-cloud-amd64".into()),
            ..Profile::default()
        };
        assert_eq!(profile, expected);
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
        let why = |text: &str| Profile::parse(text).unwrap_err();
        assert_eq!(why("ami: ami-1\ntags: [1]\n"), "line 2: tags: expected keys with texts");
        assert_eq!(
            why("ami: a\nvolumes:\n  - device: /dev/sdf\n    sise: 5\n"),
            "line 4: unknown key \"sise\": did you mean \"size\"?"
        );
        assert_eq!(why("key pair: a\nkey_pair: b\n"), "line 2: key_pair: key pair is given twice");
        assert_eq!(why("ami: a\nelastic ip: maybe\n"), "line 2: elastic ip: expected yes, no or an address");
        assert!(Profile::parse("ami: ami-1\n\tx: y\n").unwrap_err().starts_with("line 2: "));
        assert_eq!(
            why("check ec2 kernel: yes\n"),
            "line 1: check ec2 kernel: expected the kernel release that `uname -r` prints on the host"
        );
    }

    #[test]
    fn what_people_write_is_understood() {
        let parse = |text: &str| Profile::parse(text).unwrap();
        assert_eq!(
            parse("\u{feff}--- !P\nAMI: ami-1\n").image,
            Some(PerPlace::Everywhere(ImageChoice::Id("ami-1".into())))
        );
        let tagged = "volumes: !Volumes\n  - !Volume {device: /dev/sdf, size: 500GB}\n";
        assert_eq!(parse(tagged).volume_sets[0].volumes[0].size, Some(500));
        for nothing in ["volumes: ~", "volumes: None", "volumes: no", "volumes: []", "volumes:", "elastic ip: None"] {
            assert_eq!(parse(nothing), Profile::default(), "{nothing}");
        }
        assert_eq!(parse("check ec2 kernel: no").kernel, None);
        let merged = "aws: &base {ami: ami-1, key pair: a}\n";
        assert_eq!(parse(merged).key_name.as_deref(), Some("a"));
        assert_eq!(parse("aws:\n  <<: {key pair: a, type: t}\n  key pair: b\n").key_name.as_deref(), Some("b"));
    }

    #[test]
    fn keys_at_the_top_count_where_aws_has_none() {
        let profile = Profile::parse("ami: ami-1\nkey pair: a\naws:\n  key pair: b\n").unwrap();
        assert_eq!(profile.image, Some(PerPlace::Everywhere(ImageChoice::Id("ami-1".into()))));
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
