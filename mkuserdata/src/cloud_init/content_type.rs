//! The type of a part: declared, or detected from its beginning as cloud-init does it (`type_from_starts_with` in its
//! handlers/__init__.py). White space before it is skipped, case does not matter, and the longest prefix wins.

use cerveza_manners::{Failure, Result};
use std::fmt;

/// The types that cloud-init itself handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    CloudConfigArchive,
    CloudConfigJsonp,
    Jinja,
    CloudBoothook,
    IncludeOnce,
    CloudConfig,
    PartHandler,
    Include,
    ShellScript,
    PerBoot,
    PerInstance,
    PerOnce,
}

/// The first characters of a part and its type, longer prefixes first.
const PREFIXES: [(&str, ContentType); 9] = [
    ("#cloud-config-archive", ContentType::CloudConfigArchive),
    ("#cloud-config-jsonp", ContentType::CloudConfigJsonp),
    ("## template: jinja", ContentType::Jinja),
    ("#cloud-boothook", ContentType::CloudBoothook),
    ("#include-once", ContentType::IncludeOnce),
    ("#cloud-config", ContentType::CloudConfig),
    ("#part-handler", ContentType::PartHandler),
    ("#include", ContentType::Include),
    ("#!", ContentType::ShellScript),
];

const ALL: [ContentType; 12] = [
    ContentType::CloudConfig,
    ContentType::CloudConfigJsonp,
    ContentType::CloudConfigArchive,
    ContentType::CloudBoothook,
    ContentType::ShellScript,
    ContentType::PerBoot,
    ContentType::PerInstance,
    ContentType::PerOnce,
    ContentType::Include,
    ContentType::IncludeOnce,
    ContentType::PartHandler,
    ContentType::Jinja,
];

/// A folder whose scripts cloud-init runs sorted by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Folder {
    Instance,
    PerBoot,
    PerInstance,
    PerOnce,
}

impl Folder {
    pub const ALL: [Folder; 4] = [Folder::Instance, Folder::PerBoot, Folder::PerInstance, Folder::PerOnce];

    /// Returns the word for one of its scripts.
    pub fn noun(self) -> &'static str {
        match self {
            Folder::Instance => "script",
            Folder::PerBoot => "per-boot",
            Folder::PerInstance => "per-instance",
            Folder::PerOnce => "per-once",
        }
    }
}

impl ContentType {
    pub fn of(content: &[u8]) -> Option<ContentType> {
        let text = String::from_utf8_lossy(content);
        let text = text.trim_start();
        let begins_with = |prefix: &str| {
            let mut lower = text.chars().flat_map(char::to_lowercase);
            prefix.chars().all(|c| lower.next() == Some(c))
        };
        let found = PREFIXES.iter().find(|(prefix, _)| begins_with(prefix));
        found.map(|(_, kind)| *kind)
    }

    pub fn mime(self) -> &'static str {
        match self {
            ContentType::CloudConfigArchive => "text/cloud-config-archive",
            ContentType::CloudConfigJsonp => "text/cloud-config-jsonp",
            ContentType::Jinja => "text/jinja2",
            ContentType::CloudBoothook => "text/cloud-boothook",
            ContentType::IncludeOnce => "text/x-include-once-url",
            ContentType::CloudConfig => "text/cloud-config",
            ContentType::PartHandler => "text/part-handler",
            ContentType::Include => "text/x-include-url",
            ContentType::ShellScript => "text/x-shellscript",
            ContentType::PerBoot => "text/x-shellscript-per-boot",
            ContentType::PerInstance => "text/x-shellscript-per-instance",
            ContentType::PerOnce => "text/x-shellscript-per-once",
        }
    }

    pub(crate) fn by_mime(mime: &str) -> Option<ContentType> {
        ALL.into_iter().find(|kind| kind.mime() == mime)
    }

    /// Returns the prefix of parts of this type, or nothing if they have none.
    pub(crate) fn prefix(self) -> &'static str {
        PREFIXES.iter().find(|(_, kind)| *kind == self).map_or("", |(prefix, _)| prefix)
    }

    pub(crate) fn folder(self) -> Option<Folder> {
        match self {
            ContentType::ShellScript => Some(Folder::Instance),
            ContentType::PerBoot => Some(Folder::PerBoot),
            ContentType::PerInstance => Some(Folder::PerInstance),
            ContentType::PerOnce => Some(Folder::PerOnce),
            _ => None,
        }
    }
}

/// The type by which cloud-init handles a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PartType {
    Known(ContentType),
    /// cloud-init unpacks it, then detects the type of the content.
    Gzip(String),
    /// Read by EKS's nodeadm, not by cloud-init.
    NodeConfig,
    /// A type for a part handler.
    Custom(String),
    /// text/plain with an unknown beginning: cloud-init ignores it.
    Unknown,
}

/// Types that cloud-init unpacks (DECOMP_TYPES in its user_data.py).
const GZIP: [&str; 8] = [
    "application/gzip",
    "application/gzip-compressed",
    "application/gzipped",
    "application/x-compress",
    "application/x-compressed",
    "application/x-gunzip",
    "application/x-gzip",
    "application/x-gzip-compressed",
];
const NODE_CONFIG: &str = "application/node.eks.aws";
/// cloud-init's type for user-data that is not a message.
pub(crate) const NOT_MULTIPART: &str = "text/x-not-multipart";
pub(crate) const PLAIN: &str = "text/plain";

