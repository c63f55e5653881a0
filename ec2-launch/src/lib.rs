//! `ec2-launch`: makes each named host exist and run: launches it, starts it, or leaves it alone.

mod cli;
mod disks;
mod document;
mod execute;
mod library;
mod memory;
mod plan;
mod profile;
mod request;
mod tags;

pub use cli::{Args, command, run};
pub use document::key_help::{KeyHelp, key_tables};
