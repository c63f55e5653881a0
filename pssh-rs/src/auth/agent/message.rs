//! The agent's messages, without their length in front.

use crate::auth::blob::Public;
use crate::base::ssh_wire::{Reader, put_string};

pub const FAILURE: u8 = 5;
pub const LIST: u8 = 11;
pub const KEYS: u8 = 12;
const SIGN: u8 = 13;
pub const SIGNATURE: u8 = 14;

/// Of RSA signatures.
const SHA2_256: u32 = 2;
const SHA2_512: u32 = 4;

pub fn sign(blob: &[u8], algorithm: &str, data: &[u8]) -> Vec<u8> {
    let flags = match algorithm {
        "rsa-sha2-512" => SHA2_512,
        "rsa-sha2-256" => SHA2_256,
        _ => 0,
    };
    let mut request = vec![SIGN];
    put_string(&mut request, blob);
    put_string(&mut request, data);
    request.extend_from_slice(&flags.to_be_bytes());
    request
}

/// The agent's keys, without those of a type that no server takes or that libssh2 does not know. An agent that will not
/// tell (some do so while they are locked) has none to offer.
pub fn keys(answer: &[u8]) -> Option<Vec<Public>> {
    let rest = match answer.split_first()? {
        (&KEYS, rest) => rest,
        (&FAILURE, _) => return Some(Vec::new()),
        _ => return None,
    };
    let mut reader = Reader(rest);
    let mut keys = Vec::new();
    for _ in 0..reader.u32().ok()? {
        let (blob, _comment) = (reader.string().ok()?, reader.string().ok()?);
        keys.extend(Public::parse(blob));
    }
    Some(keys)
}

/// The algorithm's name and what follows it: a string, but for a FIDO key, where flags and a counter come after that.
pub fn signature(answer: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    const LARGEST: usize = 4096;
    let (&SIGNATURE, rest) = answer.split_first()? else { return None };
    let mut reader = Reader(Reader(rest).string().ok().filter(|signature| signature.len() <= LARGEST)?);
    let algorithm = reader.string().ok()?;
    let signature = match algorithm.starts_with(b"sk-") {
        true => reader.0,
        false => reader.string().ok()?,
    };
    Some((algorithm, signature.to_vec()))
}
