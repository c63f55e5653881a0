//! What is remembered of a host between two runs: its profile, and all else that launches it again as it was. One
//! JSON document for each host.

pub(crate) mod queue;
pub(crate) mod recall;
pub(crate) mod remembered_profile;

use crate::profile::file::ProfileFile;
use crate::request::Recipe;
use crate::tags::{RESERVED_TAGS, sha256, short_digest};
use cerveza_ec2::MEMORY_LIMIT;
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, Value, json};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The document. Keys that another version writes are skipped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    pub profile_name: String,
    /// SHA-256 of the profile's document.
    pub digest: String,
    /// When this profile was first remembered for the host (RFC 3339); empty until it is written.
    pub since: String,
    /// The profile's document, or nothing if it did not fit.
    #[serde(default)]
    pub profile: Option<Value>,
    /// The zone of the last instance.
    #[serde(default)]
    pub zone: Option<String>,
    /// The tags of the command line and the host's record.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// SHA-256 of each part and script, by its name in the profile.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// SHA-256 of the user-data that came with the host's record instead of the profile's.
    #[serde(default)]
    pub user_data: Option<String>,
    /// The last instance.
    #[serde(default)]
    pub instance_id: Option<String>,
    /// Its image. The profile may name the newest one of a name, which changes.
    #[serde(default)]
    pub image_id: Option<String>,
    #[serde(default)]
    pub launch_time: Option<String>,
}

impl Memory {
    /// Reads the document of a host.
    pub fn parse(text: &str) -> Result<Memory> {
        let is_object = serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object());
        let unusable = |why: &str| Failure::unreached(format!("its memory cannot be used: {why}"));
        if is_object {
            serde_json::from_str(text).map_err(|error| unusable(&error.to_string()))
        } else {
            Err(unusable("it is not a JSON object"))
        }
    }

    /// Returns the memory of a host that is launched or left by a profile. `files` are those of the profile.
    pub fn for_launch(host: &Record, recipe: &Recipe, files: &BTreeMap<String, String>) -> Memory {
        Memory {
            profile_name: recipe.file.name.clone(),
            digest: recipe.file.digest.clone(),
            profile: Some(recipe.file.document()),
            tags: given_tags(host, recipe),
            files: files.clone(),
            user_data: host.str("user_data").map(|user_data| sha256(user_data.as_bytes())),
            ..Memory::default()
        }
    }

    /// Returns what the instance itself shows: where it is, and its tags.
    pub fn from_last_instance(instance: &Record) -> Memory {
        let mut tags = BTreeMap::new();
        if let Some(Value::Object(own)) = instance.get("tags") {
            tags.extend(own.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_string()))));
        }
        tags.retain(|key, _| !RESERVED_TAGS.contains(&key.as_str()));
        Memory { zone: instance.str("zone"), tags, image_id: instance.str("image_id"), ..Memory::default() }
    }

    /// Takes over from the older memory of the same host what still holds.
    pub fn continues(mut self, old: &Memory) -> Memory {
        if self.digest == old.digest {
            self.since = old.since.clone();
        }
        self
    }

    /// Takes over from the older memory what is true of the same instance, which was left or started. `record` has the
    /// instance.
    pub fn with_instance(mut self, record: &Record, old: Option<&Memory>) -> Memory {
        let old = old.filter(|old| old.instance_id.is_some() && old.instance_id == record.str("instance_id"));
        match old {
            None => self.launched(record),
            Some(old) => {
                for (key, value) in &old.tags {
                    self.tags.entry(key.clone()).or_insert(value.clone());
                }
                Memory {
                    zone: record.str("zone"),
                    user_data: old.user_data.clone(),
                    instance_id: old.instance_id.clone(),
                    image_id: record.str("image_id").or(old.image_id.clone()),
                    launch_time: old.launch_time.clone(),
                    ..self
                }
            }
        }
    }

    /// Adds the instance of the record.
    pub fn launched(self, record: &Record) -> Memory {
        Memory {
            zone: record.str("zone").or(self.zone),
            instance_id: record.str("instance_id"),
            image_id: record.str("image_id"),
            launch_time: record.str("launch_time"),
            ..self
        }
    }

    /// Adds to a host that is launched again its zone and tags, under those that its record has.
    pub fn apply(&self, host: &mut Record) {
        if host.str("zone").is_none() {
            host.set("zone", self.zone.clone());
        }
        let mut tags: BTreeMap<String, Value> =
            self.tags.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
        match host.get("tags") {
            Some(Value::Object(given)) => tags.extend(given),
            // What is not an object is refused later.
            Some(other) if !other.is_null() => return,
            _ => {}
        }
        if !tags.is_empty() {
            host.set("tags", Value::Object(tags.into_iter().collect()));
        }
    }

    /// Returns the document as it is stored, and whether all of it is there. The profile is left out if it does not
    /// fit.
    pub fn text(&self) -> (String, bool) {
        let text = stored(self);
        if text.len() <= MEMORY_LIMIT {
            return (text, true);
        }
        let short = Memory { profile: None, files: BTreeMap::new(), tags: BTreeMap::new(), ..self.clone() };
        (stored(&short), false)
    }

    pub fn label(&self) -> String {
        label(&self.profile_name, &self.digest, &self.since)
    }

    /// Returns the record's `remembered`.
    pub fn remembered_note(&self) -> Value {
        json!({"profile": self.profile_name, "digest": short_digest(&self.digest), "since": self.since})
    }
}

