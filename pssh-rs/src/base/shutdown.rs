//! Ends the run early, on a signal or at --deadline. Every wait of the run also waits for a file descriptor that
//! becomes readable then.

use cerveza_results::lock;
use std::io::{self, PipeReader, PipeWriter, pipe};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use cerveza_manners::{die_of, ending_signals, note_signal};
use signal_hook::iterator::Signals;

/// After this many signals the program dies at once: the user no longer wants to wait for records.
const FATAL_SIGNALS: usize = 3;
const STACK: usize = 64 * 1024;

/// A flag that is set once and stays set.
pub struct Stop {
    set: AtomicBool,
    reader: PipeReader,
    /// Dropped to set the flag: from then on the reader is readable for every wait.
    writer: Mutex<Option<PipeWriter>>,
}

impl Stop {
    pub fn new() -> io::Result<Stop> {
        let (reader, writer) = pipe()?;
        Ok(Stop { set: AtomicBool::new(false), reader, writer: Mutex::new(Some(writer)) })
    }

    pub fn set(&self) {
        self.set.store(true, Ordering::Release);
        *lock(&self.writer) = None;
    }

    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }
}

impl AsFd for Stop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

/// Why a run ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    Signal,
    Deadline,
}

/// Called for each signal, and for the deadline.
type Listener = Box<dyn FnMut(StopReason) + Send>;

/// The two stages of ending a run early.
#[derive(Clone)]
pub struct Shutdown {
    /// Commands are terminated, and no more are started.
    pub stop: Arc<Stop>,
    /// Every wait ends.
    pub abort: Arc<Stop>,
    late: Arc<AtomicBool>,
    listener: Arc<Mutex<Option<Listener>>>,
}

impl Shutdown {
    pub fn new() -> io::Result<Shutdown> {
        Ok(Shutdown {
            stop: Arc::new(Stop::new()?),
            abort: Arc::new(Stop::new()?),
            late: Arc::default(),
            listener: Arc::default(),
        })
    }

    /// Handles the signals that end a run from now on, on a separate thread.
    pub fn handle_signals(&self) -> io::Result<()> {
        let mut signals = Signals::new(ending_signals())?;
        let shutdown = self.clone();
        let handle = move || {
            for (earlier, signal) in signals.forever().filter(|signal| note_signal(*signal)).enumerate() {
                if earlier + 1 >= FATAL_SIGNALS {
                    die_of(signal);
                }
                shutdown.stop.set();
                if earlier > 0 {
                    shutdown.abort.set();
                }
                shutdown.notify(StopReason::Signal);
            }
        };
        std::thread::Builder::new().name("signals".to_string()).stack_size(STACK).spawn(handle)?;
        Ok(())
    }

    /// Calls `listener` for each reason from now on, and at once if the run is ending already.
    pub fn listen(&self, mut listener: impl FnMut(StopReason) + Send + 'static) {
        let mut held = lock(&self.listener);
        if self.stop.is_set() {
            listener(if self.is_late() { StopReason::Deadline } else { StopReason::Signal });
        }
        *held = Some(Box::new(listener));
    }

    fn notify(&self, reason: StopReason) {
        if let Some(listener) = &mut *lock(&self.listener) {
            listener(reason);
        }
    }

    /// Ends the run at this deadline, unless it is ending already.
    pub fn end_at(&self, deadline: Instant) -> io::Result<()> {
        let shutdown = self.clone();
        let wait = move || {
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
            shutdown.end_late();
        };
        std::thread::Builder::new().name("deadline".to_string()).stack_size(STACK).spawn(wait)?;
        Ok(())
    }

    fn end_late(&self) {
        if !self.stop.is_set() {
            self.late.store(true, Ordering::Release);
            self.stop.set();
            self.notify(StopReason::Deadline);
        }
    }

    /// Returns whether the deadline ended the run, rather than a signal.
    pub fn is_late(&self) -> bool {
        self.late.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::wait::{WaitError, wait_for};
    use rustix::event::PollFlags;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn a_stop_ends_every_wait() {
        let (stop, (reader, _writer)) = (Stop::new().unwrap(), pipe().unwrap());
        let wait = |deadline| wait_for(reader.as_fd(), PollFlags::IN, deadline, &stop);
        assert!(matches!(wait(Some(Instant::now())), Err(WaitError::Deadline)));
        stop.set();
        stop.set();
        assert!(matches!(wait(None), Err(WaitError::Stopped)));
        assert!(matches!(wait(None), Err(WaitError::Stopped)));
    }

    #[test]
    fn a_deadline_ends_the_run_once_and_late() {
        let (shutdown, (reasons, received)) = (Shutdown::new().unwrap(), channel());
        shutdown.listen(move |reason| reasons.send(reason).unwrap());
        shutdown.end_at(Instant::now()).unwrap();
        assert_eq!(received.recv_timeout(Duration::from_secs(60)), Ok(StopReason::Deadline));
        shutdown.end_late();
        assert!(received.try_recv().is_err());
        assert!(shutdown.is_late() && shutdown.stop.is_set() && !shutdown.abort.is_set());
    }

    #[test]
    fn a_deadline_after_a_signal_changes_nothing() {
        let shutdown = Shutdown::new().unwrap();
        shutdown.stop.set();
        shutdown.end_late();
        assert!(!shutdown.is_late());
        // A listener that comes later gets the reason at once.
        let (reasons, received) = channel();
        shutdown.listen(move |reason| reasons.send(reason).unwrap());
        assert_eq!(received.try_recv(), Ok(StopReason::Signal));
    }
}
