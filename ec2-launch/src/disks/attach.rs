//! Attaches the volumes that are kept for hosts, and tags each volume with its slot.

use super::choose::instance_volumes;
use super::matching::is_same_device;
use super::slot::{DiskSlot, POSITION_TAG, SET_TAG};
use cerveza_ec2::{Acted, AttachNeed, DEVICE_TAG, Ec2, LAUNCHED};
use cerveza_manners::{Failure, ProgressArgs};
use cerveza_record::{Record, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// Attaches what is to be attached. An instance must be running for that. `slots` has those of each host.
pub async fn attach_volumes(
    ec2: &Ec2,
    acted: &mut [Acted],
    slots: &[&[DiskSlot]],
    timeout: Duration,
    progress: &ProgressArgs,
) {
    let (mut wanted, mut needs) = (Vec::new(), Vec::new());
    for (at, (host, slots)) in acted.iter().zip(slots).enumerate().filter(|(_, (host, _))| host.result.is_ok()) {
        let there = instance_volumes(&host.record);
        for slot in *slots {
            let Some(volume) = slot.attach.clone().filter(|id| !there.iter().any(|(_, known)| known == id)) else {
                continue;
            };
            let (region, instance_id) = host.instance_key();
            needs.push(AttachNeed { region, instance_id, volume_id: volume, device: slot.device.clone() });
            wanted.push((at, slot));
        }
    }
    if needs.is_empty() {
        return;
    }
    let bar = progress.bar(needs.len() as u64, "volumes");
    let attached = ec2.attach_volumes(&needs, timeout, || bar.inc(1)).await;
    bar.finish_and_clear();
    let mut failed = Failed::new();
    for (((at, slot), need), attached) in wanted.into_iter().zip(needs).zip(attached) {
        match attached {
            Ok(()) => add_volume(&mut acted[at].record, &need),
            Err(failure) => note(&mut failed, at, format!("{} ({})", need.volume_id, slot.device), failure),
        }
    }
    for (at, (volumes, failure)) in failed {
        let what = if volumes.len() == 1 { "volume" } else { "volumes" };
        acted[at].result = Err(failure.within(format!("it runs without its {what} {}", volumes.join(", "))));
    }
}

/// By the position of a host: its volumes that failed, and the first failure.
type Failed = BTreeMap<usize, (Vec<String>, Failure)>;

fn note(failed: &mut Failed, host: usize, volume: String, failure: Failure) {
    failed.entry(host).or_insert_with(|| (Vec::new(), failure)).0.push(volume);
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

/// Tags each volume with its device and its slot in a set, and puts that into the record. The volumes of all hosts
/// that get the same tags are tagged together.
pub async fn tag_volumes(ec2: &Ec2, acted: &mut [Acted], slots: &[&[DiskSlot]]) {
    // By region and tags: the positions of hosts, and the ids of volumes.
    let mut tagged: BTreeMap<(String, TagSet), Vec<(usize, String)>> = BTreeMap::new();
    for (at, (host, slots)) in acted.iter_mut().zip(slots).enumerate().filter(|(_, (_, slots))| !slots.is_empty()) {
        let is_launched = host.action == LAUNCHED;
        for (device, volume) in instance_volumes(&host.record) {
            let slot = slots.iter().find(|slot| slot.attach.as_ref() == Some(&volume));
            let slot = slot.or_else(|| slots.iter().find(|slot| is_same_device(&slot.device, &device)));
            let tags = match slot {
                Some(slot) => {
                    show_slot(&mut host.record, &volume, slot);
                    if slot.is_tagged { Vec::new() } else { tags(slot, host.record.host()) }
                }
                // A root volume.
                None if is_launched => vec![(DEVICE_TAG.to_string(), device)],
                None => Vec::new(),
            };
            if host.result.is_ok() && !tags.is_empty() {
                tagged.entry((host.instance_key().0, tags)).or_default().push((at, volume));
            }
        }
    }
    let mut failed = Failed::new();
    for ((region, set), volumes) in tagged {
        let ids: Vec<String> = volumes.iter().map(|(_, id)| id.clone()).collect();
        let tags: Vec<_> = set.into_iter().map(|(key, value)| (key, Some(value))).collect();
        let results = ec2.tag(&region, &ids, &tags).await;
        for ((at, id), result) in volumes.into_iter().zip(results) {
            if let Err(failure) = result {
                note(&mut failed, at, id, failure);
            }
        }
    }
    for (at, (volumes, failure)) in failed {
        acted[at].result = Err(not_tagged(failure, &volumes));
    }
}

fn not_tagged(failure: Failure, volumes: &[String]) -> Failure {
    let is_hinted = failure.hint.is_some();
    let failure = failure.within(match volumes {
        [volume] => format!("it runs, but its volume {volume} lacks the tags for its position"),
        volumes => format!("it runs, but its volumes {} lack the tags for their positions", volumes.join(", ")),
    });
    if is_hinted { failure } else { failure.hint("run the same command again before the instance is terminated") }
}

fn tags(slot: &DiskSlot, host: &str) -> TagSet {
    let name = slot.is_nameless.then(|| host.to_string());
    let tags = [
        ("Name", name),
        (DEVICE_TAG, Some(slot.device.clone())),
        (SET_TAG, slot.set.clone()),
        (POSITION_TAG, slot.position.clone()),
    ];
    tags.into_iter().filter_map(|(key, value)| Some((key.to_string(), value?))).collect()
}

/// Puts the slot of a volume into the record's `volumes`.
fn show_slot(record: &mut Record, volume: &str, slot: &DiskSlot) {
    let Some(Value::Array(mut volumes)) = record.get("volumes") else { return };
    for shown in volumes.iter_mut().filter(|shown| shown["volume_id"] == volume) {
        if let (Some(set), Some(position)) = (&slot.set, &slot.position) {
            shown["set"] = json!(set);
            shown["position"] = json!(position);
        }
    }
    record.set("volumes", volumes);
}
