//! Parses `SRC:DST`, the argument of `--push` and `--pull`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// A source and a destination, as they were written. `\:` is a colon of a name; any other backslash stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    pub source: OsString,
    pub dest: Option<OsString>,
}

impl Spec {
    pub fn parse(text: &OsStr) -> Result<Spec, String> {
        let mut parts = vec![Vec::new()];
        let mut bytes = text.as_bytes().iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            let part = parts.last_mut().expect("never empty");
            match byte {
                0 => return Err("a path holds no NUL".to_string()),
                b'\\' if bytes.peek() == Some(&b':') => part.extend(bytes.next()),
                b':' => parts.push(Vec::new()),
                byte => part.push(byte),
            }
        }
        if parts.len() > 2 {
            return Err(format!("{text:?} has more than one colon: write \\: for one that is part of a name"));
        }
        let mut parts = parts.into_iter().map(OsString::from_vec);
        let source = parts.next().unwrap_or_default();
        if source.is_empty() {
            return Err(format!("{text:?} names no source: it is SRC:DST"));
        }
        Ok(Spec { source, dest: parts.next().filter(|dest| !dest.is_empty()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &[u8]) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
        let spec = Spec::parse(OsStr::from_bytes(text))?;
        Ok((spec.source.into_vec(), spec.dest.map(OsString::into_vec)))
    }

    #[test]
    fn a_colon_separates_source_and_destination_unless_it_is_escaped() {
        assert_eq!(parse(b"a/b:/etc/").unwrap(), (b"a/b".to_vec(), Some(b"/etc/".to_vec())));
        assert_eq!(parse(b"a").unwrap(), (b"a".to_vec(), None));
        assert_eq!(parse(b"a:").unwrap(), (b"a".to_vec(), None));
        assert_eq!(parse(b"a\\:b:c\\:\xff").unwrap(), (b"a:b".to_vec(), Some(b"c:\xff".to_vec())));
        assert_eq!(parse(b"a\\*\\b:c").unwrap(), (b"a\\*\\b".to_vec(), Some(b"c".to_vec())));
    }

    #[test]
    fn two_colons_and_a_missing_source_are_refused() {
        assert_eq!(
            parse(b"a:b:c").unwrap_err(),
            "\"a:b:c\" has more than one colon: write \\: for one that is part of a name"
        );
        assert_eq!(parse(b":b").unwrap_err(), "\":b\" names no source: it is SRC:DST");
        assert_eq!(parse(b"").unwrap_err(), "\"\" names no source: it is SRC:DST");
        assert!(parse(b"a\0:b").is_err());
    }
}
