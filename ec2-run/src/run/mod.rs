//! Sends the commands, polls them, and makes the outcome of each host.

pub mod agents;
mod command;
pub mod outcome;
mod output;
pub mod plan;
pub mod runner;
mod send;
pub mod target;
