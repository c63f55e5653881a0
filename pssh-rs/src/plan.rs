//! What will be done where: a pure function of options and records. `--dry-run` prints it, the pool carries it out.

use crate::outcome::without_result;
use cerveza_record::{Record, json};

/// One host: who logs in, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    pub record: Record,
    /// The host's name without a `user@`: what known_hosts is asked for.
    pub name: String,
    pub user: String,
    pub port: u16,
    /// Where to connect to: an IP address or a name to resolve; or why there is none.
    pub address: Result<String, String>,
}

/// The options that decide a plan.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    pub user: &'a str,
    pub port: u16,
    /// The only field to take the address from.
    pub address: Option<&'a str>,
}

/// The fields that hold an address, best first; `host` itself comes after them.
const ADDRESS_FIELDS: [&str; 2] = ["private_ip", "public_ip"];

pub fn plan(records: Vec<Record>, choice: Choice<'_>) -> Vec<Target> {
    records.into_iter().map(|record| target(record, choice)).collect()
}

fn target(record: Record, choice: Choice<'_>) -> Target {
    let (user, name) = match record.host().split_once('@') {
        Some((user, name)) if !user.is_empty() && !name.is_empty() => (user.to_string(), name.to_string()),
        _ => (choice.user.to_string(), record.host().to_string()),
    };
    let field = |key: &str| record.str(key).filter(|value| !value.is_empty());
    let address = match choice.address {
        None => Ok(ADDRESS_FIELDS.into_iter().find_map(field).unwrap_or_else(|| name.clone())),
        Some("host") => Ok(name.clone()),
        Some(key) => field(key).ok_or_else(|| format!("the record has no address in {key:?}")),
    };
    Target { record, name, user, port: choice.port, address }
}

/// The plan for one host as its record, for `--dry-run`.
pub fn planned(target: &Target, command: &str) -> Record {
    let mut record = without_result(&target.record);
    match &target.address {
        Ok(address) => record
            .set("plan", json!({"address": address, "user": target.user, "port": target.port, "command": command})),
        Err(error) => record.set("error", error.as_str()),
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str, address: Option<&str>) -> Target {
        let choice = Choice { user: "me", port: 22, address };
        plan(vec![Record::parse(line).unwrap()], choice).remove(0)
    }

    #[test]
    fn the_private_address_comes_first_and_the_name_last() {
        let address = |line| one(line, None).address.unwrap();
        assert_eq!(address(r#"{"host":"a","public_ip":"5.6.7.8","private_ip":"10.0.0.1"}"#), "10.0.0.1");
        assert_eq!(address(r#"{"host":"a","public_ip":"5.6.7.8","private_ip":null}"#), "5.6.7.8");
        assert_eq!(address(r#"{"host":"a","private_ip":""}"#), "a");
    }

    #[test]
    fn a_chosen_field_that_a_record_lacks_is_an_error_of_that_host_alone() {
        let line = r#"{"host":"a","private_ip":"10.0.0.1","public_dns":"a.example"}"#;
        assert_eq!(one(line, Some("public_dns")).address.unwrap(), "a.example");
        assert_eq!(one(line, Some("host")).address.unwrap(), "a");
        assert_eq!(one(line, Some("public_ip")).address.unwrap_err(), "the record has no address in \"public_ip\"");
    }

    #[test]
    fn a_name_may_carry_its_user() {
        let target = one(r#"{"host":"root@db1"}"#, None);
        assert_eq!((target.user.as_str(), target.name.as_str()), ("root", "db1"));
        assert_eq!(target.address.unwrap(), "db1");
        assert_eq!(one(r#"{"host":"@db1"}"#, None).user, "me");
    }

    #[test]
    fn a_dry_run_shows_the_plan_and_no_old_result() {
        let target = one(r#"{"host":"a","status":"lost","error":"x","private_ip":"10.0.0.1"}"#, None);
        assert_eq!(
            planned(&target, "uptime").to_string(),
            r#"{"host":"a","private_ip":"10.0.0.1","plan":{"address":"10.0.0.1","user":"me","port":22,"command":"uptime"}}"#
        );
    }
}
