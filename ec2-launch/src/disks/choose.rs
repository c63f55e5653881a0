//! Decides which volumes a host gets: those that are kept for it are attached again, and only what it never had is
//! created.

use super::matching::{belongs, described, device, is_kept, is_same_device, listed};
use super::slot::{DiskSlot, SET_TAG};
use crate::profile::VolumeSet;
use cerveza_ec2::{DEVICE_TAG, EbsVolume, LIVE_STATES};
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is known of the volumes of one host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostVolumes {
    /// Those with the host's name and those that the profile names by id.
    pub volumes: Vec<EbsVolume>,
    /// The instances that use them.
    pub holders: HashMap<String, Record>,
}

impl HostVolumes {
    /// Returns a live instance of the host that has one of its volumes: another run has launched it just now.
    pub fn live_instance(&self, host: &str) -> Option<&Record> {
        let is_live = |instance: &&Record| {
            instance.host() == host && instance.str("state").is_some_and(|state| LIVE_STATES.contains(&state.as_str()))
        };
        self.holders.values().find(is_live)
    }
}

/// The volumes of a host that is launched.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disks {
    pub slots: Vec<DiskSlot>,
    /// The zone of the volumes that are to be attached.
    pub zone: Option<String>,
}

impl Disks {
    /// Returns the volumes that are to be attached, by device.
    pub fn volume_ids(&self) -> BTreeMap<String, String> {
        let id = |slot: &DiskSlot| Some((slot.device.clone(), slot.attach.clone()?));
        self.slots.iter().filter_map(id).collect()
    }

    /// Refuses another zone than that of the volumes. `given` is from the command line or the host's record.
    pub fn check_zone(&self, given: Option<&str>) -> Result<()> {
        match (&self.zone, given) {
            (Some(zone), Some(given)) if zone != given => {
                let ids: Vec<String> = self.volume_ids().into_values().collect();
                let why = format!("its volumes {} are in {zone}, not in {given}", ids.join(", "));
                Err(Failure::usage(why).hint("leave out the zone, and it is launched where its volumes are"))
            }
            _ => Ok(()),
        }
    }
}

/// Decides for a host that is launched.
pub fn for_launch(host: &str, sets: &[VolumeSet], known: &HostVolumes, region: &str) -> Result<Disks> {
    let (mut slots, mut used, mut zones) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
    let mut is_created = Vec::new();
    for set in sets {
        let found = match &set.volume_id {
            Some(id) => vec![Some(volume_by_id(id, known, region)?)],
            None => find_set(host, set, known)?,
        };
        if found.iter().all(Option::is_none) && set.volumes.iter().any(|it| it.delete_on_termination == Some(false)) {
            is_created.push(set);
        }
        for (index, volume) in found.into_iter().enumerate() {
            let mut slot = DiskSlot::in_set(set, index);
            if let Some(volume) = volume {
                check_free(volume, None, known)?;
                used.insert(volume.id.as_str());
                zones.entry(volume.zone.clone()).or_insert_with(Vec::new).push(volume);
                slot.attach = Some(volume.id.clone());
                slot.note_tags(volume);
            }
            slots.push(slot);
        }
    }
    if let Some(set) = is_created.first() {
        refuse_leftovers(host, set, sets, known, &used)?;
    }
    if zones.len() > 1 {
        let each: Vec<String> =
            zones.iter().map(|(zone, volumes)| format!("{} in {zone}", listed(volumes.iter().copied()))).collect();
        return Err(Failure::unreached(format!("its volumes are in several zones: {}", each.join("; ")))
            .hint("an instance can only use volumes of its own zone: move them with snapshots"));
    }
    Ok(Disks { slots, zone: zones.into_keys().next() })
}

/// Decides for a host that has an instance: what a launch that was cut off has left undone.
pub fn for_instance(instance: &Record, sets: &[VolumeSet], known: &HostVolumes) -> Result<Vec<DiskSlot>> {
    let host = instance.host();
    let mut slots = Vec::new();
    for set in sets {
        for index in 0..set.volumes.len() {
            let slot = DiskSlot::in_set(set, index);
            let candidates: Vec<&EbsVolume> = match &set.volume_id {
                Some(id) => known.volumes.iter().filter(|volume| volume.id == *id).collect(),
                None => candidates(host, &slot, known),
            };
            slots.extend(slot_of_instance(instance, slot, candidates, known)?);
        }
    }
    for (device, volume) in instance_volumes(instance) {
        let has_slot = slots.iter().any(|slot| is_same_device(&slot.device, &device));
        let is_ours = known.volumes.iter().find(|known| known.id == volume && known.tag("Name") == Some(host));
        if let Some(volume) = is_ours.filter(|_| !has_slot) {
            let is_tagged = volume.tag(DEVICE_TAG).is_some();
            slots.push(DiskSlot { device, is_tagged, ..DiskSlot::default() });
        }
    }
    Ok(slots)
}

