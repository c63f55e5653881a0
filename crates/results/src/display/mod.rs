//! Writes the results of hosts: as records, or as text for people. `live` shows lines as they arrive; `group` and
//! `diff` show everything at the end.
//!
//! All text is collected in memory and written at once. So two hosts never share a line, and the progress bar makes
//! room once for many lines.

pub mod args;
mod diff;
pub mod finish;
mod group;
mod live;
mod style;
pub mod summary;
mod table;
pub mod writer;

use crate::display::args::DisplayArgs;
use crate::display::style::Style;
use crate::output::outcome::Outcome;
use crate::output::record::with_result;
use crate::output::stream::Stream;
use cerveza_manners::{Column, Failure, OutputArgs, OutputMode, RecordWriter, Result, Tool, json_line};
use cerveza_record::{Record, printed_name};
use diff::Differ;
use group::Groups;
use live::Live;
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::mem;
use std::time::Instant;
use table::Table;

/// The most bytes of output in the queue.
pub const QUEUE_LIMIT: usize = 1024 * 1024;
/// Text is flushed at this size.
const FLUSH_SIZE: usize = 256 * 1024;

/// The columns of csv and tsv.
const COLUMNS: [Column; 7] = [
    Column { header: "HOST", key: "host" },
    Column { header: "STATUS", key: "status" },
    Column { header: "EXIT", key: "exit_code" },
    Column { header: "MS", key: "duration_ms" },
    Column { header: "OUTPUT", key: "stdout" },
    Column { header: "STDERR", key: "stderr" },
    Column { header: "ERROR", key: "error" },
];

enum View {
    Json {
        on_terminal: bool,
    },
    Names,
    Table(Table),
    /// Sorted records, or columns of records.
    Rows(Box<RecordWriter<Vec<u8>>>),
    Live(Live),
    /// Lines, each host's when it is done.
    Hosts(Style),
    Groups {
        groups: Groups,
        style: Style,
        diff: bool,
    },
}

/// Makes text of results. If writing it fails, the failure is kept for the end, because the commands go on.
pub struct Renderer {
    view: View,
    order: Option<Order>,
    text: Vec<u8>,
    failure: Option<Failure>,
}

/// With `--ordered`, holds hosts that are done until those before them are.
#[derive(Default)]
struct Order {
    next: usize,
    held: BTreeMap<usize, (Record, Outcome)>,
}

