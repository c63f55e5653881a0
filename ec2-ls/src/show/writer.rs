//! Writes records on a thread of its own, so a slow reader of stdout never delays an answer of EC2.

use crate::show::Listing;
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use std::cell::Cell;
use std::thread::{self, JoinHandle};
use tokio::sync::mpsc::{Sender, channel};

/// How many pages wait for the reader. Then the regions do.
const WAITING: usize = 1;

pub struct Writer {
    pages: Sender<Vec<Record>>,
    count: Cell<usize>,
    thread: JoinHandle<Result<()>>,
}

impl Writer {
    pub fn start(mut listing: Listing) -> Writer {
        let (pages, mut waiting) = channel::<Vec<Record>>(WAITING);
        let thread = thread::spawn(move || {
            while let Some(page) = waiting.blocking_recv() {
                page.into_iter().try_for_each(|record| listing.write(record))?;
                listing.flush()?;
            }
            listing.finish()
        });
        Writer { pages, count: Cell::new(0), thread }
    }

    pub async fn write(&self, page: Vec<Record>) -> Result<()> {
        self.count.update(|count| count + page.len());
        self.pages.send(page).await.map_err(|_| closed_pipe())
    }

    /// Returns once nothing more can be written, as after `| head`. [`Writer::finish`] says why.
    pub async fn closed(&self) -> Failure {
        self.pages.closed().await;
        closed_pipe()
    }

    /// Waits until all is written. Returns how many records it was given.
    pub fn finish(self) -> Result<usize> {
        drop(self.pages);
        let written = self.thread.join().unwrap_or_else(|_| Err(Failure::usage("cannot write to stdout")));
        written.map(|()| self.count.get())
    }
}

fn closed_pipe() -> Failure {
    Failure::stdout(&std::io::ErrorKind::BrokenPipe.into())
}
