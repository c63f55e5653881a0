//! What looks like a secret. User-data is no place for one: DescribeInstanceAttribute gives it to anyone with that
//! permission, and the instance metadata service to every process on the instance.

use regex::bytes::{RegexBuilder, RegexSet, RegexSetBuilder};
use std::sync::LazyLock;

const PRIVATE_KEY: &str = "a private key";
const AWS_SECRET: &str = "an AWS secret access key";

/// Each pattern and what it shows. The base64 ones are how `-----BEGIN ... PRIVATE` starts, as write_files has keys.
const PATTERNS: [(&str, &str); 7] = [
    (r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY", PRIVATE_KEY),
    (r"PuTTY-User-Key-File-[0-9]: ", PRIVATE_KEY),
    (r"LS0tLS1CRUdJTiBQUklWQVRF|LS0tLS1CRUdJTiBSU0EgUFJJVkFUR", PRIVATE_KEY),
    (r"LS0tLS1CRUdJTiBFQyBQUklWQVRF|LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVE", PRIVATE_KEY),
    (r"LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJVkFUR|LS0tLS1CRUdJTiBEU0EgUFJJVkFUR", PRIVATE_KEY),
    (r#"(?i)secret_?(access_?)?key\W{1,8}[A-Za-z0-9/+]{40}([^A-Za-z0-9/+=]|$)"#, AWS_SECRET),
    (r"\b(AKIA|ASIA)[A-Z0-9]{16}\W{1,60}[A-Za-z0-9/+]{40}([^A-Za-z0-9/+=]|$)", AWS_SECRET),
];

/// All at once. They are right: a test uses each.
static ANY: LazyLock<RegexSet> = LazyLock::new(|| {
    let patterns = PATTERNS.map(|(pattern, _)| pattern);
    RegexSetBuilder::new(patterns).unicode(false).build().unwrap_or_else(|_| RegexSet::empty())
});

/// What the content seems to hold, and from which line on. It is not quoted.
pub(crate) fn warnings(content: &[u8]) -> Vec<String> {
    let mut found: Vec<(usize, &str)> = Vec::new();
    for matched in ANY.matches(content) {
        let (pattern, what) = PATTERNS[matched];
        let place =
            RegexBuilder::new(pattern).unicode(false).build().ok().and_then(|regex| Some(regex.find(content)?.start()));
        let before = &content[..place.unwrap_or(0)];
        found.push((before.iter().filter(|byte| **byte == b'\n').count() + 1, what));
    }
    found.sort();
    found.dedup_by_key(|(_, what)| *what);
    let say = |(line, what)| {
        format!(
            "line {line} looks like {what}: anyone who may describe the instance, or runs on it, can read user-data"
        )
    };
    found.into_iter().map(say).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    const KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

    fn found(content: &str) -> String {
        warnings(content.as_bytes()).join("\n")
    }

    #[test]
    fn private_keys_are_found_in_plain_text_and_base64() {
        for kind in ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ", "DSA "] {
            let key = format!("-----BEGIN {kind}PRIVATE KEY-----\nMIIE\n");
            assert!(found(&format!("#!/bin/sh\n\n{key}")).starts_with("line 3 looks like a private key: "), "{kind}");
            let encoded = BASE64_STANDARD.encode(key);
            assert!(
                found(&format!("x\n  content: {encoded}\n")).starts_with("line 2 looks like a private key"),
                "{kind}"
            );
        }
        assert!(found("PuTTY-User-Key-File-3: ssh-ed25519\n").contains("a private key"));
    }

    #[test]
    fn aws_secrets_are_found_and_never_quoted() {
        for content in [
            format!("AWS_SECRET_ACCESS_KEY={KEY}\n"),
            format!("aws_secret_access_key = {KEY}"),
            format!("  secretAccessKey: \"{KEY}\"\n"),
            format!("s3cmd AKIAIOSFODNN7EXAMPLE {KEY}\n"),
        ] {
            assert!(found(&content).starts_with("line 1 looks like an AWS secret access key: "), "{content}");
            assert!(!found(&content).contains(KEY));
        }
    }

    #[test]
    fn similar_text_is_not_taken_for_a_secret() {
        for content in [
            "-----BEGIN CERTIFICATE-----\n-----BEGIN PUBLIC KEY-----\nssh-rsa AAAAB3NzaC1yc2E\n",
            "AKIAIOSFODNN7EXAMPLE alone, and sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709\n",
            "aws_secret_access_key=$(get-secret prod/s3)\n",
        ] {
            assert_eq!(found(content), "", "{content}");
        }
    }
}
