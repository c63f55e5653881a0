//! `ec2-power`: starts, stops, reboots and terminates instances.

mod cli;
mod confirm;
mod plan;

pub use cli::{Args, command, run};
