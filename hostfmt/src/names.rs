//! Names and addresses as network software takes them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A text as it is written, or why it cannot be.
type Checked = Result<String, &'static str>;

/// The longest name and the longest label of it, in characters (RFC 1035).
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// Returns a host's name for files of this machine: letters, digits, hyphens, dots and underscores. Names that mean
/// this machine itself, or an address, are refused: they would stand for another host.
pub(crate) fn hostname(text: &str) -> Checked {
    match text.to_ascii_lowercase().as_str() {
        "localhost" | "localhost.localdomain" | "ip6-localhost" | "ip6-loopback" | "broadcasthost" => {
            Err("is a name of this machine itself")
        }
        lower => labels(lower, |c| c == '_').map(|()| text.to_string()),
    }
}

/// Returns a name within the zone, in small letters. The zone's own name at its end is dropped. BIND refuses an
/// underscore in the name of a host.
pub(crate) fn zone_name(text: &str, zone: &str) -> Checked {
    let name = within_zone(text, zone).filter(|name| !name.is_empty()).unwrap_or_else(|| text.to_ascii_lowercase());
    labels(&name, |_| false)?;
    Ok(name)
}

/// Returns a whole name in the zone as a name within it, in small letters: empty if it is that of the zone itself.
pub(crate) fn within_zone(name: &str, zone: &str) -> Option<String> {
    let [name, zone] = [name, zone].map(|text| text.trim_end_matches('.').to_ascii_lowercase());
    let inner = name.strip_suffix(&zone).filter(|_| !zone.is_empty())?;
    if inner.is_empty() { Some(String::new()) } else { inner.strip_suffix('.').map(str::to_string) }
}

/// Returns a whole domain, with a dot at its end.
pub(crate) fn domain(text: &str) -> Checked {
    let name = text.strip_suffix('.').unwrap_or(text);
    labels(name, |c| c == '_')?;
    Ok(format!("{name}."))
}

/// Returns the mail address of a zone's SOA (RNAME, RFC 1035): the part before the `@` is the first label, and its dots
/// are escaped. Without an `@` it is in that form already.
pub(crate) fn rname(text: &str) -> Checked {
    let Some((mailbox, host)) = text.rsplit_once('@') else { return domain(text) };
    let is_taken = |c: char| c.is_ascii_alphanumeric() || "-_+.".contains(c);
    if mailbox.is_empty() || mailbox.len() > LONGEST_LABEL || !mailbox.chars().all(is_taken) {
        Err("is not a mail address of letters, digits, hyphens, dots, underscores and plus signs")
    } else {
        Ok(format!("{}.{}", mailbox.replace('.', "\\."), domain(host)?))
    }
}

/// Returns the name with `suffix` at its first label: `web1.prod` with `-public` is `web1-public.prod`.
pub(crate) fn with_suffix(name: &str, suffix: &str) -> Checked {
    let (first, rest) = name.split_at(name.find('.').unwrap_or(name.len()));
    let name = format!("{first}{suffix}{rest}");
    labels(&name, |_| false)?;
    Ok(name)
}

fn labels(name: &str, may_also_have: fn(char) -> bool) -> Result<(), &'static str> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || c == '-' || may_also_have(c);
    let is_short = |label: &str| !label.is_empty() && label.len() <= LONGEST_LABEL;
    let has_edges = |label: &str| !label.starts_with('-') && !label.ends_with('-');
    match name.split('.').all(|label| label.chars().all(is_taken)) {
        false if may_also_have('_') => {
            Err("is not a host name: that has letters, digits, hyphens, dots and underscores")
        }
        false => Err("is not a host name of DNS: that has letters, digits, hyphens and dots"),
        true if !name.split('.').all(is_short) || name.len() > LONGEST_NAME => {
            Err("is not a host name: a part between dots has 1 to 63 characters, and the whole at most 253")
        }
        true if !name.split('.').all(has_edges) => Err("is not a host name: a part begins or ends with a hyphen"),
        true if name.split('.').all(|label| label.bytes().all(|byte| byte.is_ascii_digit())) => {
            Err("is a number or an address, not a host name")
        }
        true => Ok(()),
    }
}

