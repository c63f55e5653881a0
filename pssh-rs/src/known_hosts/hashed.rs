//! Hashed names (`|1|salt|hash`, HMAC-SHA1). Each name has its own salt, so a host is compared with every name, and
//! thousands of hosts with thousands of lines. The part of HMAC that depends only on the salt is computed once, when
//! the line is read.

use base64::prelude::{BASE64_STANDARD, Engine};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rand::rand_bytes;
use openssl::sign::Signer;
use sha1::compress;
use sha1::digest::consts::U64;
use sha1::digest::generic_array::GenericArray;
use sha1::{Digest, Sha1};

type Block = GenericArray<u8, U64>;

/// SHA-1's state at its start (FIPS 180-4).
const START: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

#[derive(Debug)]
pub struct HashedName {
    /// The states of the inner and the outer hash after their first block, which is the salt's (RFC 2104).
    inner: [u32; 5],
    outer: [u32; 5],
    hash: [u32; 5],
}

/// A name to look for: padded as SHA-1 pads what comes after one block.
pub struct Sought(Vec<Block>);

impl HashedName {
    pub fn new(salt: &[u8], hash: [u8; 20]) -> HashedName {
        let mut key = [0; 64];
        match salt.len() <= key.len() {
            true => key[..salt.len()].copy_from_slice(salt),
            false => key[..20].copy_from_slice(&Sha1::digest(salt)),
        }
        let after = |pad: u8| {
            let mut state = START;
            compress(&mut state, &[Block::from(key.map(|byte| byte ^ pad))]);
            state
        };
        HashedName { inner: after(0x36), outer: after(0x5c), hash: words(hash) }
    }

    pub fn is(&self, name: &Sought) -> bool {
        let mut inner = self.inner;
        compress(&mut inner, &name.0);
        // 20 bytes of hash, a one bit, and the length in bits of both blocks.
        let mut block = [0; 64];
        for (bytes, word) in block.chunks_exact_mut(4).zip(inner) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        block[20] = 0x80;
        block[62..].copy_from_slice(&((64 + 20) * 8u16).to_be_bytes());
        let mut outer = self.outer;
        compress(&mut outer, &[Block::from(block)]);
        outer == self.hash
    }
}

impl Sought {
    pub fn new(name: &str) -> Sought {
        let mut bytes = name.as_bytes().to_vec();
        bytes.push(0x80);
        while bytes.len() % 64 != 56 {
            bytes.push(0);
        }
        bytes.extend(((64 + name.len() as u64) * 8).to_be_bytes());
        Sought(bytes.chunks_exact(64).map(|block| *Block::from_slice(block)).collect())
    }
}

/// A name as HashKnownHosts keeps it, with a new salt.
pub fn hash_name(name: &str) -> Result<String, ErrorStack> {
    let mut salt = [0; 20];
    rand_bytes(&mut salt)?;
    let hash = Signer::new(MessageDigest::sha1(), &*PKey::hmac(&salt)?)?.sign_oneshot_to_vec(name.as_bytes())?;
    Ok(format!("|1|{}|{}", BASE64_STANDARD.encode(salt), BASE64_STANDARD.encode(hash)))
}

fn words(hash: [u8; 20]) -> [u32; 5] {
    std::array::from_fn(|at| u32::from_be_bytes(std::array::from_fn(|byte| hash[4 * at + byte])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hmac::{Hmac, Mac};

    #[test]
    fn the_hash_is_hmac_sha1_for_salts_and_names_of_any_length() {
        for salt in [0, 3, 20, 63, 64, 65, 200] {
            let salt = vec![7; salt];
            for len in [0, 1, 4, 54, 55, 56, 63, 64, 65, 119, 120, 300] {
                let name = "n".repeat(len);
                let mac = Hmac::<Sha1>::new_from_slice(&salt).unwrap().chain_update(&name).finalize();
                let line = HashedName::new(&salt, mac.into_bytes().into());
                assert!(line.is(&Sought::new(&name)), "{} {len}", salt.len());
                assert!(!line.is(&Sought::new(&format!("{name}x"))));
            }
        }
    }
}