impl PartType {
    /// Returns the type of a part declared as `mime`. For three declared types, cloud-init looks at the beginning.
    pub fn of(mime: &str, content: &[u8]) -> PartType {
        let told = ContentType::of(content).map(PartType::Known);
        match mime {
            PLAIN | NOT_MULTIPART => told.unwrap_or(PartType::Unknown),
            "text/x-shellscript" => told.unwrap_or(PartType::Known(ContentType::ShellScript)),
            NODE_CONFIG => PartType::NodeConfig,
            mime if GZIP.contains(&mime) => PartType::Gzip(mime.to_string()),
            mime => ContentType::by_mime(mime).map_or_else(|| PartType::Custom(mime.to_string()), PartType::Known),
        }
    }

    pub fn content_type(&self) -> Option<ContentType> {
        match self {
            PartType::Known(kind) => Some(*kind),
            _ => None,
        }
    }
}

/// Writes it as in Content-Type.
impl fmt::Display for PartType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PartType::Known(kind) => kind.mime(),
            PartType::Gzip(mime) | PartType::Custom(mime) => mime,
            PartType::NodeConfig => NODE_CONFIG,
            PartType::Unknown => PLAIN,
        })
    }
}

/// Returns the full type for one that a user wrote: `text/` may be left out.
pub(crate) fn full_type(given: &str) -> Result<String> {
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let given = given.to_ascii_lowercase();
    if given == "upstart-job" || given == "text/upstart-job" {
        return Err(Failure::usage("cloud-init no longer knows upstart-job"));
    }
    match given.split_once('/') {
        Some(("message" | "multipart", _)) => {
            Err(Failure::usage(format!("{given} is the type of a container of parts, not of a part")))
        }
        Some((kind, subtype)) if token(kind) && token(subtype) => Ok(given),
        Some(_) => Err(Failure::usage(format!("{given} is not a type"))),
        None => {
            let full = format!("text/{given}");
            if ContentType::by_mime(&full).is_some() || full == PLAIN {
                Ok(full)
            } else {
                Err(Failure::usage(format!("cloud-init knows no type {given}")).hint(format!(
                    "PART is FILE or FILE:TYPE, of types {}; a part handler's own has a slash, as in text/x-mine; \
                     FILE:raw is passed through unchanged",
                    ALL.map(|kind| &kind.mime()["text/".len()..]).join(", ")
                )))
            }
        }
    }
}

/// Returns all prefixes, for a message.
pub(crate) fn all_prefixes() -> String {
    prefixes().collect::<Vec<_>>().join(", ")
}

/// Returns all prefixes.
pub(crate) fn prefixes() -> impl Iterator<Item = &'static str> {
    PREFIXES.iter().map(|(prefix, _)| *prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_prefix_is_detected_and_none_hides_a_longer_one() {
        for (at, (prefix, kind)) in PREFIXES.iter().enumerate() {
            assert_eq!(ContentType::of(prefix.as_bytes()), Some(*kind), "{prefix}");
            let hidden = PREFIXES[..at].iter().find(|(earlier, _)| prefix.starts_with(earlier));
            assert!(hidden.is_none(), "{prefix} comes after {hidden:?}");
            assert_eq!(ContentType::by_mime(kind.mime()), Some(*kind));
        }
    }

    #[test]
    fn white_space_and_case_do_not_matter() {
        assert_eq!(ContentType::of(b"\n \t\r\n#Cloud-Config\n"), Some(ContentType::CloudConfig));
        assert_eq!(ContentType::of("\u{a0}#!/bin/sh".as_bytes()), Some(ContentType::ShellScript));
        assert_eq!(ContentType::of(&[&[b'\n'; 9999], &b"#!/bin/sh"[..]].concat()), Some(ContentType::ShellScript));
        assert_eq!(ContentType::of(b"#INCLUDE-ONCE"), Some(ContentType::IncludeOnce));
        // As prose does, cloud-init takes any word that begins so.
        assert_eq!(ContentType::of(b"#included"), Some(ContentType::Include));
    }

    #[test]
    fn unknown_beginnings_have_no_type() {
        for unknown in ["", "hello", "# cloud-config", "##template: jinja", "\u{feff}#!/bin/sh", "echo #!"] {
            assert_eq!(ContentType::of(unknown.as_bytes()), None, "{unknown}");
        }
    }

    #[test]
    fn a_declared_type_counts_except_three_that_cloud_init_detects() {
        let of = |mime: &str, content: &str| PartType::of(mime, content.as_bytes()).to_string();
        assert_eq!(of("text/cloud-config", "#!/bin/sh"), "text/cloud-config");
        assert_eq!(of("text/x-shellscript-per-boot", "#cloud-config"), "text/x-shellscript-per-boot");
        assert_eq!(of("text/x-shellscript", "#cloud-config"), "text/cloud-config");
        assert_eq!(of("text/x-shellscript", "echo"), "text/x-shellscript");
        assert_eq!(of("text/plain", "#!/bin/sh"), "text/x-shellscript");
        assert_eq!(PartType::of("text/plain", b"echo"), PartType::Unknown);
        assert_eq!(of("text/x-mine", "#!/bin/sh"), "text/x-mine");
    }

    #[test]
    fn text_may_be_left_out_of_a_type_and_a_wrong_one_is_refused() {
        assert_eq!(full_type("Cloud-Config").unwrap(), "text/cloud-config");
        assert_eq!(full_type("text/x-shellscript-per-boot").unwrap(), "text/x-shellscript-per-boot");
        assert_eq!(full_type("application/x-mine").unwrap(), "application/x-mine");
        assert_eq!(full_type("shellscript").unwrap_err().message, "cloud-init knows no type shellscript");
        assert_eq!(full_type("text/a b").unwrap_err().message, "text/a b is not a type");
        assert_eq!(full_type("upstart-job").unwrap_err().message, "cloud-init no longer knows upstart-job");
    }
}
