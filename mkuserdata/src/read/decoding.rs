//! Decodes quoted-printable and base64 like Python's binascii.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Decodes `=XX`, and `=` at the end of a line. Everything else stays.
pub(crate) fn quoted_printable(text: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let (byte, behind) = match (first, behind) {
            (b'=', [b'\n', behind @ ..] | [b'\r', b'\n', behind @ ..]) => (None, behind),
            (b'=', []) => (None, behind),
            (b'=', [b'=', behind @ ..]) => (Some(b'='), behind),
            (b'=', [high, low, behind @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or(0) as u8;
                (Some(digit(high) << 4 | digit(low)), behind)
            }
            _ => (Some(*first), behind),
        };
        content.extend(byte);
        rest = behind;
    }
    content
}

/// Returns `None` if it is not strict base64, because decoders differ then.
pub(crate) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let text: Vec<u8> = text.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    BASE64_STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::encoding::Encoded;
    use proptest::prelude::*;

    #[test]
    fn decoding_matches_python() {
        let decoded = |text: &str| String::from_utf8(quoted_printable(text.as_bytes())).unwrap();
        assert_eq!(decoded("a=C3=a9 =\nb = \n=3D=="), "aé b = \n==");
        assert_eq!(decoded("x \t\ny=\r\nz=4"), "x \t\nyz=4");
        assert_eq!(base64(b"aG\r\nk=\n").as_deref(), Some(&b"hi"[..]));
        for loose in [&b"aGk=\ntrailing"[..], b"a-G*k", b"aGk", b"aGk=x"] {
            assert_eq!(base64(loose), None);
        }
    }

    proptest! {
        #[test]
        fn decoding_reverses_encoding(text in "(é|=| |\t|\r|\n|a|.){0,300}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for content in [text.as_bytes(), &bytes] {
                let decoded = match Encoded::new(content) {
                    Encoded::SevenBit(text) => text.to_vec(),
                    Encoded::QuotedPrintable(text) => quoted_printable(&text),
                    Encoded::Base64(text) => base64(&text).unwrap(),
                };
                prop_assert_eq!(decoded, content);
            }
        }
    }
}
