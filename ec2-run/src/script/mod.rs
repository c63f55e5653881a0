//! The script that runs on the host, and the frame that it prints: exit status and output of the command.

pub mod all_output;
pub mod frame;
pub mod shell;
