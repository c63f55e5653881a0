//! Decides which tags of which resources change. Does no I/O.

use cerveza_ec2::{DEVICE_TAG, EbsVolume, MOST_TAGS, Tags, fits_metadata};
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One tag of one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagChange {
    /// The id of an instance or a volume.
    pub resource: String,
    pub key: String,
    /// `None` if the resource does not have the tag.
    pub before: Option<String>,
    pub after: Option<String>,
}

/// The volumes of the hosts by id, with their tags.
pub type Volumes = HashMap<String, EbsVolume>;

/// What is done with volumes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VolumeTags {
    /// Whether they get the tags of their host.
    pub as_host: bool,
    /// Whether they get the name of their host and their device.
    pub device_names: bool,
}

impl VolumeTags {
    pub fn any(self) -> bool {
        self.as_host || self.device_names
    }
}

/// Returns the changes that give a host's instance and volumes their tags: none of a tag that holds already. Fails
/// where EC2 would refuse one.
pub fn changes(record: &Record, tags: &Tags, volume_tags: VolumeTags, volumes: &Volumes) -> Result<Vec<TagChange>> {
    let id = record.str("instance_id").unwrap_or_default();
    if offers_tags_in_metadata(record)
        && let Some((key, _)) = tags.set.iter().find(|(key, _)| !fits_metadata(key))
    {
        let why = "the instance shows its tags in its metadata, where a key can only have letters, digits and + - = . , _ : @";
        return Err(Failure::usage(format!("tag {key}: {why}")).hint(format!(
            "use another key, or turn off tags in metadata: aws ec2 modify-instance-metadata-options --instance-id {id} \
             --instance-metadata-tags disabled"
        )));
    }
    let mut changes = changes_of(&id, &tags_in(record), tags)?;
    let name = tags.set.iter().find(|(key, _)| key == "Name").map_or(record.host(), |(_, name)| name.as_str());
    for (volume, device) in volumes_of(record).into_iter().filter(|_| volume_tags.any()) {
        let mut wanted = if volume_tags.as_host { tags.clone() } else { Tags::default() };
        if volume_tags.device_names {
            let names = [("Name", Some(name)), (DEVICE_TAG, device.as_deref())];
            wanted.set.retain(|(key, _)| key != "Name");
            wanted.set.extend(names.iter().filter_map(|(key, value)| Some((key.to_string(), (*value)?.to_string()))));
        }
        // One that is not listed has just been detached and deleted.
        if let Some(known) = volumes.get(&volume) {
            changes.extend(changes_of(&volume, &known.tags, &wanted)?);
        }
    }
    Ok(changes)
}

fn changes_of(resource: &str, now: &BTreeMap<String, String>, wanted: &Tags) -> Result<Vec<TagChange>> {
    let set = wanted.set.iter().map(|(key, value)| (key, Some(value)));
    let remove = wanted.remove.iter().map(|key| (key, None));
    let changes: Vec<TagChange> = set
        .chain(remove)
        .filter(|(key, after)| now.get(*key) != *after)
        .map(|(key, after)| TagChange {
            resource: resource.to_string(),
            key: key.clone(),
            before: now.get(key).cloned(),
            after: after.cloned(),
        })
        .collect();
    let (count, added) = (own_tags(now), added(&changes));
    if added > 0 && count + added > MOST_TAGS as isize {
        let message = format!("{resource} would have {} tags: EC2 allows {MOST_TAGS}", count + added);
        return Err(Failure::usage(message).hint("KEY- removes a tag in the same run"));
    }
    Ok(changes)
}

/// Returns how many more tags a resource has after the changes.
fn added(changes: &[TagChange]) -> isize {
    let one = |change: &TagChange| isize::from(change.after.is_some()) - isize::from(change.before.is_some());
    changes.iter().map(one).sum()
}

/// Returns how many tags count towards EC2's limit: those of AWS itself do not.
fn own_tags(tags: &BTreeMap<String, String>) -> isize {
    tags.keys().filter(|key| !key.starts_with("aws:")).count() as isize
}

