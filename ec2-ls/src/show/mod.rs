//! Writes the instances that were found.

pub(crate) mod note;
pub(crate) mod show_args;
pub(crate) mod watch;
pub(crate) mod writer;

use crate::show::note::note;
use crate::show::show_args::ShowArgs;
use cerveza_manners::{Column, Failure, OutputMode, RecordWriter, Result, Tool, visible_lines};
use cerveza_record::{Record, printed_name};
use std::io::{self, BufWriter, Stdout, Write};

/// The columns of a table. USER DATA and CHECKS are for their options.
const COLUMNS: [Column; 11] = [
    Column { header: "HOST", key: "host" },
    Column { header: "INSTANCE", key: "instance_id" },
    Column { header: "STATE", key: "state" },
    Column { header: "CHECKS", key: "status_checks" },
    Column { header: "TYPE", key: "instance_type" },
    Column { header: "ZONE", key: "zone" },
    Column { header: "PRIVATE IP", key: "private_ip" },
    Column { header: "PUBLIC IP", key: "public_ip" },
    Column { header: "USER DATA", key: "user_data" },
    Column { header: "AWS PROFILE", key: "aws_profile" },
    Column { header: "NOTE", key: "note" },
];

/// Columns that are left out where the terminal is too narrow.
pub const OPTIONAL: [&str; 3] = ["public_ip", "instance_type", "private_ip"];

/// Columns that a table has only if some host has a value.
pub const ONLY_IF_USED: [&str; 2] = ["aws_profile", "note"];

/// Writes the records of a listing.
pub enum Listing {
    Records {
        writer: Box<RecordWriter<BufWriter<Stdout>>>,
        mode: OutputMode,
    },
    /// The text of consoles.
    Consoles(BufWriter<Stdout>),
}

impl Listing {
    pub fn new(args: &ShowArgs, tool: &Tool) -> Listing {
        let mode = args.mode();
        if args.console && mode == OutputMode::Table && args.output.format.columns.is_empty() {
            return Listing::Consoles(BufWriter::new(io::stdout()));
        }
        let columns = columns(args, mode);
        let writer = args.output_with_env().writer(OutputMode::Table, &columns, tool);
        let writer = writer.optional(&OPTIONAL).only_if_used(&ONLY_IF_USED).added_by(args.options_not_given());
        Listing::Records { writer: Box::new(writer), mode }
    }

    pub fn write(&mut self, mut record: Record) -> Result<()> {
        match self {
            Listing::Records { writer, mode } => {
                prepare(&mut record, *mode);
                writer.write(&record)
            }
            Listing::Consoles(out) => {
                let text = visible_lines(&record.str("console").unwrap_or_default());
                let name = printed_name(record.host()).into_owned();
                writeln!(out, "==> {name} <==\n{text}").map_err(|error| Failure::stdout(&error))
            }
        }
    }

    /// Hands what was written so far to the reader.
    pub fn flush(&mut self) -> Result<()> {
        match self {
            Listing::Records { writer, .. } => writer.flush(),
            Listing::Consoles(out) => out.flush().map_err(|error| Failure::stdout(&error)),
        }
    }

    pub fn finish(self) -> Result<()> {
        match self {
            Listing::Records { writer, .. } => writer.finish(),
            Listing::Consoles(mut out) => out.flush().map_err(|error| Failure::stdout(&error)),
        }
    }
}

/// Returns the columns that are shown unless the user names others. Those of csv and tsv are always the same.
pub fn columns(args: &ShowArgs, mode: OutputMode) -> Vec<Column> {
    let is_shown = |column: &&Column| match column.key {
        "user_data" => args.user_data,
        "status_checks" => args.status,
        "aws_profile" | "note" => mode == OutputMode::Table,
        _ => true,
    };
    COLUMNS.iter().filter(is_shown).copied().collect()
}

/// Adds the note, which is only for columns.
pub fn prepare(record: &mut Record, mode: OutputMode) {
    if mode.has_columns() && !record.has("note") {
        record.set("note", note(record));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_stays_and_a_note_is_added() {
        let mut record = Record::parse(r#"{"host":"web1","user_data":null}"#).unwrap();
        prepare(&mut record, OutputMode::Table);
        assert_eq!(record.to_string(), r#"{"host":"web1","user_data":null,"note":null}"#);
    }
}
