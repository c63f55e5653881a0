//! EBS volumes: creates them, for a launch or alone, and attaches them.

use super::catalog::{Image, snapshot_size};
use super::filters::{Fields, filtered, page};
use super::params::{Answer, ApiError, Params};
use super::region::{Attachment, Options, Region, Tags, Volume};
use super::tags::check_tags;
use super::xml::{element, optional, set, tag_set, text, time};
use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

const FILTERS: Fields<Volume> = &[
    ("volume-id", |volume| vec![volume.id.clone()]),
    ("status", |volume| vec![volume.state().to_string()]),
    ("availability-zone", |volume| vec![volume.zone.clone()]),
    ("size", |volume| vec![volume.size.to_string()]),
    ("volume-type", |volume| vec![volume.kind.clone()]),
    ("encrypted", |volume| vec![volume.encrypted.to_string()]),
    ("snapshot-id", |volume| volume.snapshot.iter().cloned().collect()),
    ("attachment.instance-id", |volume| of(volume, |attachment| attachment.instance.clone())),
    ("attachment.device", |volume| of(volume, |attachment| attachment.device.clone())),
    ("attachment.status", |volume| of(volume, |attachment| attachment.state.to_string())),
    ("attachment.delete-on-termination", |volume| {
        of(volume, |attachment| attachment.delete_on_termination.to_string())
    }),
];

fn of(volume: &Volume, fact: fn(&Attachment) -> String) -> Vec<String> {
    volume.attachment.iter().map(fact).collect()
}

impl Volume {
    pub fn state(&self) -> &'static str {
        if self.attachment.is_some() { "in-use" } else { "available" }
    }
}

/// A block device that a launch creates. It has no id or zone before the launch.
pub struct Device {
    pub device: String,
    pub delete_on_termination: bool,
    pub volume: Volume,
}

/// The volumes of a launch: those of the image, as the request changes them, and those of the request. "NoDevice"
/// leaves one of the image out.
pub fn devices(params: &Params, image: &Image, tags: &Tags) -> Result<Vec<Device>, ApiError> {
    check_tags(tags)?;
    let mut mappings: BTreeMap<String, Params> = BTreeMap::new();
    if let Some(root) = &image.root_device {
        let fields = [("SnapshotId", image.snapshot.as_str()), ("VolumeType", "gp2"), ("DeleteOnTermination", "true")];
        let fields = fields.map(|(key, value)| (key.to_string(), value.to_string()));
        mappings.insert(root.clone(), Params(fields.into()));
    }
    let mut seen = Vec::new();
    for mapping in params.items("BlockDeviceMapping") {
        let device = mapping.required("DeviceName")?.to_string();
        if seen.contains(&device) {
            let message = format!("The device '{device}' is used in more than one block-device mapping");
            return Err(ApiError::new("InvalidBlockDeviceMapping", message));
        }
        seen.push(device.clone());
        if mapping.get("NoDevice").is_some() {
            mappings.remove(&device);
            continue;
        }
        if mapping.get("VirtualName").is_none() {
            mappings.entry(device).or_default().0.extend(mapping.under("Ebs").0);
        }
    }
    mappings
        .into_iter()
        .map(|(device, ebs)| {
            // "Default deletion behavior for EBS volumes" (EC2 user guide): what the API creates at launch is deleted.
            let delete_on_termination = ebs.flag("DeleteOnTermination")?.unwrap_or(true);
            let volume = volume(&ebs, "VolumeSize", tags)
                .map_err(|error| ApiError { message: format!("{device}: {}", error.message), ..error })?;
            Ok(Device { device, delete_on_termination, volume })
        })
        .collect()
}

