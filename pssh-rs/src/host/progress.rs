//! An attempt's side of the run: what it tells the collector, and what it gets from it.

use crate::base::shutdown::{Stop, Why};
use crate::base::socket::Wire;
use crate::host::attempt_handle::Leash;
use crate::host::failure::halted;
use crate::host::job::Job;
use crate::host::slot::{NoSeat, Seat};
use crate::outcome::{HostStatus, Outcome, Phase, Retry};
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
    Stopped(Why),
}

pub struct Watched<'a> {
    pub index: usize,
    pub leash: &'a Leash,
    pub seat: &'a Seat,
    pub events: &'a Sender<Event>,
}

impl Watched<'_> {
    /// A phase begins that may take so long; until when.
    pub fn begin(&mut self, phase: Phase, bound: Duration) -> Instant {
        let deadline = Instant::now() + bound;
        self.tell(phase, Some(deadline));
        deadline
    }

    pub fn tell(&mut self, phase: Phase, deadline: Option<Instant>) {
        self.send(Event::Phase { index: self.index, phase, deadline });
    }

    /// There is a connection, which can be cut from outside from now on.
    pub fn connected(&mut self, wire: &Arc<Wire>) {
        self.leash.hold(wire);
    }

    /// The host answers: waits for its slot.
    pub fn answers(&mut self, phase: Phase, stop: &Stop) -> Result<(), NoSeat> {
        self.tell(phase, None);
        self.send(Event::Answers { index: self.index });
        self.seat.wait(stop)
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
pub fn seat(job: &Job, watched: &mut Watched<'_>, phase: Phase, bound: Duration) -> Result<(), Box<Outcome>> {
    let outcome = match watched.answers(phase, &job.ending.end) {
        Ok(()) => return Ok(()),
        Err(NoSeat::Halt(halt)) => halted(job, phase, halt, bound, "waiting for its turn"),
        Err(NoSeat::Over) => Outcome::error(HostStatus::Skipped, phase, "not tried: the rollout ended before its turn"),
        Err(NoSeat::Late) => Outcome {
            retry: Retry::Again,
            ..Outcome::error(HostStatus::Unreachable, phase, "waited too long for its turn")
        },
    };
    Err(outcome.into())
}
