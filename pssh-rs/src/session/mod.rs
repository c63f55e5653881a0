//! An SSH session once there is a connection: the handshake, channels, one command with its input, output and sudo, and
//! how a command is ended on the host.

pub mod algorithms;
pub mod command_line;
pub mod exec;
pub mod open_session;
pub mod phase_timer;
pub mod script;
pub mod ssh_session;
pub mod sudo;
pub mod terminate;
