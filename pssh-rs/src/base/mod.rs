//! What every other folder builds on: waits, stop signals, timers, sockets, small readers. Imports no other folder.

pub mod attempt_timer;
pub mod env;
pub mod policy;
pub mod read_capped;
pub mod shutdown;
pub mod socket;
pub mod ssh_wire;
pub mod trace;
pub mod transcript;
pub mod wait;
