//! What became of reading user-data: in the records, and on stderr.

use cerveza_ec2::grouped;
use cerveza_manners::{Result, Tool};
use cerveza_record::Record;
use hostrange::fold;
use std::collections::HashMap;

/// The user-data of instances by id, in base64; `None` where an instance has none.
pub type UserData = HashMap<String, Result<Option<String>>>;

/// Puts what was read into a record, in place of what the record said before. Unknown is not `null`: the key is missing
/// then.
pub fn put(record: &mut Record, read: &Result<Option<String>>) {
    record.remove("error");
    match read {
        Ok(user_data) => record.set("user_data", user_data.clone()),
        Err(failure) => {
            record.remove("user_data");
            record.set("error", failure.message.as_str());
        }
    }
}

/// For a table: the user-data's size in bytes instead of itself, which is no text for people and may hold secrets.
pub fn put_size(record: &mut Record) {
    if let Some(base64) = record.str("user_data") {
        record.set("user_data", size(&base64));
    }
}

/// Four characters are three bytes, but for the padding.
fn size(base64: &str) -> usize {
    base64.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').count() * 3 / 4
}

/// Says why user-data could not be read: once for what is so of many hosts, such as a permission that is missing.
pub fn say_unread(tool: &Tool, found: &[Record], user_data: &UserData) {
    let failures = found.iter().filter_map(|record| {
        let read = user_data.get(&record.str("instance_id")?)?;
        Some((record.host(), read.as_ref().err()?))
    });
    for (hosts, failure) in grouped(failures) {
        let (first, others) = hosts.split_at(1);
        tool.failure(&failure.clone().within(fold(first.iter().copied())));
        if !others.is_empty() {
            tool.warn(format!("the same of {} more: {}", others.len(), fold(others.iter().copied())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cerveza_manners::Failure;

    fn failed(why: &str) -> Result<Option<String>> {
        Err(Failure::unreached(format!("DescribeInstanceAttribute in us-east-1: {why}")))
    }

    #[test]
    fn what_was_read_replaces_what_an_older_record_said() {
        let after = |read: &Result<Option<String>>| {
            let mut record = Record::parse(r#"{"user_data":"b2xk","host":"web1","error":"old"}"#).unwrap();
            put(&mut record, read);
            record.to_string()
        };
        assert_eq!(after(&Ok(Some("aGk=".into()))), r#"{"user_data":"aGk=","host":"web1"}"#);
        assert_eq!(after(&Ok(None)), r#"{"user_data":null,"host":"web1"}"#);
        assert_eq!(after(&failed("down")), r#"{"host":"web1","error":"DescribeInstanceAttribute in us-east-1: down"}"#);
    }

    #[test]
    fn a_table_shows_the_size_of_what_base64_stands_for() {
        assert_eq!(["", "YQ==", "YWI=", "YWJj", "YWJj\nZA=="].map(size), [0, 1, 2, 3, 4]);
        let mut none = Record::parse(r#"{"host":"web1","user_data":null}"#).unwrap();
        put_size(&mut none);
        assert_eq!(none.to_string(), r#"{"host":"web1","user_data":null}"#);
    }
}
