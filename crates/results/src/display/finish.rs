//! Ends a run: the last results, the closing line, and the exit status.

use crate::display::Renderer;
use crate::display::args::DisplayArgs;
use crate::display::summary::Summary;
use crate::output::outcome::Outcome;
use cerveza_manners::{OutputArgs, Result, Status, Tool};
use cerveza_record::Record;
use std::time::Duration;

/// Writes what is left, and the closing line. An interrupted run is reported as interrupted even if its terminal is gone.
pub fn finish_results(
    out: Renderer,
    summary: &Summary,
    took: Option<Duration>,
    interrupted: bool,
    tool: &Tool,
) -> Result<Status> {
    let finished = out.finish();
    tool.summary(summary.line(took));
    match (interrupted, finished) {
        (false, finished) => finished.map(|()| summary.status()),
        (true, Ok(())) => Ok(Status::Interrupted),
        (true, Err(failure)) => {
            tool.failure(&failure);
            Ok(Status::Interrupted)
        }
    }
}

/// Writes the hosts of a run that was interrupted before anything was tried.
pub fn write_cancelled<'a>(
    records: impl Iterator<Item = &'a Record> + Clone,
    display: &DisplayArgs,
    output: &OutputArgs,
    tool: &Tool,
) -> Result<Status> {
    let mut out = Renderer::new(display, output, records.clone().map(Record::host), tool)?;
    let mut summary = Summary::default();
    for (index, record) in records.enumerate() {
        let outcome = Outcome::stopped(false);
        summary.add(outcome.status, record.host());
        out.add_outcome(index, record, outcome);
    }
    finish_results(out, &summary, None, true, tool)
}