/// Checks a volume by the rules of EbsBlockDevice and CreateVolume: a size or a snapshot; IOPS are required for io1 and io2,
/// and otherwise only allowed for gp3; throughput only for gp3; a KMS key only for an encrypted volume.
fn volume(ebs: &Params, size: &str, tags: &Tags) -> Result<Volume, ApiError> {
    let snapshot = ebs.get("SnapshotId").map(str::to_string);
    let least = snapshot.as_ref().map(|id| snapshot_size(id)).transpose()?;
    let size = match (ebs.number(size)?, least) {
        (None, None) => {
            return Err(ApiError::new("MissingParameter", "The request must contain the parameter size or snapshotId"));
        }
        (None, Some(least)) => least,
        (Some(size), Some(least)) if size < least => {
            let message = format!("Volume of size {size}GB is smaller than snapshot, expect size >= {least}GB");
            return Err(ApiError::new("InvalidBlockDeviceMapping", message));
        }
        (Some(size), _) if !(1..=65_536).contains(&size) => {
            return Err(ApiError::value(format!("Volume of {size}GiB is invalid")));
        }
        (Some(size), _) => size,
    };
    let kind = ebs.get("VolumeType").unwrap_or("gp2").to_string();
    let (iops, throughput) = (ebs.number("Iops")?, ebs.number("Throughput")?);
    match (kind.as_str(), iops) {
        ("io1" | "io2", None) => {
            let message = format!("The parameter iops must be specified for {kind} volumes.");
            return Err(ApiError::new("MissingParameter", message));
        }
        ("io1" | "io2" | "gp3", _) | ("gp2" | "st1" | "sc1" | "standard", None) => {}
        ("gp2" | "st1" | "sc1" | "standard", Some(_)) => {
            return Err(ApiError::combination(format!("The parameter iops is not supported for {kind} volumes.")));
        }
        _ => return Err(ApiError::value(format!("Value ({kind}) for parameter volumeType is invalid"))),
    }
    if throughput.is_some() && kind != "gp3" {
        return Err(ApiError::combination(format!("The parameter throughput is not supported for {kind} volumes.")));
    }
    let (encrypted, kms_key) = (ebs.flag("Encrypted")?.unwrap_or(false), ebs.get("KmsKeyId").map(str::to_string));
    if kms_key.is_some() && !encrypted {
        return Err(ApiError::combination("The parameter KmsKeyId requires the parameter Encrypted to be set."));
    }
    Ok(Volume {
        id: String::new(),
        visible: Instant::now(),
        created: SystemTime::now(),
        size,
        kind,
        iops,
        throughput,
        encrypted,
        kms_key,
        snapshot,
        zone: String::new(),
        tags: tags.clone(),
        attachment: None,
    })
}

/// Creates a volume, once for each client token.
pub fn create_volume(region: &mut Region, params: &Params, _: &Options) -> Answer {
    let token = params.get("ClientToken").map(str::to_string);
    if let Some((before, id)) = token.as_ref().and_then(|token| region.creations.get(token)) {
        if before != params {
            return Err(super::launch::mismatch());
        }
        let at = region.volume(&id.clone())?;
        return Ok(facts(&region.volumes[at]));
    }
    let zone = params.required("AvailabilityZone")?.to_string();
    region.catalog.check_zone(&zone)?;
    let tags = params.tags_for("volume");
    check_tags(&tags)?;
    let mut volume = volume(params, "Size", &tags)?;
    (volume.id, volume.zone) = (region.id("vol"), zone);
    if let Some(token) = token {
        region.creations.insert(token, (params.clone(), volume.id.clone()));
    }
    let answer = facts(&volume);
    region.volumes.push(volume);
    Ok(answer)
}

