//! Says which slot of a host a volume belongs to, by its tags.

use super::slot::{DiskSlot, POSITION_TAG, SET_TAG};
use cerveza_ec2::{DEVICE_TAG, EbsVolume};

/// Returns whether a volume has lasted, or will, when its instance is terminated.
pub fn is_kept(volume: &EbsVolume) -> bool {
    ["available", "in-use", "creating"].contains(&volume.state.as_str())
        && !volume.attachments.iter().any(|attachment| attachment.delete_on_termination)
}

/// Returns whether a volume with the host's name belongs to a slot: by its set and position, else by its device. A run
/// that was cut off before it tagged a volume leaves one that has only the name.
pub fn belongs(volume: &EbsVolume, slot: &DiskSlot) -> bool {
    match volume.tag(SET_TAG) {
        Some(set) => Some(set) == slot.set.as_deref() && volume.tag(POSITION_TAG) == slot.position.as_deref(),
        None => device(volume).is_some_and(|device| is_same_device(device, &slot.device)),
    }
}

/// Returns the device that a volume is tagged with, or attached as.
pub fn device(volume: &EbsVolume) -> Option<&str> {
    let attached = || volume.attachments.first().map(|attachment| attachment.device.as_str());
    volume.tag(DEVICE_TAG).or_else(attached)
}

/// Returns whether both names are of one device: the block device driver of Xen shows /dev/sdf as /dev/xvdf.
pub fn is_same_device(one: &str, other: &str) -> bool {
    let name = |device: &str| device.trim_start_matches("/dev/").replacen("xvd", "sd", 1);
    name(one) == name(other)
}

/// Returns a volume for messages, with what is known of its slot.
pub fn described(volume: &EbsVolume) -> String {
    let slot = match (volume.tag(SET_TAG), volume.tag(POSITION_TAG)) {
        (Some(set), position) => format!("{} of {set}", position.unwrap_or("?")),
        (None, _) => device(volume).unwrap_or("not tagged with its position").to_string(),
    };
    format!("{} ({slot})", volume.id)
}

pub fn listed<'a>(volumes: impl IntoIterator<Item = &'a EbsVolume>) -> String {
    volumes.into_iter().map(described).collect::<Vec<_>>().join(", ")
}
