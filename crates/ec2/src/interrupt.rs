//! Ctrl-C: what is under way is finished, nothing new is begun. A second one ends the tool at once.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::emulate_default_handler;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Whether the user has pressed Ctrl-C, or SIGTERM has come, since [`Interrupt::watch`]. SIGHUP is left alone, for
/// nohup(1).
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<bool>);

/// Signals are the process's: so is whether one was seen.
static SEEN: AtomicBool = AtomicBool::new(false);

/// Whether the run was interrupted, whatever it did all the same: it must not end in success.
pub fn was_interrupted() -> bool {
    SEEN.load(Ordering::Relaxed)
}

impl Interrupt {
    /// Watches from now on, within the runtime of [`block_on`](crate::block_on).
    pub fn watch() -> Interrupt {
        let (seen, interrupt) = watch::channel(false);
        let signals = signal(SignalKind::interrupt()).and_then(|int| Ok((int, signal(SignalKind::terminate())?)));
        // Where no handler can be set, a signal ends the tool as it would have.
        if let Ok((mut int, mut term)) = signals {
            tokio::spawn(async move {
                next(&mut int, &mut term).await;
                SEEN.store(true, Ordering::Relaxed);
                seen.send_replace(true);
                let second = next(&mut int, &mut term).await;
                let _ = emulate_default_handler(second);
            });
        }
        Interrupt(interrupt)
    }

    pub fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once it is set.
    pub async fn wait(&self) {
        if self.0.clone().wait_for(|seen| *seen).await.is_err() {
            std::future::pending().await
        }
    }
}

async fn next(int: &mut Signal, term: &mut Signal) -> i32 {
    tokio::select! {
        _ = int.recv() => SIGINT,
        _ = term.recv() => SIGTERM,
    }
}
