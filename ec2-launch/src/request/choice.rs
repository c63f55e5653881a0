//! The ways to launch a host that are tried one after the other while EC2 has no capacity, as the profile names them.
//! What the names stand for in EC2 is looked up (`catalog` of crates/ec2) and put together later (`resolve.rs`).

use crate::profile::PerPlace;
use crate::request::Recipe;
use cerveza_ec2::{ImageChoice, LaunchRequest, Names, TemplateName, region_of};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use serde_json::Value;

/// A value of the profile, and its path in there.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<T> {
    pub path: String,
    pub value: T,
}

/// One way to launch a host. A launch template may have the image and the instance type instead.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice<'a> {
    pub zone: Option<String>,
    pub image: Option<Named<&'a ImageChoice>>,
    pub instance_type: Option<Named<&'a str>>,
    pub subnet: Option<Named<&'a str>>,
}

impl Recipe {
    /// Every instance type in the first zone or subnet, then in the next. `spread` has the zones of --spread, the
    /// host's own first.
    pub fn choices(&self, host: &Record, region: &str, spread: &[String]) -> Result<Vec<Choice<'_>>> {
        let profile = &self.file.profile;
        let has_template = self.template().is_some();
        let types = profile.instance_types.iter().enumerate();
        let types =
            types.map(|(number, name)| Some(Named { path: format!("instance type/{number}"), value: name.as_str() }));
        let types: Vec<_> = match types.len() {
            0 if has_template => vec![None],
            0 => return Err(self.missing("instance type", "instance type")),
            _ => types.collect(),
        };
        let mut choices = Vec::new();
        for zone in self.zones(host, region, spread)? {
            let image = profile.image.as_ref().map(|images| value_for_zone("ami", images, region, zone.as_deref()));
            let image = match image {
                None if has_template => None,
                None => return Err(self.missing("ami", "ami")),
                Some(None) => return Err(self.missing("ami", format!("ami for {region}"))),
                Some(image) => image,
            };
            for subnet in self.subnets(region, zone.as_deref())? {
                for instance_type in &types {
                    choices.push(Choice {
                        zone: zone.clone(),
                        image: image.clone(),
                        instance_type: instance_type.clone(),
                        subnet: subnet.clone(),
                    });
                }
            }
        }
        Ok(choices)
    }

    /// Returns what a key of the profile lacks.
    fn missing(&self, key: &str, what: impl std::fmt::Display) -> Failure {
        let place = self.file.place_of(key);
        Failure::usage(format!("{place}: profile {} has no {what}", self.file.name))
    }

    /// Returns the zones to try: the one of --zone or of the record, else those of --spread, else those of the profile
    /// that lie in the region. One that is not named is left to EC2.
    fn zones(&self, host: &Record, region: &str, spread: &[String]) -> Result<Vec<Option<String>>> {
        let lies_here = |zone: &String| region_of(zone).as_deref() == Some(region);
        let zones = match self.zone.clone().or(host.str("zone")) {
            Some(zone) => vec![zone],
            None if !spread.is_empty() => spread.to_vec(),
            None => {
                let (here, elsewhere): (Vec<_>, Vec<_>) = self.file.profile.zones.iter().cloned().partition(lies_here);
                if here.is_empty() { elsewhere } else { here }
            }
        };
        match zones.iter().find(|zone| !lies_here(zone)) {
            Some(elsewhere) => {
                let place = match self.file.profile.zones.iter().position(|zone| zone == elsewhere) {
                    Some(number) => self.file.place_of(&format!("zone/{number}")) + ": ",
                    None => String::new(),
                };
                Err(Failure::usage(format!("{place}zone {elsewhere} is not in {region}")))
            }
            None if zones.is_empty() => Ok(vec![None]),
            None => Ok(zones.into_iter().map(Some).collect()),
        }
    }

    fn subnets(&self, region: &str, zone: Option<&str>) -> Result<Vec<Option<Named<&str>>>> {
        let Some(subnets) = &self.file.profile.subnets else { return Ok(vec![None]) };
        let named = value_for_zone("subnet", subnets, region, zone).filter(|subnets| !subnets.value.is_empty());
        let Named { path, value } =
            named.ok_or_else(|| self.missing("subnet", format!("subnet for {}", zone.unwrap_or(region))))?;
        let subnet = |(number, id)| Some(Named { path: format!("{path}/{number}"), value: String::as_str(id) });
        Ok(value.iter().enumerate().map(subnet).collect())
    }

    /// Returns a setting of the profile that is a text.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.file.profile.settings.get(name).and_then(Value::as_str)
    }

    pub fn template(&self) -> Option<TemplateName> {
        let version = self.setting("launch template version").map(str::to_string);
        Some((self.setting("launch template")?.to_string(), version))
    }

    /// Returns the network interfaces of the profile.
    pub fn interfaces(&self) -> &[Value] {
        let interfaces = self.file.profile.settings.get("network interfaces").and_then(Value::as_array);
        interfaces.map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the path of an address or a network interface that only one host can have.
    pub fn path_of_one_host(&self) -> Option<String> {
        const ADDRESSES: [&str; 3] = ["private ip", "ipv6 addresses", "network interface id"];
        let settings = Value::Object(self.file.profile.settings.clone());
        let own = ADDRESSES.iter().find(|key| has_value(&settings, key)).map(|key| key.to_string());
        let of_interface = |(number, interface): (usize, &Value)| {
            let key = ADDRESSES.iter().find(|key| has_value(interface, key))?;
            Some(format!("network interfaces/{number}/{key}"))
        };
        own.or_else(|| self.interfaces().iter().enumerate().find_map(of_interface))
    }

    /// Returns whether a launch without a subnet goes into a default one: not if a template or an interface may have
    /// another.
    pub fn uses_default_subnet(&self) -> bool {
        self.template().is_none()
            && !self.interfaces().iter().any(|it| has_value(it, "subnet") || has_value(it, "network interface id"))
    }

    /// Adds what the choices and the rest of the profile name to what is looked up.
    pub fn add_names(&self, choices: &[Choice<'_>], names: &mut Names) {
        let profile = &self.file.profile;
        for choice in choices {
            names.images.extend(choice.image.as_ref().map(|image| image.value.clone()));
            names.instance_types.extend(choice.instance_type.as_ref().map(|it| it.value.to_string()));
            match &choice.subnet {
                Some(subnet) => _ = names.subnets.insert(subnet.value.to_string()),
                None => names.default_subnets |= self.uses_default_subnet(),
            }
        }
        names.security_groups.extend(profile.security_groups.iter().cloned());
        for interface in self.interfaces() {
            names.subnets.extend(interface["subnet"].as_str().map(str::to_string));
            names.security_groups.extend(texts(&interface["security groups"]));
        }
        names.key_pairs.extend(profile.key_name.clone());
        let group = self.setting("placement group").filter(|group| !group.starts_with("pg-"));
        names.placement_groups.extend(group.map(str::to_string));
        names.launch_templates.extend(self.template());
    }

    /// Returns a request with what needs no looking up.
    pub fn bare_request(&self, region: &str, choice: &Choice<'_>) -> LaunchRequest {
        let profile = &self.file.profile;
        LaunchRequest {
            region: region.to_string(),
            zone: choice.zone.clone(),
            instance_type: choice.instance_type.as_ref().map(|it| it.value.to_string()).unwrap_or_default(),
            key_name: profile.key_name.clone(),
            subnet_id: choice.subnet.as_ref().map(|subnet| subnet.value.to_string()),
            security_groups: profile.security_groups.clone(),
            settings: profile.settings.clone(),
            volumes: profile.volume_sets.iter().flat_map(|set| set.volumes.clone()).collect(),
            ..LaunchRequest::default()
        }
    }
}

/// Returns whether an object has a value for a key.
pub fn has_value(object: &Value, key: &str) -> bool {
    !object[key].is_null()
}

pub fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_string())).collect()
}

