//! Parses expressions such as `web[1-3],@db!db2` into sets of hosts.

pub(crate) mod error;
pub(crate) mod group;
pub(crate) mod parse;
#[cfg(test)]
mod tests;
