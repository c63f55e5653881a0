//! Where a command's output goes as it comes: what is kept of it, its files, and the writer's terminal.

use crate::lock::lock;
use crate::output::capture::{Capture, Limits};
use crate::output::outcome::Outcome;
use crate::output::outdir::{HostFiles, Outdir};
use crate::output::queue::OutputQueue;
use crate::output::stream::Stream;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Takes output as it comes. Where it has to wait it calls `check` every now and then, and ends with what that says.
/// `E` is the error of the tool's own waits.
pub trait Sink<E> {
    fn take(&mut self, stream: Stream, bytes: &[u8], check: &dyn Fn() -> Result<(), E>) -> Result<(), E>;

    /// Returns how long it has waited in all for the reader of our own output.
    fn reader_time(&self) -> Duration {
        Duration::ZERO
    }

    /// A command is about to start.
    fn open(&mut self) {}

    /// For before each wait for more.
    fn flush(&mut self) {}
}

/// Output that only this program wants: of the commands around the user's own.
#[derive(Default)]
pub struct Captured {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// In bytes: what such a command has to say is short.
const MOST_CAPTURED: usize = 64 * 1024;

impl<E> Sink<E> for Captured {
    fn take(&mut self, stream: Stream, bytes: &[u8], _check: &dyn Fn() -> Result<(), E>) -> Result<(), E> {
        let kept = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let room = MOST_CAPTURED - kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(())
    }
}

/// What all hosts of a run share of it.
pub struct HostSinks {
    pub limits: Limits,
    /// Where lines are shown as they come.
    pub queue: Option<Arc<OutputQueue>>,
    pub outdir: Option<Outdir>,
}

/// What is kept of a host's output, until somebody takes it. It is shared, so that the output of an attempt that is given
/// up is not lost.
pub type SharedCapture = Arc<Mutex<Option<Capture>>>;

/// Puts what was kept into an outcome, unless that was done before.
pub fn with_output(kept: &SharedCapture, outcome: Outcome) -> Outcome {
    match lock(kept).take().map(Capture::into_outputs) {
        Some((stdout, stderr)) => Outcome { stdout, stderr, ..outcome },
        None => outcome,
    }
}

/// One host's. Several commands of it, one after another, use the same.
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
    /// Replaces the files of an earlier run; the first time only. For when the command starts.
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

    /// Fails only with what `check` says, which is asked while the terminal takes no more.
    fn take(&mut self, stream: Stream, bytes: &[u8], check: &dyn Fn() -> Result<(), E>) -> Result<(), E> {
        if let Some(kept) = &mut *lock(&self.kept) {
            kept.take(stream, bytes);
        }
        if let Some(files) = &mut self.files {
            let written = files.take(stream, bytes);
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

    /// For before each wait for more.
    fn flush(&mut self) {
        if let Some(files) = &mut self.files {
            let written = files.flush();
            self.note(written);
        }
    }
}

impl HostSink<'_> {
    /// The outcome with the output. What went wrong with the files is said there too.
    pub fn finish(mut self, outcome: Outcome) -> Outcome {
        if let Some(files) = self.files.take() {
            let written = files.finish();
            self.note(written);
        }
        let unwritten = self.error.is_some();
        let errors = outcome.error.into_iter().chain(self.error).collect::<Vec<_>>();
        let error = (!errors.is_empty()).then(|| errors.join("; "));
        with_output(&self.kept, Outcome { error, unwritten, ..outcome })
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
    fn a_file_that_cannot_be_written_is_said_and_the_output_is_kept() {
        let temp = tempfile::tempdir().unwrap();
        let outdir = Outdir::new(temp.path(), ["a"].into_iter()).unwrap();
        // In the place of the file, and not to be replaced.
        std::fs::create_dir(temp.path().join("a.out")).unwrap();
        let limits = Limits { stream: 100, budget: Budget::new(1000), tool: "x" };
        let sinks = HostSinks { limits, queue: None, outdir: Some(outdir) };
        let mut sink = sinks.sink(0, sinks.kept());
        Sink::<()>::open(&mut sink);
        sink.take(Stream::Stdout, b"hi\n", &|| Ok::<(), ()>(())).unwrap();
        let outcome = sink.finish(Outcome::new(HostStatus::Ok, None));
        assert!(outcome.unwritten);
        assert_eq!(outcome.stdout.bytes, b"hi\n");
        let error = outcome.error.unwrap();
        assert!(error.starts_with("--outdir: cannot write ") && error.contains("a.out: "), "{error}");
    }
}
