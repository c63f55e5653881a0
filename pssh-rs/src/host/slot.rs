//! A slot: the permission of the run to go on with a host that answers. An attempt waits for it here.

use crate::base::shutdown::Stop;
use cerveza_results::lock;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The longest wait of a host that answers for its slot. Servers close connections without a login (sshd's
/// LoginGraceTime), and a new connection costs less than one that dies.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// How often the wait checks for a stop.
const STOP_CHECK: Duration = Duration::from_millis(100);

#[derive(Default)]
pub struct Slot {
    /// `None` until it is granted or refused.
    granted: Mutex<Option<bool>>,
    changed: Condvar,
}

/// Why an attempt got no slot.
#[derive(Debug, PartialEq)]
pub enum NoSlot {
    /// The wait took too long: the host is tried again later.
    TooLate,
    /// The rollout ended first.
    RolloutOver,
    Stopped,
}

impl Slot {
    pub fn grant(&self) {
        self.set(true);
    }

    pub fn refuse(&self) {
        self.set(false);
    }

    fn set(&self, granted: bool) {
        lock(&self.granted).get_or_insert(granted);
        self.changed.notify_all();
    }

    /// Waits until the slot is granted.
    pub fn wait(&self, stop: &Stop) -> Result<(), NoSlot> {
        let until = Instant::now() + LONGEST_WAIT;
        let mut granted = lock(&self.granted);
        loop {
            match *granted {
                Some(true) => return Ok(()),
                _ if stop.is_set() => return Err(NoSlot::Stopped),
                Some(false) => return Err(NoSlot::RolloutOver),
                None if Instant::now() >= until => return Err(NoSlot::TooLate),
                None => {}
            }
            granted = self.changed.wait_timeout(granted, STOP_CHECK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn the_first_answer_counts() {
        let (slot, stop) = (Slot::default(), Stop::new().unwrap());
        thread::scope(|scope| {
            let waiter = scope.spawn(|| slot.wait(&stop));
            slot.grant();
            slot.refuse();
            assert_eq!(waiter.join().unwrap(), Ok(()));
        });
    }

    #[test]
    fn a_refused_slot_is_a_stop_if_the_run_was_stopped() {
        let (slot, stop) = (Slot::default(), Stop::new().unwrap());
        slot.refuse();
        assert_eq!(slot.wait(&stop), Err(NoSlot::RolloutOver));
        stop.set();
        assert_eq!(slot.wait(&stop), Err(NoSlot::Stopped));
        assert_eq!(Slot::default().wait(&stop), Err(NoSlot::Stopped));
    }
}
