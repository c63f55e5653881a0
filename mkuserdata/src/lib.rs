//! `mkuserdata`: cloud-init user-data out of parts.
//!
//! The library is also how ec2-launch makes user-data: [`Parts::read`] once, then [`Parts::build`] for each host.

mod cli;
mod encoding;
mod kind;
mod limit;
mod mime;
mod name;
mod output;
mod part;
mod parts;
mod template;

pub use cli::{Args, command, run};
pub use kind::Kind;
pub use limit::LIMIT;
pub use parts::Parts;
