//! Refuses records and expressions that may mean another host than the user thinks.

use cerveza_manners::{Failure, Result, visible};
use cerveza_record::{Record, Value, quote};
use std::collections::HashSet;

/// The fields of a record that say which instance is meant, or what it is launched with.
const TEXTS: [&str; 6] = ["instance_id", "account", "aws_profile", "region", "zone", "user_data"];

/// Refuses a record whose facts are not what the manual says they are: passed over, they would make another host of
/// it.
pub fn check_records(hosts: &[Record]) -> Result<()> {
    for host in hosts {
        let is_wrong = |key: &&&str| !matches!(host.get(key), None | Some(Value::Null | Value::String(_)));
        if let Some(key) = TEXTS.iter().find(is_wrong) {
            return Err(Failure::usage(format!("{}: \"{key}\" is not a string", host.host())));
        }
        if host.str("instance_id").is_some_and(|id| id.is_empty()) {
            return Err(Failure::usage(format!("{}: \"instance_id\" is empty", host.host())));
        }
    }
    Ok(())
}

/// Refuses an expression that is also the name of an instance: the user may mean that instance.
pub fn refuse_ambiguous<'a>(possible_names: &[String], found: impl IntoIterator<Item = &'a Record>) -> Result<()> {
    let possible_names: HashSet<&str> = possible_names.iter().map(String::as_str).collect();
    match found.into_iter().find(|instance| possible_names.contains(instance.host())) {
        None => Ok(()),
        Some(instance) => {
            let (name, id) = (quote(instance.host()), instance.str("instance_id").unwrap_or_default());
            let text = instance.host();
            Err(Failure::usage(format!("{name} is an expression, and also the name of {id}")).hint(format!(
                "in double quotes, '{name}', it means that instance; in parentheses, '({text})', the hosts of the expression",
                name = name.replace('\'', r"'\''"),
                text = visible(text).replace('\'', r"'\''"),
            )))
        }
    }
}