/// Decides which of the volumes that may be at a slot of an instance is there. Returns none if the slot is not to be
/// changed.
fn slot_of_instance(
    instance: &Record,
    mut slot: DiskSlot,
    candidates: Vec<&EbsVolume>,
    known: &HostVolumes,
) -> Result<Option<DiskSlot>> {
    let id = instance.str("instance_id").unwrap_or_default();
    let current = instance_volumes(instance).into_iter().find(|(device, _)| is_same_device(device, &slot.device));
    // An instance that is ending has a volume in its record for longer than the volume has the attachment.
    let is_current = |volume: &EbsVolume| current.as_ref().is_some_and(|(_, own)| *own == volume.id);
    let is_own = |volume: &&EbsVolume| volume.attachment_to(&id).is_some() || is_current(volume);
    let attached = candidates.iter().copied().find(is_own);
    let mut free =
        candidates.into_iter().filter(|volume| Some(volume.id.as_str()) != attached.map(|it| it.id.as_str()));
    match (attached, free.next(), &current) {
        (Some(volume), ..) => slot.note_tags(volume),
        (None, Some(volume), Some((device, other))) => {
            let what = described(volume);
            return Err(Failure::unreached(format!("{what} is its volume too, but {device} is {other}")));
        }
        (None, Some(volume), None) => {
            if let Some(second) = free.next() {
                return Err(several_volumes(&slot, &[volume, second]));
            }
            check_free(volume, Some(&id), known)?;
            if instance.str("zone").is_some_and(|zone| zone != volume.zone) {
                let (what, zone) = (described(volume), &volume.zone);
                return Err(Failure::unreached(format!("{what} is in {zone}, the instance is not")));
            }
            slot.attach = Some(volume.id.clone());
            slot.note_tags(volume);
        }
        // The set is newer than the instance.
        (None, None, None) => return Ok(None),
        // Another disk of the instance, or one whose tags do not say its slot.
        (None, None, Some((_, other))) => {
            if known.volumes.iter().any(|volume| volume.id == *other && volume.tag(SET_TAG).is_some()) {
                return Ok(None);
            }
        }
    }
    Ok(Some(slot))
}

/// Checks that what was planned can still be done: volumes that are to be attached are there and free, and there are
/// none in place of which others would be created.
pub fn check_plan(host: &str, slots: &[DiskSlot], is_launched: bool, known: &HostVolumes) -> Result<()> {
    for slot in slots {
        let found = match &slot.attach {
            Some(id) => {
                let volume = known.volumes.iter().find(|volume| volume.id == *id);
                check_free(volume.ok_or_else(|| Failure::unreached(format!("there is no volume {id}")))?, None, known)?;
                continue;
            }
            None if is_launched => candidates(host, slot, known),
            None => continue,
        };
        if !found.is_empty() {
            return Err(Failure::unreached(format!("there are {}", listed(found))));
        }
    }
    Ok(())
}

/// Returns the devices and ids of the volumes in an instance's record.
pub fn instance_volumes(instance: &Record) -> Vec<(String, String)> {
    let Some(Value::Array(volumes)) = instance.get("volumes") else { return Vec::new() };
    let text = |volume: &Value, key: &str| volume.get(key).and_then(Value::as_str).map(str::to_string);
    volumes.iter().filter_map(|volume| Some((text(volume, "device")?, text(volume, "volume_id")?))).collect()
}