/// Returns an address in its usual form.
pub(crate) fn ip(text: &str) -> Checked {
    text.parse::<IpAddr>().map(|address| address.to_string()).map_err(|_| "is not an IP address")
}

/// Returns an address or a host name.
pub(crate) fn address(text: &str) -> Checked {
    ip(text).or_else(|_| hostname(text))
}

pub(crate) fn ipv4(text: &str) -> Checked {
    text.parse::<Ipv4Addr>().map(|address| address.to_string()).map_err(|_| "is not an IPv4 address")
}

pub(crate) fn ipv6(text: &str) -> Checked {
    text.parse::<Ipv6Addr>().map(|address| address.to_string()).map_err(|_| "is not an IPv6 address")
}

/// Returns an address or host name with a port: an IPv6 address is put in brackets.
pub(crate) fn host_port(text: &str, port: &str) -> Checked {
    port.parse::<u16>().map_err(|_| "has a port that is not a number from 0 to 65535")?;
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) => Ok(format!("[{address}]:{port}")),
        Ok(IpAddr::V4(address)) => Ok(format!("{address}:{port}")),
        Err(_) => hostname(text).map(|name| format!("{name}:{port}")),
    }
}

/// Returns a whole number from `low` to `high`, without zeros in front.
pub(crate) fn number(text: &str, low: i64, high: i64) -> Result<String, String> {
    let number = text.parse::<i64>().ok().filter(|number| (low..=high).contains(number));
    number.map(|number| number.to_string()).ok_or_else(|| format!("is not a whole number from {low} to {high}"))
}

/// Returns a path of ssh_config, in quotes where they are needed.
pub(crate) fn ssh_path(text: &str) -> Checked {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./~@+%:".contains(c);
    match text {
        "" => Err("is empty"),
        _ if text.contains(|c: char| c.is_control() || "\"\\".contains(c)) => {
            Err("has a quote, a backslash or a control character")
        }
        _ if text.chars().all(is_plain) => Ok(text.to_string()),
        _ => Ok(format!("\"{text}\"")),
    }
}

/// Returns a string of a zone file (TXT): in quotes, and in pieces of at most 255 bytes.
pub(crate) fn zone_text(text: &str) -> Checked {
    let escape = |byte: &u8| match byte {
        b'"' | b'\\' => format!("\\{}", char::from(*byte)),
        b' '..=b'~' => char::from(*byte).to_string(),
        byte => format!("\\{byte:03}"),
    };
    let pieces: Vec<String> = text.as_bytes().chunks(255).map(|piece| piece.iter().map(escape).collect()).collect();
    Ok(format!("\"{}\"", pieces.join("\" \"")))
}

/// Returns a value of a distinguished name (RFC 4514).
pub(crate) fn dn_value(text: &str) -> Checked {
    let last = text.chars().count().saturating_sub(1);
    let mut value = String::new();
    for (at, c) in text.chars().enumerate() {
        match c {
            '\0' => value.push_str("\\00"),
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => value.extend(['\\', c]),
            '#' if at == 0 => value.push_str("\\#"),
            ' ' if at == 0 || at == last => value.push_str("\\ "),
            c => value.push(c),
        }
    }
    if text.trim().is_empty() { Err("is blank, which no name in a directory is") } else { Ok(value) }
}

