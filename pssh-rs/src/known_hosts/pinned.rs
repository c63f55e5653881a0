//! The keys that a record names for its host (`host_keys`). They replace known_hosts.

use super::entry::{Entry, parse};
use crate::base::key_blob::is_certificate;
use base64::prelude::{BASE64_STANDARD, Engine};
use cerveza_record::Record;

const FIELD: &str = "host_keys";

#[derive(Clone, Debug, PartialEq)]
pub struct HostKeys(pub(super) Vec<Entry>);

impl HostKeys {
    /// Returns the record's keys, or `None` if it has no such field or null there. No key at all would fit an empty list.
    pub fn from_record(record: &Record) -> Result<Option<HostKeys>, String> {
        if !record.has(FIELD) {
            return Ok(None);
        }
        let value = record.get(FIELD).ok_or_else(|| format!("{FIELD:?} is not readable as text"))?;
        if value.is_null() {
            return Ok(None);
        }
        let values = value.as_array().ok_or_else(|| {
            format!("{FIELD:?} is not an array: it takes public keys, such as [\"ssh-ed25519 AAAA...\"]")
        })?;
        let keys = values.iter().enumerate().map(|(at, value)| {
            let text = value.as_str().ok_or_else(|| format!("{FIELD:?}[{at}] is not a string"))?;
            parse_key(text).map_err(|why| format!("{FIELD:?}[{at}] is not a public key: {why}"))
        });
        let keys = keys.collect::<Result<Vec<_>, String>>()?;
        if keys.is_empty() {
            return Err(format!("{FIELD:?} is an empty array, so no key can be accepted"));
        }
        Ok(Some(HostKeys(keys)))
    }

    /// Returns the keys as lines of a known_hosts file.
    pub fn known_hosts(&self, name: &str) -> String {
        let lines =
            self.0.iter().map(|key| format!("{name} {} {}\n", key.key_type(), BASE64_STANDARD.encode(&key.key)));
        lines.collect()
    }
}

/// Reads a line of a .pub file. As in known_hosts, any white space can be between its fields.
fn parse_key(text: &str) -> Result<Entry, &'static str> {
    if text.trim_end().contains(|c: char| c.is_control() && c != '\t') {
        return Err("it is more than one line");
    }
    let mut fields = text.split_whitespace();
    let (Some(key_type), Some(key)) = (fields.next(), fields.next()) else {
        return Err("it is not TYPE BASE64");
    };
    if is_certificate(key_type) {
        return Err("it is a certificate; name the key itself");
    }
    let entry = parse(&format!("* {key_type} {key}"), || format!("the record's {FIELD}"));
    entry.ok().flatten().ok_or("its type or its base64 is not understood")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known_hosts::{KnownHostMatches, Verdict};

    const A: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";
    const B: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn read(value: &str) -> Result<Option<HostKeys>, String> {
        HostKeys::from_record(&Record::parse(&format!(r#"{{"host":"a","host_keys":{value}}}"#)).unwrap())
    }

    #[test]
    fn a_key_of_the_record_is_known_and_any_other_is_changed() {
        let keys = read(&format!(r#"["ssh-ed25519  {A} root@a\n"]"#)).unwrap().unwrap();
        let mut matches = KnownHostMatches::default();
        matches.pin(&keys);
        assert_eq!(matches.judge(&BASE64_STANDARD.decode(A).unwrap()), Verdict::Known);
        let changed =
            Verdict::Changed { place: "the record's host_keys".to_string(), known_type: "ssh-ed25519".to_string() };
        assert_eq!(matches.judge(&BASE64_STANDARD.decode(B).unwrap()), changed);
    }

    #[test]
    fn a_record_without_keys_leaves_the_decision_to_known_hosts() {
        assert_eq!(HostKeys::from_record(&Record::named("a")), Ok(None));
        assert_eq!(read("null"), Ok(None));
    }

    #[test]
    fn a_malformed_key_is_an_error() {
        let cert = "ssh-ed25519-cert-v01@openssh.com AAAA";
        let two = format!(r"ssh-ed25519 {A}\nssh-ed25519 {B}");
        let mixed = format!("ssh-rsa {A}");
        for (value, why) in [
            ("7", "\"host_keys\" is not an array"),
            ("[]", "\"host_keys\" is an empty array"),
            (r#""ssh-ed25519 AAAA""#, "is not an array"),
            (r#"{"a":"b"}"#, "is not an array"),
            (r#"["\ud800"]"#, "is not readable"),
            ("[7]", "\"host_keys\"[0] is not a string"),
            ("[null]", "[0] is not a string"),
            (r#"[""]"#, "[0] is not a public key: it is not TYPE BASE64"),
            (r#"["ssh-ed25519 !!"]"#, "base64 is not understood"),
            (&format!("[\"{mixed}\"]"), "not understood"),
            (&format!("[\"{cert}\"]"), "it is a certificate"),
            (&format!("[\"{two}\"]"), "more than one line"),
        ] {
            let error = read(value).unwrap_err();
            assert!(error.contains(why), "{value}: {error}");
        }
    }
}
