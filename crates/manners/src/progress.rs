//! The progress bar on stderr.

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, TermLike, WeakProgressBar};
use std::io;
use std::sync::mpsc::channel;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Columns at the right that the bar leaves free. The terminal prints `^C` at the cursor. In the last column that would
/// start a new line, and the bar would be drawn twice.
const MARGIN: u16 = 4;
/// How often the bar is drawn in a second, at most.
const RATE: u8 = 20;
/// The time limit for a terminal to clear the bar.
const CLEARING: Duration = Duration::from_millis(200);

/// The bar that is shown.
static SHOWN: Mutex<Option<WeakProgressBar>> = Mutex::new(None);

/// Returns stderr for a bar. The bar is hidden if stderr is not a terminal.
pub(crate) fn bar_target() -> ProgressDrawTarget {
    let term = Term::buffered_stderr();
    if term.is_term() && std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb") {
        ProgressDrawTarget::term_like_with_hz(Box::new(BarTerminal(term)), RATE)
    } else {
        ProgressDrawTarget::hidden()
    }
}

/// Remembers the bar that is shown, for [`clear_bar`].
pub(crate) fn show(bar: &ProgressBar) {
    *SHOWN.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.downgrade());
}

/// Clears the bar, unless its terminal is blocked.
pub(crate) fn clear_bar() {
    let shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(bar) = shown.and_then(|bar| bar.upgrade()) else { return };
    let (cleared, is_cleared) = channel();
    thread::spawn(move || {
        bar.finish_and_clear();
        let _ = cleared.send(());
    });
    let _ = is_cleared.recv_timeout(CLEARING);
}

/// A terminal that reports a smaller width.
#[derive(Debug)]
struct BarTerminal(Term);

impl TermLike for BarTerminal {
    fn width(&self) -> u16 {
        self.0.size().1.saturating_sub(MARGIN).max(1)
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
