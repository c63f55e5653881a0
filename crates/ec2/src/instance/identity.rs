//! Checks that an instance is still the one that a record describes.

use crate::instance::id::instance_id;
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, Value};

/// Refuses an instance whose account or name is now another than its record says: the id or the record may be of
/// another place, or the name may have moved to another instance.
pub fn check_identity(record: &Record, instance: &Record) -> Result<()> {
    let id = instance.str("instance_id").unwrap_or_default();
    let (was, is) = (record.str("account"), instance.str("account"));
    if let (Some(was), Some(is)) = (&was, &is)
        && was != is
    {
        return Err(Failure::unreached(format!("{id} is in the account {is}, and its record is of the account {was}"))
            .hint("list the hosts again with ec2-ls"));
    }
    // A host that was given by its id means that id, whatever its name.
    let names = [Some(record.host().to_string()), name_tag(record)];
    let is_known = names.iter().flatten().any(|name| name == instance.host() || *name == id);
    if instance_id(record).is_none() || is_known {
        Ok(())
    } else {
        Err(Failure::unreached(format!("{id} is named {} now, not {}", instance.host(), record.host()))
            .hint("list the hosts again with ec2-ls, or give the instance id alone"))
    }
}

/// Returns the name that the record's tags have, where a pipeline has put an address into `host`.
fn name_tag(record: &Record) -> Option<String> {
    let Some(Value::Object(tags)) = record.get("tags") else { return None };
    tags.get("Name")?.as_str().map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(record: &str) -> std::result::Result<(), String> {
        let instance = r#"{"host":"web1","instance_id":"i-0123456789abcdef0","account":"111111111111"}"#;
        let [record, instance] = [record, instance].map(|line| Record::parse(line).unwrap());
        check_identity(&record, &instance).map_err(|failure| failure.message)
    }

    #[test]
    fn an_instance_with_another_name_or_account_is_refused() {
        assert_eq!(check(r#"{"host":"web1","instance_id":"i-0123456789abcdef0","account":"111111111111"}"#), Ok(()));
        assert_eq!(
            check(r#"{"host":"web2","instance_id":"i-0123456789abcdef0"}"#).unwrap_err(),
            "i-0123456789abcdef0 is named web1 now, not web2"
        );
        assert_eq!(
            check(r#"{"host":"web1","account":"222222222222"}"#).unwrap_err(),
            "i-0123456789abcdef0 is in the account 111111111111, and its record is of the account 222222222222"
        );
    }

    #[test]
    fn an_id_alone_is_enough_and_a_host_may_be_an_address() {
        assert_eq!(check(r#"{"host":"i-0123456789abcdef0"}"#), Ok(()));
        assert_eq!(check(r#"{"host":"i-0123456789abcdef0","instance_id":"i-0123456789abcdef0"}"#), Ok(()));
        assert_eq!(check(r#"{"host":"10.0.0.1","instance_id":"i-0123456789abcdef0","tags":{"Name":"web1"}}"#), Ok(()));
    }
}
