//! A profile: what a host is launched as. The file's form is that of the LISA 2011 report, keys with blanks and all;
//! each key may be written in snake_case too, and by the EC2 API's name.
//!
//! YAML -> `Document` -> `Resolved` (with what it extends) -> `Profile` (typed) -> `ProfileFile` (with the places of its
//! values) -> `Recipe` (with the files that it names).

pub(crate) mod file;

mod volume_set;

pub use volume_set::{Raid, VolumeSet};

use crate::document::{ValueProblem, keys};
use crate::tags::check_given_tag;
use cerveza_ec2::{ImageChoice, LAUNCH_KEYS, Volume, region_of};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use volume_set::{root_volume, volume_sets};

/// A profile that is resolved: with what it extends, what its volumes extend, and what --set says.
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
    pub settings: Map<String, Value>,
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
    pub fn value_in(&self, region: &str, zone: Option<&str>) -> Option<&T> {
        match self {
            PerPlace::Everywhere(value) => Some(value),
            PerPlace::Each(values) => zone.and_then(|zone| values.get(zone)).or(values.get(region)),
        }
    }
}

impl Profile {
    /// Makes a profile of a document, whose values have the types of their keys. Names everything that is wrong.
    pub fn from_values(values: &Map<String, Value>) -> Result<Profile, Vec<ValueProblem>> {
        let mut wrong = Vec::new();
        let text = |key: &str| values.get(key).and_then(Value::as_str).map(str::to_string);
        let list = |key: &str| values.get(key).map(texts).unwrap_or_default();
        let is_setting = |key: &str| LAUNCH_KEYS.iter().any(|setting| setting.name == key);
        let settings = values.iter().filter(|(key, _)| is_setting(key));
        let profile = Profile {
            name: text("name"),
            image: values.get("ami").map(|value| per_place("ami", value, |path, value| image(path, value, &mut wrong))),
            instance_types: list("instance type"),
            security_groups: list("security group"),
            key_name: text("key pair"),
            elastic_ip: values.get("elastic ip").map(|value| match value.as_str() {
                Some(address) => ElasticIp::Address(address.to_string()),
                None => ElasticIp::Own,
            }),
            zones: list("zone"),
            subnets: values.get("subnet").map(|value| per_place("subnet", value, |_, value| texts(value))),
            user_data: list("user data"),
            startup_scripts: list("startup scripts"),
            shutdown_scripts: list("shutdown scripts"),
            kernel: text("check ec2 kernel"),
            root_volume: values.get("root volume").map(|value| root_volume(value, &mut wrong)),
            volume_sets: values.get("volumes").map(|value| volume_sets(value, &mut wrong)).unwrap_or_default(),
            tags: values.get("tags").map(names_with_texts).unwrap_or_default(),
            settings: settings.map(|(key, value)| (key.clone(), value.clone())).collect(),
        };
        profile.check_texts(&mut wrong);
        if wrong.is_empty() { Ok(profile) } else { Err(wrong) }
    }

    /// Checks texts that have a form of their own.
    fn check_texts(&self, wrong: &mut Vec<ValueProblem>) {
        for (key, value) in &self.tags {
            if let Err(why) = check_given_tag(key, value) {
                wrong.push((format!("tags/{key}"), format!("tags: {why}")));
            }
        }
        for (number, zone) in self.zones.iter().enumerate().filter(|(_, zone)| region_of(zone).is_none()) {
            let why = format!("zone: {zone:?} is not the name of a zone: a zone ends with a letter, as in us-east-1a");
            wrong.push((format!("zone/{number}"), why));
        }
        for (key, names) in [
            ("user data", &self.user_data),
            ("startup scripts", &self.startup_scripts),
            ("shutdown scripts", &self.shutdown_scripts),
        ] {
            let is_content = |name: &str| name.starts_with('#') || name.contains('\n');
            for (number, _) in names.iter().enumerate().filter(|(_, name)| is_content(name)) {
                let why = format!("{key}: expected the name of a file, not its content");
                wrong.push((format!("{key}/{number}"), why));
            }
        }
    }
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_string).collect()
}

fn names_with_texts(value: &Value) -> BTreeMap<String, String> {
    let pairs = value.as_object().into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_string()))).collect()
}

fn per_place<T>(path: &str, value: &Value, mut read: impl FnMut(&str, &Value) -> T) -> PerPlace<T> {
    match value.as_object().filter(|values| values.keys().all(|key| keys::is_place(key))) {
        Some(values) => {
            let each = values.iter().map(|(place, value)| (place.clone(), read(&format!("{path}/{place}"), value)));
            PerPlace::Each(each.collect())
        }
        None => PerPlace::Everywhere(read(path, value)),
    }
}

fn image(path: &str, value: &Value, wrong: &mut Vec<ValueProblem>) -> ImageChoice {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_string);
    match (value.as_str(), text("name"), text("owner")) {
        (Some(text), ..) => ImageChoice::from_text(text),
        (None, Some(name), Some(owner)) => ImageChoice::Newest { name, owner, architecture: text("architecture") },
        (None, None, owner) => {
            wrong.push((path.to_string(), "ami: owner needs a name too".to_string()));
            ImageChoice::Newest { name: String::new(), owner: owner.unwrap_or_default(), architecture: None }
        }
        (None, Some(name), None) => {
            let why = "ami: name needs an owner too, because anyone can publish an image with any name";
            wrong.push((path.to_string(), why.to_string()));
            ImageChoice::Newest { name, owner: String::new(), architecture: None }
        }
    }
}

#[cfg(test)]
mod tests;