/// Returns the resources of a host whose tags must be removed before others are set: the limit has no room for both.
pub fn remove_first(record: &Record, changes: &[TagChange], volumes: &Volumes) -> BTreeSet<String> {
    let id = record.str("instance_id").unwrap_or_default();
    let is_full = |resource: &&String| {
        let now = if **resource == id {
            tags_in(record)
        } else {
            volumes.get(*resource).map(|it| it.tags.clone()).unwrap_or_default()
        };
        let new = changes.iter().filter(|change| change.resource == **resource && change.before.is_none()).count();
        own_tags(&now) + new as isize > MOST_TAGS as isize
    };
    let resources: BTreeSet<&String> = changes.iter().map(|change| &change.resource).collect();
    resources.into_iter().filter(is_full).cloned().collect()
}

/// Fails each host that shares a volume with another one that wants other tags for it.
pub fn refuse_conflicts(plans: &mut [(String, Result<Vec<TagChange>>)]) {
    let mut wanted: HashMap<(&str, &str), BTreeSet<&Option<String>>> = HashMap::new();
    for change in plans.iter().flat_map(|(_, plan)| plan.iter().flatten()) {
        wanted.entry((&change.resource, &change.key)).or_default().insert(&change.after);
    }
    let conflicts: BTreeSet<String> =
        wanted.iter().filter(|(_, values)| values.len() > 1).map(|((resource, _), _)| resource.to_string()).collect();
    for (_, plan) in plans.iter_mut() {
        let resource = plan.iter().flatten().find(|change| conflicts.contains(&change.resource));
        if let Some(resource) = resource.map(|change| change.resource.clone()) {
            *plan = Err(Failure::usage(format!(
                "{resource} belongs to several of these hosts, which give it different tags"
            )));
        }
    }
}

fn offers_tags_in_metadata(record: &Record) -> bool {
    let options = record.get("metadata_options");
    options.is_some_and(|options| options["instance_metadata_tags"] == "enabled")
}

pub fn tags_in(record: &Record) -> BTreeMap<String, String> {
    let tags = record.get("tags");
    let pairs = tags.iter().filter_map(Value::as_object).flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_string()))).collect()
}

