//! Reads the volumes of a profile from canonical JSON, and checks them.

use crate::document::ValueProblem;
use cerveza_ec2::Volume;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::HashSet;

/// Volumes that belong together: one disk of the host, which may be an array. A volume profile describes it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeSet {
    /// The set's name; the tag `volume set` of its volumes.
    pub name: String,
    /// Each with its device; `count: 4` has become four volumes.
    pub volumes: Vec<Volume>,
    /// An existing volume to attach as `volumes[0].device` instead of a new one.
    pub volume_id: Option<String>,
    pub raid: Option<Raid>,
    pub lvm: bool,
    /// As `ext4` or `xfs`.
    pub file_system: Option<String>,
    pub mount_point: Option<String>,
    pub mount_options: Option<String>,
    /// As `mysql` or `mysql:mysql`, of the mount point.
    pub owner: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Raid {
    #[serde(rename = "0")]
    Raid0,
    #[serde(rename = "1")]
    Raid1,
    #[serde(rename = "10")]
    Raid10,
}

/// Reads the root volume, which has no device.
pub fn root_volume(value: &Value, wrong: &mut Vec<ValueProblem>) -> Volume {
    let volume = volume(value);
    check_key(&volume, "root volume", wrong);
    volume
}

/// Reads all sets, and checks that no device, mount point or name is there twice.
pub fn volume_sets(value: &Value, wrong: &mut Vec<ValueProblem>) -> Vec<VolumeSet> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut sets: Vec<VolumeSet> = Vec::new();
    let mut seen: HashSet<(&str, String)> = HashSet::new();
    for (number, item) in items.iter().enumerate() {
        let path = format!("volumes/{number}");
        let set = volume_set(&path, item, wrong);
        let mut once: Vec<(&str, String)> =
            set.volumes.iter().map(|volume| ("device", volume.device.clone())).collect();
        once.extend(set.mount_point.clone().map(|folder| ("mount point", folder)));
        // A set without a name has that of its device, and the device is reported.
        once.extend(item.get("name").map(|_| ("name", set.name.clone())));
        for (key, value) in once {
            // The block device driver of Xen has /dev/xvdf for /dev/sdf.
            let same = value.trim_start_matches("/dev/").replacen("xvd", "sd", 1);
            if !seen.insert((key, same)) {
                wrong.push((format!("{path}/{key}"), format!("{key}: {value} is given twice")));
            }
        }
        sets.push(set);
    }
    sets
}

fn volume_set(path: &str, value: &Value, wrong: &mut Vec<ValueProblem>) -> VolumeSet {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_string);
    let mut refuse = |key: &str, why: String| wrong.push((format!("{path}/{key}"), why));
    let mut first = volume(value);
    let count = value.get("count").and_then(Value::as_u64).unwrap_or(1) as usize;
    let set = VolumeSet {
        name: text("name").unwrap_or_else(|| first.device.trim_start_matches("/dev/").to_string()),
        volumes: Vec::new(),
        volume_id: text("volume id"),
        raid: match text("raid").as_deref() {
            Some("0") => Some(Raid::Raid0),
            Some("1") => Some(Raid::Raid1),
            Some(_) => Some(Raid::Raid10),
            None => None,
        },
        lvm: value.get("lvm").and_then(Value::as_bool).unwrap_or(false),
        file_system: text("file system"),
        mount_point: text("mount point"),
        mount_options: text("mount options"),
        owner: text("owner"),
    };
    if set.mount_point.is_some() && first.delete_on_termination.is_none() && set.volume_id.is_none() {
        first.delete_on_termination = Some(false);
    }
    let devices = devices(&first.device, count);
    match &devices {
        _ if first.device.is_empty() => refuse("device", "device: each volume needs one, as /dev/sdf".to_string()),
        Err(why) => refuse("device", format!("device: {why}")),
        Ok(_) => {}
    }
    if !set.name.is_empty() && !is_word(&set.name, "._-") {
        refuse("name", format!("name: {:?} can only have letters, digits, `.`, `_` and `-`", set.name));
    }
    check_contents(&set, &first, count, value, &mut refuse);
    check_mount(&set, &mut refuse);
    check_key(&first, path, wrong);
    let volumes = devices.unwrap_or_default().into_iter().map(|device| Volume { device, ..first.clone() });
    VolumeSet { volumes: volumes.collect(), ..set }
}

