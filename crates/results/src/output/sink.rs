//! Where the output of a command goes as it arrives: it is captured, written to files, and sent to the output queue.

use crate::lock::lock;
use crate::output::capture::{Capture, Limits};
use crate::output::outcome::Outcome;
use crate::output::outdir::{HostFiles, Outdir};
use crate::output::queue::OutputQueue;
use crate::output::stream::Stream;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Receives output as it arrives. If it has to wait, it calls `check` now and then, and fails if that fails.
/// `E` is the error of the tool's own waits.
pub trait Sink<E> {
    fn write(&mut self, stream: Stream, bytes: &[u8], check: &dyn Fn() -> Result<(), E>) -> Result<(), E>;

    /// Returns how long it has waited in total for the reader of our own output.
    fn reader_time(&self) -> Duration {
        Duration::ZERO
    }

    /// Called before a command's output comes.
    fn open(&mut self) {}

    /// Called before each wait for more output.
    fn flush(&mut self) {}
}

/// Collects output in memory, of commands that the tool itself runs.
#[derive(Default)]
pub struct Captured {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// In bytes. The rest is dropped.
const MOST_CAPTURED: usize = 64 * 1024;

impl<E> Sink<E> for Captured {
    fn write(&mut self, stream: Stream, bytes: &[u8], _check: &dyn Fn() -> Result<(), E>) -> Result<(), E> {
        let kept = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let room = MOST_CAPTURED - kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(())
    }
}

/// What the sinks of all hosts share.
pub struct HostSinks {
    pub limits: Limits,
    /// If lines are shown as they arrive.
    pub queue: Option<Arc<OutputQueue>>,
    pub outdir: Option<Outdir>,
}

/// The captured output of a host, until it is taken. It is shared, so the output of an attempt that is given up is not
/// lost.
pub type SharedCapture = Arc<Mutex<Option<Capture>>>;

/// Moves captured output into an outcome, unless that was done before.
pub fn with_output(kept: &SharedCapture, outcome: Outcome) -> Outcome {
    match lock(kept).take().map(Capture::into_outputs) {
        Some((stdout, stderr)) => Outcome { stdout, stderr, ..outcome },
        None => outcome,
    }
}

/// The sink of one host. Its commands use it one after another.
pub struct HostSink<'a> {
    sinks: &'a HostSinks,
    index: usize,
    kept: SharedCapture,
    files: Option<HostFiles>,
    error: Option<String>,
    reader_time: Duration,
}

impl HostSinks {
    pub fn kept(&self) -> SharedCapture {
        Arc::new(Mutex::new(Some(Capture::new(&self.limits))))
    }

    pub fn sink(&self, index: usize, kept: SharedCapture) -> HostSink<'_> {
        HostSink { sinks: self, index, kept, files: None, error: None, reader_time: Duration::ZERO }
    }
}

impl<E> Sink<E> for HostSink<'_> {
    /// Replaces the files of an earlier run. Only the first call does.
    fn open(&mut self) {
        if let Some(outdir) = &self.sinks.outdir
            && self.files.is_none()
            && self.error.is_none()
        {
            match outdir.open(self.index) {
                Ok(files) => self.files = Some(files),
                Err(error) => self.note(Err(error)),
            }
        }
    }

    /// Fails only if `check` does, which is called while the terminal is blocked.
    fn write(&mut self, stream: Stream, bytes: &[u8], check: &dyn Fn() -> Result<(), E>) -> Result<(), E> {
        if let Some(kept) = &mut *lock(&self.kept) {
            kept.write(stream, bytes);
        }
        if let Some(files) = &mut self.files {
            let written = files.write(stream, bytes);
            self.note(written);
        }
        if let Some(queue) = &self.sinks.queue {
            self.reader_time += queue.send(self.index, stream, bytes, check)?;
        }
        Ok(())
    }

    fn reader_time(&self) -> Duration {
        self.reader_time
    }

    /// Writes the buffers of the files.
    fn flush(&mut self) {
        if let Some(files) = &mut self.files {
            let written = files.flush();
            self.note(written);
        }
    }
}

impl HostSink<'_> {
    /// Returns the outcome with the output, and with the first error of the files.
    pub fn finish(mut self, outcome: Outcome) -> Outcome {
        if let Some(files) = self.files.take() {
            let written = files.finish();
            self.note(written);
        }
        let outcome = with_output(&self.kept, outcome);
        match &self.error {
            Some(error) => Outcome { unwritten: true, ..outcome.add_error(error) },
            None => outcome,
        }
    }

    fn note(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.error.get_or_insert(format!("--outdir: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::capture::Budget;
    use crate::output::outcome::HostStatus;

    #[test]
    fn a_file_that_cannot_be_written_is_reported_and_the_output_is_kept() {
        let temp = tempfile::tempdir().unwrap();
        let outdir = Outdir::new(temp.path(), ["a"].into_iter()).unwrap();
        // In the place of the file, and not to be replaced.
        std::fs::create_dir(temp.path().join("a.out")).unwrap();
        let limits = Limits { stream: 100, budget: Budget::new(1000), tool: "x" };
        let sinks = HostSinks { limits, queue: None, outdir: Some(outdir) };
        let mut sink = sinks.sink(0, sinks.kept());
        Sink::<()>::open(&mut sink);
        sink.write(Stream::Stdout, b"hi\n", &|| Ok::<(), ()>(())).unwrap();
        let outcome = sink.finish(Outcome::new(HostStatus::Ok, None));
        assert!(outcome.unwritten);
        assert_eq!(outcome.stdout.bytes, b"hi\n");
        let error = outcome.error.unwrap();
        assert!(error.starts_with("--outdir: cannot write ") && error.contains("a.out: "), "{error}");
    }
}
