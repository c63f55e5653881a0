//! Attaches the volumes that are kept for hosts, and tags each volume with its place.

use super::matching::is_same_device;
use super::place::{POSITION_TAG, Place, SET_TAG};
use super::places::instance_volumes;
use cerveza_ec2::DEVICE_TAG;
use cerveza_ec2::{Acted, AttachNeed, Ec2};
use cerveza_manners::{Failure, ProgressArgs};
use cerveza_record::{Record, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Attaches what is to be attached. An instance must be running for that. `places` has those of each host.
pub async fn attach_volumes(
    ec2: &Ec2,
    acted: &mut [Acted],
    places: &[&[Place]],
    timeout: Duration,
    progress: &ProgressArgs,
) {
    let (mut wanted, mut needs) = (Vec::new(), Vec::new());
    for (at, (host, places)) in acted.iter().zip(places).enumerate().filter(|(_, (host, _))| host.result.is_ok()) {
        let there = instance_volumes(&host.record);
        for place in *places {
            let Some(volume) = place.attach.clone().filter(|id| !there.iter().any(|(_, known)| known == id)) else {
                continue;
            };
            let (region, instance_id) = host.place();
            needs.push(AttachNeed { region, instance_id, volume_id: volume, device: place.device.clone() });
            wanted.push((at, place));
        }
    }
    if needs.is_empty() {
        return;
    }
    let bar = progress.bar(needs.len() as u64, "volumes");
    let attached = ec2.attach_volumes(&needs, timeout, || bar.inc(1)).await;
    bar.finish_and_clear();
    for (((at, place), need), attached) in wanted.into_iter().zip(needs).zip(attached) {
        let host = &mut acted[at];
        match attached {
            Ok(()) => add_volume(&mut host.record, &need),
            Err(failure) if host.result.is_ok() => {
                let what = format!("it runs without its volume {} ({})", need.volume_id, place.device);
                host.result = Err(failure.within(what));
            }
            Err(_) => {}
        }
    }
}

fn add_volume(record: &mut Record, need: &AttachNeed) {
    let mut volumes = match record.get("volumes") {
        Some(Value::Array(volumes)) => volumes,
        _ => Vec::new(),
    };
    volumes.push(json!({
        "device": need.device,
        "volume_id": need.volume_id,
        "delete_on_termination": false,
    }));
    record.set("volumes", volumes);
}

/// Keys and values.
type TagSet = Vec<(String, String)>;

/// Tags each volume with its device and its place in a set, and puts that into the record. The volumes of all hosts
/// that get the same tags are tagged together.
pub async fn tag_volumes(ec2: &Ec2, acted: &mut [Acted], places: &[&[Place]]) {
    // By region and tags: the positions of hosts, and the ids of volumes.
    let mut tagged: BTreeMap<(String, TagSet), Vec<(usize, String)>> = BTreeMap::new();
    for (at, (host, places)) in acted.iter_mut().zip(places).enumerate().filter(|(_, (_, places))| !places.is_empty()) {
        let is_launched = host.action == "launched";
        for (device, volume) in instance_volumes(&host.record) {
            let place = places.iter().find(|place| place.attach.as_ref() == Some(&volume));
            let place = place.or_else(|| places.iter().find(|place| is_same_device(&place.device, &device)));
            let tags = match place {
                Some(place) => {
                    show_place(&mut host.record, &volume, place);
                    if place.is_tagged { Vec::new() } else { tags(place, host.record.host()) }
                }
                // A root volume.
                None if is_launched => vec![(DEVICE_TAG.to_string(), device)],
                None => Vec::new(),
            };
            if host.result.is_ok() && !tags.is_empty() {
                tagged.entry((host.place().0, tags)).or_default().push((at, volume));
            }
        }
    }
    for ((region, set), volumes) in tagged {
        let ids: Vec<String> = volumes.iter().map(|(_, id)| id.clone()).collect();
        let tags: Vec<_> = set.into_iter().map(|(key, value)| (key, Some(value))).collect();
        let results = ec2.tag(&region, &ids, &tags).await;
        for ((at, id), result) in volumes.into_iter().zip(results) {
            let host = &mut acted[at];
            if let Err(failure) = result
                && host.result.is_ok()
            {
                host.result = Err(not_tagged(failure, &id));
            }
        }
    }
}

fn not_tagged(failure: Failure, volume: &str) -> Failure {
    let is_hinted = failure.hint.is_some();
    let failure = failure.within(format!("it runs, but its volume {volume} lacks the tags for its position"));
    if is_hinted { failure } else { failure.hint("run the same command again before the instance is terminated") }
}

fn tags(place: &Place, host: &str) -> TagSet {
    let name = place.is_nameless.then(|| host.to_string());
    let tags = [
        ("Name", name),
        (DEVICE_TAG, Some(place.device.clone())),
        (SET_TAG, place.set.clone()),
        (POSITION_TAG, place.position.clone()),
    ];
    tags.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?))).collect()
}

/// Puts the place of a volume into the record's `volumes`.
fn show_place(record: &mut Record, volume: &str, place: &Place) {
    let Some(Value::Array(mut volumes)) = record.get("volumes") else { return };
    for shown in volumes.iter_mut().filter(|shown| shown["volume_id"] == volume) {
        if let (Some(set), Some(position)) = (&place.set, &place.position) {
            shown["set"] = json!(set);
            shown["position"] = json!(position);
        }
    }
    record.set("volumes", volumes);
}
