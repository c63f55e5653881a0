//! The volumes of a profile, in each of the ways that people write them.

use crate::yaml::{Keys, Source, flag, is_nothing, known, text};
use cerveza_ec2::Volume;
use serde_yaml::{Mapping, Value};

const VOLUME_KEYS: &Keys = &[
    ("device", &["device name"]),
    ("size", &["volume size"]),
    ("type", &["volume type"]),
    ("iops", &[]),
    ("throughput", &[]),
    ("snapshot", &["snapshot id"]),
    ("encrypted", &[]),
    ("delete on termination", &[]),
];

/// A list of volumes, one volume, or devices with a size or a volume each.
pub fn volumes(source: &Source, key: &str, value: &Value) -> Result<Vec<Volume>, String> {
    let wrong = || source.wrong(key, "expected volumes with device and size, or devices with their size in GiB");
    let volumes: Vec<Volume> = match value {
        value if is_nothing(value) => return Ok(Vec::new()),
        Value::Sequence(items) => {
            let volume = |item: &Value| volume(source, item.as_mapping().ok_or_else(wrong)?);
            items.iter().map(volume).collect::<Result<_, _>>()?
        }
        Value::Mapping(one) if one.keys().any(|key| text(key).as_deref() == Some("device")) => {
            vec![volume(source, one)?]
        }
        Value::Mapping(devices) => {
            let named = |(device, value): (&Value, &Value)| {
                let mut volume = match value {
                    Value::Mapping(keys) => volume(source, keys)?,
                    size => Volume { size: Some(gibibytes(size).ok_or_else(wrong)?), ..Volume::default() },
                };
                volume.device = text(device).ok_or_else(wrong)?;
                Ok(volume)
            };
            devices.iter().map(named).collect::<Result<_, String>>()?
        }
        _ => return Err(wrong()),
    };
    match volumes.iter().any(|volume| volume.device.is_empty()) {
        true => Err(source.wrong(key, "a volume without device")),
        false => Ok(volumes),
    }
}

fn volume(source: &Source, mapping: &Mapping) -> Result<Volume, String> {
    let mut volume = Volume::default();
    for (key, value) in mapping {
        let key = text(key).ok_or("a key that is no text")?;
        let name = known(&key, VOLUME_KEYS).ok_or_else(|| source.unknown(&key, VOLUME_KEYS))?;
        let expected = |what: &str| source.wrong(&key, &format!("expected {what}"));
        let one = || text(value).ok_or_else(|| expected("one text"));
        let number = || gibibytes(value).map(Some).ok_or_else(|| expected("a number"));
        let yes = || flag(value).map(Some).ok_or_else(|| expected("yes or no"));
        match name {
            "device" => volume.device = one()?,
            "size" => volume.size = number()?,
            "type" => volume.volume_type = Some(one()?),
            "iops" => volume.iops = number()?,
            "throughput" => volume.throughput = number()?,
            "snapshot" => volume.snapshot_id = Some(one()?),
            "encrypted" => volume.encrypted = yes()?,
            _ => volume.delete_on_termination = yes()?,
        }
    }
    Ok(volume)
}

/// A whole number; with a unit it is GiB, as EC2 counts volumes.
fn gibibytes(value: &Value) -> Option<i32> {
    let text = text(value)?.to_ascii_lowercase();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = text[digits.len()..].trim();
    let number: i32 = digits.parse().ok()?;
    matches!(unit, "" | "g" | "gb" | "gib").then_some(number).filter(|number| *number > 0)
}
