//! `ec2-launch`: makes each named host exist and run: launches it, starts it, or leaves it alone.

mod accounts;
mod cli;
mod disks;
mod execute;
mod host_keys;
mod launch_host;
mod memory;
mod memory_command;
mod plan;
mod profile;
mod request;
mod show;
mod ssh_wait;
mod tags;
mod waiting;
mod yaml;

pub use cli::{Args, command, run};
pub use profile::{KeyHelp, launch_keys};
