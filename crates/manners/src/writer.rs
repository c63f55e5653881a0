//! Writes records in one of the output modes.

use crate::field::{Column, Field, Lookup, flat, shown, value_at};
use crate::sort::{SortArgs, SortKey, SortValues, compare, sort_values};
use crate::table::{TableRow, TableStyle, stdout_width, table_lines};
use crate::{Failure, FormatArgs, OutputArgs, OutputMode, Result, Tool, key_hint, keys_of, visible};
use cerveza_record::{Record, Value, escape_hidden, printed_name};
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::time::SystemTime;

/// Writes records in one format. Each is written as it comes, unless all are needed first, for a table or to sort them.
pub struct RecordWriter<W: Write> {
    out: W,
    tool: Tool,
    mode: OutputMode,
    /// Escape more than JSON does, because a terminal obeys more than C0.
    on_terminal: bool,
    fields: Vec<Field>,
    style: TableStyle,
    keys: Vec<SortKey>,
    held: Vec<Held>,
    paths: Paths,
    is_begun: bool,
    now: SystemTime,
}

/// A row that waits for the others.
struct Held {
    order: SortValues,
    line: Line,
}

enum Line {
    Text(Vec<u8>),
    Cells(TableRow),
}

impl FormatArgs {
    /// Writes records to stdout. The columns are those that the tool shows unless the user names others.
    pub fn writer(&self, on_terminal: OutputMode, columns: &[Column], tool: &Tool) -> RecordWriter<BufWriter<Stdout>> {
        let (mode, out) = (self.mode(on_terminal), BufWriter::with_capacity(64 * 1024, io::stdout()));
        if !self.columns.is_empty() && !mode.has_columns() {
            tool.warn("--columns is for a table, csv and tsv: this format has none");
        }
        RecordWriter::new(out, self, mode, columns, tool).on_stdout(self)
    }
}

impl OutputArgs {
    /// See [`FormatArgs::writer`].
    pub fn writer(&self, on_terminal: OutputMode, columns: &[Column], tool: &Tool) -> RecordWriter<BufWriter<Stdout>> {
        self.format.writer(on_terminal, columns, tool).sorted(&self.sort)
    }
}

impl<W: Write> RecordWriter<W> {
    /// Writes to a file, like to a pipe.
    pub fn new(out: W, args: &FormatArgs, mode: OutputMode, columns: &[Column], tool: &Tool) -> Self {
        let is_chosen = !args.columns.is_empty();
        RecordWriter {
            out,
            tool: *tool,
            mode,
            on_terminal: false,
            fields: Field::all(&args.columns, columns),
            style: TableStyle { has_header: !args.no_header, is_chosen, ..TableStyle::default() },
            keys: Vec::new(),
            held: Vec::new(),
            paths: Paths::new(if mode.has_columns() { args.columns.clone() } else { Vec::new() }),
            is_begun: false,
            now: SystemTime::now(),
        }
    }

    /// Writes to stdout. On a terminal, tables fit its width.
    pub fn on_stdout(mut self, args: &FormatArgs) -> Self {
        self.on_terminal = io::stdout().is_terminal();
        // Columns that the user names are for reading and copying: they are as wide as they need.
        self.style.width = stdout_width(self.on_terminal).filter(|_| !self.style.is_chosen);
        self.style.has_color = args.color.is_on(self.on_terminal);
        self
    }

    /// Sorts the records before they are written.
    pub fn sorted(mut self, args: &SortArgs) -> Self {
        self.keys = args.sort.clone();
        self.paths.unseen.extend(args.sort.iter().map(|key| key.path.clone()));
        self
    }

