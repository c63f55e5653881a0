//! Certificates of keys (OpenSSH's PROTOCOL.certkeys), and the rules for trusting a host's. libssh2 checks only that the
//! host holds the key in its certificate.

use crate::base::key_blob::fingerprint;
use crate::base::signature::verify;
use cerveza_manners::matches_wildcards;
use ssh_encoding::{Decode, Encode, Reader};
use ssh_key::Algorithm;
use ssh_key::certificate::CertType;
use ssh_key::public::KeyData;
use std::time::{Duration, UNIX_EPOCH};

/// OpenSSH's limit.
const MOST_PRINCIPALS: usize = 256;
/// How many principals an error names.
const NAMED: usize = 6;
/// The last second of the year 9999: later dates have no name.
const LAST_DATE: u64 = 253_402_300_799;

/// Not ssh-key's type, which refuses certificates without an end of validity (ssh-keygen's default).
#[derive(Debug)]
pub struct Certificate {
    /// The key that is certified, as it is sent without a certificate.
    pub key: Vec<u8>,
    /// The key of the certificate authority.
    pub authority: Vec<u8>,
    /// The end of its validity, in seconds since 1970.
    pub valid_before: u64,
    pub kind: CertType,
    principals: Vec<String>,
    valid_after: u64,
    critical_option: Option<String>,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl Certificate {
    pub fn parse(blob: &[u8]) -> Result<Certificate, ssh_key::Error> {
        let mut rest = blob;
        let reader = &mut rest;
        let algorithm = Algorithm::new_certificate(&String::decode(reader)?)?;
        let _nonce = Vec::<u8>::decode(reader)?;
        let key = read_key(&algorithm, reader)?;
        let _serial = u64::decode(reader)?;
        let kind = CertType::decode(reader)?;
        let _key_id = Vec::<u8>::decode(reader)?;
        let principals = Vec::<String>::decode(reader)?;
        let (valid_after, valid_before) = (u64::decode(reader)?, u64::decode(reader)?);
        let critical = Vec::<u8>::decode(reader)?;
        let critical_option = (!critical.is_empty()).then(|| String::decode(&mut &critical[..])).transpose()?;
        let (_extensions, _reserved) = (Vec::<u8>::decode(reader)?, Vec::<u8>::decode(reader)?);
        let authority = Vec::decode(reader)?;
        let signed = blob[..blob.len() - reader.len()].to_vec();
        let signature = Vec::decode(reader)?;
        if principals.len() > MOST_PRINCIPALS {
            return Err(ssh_encoding::Error::Overflow.into());
        }
        let certificate = Certificate {
            key,
            authority,
            valid_before,
            kind,
            principals,
            valid_after,
            critical_option,
            signed,
            signature,
        };
        Ok(rest.finish(certificate)?)
    }

    /// Checks everything except whether the authority is trusted, which known_hosts decides. One of `names` must be among
    /// the principals: they are the host's names for which the authority is trusted. `now` is in seconds since 1970.
    pub fn check(&self, names: &[&str], now: u64) -> Result<(), String> {
        verify(&self.authority, &self.signed, &self.signature)
            .map_err(|why| format!("its signature by {} is not valid: {why}", fingerprint(&self.authority)))?;
        if self.kind.is_user() {
            return Err("it is a user's certificate: sign the key again with ssh-keygen -h".to_string());
        }
        if now < self.valid_after {
            return Err(format!(
                "it is not valid before {}: look at the clocks of both machines",
                date(self.valid_after)
            ));
        }
        if now >= self.valid_before {
            return Err(format!("it expired on {}: its authority has to sign the key again", date(self.valid_before)));
        }
        if let Some(option) = &self.critical_option {
            return Err(format!("it has the critical option {option:?}, which hosts do not have"));
        }
        // As ssh since OpenSSH 10.3: principals are patterns, and an empty list matches nothing.
        let matches = |principal: &String| {
            let principal = principal.to_lowercase();
            names.iter().any(|name| matches_wildcards(principal.as_bytes(), name.to_lowercase().as_bytes()))
        };
        if self.principals.iter().any(matches) { Ok(()) } else { Err(self.not_listed(names)) }
    }

    fn not_listed(&self, names: &[&str]) -> String {
        let quoted = |names: &[&str]| names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let principals: Vec<&str> = self.principals.iter().take(NAMED).map(String::as_str).collect();
        if principals.is_empty() {
            return "it names no principals: sign the key again for the host's names (ssh-keygen -n)".to_string();
        }
        let more = match self.principals.len() - principals.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let missing = match names {
            [name] => format!("{name:?} is not"),
            names => format!("none of {} is", quoted(names)),
        };
        format!("{missing} among its principals {}{more}", quoted(&principals))
    }
}

/// Reads the fields of a key whose type was read before. Returns the key in the one spelling that counts: known and
/// revoked keys are compared byte by byte.
fn read_key(algorithm: &Algorithm, reader: &mut &[u8]) -> Result<Vec<u8>, ssh_key::Error> {
    let mut typed = Vec::new();
    algorithm.encode(&mut typed)?;
    typed.extend_from_slice(reader);
    let mut rest = typed.as_slice();
    let key = KeyData::decode(&mut rest)?;
    *reader = &reader[reader.len() - rest.len()..];
    let mut bytes = Vec::new();
    key.encode(&mut bytes)?;
    Ok(bytes)
}

fn date(seconds: u64) -> String {
    if seconds > LAST_DATE {
        return "a day after the year 9999".to_string();
    }
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}