/// Returns the EBS volumes of an instance with their devices.
pub fn volumes_of(record: &Record) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_string);
    let volumes = record.get("volumes");
    let volumes = volumes.iter().filter_map(Value::as_array).flatten();
    volumes.filter_map(|volume| Some((text(&volume["volume_id"])?, text(&volume["device"])))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = concat!(
        r#"{"host":"web1","instance_id":"i-1","tags":{"Name":"web1","old":"x","aws:autoscaling:groupName":"g"},"#,
        r#""volumes":[{"device":"/dev/sda1","volume_id":"vol-1"}],"metadata_options":{"instance_metadata_tags":"TAGS"}}"#
    );

    fn record() -> Record {
        Record::parse(RECORD).unwrap()
    }

    fn volumes(tags: &[(&str, &str)]) -> Volumes {
        let tags = tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        HashMap::from([("vol-1".to_string(), EbsVolume { id: "vol-1".into(), tags, ..EbsVolume::default() })])
    }

    fn tags(set: &[(&str, &str)], remove: &[&str]) -> Tags {
        Tags {
            set: set.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            remove: remove.iter().map(|key| key.to_string()).collect(),
        }
    }

    const BOTH: VolumeTags = VolumeTags { as_host: true, device_names: false };
    const DEVICES: VolumeTags = VolumeTags { as_host: true, device_names: true };

    fn shown(changes: Result<Vec<TagChange>>) -> Vec<String> {
        let text = |value: Option<String>| value.unwrap_or("none".to_string());
        let shown = |change: TagChange| {
            format!("{} {}: {} -> {}", change.resource, change.key, text(change.before), text(change.after))
        };
        changes.unwrap().into_iter().map(shown).collect()
    }

    #[test]
    fn a_tag_that_holds_does_not_change() {
        let tags = tags(&[("old", "x"), ("team", "dba")], &["gone"]);
        let with_volumes = changes(&record(), &tags, BOTH, &volumes(&[("team", "dba"), ("gone", "y")]));
        let expected = ["i-1 team: none -> dba", "vol-1 old: none -> x", "vol-1 gone: y -> none"];
        assert_eq!(shown(with_volumes), expected);
        assert_eq!(shown(changes(&record(), &tags, VolumeTags::default(), &volumes(&[]))), expected[..1]);
    }

    #[test]
    fn a_volume_gets_the_name_of_its_host_and_its_device() {
        let changed = changes(&record(), &tags(&[], &[]), DEVICES, &volumes(&[("Name", "web1")]));
        assert_eq!(shown(changed), ["vol-1 device: none -> /dev/sda1"]);
        let renamed = changes(&record(), &tags(&[("Name", "db1")], &[]), DEVICES, &volumes(&[("device", "/dev/sda1")]));
        assert_eq!(shown(renamed), ["i-1 Name: web1 -> db1", "vol-1 Name: none -> db1"]);
    }

    #[test]
    fn the_limit_counts_the_tags_that_a_resource_has() {
        let many: Vec<(String, String)> = (0..49).map(|n| (format!("k{n}"), "v".to_string())).collect();
        let mut full = record();
        let of_aws = [("aws:x".to_string(), "y".to_string())];
        let tags_now = many.iter().chain(&of_aws);
        full.set(
            "tags",
            tags_now.map(|(key, value)| (key.clone(), value.clone().into())).collect::<serde_json::Map<_, _>>(),
        );
        let none = VolumeTags::default();
        assert!(changes(&full, &tags(&[("a", "1")], &[]), none, &volumes(&[])).is_ok());
        let failed =
            changes(&full, &tags(&[("a", "1"), ("b", "1"), ("k0", "w")], &[]), none, &volumes(&[])).unwrap_err();
        assert_eq!(failed.message, "i-1 would have 51 tags: EC2 allows 50");
        let swapped = changes(&full, &tags(&[("a", "1"), ("b", "1")], &["k0"]), none, &volumes(&[])).unwrap();
        assert_eq!(remove_first(&full, &swapped, &volumes(&[])), BTreeSet::from(["i-1".to_string()]));
        let one = changes(&full, &tags(&[("a", "1")], &["k0"]), none, &volumes(&[])).unwrap();
        assert!(remove_first(&full, &one, &volumes(&[])).is_empty());
        let full_volume: Vec<(&str, &str)> = many.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let failed = changes(&record(), &tags(&[("a", ""), ("b", "")], &[]), BOTH, &volumes(&full_volume)).unwrap_err();
        assert_eq!(failed.message, "vol-1 would have 51 tags: EC2 allows 50");
    }

    #[test]
    fn key_that_the_metadata_does_not_allow_is_refused_if_tags_are_in_it() {
        let of = |state: &str, key: &str| {
            let record = Record::parse(&RECORD.replace("TAGS", state)).unwrap();
            changes(&record, &tags(&[(key, "x")], &[]), BOTH, &volumes(&[])).map(|_| ())
        };
        for key in ["cost center", "a/b", ".", "..", "_index", "é"] {
            assert!(of("enabled", key).unwrap_err().message.starts_with(&format!("tag {key}: ")), "{key}");
            assert_eq!(of("disabled", key), Ok(()));
        }
        assert_eq!(of("enabled", "cost-center"), Ok(()));
    }

    #[test]
    fn hosts_that_share_a_volume_must_agree() {
        let change = |after: &str| TagChange {
            resource: "vol-1".to_string(),
            key: "Name".to_string(),
            before: None,
            after: Some(after.to_string()),
        };
        let plan = |host: &str, after: &str| (host.to_string(), Ok(vec![change(after)]));
        let mut plans = [plan("a", "x"), plan("b", "x")];
        refuse_conflicts(&mut plans);
        assert!(plans.iter().all(|(_, plan)| plan.is_ok()));
        let mut plans = [plan("a", "x"), plan("b", "y")];
        refuse_conflicts(&mut plans);
        assert!(plans.iter().all(|(_, plan)| plan.is_err()));
    }
}
