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

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub marker: Marker,
    /// The key as it is sent.
    pub key: Vec<u8>,
    /// `FILE:LINE`
    pub place: String,
    patterns: HostPatterns,
}

/// Reads a line. Returns `None` if it is blank or a comment.
pub fn parse(line: &str, place: impl FnOnce() -> String) -> Result<Option<Entry>, ()> {
    // OpenSSH accepts any white space between the fields, ssh-key only a single blank.
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
    /// Returns the names of the line, if none is a pattern.
    pub fn plain_names(&self) -> Option<Vec<String>> {
        match &self.patterns {
            HostPatterns::Patterns(patterns) if !patterns.iter().any(|pattern| pattern.contains(['*', '?', '!'])) => {
                Some(patterns.clone())
            }
            _ => None,
        }
    }

    /// Returns the name of the line, if it is hashed.
    pub fn hashed_name(&self) -> Option<HashedName> {
        match &self.patterns {
            HostPatterns::HashedName { salt, hash } => Some(HashedName::new(salt, *hash)),
            HostPatterns::Patterns(_) => None,
        }
    }

    /// Whether the patterns of the line match `name`, which is spelled as known_hosts does: in lower case, with its port.
    pub fn matches(&self, name: &str) -> bool {
        let HostPatterns::Patterns(patterns) = &self.patterns else { return false };
        let is_match = |pattern: &str| matches_wildcards(pattern.as_bytes(), name.as_bytes());
        let negated = patterns.iter().filter_map(|pattern| pattern.strip_prefix('!')).any(is_match);
        !negated && patterns.iter().any(|pattern| !pattern.starts_with('!') && is_match(pattern))
    }

    pub fn key_type(&self) -> &str {
        key_type(&self.key)
    }
}
