//! Checks templates that cloud-init itself renders.

use crate::cloud_init::content_type::ContentType;
use minijinja::Environment;

/// See `detect_template` in cloud-init's templater.py, and handlers/jinja_template.py.
pub fn jinja(text: &str) -> Option<String> {
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
        return Some(format!("line {line} is not Jinja: cloud-init would not render it"));
    }
    if rest.trim_start().starts_with('{') {
        return None;
    }
    match ContentType::of(rest.as_bytes()) {
        Some(ContentType::ShellScript) if !rest.starts_with("#!") => {
            Some("has white space before #!: the kernel would not run it".to_string())
        }
        Some(ContentType::ShellScript | ContentType::CloudConfig) => None,
        Some(ContentType::CloudBoothook) => {
            Some("is a boothook: releases of cloud-init differ in whether they run it".to_string())
        }
        _ => Some("is not a cloud-config or script after its first line: cloud-init would ignore it".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use crate::check::tests::found;

    #[test]
    fn templates_that_cloud_init_would_not_render_are_found() {
        assert!(found("\n## template: jinja\n#!/bin/sh\n").starts_with("has something before "));
        assert!(found("## template: jinja\n#!/bin/bash\necho ${#x[@]}\n").starts_with("line 3 is not Jinja: "));
        assert!(found("## template: jinja2\n#!/bin/sh\n").starts_with("names another engine "));
        assert!(found("## template: jinja\n\n#!/bin/sh\n").starts_with("has white space before #!"));
        assert!(found("## template: jinja\n#include\nhttp://x/\n").starts_with("is not a cloud-config or script "));
    }
}
