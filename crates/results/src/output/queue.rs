//! The queue from the threads of the hosts to the thread that writes results. It carries output as it arrives, and
//! outcomes.
//!
//! The queue holds a limited number of bytes. A thread with more output waits, and learns how much of that time the
//! reader of our own output was slow (a terminal stopped with Ctrl-S, for example): the host is not charged for it.
//! Outcomes never wait.

use crate::lock::lock;
use crate::output::outcome::Outcome;
use crate::output::stream::Stream;
use cerveza_manners::without_error_numbers;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a waiting sender checks for a stop.
const STEP: Duration = Duration::from_millis(50);
/// Pieces of output of one host are joined up to this size.
const TOGETHER: usize = 64 * 1024;
/// What an item counts besides its bytes.
const ITEM: usize = 64;

pub enum Item {
    /// Output of a host. Ignored after the host's outcome, because an attempt that was given up may still send output.
    Output {
        index: usize,
        stream: Stream,
        bytes: Vec<u8>,
    },
    Done {
        index: usize,
        outcome: Box<Outcome>,
    },
}

pub struct OutputQueue {
    /// The most bytes of output in the queue.
    most: usize,
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    /// The queue is closed: no more items are sent.
    closed: bool,
    /// The receiver was dropped.
    abandoned: bool,
    /// When the writer began its current write, and how long it has written before.
    writes_since: Option<Instant>,
    written: Duration,
}

impl OutputQueue {
    pub fn new(most: usize) -> OutputQueue {
        OutputQueue { most, state: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new() }
    }

    /// Sends output as soon as there is room, unless `check` fails while it waits. Returns how long it waited because
    /// the reader of our output was slow.
    pub fn send<E>(
        &self,
        index: usize,
        stream: Stream,
        bytes: &[u8],
        check: &dyn Fn() -> Result<(), E>,
    ) -> Result<Duration, E> {
        let mut waited = Duration::ZERO;
        let mut state = lock(&self.state);
        while state.bytes >= self.most && !state.abandoned {
            let before = state.writing_time();
            state = self.emptied.wait_timeout(state, STEP).unwrap_or_else(PoisonError::into_inner).0;
            waited += state.writing_time() - before;
            drop(state);
            check()?;
            state = lock(&self.state);
        }
        if !state.abandoned && !bytes.is_empty() {
            state.add(index, stream, bytes);
            self.filled.notify_one();
        }
        Ok(waited)
    }

    /// Runs `write`, which writes what was received, and measures its time.
    pub fn writing(&self, write: impl FnOnce()) {
        lock(&self.state).writes_since = Some(Instant::now());
        write();
        let mut state = lock(&self.state);
        state.written = state.writing_time();
        state.writes_since = None;
    }

    /// Sends the outcome of a host. It is the last item of this host.
    pub fn send_outcome(&self, index: usize, outcome: Outcome) {
        let error = outcome.error.map(|error| without_error_numbers(&error));
        let outcome = Outcome { error, ..outcome };
        lock(&self.state).items.push_back(Item::Done { index, outcome: Box::new(outcome) });
        self.filled.notify_one();
    }

    /// Closes the queue: the receiver gets what is left, then the end.
    pub fn close(&self) {
        lock(&self.state).closed = true;
        self.filled.notify_one();
    }

    /// Returns the receiver. Once it is dropped, senders no longer wait.
    pub fn receiver(&self) -> Receiver<'_> {
        Receiver(self)
    }
}

impl State {
    /// Returns how long the writer has been writing in all.
    fn writing_time(&self) -> Duration {
        self.written + self.writes_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    fn add(&mut self, index: usize, stream: Stream, bytes: &[u8]) {
        self.bytes += bytes.len();
        if let Some(Item::Output { index: last, stream: of, bytes: before }) = self.items.back_mut()
            && (*last, *of) == (index, stream)
            && before.len() + bytes.len() <= TOGETHER
        {
            return before.extend_from_slice(bytes);
        }
        self.bytes += ITEM;
        self.items.push_back(Item::Output { index, stream, bytes: bytes.to_vec() });
    }
}

pub struct Receiver<'a>(&'a OutputQueue);

