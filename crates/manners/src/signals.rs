//! The signals that end a run early: what is under way is finished, each record comes out, and the tool dies of the
//! signal.

use crate::progress::clear_bar;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::emulate_default_handler;
use std::sync::atomic::{AtomicI32, Ordering};

/// Signals are the process's, and so is the first that came.
static FIRST: AtomicI32 = AtomicI32::new(0);

/// Returns the signals to handle: SIGINT, SIGTERM, and SIGHUP unless it is ignored, as nohup(1) leaves it.
pub fn ending_signals() -> Vec<i32> {
    let mut signals = vec![SIGINT, SIGTERM];
    if !is_ignored(SIGHUP) {
        signals.push(SIGHUP);
    }
    signals
}

/// Notes a signal that came. Returns whether it ends the run, or, as a later one, asks to wait for less. A SIGHUP that
/// comes later does not: where a terminal goes away, the kernel and the shell each send one.
pub fn note_signal(signal: i32) -> bool {
    let is_first = FIRST.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed).is_ok();
    is_first || signal != SIGHUP
}

/// Returns whether the run was interrupted. Then it must not end in success, whatever it has done.
pub fn was_interrupted() -> bool {
    FIRST.load(Ordering::Relaxed) != 0
}

/// Dies of a signal. A shell ends its loop only when the tool dies of it: an exit with 130 would go on to the next
/// host.
pub fn die_of(signal: i32) {
    clear_bar();
    let _ = emulate_default_handler(signal);
}

/// Dies of the signal that ended the run, or, where Ctrl-C came as a byte, of SIGINT.
pub(crate) fn die_interrupted() {
    die_of(match FIRST.load(Ordering::Relaxed) {
        0 => SIGINT,
        signal => signal,
    });
}

/// Returns whether the process ignores the signal. A signal of which the system does not say that is left as it is.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(u64::MAX);
    mask & (1 << (signal - 1)) != 0
}
