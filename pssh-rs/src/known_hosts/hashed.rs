//! Hashed names (`|1|salt|hash`, HMAC-SHA1). Each name has its own salt, so a host is compared with every name, and
//! thousands of hosts with thousands of lines.

use base64::prelude::{BASE64_STANDARD, Engine};
use hmac::{Hmac, Mac};
use openssl::error::ErrorStack;
use openssl::rand::rand_bytes;
use sha1::Sha1;

#[derive(Debug)]
pub struct HashedName {
    /// Has read the salt already: that half of the work is done once a line.
    salted: Hmac<Sha1>,
    hash: [u8; 20],
}

impl HashedName {
    pub fn new(salt: &[u8], hash: [u8; 20]) -> HashedName {
        HashedName { salted: salted(salt), hash }
    }

    pub fn matches(&self, name: &str) -> bool {
        self.salted.clone().chain_update(name).finalize().into_bytes().as_slice() == self.hash
    }
}

fn salted(salt: &[u8]) -> Hmac<Sha1> {
    Hmac::new_from_slice(salt).expect("HMAC takes a key of any length")
}

/// Returns a name as HashKnownHosts stores it, with a new salt.
pub fn hash_name(name: &str) -> Result<String, ErrorStack> {
    let mut salt = [0; 20];
    rand_bytes(&mut salt)?;
    let hash = salted(&salt).chain_update(name).finalize().into_bytes();
    Ok(format!("|1|{}|{}", BASE64_STANDARD.encode(salt), BASE64_STANDARD.encode(hash)))
}
