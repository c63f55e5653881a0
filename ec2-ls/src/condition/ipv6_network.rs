//! A network of IPv6 addresses, as `--ip` takes it.

use std::net::Ipv6Addr;

/// A network of IPv6, as `2600:1f18::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Network {
    pub address: Ipv6Addr,
    pub prefix: u32,
}

impl Ipv6Network {
    pub fn contains(&self, address: &str) -> bool {
        let first_bits = |address: Ipv6Addr| address.to_bits().checked_shr(128 - self.prefix).unwrap_or_default();
        address.parse().is_ok_and(|address| first_bits(address) == first_bits(self.address))
    }

    /// Returns a wildcard that all addresses of the network match, as EC2 writes them. It ends before a group of zeros,
    /// which may be left out of the text.
    pub fn glob(&self) -> String {
        let groups = self.address.segments();
        let whole = groups.iter().take(self.prefix as usize / 16).take_while(|group| **group != 0);
        whole.map(|group| format!("{group:x}:")).collect::<String>() + "*"
    }
}
