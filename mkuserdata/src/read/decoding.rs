//! Transfer encodings undone as Python does it (binascii's `a2b_qp`, and `a2b_base64` when it is not strict).

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;

/// Nothing but `=XX` and `=` at the end of a line means anything; all else stays.
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

/// What is no base64 is skipped, up to the padding. Python goes further where that is not strict.
pub(crate) fn base64(text: &[u8]) -> Vec<u8> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    let mut text: Vec<u8> = text.iter().copied().take_while(|byte| *byte != b'=').filter(is_base64).collect();
    if text.len() % 4 == 1 {
        text.pop();
    }
    LENIENT.decode(text).unwrap_or_default()
}

/// Whether there is nothing in it, beside line ends, that decoders may differ in.
pub(crate) fn is_strict_base64(text: &[u8]) -> bool {
    let text: Vec<u8> = text.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    BASE64_STANDARD.decode(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::encoding::Encoded;
    use proptest::prelude::*;

    #[test]
    fn as_python_does() {
        let decoded = |text: &str| String::from_utf8(quoted_printable(text.as_bytes())).unwrap();
        assert_eq!(decoded("a=C3=a9 =\nb = \n=3D=="), "aé b = \n==");
        assert_eq!(decoded("x \t\ny=\r\nz=4"), "x \t\nyz=4");
        assert!(is_strict_base64(b"aG\r\nk=\n") && base64(b"aG\nk=\n") == b"hi");
        for loose in [&b"aGk=\ntrailing"[..], b"a-G*k", b"aGk", b"aGk=x"] {
            assert!(base64(loose) == b"hi" && !is_strict_base64(loose));
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(text in "(é|=| |\t|\r|\n|a|.){0,300}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for content in [text.as_bytes(), &bytes] {
                let decoded = match Encoded::new(content) {
                    Encoded::SevenBit(text) => text.to_vec(),
                    Encoded::QuotedPrintable(text) => quoted_printable(&text),
                    Encoded::Base64(text) => base64(&text),
                };
                prop_assert_eq!(decoded, content);
            }
        }
    }
}
