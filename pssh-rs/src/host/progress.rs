//! An attempt's side of the run: what it tells the collector, and what it gets from it.

use crate::base::shutdown::{Stop, StopReason};
use crate::base::socket::Socket;
use crate::host::attempt_handle::AttemptHandle;
use crate::host::failure::wait_failed;
use crate::host::job::Job;
use crate::host::slot::{NoSlot, Slot};
use cerveza_results::{HostStatus, Outcome, Phase, Retry};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// What an attempt's thread tells the collector.
pub enum Event {
    Phase {
        index: usize,
        phase: Phase,
        deadline: Option<Instant>,
    },
    /// The host answers; its seat is to be granted.
    Answers {
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

pub struct AttemptProgress<'a> {
    pub index: usize,
    pub handle: &'a AttemptHandle,
    pub slot: &'a Slot,
    pub events: &'a Sender<Event>,
}

impl AttemptProgress<'_> {
    /// A phase begins that may take so long; until when.
    pub fn start_phase(&mut self, phase: Phase, bound: Duration) -> Instant {
        let deadline = Instant::now() + bound;
        self.report_phase(phase, Some(deadline));
        deadline
    }

    pub fn report_phase(&mut self, phase: Phase, deadline: Option<Instant>) {
        self.send(Event::Phase { index: self.index, phase, deadline });
    }

    /// There is a connection, which can be cut from outside from now on.
    pub fn set_socket(&mut self, socket: &Arc<Socket>) {
        self.handle.set_socket(socket);
    }

    /// The host answers: waits for its slot.
    pub fn answers(&mut self, phase: Phase, stop: &Stop) -> Result<(), NoSlot> {
        self.report_phase(phase, None);
        self.send(Event::Answers { index: self.index });
        self.slot.wait(stop)
    }

    pub fn logged_in(&mut self) {
        self.send(Event::LoggedIn { index: self.index });
    }

    /// Without a collector there is nobody to tell.
    fn send(&mut self, event: Event) {
        let _ = self.events.send(event);
    }
}

/// The host answers: waits for its slot.
pub fn wait_for_slot(
    job: &Job,
    progress: &mut AttemptProgress<'_>,
    phase: Phase,
    bound: Duration,
) -> Result<(), Box<Outcome>> {
    let outcome = match progress.answers(phase, &job.shutdown.stop) {
        Ok(()) => return Ok(()),
        Err(NoSlot::WaitError(wait_error)) => wait_failed(job, phase, wait_error, bound, "waiting for its turn"),
        Err(NoSlot::Over) => Outcome::error(HostStatus::Skipped, phase, "not tried: the rollout ended before its turn"),
        Err(NoSlot::Late) => Outcome {
            retry: Retry::Again,
            ..Outcome::error(HostStatus::Unreachable, phase, "waited too long for its turn")
        },
    };
    Err(outcome.into())
}
