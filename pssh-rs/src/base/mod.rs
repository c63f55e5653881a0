//! What every other folder builds on: waits, stop signals, timers, sockets, signatures, small readers. Imports no other
//! folder.

pub mod attempt_timer;
pub mod key_blob;
pub mod policy;
pub mod process_group;
pub mod shutdown;
pub mod signature;
pub mod socket;
pub mod trace;
pub mod transcript;
pub mod user_file;
pub mod wait;
