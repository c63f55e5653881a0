//! Checks scripts and boothooks: finds those that the kernel would not run.

use crate::cloud_init::content_type::ContentType;
use std::borrow::Cow;

/// cloud-init writes scripts unchanged except for line ends, and the kernel runs them (execve(2)).
pub fn script(text: &str) -> Option<String> {
    let Some(line) = text.strip_prefix("#!") else {
        return Some(if text.trim_start().starts_with("#!") {
            "has white space before #!: the kernel would not run it".to_string()
        } else {
            "does not begin with #!: the kernel would not run it".to_string()
        });
    };
    let line = line.lines().next().unwrap_or_default();
    if line.trim().is_empty() {
        Some("has no interpreter after #!: the kernel would not run it".to_string())
    } else {
        carriage_return(text)
    }
}

/// Returns a problem if cloud-init would change line ends. It looks at the first line (`dos2unix` in util.py).
fn carriage_return(text: &str) -> Option<String> {
    let end = text.find('\n').filter(|end| *end > 0)?;
    text[..end].ends_with('\r').then(|| {
        "its first line ends in CR LF: cloud-init would make every CR LF of it an LF, as dos2unix(1) does".to_string()
    })
}

/// cloud-init removes the prefix if it is at the very start in lower case, and runs the rest (handlers/boot_hook.py).
pub fn boothook(text: &str) -> Option<String> {
    let unix: Cow<str> = match carriage_return(text) {
        Some(_) => text.replace("\r\n", "\n").into(),
        None => text.into(),
    };
    let run = unix.strip_prefix(ContentType::CloudBoothook.prefix()).unwrap_or(&unix);
    match run.trim_start().starts_with("#!") {
        true => carriage_return(text),
        false if run.len() == unix.len() => {
            Some("does not begin with #cloud-boothook as it is spelled here: cloud-init would leave it in, and the kernel not run it".to_string())
        }
        false => Some("has no #! after #cloud-boothook: the kernel would not run it".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::problems;
    use crate::check::tests::found;
    use crate::cloud_init::content_type::PartType;

    #[test]
    fn scripts_that_the_kernel_would_not_run_are_found() {
        assert_eq!(found("\n#!/bin/sh\n"), "has white space before #!: the kernel would not run it");
        assert_eq!(found("#! \n/bin/sh\n"), "has no interpreter after #!: the kernel would not run it");
        assert!(found("#!/bin/sh\r\necho\r\n").starts_with("its first line ends in CR LF: "));
        assert_eq!(found("#cloud-boothook\necho\n"), "has no #! after #cloud-boothook: the kernel would not run it");
        assert!(found("#Cloud-Boothook\n#!/bin/sh\n").starts_with("does not begin with #cloud-boothook as "));
        assert!(found("#cloud-boothook\r\n#!/bin/sh\r\n").starts_with("its first line ends in CR LF: "));
        let per_boot = PartType::Known(ContentType::PerBoot);
        let found = problems(&per_boot, Some("text/x-shellscript-per-boot"), b"echo\n");
        assert_eq!(found, ["does not begin with #!: the kernel would not run it"]);
    }
}