/// Returns the volume of each position of a set: all or none.
fn find_set<'a>(host: &str, set: &VolumeSet, known: &'a HostVolumes) -> Result<Vec<Option<&'a EbsVolume>>> {
    let slots: Vec<DiskSlot> = (0..set.volumes.len()).map(|index| DiskSlot::in_set(set, index)).collect();
    let mut found = Vec::new();
    for slot in &slots {
        let candidates = candidates(host, slot, known);
        if candidates.len() > 1 {
            return Err(several_volumes(slot, &candidates));
        }
        found.push(candidates.into_iter().next());
    }
    let is_other_size = |volume: &&EbsVolume| {
        volume.tag("Name") == Some(host)
            && is_kept(volume)
            && volume.tag(SET_TAG) == Some(set.name.as_str())
            && slots.iter().all(|slot| !belongs(volume, slot))
    };
    let others: Vec<&EbsVolume> = known.volumes.iter().filter(is_other_size).collect();
    if !others.is_empty() {
        let (count, set) = (slots.len(), &set.name);
        let why = format!("{} are not {count} volumes, as the set {set:?} of the profile has", listed(others));
        return Err(Failure::unreached(why).hint(START_ANEW));
    }
    let missing: Vec<&str> = slots
        .iter()
        .zip(&found)
        .filter(|(_, volume)| volume.is_none())
        .filter_map(|(slot, _)| slot.position.as_deref())
        .collect();
    if !missing.is_empty() && missing.len() < slots.len() {
        let there = listed(found.iter().flatten().copied());
        let why =
            format!("its volume set {:?} is incomplete: there are {there}; missing: {}", set.name, missing.join(", "));
        return Err(Failure::unreached(why).hint(START_ANEW));
    }
    Ok(found)
}

const START_ANEW: &str = "volumes are not replaced, because they may have data: give the missing ones their tags (Name, \
                          `volume set`, `volume position`), or remove the tag Name from the others to start with new volumes";

fn candidates<'a>(host: &str, slot: &DiskSlot, known: &'a HostVolumes) -> Vec<&'a EbsVolume> {
    let fits = |volume: &&EbsVolume| volume.tag("Name") == Some(host) && is_kept(volume) && belongs(volume, slot);
    known.volumes.iter().filter(fits).collect()
}

fn several_volumes(slot: &DiskSlot, volumes: &[&EbsVolume]) -> Failure {
    let (position, set) = (slot.position.as_deref().unwrap_or_default(), slot.set.as_deref().unwrap_or_default());
    let ids: Vec<&str> = volumes.iter().map(|volume| volume.id.as_str()).collect();
    Failure::unreached(format!("several volumes are {position} of its set {set:?}: {}", ids.join(", ")))
        .hint("remove the tag Name of all but one")
}

fn volume_by_id<'a>(id: &str, known: &'a HostVolumes, region: &str) -> Result<&'a EbsVolume> {
    let found = known.volumes.iter().find(|volume| volume.id == *id);
    found.ok_or_else(|| Failure::usage(format!("volume id: there is no volume {id} in {region}")))
}

/// Checks that a volume can be attached, at the latest when an instance that is ending lets go of it.
fn check_free(volume: &EbsVolume, instance: Option<&str>, known: &HostVolumes) -> Result<()> {
    if let Some(holder) = volume.live_holder(instance, &known.holders) {
        return Err(Failure::unreached(format!("its volume {} is in use by {holder}", described(volume)))
            .hint("ec2-launch does not take a volume away from an instance: detach it first"));
    }
    match volume.state.as_str() {
        "available" | "in-use" | "creating" => Ok(()),
        state => Err(Failure::unreached(format!("its volume {} is in the state {state}", described(volume)))),
    }
}

/// Refuses to create a set while there are volumes of the host that may be it: of a set with another name, or without a
/// slot. A volume that has only a device is one that no set has, as a root volume.
fn refuse_leftovers(
    host: &str,
    created: &VolumeSet,
    sets: &[VolumeSet],
    known: &HostVolumes,
    used: &BTreeSet<&str>,
) -> Result<()> {
    let is_of_a_set =
        |volume: &EbsVolume| volume.tag(SET_TAG).is_some_and(|tag| sets.iter().any(|set| set.name == tag));
    let may_be_it = |volume: &&EbsVolume| {
        volume.tag("Name") == Some(host)
            && is_kept(volume)
            && !used.contains(volume.id.as_str())
            && !is_of_a_set(volume)
            && (volume.tag(SET_TAG).is_some() || device(volume).is_none())
    };
    let leftovers: Vec<&EbsVolume> = known.volumes.iter().filter(may_be_it).collect();
    if leftovers.is_empty() {
        return Ok(());
    }
    let why = format!("it has kept volumes that belong to no set of the profile: {}", listed(leftovers));
    Err(Failure::unreached(why).hint(format!(
        "so the set {:?} is not created: give them the tags of their set (`volume set`, `volume position`), or remove their \
         tag Name",
        created.name
    )))
}

#[cfg(test)]
mod tests;
