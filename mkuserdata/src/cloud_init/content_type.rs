//! What a part is: by its type, or told by how it begins, exactly as cloud-init tells it (`type_from_starts_with` in its
//! handlers/__init__.py): white space before is skipped, case does not matter, the longest prefix wins.

use cerveza_manners::{Failure, Result};
use std::fmt;

/// What cloud-init does with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
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

/// The longest first. The last three are types that no file begins with, but cloud-init looks for them all the same.
const PREFIXES: [(&str, Kind); 12] = [
    ("text/x-shellscript-per-instance", Kind::PerInstance),
    ("text/x-shellscript-per-boot", Kind::PerBoot),
    ("text/x-shellscript-per-once", Kind::PerOnce),
    ("#cloud-config-archive", Kind::CloudConfigArchive),
    ("#cloud-config-jsonp", Kind::CloudConfigJsonp),
    ("## template: jinja", Kind::Jinja),
    ("#cloud-boothook", Kind::CloudBoothook),
    ("#include-once", Kind::IncludeOnce),
    ("#cloud-config", Kind::CloudConfig),
    ("#part-handler", Kind::PartHandler),
    ("#include", Kind::Include),
    ("#!", Kind::ShellScript),
];

const ALL: [Kind; 12] = [
    Kind::CloudConfig,
    Kind::CloudConfigJsonp,
    Kind::CloudConfigArchive,
    Kind::CloudBoothook,
    Kind::ShellScript,
    Kind::PerBoot,
    Kind::PerInstance,
    Kind::PerOnce,
    Kind::Include,
    Kind::IncludeOnce,
    Kind::PartHandler,
    Kind::Jinja,
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

    /// What one of its scripts is called.
    pub fn noun(self) -> &'static str {
        match self {
            Folder::Instance => "script",
            Folder::PerBoot => "per-boot",
            Folder::PerInstance => "per-instance",
            Folder::PerOnce => "per-once",
        }
    }
}

impl Kind {
    pub fn of(content: &[u8]) -> Option<Kind> {
        let text = String::from_utf8_lossy(content);
        let text = text.trim_start_matches(is_python_space);
        let begins_with = |prefix: &str| {
            let mut lower = text.chars().flat_map(char::to_lowercase);
            prefix.chars().all(|c| lower.next() == Some(c))
        };
        let found = PREFIXES.iter().find(|(prefix, _)| begins_with(prefix));
        found.map(|(_, kind)| *kind)
    }

    pub fn mime(self) -> &'static str {
        match self {
            Kind::CloudConfigArchive => "text/cloud-config-archive",
            Kind::CloudConfigJsonp => "text/cloud-config-jsonp",
            Kind::Jinja => "text/jinja2",
            Kind::CloudBoothook => "text/cloud-boothook",
            Kind::IncludeOnce => "text/x-include-once-url",
            Kind::CloudConfig => "text/cloud-config",
            Kind::PartHandler => "text/part-handler",
            Kind::Include => "text/x-include-url",
            Kind::ShellScript => "text/x-shellscript",
            Kind::PerBoot => "text/x-shellscript-per-boot",
            Kind::PerInstance => "text/x-shellscript-per-instance",
            Kind::PerOnce => "text/x-shellscript-per-once",
        }
    }

    pub(crate) fn by_mime(mime: &str) -> Option<Kind> {
        ALL.into_iter().find(|kind| kind.mime() == mime)
    }

    /// How a part of this kind begins, where it has to begin in one way.
    pub(crate) fn prefix(self) -> &'static str {
        PREFIXES.iter().find(|(_, kind)| *kind == self).map_or("", |(prefix, _)| prefix)
    }

    pub(crate) fn folder(self) -> Option<Folder> {
        match self {
            Kind::ShellScript => Some(Folder::Instance),
            Kind::PerBoot => Some(Folder::PerBoot),
            Kind::PerInstance => Some(Folder::PerInstance),
            Kind::PerOnce => Some(Folder::PerOnce),
            _ => None,
        }
    }
}

/// The type by which cloud-init handles a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PartType {
    Known(Kind),
    /// Unpacked by cloud-init, then told by how it begins.
    Gzip(String),
    /// Read by EKS's nodeadm, not by cloud-init.
    NodeConfig,
    /// One for a part handler.
    Custom(String),
    /// text/plain whose beginning tells nothing: ignored.
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
/// What cloud-init calls a part that is no message.
pub(crate) const NOT_MULTIPART: &str = "text/x-not-multipart";
pub(crate) const PLAIN: &str = "text/plain";

