//! A host is "due" if something is to be done to it.

use cerveza_ec2::{Acted, NO_ACTION};
use std::collections::HashSet;

/// Returns whether something is to be done to the host.
pub fn is_due(host: &Acted) -> bool {
    host.result.is_ok() && host.action != NO_ACTION
}

/// Returns the hosts to which something is to be done, each instance once.
pub fn due_hosts(acted: &[Acted]) -> Vec<&Acted> {
    let mut seen = HashSet::new();
    acted.iter().filter(|host| is_due(host) && seen.insert(host.instance_key())).collect()
}

/// Returns whether the host was in this state when it was last seen.
pub fn is_in(host: &Acted, state: &str) -> bool {
    host.record.str("state").as_deref() == Some(state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cerveza_record::Record;

    #[test]
    fn an_instance_is_due_once() {
        let host = || {
            let record = Record::parse(r#"{"host":"a","instance_id":"i-1","region":"r"}"#).unwrap();
            Acted { record, action: "stop", result: Ok(()) }
        };
        assert_eq!(due_hosts(&[host(), host()]).len(), 1);
    }
}
