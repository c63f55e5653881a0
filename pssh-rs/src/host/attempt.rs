//! An attempt at one host, as both engines see it: its job, target, timer and slot, and how a phase is run.

use crate::base::attempt_timer::AttemptTimer;
use crate::base::shutdown::StopReason;
use crate::base::wait::WaitError;
use crate::host::job::Job;
use crate::host::outcome::{PhaseError, wait_failed};
use crate::host::slot::{NoSlot, Slot};
use crate::host::target::Target;
use cerveza_results::{HostStatus, Outcome, Phase, Retry};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// What the runner receives. It is here because an attempt sends most of it.
pub enum Event {
    /// The attempt waits for its slot: the host answers, or ssh is about to be started.
    WantsSlot {
        index: usize,
    },
    LoggedIn {
        index: usize,
    },
    Ended {
        index: usize,
        outcome: Box<Outcome>,
    },
    Written,
    Stopped(StopReason),
}

pub struct Attempt<'a> {
    pub job: &'a Job,
    pub target: &'a Target,
    pub timer: &'a AttemptTimer,
    pub slot: &'a Slot,
    pub index: usize,
    pub events: &'a Sender<Event>,
}

impl Attempt<'_> {
    /// Runs a phase before the command: starts its deadline, and makes the outcome of a failure. `what` says what failed.
    pub fn run_phase<T, E: Into<PhaseError>>(
        &self,
        phase: Phase,
        what: impl FnOnce() -> String,
        work: impl FnOnce(Instant) -> Result<T, E>,
    ) -> Result<T, Box<Outcome>> {
        let deadline = self.start_phase(phase);
        self.or_outcome(work(deadline), what)
    }

    /// Starts a phase before the command. Returns its deadline.
    pub fn start_phase(&self, phase: Phase) -> Instant {
        let limit = self.limit(phase);
        self.timer.start(phase, Some(limit));
        Instant::now() + limit
    }

    /// Returns the time limit of a phase before the command.
    pub fn limit(&self, phase: Phase) -> Duration {
        if phase == Phase::Auth { self.job.auth } else { self.target.connect_timeout }
    }

    /// Returns the value of a result, or the outcome of its failure in the current phase.
    pub fn or_outcome<T, E: Into<PhaseError>>(
        &self,
        result: Result<T, E>,
        what: impl FnOnce() -> String,
    ) -> Result<T, Box<Outcome>> {
        result.map_err(|error| {
            let outcome = match error.into() {
                PhaseError::WaitError(wait_error) => self.wait_failed(wait_error, &what()),
                PhaseError::Refused(status, why) => Outcome::error(status, self.phase(), why),
            };
            outcome.into()
        })
    }

    /// Returns the outcome of a wait that failed in the current phase.
    pub fn wait_failed(&self, wait_error: WaitError, what: &str) -> Outcome {
        wait_failed(self.phase(), self.timer.limit(), self.job.shutdown.is_late(), wait_error, what)
    }

    fn phase(&self) -> Phase {
        self.timer.phase().unwrap_or(Phase::Resolve)
    }

    /// Reports that the host is ready for its slot, and waits for it. The timer of the phase is stopped.
    pub fn wait_for_slot(&self) -> Result<(), Box<Outcome>> {
        self.timer.pause();
        self.send(Event::WantsSlot { index: self.index });
        let phase = self.phase();
        let outcome = match self.slot.wait(&self.job.shutdown.stop) {
            Ok(()) => return Ok(()),
            Err(NoSlot::Stopped) => self.wait_failed(WaitError::Stopped, ""),
            Err(NoSlot::RolloutOver) => {
                Outcome::error(HostStatus::Skipped, phase, "not tried: the rollout ended before its turn")
            }
            Err(NoSlot::TooLate) => Outcome {
                retry: Retry::Again,
                ..Outcome::error(HostStatus::Unreachable, phase, "waited too long for its turn")
            },
        };
        Err(outcome.into())
    }

    pub fn report_login(&self) {
        self.send(Event::LoggedIn { index: self.index });
    }

    /// Does nothing if the runner is gone.
    fn send(&self, event: Event) {
        let _ = self.events.send(event);
    }
}