    /// Leaves out these columns of a table, by key and in this order, if its lines are too long for the terminal.
    pub fn optional(mut self, keys: &'static [&'static str]) -> Self {
        self.style.optional = keys;
        self
    }

    /// Leaves out these columns of a table, by key, in a pipe too, if they are empty for all records.
    pub fn only_if_used(mut self, keys: &'static [&'static str]) -> Self {
        self.style.only_if_used = keys;
        self
    }

    /// Never cuts these columns of a table, by key. They come last.
    pub fn uncut(mut self, keys: &'static [&'static str]) -> Self {
        self.style.uncut = keys;
        self
    }

    /// Names the options that add keys to the records, for a column that no record has: each key with its option.
    pub fn added_by(mut self, options: Vec<(&'static str, &'static str)>) -> Self {
        self.paths.options = options;
        self
    }

    pub fn write(&mut self, record: &Record) -> Result<()> {
        let text = match self.mode {
            OutputMode::Json => json_line(record, self.on_terminal),
            OutputMode::Names => printed_name(record.host()).into_owned(),
            _ => String::new(),
        };
        if !self.paths.unseen.is_empty() {
            self.paths.note_keys(record.iter());
        }
        self.write_row(&|key| record.get(key), text)
    }

    /// Writes an object that is not a host; `name` stands for it in a list of names.
    pub fn write_object(&mut self, object: &Value, name: &str) -> Result<()> {
        let text = match self.mode {
            OutputMode::Json if self.on_terminal => escape_hidden(&object.to_string()),
            OutputMode::Json => object.to_string(),
            OutputMode::Names => visible(name).into_owned(),
            _ => String::new(),
        };
        let pairs = object.as_object().into_iter().flatten();
        self.paths.note_keys(pairs.map(|(key, value)| (key.as_str(), value.clone())));
        self.write_row(&|key| object.get(key).cloned(), text)
    }

    /// `text` is the line of JSON or the name.
    fn write_row(&mut self, row: Lookup<'_>, text: String) -> Result<()> {
        self.paths.unseen.retain(|path| value_at(row, path, self.now).is_none());
        let line = match self.mode {
            OutputMode::Json | OutputMode::Names => Line::Text((text + "\n").into_bytes()),
            OutputMode::Table => Line::Cells(self.table_row(row)),
            OutputMode::Csv | OutputMode::Tsv => Line::Text(self.separated(&self.cells(row, flat))),
        };
        match line {
            Line::Text(text) if self.keys.is_empty() => self.write_bytes(&text),
            line => {
                let order = sort_values(&self.keys, row, self.now);
                self.held.push(Held { order, line });
                Ok(())
            }
        }
    }

    fn cells(&self, row: Lookup<'_>, text: fn(&str, Option<&Value>) -> String) -> Vec<String> {
        let cell = |field: &Field| text(&field.path, value_at(row, &field.path, self.now).as_ref());
        self.fields.iter().map(cell).collect()
    }

    /// Returns a line of a table. The id of an instance without a name, which is its host, is shown once.
    fn table_row(&self, row: Lookup<'_>) -> TableRow {
        let mut cells = self.cells(row, shown);
        let is_instance = |field: &Field| field.path == "instance_id";
        if let Some(instance) = self.fields.iter().position(is_instance).filter(|_| !self.style.is_chosen)
            && cells[instance] == cells[0]
            && instance > 0
        {
            cells[instance].clear();
        }
        TableRow { cells, bold: Vec::new() }
    }

    /// Returns a line of csv or tsv.
    fn separated(&self, cells: &[String]) -> Vec<u8> {
        let mut line = match self.mode {
            OutputMode::Csv => csv_line(cells),
            _ => cells.iter().map(|cell| tsv_cell(cell)).collect::<Vec<_>>().join("\t").into_bytes(),
        };
        if self.on_terminal {
            let text = String::from_utf8_lossy(&line);
            line = text.split('\t').map(visible).collect::<Vec<_>>().join("\t").into_bytes();
        }
        line.push(b'\n');
        line
    }

    /// Writes text, and the header before the first of csv and tsv.
    fn write_bytes(&mut self, text: &[u8]) -> Result<()> {
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        let is_separated = matches!(self.mode, OutputMode::Csv | OutputMode::Tsv);
        let header = if is_first && is_separated && self.style.has_header {
            self.separated(&self.fields.iter().map(|field| field.path.clone()).collect::<Vec<_>>())
        } else {
            Vec::new()
        };
        let written = self.out.write_all(&header).and_then(|()| self.out.write_all(text));
        written.map_err(|error| Failure::stdout(&error))
    }

    /// Flushes what was written so far, for records that come seconds apart.
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush().map_err(|error| Failure::stdout(&error))
    }

    /// Writes everything, and flushes.
    pub fn finish(mut self) -> Result<()> {
        self.write_held()?;
        self.flush()
    }

    fn write_held(&mut self) -> Result<()> {
        let mut held = std::mem::take(&mut self.held);
        held.sort_by(|a, b| compare(&self.keys, &a.order, &b.order));
        let mut rows = Vec::new();
        for Held { line, .. } in held {
            match line {
                Line::Text(text) => self.write_bytes(&text)?,
                Line::Cells(row) => rows.push(row),
            }
        }
        for line in table_lines(&self.fields, &rows, &self.style) {
            self.write_bytes(format!("{line}\n").as_bytes())?;
        }
        self.paths.warn(&self.tool);
        // Only the header.
        self.write_bytes(b"")
    }
}

