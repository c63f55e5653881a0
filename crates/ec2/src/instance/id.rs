//! Instance ids, and hosts that are given by one.

use cerveza_record::Record;

/// Returns the instance that a host is given by: its record's, or the one it is named like.
pub fn instance_id(host: &Record) -> Option<String> {
    host.str("instance_id").or_else(|| named_by_id(host))
}

pub(crate) fn named_by_id(host: &Record) -> Option<String> {
    is_instance_id(host.host()).then(|| host.host().to_string())
}

/// `i-` and 8 or 17 hexadecimal digits (EC2 user guide, "Resource IDs").
pub fn is_instance_id(name: &str) -> bool {
    name.strip_prefix("i-").is_some_and(|digits| {
        matches!(digits.len(), 8 | 17) && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_from_names() {
        assert!(is_instance_id("i-0123456789abcdef0"));
        assert!(is_instance_id("i-1a2b3c4d"));
        assert!(!is_instance_id("i-beam"));
        assert!(!is_instance_id("web-1a2b3c4d"));
    }
}