/// Returns the value for a zone, else that for its region.
fn value_for_zone<'a, T>(key: &str, values: &'a PerPlace<T>, region: &str, zone: Option<&str>) -> Option<Named<&'a T>> {
    let value = values.value_in(region, zone)?;
    let path = match values {
        PerPlace::Everywhere(_) => key.to_string(),
        PerPlace::Each(each) => match zone.filter(|zone| each.contains_key(*zone)) {
            Some(zone) => format!("{key}/{zone}"),
            None => format!("{key}/{region}"),
        },
    };
    Some(Named { path, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::file::ProfileFile;

    fn recipe(yaml: &str) -> Recipe {
        let file = ProfileFile::from_text("Web", "text", "/".as_ref(), yaml).unwrap();
        Recipe { file, parts: None, startup_scripts: vec![], shutdown_scripts: vec![], zone: None, tags: vec![] }
    }

    #[test]
    fn all_types_are_tried_in_a_zone_before_the_next_zone() {
        let yaml = "ami: ami-1\ninstance type: [m5.large, m6i.large]\nzone: [us-east-1a, eu-west-1a, us-east-1b]\n";
        let recipe = recipe(yaml);
        let tried = |host: &Record, spread: &[String]| {
            let choices = recipe.choices(host, "us-east-1", spread).unwrap();
            let tried = choices
                .iter()
                .map(|it| format!("{} {}", it.zone.clone().unwrap(), it.instance_type.as_ref().unwrap().value));
            tried.collect::<Vec<_>>()
        };
        let host = Record::named("web1");
        let (a, b) = (["us-east-1a m5.large", "us-east-1a m6i.large"], ["us-east-1b m5.large", "us-east-1b m6i.large"]);
        assert_eq!(tried(&host, &[]), [a, b].concat());
        assert_eq!(tried(&host, &["us-east-1b".into(), "us-east-1a".into()]), [b, a].concat());
        let placed = Record::parse(r#"{"host":"web1","zone":"us-east-1b"}"#).unwrap();
        assert_eq!(tried(&placed, &["us-east-1a".into()]), b);
    }

    #[test]
    fn what_the_profile_lacks_is_named() {
        let why =
            |yaml: &str, region: &str| recipe(yaml).choices(&Record::named("web1"), region, &[]).unwrap_err().message;
        let yaml = "ami: {us-east-1: ami-1}\ninstance type: t3.micro\nzone: us-east-1a\n";
        assert_eq!(why(yaml, "eu-west-1"), "text: zone us-east-1a is not in eu-west-1");
        let anywhere = yaml.replace("zone: us-east-1a\n", "");
        assert_eq!(why(&anywhere, "eu-west-1"), "text: profile Web has no ami for eu-west-1");
        assert_eq!(why("ami: ami-1", "us-east-1"), "text: profile Web has no instance type");
        assert_eq!(why("instance type: t3.micro", "us-east-1"), "text: profile Web has no ami");
        let subnets = "ami: ami-1\ninstance type: t\nzone: us-east-1a\nsubnet: {us-east-1b: subnet-1}\n";
        assert_eq!(why(subnets, "us-east-1"), "text: profile Web has no subnet for us-east-1a");
    }

    #[test]
    fn everything_that_is_named_is_looked_up() {
        let yaml = "ami: {us-east-1: 'resolve:ssm:/a', us-east-1b: ami-2}\ninstance type: [t3.micro, m5.large]\n\
                    zone: [us-east-1a, us-east-1b]\nsubnet: {us-east-1a: [subnet-1, subnet-2], us-east-1b: subnet-3}\n\
                    security groups: [web, sg-1]\nkey pair: prod\nplacement group: near\n\
                    network interfaces: [{subnet: subnet-4, security groups: [db]}]\n";
        let recipe = recipe(yaml);
        let choices = recipe.choices(&Record::named("web1"), "us-east-1", &[]).unwrap();
        let paths: Vec<_> = choices.iter().map(|it| it.subnet.as_ref().unwrap().path.as_str()).collect();
        let (a, b) = (["subnet/us-east-1a/0"; 2], ["subnet/us-east-1a/1"; 2]);
        assert_eq!(paths, [a, b, ["subnet/us-east-1b/0"; 2]].concat());
        assert_eq!(choices[5].image.as_ref().unwrap().path, "ami/us-east-1b");
        let mut names = Names::default();
        recipe.add_names(&choices, &mut names);
        let set = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
        let expected = Names {
            images: [ImageChoice::Parameter("/a".into()), ImageChoice::Id("ami-2".into())].into(),
            instance_types: set(&["m5.large", "t3.micro"]),
            subnets: set(&["subnet-1", "subnet-2", "subnet-3", "subnet-4"]),
            security_groups: set(&["db", "sg-1", "web"]),
            key_pairs: set(&["prod"]),
            placement_groups: set(&["near"]),
            ..Names::default()
        };
        assert_eq!(names, expected);
    }

    #[test]
    fn an_address_of_one_host_is_found() {
        let path = |yaml: &str| recipe(&format!("ami: ami-1\n{yaml}")).path_of_one_host();
        assert_eq!(path("private ip: 10.0.0.7"), Some("private ip".to_string()));
        let interfaces = "network interfaces: [{device index: 0}, {id: eni-1}]";
        assert_eq!(path(interfaces), Some("network interfaces/1/network interface id".to_string()));
        assert_eq!(path("associate public ip: yes"), None);
    }

    #[test]
    fn a_launch_template_may_have_the_image_and_the_type() {
        let recipe = recipe("launch template: base\nlaunch template version: 3\n");
        let choices = recipe.choices(&Record::named("web1"), "us-east-1", &[]).unwrap();
        assert_eq!(choices, [Choice { zone: None, image: None, instance_type: None, subnet: None }]);
        let mut names = Names::default();
        recipe.add_names(&choices, &mut names);
        assert_eq!(names.launch_templates, [("base".to_string(), Some("3".to_string()))].into());
        assert!(!names.default_subnets);
    }
}
