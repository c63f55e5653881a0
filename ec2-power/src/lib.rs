//! `ec2-power`: starts, stops, reboots and terminates instances.

mod cli;
mod confirm;
mod hint;
mod plan;

pub use cli::{Args, command, run};
pub use hint::hint;
