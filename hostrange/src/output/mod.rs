//! Writes hosts as names or JSON lines, in large blocks, or as a table.

pub(crate) mod by;
pub(crate) mod fold_lines;
pub(crate) mod group_lines;
pub(crate) mod split;

use crate::pattern::names::Names;
use crate::set::Host;
use crate::set::visit::{HostVisitor, Stop, Visited, finished};
use cerveza_manners::{Column, Failure, FormatArgs, OutputMode, RecordWriter, Result, Tool, json_line};
use cerveza_record::{Record, printed_name, quote};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::os::fd::AsFd;

/// A visitor that writes hosts to stdout.
pub(crate) trait Output: HostVisitor {
    /// Starts a part of --split. Called before the first part too.
    fn next_part(&mut self) -> Visited;

    /// Writes what is still buffered.
    fn finish(&mut self) -> Result<()>;
}

/// Size of a write: the capacity of a pipe.
const BLOCK: usize = 64 * 1024;

/// Names or JSON lines.
pub(crate) struct Lines {
    out: File,
    /// The buffer. `block[..used]` is not written yet.
    block: Vec<u8>,
    used: usize,
    /// Text before each name, before the first name of a part, after each name, and at the end of a part.
    before: Vec<u8>,
    before_first: Vec<u8>,
    after: Vec<u8>,
    end: Vec<u8>,
    is_json: bool,
    on_terminal: bool,
    /// The number of the current part of --split.
    part: Option<usize>,
    is_first: bool,
}

impl Lines {
    pub fn json() -> Result<Lines> {
        let mut lines = Lines::new()?;
        lines.is_json = true;
        lines.set_json_frame();
        Ok(lines)
    }

    /// `\n` and `\0` (for `xargs -0`) also end the last name. After any other separator the output ends with a newline.
    pub fn names(separator: &str) -> Result<Lines> {
        let mut lines = Lines::new()?;
        match separator {
            "\n" | "\0" => lines.after = separator.into(),
            separator => (lines.before, lines.end) = (separator.into(), "\n".into()),
        }
        Ok(lines)
    }

    fn new() -> Result<Lines> {
        let stdout = io::stdout();
        // Rust's own stdout would search each block for its last newline.
        let out = stdout.as_fd().try_clone_to_owned().map_err(|error| Failure::stdout(&error))?;
        Ok(Lines {
            out: out.into(),
            block: vec![0; BLOCK],
            used: 0,
            before: Vec::new(),
            before_first: Vec::new(),
            after: Vec::new(),
            end: Vec::new(),
            is_json: false,
            on_terminal: stdout.is_terminal(),
            part: None,
            is_first: true,
        })
    }

    fn set_json_frame(&mut self) {
        self.before = b"{\"host\":\"".to_vec();
        self.before_first = self.before.clone();
        self.after = match self.part {
            Some(part) => format!("\",\"split\":{part}}}\n").into(),
            None => b"\"}\n".to_vec(),
        };
    }

    fn put(&mut self, bytes: &[u8]) -> Visited {
        if self.used + bytes.len() > BLOCK {
            self.flush()?;
        }
        match self.block.get_mut(self.used..self.used + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.used += bytes.len();
                Ok(())
            }
            None => self.out.write_all(bytes).map_err(lost),
        }
    }

    fn flush(&mut self) -> Visited {
        let written = self.out.write_all(&self.block[..self.used]);
        self.used = 0;
        written.map_err(lost)
    }

    fn put_name(&mut self, name: &str) -> Visited {
        let before = if self.is_first { &self.before_first } else { &self.before };
        let line = [before, name.as_bytes(), &self.after].concat();
        self.is_first = false;
        self.put(&line)
    }

    fn end_part(&mut self) -> Visited {
        if self.is_first { Ok(()) } else { self.put(&self.end.clone()) }
    }
}

fn lost(error: io::Error) -> Stop {
    Stop::Failed(Failure::stdout(&error))
}

impl HostVisitor for Lines {
    fn visit_host(&mut self, host: &Host<'_>) -> Visited {
        match host {
            Host::Record(record) if self.is_json => {
                let line = match self.part {
                    Some(part) => json_line(&in_part(record, part), self.on_terminal),
                    None => json_line(record, self.on_terminal),
                };
                self.put(line.as_bytes())?;
                self.put(b"\n")
            }
            host if self.is_json => {
                // The text before and after has the quotes.
                let name = quote(host.name());
                self.put_name(&name[1..name.len() - 1])
            }
            host => self.put_name(&printed_name(host.name())),
        }
    }

    fn visit_run(&mut self, run: &mut Names<'_>) -> Visited {
        if !run.pattern().is_bare() {
            while let Some(name) = run.next_name() {
                self.visit_host(&name.into())?;
            }
            return Ok(());
        }
        while let Some(name) = run.next_name() {
            // The first name may have another text before it, and a long name does not fit into a block.
            self.put_name(name)?;
            loop {
                let used = run.fill(&mut self.block, self.used, &self.before, &self.after);
                if used == self.used {
                    break;
                }
                self.used = used;
                if run.left() > 0 {
                    self.flush()?;
                }
            }
        }
        Ok(())
    }
}

impl Output for Lines {
    fn next_part(&mut self) -> Visited {
        self.end_part()?;
        self.is_first = true;
        self.part = Some(self.part.unwrap_or_default() + 1);
        if self.is_json {
            self.set_json_frame();
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        finished(self.end_part().and_then(|()| self.flush()))
    }
}

fn in_part(record: &Record, part: usize) -> Record {
    let mut record = record.clone();
    record.set("split", part);
    record
}

pub(crate) struct Table {
    /// `None` after `finish`.
    writer: Option<RecordWriter<BufWriter<Stdout>>>,
    part: Option<usize>,
}

const COLUMNS: [Column; 2] = [Column { header: "HOST", key: "host" }, Column { header: "SPLIT", key: "split" }];

impl Table {
    pub fn new(args: &FormatArgs, is_split: bool, tool: &Tool) -> Table {
        let columns = if is_split { &COLUMNS } else { &COLUMNS[..1] };
        Table { writer: Some(args.writer(OutputMode::Names, columns, tool)), part: None }
    }
}

impl HostVisitor for Table {
    fn visit_host(&mut self, host: &Host<'_>) -> Visited {
        let mut record = match host {
            Host::Name(_) => Record::named(host.name()),
            Host::Record(record) => Record::clone(record),
        };
        if let Some(part) = self.part {
            record.set("split", part);
        }
        if let Some(writer) = &mut self.writer {
            writer.write(&record)?;
        }
        Ok(())
    }
}

impl Output for Table {
    fn next_part(&mut self) -> Visited {
        self.part = Some(self.part.unwrap_or_default() + 1);
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.writer.take().map_or(Ok(()), RecordWriter::finish)
    }
}
