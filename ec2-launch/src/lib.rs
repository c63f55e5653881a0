//! `ec2-launch`: makes each named host exist and run: launches it, starts it, or leaves it alone.

mod cli;
mod disks;
mod execute;
mod memory;
mod plan;
mod profile;
mod request;
mod tags;
mod yaml;

pub use cli::{Args, command, run};
pub use profile::{KeyHelp, launch_keys};
