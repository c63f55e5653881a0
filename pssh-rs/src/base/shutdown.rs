//! The end of a run before its time, by a signal or --deadline: one place that is told of it, and a file descriptor that
//! every wait of the run can also wait for.

use cerveza_results::lock;
use std::io::{self, PipeReader, PipeWriter, pipe};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use cerveza_manners::{die_of, ending_signals, note_signal};
use signal_hook::iterator::Signals;

/// Set once, for good.
pub struct Stop {
    set: AtomicBool,
    reader: PipeReader,
    /// Dropped to set: the reader is readable from then on, for all who wait.
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

/// Why a run is to end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    Signal,
    Deadline,
}

/// Is told of each signal, and of the deadline.
type Listener = Box<dyn FnMut(StopReason) + Send>;

/// The two stages of ending a run early.
#[derive(Clone)]
pub struct Shutdown {
    /// What runs is to be ended, and nothing to be begun.
    pub stop: Arc<Stop>,
    /// Nothing is waited for any more.
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

    /// Takes the signals that end a run from now on, on a thread of its own.
    pub fn take_signals(&self) -> io::Result<()> {
        let mut signals = Signals::new(ending_signals())?;
        let shutdown = self.clone();
        let handle = move || {
            for (earlier, signal) in signals.forever().filter(|signal| note_signal(*signal)).enumerate() {
                if earlier + 1 >= ENOUGH {
                    die_of(signal);
                }
                shutdown.stop.set();
                if earlier > 0 {
                    shutdown.abort.set();
                }
                shutdown.tell(StopReason::Signal);
            }
        };
        std::thread::Builder::new().name("signals".to_string()).stack_size(64 * 1024).spawn(handle)?;
        Ok(())
    }

    /// Has this told from now on, and at once if the run is to end already.
    pub fn listen(&self, mut listener: impl FnMut(StopReason) + Send + 'static) {
        let mut held = lock(&self.listener);
        if self.stop.is_set() {
            listener(if self.is_late() { StopReason::Deadline } else { StopReason::Signal });
        }
        *held = Some(Box::new(listener));
    }

    fn tell(&self, why: StopReason) {
        if let Some(listener) = &mut *lock(&self.listener) {
            listener(why);
        }
    }

    /// Ends the run then, whatever it is at.
    pub fn at(&self, deadline: Instant) -> io::Result<()> {
        let shutdown = self.clone();
        let wait = move || {
            std::thread::sleep(deadline.saturating_duration_since(Instant::now()));
            shutdown.deadline();
        };
        std::thread::Builder::new().name("deadline".to_string()).stack_size(64 * 1024).spawn(wait)?;
        Ok(())
    }

    /// Ends the run because its deadline has passed, unless it is ending already.
    fn deadline(&self) {
        if !self.stop.is_set() {
            self.late.store(true, Ordering::Release);
            self.stop.set();
            self.tell(StopReason::Deadline);
        }
    }

    /// Whether it was the deadline that ended the run, rather than a signal.
    pub fn is_late(&self) -> bool {
        self.late.load(Ordering::Acquire)
    }
}

/// So many signals end the program as they would without us: whoever sends them no longer wants to wait for records
/// that nobody reads.
const ENOUGH: usize = 3;
