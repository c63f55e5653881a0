//! The data types of SSH messages (RFC 4251 section 5): reading and writing them. The fingerprint of a key.

use base64::prelude::{BASE64_STANDARD_NO_PAD, Engine};
use openssl::sha::sha256;

/// Reads fields off the front of a message.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// Returns the next `len` bytes. Like the other methods it fails if the message ends before.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], &'static str> {
        let (head, tail) = self.0.split_at_checked(len).ok_or("it ends too early")?;
        self.0 = tail;
        Ok(head)
    }

    pub fn u32(&mut self) -> Result<u32, &'static str> {
        Ok(self.bytes(4)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    pub fn u64(&mut self) -> Result<u64, &'static str> {
        Ok(self.bytes(8)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    pub fn string(&mut self) -> Result<&'a [u8], &'static str> {
        let len = self.u32()?;
        self.bytes(len as usize)
    }
}

pub fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// A number of no sign; it may come with zeros in front.
pub fn put_mpint(out: &mut Vec<u8>, number: &[u8]) {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = &number[zeros..];
    let sign = usize::from(number.first().is_some_and(|byte| *byte >= 0x80));
    out.extend_from_slice(&((number.len() + sign) as u32).to_be_bytes());
    out.extend_from_slice(&[0][..sign]);
    out.extend_from_slice(number);
}

/// Returns the fingerprint of a public key, as `ssh-keygen -l` shows it.
pub fn fingerprint(key: &[u8]) -> String {
    format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(sha256(key)))
}
