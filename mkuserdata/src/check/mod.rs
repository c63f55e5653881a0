//! What cloud-init would do with a part that its owner does not expect. Each rule names what it is of cloud-init.

pub(crate) mod console;
mod python;
pub(crate) mod secret;

use crate::cloud_config::archive;
use crate::cloud_config::check::cloud_config;
use crate::cloud_init::content_type::{Kind, PLAIN, PartType, all_prefixes, is_python_space, prefixes};
use crate::cloud_init::foreign::Foreign;
use crate::cloud_init::wrapping::{is_gzip, unwrapped};
use minijinja::Environment;
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Everything wrong with a part of type `part_type`, which was declared or told from how it begins.
pub(crate) fn problems(part_type: &PartType, declared: Option<&str>, content: &[u8]) -> Vec<String> {
    if let Some(problem) = nothing(content) {
        return vec![problem];
    }
    if let PartType::Unknown = part_type {
        return vec![unknown(content)];
    }
    if let PartType::Gzip(_) | PartType::NodeConfig | PartType::Custom(_) = part_type {
        return Vec::new();
    }
    let Ok(text) = std::str::from_utf8(content) else {
        return vec![match part_type.kind() {
            Some(Kind::PartHandler | Kind::Include | Kind::IncludeOnce) => {
                "is not UTF-8: cloud-init would take none of the user-data".to_string()
            }
            _ => "is not UTF-8: cloud-init would fail at it, and go on without it".to_string(),
        }];
    };
    let mut problems: Vec<String> =
        declared.and_then(|declared| another_type(declared, part_type)).into_iter().collect();
    let kind = part_type.kind();
    if declared.is_none() {
        problems.extend(kind.and_then(|kind| longer_word(kind, text)));
    }
    match kind {
        Some(Kind::ShellScript | Kind::PerBoot | Kind::PerInstance | Kind::PerOnce) => problems.extend(script(text)),
        Some(Kind::CloudBoothook) => problems.extend(boothook(text)),
        Some(Kind::CloudConfig) => problems.extend(cloud_config(text)),
        Some(Kind::CloudConfigArchive) => problems.extend(archive::problems(text, self::problems)),
        Some(Kind::CloudConfigJsonp) => problems.extend(json_patch(text)),
        Some(Kind::Include | Kind::IncludeOnce) => problems.extend(include(text)),
        Some(Kind::Jinja) => problems.extend(jinja(text)),
        Some(Kind::PartHandler) => problems.extend(part_handler(text)),
        None => {}
    }
    problems
}

pub(crate) fn nothing(content: &[u8]) -> Option<String> {
    content.trim_ascii().is_empty().then(|| "is empty: cloud-init would have nothing to do".to_string())
}

/// Of a part of a type of one's own, where no part handler stands before it.
pub(crate) fn unhandled(mime: &str) -> String {
    format!("no part handler before it: cloud-init would ignore a part of type {mime}")
}

