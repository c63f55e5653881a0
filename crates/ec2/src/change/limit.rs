//! A time limit for a wait for many hosts, counted from the last progress.

use std::cell::Cell;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// The time that a wait may take without progress: `--timeout`.
#[derive(Debug)]
pub struct Limit {
    timeout: Duration,
    deadline: Cell<Instant>,
}

impl Limit {
    /// Returns a limit that counts from now.
    pub fn new(timeout: Duration) -> Limit {
        Limit { timeout, deadline: Cell::new(Instant::now() + timeout) }
    }

    /// Counts from now on: something was reached.
    pub fn progressed(&self) {
        self.deadline.set(Instant::now() + self.timeout);
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.deadline.get()
    }

    /// Returns once the time is over.
    pub async fn over(&self) {
        while !self.is_over() {
            sleep_until(self.deadline.get()).await;
        }
    }

    /// Returns `pause`, or the time that is left if that is less.
    pub fn at_most(&self, pause: Duration) -> Duration {
        pause.min(self.deadline.get().saturating_duration_since(Instant::now()))
    }

    /// Returns the time limit in words: `300 s`.
    pub fn timeout_text(&self) -> String {
        format!("{} s", self.timeout.as_secs_f64())
    }
}
