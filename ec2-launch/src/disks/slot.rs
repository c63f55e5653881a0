//! A "disk slot" is a device of a host and the volume of a set that belongs there. The tags of the volume name it.

use crate::profile::VolumeSet;
use cerveza_ec2::{DEVICE_TAG, EbsVolume};
use serde::{Deserialize, Serialize};

/// The tags of a volume that say, with its device, which disk of its host it is.
pub const SET_TAG: &str = "volume set";
pub const POSITION_TAG: &str = "volume position";

/// A device of a host, and which volume belongs there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskSlot {
    pub device: String,
    /// The name of the volume set; a root volume is in none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set: Option<String>,
    /// As `1/4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// The id of an existing volume that is to be attached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attach: Option<String>,
    /// Whether that volume is to get the host's name, because it has none.
    #[serde(skip_serializing_if = "is_false")]
    pub is_nameless: bool,
    /// Whether the volume has the tags of its slot already.
    #[serde(skip_serializing_if = "is_false")]
    pub is_tagged: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl DiskSlot {
    /// Returns the slot of the `index`th volume of a set.
    pub fn in_set(set: &VolumeSet, index: usize) -> DiskSlot {
        DiskSlot {
            device: set.volumes[index].device.clone(),
            set: Some(set.name.clone()),
            position: Some(format!("{}/{}", index + 1, set.volumes.len())),
            ..DiskSlot::default()
        }
    }

    /// Notes the tags that the volume of this slot has.
    pub fn note_tags(&mut self, volume: &EbsVolume) {
        self.is_nameless = volume.tag("Name").is_none();
        self.is_tagged = volume.tag(SET_TAG) == self.set.as_deref()
            && volume.tag(POSITION_TAG) == self.position.as_deref()
            && volume.tag(DEVICE_TAG) == Some(self.device.as_str());
    }
}