impl<W: Write> RecordWriter<W> {
    /// Returns the rows of a table, in their order, each with the place of its record.
    pub fn rows(&self, records: &[Record]) -> Vec<(usize, TableRow)> {
        let row = |record: &Record| {
            let row: Lookup<'_> = &|key| record.get(key);
            (sort_values(&self.keys, row, self.now), self.table_row(row))
        };
        let mut rows: Vec<_> = records.iter().map(row).enumerate().collect();
        rows.sort_by(|(_, (a, _)), (_, (b, _))| compare(&self.keys, a, b));
        rows.into_iter().map(|(place, (_, row))| (place, row)).collect()
    }

    /// Returns the lines of a table of this width.
    pub fn table_lines(&self, rows: &[TableRow], width: usize) -> Vec<String> {
        table_lines(&self.fields, rows, &TableStyle { width: Some(width), ..self.style.clone() })
    }
}

impl RecordWriter<Vec<u8>> {
    /// Returns the text that was written so far, and removes it.
    pub fn take_text(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Like [`RecordWriter::finish`], and returns the text.
    pub fn into_text(mut self) -> Vec<u8> {
        // Memory takes all that is written to it.
        let _ = self.write_held();
        self.out
    }
}

/// The paths that the user has named. A path that no record has is probably a typo.
struct Paths {
    unseen: Vec<String>,
    /// The keys of the first record, with those of its tags.
    known: Vec<String>,
    /// Options that add keys to the records: each key with its option.
    options: Vec<(&'static str, &'static str)>,
}

impl Paths {
    fn new(paths: Vec<String>) -> Paths {
        Paths { unseen: paths, known: Vec::new(), options: Vec::new() }
    }

    fn note_keys<'a>(&mut self, pairs: impl Iterator<Item = (&'a str, Value)>) {
        if !self.known.is_empty() {
            return;
        }
        self.known = keys_of(pairs);
    }

    fn warn(&mut self, tool: &Tool) {
        // Without a record there is nothing to compare with.
        if self.known.is_empty() {
            return;
        }
        self.known.push("age".to_string());
        for path in std::mem::take(&mut self.unseen) {
            let leads_to =
                |key: &str| path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            let option = self.options.iter().find(|(key, _)| leads_to(key));
            let advice = match option {
                Some((_, option)) => format!("; {option} adds it"),
                None => key_hint(&path, &self.known),
            };
            tool.warn(format!("no record has the key {path}{advice}"));
        }
    }
}

/// Returns a record as a line of JSON, without the newline.
pub fn json_line(record: &Record, on_terminal: bool) -> String {
    if on_terminal { escape_hidden(&record.to_string()) } else { record.to_string() }
}

/// Returns a line of csv, without the newline.
fn csv_line(cells: &[String]) -> Vec<u8> {
    let mut line = Vec::new();
    // Memory takes all that is written to it.
    let _ = csv::WriterBuilder::new().buffer_capacity(512).from_writer(&mut line).write_record(cells);
    line.pop();
    line
}

