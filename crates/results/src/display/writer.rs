//! The thread that writes results: it takes output and outcomes from the queue, and has them rendered.

use crate::display::{FLUSH_SIZE, Renderer};
use crate::output::outcome::HostStatus;
use crate::output::queue::{Item, OutputQueue};
use cerveza_record::Record;
use std::time::{Duration, Instant};

/// How long live lines wait for others, so they are written together.
const PAUSE: Duration = Duration::from_millis(20);
/// The longest wait for an item, because lines without an end are shown after a while.
const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// Writes results until the queue ends. `write` flushes the renderer, and moves a progress bar out of the way. `done` gets each host
/// whose outcome was rendered: its status, and whether its files are incomplete.
pub fn write_results<'a>(
    queue: &OutputQueue,
    out: &mut Renderer,
    record: impl Fn(usize) -> &'a Record,
    mut write: impl FnMut(&mut Renderer),
    mut done: impl FnMut(usize, HostStatus, bool),
) {
    let receiver = queue.receiver();
    let mut write = |out: &mut Renderer| queue.writing(|| write(out));
    let mut written_at: Option<Instant> = None;
    loop {
        let wait = match written_at.filter(|_| out.has_text()) {
            Some(at) => (at + PAUSE).saturating_duration_since(Instant::now()),
            None => LONGEST_WAIT,
        };
        let Some(items) = receiver.receive(wait) else { break };
        for item in items {
            match item {
                Item::Output { index, stream, bytes } => out.output(index, record(index).host(), stream, &bytes),
                Item::Done { index, outcome } => {
                    let (status, unwritten) = (outcome.status, outcome.unwritten);
                    out.add_outcome(index, record(index), *outcome);
                    if !out.is_live() && out.has_text() {
                        // A reader of records gets each one as soon as its host is done.
                        write(out);
                    }
                    done(index, status, unwritten);
                }
            }
            if out.text.len() >= FLUSH_SIZE {
                write(out);
                written_at = Some(Instant::now());
            }
        }
        let now = Instant::now();
        out.tick(now);
        if out.has_text() && written_at.is_none_or(|at| now >= at + PAUSE) {
            write(out);
            written_at = Some(Instant::now());
        }
    }
    if out.has_text() {
        write(out);
    }
}
