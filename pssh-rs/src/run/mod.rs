//! The run over all hosts: which host begins when, and the thread of each.

pub mod runner;
pub mod schedule;