/// Checks that there is something to attach, and enough of it.
fn check_contents(set: &VolumeSet, first: &Volume, count: usize, value: &Value, refuse: &mut impl FnMut(&str, String)) {
    const NEW: [&str; 8] = ["size", "type", "iops", "throughput", "encrypted", "kms key", "snapshot", "count"];
    match &set.volume_id {
        Some(id) if !id.starts_with("vol-") => refuse("volume id", format!("volume id: {id:?} is not a vol- id")),
        Some(_) => {
            for key in NEW.iter().filter(|key| value.get(**key).is_some()) {
                refuse(key, format!("{key}: not possible with volume id, which attaches an existing volume"));
            }
        }
        None if first.size.is_none() && first.snapshot_id.is_none() => {
            refuse("size", "size: a volume without a snapshot needs one".to_string());
        }
        None => {}
    }
    let least = match set.raid {
        Some(Raid::Raid10) => 4,
        Some(_) => 2,
        None => 1,
    };
    if count < least {
        refuse("raid", format!("raid: it needs a count of {least} volumes or more"));
    } else if set.raid == Some(Raid::Raid10) && count % 2 == 1 {
        refuse("count", format!("count: raid 10 needs an even number of volumes, not {count}"));
    }
    if count > 1 && set.raid.is_none() && !set.lvm && (set.file_system.is_some() || set.mount_point.is_some()) {
        refuse("count", "count: several volumes need raid or lvm to have one file system".to_string());
    }
}

/// The boot script writes these into fstab and passes them to mkfs, mount and chown.
fn check_mount(set: &VolumeSet, refuse: &mut impl FnMut(&str, String)) {
    if let Some(folder) = &set.mount_point {
        let is_path = folder.starts_with('/') && folder.len() > 1 && is_word(folder, "/._-+@");
        if !is_path || folder.split('/').any(|part| part == "..") {
            let why = "expected an absolute path of letters, digits, `.`, `_`, `-`, `+` and `@`";
            refuse("mount point", format!("mount point: {why}, not {folder:?}"));
        }
        if set.file_system.is_none() && set.volume_id.is_none() {
            refuse("mount point", "mount point: it needs a file system, as ext4 or xfs".to_string());
        }
    }
    for (key, value, also) in [
        ("file system", &set.file_system, "_"),
        ("mount options", &set.mount_options, "=,._-/:+@"),
        ("owner", &set.owner, "._-:"),
    ] {
        if let Some(value) = value.as_ref().filter(|value| !is_word(value, also)) {
            refuse(key, format!("{key}: {value:?} has characters that are not allowed"));
        }
    }
    for (key, value) in [("mount options", &set.mount_options), ("owner", &set.owner)] {
        if value.is_some() && set.mount_point.is_none() {
            refuse(key, format!("{key}: it needs a mount point"));
        }
    }
}

fn check_key(volume: &Volume, path: &str, wrong: &mut Vec<ValueProblem>) {
    if volume.kms_key_id.is_some() && volume.encrypted == Some(false) {
        let why = "kms key: not possible for a volume that is not encrypted".to_string();
        wrong.push((format!("{path}/kms key"), why));
    }
}

/// Returns whether a text has only letters, digits and the characters of `also`, and does not look like an option.
fn is_word(text: &str, also: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
}

fn volume(value: &Value) -> Volume {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_string);
    let number = |key: &str| value.get(key).and_then(Value::as_i64).and_then(|number| i32::try_from(number).ok());
    let flag = |key: &str| value.get(key).and_then(Value::as_bool);
    Volume {
        device: text("device").unwrap_or_default(),
        size: number("size"),
        volume_type: text("type"),
        iops: number("iops"),
        throughput: number("throughput"),
        snapshot_id: text("snapshot"),
        encrypted: flag("encrypted"),
        kms_key_id: text("kms key"),
        delete_on_termination: flag("delete on termination"),
    }
}