impl Receiver<'_> {
    /// Returns all items as soon as there is one, no items after `wait`, and `None` at the end.
    pub fn receive(&self, wait: Duration) -> Option<VecDeque<Item>> {
        let until = Instant::now() + wait;
        let mut state = lock(&self.0.state);
        while state.items.is_empty() && !state.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.0.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.items.is_empty() && state.closed {
            return None;
        }
        state.bytes = 0;
        let items = std::mem::take(&mut state.items);
        self.0.emptied.notify_all();
        Some(items)
    }
}

impl Drop for Receiver<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.0.state);
        state.abandoned = true;
        state.items.clear();
        self.0.emptied.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::outcome::HostStatus;
    use std::cell::Cell;
    use std::thread;

    const FOREVER: Duration = Duration::from_secs(3600);

    #[test]
    fn a_deadline_ends_the_wait_for_room_and_outcomes_never_wait() {
        let queue = OutputQueue::new(100);
        let receiver = queue.receiver();
        queue.send(1, Stream::Stdout, &[b'x'; 200], &|| Ok::<(), ()>(())).unwrap();
        let looks = Cell::new(0);
        let check = || {
            looks.set(looks.get() + 1);
            match looks.get() {
                3 => Err("deadline"),
                _ => Ok(()),
            }
        };
        assert!(matches!(queue.send(1, Stream::Stdout, b"y", &check), Err("deadline")));
        queue.send_outcome(1, Outcome::new(HostStatus::Timeout, None));
        queue.close();
        assert_eq!(receiver.receive(FOREVER).unwrap().len(), 2);
        assert!(receiver.receive(FOREVER).is_none());
    }

    #[test]
    fn only_the_time_of_a_slow_reader_is_counted() {
        let queue = OutputQueue::new(1);
        let receiver = queue.receiver();
        let send = || queue.send(1, Stream::Stdout, b"xx", &|| Ok::<(), ()>(())).unwrap();
        assert_eq!(send(), Duration::ZERO);
        let pause = Duration::from_millis(500);
        let waited = |writes: bool| {
            thread::scope(|scope| {
                let sender = scope.spawn(send);
                if writes {
                    queue.writing(|| thread::sleep(pause));
                } else {
                    thread::sleep(pause);
                }
                receiver.receive(FOREVER);
                sender.join().unwrap()
            })
        };
        assert_eq!(waited(false), Duration::ZERO);
        assert!(waited(true) > Duration::ZERO);
    }

    #[test]
    fn small_pieces_of_output_are_joined_in_order() {
        let queue = OutputQueue::new(1 << 20);
        for (index, bytes) in [(1, b"a".as_slice()), (1, b"b"), (2, b"c"), (1, b""), (1, b"d")] {
            queue.send(index, Stream::Stdout, bytes, &|| Ok::<(), ()>(())).unwrap();
        }
        let items = queue.receiver().receive(FOREVER).unwrap();
        let seen: Vec<_> = items
            .iter()
            .map(|item| match item {
                Item::Output { index, bytes, .. } => (*index, bytes.as_slice()),
                Item::Done { .. } => unreachable!(),
            })
            .collect();
        assert_eq!(seen, [(1, b"ab".as_slice()), (2, b"c"), (1, b"d")]);
    }

    #[test]
    fn no_sender_waits_for_a_receiver_that_is_gone() {
        let queue = OutputQueue::new(1);
        let receiver = queue.receiver();
        queue.send(1, Stream::Stdout, b"xx", &|| Ok::<(), ()>(())).unwrap();
        thread::scope(|scope| {
            let sender = scope.spawn(|| queue.send(1, Stream::Stdout, b"y", &|| Ok::<(), ()>(())));
            drop(receiver);
            sender.join().unwrap().unwrap();
        });
    }
}
