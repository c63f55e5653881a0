//! One attempt at one host, by either engine, and its outcome.

use crate::base::wait::WaitError;
use crate::host::attempt::Attempt;
use cerveza_results::{Outcome, Sink};

pub mod attempt;
pub mod job;
mod libssh2;
mod openssh;
pub mod outcome;
pub mod slot;
mod steps;
pub mod target;

/// Does the job on one host.
pub fn run_attempt(attempt: &Attempt<'_>, sink: &mut dyn Sink<WaitError>) -> Outcome {
    if let Some(problem) = &attempt.target.problem {
        return Outcome::error(problem.status, problem.phase, problem.error.as_str());
    }
    match &attempt.job.openssh {
        Some(engine) => openssh::run_attempt(engine, attempt, sink),
        None => libssh2::run_attempt(attempt, sink),
    }
}
