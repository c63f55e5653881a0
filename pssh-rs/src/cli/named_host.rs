//! The name, address, user and port of each host, from its record, its name and the command line.

use crate::ssh_config::HostSpec;
use cerveza_record::{Record, Value};

/// The options that decide how hosts are named.
#[derive(Clone, Copy, Debug)]
pub struct AddressChoice<'a> {
    pub user: Option<&'a str>,
    pub port: Option<u16>,
    /// The only field to take the address from.
    pub address: Option<&'a str>,
}

/// A record with what it and the command line say about the host. The record decides, because it is about this host alone.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedHost {
    pub record: Record,
    pub name: String,
    pub user: Option<String>,
    pub port: Option<u16>,
    /// `None` if the name is the address.
    pub address: Option<String>,
    /// Why this host is not tried.
    pub problem: Option<String>,
}

/// The fields that hold an address, best first; `host` itself comes after them.
const ADDRESS_FIELDS: [&str; 2] = ["private_ip", "public_ip"];

pub fn name_hosts(records: Vec<Record>, choice: AddressChoice<'_>) -> Vec<NamedHost> {
    records.into_iter().map(|record| name(record, choice)).collect()
}

fn name(record: Record, choice: AddressChoice<'_>) -> NamedHost {
    let field = |key: &str| record.str(key).filter(|value| !value.is_empty());
    let address = match choice.address {
        None => Ok(ADDRESS_FIELDS.into_iter().find_map(field)),
        Some("host") => Ok(None),
        Some(path) => record.text_at(path).map(Some).ok_or_else(|| format!("the record has no address in {path:?}")),
    };
    let (own_user, name) = split_user(record.host());
    // The name of a host that is elsewhere may hold anything.
    let (name, own_port) = match address {
        Ok(None) => split_port(name),
        _ => (name, None),
    };
    let user = user_of(&record).map(|user| user.or(own_user.or(choice.user).map(str::to_string)));
    let port = match (port_of(&record), own_port) {
        (Ok(None), Some(digits)) => port(digits).map(Some).map_err(|_| format!("{digits} is not a port")),
        (given, _) => given,
    };
    let port = port.map(|port| port.or(choice.port));
    let problem = address.as_ref().err().or(user.as_ref().err()).or(port.as_ref().err()).cloned();
    let (user, port, address) = (user.ok().flatten(), port.ok().flatten(), address.ok().flatten());
    let name = name.to_string();
    NamedHost { record, name, user, port, address, problem }
}

/// Splits `user@host` as ssh does, at the last `@`.
pub fn split_user(host: &str) -> (Option<&str>, &str) {
    match host.rsplit_once('@') {
        Some((user, name)) if !user.is_empty() && !name.is_empty() => (Some(user), name),
        _ => (None, host),
    }
}

/// Splits `host:22`, `[::1]:22` and `[::1]`. An IPv6 address without brackets is one whole.
pub fn split_port(host: &str) -> (&str, Option<&str>) {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, "")) if !name.is_empty() => (name, None),
        Some((name, rest)) if !name.is_empty() => match rest.strip_prefix(':') {
            Some(port) if is_number(port) => (name, Some(port)),
            _ => (host, None),
        },
        _ => match host.split_once(':') {
            Some((name, port)) if !name.is_empty() && is_number(port) => (name, Some(port)),
            _ => (host, None),
        },
    }
}

fn port(digits: &str) -> Result<u16, ()> {
    digits.parse().ok().filter(|port| *port > 0).ok_or(())
}

/// The record's own user.
fn user_of(record: &Record) -> Result<Option<String>, String> {
    match record.get("user") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(user)) => Ok(Some(user).filter(|user| !user.is_empty())),
        Some(other) => Err(format!("the record's \"user\" is not a name: {other}")),
    }
}

/// The record's own port, a number or its digits.
fn port_of(record: &Record) -> Result<Option<u16>, String> {
    let digits = match record.get("port") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(digits)) => digits,
        Some(other) => other.to_string(),
    };
    port(&digits).map(Some).map_err(|()| format!("the record's \"port\" is not a port: {digits}"))
}

