//! From a profile and a host to the one request that launches it.

use crate::memory::{DIGEST_TAG, digest_tag};
use crate::profile_file::ProfileFile;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cerveza_ec2::{ImageChoice, LaunchRequest, check_tag, region_of};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use mkuserdata::{Effort, Options, Parts};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What hosts are launched as: the profile, with what the command line adds to it.
#[derive(Debug)]
pub struct Recipe {
    pub file: ProfileFile,
    /// The profile's own user-data parts, for hosts whose record brings none.
    pub parts: Option<Parts>,
    /// Scripts of this machine, for what runs them over SSH.
    pub startup_scripts: Vec<PathBuf>,
    pub shutdown_scripts: Vec<PathBuf>,
    /// --zone, over the record's and the profile's.
    pub zone: Option<String>,
    /// --tag, over the record's and the profile's.
    pub tags: Vec<(String, String)>,
}

/// EC2's limit of tags on one resource (EC2 user guide, "Tag restrictions").
const MOST_TAGS: usize = 50;

impl Recipe {
    /// Finds the profile's scripts, and reads its user-data parts.
    pub fn new(file: ProfileFile, zone: Option<String>, tags: Vec<(String, String)>) -> Result<Recipe> {
        let paths = file.profile.user_data.iter().map(|part| file.find("user data part", part));
        let paths = paths.collect::<Result<Vec<_>>>()?;
        let startup_scripts = file.find_scripts("startup script", &file.profile.startup_scripts)?;
        let shutdown_scripts = file.find_scripts("shutdown script", &file.profile.shutdown_scripts)?;
        // What does not fit this way is compressed the other way all the same.
        let options = Options { effort: Effort::Fast, ..Options::default() };
        let parts = match paths.is_empty() {
            true => None,
            false => {
                Some(Parts::read(&paths, options).map_err(|failure| failure.within(format!("profile {}", file.name)))?)
            }
        };
        Ok(Recipe { file, parts, startup_scripts, shutdown_scripts, zone, tags })
    }

    /// Puts into a host's record what the profile says for the tools that reach the host over SSH: its scripts, and the
    /// kernel that must run there.
    pub fn annotate(&self, record: &mut Record) {
        for (key, scripts) in [("startup_scripts", &self.startup_scripts), ("shutdown_scripts", &self.shutdown_scripts)]
        {
            if !scripts.is_empty() {
                record.set(key, scripts.iter().map(|script| script.to_string_lossy()).collect::<Vec<_>>());
            }
        }
        if let Some(kernel) = &self.file.profile.kernel {
            record.set("kernel", kernel.as_str());
        }
    }

    /// The request for one host in `region`. Security groups are named here as the profile names them.
    pub fn request(&self, host: &Record, region: &str) -> Result<LaunchRequest> {
        let profile = &self.file.profile;
        let missing = |what: String| Failure::usage(format!("profile {} has no {what}", self.file.name));
        let zone = self.zone.clone().or(host.str("zone")).or(profile.zones.first().cloned());
        if let Some(elsewhere) = zone.as_deref().filter(|zone| region_of(zone).as_deref() != Some(region)) {
            return Err(Failure::usage(format!("zone {elsewhere} does not lie in {region}")));
        }
        let image = profile.image.as_ref().ok_or_else(|| missing("ami".to_string()))?;
        let image = image.at(region, zone.as_deref()).ok_or_else(|| missing(format!("ami for {region}")))?;
        let ImageChoice::Id(image) = image else { return Err(Failure::usage("an ami by parameter or name")) };
        let instance_type = profile.instance_types.first().ok_or_else(|| missing("instance type".to_string()))?;
        let subnet = match &profile.subnets {
            None => None,
            Some(subnet) => {
                let here = zone.as_deref().unwrap_or(region);
                let subnets = subnet.at(region, zone.as_deref());
                Some(subnets.and_then(|subnets| subnets.first()).ok_or_else(|| missing(format!("subnet for {here}")))?)
            }
        };
        Ok(LaunchRequest {
            region: region.to_string(),
            image_id: image.to_string(),
            instance_type: instance_type.clone(),
            key_name: profile.key_name.clone(),
            security_groups: profile.security_groups.clone(),
            subnet_id: subnet.cloned(),
            zone,
            settings: profile.settings.clone(),
            user_data: self.user_data(host)?,
            tags: self.tags(host)?,
            volumes: profile.volume_sets.iter().flat_map(|set| set.volumes.clone()).collect(),
        })
    }

