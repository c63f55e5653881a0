//! An SSH session on an existing connection: handshake, channels, running a command with input, output and sudo, and
//! terminating it.

pub mod algorithms;
mod command_channel;
pub mod command_line;
pub mod exec;
mod follow;
pub mod open_channel;
pub mod script;
pub mod ssh_session;
pub mod sudo;
pub mod terminate;
