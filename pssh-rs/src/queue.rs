//! The hosts that wait for their turn.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// A host's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Which target.
    pub index: usize,
    /// How often it was tried before.
    pub attempts: u32,
    /// Not to be taken before: a second try comes after a pause.
    pub not_before: Option<Instant>,
}

#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    turns: VecDeque<Turn>,
    closed: bool,
}

impl Queue {
    pub fn push(&self, turn: Turn) {
        self.lock().turns.push_back(turn);
        self.changed.notify_one();
    }

    /// The next turn that is due; waits for one, and ends when the queue is closed.
    pub fn take(&self) -> Option<Turn> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            let now = Instant::now();
            let due = |turn: &Turn| turn.not_before.is_none_or(|at| at <= now);
            if let Some(turn) = state.turns.iter().position(due).and_then(|at| state.turns.remove(at)) {
                return Some(turn);
            }
            let next = state.turns.iter().filter_map(|turn| turn.not_before).min();
            state = match next {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let waited = self.changed.wait_timeout(state, at.saturating_duration_since(now));
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Takes all that still wait.
    pub fn clear(&self) -> Vec<Turn> {
        self.lock().turns.drain(..).collect()
    }

    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_turn_that_is_not_due_lets_others_pass() {
        let queue = Queue::default();
        let turn = |index, not_before| Turn { index, attempts: 0, not_before };
        let started = Instant::now();
        let later = started + Duration::from_millis(30);
        queue.push(turn(0, Some(later)));
        queue.push(turn(1, None));
        assert_eq!(queue.take().unwrap().index, 1);
        assert_eq!(queue.take().unwrap().index, 0);
        assert!(Instant::now() >= later);
        queue.push(turn(2, None));
        assert_eq!(queue.clear().len(), 1);
        queue.close();
        assert!(queue.take().is_none());
    }
}
