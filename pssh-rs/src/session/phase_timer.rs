//! The time that a host's command has, and who is told of it.

use crate::outcome::Phase;
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// Is told of each phase as it begins, with its deadline.
pub type Watch<'a> = dyn FnMut(Phase, Option<Instant>) + 'a;

/// One clock for all that is done on a host once it is logged in.
pub struct Clock<'a> {
    limit: Option<Duration>,
    deadline: Cell<Option<Instant>>,
    watch: RefCell<&'a mut Watch<'a>>,
}

impl<'a> Clock<'a> {
    /// Starts it. Without a `limit` the command may take as long as it likes.
    pub fn start(limit: Option<Duration>, watch: &'a mut Watch<'a>) -> Clock<'a> {
        let clock = Clock { limit, deadline: Cell::new(None), watch: RefCell::new(watch) };
        clock.restart();
        clock
    }

    /// Gives the command its whole time from now on.
    pub fn restart(&self) {
        self.deadline.set(self.limit.map(|limit| Instant::now() + limit));
        self.tell(self.deadline.get());
    }

    /// Lets it stand still: a person is being asked.
    pub fn pause(&self) {
        self.deadline.set(None);
        self.tell(None);
    }

    /// Adds time that is not the host's.
    pub fn postpone(&self, by: Duration) {
        self.deadline.set(self.deadline.get().map(|deadline| deadline + by));
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.deadline.get()
    }

    pub fn limit(&self) -> Duration {
        self.limit.unwrap_or_default()
    }

    /// Tells the watch of a deadline that is not the clock's own; what comes after is told again by `back`.
    pub fn tell(&self, deadline: Option<Instant>) {
        (self.watch.borrow_mut())(Phase::Exec, deadline);
    }

    pub fn back(&self) {
        self.tell(self.deadline.get());
    }
}
