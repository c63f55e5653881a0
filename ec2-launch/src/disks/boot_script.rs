//! The boot script: it assembles, formats and mounts the volumes on the host (`boot.sh` is its code). One part of the
//! user-data, which cloud-init runs at every boot.

use crate::profile::{Raid, VolumeSet};
use cerveza_record::Record;
use mkuserdata::ExtraPart;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The key of a record that gives the template of the script what varies from host to host.
const CALLS: &str = "cerveza_volume_sets";

/// What is said of a set in the script: its name there. LVM and mdadm allow fewer characters than the file system does.
const LONGEST_NAME: usize = 24;

/// Returns whether the script has something to do: a set that is neither formatted nor assembled is only attached.
pub fn is_needed(sets: &[VolumeSet]) -> bool {
    sets.iter().any(is_assembled)
}

fn is_assembled(set: &VolumeSet) -> bool {
    set.raid.is_some() || set.lvm || set.file_system.is_some() || set.mount_point.is_some()
}

/// Returns the part of the user-data: a template for the record that [`with_sets`] returns.
pub fn part() -> ExtraPart {
    // Without most comments: user-data has no room for them.
    let lines = include_str!("boot.sh").lines().skip(1);
    let mut is_introduction = true;
    let mut script = String::from("#!/bin/sh\n{% raw %}");
    for line in lines {
        is_introduction &= line.starts_with('#');
        if is_introduction || !line.trim_start().starts_with('#') {
            script.push_str(line);
            script.push('\n');
        }
    }
    let _ = writeln!(script, "{{% endraw %}}{{{{ {CALLS} }}}}exit $failed");
    ExtraPart {
        label: "the boot script for volumes".to_string(),
        name: "cerveza-volumes".to_string(),
        content_type: "text/x-shellscript-per-boot".to_string(),
        content: script,
        is_template: true,
    }
}

/// Returns the record with what the script needs of the host's sets. `volume_ids` has the volumes that are known, by
/// their device.
pub fn with_sets(host: &Record, sets: &[VolumeSet], volume_ids: &BTreeMap<String, String>) -> Record {
    let mut record = host.clone();
    record.set(CALLS, calls(host.host(), sets, volume_ids));
    record
}

/// Returns the lines of the script that assemble the sets, in order.
fn calls(host: &str, sets: &[VolumeSet], volume_ids: &BTreeMap<String, String>) -> String {
    let mut calls = String::new();
    for set in sets.iter().filter(|set| is_assembled(set)) {
        let text = |value: &Option<String>| quoted(value.as_deref().unwrap_or_default());
        let raid = match set.raid {
            Some(Raid::Raid0) => "0",
            Some(Raid::Raid1) => "1",
            Some(Raid::Raid10) => "10",
            None => "''",
        };
        let options = quoted(set.mount_options.as_deref().unwrap_or("defaults"));
        let _ = write!(
            calls,
            "volume_set {} {} {} {raid} {} {} {} {options} {}",
            quoted(&set.name),
            quoted(&safe_name(&set.name)),
            array_id(host, &set.name),
            if set.lvm { "lvm" } else { "''" },
            text(&set.file_system),
            text(&set.mount_point),
            text(&set.owner),
        );
        for volume in &set.volumes {
            let id = set.volume_id.as_ref().or(volume_ids.get(&volume.device));
            let member = match id {
                Some(id) => format!("{}={}", volume.device, serial(id)),
                None => volume.device.clone(),
            };
            let _ = write!(calls, " {}", quoted(&member));
        }
        calls.push_str(" || failed=1\n");
    }
    calls
}

/// Returns the serial of a volume's NVMe disk: its id without the hyphen (EBS user guide, "Map NVMe volumes to device
/// names").
fn serial(volume_id: &str) -> String {
    volume_id.replacen('-', "", 1)
}

fn hash(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the UUID of a set's array, as mdadm writes it: the same whenever the host is launched.
fn array_id(host: &str, set: &str) -> String {
    let hash = hash(&["array", host, set]);
    [&hash[..8], &hash[8..16], &hash[16..24], &hash[24..32]].join(":")
}

/// Returns a name for arrays and volume groups. mdadm takes a name of digits for a number, and at most 32 characters.
fn safe_name(set: &str) -> String {
    let is_number = set.chars().all(|c| c.is_ascii_digit());
    match set.chars().count() {
        ..=LONGEST_NAME if !is_number => set.to_string(),
        _ => {
            let start: String = set.chars().take(LONGEST_NAME - 9).collect();
            format!("{start}_{}", &hash(&["name", set])[..8])
        }
    }
}

/// Returns a word of the shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:@+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_string()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests;
