//! Writes records on a thread of its own, so a slow reader of stdout never delays an answer of EC2.

use cerveza_manners::{Failure, RecordWriter, Result};
use cerveza_record::Record;
use std::io::Write;
use std::thread::{self, JoinHandle};
use tokio::sync::mpsc::{Sender, channel};

/// Pages that wait for the reader. Then the regions do.
const WAITING: usize = 2;

pub struct Writer {
    pages: Sender<Vec<Record>>,
    thread: JoinHandle<Result<()>>,
}

impl Writer {
    pub fn start(mut writer: RecordWriter<impl Write + Send + 'static>) -> Writer {
        let (pages, mut waiting) = channel::<Vec<Record>>(WAITING);
        let thread = thread::spawn(move || {
            while let Some(page) = waiting.blocking_recv() {
                page.iter().try_for_each(|record| writer.write(record))?;
                writer.flush()?;
            }
            writer.finish()
        });
        Writer { pages, thread }
    }

    pub async fn write(&self, page: Vec<Record>) -> Result<()> {
        self.pages.send(page).await.map_err(|_| closed_pipe())
    }

    /// Returns once nothing more can be written, as after `| head`. [`Writer::finish`] says why.
    pub async fn closed(&self) -> Failure {
        self.pages.closed().await;
        closed_pipe()
    }

    pub fn finish(self) -> Result<()> {
        drop(self.pages);
        self.thread.join().unwrap_or_else(|_| Err(Failure::usage("cannot write to stdout")))
    }
}

fn closed_pipe() -> Failure {
    Failure::stdout(&std::io::ErrorKind::BrokenPipe.into())
}
