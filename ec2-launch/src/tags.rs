//! The tags that ec2-launch sets by itself, and digests for them.

use cerveza_ec2::check_tag;
use sha2::{Digest, Sha256};

/// Tags that ec2-launch sets from the host and the profile.
pub const RESERVED_TAGS: [&str; 3] = ["Name", "profile", DIGEST_TAG];

/// Checks a tag that a profile or --tag gives.
pub fn check_given_tag(key: &str, value: &str) -> std::result::Result<(), String> {
    if RESERVED_TAGS.contains(&key) {
        Err(format!("{key} is set from the host and the profile"))
    } else {
        check_tag(key, value)
    }
}

/// The first digits of the digest of the profile that an instance was launched by.
pub const DIGEST_TAG: &str = "profile-digest";
const SHORT_DIGEST: usize = 12;

/// Returns the digits of a digest that a tag has.
pub fn short_digest(digest: &str) -> &str {
    digest.get(..SHORT_DIGEST).unwrap_or(digest)
}

/// SHA-256 in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