    /// The record's own user-data, else the profile's parts.
    fn user_data(&self, host: &Record) -> Result<Option<String>> {
        match (host.str("user_data"), &self.parts) {
            (Some(given), _) => {
                let bytes = STANDARD.decode(&given).map_err(|_| Failure::usage("user_data is not base64"))?;
                match bytes.len() <= mkuserdata::LIMIT {
                    true => Ok(Some(given)),
                    false => Err(Failure::usage(format!(
                        "user_data has {} bytes: EC2 takes at most {}",
                        bytes.len(),
                        mkuserdata::LIMIT
                    ))),
                }
            }
            (None, Some(parts)) => Ok(Some(STANDARD.encode(parts.build(Some(host))?.bytes))),
            (None, None) => Ok(None),
        }
    }

    /// The profile's tags, over them the record's, over them --tag's; Name and profile are not anybody's to choose.
    fn tags(&self, host: &Record) -> Result<BTreeMap<String, String>> {
        let mut tags = self.file.profile.tags.clone();
        if let Some(given) = host.get("tags").filter(|given| !given.is_null()) {
            let given = given.as_object().ok_or_else(|| Failure::usage("tags is not an object"))?.clone();
            for (key, value) in given.into_iter().filter(|(key, _)| !key.to_ascii_lowercase().starts_with("aws:")) {
                let value = value.as_str().ok_or_else(|| Failure::usage(format!("tags: {key} is not a text")))?;
                tags.insert(key, value.to_string());
            }
        }
        tags.extend(self.tags.iter().cloned());
        tags.insert("profile".to_string(), self.file.name.clone());
        tags.insert(DIGEST_TAG.to_string(), digest_tag(&self.file));
        tags.insert("Name".to_string(), host.host().to_string());
        match tags.len() {
            0..=MOST_TAGS => checked(tags),
            many => Err(Failure::usage(format!("{many} tags: EC2 takes at most {MOST_TAGS}"))),
        }
    }
}

fn checked(tags: BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
    for (key, value) in &tags {
        check_tag(key, value).map_err(Failure::usage)?;
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(yaml: &str) -> Recipe {
        let file = ProfileFile::from_text("Web", "text", "/".as_ref(), yaml).unwrap();
        let tags = vec![("team".into(), "ops".into())];
        Recipe { file, parts: None, startup_scripts: vec![], shutdown_scripts: vec![], zone: None, tags }
    }

    const YAML: &str =
        "ami: {us-east-1: ami-1}\ninstance type: t3.micro\nzone: us-east-1a\ntags: {role: web, team: x}\n";

    #[test]
    fn tags_of_the_command_line_win_over_the_records_and_those_over_the_profiles() {
        let host = Record::parse(r#"{"host":"web1","tags":{"role":"db","aws:x":"y","Name":"old","n":"1"}}"#).unwrap();
        let request = recipe(YAML).request(&host, "us-east-1").unwrap();
        let own = request.tags.iter().filter(|(key, _)| *key != DIGEST_TAG);
        let tags: Vec<_> = own.map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(tags, ["Name=web1", "n=1", "profile=Web", "role=db", "team=ops"]);
        assert_eq!(request.image_id, "ami-1");
        assert_eq!(request.zone.as_deref(), Some("us-east-1a"));
    }

    #[test]
    fn what_the_profile_lacks_is_named() {
        let why = |yaml: &str, region: &str| recipe(yaml).request(&Record::named("web1"), region).unwrap_err().message;
        assert_eq!(why(YAML, "eu-west-1"), "zone us-east-1a does not lie in eu-west-1");
        let anywhere = YAML.replace("zone: us-east-1a\n", "");
        assert_eq!(why(&anywhere, "eu-west-1"), "profile Web has no ami for eu-west-1");
        assert_eq!(why("ami: ami-1", "us-east-1"), "profile Web has no instance type");
        assert_eq!(why("instance type: t3.micro", "us-east-1"), "profile Web has no ami");
        let subnets = "ami: ami-1\ninstance type: t\nzone: us-east-1a\nsubnet: {us-east-1b: subnet-1}\n";
        assert_eq!(why(subnets, "us-east-1"), "profile Web has no subnet for us-east-1a");
    }

    #[test]
    fn bad_user_data_is_refused_before_ec2_would() {
        let with = |user_data: &str| {
            let mut host = Record::named("web1");
            host.set("user_data", user_data);
            recipe(YAML).request(&host, "us-east-1").map_err(|failure| failure.message)
        };
        assert_eq!(with("not base64!").unwrap_err(), "user_data is not base64");
        assert_eq!(
            with(&STANDARD.encode(vec![0; 16_385])).unwrap_err(),
            "user_data has 16385 bytes: EC2 takes at most 16384"
        );
        assert_eq!(with("aGk=").unwrap().user_data.as_deref(), Some("aGk="));
    }
}
