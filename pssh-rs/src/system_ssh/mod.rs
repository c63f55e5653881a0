//! What is needed to run the system's `ssh`: its options, control socket and log, and a private folder for both.

pub mod control_dir;
mod engine;
pub mod log;
pub mod mux;
pub mod system;

pub use engine::Engine;
