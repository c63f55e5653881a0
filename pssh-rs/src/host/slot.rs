//! A slot of the run, as the attempt that waits for it sees it.

use crate::base::shutdown::Stop;
use crate::base::wait::WaitError;
use cerveza_results::lock;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A host that answers waits no longer than this for its slot: servers do not let anybody wait for ever before a login
/// (sshd's LoginGraceTime), and a connection that comes anew costs less than one that dies.
const LONGEST: Duration = Duration::from_secs(20);
/// How often a stop is looked for.
const AGAIN: Duration = Duration::from_millis(100);

#[derive(Default)]
pub struct Slot {
    said: Mutex<Option<bool>>,
    changed: Condvar,
}

/// Why there was no slot.
#[derive(Debug)]
pub enum NoSlot {
    /// The time for it is over: another attempt will have one.
    Late,
    /// The rollout ended meanwhile.
    Over,
    WaitError(WaitError),
}

impl Slot {
    /// Gives it to who waits.
    pub fn grant(&self) {
        self.say(true);
    }

    /// There will be none.
    pub fn refuse(&self) {
        self.say(false);
    }

    fn say(&self, granted: bool) {
        lock(&self.said).get_or_insert(granted);
        self.changed.notify_all();
    }

    /// Waits for it.
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
