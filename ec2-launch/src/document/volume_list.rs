//! Reads the value of `volumes` in each of the ways that people write it: a list of volumes and of names of volume
//! profiles, one of these, or devices with a size, a volume or a name each.

use super::join;
use super::keys::{VOLUME_KEYS, find};
use super::reader::{At, Reader};
use super::words::{gibibytes, is_nothing};
use crate::document::yaml::{Content, Node, Pair};
use serde_json::Value;

/// Reads the volumes as a list of objects. One that is a name is an object that `extends` it.
pub fn read_volumes(reader: &mut Reader, at: At, node: &Node) -> Option<Value> {
    let items = match &node.content {
        _ if is_nothing(node) => return Some(Value::Null),
        Content::List(items) => items.clone(),
        Content::Mapping(pairs) if !pairs.iter().any(is_volume_key) && pairs.iter().any(is_device) => {
            pairs.iter().map(volume_of_device).collect()
        }
        Content::Mapping(_) | Content::Plain(_) | Content::Quoted(_) => vec![node.clone()],
    };
    let mut volumes: Vec<Value> = Vec::new();
    for (number, item) in items.iter().enumerate() {
        let path = join(at.path, &number.to_string());
        reader.note_place(&path, item);
        // `- /dev/sdf: 100`, as in a mapping.
        let item = match &item.content {
            Content::Mapping(pairs) if pairs.len() == 1 && is_device(&pairs[0]) => &volume_of_device(&pairs[0]),
            _ => item,
        };
        let volume = match &item.content {
            Content::Mapping(pairs) => {
                let pairs: Vec<&Pair> = pairs.iter().collect();
                Some(reader.object(&path, &pairs, VOLUME_KEYS).into())
            }
            Content::Plain(_) | Content::Quoted(_) if !item.is_null() => {
                let pair = named("extends", item.clone(), item);
                Some(reader.object(&path, &[&pair], VOLUME_KEYS).into())
            }
            _ => reader.expected(at, item, "a volume, as {device: /dev/sdf, size: 100}, or a volume profile's name"),
        };
        volumes.extend(volume);
    }
    Some(volumes.into())
}

fn is_volume_key(pair: &Pair) -> bool {
    pair.key.text().is_some_and(|key| find(key, VOLUME_KEYS).is_some())
}

fn is_device(pair: &Pair) -> bool {
    pair.key.text().is_some_and(|key| key.starts_with("/dev/") || key.starts_with("xvd"))
}

/// Returns the volume of a device, which is given as a size, a volume, or the name of a volume profile.
fn volume_of_device(pair: &Pair) -> Node {
    let mut pairs = match &pair.value.content {
        Content::Mapping(pairs) => pairs.clone(),
        Content::Plain(text) | Content::Quoted(text) => {
            let is_size = gibibytes(text).is_some() || text.starts_with(|c: char| c.is_ascii_digit());
            vec![named(if is_size { "size" } else { "extends" }, pair.value.clone(), &pair.value)]
        }
        Content::List(_) => vec![named("size", pair.value.clone(), &pair.value)],
    };
    pairs.insert(0, named("device", pair.key.clone(), &pair.key));
    Node { position: pair.key.position, content: Content::Mapping(pairs) }
}

fn named(key: &str, value: Node, at: &Node) -> Pair {
    let key = Node { position: at.position, content: Content::Plain(key.to_string()) };
    Pair { key, value, is_merged: false }
}
