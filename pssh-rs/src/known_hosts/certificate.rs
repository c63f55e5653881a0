//! Host certificates (OpenSSH's PROTOCOL.certkeys). libssh2 checks only that the host holds the key in a certificate.
//! Whether to trust it is decided here.

use super::signature::verify;
use crate::base::ssh_wire::{Reader, fingerprint, put_string};
use cerveza_manners::matches_wildcards;
use ssh_key::PublicKey;
use std::time::{Duration, UNIX_EPOCH};

/// What the names of certificate types end in, their keys' types coming before it.
const SUFFIX: &str = "-cert-v01@openssh.com";
const USER: u32 = 1;
const HOST: u32 = 2;
/// The most principals that OpenSSH takes too.
const MOST_PRINCIPALS: usize = 256;
/// So many are named in an error.
const NAMED: usize = 6;
/// The last second of the year 9999: later dates have no name.
const LAST_DATE: u64 = 253_402_300_799;

#[derive(Debug)]
pub struct Certificate {
    /// The host's key and the authority's, as they go over the wire without a certificate.
    pub key: Vec<u8>,
    pub authority: Vec<u8>,
    kind: u32,
    principals: Vec<String>,
    valid_after: u64,
    valid_before: u64,
    critical: Vec<String>,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

pub fn is_certificate(key_type: &str) -> bool {
    key_type.ends_with(SUFFIX)
}

impl Certificate {
    pub fn parse(blob: &[u8]) -> Result<Certificate, &'static str> {
        let mut rest = Reader(blob);
        let name = text(rest.string()?);
        let of_key = name.strip_suffix(SUFFIX).ok_or("it is of an unknown type")?;
        let _nonce = rest.string()?;
        let parts = match of_key {
            "ssh-ed25519" => 1,
            "ssh-rsa" | "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" | "ecdsa-sha2-nistp521" => 2,
            _ => return Err("it is of an unknown type"),
        };
        let mut key = Vec::new();
        put_string(&mut key, of_key.as_bytes());
        for _ in 0..parts {
            put_string(&mut key, rest.string()?);
        }
        // Also one spelling of one key: known and revoked keys are compared byte by byte.
        let canonical = PublicKey::from_bytes(&key).and_then(|key| key.to_bytes());
        if canonical.as_ref() != Ok(&key) {
            return Err("the key in it is malformed");
        }
        let _serial = rest.u64()?;
        let kind = rest.u32()?;
        let _key_id = rest.string()?;
        let principals = strings(rest.string()?)?;
        if principals.len() > MOST_PRINCIPALS {
            return Err("it has too many principals");
        }
        let (valid_after, valid_before) = (rest.u64()?, rest.u64()?);
        let critical = options(rest.string()?)?;
        let _extensions = options(rest.string()?)?;
        let _reserved = rest.string()?;
        let authority = rest.string()?.to_vec();
        let signed = blob[..blob.len() - rest.0.len()].to_vec();
        let signature = rest.string()?.to_vec();
        match rest.0.is_empty() {
            true => Ok(Certificate {
                key,
                authority,
                kind,
                principals,
                valid_after,
                valid_before,
                critical,
                signed,
                signature,
            }),
            false => Err("something comes after it"),
        }
    }

    /// Checks all but whether its authority is trusted: that is for known_hosts to say. `names` are those of the host that
    /// the authority speaks for, of which one is enough; `now` counts seconds since 1970.
    pub fn check(&self, names: &[&str], now: u64) -> Result<(), String> {
        verify(&self.authority, &self.signed, &self.signature)
            .map_err(|why| format!("its signature by {} is not valid: {why}", fingerprint(&self.authority)))?;
        match self.kind {
            HOST => {}
            USER => return Err("it is a user's certificate: sign the key anew with ssh-keygen -h".to_string()),
            kind => return Err(format!("it is of the unknown kind {kind}")),
        }
        if now < self.valid_after {
            return Err(format!(
                "it is not valid before {}: look at the clocks of both machines",
                date(self.valid_after)
            ));
        }
        if now >= self.valid_before {
            return Err(format!("it expired on {}: its authority has to sign the key anew", date(self.valid_before)));
        }
        if let Some(option) = self.critical.first() {
            return Err(format!("it has the critical option {option:?}, which is none of a host's"));
        }
        // Patterns, and an empty list matches nothing: as ssh does since OpenSSH 10.3.
        let matches = |principal: &String| {
            let principal = principal.to_lowercase();
            names.iter().any(|name| matches_wildcards(principal.as_bytes(), name.to_lowercase().as_bytes()))
        };
        match self.principals.iter().any(matches) {
            true => Ok(()),
            false => Err(self.not_listed(names)),
        }
    }

    fn not_listed(&self, names: &[&str]) -> String {
        let quoted = |names: &[&str]| names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let principals: Vec<&str> = self.principals.iter().take(NAMED).map(String::as_str).collect();
        let (listed, more) = (quoted(&principals), self.principals.len() - principals.len());
        let missing = match names {
            [name] => format!("{name:?} is not"),
            names => format!("none of {} is", quoted(names)),
        };
        match (principals.len(), more) {
            (0, _) => "it names no principals: sign the key anew for the host's names (ssh-keygen -n)".to_string(),
            (_, 0) => format!("{missing} among its principals {listed}"),
            _ => format!("{missing} among its principals {listed} and {more} more"),
        }
    }
}

fn date(seconds: u64) -> String {
    match seconds <= LAST_DATE {
        true => humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string(),
        false => "a day after the year 9999".to_string(),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn strings(bytes: &[u8]) -> Result<Vec<String>, &'static str> {
    let (mut rest, mut strings) = (Reader(bytes), Vec::new());
    while !rest.0.is_empty() {
        strings.push(text(rest.string()?));
    }
    Ok(strings)
}

/// The names of options; each has a value after it.
fn options(bytes: &[u8]) -> Result<Vec<String>, &'static str> {
    let strings = strings(bytes)?;
    match strings.len() % 2 {
        0 => Ok(strings.into_iter().step_by(2).collect()),
        _ => Err("an option in it has no value"),
    }
}
