//! Encodes a part for the message. cloud-init always decodes the same bytes.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The longest line of mail without its newline (RFC 5322). Python's parser, which cloud-init uses, has no limit, and
/// breaking a longer line would add up to a seventh of its size.
const LONGEST_LINE_OF_MAIL: usize = 998;
/// The longest line of base64 or quoted-printable (RFC 2045).
const LONGEST_ENCODED_LINE: usize = 76;

/// A part's content, encoded for the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Encoded<'a> {
    /// ASCII that needs no encoding.
    SevenBit(&'a [u8]),
    QuotedPrintable(Vec<u8>),
    Base64(Vec<u8>),
}

impl Encoded<'_> {
    /// Leaves plain ASCII as it is, and encodes other UTF-8 as quoted-printable and binary as base64.
    pub fn new(content: &[u8]) -> Encoded<'_> {
        if is_plain(content) {
            return Encoded::SevenBit(content);
        }
        match std::str::from_utf8(content) {
            Ok(_) => Encoded::QuotedPrintable(quoted_printable(content)),
            Err(_) => Encoded::Base64(base64(content)),
        }
    }

    pub fn text(&self) -> &[u8] {
        match self {
            Encoded::SevenBit(text) => text,
            Encoded::QuotedPrintable(text) | Encoded::Base64(text) => text,
        }
    }

    /// Returns the value of Content-Transfer-Encoding, or `None` for 7bit, which is MIME's default.
    pub fn header(&self) -> Option<&'static str> {
        match self {
            Encoded::SevenBit(_) => None,
            Encoded::QuotedPrintable(_) => Some("quoted-printable"),
            Encoded::Base64(_) => Some("base64"),
        }
    }
}

/// Returns whether Python's parser would return the content unchanged: ASCII without control characters except newline and
/// tab. A carriage return would count as the end of a line.
fn is_plain(content: &[u8]) -> bool {
    content.iter().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~'))
}

/// Encodes each line by itself, because lines of the message end in LF and the crate expects CR LF.
fn quoted_printable(content: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(content.len() + content.len() / 8);
    for (number, line) in content.split(|byte| *byte == b'\n').enumerate() {
        if number > 0 {
            text.push(b'\n');
        }
        // The crate writes a CR only in a soft line break: a CR of the content is encoded.
        let encoded = quoted_printable::encode_binary_to_str(line);
        let soft_break = if line.len() > LONGEST_LINE_OF_MAIL { "" } else { "=\n" };
        text.extend(encoded.replace("=\r\n", soft_break).bytes());
    }
    text
}

fn base64(content: &[u8]) -> Vec<u8> {
    let text = BASE64_STANDARD.encode(content);
    let lines: Vec<&[u8]> = text.as_bytes().chunks(LONGEST_ENCODED_LINE).collect();
    lines.join(&b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::quoted_printable::{ParseMode, decode};
    use proptest::prelude::*;

    #[test]
    fn ascii_stays_as_it_is() {
        for plain in ["", "a", "a\n", "\n\na\tb \n\n", "From x\n.\n--cerveza\n=41\n"] {
            assert_eq!(Encoded::new(plain.as_bytes()), Encoded::SevenBit(plain.as_bytes()), "{plain:?}");
        }
        assert!(is_plain(&[b'x'; 99_999]));
    }

    #[test]
    fn content_that_python_would_change_is_encoded() {
        let text = |content: &[u8]| match Encoded::new(content) {
            Encoded::QuotedPrintable(text) => String::from_utf8(text).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(text("é =\n\n".as_bytes()), "=C3=A9 =3D\n\n");
        assert_eq!(text(b"a\r\nb \r\n"), "a=0D\nb =0D\n");
        assert_eq!(text("é \n\t\n".as_bytes()), "=C3=A9=20\n=09\n");
        assert_eq!(text(b"a\0b"), "a=00b");
        assert!(text(&"é".repeat(499).into_bytes()).lines().all(|line| line.len() <= 76));
    }

    #[test]
    fn a_line_too_long_for_mail_is_not_broken() {
        let blob = "QUJD=".repeat(2000);
        let Encoded::QuotedPrintable(text) = Encoded::new(format!("# é\n{blob}\n").as_bytes()) else { panic!() };
        assert_eq!(String::from_utf8(text).unwrap(), format!("# =C3=A9\n{}\n", blob.replace('=', "=3D")));
    }

    #[test]
    fn binary_content_becomes_base64() {
        let Encoded::Base64(text) = Encoded::new(&[0xff; 100]) else { panic!() };
        assert!(text.split(|byte| *byte == b'\n').all(|line| line.len() <= 76 && !line.is_empty()));
    }

    proptest! {
        /// The end-to-end tests check that Python decodes it. This test finds more, and sooner.
        #[test]
        fn quoted_printable_is_short_lines_of_ascii_that_decode_to_the_content(content in "(é|=| |\t|\r|\n|.){0,240}") {
            let text = quoted_printable(content.as_bytes());
            let mut decoded = Vec::new();
            for (number, line) in text.replace_soft_breaks().split(|byte| *byte == b'\n').enumerate() {
                if number > 0 {
                    decoded.push(b'\n');
                }
                decoded.extend(decode(line, ParseMode::Strict).unwrap_or_else(|_| decode(line, ParseMode::Robust).unwrap()));
            }
            prop_assert_eq!(decoded, content.as_bytes());
            prop_assert!(text.split(|byte| *byte == b'\n').all(|line| line.len() <= 76));
            prop_assert!(text.iter().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~')));
        }
    }

    trait SoftBreaks {
        fn replace_soft_breaks(&self) -> Vec<u8>;
    }

    impl SoftBreaks for Vec<u8> {
        fn replace_soft_breaks(&self) -> Vec<u8> {
            String::from_utf8(self.clone()).unwrap().replace("=\n", "").into_bytes()
        }
    }
}