/// SSM refuses a value with `{{` before `}}` (API reference, PutParameter). JSON has two opening braces side by side
/// only in strings.
fn stored(memory: &Memory) -> String {
    json!(memory).to_string().replace("{{", "{\\u007b")
}

/// Returns the tags of the command line over those of the record, without the ones that ec2-launch sets itself.
fn given_tags(host: &Record, recipe: &Recipe) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    if let Some(Value::Object(given)) = host.get("tags") {
        let given = given.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_string())));
        tags.extend(given.filter(|(key, _)| !key.to_ascii_lowercase().starts_with("aws:")));
    }
    tags.extend(recipe.tags.iter().cloned());
    tags.retain(|key, value| {
        !RESERVED_TAGS.contains(&key.as_str()) && recipe.file.profile.tags.get(key) != Some(value)
    });
    tags
}

/// Returns what messages say of a remembered profile: `Web (1a2b3c4d5e6f), remembered since 2026-11-29`. Without a day
/// the profile is known by the tags of the last instance.
pub fn label(profile: &str, digest: &str, since: &str) -> String {
    let known = match since.get(..10).unwrap_or(since) {
        "" => "found by the tags of its last instance".to_string(),
        day => format!("remembered since {day}"),
    };
    format!("{profile} ({}), {known}", short_digest(digest))
}

/// Returns the record's `remembered` of a host whose profile the tags of its last instance name.
pub fn tags_note(file: &ProfileFile) -> Value {
    json!({"profile": file.name, "digest": file.digest_tag(), "since": null})
}

/// Returns the message of a failure with its hint.
pub fn with_hint(failure: &Failure) -> String {
    match &failure.hint {
        Some(hint) => format!("{}: {hint}", failure.message),
        None => failure.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Memory {
        Memory {
            profile_name: "Web".into(),
            digest: "1a2b3c4d5e6f7a8b".into(),
            since: "2026-01-02T03:04:05Z".into(),
            profile: Some(json!({"ami": "ami-1"})),
            tags: [("team".to_string(), "web".to_string())].into(),
            instance_id: Some("i-1".into()),
            image_id: Some("ami-1".into()),
            launch_time: Some("2026-01-02T03:00:00Z".into()),
            ..Memory::default()
        }
    }

    #[test]
    fn a_document_reads_back_and_skips_keys_of_other_versions() {
        let (text, is_whole) = memory().text();
        assert!(is_whole);
        assert_eq!(Memory::parse(&text), Ok(memory()));
        assert_eq!(Memory::parse(&text.replacen('{', r#"{"later":{"a":1},"#, 1)), Ok(memory()));
        let failure = Memory::parse("{}").unwrap_err();
        assert!(failure.message.starts_with("its memory cannot be used: missing field"), "{failure}");
        let failure = Memory::parse("[]").unwrap_err();
        assert_eq!(failure.message, "its memory cannot be used: it is not a JSON object");
    }

    #[test]
    fn no_value_has_two_braces_that_ssm_refuses() {
        let braces = Memory { profile: Some(json!({"tags": {"a": "{{ host }}{{{{"}})), ..memory() };
        let (text, _) = braces.text();
        assert!(!text.contains("{{"), "{text}");
        assert_eq!(Memory::parse(&text), Ok(braces));
    }

    #[test]
    fn a_profile_that_does_not_fit_is_left_out() {
        let large = Memory { profile: Some(json!("x".repeat(MEMORY_LIMIT))), ..memory() };
        let (text, is_whole) = large.text();
        assert!(!is_whole && text.len() < 1000, "{text}");
        let short = Memory::parse(&text).unwrap();
        assert_eq!((short.profile, short.digest), (None, large.digest));
    }

    #[test]
    fn what_is_known_of_the_same_instance_stays() {
        let record = Record::parse(
            r#"{"host":"web1","instance_id":"i-1","zone":"us-east-1b","launch_time":"2026-02-02T00:00:00Z"}"#,
        )
        .unwrap();
        let new = Memory { digest: "other".into(), tags: BTreeMap::new(), ..Memory::default() };
        let kept = new.clone().continues(&memory()).with_instance(&record, Some(&memory()));
        assert_eq!((kept.since.as_str(), kept.zone.as_deref()), ("", Some("us-east-1b")));
        assert_eq!((kept.tags, kept.launch_time), (memory().tags, memory().launch_time));
        let other = Memory { instance_id: Some("i-9".into()), ..memory() };
        let fresh = new.with_instance(&record, Some(&other));
        assert_eq!(fresh.launch_time.as_deref(), Some("2026-02-02T00:00:00Z"));
    }

    #[test]
    fn a_record_s_own_zone_and_tags_come_before_the_remembered_ones() {
        let mut host = Record::parse(r#"{"host":"web1","zone":"us-east-1c","tags":{"role":"a"}}"#).unwrap();
        Memory { zone: Some("us-east-1a".into()), ..memory() }.apply(&mut host);
        assert_eq!(host.to_string(), r#"{"host":"web1","zone":"us-east-1c","tags":{"role":"a","team":"web"}}"#);
    }
}
