//! Writes each host as it comes: as records, or as lines on a terminal.

use crate::lines::{host_lines, last_line};
use crate::outcome::{Outcome, with_result};
use cerveza_manners::{Column, Failure, Format, OutputArgs, OutputMode, RecordWriter, Result};
use cerveza_record::Record;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

/// `output` is the last line of a host's output, which only this table has.
const COLUMNS: [Column; 5] = [
    Column { header: "HOST", key: "host" },
    Column { header: "STATUS", key: "status" },
    Column { header: "EXIT", key: "exit_code" },
    Column { header: "MS", key: "duration_ms" },
    Column { header: "OUTPUT", key: "output" },
];

enum View {
    Records(RecordWriter<BufWriter<Stdout>>, OutputMode),
    Lines { colour: bool },
}

/// The way out. What goes wrong with it is kept for the end: the hosts' commands go on.
pub struct Out {
    view: View,
    failure: Option<Failure>,
}

impl Out {
    pub fn new(output: &OutputArgs) -> Out {
        let lines = output.output == Format::Auto && !output.names && io::stdout().is_terminal();
        let mode = output.mode(OutputMode::Table);
        let view = match lines {
            true => View::Lines { colour: has_colour() },
            false => View::Records(RecordWriter::stdout(mode, &COLUMNS), mode),
        };
        Out { view, failure: None }
    }

    pub fn write(&mut self, record: &Record, outcome: Outcome) {
        if self.failure.is_none() {
            self.failure = self.try_write(record, outcome).err();
        }
    }

    fn try_write(&mut self, record: &Record, outcome: Outcome) -> Result<()> {
        match &mut self.view {
            View::Lines { colour } => {
                let text = host_lines(record.host(), &outcome, *colour);
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
                written.map_err(|error| Failure::stdout(&error))
            }
            View::Records(writer, OutputMode::Table) => writer.write(&row(record, &outcome)),
            View::Records(writer, _) => {
                writer.write(&with_result(record, outcome))?;
                // Who reads on wants to know of a host when it is done, not when a buffer is full.
                writer.flush()
            }
        }
    }

    /// Writes what is left, and gives the first failure of all writing. A reader that went away is none.
    pub fn finish(self) -> Result<()> {
        let failure = match (self.failure, self.view) {
            (None, View::Records(writer, _)) => writer.finish().err(),
            (failure, _) => failure,
        };
        match failure {
            Some(failure) if !failure.is_closed_pipe() => Err(failure),
            _ => Ok(()),
        }
    }
}

/// A row of the table: of all output it holds one line only.
fn row(record: &Record, outcome: &Outcome) -> Record {
    let mut row = Record::named(record.host());
    row.set("status", outcome.status.name());
    row.set("exit_code", outcome.exit_code);
    row.set("duration_ms", outcome.duration.as_millis() as u64);
    row.set("output", last_line(outcome));
    row
}

fn has_colour() -> bool {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