impl PartType {
    /// The type of a part declared as `mime`. Of three types cloud-init looks how the part begins all the same.
    pub fn of(mime: &str, content: &[u8]) -> PartType {
        let told = Kind::of(content).map(PartType::Known);
        match mime {
            PLAIN | NOT_MULTIPART => told.unwrap_or(PartType::Unknown),
            "text/x-shellscript" => told.unwrap_or(PartType::Known(Kind::ShellScript)),
            NODE_CONFIG => PartType::NodeConfig,
            mime if GZIP.contains(&mime) => PartType::Gzip(mime.to_string()),
            mime => Kind::by_mime(mime).map_or_else(|| PartType::Custom(mime.to_string()), PartType::Known),
        }
    }

    pub fn kind(&self) -> Option<Kind> {
        match self {
            PartType::Known(kind) => Some(*kind),
            _ => None,
        }
    }
}

/// As it stands in Content-Type.
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

/// The type in full, as a user writes it behind a file: `text/` may be left out.
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
            Err(Failure::usage(format!("{given} is a type of what holds parts, not of a part")))
        }
        Some((kind, subtype)) if token(kind) && token(subtype) => Ok(given),
        Some(_) => Err(Failure::usage(format!("{given} is no type"))),
        None => {
            let full = format!("text/{given}");
            match Kind::by_mime(&full).is_some() || full == PLAIN {
                true => Ok(full),
                false => Err(Failure::usage(format!("cloud-init knows no type {given}")).hint(format!(
                    "PART is FILE or FILE:TYPE, of types {}; a part handler's own has a slash, as in text/x-mine; \
                     FILE:raw is passed through unchanged",
                    ALL.map(|kind| &kind.mime()["text/".len()..]).join(", ")
                ))),
            }
        }
    }
}

/// The beginnings there are, for a message.
pub(crate) fn all_prefixes() -> String {
    prefixes().collect::<Vec<_>>().join(", ")
}

/// How files begin.
pub(crate) fn prefixes() -> impl Iterator<Item = &'static str> {
    PREFIXES.iter().map(|(prefix, _)| *prefix).filter(|prefix| prefix.starts_with('#'))
}

/// What Python's `str.lstrip` skips: Unicode's white space and four separators of ASCII.
pub(crate) fn is_python_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\x1c'..='\x1f')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_beginning_is_told_and_no_longer_one_is_hidden_by_a_shorter() {
        for (at, (prefix, kind)) in PREFIXES.iter().enumerate() {
            assert_eq!(Kind::of(prefix.as_bytes()), Some(*kind), "{prefix}");
            let hidden = PREFIXES[..at].iter().find(|(earlier, _)| prefix.starts_with(earlier));
            assert!(hidden.is_none(), "{prefix} comes after {hidden:?}");
            assert_eq!(Kind::by_mime(kind.mime()), Some(*kind));
        }
    }

    #[test]
    fn white_space_and_case_do_not_matter() {
        assert_eq!(Kind::of(b"\n \t\r\n#Cloud-Config\n"), Some(Kind::CloudConfig));
        assert_eq!(Kind::of("\u{a0}\x1f#!/bin/sh".as_bytes()), Some(Kind::ShellScript));
        assert_eq!(Kind::of(&[&[b'\n'; 9999], &b"#!/bin/sh"[..]].concat()), Some(Kind::ShellScript));
        assert_eq!(Kind::of(format!("{}#!/bin/sh", "\u{a0}\x1c".repeat(300)).as_bytes()), Some(Kind::ShellScript));
        assert_eq!(Kind::of(b"#INCLUDE-ONCE"), Some(Kind::IncludeOnce));
        // As prose does, cloud-init takes any word that begins so.
        assert_eq!(Kind::of(b"#included"), Some(Kind::Include));
    }

    #[test]
    fn what_cloud_init_would_not_know_is_not_known() {
        for unknown in ["", "hello", "# cloud-config", "##template: jinja", "\u{feff}#!/bin/sh", "echo #!"] {
            assert_eq!(Kind::of(unknown.as_bytes()), None, "{unknown}");
        }
    }

    #[test]
    fn a_type_holds_but_for_those_that_cloud_init_looks_into() {
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
    fn text_may_be_left_out_of_a_type_and_a_wrong_one_is_told() {
        assert_eq!(full_type("Cloud-Config").unwrap(), "text/cloud-config");
        assert_eq!(full_type("text/x-shellscript-per-boot").unwrap(), "text/x-shellscript-per-boot");
        assert_eq!(full_type("application/x-mine").unwrap(), "application/x-mine");
        assert_eq!(full_type("shellscript").unwrap_err().message, "cloud-init knows no type shellscript");
        assert_eq!(full_type("text/a b").unwrap_err().message, "text/a b is no type");
        assert_eq!(full_type("upstart-job").unwrap_err().message, "cloud-init no longer knows upstart-job");
    }
}
