//! What is needed to run the system's `ssh`: its options, its control socket, its log, and a private folder for both.

pub mod control_dir;
pub mod log;
pub mod mux;
pub mod system;
