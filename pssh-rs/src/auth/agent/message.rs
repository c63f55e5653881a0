//! The messages of the agent protocol, without the length before each.

use crate::auth::public_key::PublicKey;
use ssh_encoding::{Decode, Encode, Error};

pub const FAILURE: u8 = 5;
pub const LIST: u8 = 11;
pub const KEYS: u8 = 12;
const SIGN: u8 = 13;
pub const SIGNATURE: u8 = 14;

/// Flags of RSA signatures.
const SHA2_256: u32 = 2;
const SHA2_512: u32 = 4;

/// Returns the request to sign `data` with the key that the agent lists as `blob`.
pub fn sign_request(blob: &[u8], algorithm: &str, data: &[u8]) -> Result<Vec<u8>, Error> {
    let flags = match algorithm {
        "rsa-sha2-512" => SHA2_512,
        "rsa-sha2-256" => SHA2_256,
        _ => 0,
    };
    let mut request = vec![SIGN];
    blob.encode(&mut request)?;
    data.encode(&mut request)?;
    flags.encode(&mut request)?;
    Ok(request)
}

/// Returns the agent's keys, without those of a type that no server accepts or that libssh2 does not know. An agent that
/// refuses to list them (some do while they are locked) has none to offer.
pub fn parse_keys(answer: &[u8]) -> Option<Vec<PublicKey>> {
    let mut rest = match answer.split_first()? {
        (&KEYS, rest) => rest,
        (&FAILURE, _) => return Some(Vec::new()),
        _ => return None,
    };
    let reader = &mut rest;
    let mut keys = Vec::new();
    for _ in 0..u32::decode(reader).ok()? {
        let (blob, _comment) = (Vec::<u8>::decode(reader).ok()?, Vec::<u8>::decode(reader).ok()?);
        keys.extend(PublicKey::parse(&blob));
    }
    Some(keys)
}

/// Returns the algorithm's name and the signature. After a FIDO key's signature come flags and a counter, so that is
/// returned as it is encoded.
pub fn parse_signature(answer: &[u8]) -> Option<(String, Vec<u8>)> {
    const LARGEST: usize = 4096;
    let (&SIGNATURE, mut rest) = answer.split_first()? else { return None };
    let signature = Vec::<u8>::decode(&mut rest).ok().filter(|signature| signature.len() <= LARGEST)?;
    let reader = &mut signature.as_slice();
    let algorithm = String::decode(reader).ok()?;
    let signature = if algorithm.starts_with("sk-") { reader.to_vec() } else { Vec::decode(reader).ok()? };
    Some((algorithm, signature))
}
