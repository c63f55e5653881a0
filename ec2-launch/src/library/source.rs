//! A file of profiles: its documents, each an instance profile or a volume profile, with its name.

use crate::document::keys::{INSTANCE_KEYS, ProfileKey, VOLUME_KEYS, canonical, find};
use crate::document::yaml::{self, Node};
use cerveza_manners::{Failure, Result, nearest, read_capped};
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

/// No profile is larger. A file that is, is something else.
const LARGEST: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    Instance,
    Volume,
}

impl DocumentKind {
    pub fn noun(self) -> &'static str {
        match self {
            DocumentKind::Instance => "profile",
            DocumentKind::Volume => "volume profile",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct SourceDocument {
    pub kind: DocumentKind,
    pub is_tagged: bool,
    pub name: Option<String>,
    pub root: Node,
}

/// Reads a file's text: UTF-8, and not too large.
pub fn read_text(path: &Path) -> Result<String> {
    let shown = path.display();
    let bytes = File::open(path).and_then(|file| read_capped(file, LARGEST)).map_err(|error| match error.kind() {
        ErrorKind::FileTooLarge => Failure::usage(format!("{shown}: it is {error}, so it is not a profile")),
        _ => Failure::usage(format!("{shown}: cannot read: {error}")),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = String::from_utf8_lossy(before).rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Failure::usage(format!("{shown}:{line}:{column}: it is not UTF-8")).hint("save it as UTF-8")
    })
}

/// Reads the documents of a text. `shown` is what errors call it.
pub fn read_documents(shown: &str, text: &str) -> Result<Vec<SourceDocument>> {
    let documents =
        yaml::read(text).map_err(|error| Failure::usage(format!("{shown}:{}: {}", error.position, error.message)))?;
    if documents.is_empty() {
        return Err(Failure::usage(format!("{shown}: it is empty")));
    }
    let document = |document: yaml::Document| {
        let kind = kind(document.tag.as_deref(), &document.root)
            .map_err(|why| Failure::usage(format!("{shown}:{}: {why}", document.root.position)))?;
        let is_tagged = document.tag.is_some();
        Ok(SourceDocument { kind, is_tagged, name: name(&document.root), root: document.root })
    };
    documents.into_iter().map(document).collect()
}

/// Returns the kind of a document: that of its tag, else that of its keys. One with a tag of another program is an
/// instance profile.
fn kind(tag: Option<&str>, root: &Node) -> std::result::Result<DocumentKind, String> {
    const TAGS: [&str; 2] = ["InstanceProfile", "VolumeProfile"];
    match tag {
        Some("VolumeProfile") => Ok(DocumentKind::Volume),
        None if has_key(root, VOLUME_KEYS, &["device", "file system", "mount point"]) => Ok(DocumentKind::Volume),
        Some("InstanceProfile") | None => Ok(DocumentKind::Instance),
        Some(tag) => match nearest(tag, TAGS) {
            Some(near) => Err(format!("unknown tag !{tag}: did you mean !{near}?")),
            None => Ok(DocumentKind::Instance),
        },
    }
}

/// Returns whether a document has one of these keys of the table, in any spelling.
fn has_key(root: &Node, table: &[ProfileKey], names: &[&str]) -> bool {
    let is_one = |key: &Node| {
        let key = key.text().and_then(|key| find(key, table));
        key.is_some_and(|key| names.contains(&key.name))
    };
    root.pairs().is_some_and(|pairs| pairs.iter().any(|pair| is_one(&pair.key)))
}

fn name(root: &Node) -> Option<String> {
    let is_name = |key: &Node| key.text().is_some_and(|key| canonical(key) == "name");
    let pair = root.pairs()?.iter().find(|pair| is_name(&pair.key))?;
    if pair.value.is_null() { None } else { pair.value.text().map(str::to_string) }
}

impl SourceDocument {
    /// Returns whether it is a profile, and not one of the other programs' files that have a `name` too.
    pub fn looks_like_a_profile(&self) -> bool {
        const NAMES: [&str; 6] = ["ami", "extends", "instance type", "launch template", "security group", "user data"];
        let is_aws = |key: &Node| key.text().is_some_and(|key| canonical(key) == "aws");
        self.is_tagged
            || self.kind == DocumentKind::Volume
            || has_key(&self.root, &INSTANCE_KEYS, &NAMES)
            || self.root.pairs().is_some_and(|pairs| pairs.iter().any(|pair| is_aws(&pair.key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_profile_file_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        let refused = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            read_text(&path).unwrap_err().message.replace(&path.display().to_string(), "FILE")
        };
        assert_eq!(refused(b"name: a\nami: \xff\n"), "FILE:2:6: it is not UTF-8");
        assert_eq!(refused(&vec![b'#'; 1_100_000]), "FILE: it is larger than 1 MiB, so it is not a profile");
        let why = read_text(folder.path()).unwrap_err().message;
        assert!(why.contains("cannot read: "), "{why}");
        assert_eq!(read_documents("FILE", "# a\n---\n").unwrap_err().message, "FILE: it is empty");
    }

    #[test]
    fn documents_have_their_kind_and_name() {
        let text = "--- !InstanceProfile\nname: 010\n--- !VolumeProfile\nName: data\n---\nname:\n--- !X {a: 1}\n";
        let documents = read_documents("FILE", text).unwrap();
        let facts: Vec<_> = documents.iter().map(|document| (document.kind, document.name.as_deref())).collect();
        let (instance, volume) = (DocumentKind::Instance, DocumentKind::Volume);
        assert_eq!(facts, [(instance, Some("010")), (volume, Some("data")), (instance, None), (instance, None)]);
        let kinds = |text| read_documents("FILE", text).unwrap().into_iter().map(|document| document.kind);
        assert!(kinds("Device: /dev/sdf\n---\nmountPoint: /data\n---\nvolumes: []\n").eq([volume, volume, instance]));
        let is_profile = |text| read_documents("FILE", text).unwrap()[0].looks_like_a_profile();
        assert!(is_profile("name: a\nimage: x") && is_profile("launch template: x") && !is_profile("name: a\nb: c"));
        let why = read_documents("FILE", "a: 1\n--- !VolumProfile\nb: 1\n").unwrap_err().message;
        assert_eq!(why, "FILE:2:5: unknown tag !VolumProfile: did you mean !VolumeProfile?");
    }
}
