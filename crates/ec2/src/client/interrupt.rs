//! Ctrl-C: what is under way is finished, nothing new is begun. A second one ends the tool at once.

use cerveza_manners::{die_of, ending_signals, note_signal};
use std::io;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// Whether the user has pressed Ctrl-C, or another signal that ends a run has come, since [`Interrupt::watch`].
#[derive(Clone, Debug)]
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Watches from now on, within the runtime of [`block_on`](crate::block_on).
    pub fn watch() -> Interrupt {
        let (seen, interrupt) = watch::channel(false);
        // Where no handler can be set, a signal ends the tool as it would have.
        if let Ok(mut signals) = signals() {
            tokio::spawn(async move {
                while let Some(signal) = signals.recv().await {
                    match note_signal(signal) {
                        true if *seen.borrow() => die_of(signal),
                        true => drop(seen.send_replace(true)),
                        false => {}
                    }
                }
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

/// Returns the signals that end a run, as they come.
fn signals() -> io::Result<mpsc::UnboundedReceiver<i32>> {
    let (sender, receiver) = mpsc::unbounded_channel();
    for number in ending_signals() {
        let (mut signals, sender) = (signal(SignalKind::from_raw(number))?, sender.clone());
        tokio::spawn(async move { while signals.recv().await.is_some() && sender.send(number).is_ok() {} });
    }
    Ok(receiver)
}
