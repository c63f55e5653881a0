//! The first line of a part: if cloud-init does not know it, guesses what was intended.

use crate::cloud_init::content_type::{ContentType, all_prefixes, prefixes};
use crate::cloud_init::foreign::Foreign;
use crate::cloud_init::wrapping::{is_gzip, unwrapped};

/// Returns the problem of a part whose first line cloud-init does not know.
pub fn unknown(content: &[u8]) -> String {
    let ignored = "cloud-init would ignore it";
    if is_gzip(content) {
        return format!("is compressed already: {ignored} (FILE:application/gzip is unpacked here)");
    }
    let text = String::from_utf8_lossy(content);
    if let Some(rest) = text.strip_prefix('\u{feff}') {
        return match ContentType::of(rest.as_bytes()) {
            Some(kind) => format!("a byte order mark hides its {}: {ignored}", kind.prefix()),
            None => format!("begins with a byte order mark: {ignored}"),
        };
    }
    if content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff]) {
        return format!("is UTF-16: {ignored} (iconv -f UTF-16 -t UTF-8 makes it UTF-8)");
    }
    let first = first_line(&text);
    let lower = first.to_lowercase();
    if is_node_config(&text) {
        return format!("is a NodeConfig: {ignored} (as FILE:application/node.eks.aws it is for nodeadm)");
    }
    if lower.starts_with("mime-version:") || lower.starts_with("content-type:") {
        return format!("is a MIME message already: {ignored} (--extract takes it apart)");
    }
    if let Some(foreign) = Foreign::of(content) {
        return format!("is {foreign}: {ignored} (FILE:raw, alone, is passed through unchanged)");
    }
    if unwrapped(content).is_some() {
        return format!("is base64: {ignored} (base64 -d decodes it)");
    }
    // The message does not quote the line: it may be a secret, and messages end up in logs and records.
    match near_miss(&lower) {
        Some(prefix) => format!("cloud-init does not know its first line, and would ignore it. Did you mean {prefix}?"),
        None => {
            format!(
                "cloud-init does not know its first line, and would ignore it. A part begins with {}",
                all_prefixes()
            )
        }
    }
}

/// Returns whether it is a NodeConfig of EKS. `---` or a comment may come before its first key.
fn is_node_config(text: &str) -> bool {
    let is_version = |line: &str| {
        let value = line.strip_prefix("apiVersion:").map(|value| value.trim_start().trim_start_matches(['"', '\'']));
        value.is_some_and(|value| value.to_lowercase().starts_with("node.eks.aws"))
    };
    text.lines().any(is_version)
}

/// Returns the first line that is not blank.
fn first_line(text: &str) -> &str {
    text.trim_start().lines().next().unwrap_or_default()
}

/// Returns the known beginning that is most like `line`, which is in lower case, if one is similar.
fn near_miss(line: &str) -> Option<&'static str> {
    if ["!/", "# !", "##!", "#/"].iter().any(|start| line.starts_with(start)) {
        return Some("#!");
    }
    if line.starts_with("#boothook") {
        return Some("#cloud-boothook");
    }
    let bare = |text: &str| text.replace(|c: char| c.is_whitespace() || "#_-".contains(c), "");
    let line = bare(line);
    let distance = |prefix: &str| {
        let prefix = bare(prefix);
        let start: String = line.chars().take(prefix.chars().count()).collect();
        strsim::osa_distance(&start, &prefix)
    };
    let near = prefixes().filter(|prefix| prefix.len() > 2).map(|prefix| (distance(prefix), prefix));
    near.filter(|(distance, _)| *distance <= 2).min_by_key(|(distance, _)| *distance).map(|(_, prefix)| prefix)
}

/// Returns a problem for a longer word such as `#cloud-configs`, which cloud-init takes for `#cloud-config`.
pub fn longer_word(kind: ContentType, text: &str) -> Option<String> {
    let prefix = kind.prefix();
    let word = first_line(text).get(prefix.len()..)?;
    let goes_on = word.starts_with(|c: char| c.is_alphanumeric() || "-_".contains(c));
    match kind {
        // What may follow these is told apart by what follows.
        ContentType::ShellScript | ContentType::Jinja | ContentType::Include | ContentType::IncludeOnce => None,
        _ if goes_on => {
            Some(format!("its first line is more than {prefix}: cloud-init would take it for that all the same"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::check::tests::found;

    #[test]
    fn an_unknown_first_line_gets_a_suggestion() {
        let meant = |content: &str| found(content).split("Did you mean ").nth(1).unwrap_or_default().to_string();
        assert_eq!(meant("# cloud-config\na: 1"), "#cloud-config?");
        assert_eq!(meant("#cloud_config_archive\n"), "#cloud-config-archive?");
        assert_eq!(meant("cloud-confg\n"), "#cloud-config?");
        assert_eq!(meant("##template: jinja\n"), "## template: jinja?");
        assert_eq!(meant("# part handler\n"), "#part-handler?");
        assert_eq!(meant("!/bin/sh\n"), "#!?");
        assert_eq!(meant("# !/bin/sh\n"), "#!?");
        assert_eq!(meant("#/bin/bash\n"), "#!?");
        assert_eq!(meant("#boothook\n"), "#cloud-boothook?");
        assert!(found("Hello world\n").contains("A part begins with #cloud-config-archive, "));
        assert!(!found("hunter2\n").contains("hunter2"));
    }
}