/// Returns the devices of `count` volumes: the first one, and the next letters.
fn devices(first: &str, count: usize) -> Result<Vec<String>, String> {
    check_device(first)?;
    let letter = first.chars().last().unwrap_or_default();
    if count == 1 {
        return Ok(vec![first.to_string()]);
    }
    if !letter.is_ascii_lowercase() {
        return Err(format!("{first} has no next device for a count of {count}"));
    }
    let last = letter as usize + count - 1;
    if last > 'z' as usize {
        return Err(format!("a count of {count} from {first} goes beyond the letter z"));
    }
    let stem = &first[..first.len() - 1];
    Ok((letter..=last as u8 as char).map(|letter| format!("{stem}{letter}")).collect())
}

/// Refuses a name that EC2 does not take (Amazon EC2 user guide, "Device names for volumes on Amazon EC2 instances"):
/// /dev/sd[a-z] and /dev/hd[a-z], with 1 to 15 after it for paravirtual AMIs, and /dev/xvd[a-d][a-z] or /dev/xvd[a-z],
/// which Windows has without /dev.
fn check_device(device: &str) -> Result<(), String> {
    let name = device.strip_prefix("/dev/").unwrap_or(device);
    if name.starts_with("nvme") {
        let hint = "the kernel numbers NVMe disks in any order: use /dev/sdf to /dev/sdp";
        return Err(format!("{device} is not a name for EC2: {hint}"));
    }
    let is_letters = |text: &str| text.chars().all(|c| c.is_ascii_lowercase());
    let letters = match (name.strip_prefix("xvd"), name.strip_prefix("sd").or(name.strip_prefix("hd"))) {
        (Some(rest), _) => match rest.len() {
            1 => is_letters(rest),
            2 => is_letters(rest) && rest.starts_with(['a', 'b', 'c', 'd']),
            _ => false,
        },
        (None, Some(rest)) if device.starts_with("/dev/") => {
            let (letter, partition) = rest.split_at_checked(1).unwrap_or_default();
            let is_partition = partition.is_empty()
                || (!partition.starts_with('0') && partition.parse::<u8>().is_ok_and(|number| number <= 15));
            is_letters(letter) && !letter.is_empty() && is_partition
        }
        _ => false,
    };
    if letters { Ok(()) } else { Err(format!("{device:?} is not a device name of EC2: use /dev/sdf to /dev/sdp")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_that_ec2_does_not_have_are_refused() {
        for device in ["/dev/sdf", "/dev/sda1", "/dev/sdb15", "/dev/hdc", "/dev/xvdf", "/dev/xvdba", "xvdf"] {
            assert_eq!(check_device(device), Ok(()), "{device}");
        }
        for device in ["sdf", "/dev/sdf16", "/dev/sd", "/dev/sdF", "/dev/xvdea", "/dev/mapper/a", "/dev/sdb01", "/dev/"]
        {
            assert!(check_device(device).unwrap_err().contains("use /dev/sdf to /dev/sdp"), "{device}");
        }
        assert!(check_device("/dev/nvme1n1").unwrap_err().contains("the kernel numbers NVMe disks"));
    }

    #[test]
    fn the_next_letters_follow_the_first_device() {
        assert_eq!(devices("/dev/sdf", 3), Ok(vec!["/dev/sdf".into(), "/dev/sdg".into(), "/dev/sdh".into()]));
        assert_eq!(devices("/dev/sdy", 3), Err("a count of 3 from /dev/sdy goes beyond the letter z".into()));
        assert!(devices("/dev/sda1", 2).unwrap_err().contains("has no next device"));
        assert_eq!(devices("/dev/sda1", 1), Ok(vec!["/dev/sda1".into()]));
    }
}
