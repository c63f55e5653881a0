//! Public keys and user certificates that a server can be offered.

use crate::base::key_blob::{fingerprint, is_certificate, key_type};
use crate::known_hosts::Certificate;
use base64::prelude::{BASE64_STANDARD, Engine};
use ssh_key::Algorithm;

/// An offer must fit in one packet with its signature: libssh2 takes 35,000 bytes.
const LARGEST: usize = 30 * 1024;

/// A public key or a user's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// What the server is offered.
    pub blob: Vec<u8>,
    /// The key alone. It differs from `blob` for a certificate.
    pub key: Vec<u8>,
    /// The end of a certificate's validity, in seconds since 1970.
    pub valid_before: Option<u64>,
}

impl PublicKey {
    pub fn parse(blob: &[u8]) -> Result<PublicKey, &'static str> {
        const MALFORMED: &str = "it is malformed";
        if blob.len() > LARGEST {
            return Err("it is too large");
        }
        let (key, valid_before) = if is_certificate(key_type(blob)) {
            let certificate = Certificate::parse(blob).or(Err(MALFORMED))?;
            if certificate.kind.is_host() {
                return Err("it is a host's certificate");
            }
            (certificate.key, Some(certificate.valid_before))
        } else {
            (blob.to_vec(), None)
        };
        match Algorithm::new(key_type(&key)) {
            Ok(Algorithm::Dsa | Algorithm::Other(_)) | Err(_) => return Err("its type is not supported"),
            Ok(_) => ssh_key::PublicKey::from_bytes(&key).or(Err(MALFORMED))?,
        };
        Ok(PublicKey { blob: blob.to_vec(), key, valid_before })
    }

    /// Reads the first line of a `.pub` file: `TYPE BASE64 [COMMENT]`.
    pub fn parse_file(bytes: &[u8]) -> Result<PublicKey, &'static str> {
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let word = lines.next().and_then(|line| line.split_whitespace().nth(1));
        let blob = word.and_then(|word| BASE64_STANDARD.decode(word).ok()).ok_or("it holds no public key")?;
        PublicKey::parse(&blob)
    }

    /// Returns the type of the key, such as `ssh-rsa`.
    pub fn algorithm(&self) -> &str {
        key_type(&self.key)
    }

    pub fn is_certificate(&self) -> bool {
        self.valid_before.is_some()
    }

    /// Whether a FIDO authenticator holds the private half.
    pub fn is_hardware(&self) -> bool {
        self.algorithm().starts_with("sk-")
    }

    /// Returns the fingerprint of the key, also for a certificate.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.key)
    }
}
