//! The hosts that wait for their turn.

use std::collections::VecDeque;
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
    turns: VecDeque<Turn>,
}

impl Queue {
    pub fn push(&mut self, turn: Turn) {
        self.turns.push_back(turn);
    }

    /// Gives back a turn that could not be used.
    pub fn give_back(&mut self, turn: Turn) {
        self.turns.push_front(turn);
    }

    /// The first turn that is due.
    pub fn take(&mut self, now: Instant) -> Option<Turn> {
        let due = |turn: &Turn| turn.not_before.is_none_or(|at| at <= now);
        self.turns.iter().position(due).and_then(|at| self.turns.remove(at))
    }

    /// When the next turn will be due that is not yet.
    pub fn next_due(&self, now: Instant) -> Option<Instant> {
        self.turns.iter().filter_map(|turn| turn.not_before).filter(|at| *at > now).min()
    }

    /// Takes all that still wait.
    pub fn clear(&mut self) -> VecDeque<Turn> {
        std::mem::take(&mut self.turns)
    }

    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_turn_that_is_not_due_lets_others_pass() {
        let mut queue = Queue::default();
        let turn = |index, not_before| Turn { index, attempts: 0, not_before };
        let now = Instant::now();
        let later = now + Duration::from_secs(30);
        queue.push(turn(0, Some(later)));
        queue.push(turn(1, None));
        assert_eq!(queue.take(now).unwrap().index, 1);
        assert_eq!(queue.take(now), None);
        assert_eq!(queue.next_due(now), Some(later));
        assert_eq!(queue.next_due(later), None);
        queue.push(turn(2, None));
        assert_eq!(queue.take(later).unwrap().index, 0);
        queue.give_back(turn(3, None));
        assert_eq!(queue.clear().iter().map(|turn| turn.index).collect::<Vec<_>>(), [3, 2]);
        assert!(queue.is_empty());
    }
}
