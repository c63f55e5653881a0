//! A host as templates see it: its record, with what is always there.

use crate::refusal::{Notes, Problem};
use cerveza_record::Record;
use cerveza_template::template_value;
use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr};
use std::sync::Arc;

/// Keys that EC2 may leave out. A record without one, such as a bare name, has `null` there, so a template can ask for
/// it. Every other key that is missing is an error.
const FACTS: [&str; 25] = [
    "account",
    "architecture",
    "aws_profile",
    "iam_profile",
    "image_id",
    "instance_id",
    "instance_type",
    "ipv6",
    "key_name",
    "launch_time",
    "lifecycle",
    "platform",
    "port",
    "private_dns",
    "private_ip",
    "profile",
    "public_dns",
    "public_ip",
    "region",
    "security_groups",
    "state",
    "subnet_id",
    "user",
    "vpc_id",
    "zone",
];

/// A host of a template. `address` is computed, and `tags` is always an object.
#[derive(Debug)]
pub(crate) struct Host {
    pub record: Arc<Record>,
    /// Its place in the fleet.
    pub place: usize,
    /// The field whose value is the address, where the command line names it.
    pub address_field: Option<Arc<str>>,
    pub notes: Arc<Notes>,
}

impl Host {
    fn field(&self, key: &str) -> Option<Value> {
        self.notes.read_host(self.place);
        match self.record.get(key) {
            _ if key == "address" => Some(self.address()),
            Some(value) => Some(template_value(value)),
            None if key == "tags" => Some(Value::from_pairs(std::iter::empty::<(String, Value)>())),
            None if FACTS.contains(&key) => Some(Value::from(())),
            None => None,
        }
    }

    fn address(&self) -> Value {
        match address(&self.record, self.address_field.as_deref()) {
            Ok(address) => Value::from(address),
            Err(why) => {
                self.notes.refuse(Problem { host: self.place, value: None, why });
                refused()
            }
        }
    }
}

/// Returns what stands for a value that is refused: the text is not used.
pub(crate) fn refused() -> Value {
    Value::from_safe_string(String::new())
}

/// Returns whether a value is what [`refused`] returns.
pub(crate) fn is_refused(value: &Value) -> bool {
    value.is_safe() && value.as_str() == Some("")
}

/// Returns the address of a host: `private_ip`, else `public_ip`, as pssh-rs chooses it, else `ipv6`, else the host's
/// name; or only what `field` has.
fn address(record: &Record, field: Option<&str>) -> Result<String, String> {
    let text = |key: &str| record.str(key).filter(|text| !text.is_empty());
    match field {
        Some(field) => record.text_at(field).ok_or_else(|| format!("the record has no address in \"{field}\"")),
        None => {
            let first = ["private_ip", "public_ip", "ipv6"].into_iter().find_map(text);
            Ok(first.unwrap_or_else(|| record.host().to_string()))
        }
    }
}

impl Object for Host {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.field(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.field(key)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.record.iter().map(|(key, _)| Value::from(key)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &str) -> Record {
        Record::parse(json).unwrap()
    }

    #[test]
    fn the_address_is_private_or_public_or_ipv6_or_the_name() {
        let both = record(r#"{"host":"a","public_ip":"5.6.7.8","private_ip":"10.0.0.1"}"#);
        assert_eq!(address(&both, None), Ok("10.0.0.1".to_string()));
        assert_eq!(address(&both, Some("public_ip")), Ok("5.6.7.8".to_string()));
        assert_eq!(address(&record(r#"{"host":"a","private_ip":null}"#), None), Ok("a".to_string()));
        let ipv6 = record(r#"{"host":"a","private_ip":null,"ipv6":"2001:db8::1"}"#);
        assert_eq!(address(&ipv6, None), Ok("2001:db8::1".to_string()));
        assert!(address(&record(r#"{"host":"a","private_ip":""}"#), Some("private_ip")).is_err());
    }
}
