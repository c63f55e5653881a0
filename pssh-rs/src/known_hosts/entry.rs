//! One line of a known_hosts file.

use super::hashed::HashedName;
use crate::base::key_blob::key_type;
use cerveza_manners::matches_wildcards;
use ssh_key::known_hosts::{Entry as Line, HostPatterns, Marker as LineMarker};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    None,
    Revoked,
    CertAuthority,
}

#[derive(Clone, Debug)]
pub struct Entry {
    pub marker: Marker,
    /// The key as it goes over the wire.
    pub key: Vec<u8>,
    /// `FILE:LINE`
    pub place: String,
    patterns: HostPatterns,
}

/// Reads a line; `None` for one that is blank or a comment.
pub fn parse(line: &str, place: impl FnOnce() -> String) -> Result<Option<Entry>, ()> {
    // OpenSSH takes any white space between the fields, the parser a single blank.
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line: Line = line.parse().map_err(|_| ())?;
    let marker = match line.marker() {
        None => Marker::None,
        Some(LineMarker::Revoked) => Marker::Revoked,
        Some(LineMarker::CertAuthority) => Marker::CertAuthority,
    };
    let patterns = match line.host_patterns() {
        HostPatterns::Patterns(patterns) => {
            HostPatterns::Patterns(patterns.iter().map(|pattern| pattern.to_lowercase()).collect())
        }
        hashed => hashed.clone(),
    };
    Ok(Some(Entry { marker, key: line.public_key().to_bytes().map_err(|_| ())?, place: place(), patterns }))
}

impl Entry {
    /// The names of the line, if they are nothing but names.
    pub fn plain_names(&self) -> Option<Vec<String>> {
        match &self.patterns {
            HostPatterns::Patterns(patterns) if !patterns.iter().any(|pattern| pattern.contains(['*', '?', '!'])) => {
                Some(patterns.clone())
            }
            _ => None,
        }
    }

    /// The name of the line, if it is hashed.
    pub fn hashed_name(&self) -> Option<HashedName> {
        match &self.patterns {
            HostPatterns::HashedName { salt, hash } => Some(HashedName::new(salt, *hash)),
            HostPatterns::Patterns(_) => None,
        }
    }

    /// Whether the patterns of the line match `name`, which is in lower case and carries its port.
    pub fn matches(&self, name: &str) -> bool {
        match &self.patterns {
            HostPatterns::HashedName { .. } => false,
            HostPatterns::Patterns(patterns) => {
                let (mut matches, mut negated) = (false, false);
                for pattern in patterns {
                    match pattern.strip_prefix('!') {
                        Some(pattern) => negated |= matches_wildcards(pattern.as_bytes(), name.as_bytes()),
                        None => matches |= matches_wildcards(pattern.as_bytes(), name.as_bytes()),
                    }
                }
                matches && !negated
            }
        }
    }

    /// The type that the key names itself by.
    pub fn key_type(&self) -> &str {
        key_type(&self.key)
    }
}
