//! An attempt's side of the run: what it tells the collector, and what it gets from it.

use crate::base::shutdown::Stop;
use crate::base::socket::Wire;
use crate::leash::Leash;
use crate::outcome::Phase;
use crate::pool::Event;
use crate::seat::{NoSeat, Seat};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

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
