//! The end of a run before its time, by Ctrl-C or --deadline: one place that is told of it, and a file descriptor that
//! every wait of the run can also wait for.

use std::io::{self, PipeReader, PipeWriter, pipe};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

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
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = None;
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

/// The two stages of ending a run early.
#[derive(Clone)]
pub struct Ending {
    /// What runs is to be ended, and nothing to be begun.
    pub end: Arc<Stop>,
    /// Nothing is waited for any more.
    pub now: Arc<Stop>,
    late: Arc<AtomicBool>,
}

impl Ending {
    pub fn new() -> io::Result<Ending> {
        Ok(Ending { end: Arc::new(Stop::new()?), now: Arc::new(Stop::new()?), late: Arc::default() })
    }

    /// Ends the run because its deadline has passed.
    pub fn deadline(&self) {
        if !self.end.is_set() {
            self.late.store(true, Ordering::Release);
        }
        self.end.set();
    }

    /// Whether it was the deadline that ended the run, rather than a signal.
    pub fn is_late(&self) -> bool {
        self.late.load(Ordering::Acquire)
    }
}

/// So many signals end the program as they would without us: whoever sends them no longer wants to wait for records
/// that nobody reads.
const ENOUGH: usize = 3;

/// Calls `interrupted` for each Ctrl-C (and each SIGTERM), on a thread of its own. SIGHUP stays as it is: nohup ignores it.
pub fn on_interrupt(mut interrupted: impl FnMut() + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let handle = move || {
        for (earlier, signal) in signals.forever().enumerate() {
            if earlier + 1 >= ENOUGH {
                let _ = emulate_default_handler(signal);
            }
            interrupted();
        }
    };
    std::thread::Builder::new().name("signals".to_string()).stack_size(64 * 1024).spawn(handle)?;
    Ok(())
}
