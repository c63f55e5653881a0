//! The keys that a record names for its host (`host_keys`). They decide instead of known_hosts.

use super::found::Verdict;
use crate::base::key_blob::{is_certificate, key_type};
use base64::prelude::{BASE64_STANDARD, Engine};
use cerveza_record::Record;
use ssh_key::PublicKey;

const FIELD: &str = "host_keys";

#[derive(Clone, Debug, PartialEq)]
pub struct HostKeys(Vec<Vec<u8>>);

impl HostKeys {
    /// The record's keys. `None` where it has none: no field, null, or an empty list, which says nothing of the host and
    /// leaves it to known_hosts.
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
            parse(text).map_err(|why| format!("{FIELD:?}[{at}] is not a public key: {why}"))
        });
        let keys = keys.collect::<Result<Vec<_>, String>>()?;
        Ok((!keys.is_empty()).then_some(HostKeys(keys)))
    }

    pub fn judge(&self, key: &[u8]) -> Verdict {
        if self.0.iter().any(|known| known == key) {
            return Verdict::Known;
        }
        let types = self.key_types();
        let of_type = types.iter().find(|known| **known == key_type(key)).or(types.first());
        let place = format!("the record's {FIELD}");
        Verdict::Changed { place, known_type: of_type.copied().unwrap_or_default().to_string() }
    }

    /// As lines of a known_hosts file.
    pub fn known_hosts(&self, name: &str) -> String {
        self.0.iter().map(|key| format!("{name} {} {}\n", key_type(key), BASE64_STANDARD.encode(key))).collect()
    }

    pub fn key_types(&self) -> Vec<&str> {
        self.0.iter().map(|key| key_type(key)).collect()
    }
}

/// A line of a .pub file. As in known_hosts any white space may stand between its fields.
fn parse(text: &str) -> Result<Vec<u8>, &'static str> {
    if text.trim_end().contains(|c: char| c.is_control() && c != '\t') {
        return Err("it is more than one line");
    }
    let mut fields = text.split_whitespace();
    let (Some(of_type), Some(key)) = (fields.next(), fields.next()) else {
        return Err("it is not TYPE BASE64");
    };
    if is_certificate(of_type) {
        return Err("it is a certificate; name the key itself");
    }
    let key = PublicKey::from_openssh(&format!("{of_type} {key}")).and_then(|key| key.to_bytes());
    key.map_err(|_| "its type or its base64 is not understood")
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";
    const B: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

    fn read(value: &str) -> Result<Option<HostKeys>, String> {
        HostKeys::from_record(&Record::parse(&format!(r#"{{"host":"a","host_keys":{value}}}"#)).unwrap())
    }

    #[test]
    fn a_key_among_them_is_known_and_another_is_changed() {
        let keys = read(&format!(r#"["ssh-ed25519  {A} root@a\n"]"#)).unwrap().unwrap();
        assert_eq!(keys.judge(&BASE64_STANDARD.decode(A).unwrap()), Verdict::Known);
        let changed =
            Verdict::Changed { place: "the record's host_keys".to_string(), known_type: "ssh-ed25519".to_string() };
        assert_eq!(keys.judge(&BASE64_STANDARD.decode(B).unwrap()), changed);
    }

    #[test]
    fn none_at_all_leave_it_to_known_hosts() {
        assert_eq!(HostKeys::from_record(&Record::named("a")), Ok(None));
        for nothing in ["null", "[]"] {
            assert_eq!(read(nothing), Ok(None));
        }
    }

    #[test]
    fn malformed_ones_are_never_taken_for_none() {
        let cert = "ssh-ed25519-cert-v01@openssh.com AAAA";
        let two = format!(r"ssh-ed25519 {A}\nssh-ed25519 {B}");
        let mixed = format!("ssh-rsa {A}");
        for (value, why) in [
            ("7", "\"host_keys\" is not an array"),
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
