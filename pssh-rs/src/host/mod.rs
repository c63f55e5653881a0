//! One host, by either engine: from its target to its outcome.

pub mod attempt_handle;
pub mod connection_log;
pub mod failure;
pub mod job;
pub mod libssh2;
pub mod openssh;
pub mod progress;
pub mod slot;
pub mod steps;
pub mod target;
