//! The language of host sets: text such as `web[1-3],@db!db2` to a set of hosts.

pub(crate) mod error;
pub(crate) mod parse;
#[cfg(test)]
mod tests;
