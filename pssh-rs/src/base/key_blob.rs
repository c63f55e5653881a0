//! Public keys and certificates as SSH sends them (RFC 4253 section 6.6): their type and fingerprint.

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine};
use openssl::sha::sha256;

/// Returns the type of a key, which is the first string in it, such as `ssh-ed25519`. Returns "" if there is none.
pub fn key_type(blob: &[u8]) -> &str {
    let Some((len, rest)) = blob.split_first_chunk::<4>() else { return "" };
    let text = rest.get(..u32::from_be_bytes(*len) as usize).unwrap_or_default();
    std::str::from_utf8(text).unwrap_or_default()
}

pub fn is_certificate(key_type: &str) -> bool {
    key_type.ends_with("-cert-v01@openssh.com")
}

/// Returns the fingerprint of a public key, as `ssh-keygen -l` shows it.
pub fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(sha256(key)))
}
