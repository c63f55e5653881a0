//! Output modes: a table where people look, JSON lines where programs read.

use crate::table::{Column, record_table};
use crate::{Failure, Result};
use cerveza_record::{Record, escape_hidden, printed_name};
use std::io::{self, BufWriter, IsTerminal, Write};

#[derive(clap::Args, Clone, Debug)]
pub struct OutputArgs {
    /// How to write the results: JSON lines, names (one a line) or a table. `auto` is JSON lines in a pipe or file,
    /// and on a terminal what suits the tool, mostly a table
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = Format::Auto, overrides_with = "names")]
    pub output: Format,

    /// Write names, one a line, of all hosts, those that failed too: the short form of --output names
    #[arg(short = '1', overrides_with = "output")]
    pub names: bool,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Auto,
    Json,
    Names,
    Table,
}

/// A format once `auto` is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputMode {
    Json,
    Names,
    Table,
}

impl OutputArgs {
    /// `on_terminal` is what `auto` means on a terminal.
    pub fn mode(&self, on_terminal: OutputMode) -> OutputMode {
        self.mode_for(on_terminal, io::stdout().is_terminal())
    }

    fn mode_for(&self, on_terminal: OutputMode, is_terminal: bool) -> OutputMode {
        match self.output {
            _ if self.names => OutputMode::Names,
            Format::Json => OutputMode::Json,
            Format::Names => OutputMode::Names,
            Format::Table => OutputMode::Table,
            Format::Auto if is_terminal => on_terminal,
            Format::Auto => OutputMode::Json,
        }
    }
}

/// Writes records in one mode. A table needs all of them first; the other modes write each as it comes.
pub struct RecordWriter<W: Write> {
    out: W,
    mode: OutputMode,
    /// JSON escapes C0 alone; a terminal obeys more.
    on_terminal: bool,
    columns: &'static [Column],
    rows: Vec<Record>,
}

impl RecordWriter<BufWriter<io::Stdout>> {
    pub fn stdout(mode: OutputMode, columns: &'static [Column]) -> Self {
        let on_terminal = io::stdout().is_terminal();
        let out = BufWriter::with_capacity(64 * 1024, io::stdout());
        RecordWriter { on_terminal, ..RecordWriter::new(out, mode, columns) }
    }
}

impl<W: Write> RecordWriter<W> {
    pub fn new(out: W, mode: OutputMode, columns: &'static [Column]) -> Self {
        RecordWriter { out, mode, on_terminal: false, columns, rows: Vec::new() }
    }

    pub fn write(&mut self, record: &Record) -> Result<()> {
        let written = match self.mode {
            OutputMode::Json => writeln!(self.out, "{}", json_line(record, self.on_terminal)),
            OutputMode::Names => writeln!(self.out, "{}", printed_name(record.host())),
            OutputMode::Table => {
                self.rows.push(record.clone());
                Ok(())
            }
        };
        written.map_err(|error| Failure::stdout(&error))
    }

    /// Hands what was written so far to the reader: for records that come seconds apart.
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(|error| Failure::stdout(&error))
    }

    /// Writes the table, if that is the mode, and flushes. Nothing is on its way before this returned.
    pub fn finish(mut self) -> Result<()> {
        if self.mode == OutputMode::Table && !self.rows.is_empty() {
            let text = record_table(self.columns, &self.rows);
            self.out.write_all(text.as_bytes()).map_err(|error| Failure::stdout(&error))?;
        }
        self.flush()
    }
}

/// A record as a line of JSON, without the newline.
pub fn json_line(record: &Record, on_terminal: bool) -> String {
    match on_terminal {
        true => escape_hidden(&record.to_string()),
        false => record.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(output: Format, names: bool) -> OutputArgs {
        OutputArgs { output, names }
    }

    #[test]
    fn auto_is_a_table_on_a_terminal_and_json_in_a_pipe() {
        let auto = args(Format::Auto, false);
        assert_eq!(auto.mode_for(OutputMode::Table, true), OutputMode::Table);
        assert_eq!(auto.mode_for(OutputMode::Names, true), OutputMode::Names);
        assert_eq!(auto.mode_for(OutputMode::Table, false), OutputMode::Json);
        assert_eq!(args(Format::Auto, true).mode_for(OutputMode::Table, false), OutputMode::Names);
        assert_eq!(args(Format::Table, false).mode_for(OutputMode::Names, false), OutputMode::Table);
    }

    fn written(mode: OutputMode, lines: &[&str]) -> String {
        let mut out = Vec::new();
        let mut writer = RecordWriter::new(&mut out, mode, &[Column { header: "HOST", key: "host" }]);
        for line in lines {
            writer.write(&Record::parse(line).unwrap()).unwrap();
        }
        writer.finish().unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_for_a_terminal_is_the_same_json() {
        let json = "{\"host\":\"a\u{9b}\u{7f}\u{202e}é\"}";
        assert_eq!(escape_hidden(json), "{\"host\":\"a\\u009b\\u007f\\u202eé\"}");
        assert_eq!(Record::parse(&escape_hidden(json)).unwrap().host(), Record::parse(json).unwrap().host());
    }

    #[test]
    fn each_mode_writes_one_line_a_record() {
        let lines = [r#"{"host":"a","x":1}"#, r#"{"host":"b\nc"}"#];
        assert_eq!(written(OutputMode::Json, &lines), "{\"host\":\"a\",\"x\":1}\n{\"host\":\"b\\nc\"}\n");
        assert_eq!(written(OutputMode::Names, &lines), "a\n\"b\\u000ac\"\n");
        assert_eq!(written(OutputMode::Table, &lines), "HOST\na\nb\\nc\n");
        assert_eq!(written(OutputMode::Table, &[]), "");
    }
}
