//! Checks a part: finds what cloud-init would do with it that its author does not expect.

mod first_line;
pub(crate) mod host_keys;
mod include;
mod jinja;
mod json_patch;
mod python_syntax;
mod script;
pub(crate) mod secrets;

use crate::cloud_config::archive;
use crate::cloud_config::check::cloud_config;
use crate::cloud_init::content_type::{ContentType, PLAIN, PartType};

/// Returns everything that is wrong with a part. `declared` is the type that was given for it, if any.
pub(crate) fn problems(part_type: &PartType, declared: Option<&str>, content: &[u8]) -> Vec<String> {
    if let Some(problem) = nothing(content) {
        return vec![problem];
    }
    if let PartType::Unknown = part_type {
        return vec![first_line::unknown(content)];
    }
    if let PartType::Gzip(_) | PartType::NodeConfig | PartType::Custom(_) = part_type {
        return Vec::new();
    }
    let Ok(text) = std::str::from_utf8(content) else {
        return vec![match part_type.content_type() {
            Some(ContentType::PartHandler | ContentType::Include | ContentType::IncludeOnce) => {
                "is not UTF-8: cloud-init would take none of the user-data".to_string()
            }
            _ => "is not UTF-8: cloud-init would fail at it, and go on without it".to_string(),
        }];
    };
    let mut problems: Vec<String> =
        declared.and_then(|declared| another_type(declared, part_type)).into_iter().collect();
    let kind = part_type.content_type();
    if declared.is_none() {
        problems.extend(kind.and_then(|kind| first_line::longer_word(kind, text)));
    }
    match kind {
        Some(ContentType::ShellScript | ContentType::PerBoot | ContentType::PerInstance | ContentType::PerOnce) => {
            problems.extend(script::script(text))
        }
        Some(ContentType::CloudBoothook) => problems.extend(script::boothook(text)),
        Some(ContentType::CloudConfig) => problems.extend(cloud_config(text)),
        Some(ContentType::CloudConfigArchive) => problems.extend(archive::problems(text, self::problems)),
        Some(ContentType::CloudConfigJsonp) => problems.extend(json_patch::json_patch(text)),
        Some(ContentType::Include | ContentType::IncludeOnce) => problems.extend(include::include(text)),
        Some(ContentType::Jinja) => problems.extend(jinja::jinja(text)),
        Some(ContentType::PartHandler) => problems.extend(part_handler(text)),
        None => {}
    }
    problems
}

pub(crate) fn nothing(content: &[u8]) -> Option<String> {
    content.trim_ascii().is_empty().then(|| "is empty: cloud-init would have nothing to do".to_string())
}

/// Returns the problem of a part of a custom type with no part handler before it.
pub(crate) fn unhandled(mime: &str) -> String {
    format!("no part handler before it: cloud-init would ignore a part of type {mime}")
}

fn another_type(declared: &str, part_type: &PartType) -> Option<String> {
    let actual = part_type.to_string();
    (actual != declared && declared != PLAIN)
        .then(|| format!("begins as {actual}: cloud-init would go by that, not by the type {declared}"))
}

/// cloud-init imports it and asks for its types, and ignores it if that fails (`walker_handle_handler` in
/// handlers/__init__.py).
fn part_handler(text: &str) -> Option<String> {
    let ignored = "cloud-init would ignore it, and parts of its types";
    if let Some((line, message)) = python_syntax::syntax_error(text) {
        return Some(format!("line {line} is not Python: {message}: {ignored}"));
    }
    let missing = ["list_types", "handle_part"].into_iter().find(|name| !text.contains(name))?;
    Some(format!("does not define {missing}: {ignored}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the problems of a part without a declared type in one line.
    pub fn found(content: &str) -> String {
        problems(&PartType::of(PLAIN, content.as_bytes()), None, content.as_bytes()).join("; ")
    }

    #[test]
    fn a_valid_part_has_no_problems() {
        for content in [
            "#!/bin/sh\necho\r\n",
            "#cloud-config\npackages: [ntp]\n",
            "  \n#Cloud-Config # mine\na: 1\n",
            "#cloud-config-archive\n- '#!/bin/sh'\n- {type: text/cloud-config, content: 'a: 1'}\n",
            "#cloud-config-jsonp\n[{\"op\":\"add\",\"path\":\"/a\",\"value\":1}]\n",
            "#cloud-boothook\n#!/bin/sh\n",
            "#cloud-boothook #!/bin/sh\n",
            "#include\n# a comment\nhttps://x.org/a\n/etc/extra\n\n",
            "#include https://x.org/a\r\n#include-once\r\nfile:///a\r\n",
            "#part-handler\ndef list_types():\n    return []\ndef handle_part(*args):\n    pass\n",
            "## template: jinja\n#cloud-config\na: {{ v1.region }}\n",
            "## Template: Jinja\n{% if x %}#!/bin/sh{% endif %}\n",
        ] {
            assert_eq!(found(content), "", "{content:?}");
        }
    }

    #[test]
    fn a_wrong_declared_type_and_a_longer_first_word_are_problems() {
        let content = b"#cloud-config\na: 1\n";
        let part_type = PartType::of("text/x-shellscript", content);
        assert!(
            problems(&part_type, Some("text/x-shellscript"), content)[0].starts_with("begins as text/cloud-config: ")
        );
        assert!(found("#cloud-configs\na: 1\n").starts_with("its first line is more than #cloud-config: "));
        assert!(
            problems(&PartType::Known(ContentType::ShellScript), None, b"#!/bin/sh\n\xff")[0]
                .starts_with("is not UTF-8: ")
        );
    }

    #[test]
    fn an_archive_is_a_list_of_valid_parts() {
        let found = |text: &str| archive::problems(text, problems).join("; ");
        assert_eq!(found("#cloud-config-archive\n- \"#!/bin/sh\\n\"\n- {content: 'x: 1'}\n"), "");
        assert_eq!(found("a: 1\n"), "is a mapping, not a YAML list: cloud-init would ignore it");
        assert_eq!(found("- 'a: 1'\n- 7\n"), "entry 2: is neither text nor a mapping: cloud-init would skip it");
        assert!(found("- {content: 7}\n").starts_with("entry 1: content is not text: "));
        assert!(found("- {type: cloud-config, content: 'a: 1'}\n").starts_with("entry 1: its type has no slash: "));
        assert!(found("- \"#include\\nhttp://x/\\n\"\n").starts_with("entry 1: cloud-init opens no such part "));
        assert!(found("- 'a: ['\n").starts_with("entry 1: is not YAML: "));
        // Also by who only asks for the parts.
        assert!(archive::entries(&format!("- {}{}", "[".repeat(2_000_000), "]".repeat(2_000_000))).is_empty());
        let entries = archive::entries("- '#!/bin/sh'\n- {content: x, type: text/plain, filename: f}\n- 7\n");
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[1].name.as_deref(), entries[1].declared.as_deref()), (Some("f"), Some("text/plain")));
    }

    #[test]
    fn parts_that_are_compressed_or_mime_already_are_problems() {
        assert!(found("\u{feff}#!/bin/sh\n").starts_with("a byte order mark hides its #!: "));
        assert!(found("\u{feff}hello").starts_with("begins with a byte order mark: "));
        assert!(found("MIME-Version: 1.0\n").starts_with("is a MIME message already: "));
        let magic = b"\x1f\x8b\x08";
        assert!(problems(&PartType::of(PLAIN, magic), None, magic)[0].starts_with("is compressed already: "));
        assert!(found(" \n").starts_with("is empty: "));
    }
}
