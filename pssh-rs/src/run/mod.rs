//! Runs the job on all hosts: which host begins when, and a thread for each attempt.

mod retry;
pub mod runner;
pub mod schedule;
