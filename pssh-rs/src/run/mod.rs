//! The run over all hosts: which host begins when, and a thread for each attempt.

pub mod runner;
pub mod schedule;
