//! What every other folder builds on: waits, ends of the run, sockets, small readers. Nothing here imports another folder.

pub mod env;
pub mod policy;
pub mod ssh_wire;
pub mod wait;
