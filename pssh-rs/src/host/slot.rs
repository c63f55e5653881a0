//! A slot: the permission of the run to go on with a host that answers. An attempt waits for it here.

use crate::base::shutdown::Stop;
use crate::base::wait::WaitError;
use cerveza_results::lock;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The longest wait of a host that answers for its slot. Servers close connections without a login (sshd's
/// LoginGraceTime), and a new connection costs less than one that dies.
const LONGEST: Duration = Duration::from_secs(20);
/// How often the wait checks for a stop.
const AGAIN: Duration = Duration::from_millis(100);

#[derive(Default)]
pub struct Slot {
    said: Mutex<Option<bool>>,
    changed: Condvar,
}

/// Why an attempt got no slot.
#[derive(Debug)]
pub enum NoSlot {
    /// The wait took too long: the host is tried again later.
    Late,
    /// The rollout ended first.
    Over,
    WaitError(WaitError),
}

impl Slot {
    /// Gives the slot to the attempt.
    pub fn grant(&self) {
        self.say(true);
    }

    /// Refuses the slot.
    pub fn refuse(&self) {
        self.say(false);
    }

    fn say(&self, granted: bool) {
        lock(&self.said).get_or_insert(granted);
        self.changed.notify_all();
    }

    /// Waits for the slot.
    pub fn wait(&self, stop: &Stop) -> Result<(), NoSlot> {
        let until = Instant::now() + LONGEST;
        let mut said = lock(&self.said);
        loop {
            match *said {
                Some(true) => return Ok(()),
                Some(false) if !stop.is_set() => return Err(NoSlot::Over),
                _ => {}
            }
            if stop.is_set() {
                return Err(NoSlot::WaitError(WaitError::Stopped));
            }
            if Instant::now() >= until {
                return Err(NoSlot::Late);
            }
            said = self.changed.wait_timeout(said, AGAIN).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