fn tsv_cell(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    for c in cell.chars() {
        match c {
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\\' => text.push_str("\\\\"),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        output: crate::OutputArgs,
    }

    const COLUMNS: [Column; 2] = [Column { header: "HOST", key: "host" }, Column { header: "X", key: "x" }];

    fn written(args: &[&str], lines: &[&str]) -> String {
        let args = Args::parse_from([&["x"], args].concat()).output;
        let mode = args.mode(OutputMode::Table);
        let tool = Tool { name: "x" };
        let mut writer = RecordWriter::new(Vec::new(), &args.format, mode, &COLUMNS, &tool).sorted(&args.sort);
        for line in lines {
            writer.write(&Record::parse(line).unwrap()).unwrap();
        }
        String::from_utf8(writer.into_text()).unwrap()
    }

    #[test]
    fn json_for_a_terminal_is_the_same_json() {
        let json = "{\"host\":\"a\u{9b}\u{7f}\u{202e}é\"}";
        assert_eq!(escape_hidden(json), "{\"host\":\"a\\u009b\\u007f\\u202eé\"}");
        assert_eq!(Record::parse(&escape_hidden(json)).unwrap().host(), Record::parse(json).unwrap().host());
    }

    const LINES: [&str; 2] = [r#"{"host":"a","x":1}"#, r#"{"host":"b\nc","y":"\\"}"#];

    #[test]
    fn each_mode_writes_one_line_a_record() {
        assert_eq!(written(&["-o", "json"], &LINES), format!("{}\n{}\n", LINES[0], LINES[1]));
        assert_eq!(written(&["-1"], &LINES), "a\n\"b\\u000ac\"\n");
        assert_eq!(written(&["-o", "table"], &LINES), "HOST  X\na     1\nb\\nc  -\n");
        assert_eq!(written(&["-o", "tsv"], &LINES), "host\tx\na\t1\nb\\nc\t\n");
        assert_eq!(written(&["-o", "csv"], &LINES), "host,x\na,1\n\"b\nc\",\n");
    }

    #[test]
    fn header_of_csv_is_written_without_records_and_a_table_is_not() {
        assert_eq!(written(&["-o", "csv"], &[]), "host,x\n");
        assert_eq!(written(&["-o", "csv", "--sort", "x"], &[]), "host,x\n");
        assert_eq!(written(&["-o", "table"], &[]), "");
        assert_eq!(written(&["-o", "tsv", "--no-header"], &LINES), "a\t1\nb\\nc\t\n");
        assert_eq!(written(&["-o", "table", "--no-header"], &LINES), "a     1\nb\\nc  -\n");
    }

    #[test]
    fn columns_are_keys_of_the_records() {
        assert_eq!(written(&["--columns", "y,host"], &LINES), "Y  HOST\n-  a\n\\  b\\nc\n");
        assert_eq!(written(&["--columns", "y,nosuch", "-o", "tsv"], &LINES), "y\tnosuch\n\t\n\\\\\t\n");
        assert_eq!(written(&["--columns", "y", "-o", "csv"], &LINES), "y\n\"\"\n\\\n");
    }

    #[test]
    fn every_mode_is_sorted() {
        for (args, first) in [("json", r#"{"host":"b"#), ("names", "\"b"), ("table", "HOST"), ("csv", "host,x")] {
            let text = written(&["-o", args, "--sort", "-host"], &LINES);
            assert!(text.starts_with(first) && text.find("b").unwrap() < text.rfind('a').unwrap(), "{text}");
        }
    }

    #[test]
    fn hostile_text_cannot_end_a_cell() {
        let line = r#"{"host":"a\tb\r\n,\"c\\","x":"\u001b[2J日本"}"#;
        assert_eq!(written(&["-o", "tsv", "--no-header"], &[line]), "a\\tb\\r\\n,\"c\\\\\t\u{1b}[2J日本\n");
        assert_eq!(written(&["-o", "csv", "--no-header"], &[line]), "\"a\tb\r\n,\"\"c\\\",\u{1b}[2J日本\n");
        let args = Args::parse_from(["x", "-o", "tsv", "--no-header"]).output;
        let mut writer = RecordWriter::new(Vec::new(), &args.format, OutputMode::Tsv, &COLUMNS, &Tool { name: "x" });
        writer.on_terminal = true;
        writer.write(&Record::parse(line).unwrap()).unwrap();
        assert_eq!(String::from_utf8(writer.into_text()).unwrap(), "a\\tb\\r\\n,\"c\\\\\t\\u{1b}[2J日本\n");
    }

    #[test]
    fn slip_in_a_column_is_told_with_the_likely_key() {
        let mut paths = Paths::new(vec!["stat".to_string()]);
        paths.note_keys(Record::parse(r#"{"host":"a","tags":{"role":"x"}}"#).unwrap().iter());
        assert_eq!(paths.known, ["host", "tags", "tags.role"]);
    }
}