/// Of a part that begins in no way that cloud-init knows.
fn unknown(content: &[u8]) -> String {
    let ignored = "cloud-init would ignore it";
    if is_gzip(content) {
        return format!("is compressed already: {ignored} (FILE:application/gzip is unpacked here)");
    }
    let text = String::from_utf8_lossy(content);
    if let Some(rest) = text.strip_prefix('\u{feff}') {
        return match Kind::of(rest.as_bytes()) {
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
    // What it says instead may be a secret: messages end in logs and records.
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

/// `---` or a comment may come before its first key.
fn is_node_config(text: &str) -> bool {
    let is_version = |line: &str| {
        let value = line.strip_prefix("apiVersion:").map(|value| value.trim_start().trim_start_matches(['"', '\'']));
        value.is_some_and(|value| value.to_lowercase().starts_with("node.eks.aws"))
    };
    text.lines().any(is_version)
}

/// The first line that is not blank.
fn first_line(text: &str) -> &str {
    text.trim_start_matches(is_python_space).lines().next().unwrap_or_default()
}

/// The beginning that `line`, in lower case, is nearest to, if it is near to any.
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

/// `#cloud-configs` counts as `#cloud-config`, which may not be what was meant.
fn longer_word(kind: Kind, text: &str) -> Option<String> {
    let prefix = kind.prefix();
    let word = first_line(text).get(prefix.len()..)?;
    let goes_on = word.starts_with(|c: char| c.is_alphanumeric() || "-_".contains(c));
    match kind {
        // What may follow these is told apart by what follows.
        Kind::ShellScript | Kind::Jinja | Kind::Include | Kind::IncludeOnce => None,
        _ if goes_on => {
            Some(format!("its first line is more than {prefix}: cloud-init would take it for that all the same"))
        }
        _ => None,
    }
}

fn another_type(declared: &str, part_type: &PartType) -> Option<String> {
    let actual = part_type.to_string();
    (actual != declared && declared != PLAIN)
        .then(|| format!("begins as {actual}: cloud-init would go by that, not by the type {declared}"))
}

/// Scripts are written as they are, but for line ends, and run by the kernel (execve(2)).
fn script(text: &str) -> Option<String> {
    let Some(line) = text.strip_prefix("#!") else {
        return Some(match text.trim_start_matches(is_python_space).starts_with("#!") {
            true => "has white space before #!: the kernel would not run it".to_string(),
            false => "does not begin with #!: the kernel would not run it".to_string(),
        });
    };
    let line = line.lines().next().unwrap_or_default();
    match line.trim().is_empty() {
        true => Some("names no interpreter behind #!: the kernel would not run it".to_string()),
        false => carriage_return(text),
    }
}

/// `dos2unix` in cloud-init's util.py goes by the first line.
fn carriage_return(text: &str) -> Option<String> {
    let end = text.find('\n').filter(|end| *end > 0)?;
    text[..end].ends_with('\r').then(|| {
        "its first line ends in CR LF: cloud-init would make every CR LF of it an LF, as dos2unix(1) does".to_string()
    })
}

/// handlers/boot_hook.py takes the prefix off, in this case and at this place alone, and runs what is left.
fn boothook(text: &str) -> Option<String> {
    let unix: Cow<str> = match carriage_return(text) {
        Some(_) => text.replace("\r\n", "\n").into(),
        None => text.into(),
    };
    let run = unix.strip_prefix(Kind::CloudBoothook.prefix()).unwrap_or(&unix);
    match run.trim_start_matches(is_python_space).starts_with("#!") {
        true => carriage_return(text),
        false if run.len() == unix.len() => {
            Some("does not begin with #cloud-boothook as it is spelled here: cloud-init would leave it in, and the kernel not run it".to_string())
        }
        false => Some("has no #! after #cloud-boothook: the kernel would not run it".to_string()),
    }
}

/// `_merge_patch` in handlers/cloud_config.py, and RFC 6902.
fn json_patch(text: &str) -> Option<String> {
    let text = text.trim_start_matches(is_python_space);
    let patch = text.strip_prefix(Kind::CloudConfigJsonp.prefix()).unwrap_or(text);
    let is_pointer = |value: Option<&Value>| {
        value.and_then(Value::as_str).is_some_and(|pointer| pointer.is_empty() || pointer.starts_with('/'))
    };
    let is_operation = |operation: &Map<String, Value>| {
        is_pointer(operation.get("path"))
            && match operation.get("op").and_then(Value::as_str) {
                Some("add" | "replace" | "test") => operation.contains_key("value"),
                Some("move" | "copy") => is_pointer(operation.get("from")),
                Some("remove") => true,
                _ => false,
            }
    };
    match serde_json::from_str::<Vec<Map<String, Value>>>(patch) {
        Err(_) => Some("is no JSON patch, a list of operations: cloud-init would ignore it".to_string()),
        Ok(operations) => {
            let wrong = operations.iter().position(|operation| !is_operation(operation))?;
            Some(format!("operation {} is none of RFC 6902: cloud-init would ignore the patch", wrong + 1))
        }
    }
}

/// `_do_include` in user_data.py: each line is a URL, with or without `#include` in front.
fn include(text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut urls = 0;
    for (number, line) in text.split(is_python_line_end).enumerate() {
        let url = url_of(line);
        if url.is_empty() {
            continue;
        }
        urls += 1;
        let what = match url {
            url if !is_fetched(url) => "counts as a URL to include",
            url if goes_on(url) => "has something behind its URL, which counts as part of it",
            _ => continue,
        };
        let number = number + 1;
        problems
            .push(format!("line {number} {what}: cloud-init would fail to fetch it, and take none of the user-data"));
    }
    if urls == 0 {
        problems.push("has no URL: cloud-init would include nothing".to_string());
    }
    problems
}

fn url_of(line: &str) -> &str {
    let after = |prefix: &str| {
        let start = line.get(..prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then(|| line[prefix.len()..].trim_start_matches(is_python_space))
    };
    let rest = after("#include-once").or_else(|| after("#include")).unwrap_or(line);
    match rest.starts_with('#') {
        true => "",
        false => rest.trim_matches(is_python_space),
    }
}

/// `read_file_or_url` in url_helper.py, as far as all releases agree.
fn is_fetched(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    let scheme = ["http://", "https://", "file:///"].iter().find_map(|scheme| lower.strip_prefix(scheme));
    match scheme {
        Some(rest) => !rest.is_empty() && !rest.starts_with([':', '/', ' ']),
        None => url.starts_with('/'),
    }
}

/// Whether a comment follows, or a word behind what is not a path: paths may have blanks in them.
fn goes_on(url: &str) -> bool {
    let is_path = url.starts_with('/') || url.to_ascii_lowercase().starts_with("file:");
    match url.split_once(is_python_space) {
        Some((_, rest)) => !is_path || rest.contains('#'),
        None => false,
    }
}

/// `walker_handle_handler` in handlers/__init__.py imports it, asks for its types, and goes on without it if it fails.
fn part_handler(text: &str) -> Option<String> {
    let ignored = "cloud-init would ignore it, and parts of its types";
    if let Some((line, message)) = python::syntax_error(text) {
        return Some(format!("line {line} is not Python: {message}: {ignored}"));
    }
    let missing = ["list_types", "handle_part"].into_iter().find(|name| !text.contains(name))?;
    Some(format!("does not define {missing}: {ignored}"))
}

/// Of what `str.splitlines` splits at, one character each: CR LF is an end and an empty line.
fn is_python_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// `detect_template` in templater.py, and what handlers/jinja_template.py hands on.
fn jinja(text: &str) -> Option<String> {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    let lower = first.to_lowercase();
    let engine = lower.strip_prefix("##").and_then(|line| line.trim_start().strip_prefix("template:"));
    match engine.map(str::trim) {
        None => return Some("has something before ## template: jinja: cloud-init would not render it".to_string()),
        Some("jinja") => {}
        Some(_) => return Some("names another engine than jinja: cloud-init would not render it".to_string()),
    }
    // `do` is an extension that cloud-init turns on, and minijinja does not have.
    if !rest.contains("{% do")
        && let Err(error) = Environment::new().template_from_str(rest)
    {
        let line = error.line().map_or(1, |line| line + 1);
        return Some(format!("line {line} is no Jinja: cloud-init would not render it"));
    }
    if rest.trim_start().starts_with('{') {
        return None;
    }
    match Kind::of(rest.as_bytes()) {
        Some(Kind::ShellScript) if !rest.starts_with("#!") => {
            Some("has white space before #!: the kernel would not run it".to_string())
        }
        Some(Kind::ShellScript | Kind::CloudConfig) => None,
        Some(Kind::CloudBoothook) => {
            Some("is a boothook: releases of cloud-init differ in whether they run it".to_string())
        }
        _ => Some("is no cloud-config or script after its first line: cloud-init would ignore it".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The problems of a part without a type, as one line.
    fn found(content: &str) -> String {
        problems(&PartType::of(PLAIN, content.as_bytes()), None, content.as_bytes()).join("; ")
    }

    #[test]
    fn a_sound_part_has_none() {
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
    fn what_cloud_init_would_not_know_is_told_with_what_was_meant() {
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

    #[test]
    fn what_is_wrapped_already_is_told() {
        assert!(found("\u{feff}#!/bin/sh\n").starts_with("a byte order mark hides its #!: "));
        assert!(found("\u{feff}hello").starts_with("begins with a byte order mark: "));
        assert!(found("MIME-Version: 1.0\n").starts_with("is a MIME message already: "));
        let magic = b"\x1f\x8b\x08";
        assert!(problems(&PartType::of(PLAIN, magic), None, magic)[0].starts_with("is compressed already: "));
        assert!(found(" \n").starts_with("is empty: "));
    }

    #[test]
    fn scripts_that_the_kernel_would_not_run() {
        assert_eq!(found("\n#!/bin/sh\n"), "has white space before #!: the kernel would not run it");
        assert_eq!(found("#! \n/bin/sh\n"), "names no interpreter behind #!: the kernel would not run it");
        assert!(found("#!/bin/sh\r\necho\r\n").starts_with("its first line ends in CR LF: "));
        assert_eq!(found("#cloud-boothook\necho\n"), "has no #! after #cloud-boothook: the kernel would not run it");
        assert!(found("#Cloud-Boothook\n#!/bin/sh\n").starts_with("does not begin with #cloud-boothook as "));
        assert!(found("#cloud-boothook\r\n#!/bin/sh\r\n").starts_with("its first line ends in CR LF: "));
        let per_boot = PartType::Known(Kind::PerBoot);
        let found = problems(&per_boot, Some("text/x-shellscript-per-boot"), b"echo\n");
        assert_eq!(found, ["does not begin with #!: the kernel would not run it"]);
    }

    #[test]
    fn prose_and_indented_lines_count_as_urls() {
        assert!(found("#included are packages\n").starts_with("line 1 counts as a URL to include: "));
        assert!(found("#include\n\n #include http://x/\n").starts_with("line 3 counts as a URL to include: "));
        assert!(found("#include\nhttp://\ns3://x/y\n").contains("; line 3 "));
        assert_eq!(found("#include\n# none\n"), "has no URL: cloud-init would include nothing");
    }

    #[test]
    fn templates_of_cloud_init_that_it_would_not_render() {
        assert!(found("\n## template: jinja\n#!/bin/sh\n").starts_with("has something before "));
        assert!(found("## template: jinja\n#!/bin/bash\necho ${#x[@]}\n").starts_with("line 3 is no Jinja: "));
        assert!(found("## template: jinja2\n#!/bin/sh\n").starts_with("names another engine "));
        assert!(found("## template: jinja\n\n#!/bin/sh\n").starts_with("has white space before #!"));
        assert!(found("## template: jinja\n#include\nhttp://x/\n").starts_with("is no cloud-config or script "));
    }

    #[test]
    fn a_type_that_does_not_hold_and_a_beginning_that_goes_on() {
        let content = b"#cloud-config\na: 1\n";
        let part_type = PartType::of("text/x-shellscript", content);
        assert!(
            problems(&part_type, Some("text/x-shellscript"), content)[0].starts_with("begins as text/cloud-config: ")
        );
        assert!(found("#cloud-configs\na: 1\n").starts_with("its first line is more than #cloud-config: "));
        assert!(
            problems(&PartType::Known(Kind::ShellScript), None, b"#!/bin/sh\n\xff")[0].starts_with("is not UTF-8: ")
        );
    }

    #[test]
    fn a_patch_is_a_list_of_operations() {
        assert!(found("#cloud-config-jsonp\n[{\"op\":\"add\",\"path\":\"/a\"}]").starts_with("operation 1 is none "));
        assert!(found("#cloud-config-jsonp\n[{\"op\":\"remove\",\"path\":\"a\"}]").starts_with("operation 1 is none "));
        for bad in
            ["#cloud-config-jsonp\n{}", "#cloud-config-jsonp\n[1]", "#Cloud-Config-Jsonp\n[]", "#cloud-config-jsonp\n"]
        {
            assert!(found(bad).starts_with("is no JSON patch"), "{bad}: {}", found(bad));
        }
    }

    #[test]
    fn an_archive_is_a_list_of_sound_parts() {
        let found = |text: &str| archive::problems(text, problems).join("; ");
        assert_eq!(found("#cloud-config-archive\n- \"#!/bin/sh\\n\"\n- {content: 'x: 1'}\n"), "");
        assert_eq!(found("a: 1\n"), "is a mapping, no YAML list: cloud-init would ignore it");
        assert_eq!(found("- 'a: 1'\n- 7\n"), "entry 2: is neither text nor a mapping: cloud-init would skip it");
        assert!(found("- {content: 7}\n").starts_with("entry 1: content is no text: "));
        assert!(found("- {type: cloud-config, content: 'a: 1'}\n").starts_with("entry 1: its type has no slash: "));
        assert!(found("- \"#include\\nhttp://x/\\n\"\n").starts_with("entry 1: cloud-init opens no such part "));
        assert!(found("- 'a: ['\n").starts_with("entry 1: is no YAML: "));
        // Also by who only asks for the parts.
        assert!(archive::entries(&format!("- {}{}", "[".repeat(2_000_000), "]".repeat(2_000_000))).is_empty());
        let entries = archive::entries("- '#!/bin/sh'\n- {content: x, type: text/plain, filename: f}\n- 7\n");
        assert_eq!(entries.len(), 2);
        assert_eq!((entries[1].name.as_deref(), entries[1].declared.as_deref()), (Some("f"), Some("text/plain")));
    }
}
