//! What a part is, told by how it begins, exactly as cloud-init tells it (`type_from_starts_with` in its
//! handlers/__init__.py): white space before is skipped, case does not matter, the longest prefix wins.

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
}

/// The longest first.
const PREFIXES: [(&str, Kind); 9] = [
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
        }
    }
}

/// The beginnings there are, for a message.
pub(crate) fn all_prefixes() -> String {
    PREFIXES.map(|(prefix, _)| prefix).join(", ")
}

/// What Python's `str.lstrip` skips: Unicode's white space and four separators of ASCII.
fn is_python_space(c: char) -> bool {
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
        }
    }

    #[test]
    fn white_space_and_case_do_not_matter() {
        assert_eq!(Kind::of(b"\n \t\r\n#Cloud-Config\n"), Some(Kind::CloudConfig));
        assert_eq!(Kind::of("\u{a0}\x1f#!/bin/sh".as_bytes()), Some(Kind::ShellScript));
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
}
