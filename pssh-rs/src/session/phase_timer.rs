//! The time limit of the work on one host, once it is logged in.

use cerveza_results::Phase;
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// Gets each phase as it begins, with its deadline.
pub type ReportDeadline<'a> = dyn FnMut(Phase, Option<Instant>) + 'a;

/// One time limit for everything that is done on a host once it is logged in. The runner gets each change of the deadline, so
/// it can give up an attempt that overruns.
pub struct PhaseTimer<'a> {
    limit: Option<Duration>,
    deadline: Cell<Option<Instant>>,
    report: RefCell<&'a mut ReportDeadline<'a>>,
}

impl<'a> PhaseTimer<'a> {
    /// Starts the timer. Without a `limit` there is no deadline.
    pub fn start(limit: Option<Duration>, report: &'a mut ReportDeadline<'a>) -> PhaseTimer<'a> {
        let timer = PhaseTimer { limit, deadline: Cell::new(None), report: RefCell::new(report) };
        timer.restart();
        timer
    }

    /// Starts again with the whole time limit.
    pub fn restart(&self) {
        self.deadline.set(self.limit.map(|limit| Instant::now() + limit));
        self.report_deadline(self.deadline.get());
    }

    /// Stops the timer while a person is asked for a password.
    pub fn pause(&self) {
        self.deadline.set(None);
        self.report_deadline(None);
    }

    /// Adds time that the host did not use, such as the time of a slow reader of our output.
    pub fn postpone(&self, by: Duration) {
        self.deadline.set(self.deadline.get().map(|deadline| deadline + by));
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.get()
    }

    pub fn limit(&self) -> Duration {
        self.limit.unwrap_or_default()
    }

    /// Reports a deadline other than the timer's own. Call `report_own_deadline` when it no longer applies.
    pub fn report_deadline(&self, deadline: Option<Instant>) {
        (self.report.borrow_mut())(Phase::Exec, deadline);
    }

    pub fn report_own_deadline(&self) {
        self.report_deadline(self.deadline.get());
    }
}