impl NamedHost {
    pub fn spec(&self) -> HostSpec<'_> {
        HostSpec { name: &self.name, address: self.address.as_deref(), user: self.user.as_deref(), port: self.port }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str, address: Option<&str>) -> NamedHost {
        let choice = AddressChoice { user: Some("me"), port: None, address };
        name_hosts(vec![Record::parse(line).unwrap()], choice).remove(0)
    }

    #[test]
    fn the_private_address_comes_first_and_the_name_last() {
        let address = |line| one(line, None).address;
        let both = r#"{"host":"a","public_ip":"5.6.7.8","private_ip":"10.0.0.1"}"#;
        assert_eq!(address(both).as_deref(), Some("10.0.0.1"));
        assert_eq!(address(r#"{"host":"a","public_ip":"5.6.7.8","private_ip":null}"#).as_deref(), Some("5.6.7.8"));
        assert_eq!(address(r#"{"host":"a","private_ip":""}"#), None);
    }

    #[test]
    fn a_chosen_field_that_a_record_lacks_is_a_problem_of_that_host_alone() {
        let line = r#"{"host":"a","private_ip":"10.0.0.1","public_dns":"a.example"}"#;
        let address = |key| one(line, Some(key)).address;
        assert_eq!(address("public_dns").as_deref(), Some("a.example"));
        assert_eq!(address("host"), None);
        assert_eq!(one(line, Some("public_ip")).problem.unwrap(), "the record has no address in \"public_ip\"");
    }

    /// The user, name and port of a host that is given as such a line, and what is wrong with it.
    fn login(line: &str) -> (String, String, Option<u16>, Option<String>) {
        let record = if line.starts_with('{') { Record::parse(line).unwrap() } else { Record::named(line) };
        let named =
            name_hosts(vec![record], AddressChoice { user: Some("me"), port: Some(22), address: None }).remove(0);
        (named.user.unwrap_or_default(), named.name, named.port, named.problem)
    }

    #[test]
    fn a_name_may_carry_its_user_and_port() {
        let is = |line, user: &str, name: &str, port| {
            assert_eq!(login(line), (user.to_string(), name.to_string(), Some(port), None), "{line}");
        };
        is("root@db1", "root", "db1", 22);
        is("@db1", "me", "@db1", 22);
        is("me@corp@db1", "me@corp", "db1", 22);
        is("db1:2222", "me", "db1", 2222);
        is("root@db1:2222", "root", "db1", 2222);
        is("[::1]:2222", "me", "::1", 2222);
        is("root@[fe80::1%eth0]:2222", "root", "fe80::1%eth0", 2222);
        is("[::1]", "me", "::1", 22);
        is("::1", "me", "::1", 22);
        is("2001:db8::1:2222", "me", "2001:db8::1:2222", 22);
        is("db1:ssh", "me", "db1:ssh", 22);
        is(":22", "me", ":22", 22);
        // This host is known by its address, and its name is a tag of EC2.
        is(r#"{"host":"db:1","private_ip":"10.0.0.1"}"#, "me", "db:1", 22);
        for line in ["db1:0", "db1:65536"] {
            assert!(login(line).3.unwrap().ends_with(" is not a port"));
        }
    }

    #[test]
    fn user_and_port_of_the_record_come_first() {
        let is = |line, user: &str, port| {
            let (found, _, at, problem) = login(line);
            assert_eq!((found.as_str(), at, problem), (user, Some(port), None), "{line}");
        };
        is(r#"{"host":"root@db1:1","user":"deploy","port":2222}"#, "deploy", 2222);
        is(r#"{"host":"db1","private_ip":"10.0.0.1","user":"deploy","port":"2222"}"#, "deploy", 2222);
        is(r#"{"host":"db1:1","user":null,"port":null}"#, "me", 1);
        is(r#"{"host":"db1","user":""}"#, "me", 22);
        for (line, why) in [
            (r#"{"host":"a","port":0}"#, r#"the record's "port" is not a port: 0"#),
            (r#"{"host":"a","port":"ssh"}"#, r#"the record's "port" is not a port: ssh"#),
            (r#"{"host":"a","port":22.5}"#, r#"the record's "port" is not a port: 22.5"#),
            (r#"{"host":"a","user":["x"]}"#, r#"the record's "user" is not a name: ["x"]"#),
        ] {
            assert_eq!(login(line).3.as_deref(), Some(why));
        }
    }
}