/// Letters, digits and underscores: every other character becomes an underscore, and none begins with a digit.
pub(crate) fn identifier(text: &str) -> Checked {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = text.chars().map(plain).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() { Ok(format!("_{name}")) } else { Ok(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_is_plain_and_means_one_host() {
        for name in ["web1", "Web_1.prod", "i-0123456789abcdef0", "1a", "10.0.0.1a"] {
            assert_eq!(hostname(name), Ok(name.to_string()));
        }
        for name in
            ["", "a b", "a\n", "é", "-a", "a-.b", "a..b", "a.", "localhost", "10.0.0.1", "7", "a/b", "LocalHost"]
        {
            assert!(hostname(name).is_err(), "{name}");
        }
        assert!(hostname(&"a".repeat(64)).is_err() && hostname(&"a.".repeat(127)).is_err());
    }

    #[test]
    fn names_of_a_zone_are_relative_to_it() {
        assert_eq!(zone_name("Web1.Prod.Example.com", "example.com.").unwrap(), "web1.prod");
        assert_eq!(zone_name("web1.prod", "").unwrap(), "web1.prod");
        assert_eq!(zone_name("example.com", "example.com").unwrap(), "example.com");
        assert_eq!(within_zone("NS1.example.com.", "example.com"), Some("ns1".to_string()));
        assert_eq!(within_zone("Example.com", "example.com."), Some(String::new()));
        assert_eq!([within_zone("anexample.com", "example.com"), within_zone("ns1", "")], [None, None]);
        assert!(zone_name("web_1", "").is_err() && zone_name("@", "").is_err() && zone_name("a.", "").is_err());
        assert_eq!(with_suffix("web1.prod", "-public").unwrap(), "web1-public.prod");
        assert!(with_suffix(&"a".repeat(60), "-public").is_err());
        assert_eq!((domain("example.com").unwrap(), domain("a.b.").unwrap()), ("example.com.".into(), "a.b.".into()));
    }

    #[test]
    fn addresses_are_checked_and_ports_are_put_behind_them() {
        assert_eq!(ip("2001:DB8::0:1").unwrap(), "2001:db8::1");
        assert_eq!([address("web1"), address("::1")], [Ok("web1".to_string()), Ok("::1".to_string())]);
        assert!(address("a b").is_err() && ip("web1").is_err() && ipv4("::1").is_err() && ipv6("10.0.0.1").is_err());
        assert_eq!(host_port("::1", "80").unwrap(), "[::1]:80");
        assert_eq!(host_port("web1", "80").unwrap(), "web1:80");
        assert!(host_port("web1", "x").is_err() && host_port("a b", "1").is_err());
    }

    #[test]
    fn a_mail_address_of_a_zone_has_its_dots_escaped() {
        assert_eq!(rname("john.doe+dns@example.com").unwrap(), "john\\.doe+dns.example.com.");
        assert_eq!(rname("root.localhost").unwrap(), "root.localhost.");
        for address in ["@example.com", "a b@example.com", "a\"b@example.com", "a@", "a@b@example.com", "a b"] {
            assert!(rname(address).is_err(), "{address}");
        }
        assert!(rname(&format!("{}@b", "a".repeat(64))).is_err());
    }

    #[test]
    fn numbers_are_whole_and_in_their_range() {
        assert_eq!([number("022", 1, 65535), number("0", 0, 9)], [Ok("22".to_string()), Ok("0".to_string())]);
        for text in ["", "abc", "99999", "22.5", "true", "0", "-1", " 22", "99999999999999999999"] {
            assert!(number(text, 1, 65535).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_of_ssh_are_quoted_where_they_must_be() {
        assert_eq!(ssh_path("~/.ssh/id_ed25519").unwrap(), "~/.ssh/id_ed25519");
        assert_eq!([ssh_path("~/my key").unwrap(), ssh_path("=#").unwrap()], ["\"~/my key\"", "\"=#\""]);
        assert!(["", "a\"b", "a\\", "a\nb"].iter().all(|path| ssh_path(path).is_err()));
    }

    #[test]
    fn values_of_a_distinguished_name_are_escaped() {
        assert_eq!(dn_value(" #a,b=c\\ ").unwrap(), "\\ #a\\,b\\=c\\\\\\ ");
        assert_eq!(dn_value("#é\0").unwrap(), "\\#é\\00");
        assert!(dn_value(" ").is_err());
    }

    #[test]
    fn texts_of_a_zone_are_quoted_and_cut() {
        assert_eq!(zone_text("a\"\\;é").unwrap(), "\"a\\\"\\\\;\\195\\169\"");
        assert_eq!(zone_text(&"a".repeat(256)).unwrap(), format!("\"{}\" \"a\"", "a".repeat(255)));
        assert_eq!(zone_text("").unwrap(), "\"\"");
    }

    #[test]
    fn identifiers_keep_letters_and_digits() {
        assert_eq!(identifier("aws:web-1").unwrap(), "aws_web_1");
        assert_eq!((identifier("1").unwrap(), identifier("é").unwrap()), ("_1".to_string(), "_".to_string()));
    }
}
