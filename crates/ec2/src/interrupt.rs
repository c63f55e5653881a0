//! Ctrl-C: what is under way is finished, nothing new is begun.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the user has pressed Ctrl-C (or the system sent SIGTERM) since [`Interrupt::watch`].
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Watches from now on, within the runtime of [`block_on`](crate::block_on).
    pub fn watch() -> Interrupt {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = Interrupt::default();
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            // Where no handler can be set, the signal ends the tool as it would have.
            if let Ok(mut signals) = signal(kind) {
                let seen = interrupt.clone();
                tokio::spawn(async move {
                    signals.recv().await;
                    seen.0.store(true, Ordering::Relaxed);
                });
            }
        }
        interrupt
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
