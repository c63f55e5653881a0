//! Makes the requests that launch a host of its profile.

pub(crate) mod choice;
pub(crate) mod recipe;
pub(crate) mod resolve;
pub(crate) mod root_volume;
pub(crate) mod zones;

pub use recipe::Recipe;

use crate::disks::boot_script;
use crate::disks::choose::Disks;
use crate::request::resolve::resolve;
use crate::tags::DIGEST_TAG;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cerveza_ec2::{Catalog, LaunchRequest, MOST_TAGS, check_tag};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use std::collections::BTreeMap;

/// How many more tags a volume gets: its device, its set, and its position there.
const SLOT_TAGS: usize = 3;

impl Recipe {
    /// Returns the requests that launch a host in `region`, in the order in which they are tried while EC2 has no
    /// capacity, and what the user is to know of them. `spread` has the zones of --spread, the host's own first.
    pub fn requests(
        &self,
        host: &Record,
        region: &str,
        spread: &[String],
        disks: &Disks,
        catalog: &Catalog,
    ) -> Result<(Vec<LaunchRequest>, Vec<String>)> {
        let tags = self.tags(host)?;
        let (mut requests, notes) = resolve(self, region, &self.choices(host, region, spread)?, &tags, catalog)?;
        let user_data = self.user_data(host, disks)?;
        for request in &mut requests {
            (request.user_data, request.tags) = (user_data.clone(), tags.clone());
        }
        Ok((requests, notes))
    }

    /// Returns the record's own user-data, else the profile's parts; with the script that assembles the profile's
    /// volumes.
    fn user_data(&self, host: &Record, disks: &Disks) -> Result<Option<String>> {
        let sets = &self.file.profile.volume_sets;
        let assembles = boot_script::is_needed(sets);
        let record = if assembles { boot_script::with_sets(host, sets, &disks.volume_ids()) } else { host.clone() };
        match (host.str("user_data"), &self.parts) {
            (Some(given), _) => {
                let bytes = STANDARD.decode(&given).map_err(|_| Failure::usage("user_data is not base64"))?;
                if bytes.len() > mkuserdata::LIMIT {
                    return Err(Failure::usage(format!(
                        "user_data has {} bytes: EC2 allows at most {}",
                        bytes.len(),
                        mkuserdata::LIMIT
                    )));
                }
                if !assembles {
                    return Ok(Some(given));
                }
                let bytes = boot_script::part().added_to(&bytes, &record);
                Ok(Some(STANDARD.encode(bytes.map_err(|failure| failure.within("user_data"))?)))
            }
            (None, Some(parts)) => Ok(Some(STANDARD.encode(parts.build(Some(&record))?.bytes))),
            (None, None) => Ok(None),
        }
    }

    /// Returns the profile's tags, then the record's, then those of --tag; later ones win. Name and profile cannot be
    /// chosen.
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
        tags.insert(DIGEST_TAG.to_string(), self.file.digest_tag().to_string());
        tags.insert("Name".to_string(), host.host().to_string());
        let of_volumes = if self.file.profile.volume_sets.is_empty() { 0 } else { SLOT_TAGS };
        match (tags.len() + of_volumes, of_volumes) {
            (..=MOST_TAGS, _) => checked(tags),
            (many, 0) => Err(Failure::usage(format!("{many} tags: EC2 allows at most {MOST_TAGS}"))),
            (many, _) => Err(Failure::usage(format!(
                "{many} tags, including those for the position of a volume: EC2 allows at most {MOST_TAGS}"
            ))),
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
    use crate::profile::file::ProfileFile;

    fn recipe(yaml: &str) -> Recipe {
        let file = ProfileFile::from_text("Web", "text", "/".as_ref(), yaml).unwrap();
        let tags = vec![("team".into(), "ops".into())];
        Recipe { file, parts: None, startup_scripts: vec![], shutdown_scripts: vec![], zone: None, tags }
    }

    fn requests(host: &Record) -> Result<Vec<LaunchRequest>> {
        let (requests, _) = recipe(YAML).requests(host, "us-east-1", &[], &Disks::default(), &Catalog::default())?;
        Ok(requests)
    }

    const YAML: &str =
        "ami: {us-east-1: ami-1}\ninstance type: t3.micro\nzone: us-east-1a\ntags: {role: web, team: x}\n";

    #[test]
    fn tags_of_the_command_line_win_over_the_records_and_those_over_the_profiles() {
        let host = Record::parse(r#"{"host":"web1","tags":{"role":"db","aws:x":"y","Name":"old","n":"1"}}"#).unwrap();
        let request = requests(&host).unwrap().remove(0);
        let own = request.tags.iter().filter(|(key, _)| *key != DIGEST_TAG);
        let tags: Vec<_> = own.map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(tags, ["Name=web1", "n=1", "profile=Web", "role=db", "team=ops"]);
        assert_eq!(request.image_id, "ami-1");
        assert_eq!(request.zone.as_deref(), Some("us-east-1a"));
    }

    #[test]
    fn bad_user_data_is_refused_before_ec2_would() {
        let with = |user_data: &str| {
            let mut host = Record::named("web1");
            host.set("user_data", user_data);
            requests(&host).map_err(|failure| failure.message)
        };
        assert_eq!(with("not base64!").unwrap_err(), "user_data is not base64");
        assert_eq!(
            with(&STANDARD.encode(vec![0; 16_385])).unwrap_err(),
            "user_data has 16385 bytes: EC2 allows at most 16384"
        );
        assert_eq!(with("aGk=").unwrap()[0].user_data.as_deref(), Some("aGk="));
    }
}
