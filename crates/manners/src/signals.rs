//! Signals that end a run early. The tool finishes what is under way, writes every record, and dies of the signal.

use crate::progress::clear_bar;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::emulate_default_handler;
use std::sync::atomic::{AtomicI32, Ordering};

/// The first signal of this process.
static FIRST: AtomicI32 = AtomicI32::new(0);

/// Returns the signals to handle: SIGTERM, and SIGINT and SIGHUP unless they are ignored. A shell script starts a job
/// with `&` so that Ctrl-C does not reach it, and nohup(1) a program so that SIGHUP does not.
pub fn ending_signals() -> Vec<i32> {
    let ignored = ignored_signals();
    let is_ignored = |signal: i32| ignored.map_or(signal == SIGHUP, |mask| mask & (1 << (signal - 1)) != 0);
    let mut signals = vec![SIGTERM];
    signals.extend([SIGINT, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal)));
    signals
}

/// Stores the first signal. Returns whether this one counts. A SIGHUP after another signal does not count, because the
/// kernel and the shell each send one when a terminal closes.
pub fn note_signal(signal: i32) -> bool {
    let is_first = FIRST.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed).is_ok();
    is_first || signal != SIGHUP
}

/// Returns whether the run was interrupted. Then it must not end in success.
pub fn was_interrupted() -> bool {
    FIRST.load(Ordering::Relaxed) != 0
}

/// Dies of a signal. Only then does a loop in a shell end; after an exit with 130 it would continue with the next host.
pub fn die_of(signal: i32) {
    clear_bar();
    let _ = emulate_default_handler(signal);
}

/// Dies of the signal that ended the run, or of SIGINT if Ctrl-C was read as a byte.
pub(crate) fn die_interrupted() {
    die_of(match FIRST.load(Ordering::Relaxed) {
        0 => SIGINT,
        signal => signal,
    });
}

/// Returns the mask of the signals that the process ignores, if the system says so, as Linux does.
fn ignored_signals() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}
