//! What ssh is asked about one host, and which names, users and addresses ssh accepts.

use super::HostSpec;
use std::net::{Ipv4Addr, Ipv6Addr};

/// One host as ssh is asked for it. Nothing in it can be taken for an option, a URI or shell text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    pub name: String,
    pub address: Option<String>,
    pub user: Option<String>,
    pub port: Option<u16>,
}

impl Query {
    /// A name that ssh refuses (`web 1`, a tag of EC2) is replaced by the address.
    pub fn new(host: &HostSpec<'_>) -> Result<Query, String> {
        if let Some(user) = host.user.filter(|user| !is_user(user)) {
            return Err(format!("the user {user:?} is not one that ssh takes"));
        }
        if let Some(address) = host.address.filter(|address| !is_address(address)) {
            return Err(format!("the address {address:?} is not one that ssh takes"));
        }
        let name = match (is_host(host.name), host.address) {
            (true, _) => host.name,
            (false, Some(address)) => address,
            (false, None) => return Err(format!("the name {:?} is not one that ssh takes", host.name)),
        };
        Ok(Query {
            name: name.to_string(),
            address: host.address.map(str::to_string),
            user: host.user.map(str::to_string),
            port: host.port,
        })
    }

    /// Returns a host that no configuration is about.
    pub fn neutral() -> Query {
        Query { name: "pssh-rs.invalid".to_string(), address: None, user: None, port: None }
    }

    /// Returns whether ssh and we read the name in the same way: it is ASCII, and not an unusual spelling of an address.
    pub fn is_plain(&self) -> bool {
        is_plain(&self.name) && self.address.as_deref().is_none_or(|address| is_plain(address) || is_ipv6(address))
    }
}

/// The rule of ssh since 9.6 (valid_hostname, with the commas and braces of 10). Also refuses `user@` and `ssh://`, which
/// ssh would split.
pub fn is_host(name: &str) -> bool {
    let odd = |c: char| "'`\"$\\;&<>|(){},".contains(c) || c.is_whitespace() || c.is_control();
    !name.is_empty()
        && name.len() <= 255
        && !name.starts_with('-')
        && !name.contains(odd)
        && !name.contains('@')
        && !name.contains("://")
}

/// The rule of ssh since 9.6 (valid_ruser).
pub fn is_user(name: &str) -> bool {
    let odd = |c: char| "'`\";&<>|(){}".contains(c) || c.is_control();
    !name.is_empty()
        && !name.starts_with('-')
        && !name.contains(odd)
        && !name.ends_with('\\')
        && !name.split(|c: char| c.is_whitespace()).skip(1).any(|rest| rest.starts_with('-'))
}

/// An address is given by `-o HostName=`, where `#` would start a comment.
fn is_address(address: &str) -> bool {
    is_host(address) && !address.contains(['#', '='])
}

fn is_plain(name: &str) -> bool {
    let usual = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    name.contains(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(usual)
        && (!is_numeric(name) || name.parse::<Ipv4Addr>().is_ok())
}

/// An IPv6 address in its usual spelling.
fn is_ipv6(address: &str) -> bool {
    address.parse::<Ipv6Addr>().is_ok_and(|parsed| parsed.to_string().eq_ignore_ascii_case(address))
}

/// Returns whether it may be an address in one of the spellings of inet_aton: `10.1`, `0x7f.1`, `127.000.0.1`.
pub fn is_numeric(name: &str) -> bool {
    let number = |label: &str| {
        label.starts_with(|c: char| c.is_ascii_digit())
            && label.chars().all(|c| c.is_ascii_hexdigit() || c == 'x' || c == 'X')
    };
    name.contains(':') || name.trim_end_matches('.').split('.').all(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_and_users_are_refused() {
        let hostile =
            ["", "-oProxyCommand=x", "a b", ";rm -rf /", "$(x)", "`x`", "a\nHost *", "a'b", "ssh://x", "r@x", "a|b"];
        for name in hostile {
            assert!(!is_host(name), "{name:?}");
        }
        assert!(["web1", "fe80::1%eth0", "[::1]", "é", "a_b"].into_iter().all(is_host));
        assert!(["me", r"AD\me", "a b", "me@corp", "$x"].into_iter().all(is_user));
        assert!(["-x", "a -x", "a;b", "a\n", "a\\", ""].into_iter().all(|name| !is_user(name)));
        let asked = HostSpec { name: "web (old)", address: Some("10.0.0.1"), user: None, port: None };
        assert_eq!(Query::new(&asked).unwrap().name, "10.0.0.1");
        assert!(Query::new(&HostSpec { address: None, ..asked }).is_err());
        assert!(Query::new(&HostSpec { address: Some("a b"), ..asked }).is_err());
    }

    #[test]
    fn unusual_spellings_of_addresses_are_not_plain() {
        assert!(["web1", "10.0.0.1", "i-0abc", "1a-b", "Web.EX."].into_iter().all(is_plain));
        assert!(["10", "010.0.0.1", "0x10", "10.1", "::1", "é", ".", "a%h"].into_iter().all(|name| !is_plain(name)));
    }
}