impl Renderer {
    /// `hosts` are all hosts of the run, for the width of their column.
    pub fn new<'a>(
        args: &DisplayArgs,
        output: &OutputArgs,
        hosts: impl Iterator<Item = &'a str>,
        tool: &Tool,
    ) -> Result<Renderer> {
        Renderer::on(args, output, hosts, io::stdout().is_terminal(), tool)
    }

    fn on<'a>(
        args: &DisplayArgs,
        output: &OutputArgs,
        hosts: impl Iterator<Item = &'a str>,
        on_terminal: bool,
        tool: &Tool,
    ) -> Result<Renderer> {
        let (colour, auto) = (output.format.color.is_on(on_terminal), output.is_auto());
        let style = Style::new(colour, args.raw);
        let view = if args.group || args.diff {
            if !auto {
                let option = if args.diff { "--diff" } else { "--group" };
                return Err(Failure::usage(format!("{option} is text for people and goes with no --output"))
                    .hint("leave it out for records; jq groups them, as in: jq -s 'group_by(.stdout)'"));
            }
            View::Groups { groups: Groups::default(), style, diff: args.diff }
        } else if args.lines && !auto {
            return Err(Failure::usage("--lines is text for people and goes with no --output"));
        } else if auto && output.sort.sort.is_empty() && (on_terminal || args.lines) {
            let style = if on_terminal { style.on_terminal(hosts) } else { style };
            if args.ordered { View::Hosts(style) } else { View::Live(Live::new(style)) }
        } else {
            let mode = output.mode(OutputMode::Table);
            let is_plain = output.sort.sort.is_empty() && output.format.columns.is_empty() && !output.format.no_header;
            match mode {
                OutputMode::Json if is_plain => View::Json { on_terminal },
                OutputMode::Names if is_plain => View::Names,
                OutputMode::Table if is_plain => View::Table(Table::new(hosts)),
                mode => {
                    let writer = RecordWriter::new(Vec::new(), &output.format, mode, &COLUMNS, tool);
                    View::Rows(Box::new(writer.on_stdout(&output.format).sorted(&output.sort)))
                }
            }
        };
        let order = args.ordered.then(Order::default);
        Ok(Renderer { view, order, text: Vec::new(), failure: None })
    }

    /// Shows the lines of a host when it is done, for a tool that gets no output earlier.
    pub fn without_live(mut self) -> Renderer {
        if let View::Live(live) = &self.view {
            self.view = View::Hosts(live.style());
        }
        self
    }

    /// Returns whether output is shown as it arrives. Otherwise the outcome has everything that is shown of a host.
    pub fn is_live(&self) -> bool {
        matches!(self.view, View::Live(_))
    }

    /// Returns whether the outcome's output is shown. If not, it need not be captured.
    pub fn needs_kept(&self) -> bool {
        !matches!(self.view, View::Live(_) | View::Names)
    }

    pub fn output(&mut self, index: usize, host: &str, stream: Stream, bytes: &[u8]) {
        if let View::Live(live) = &mut self.view
            && self.failure.is_none()
        {
            live.output(&mut self.text, (index, host), stream, bytes, Instant::now());
        }
    }

    /// Adds the outcome of a host. It may be held until others are done.
    pub fn add_outcome(&mut self, index: usize, record: &Record, outcome: Outcome) {
        if self.failure.is_some() {
            return;
        }
        let Some(order) = &mut self.order else { return self.show(index, record, outcome) };
        order.held.insert(index, (record.clone(), outcome));
        while let Some((index, (record, outcome))) = self.order.as_mut().and_then(Order::pop) {
            self.show(index, &record, outcome);
        }
    }

    fn show(&mut self, index: usize, record: &Record, outcome: Outcome) {
        let (text, host) = (&mut self.text, record.host());
        match &mut self.view {
            View::Json { on_terminal } => {
                text.extend_from_slice(json_line(&with_result(record, outcome), *on_terminal).as_bytes());
                text.push(b'\n');
            }
            View::Names => {
                text.extend_from_slice(printed_name(host).as_bytes());
                text.push(b'\n');
            }
            View::Table(table) => table.row(text, host, &outcome),
            View::Rows(writer) => {
                // Writing to memory cannot fail.
                let _ = writer.write(&with_result(record, outcome));
                text.append(&mut writer.take_text());
            }
            View::Live(live) => live.end_host(text, (index, host), &outcome),
            View::Hosts(style) => style.push_host(text, host, &outcome),
            View::Groups { groups, .. } => groups.add(host, outcome),
        }
        if self.text.len() >= FLUSH_SIZE && !self.is_live() {
            self.flush();
        }
    }

    /// Shows lines that have waited for their end for too long.
    pub fn tick(&mut self, now: Instant) {
        if let View::Live(live) = &mut self.view {
            live.tick(&mut self.text, now);
        }
    }

    pub fn has_text(&self) -> bool {
        !self.text.is_empty()
    }

    /// Writes the text to stdout.
    pub fn flush(&mut self) {
        if self.failure.is_none() {
            let mut stdout = io::stdout().lock();
            let written = stdout.write_all(&self.text).and_then(|()| stdout.flush());
            self.failure = written.err().map(|error| Failure::stdout(&error));
        }
        self.text.clear();
        // A large record does not keep its memory.
        self.text.shrink_to(2 * FLUSH_SIZE);
    }

    /// Writes what is left. Returns the first failure of all writing, except a closed pipe.
    pub fn finish(mut self) -> Result<()> {
        let held = self.order.take().map(|order| order.held);
        for (index, (record, outcome)) in held.into_iter().flatten() {
            self.show(index, &record, outcome);
        }
        if let View::Groups { groups, style, diff } = &mut self.view {
            let (groups, style, diff) = (mem::take(groups), *style, *diff);
            self.show_groups(groups, style, diff);
        }
        if let View::Rows(writer) = mem::replace(&mut self.view, View::Names) {
            self.text.append(&mut writer.into_text());
        }
        self.flush();
        match self.failure {
            Some(failure) if !failure.is_closed_pipe() => Err(failure),
            _ => Ok(()),
        }
    }

    fn show_groups(&mut self, groups: Groups, style: Style, diff: bool) {
        let groups = groups.sorted();
        let base = diff::base(&groups).filter(|_| diff);
        if let Some(base) = base {
            groups[base].show(&mut self.text, &style);
        }
        let mut differ = Differ::new();
        for (_, group) in groups.iter().enumerate().filter(|(index, _)| Some(*index) != base) {
            match base {
                Some(base) => group.show_against(&mut self.text, &style, &mut differ, &groups[base]),
                None => group.show(&mut self.text, &style),
            }
            self.flush();
        }
    }
}

impl Order {
    /// Removes and returns the next host, if it is done.
    fn pop(&mut self) -> Option<(usize, (Record, Outcome))> {
        let entry = self.held.remove_entry(&self.next)?;
        self.next += 1;
        Some(entry)
    }
}

#[cfg(test)]
mod tests;
