//! What stands around user-data: gzip, base64, or a MIME message.

use crate::cloud_init::content_type::Kind;
use crate::cloud_init::foreign::Foreign;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::bufread::GzDecoder;
use std::io::{self, Read};

/// What a few bytes of gzip may become: far more than anyone means.
pub(crate) const MOST_UNPACKED: u64 = 64 * 1024 * 1024;

/// What gzip of any number of members holds, with zeros behind each as Python's GzipFile takes them, if that is at most so
/// many bytes.
pub(crate) fn unpacked(bytes: &[u8], most: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let mut member = GzDecoder::new(rest);
        let room = (most + 1).saturating_sub(text.len() as u64);
        member.by_ref().take(room).read_to_end(&mut text)?;
        if text.len() as u64 > most {
            return Err(io::Error::other(format!("unpacks to more than {most} bytes")));
        }
        rest = member.into_inner();
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        rest = &rest[zeros..];
    }
    Ok(text)
}

pub(crate) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// `convert_string` in cloud-init's user_data.py.
pub(crate) fn is_message(text: &[u8]) -> bool {
    let start = text[..text.len().min(4096)].to_ascii_lowercase();
    memchr::memmem::find(&start, b"mime-version:").is_some()
}

/// What base64 around it hides, if it looks like user-data.
pub(crate) fn unwrapped(bytes: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let inner = BASE64_STANDARD.decode(text).ok().filter(|inner| !inner.is_empty())?;
    let is_user_data = is_gzip(&inner)
        || is_message(&inner)
        || Kind::of(&inner).is_some()
        || Foreign::of(&inner).is_some()
        || unwrapped(&inner).is_some();
    is_user_data.then_some(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::bufread::GzEncoder;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        GzEncoder::new(text, Compression::fast()).read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn members_and_zeros_behind_them_are_read() {
        let one = packed(b"one");
        let two = [&one[..], &[0; 3], &packed(b""), &packed(b" two"), &[0]].concat();
        assert_eq!(unpacked(&two, 7).unwrap(), b"one two");
        assert!(unpacked(&two, 6).is_err());
        assert!(unpacked(&one[..one.len() - 1], 100).is_err());
        assert!(unpacked(&[&one[..], b"x"].concat(), 100).is_err());
    }
}
