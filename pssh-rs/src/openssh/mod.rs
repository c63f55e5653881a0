//! What the system's `ssh` does for us: the engine that runs a command by it (`run`), and what else needs it.

pub mod folder;
pub mod log;
pub mod mux;
mod run;
pub mod system;

pub use run::{Engine, attempt};
