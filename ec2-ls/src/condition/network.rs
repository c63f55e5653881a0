//! What `--ip` takes: the tests of an address, a network or a wildcard.

use crate::condition::ipv6_network::Ipv6Network;
use crate::condition::{Test, Wanted};
use cerveza_manners::{Failure, Result};
use std::net::{IpAddr, Ipv4Addr};

const PRIVATE: &str = "network-interface.addresses.private-ip-address";
const PUBLIC: &str = "ip-address";
const IPV6: &str = "network-interface.ipv6-addresses.ipv6-address";

/// Returns tests; one of them holds for an instance with the address, with one in the network, or with one that matches
/// the wildcard.
pub fn address_tests(text: &str) -> Result<Vec<Test>> {
    if let Some((address, prefix)) = text.split_once('/') {
        let no_network = || Failure::usage(format!("--ip {text}: not a network")).hint("write it as in 10.1.0.0/16");
        let address: IpAddr = address.parse().map_err(|_| no_network())?;
        let prefix = prefix.parse().map_err(|_| no_network())?;
        return match address {
            IpAddr::V4(address) if prefix <= 32 => Ok(ipv4_tests(&ipv4_globs(address, prefix))),
            IpAddr::V6(address) if prefix <= 128 => {
                Ok(vec![Test { fact: IPV6.to_string(), wanted: Wanted::Network(Ipv6Network { address, prefix }) }])
            }
            _ => Err(no_network()),
        };
    }
    match text.parse() {
        Ok(IpAddr::V4(address)) => Ok(ipv4_tests(&[address.to_string()])),
        Ok(IpAddr::V6(address)) => Ok(vec![Test::glob(IPV6, address.to_string())]),
        Err(_) if is_address_glob(text) && text.contains(':') => Ok(vec![Test::glob(IPV6, text.to_lowercase())]),
        Err(_) if is_address_glob(text) => Ok(ipv4_tests(&[text.to_string()])),
        Err(_) => Err(Failure::usage(format!("--ip {text}: not an address"))
            .hint("write an address, a network as in 10.1.0.0/16, or a pattern as in '10.1.*'")),
    }
}

/// Returns whether the text is an address with wildcards, as `10.1.*`.
pub fn is_address_glob(text: &str) -> bool {
    let is_ipv6 = text.contains(':');
    let fits = |c: char| match c {
        '*' | '?' => true,
        ':' => is_ipv6,
        '.' => !is_ipv6,
        c => c.is_ascii_digit() || (is_ipv6 && c.is_ascii_hexdigit()),
    };
    text.contains(['*', '?']) && text.contains(['.', ':']) && text.chars().all(fits)
}

fn ipv4_tests(globs: &[String]) -> Vec<Test> {
    [PRIVATE, PUBLIC].iter().flat_map(|fact| globs.iter().map(|glob| Test::glob(*fact, glob.as_str()))).collect()
}

/// Returns the wildcards that match the addresses of a network and no others. There are at most 128.
fn ipv4_globs(address: Ipv4Addr, prefix: u32) -> Vec<String> {
    let network = address.to_bits() & u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
    let octets = prefix.div_ceil(8);
    let rest = ["", ".*", ".*.*", ".*.*.*", "*"][4 - octets as usize];
    let count = 1u32 << (octets * 8 - prefix);
    (0..count)
        .map(|number| {
            let first = network | number.checked_shl(32 - octets * 8).unwrap_or(0);
            let octets = Ipv4Addr::from_bits(first).octets().into_iter().take(octets as usize);
            octets.map(|octet| octet.to_string()).collect::<Vec<_>>().join(".") + rest
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Condition;
    use cerveza_record::Record;
    use proptest::prelude::*;
    use std::net::Ipv6Addr;

    #[test]
    fn network_becomes_wildcards() {
        let globs = |text: &str, prefix| ipv4_globs(text.parse().unwrap(), prefix);
        assert_eq!(globs("10.1.2.3", 32), ["10.1.2.3"]);
        assert_eq!(globs("10.1.2.3", 24), ["10.1.2.*"]);
        assert_eq!(globs("10.1.2.3", 16), ["10.1.*.*"]);
        assert_eq!(globs("10.1.2.3", 0), ["*"]);
        assert_eq!(globs("10.1.2.3", 30), ["10.1.2.0", "10.1.2.1", "10.1.2.2", "10.1.2.3"]);
        assert_eq!(globs("10.1.5.3", 23), ["10.1.4.*", "10.1.5.*"]);
        assert_eq!(globs("10.1.2.3", 17).len(), 128);
    }

    proptest! {
        #[test]
        fn network_has_its_addresses_and_no_others(bits in any::<u32>(), prefix in 0u32..=32, other in any::<u32>(), near in 0u32..=32) {
            let (network, host) = (Ipv4Addr::from_bits(bits), bits ^ other.checked_shr(near).unwrap_or(0));
            let condition = Condition::any(address_tests(&format!("{network}/{prefix}")).unwrap());
            let mut record = Record::named("web1");
            record.set("private_ip", Ipv4Addr::from_bits(host).to_string());
            let is_in = (bits ^ host).leading_zeros() >= prefix;
            prop_assert_eq!(condition.holds(&record), is_in);
        }

        #[test]
        fn ipv6_network_is_within_its_wildcard(bits in any::<u128>(), gap in any::<u8>(), prefix in 0u32..=128, other in any::<u128>()) {
            // Some groups are zero, which the text leaves out.
            let bits = (0..8).filter(|group| gap >> group & 1 == 1).fold(bits, |bits, group| bits & !(0xffff << (16 * group)));
            let host = bits ^ other.checked_shr(prefix).unwrap_or(0);
            let network = Ipv6Network { address: Ipv6Addr::from_bits(bits), prefix };
            let text = Ipv6Addr::from_bits(host).to_string();
            prop_assert!(network.contains(&text));
            prop_assert!(crate::condition::glob::Glob::new(network.glob()).matches(&text), "{} {}", network.glob(), text);
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        for bad in ["10.1.2", "web1", "10.1.0.0/33", "::/129", "10.1.0.0/x", "web*", "10.1.2.300"] {
            assert!(address_tests(bad).is_err(), "{bad}");
        }
        assert!(
            address_tests("10.1.*").is_ok() && address_tests("2600:1f18:*").is_ok() && address_tests("::1").is_ok()
        );
    }
}
