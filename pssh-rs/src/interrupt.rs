//! Ctrl-C: one place that is told of it, and a file descriptor that every wait of the run can also wait for.

use std::io::{self, PipeReader, PipeWriter, pipe};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

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
