//! What may be around parts: gzip, base64, or a MIME message.

use crate::cloud_init::content_type::ContentType;
use crate::cloud_init::foreign::Foreign;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::bufread::MultiGzDecoder;
use std::io::{self, Read};

/// The limit for unpacked gzip, in bytes: a few bytes can unpack to gigabytes.
pub(crate) const MOST_UNPACKED: u64 = 64 * 1024 * 1024;

/// Unpacks gzip of any number of members. Fails if there are more than `most` bytes in it.
pub(crate) fn unpacked(bytes: &[u8], most: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    MultiGzDecoder::new(bytes).take(most + 1).read_to_end(&mut text)?;
    if text.len() as u64 > most {
        Err(io::Error::other(format!("unpacks to more than {most} bytes")))
    } else {
        Ok(text)
    }
}

pub(crate) fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

/// Returns whether cloud-init takes it for a message (`convert_string` in its user_data.py).
pub(crate) fn is_message(text: &[u8]) -> bool {
    let start = text[..text.len().min(4096)].to_ascii_lowercase();
    memchr::memmem::find(&start, b"mime-version:").is_some()
}

/// Decodes base64. Returns `None` if it is not base64, or if what is in it does not look like user-data.
pub(crate) fn unwrapped(bytes: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let inner = BASE64_STANDARD.decode(text).ok().filter(|inner| !inner.is_empty())?;
    let is_user_data = is_gzip(&inner)
        || is_message(&inner)
        || ContentType::of(&inner).is_some()
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
    fn members_are_read_as_one() {
        let one = packed(b"one");
        let two = [&one[..], &packed(b""), &packed(b" two")].concat();
        assert_eq!(unpacked(&two, 7).unwrap(), b"one two");
        assert!(unpacked(&two, 6).is_err());
        assert!(unpacked(&one[..one.len() - 1], 100).is_err());
        assert!(unpacked(&[&one[..], b"x"].concat(), 100).is_err());
    }
}