/// Attaches an available volume to a running or stopped instance of its zone.
pub fn attach_volume(region: &mut Region, params: &Params, options: &Options) -> Answer {
    let at = region.volume(params.required("VolumeId")?)?;
    let device = params.required("Device")?.to_string();
    let instance = &region.instances[region.instance(params.required("InstanceId")?)?];
    let volume = &region.volumes[at];
    if !["running", "stopped"].contains(&instance.state) {
        let message = format!("Instance '{}' is not 'running'.", instance.id);
        return Err(ApiError::new("IncorrectState", message));
    }
    if volume.attachment.is_some() {
        let message = format!("{} is already attached to an instance", volume.id);
        return Err(ApiError::new("VolumeInUse", message));
    }
    if volume.zone != instance.place.zone {
        let message =
            format!("The volume '{}' is not in the same availability zone as instance '{}'", volume.id, instance.id);
        return Err(ApiError::new("InvalidVolume.ZoneMismatch", message));
    }
    let instance = instance.id.clone();
    if region.volumes_of(&instance).any(|(_, attachment)| attachment.device == device) {
        let message = format!("Invalid value '{device}' for unixDevice. Attachment point {device} is already in use");
        return Err(ApiError::value(message));
    }
    let changes = Instant::now() + options.attaching;
    let attachment = Attachment { instance, device, delete_on_termination: false, state: "attaching", changes };
    region.volumes[at].attachment = Some(attachment.clone());
    Ok(attached(&region.volumes[at], &attachment))
}

pub fn detach_volume(region: &mut Region, params: &Params, options: &Options) -> Answer {
    let at = region.volume(params.required("VolumeId")?)?;
    let volume = &mut region.volumes[at];
    let Some(attachment) = &mut volume.attachment else {
        let message = format!("Volume '{}' is in the 'available' state.", volume.id);
        return Err(ApiError::new("IncorrectState", message));
    };
    (attachment.state, attachment.changes) = ("detaching", Instant::now() + options.attaching);
    let attachment = attachment.clone();
    Ok(attached(volume, &attachment))
}

pub fn delete_volume(region: &mut Region, params: &Params, _: &Options) -> Answer {
    let at = region.volume(params.required("VolumeId")?)?;
    if let Some(attachment) = &region.volumes[at].attachment {
        let message = format!("Volume {} is currently attached to {}", region.volumes[at].id, attachment.instance);
        return Err(ApiError::new("VolumeInUse", message));
    }
    region.volumes.remove(at);
    Ok(text("return", true))
}

pub fn describe_volumes(region: &mut Region, params: &Params, _: &Options) -> Answer {
    let (ids, now) = (params.list("VolumeId"), Instant::now());
    for id in &ids {
        region.volume(id)?;
    }
    let visible = region.volumes.iter().filter(|volume| volume.visible <= now);
    let named = visible.filter(|volume| ids.is_empty() || ids.contains(&volume.id));
    let found = filtered(params, named, FILTERS, |volume| &volume.tags)?;
    let (found, next) = page(params, found, "VolumeId", 5)?;
    Ok(set("volumeSet", found.into_iter().map(facts)) + &optional("nextToken", next))
}

fn facts(volume: &Volume) -> String {
    let attachments = volume.attachment.iter().map(|attachment| attached(volume, attachment));
    [
        text("volumeId", &volume.id),
        text("size", volume.size),
        text("snapshotId", volume.snapshot.as_deref().unwrap_or_default()),
        text("availabilityZone", &volume.zone),
        text("status", volume.state()),
        text("createTime", time(volume.created)),
        text("volumeType", &volume.kind),
        optional("iops", volume.iops),
        optional("throughput", volume.throughput),
        text("encrypted", volume.encrypted),
        optional("kmsKeyId", volume.kms_key.as_ref()),
        set("attachmentSet", attachments),
        tag_set(&volume.tags),
    ]
    .concat()
}

fn attached(volume: &Volume, attachment: &Attachment) -> String {
    [
        text("volumeId", &volume.id),
        text("instanceId", &attachment.instance),
        text("device", &attachment.device),
        text("status", attachment.state),
        text("deleteOnTermination", attachment.delete_on_termination),
    ]
    .concat()
}

/// The volume as a part of an instance's description.
pub fn mapped(volume: &Volume, attachment: &Attachment) -> String {
    let ebs = [
        text("volumeId", &volume.id),
        text("status", attachment.state),
        text("deleteOnTermination", attachment.delete_on_termination),
    ];
    text("deviceName", &attachment.device) + &element("ebs", &ebs.concat())
}
