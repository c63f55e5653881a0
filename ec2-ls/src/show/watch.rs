//! `--watch`: the table, drawn again and again, with marks on what has changed.

use crate::show::show_args::ShowArgs;
use crate::show::{ONLY_IF_USED, OPTIONAL, columns};
use cerveza_manners::{Failure, OutputMode, RecordWriter, Result, Status, TableRow, Tool, visible};
use cerveza_record::Record;
use console::Term;
use std::collections::{HashMap, HashSet};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

/// What one look found. Hosts that were seen before in a region that gives no answer now are shown as they were.
pub struct Look {
    pub records: Vec<Record>,
    pub failures: Vec<Failure>,
    /// Whether the region of a record gives no answer.
    pub is_unknown: Box<dyn Fn(&Record) -> bool>,
}

/// How long a change stays marked, and a host that is gone stays in the table.
const MARKED_FOR: Duration = Duration::from_secs(10);

/// Checks that there is something to draw on.
pub fn check(args: &ShowArgs) -> Result<()> {
    let loops = "to write records again and again use a loop: while ec2-ls; do sleep 5; done";
    if args.mode() != OutputMode::Table {
        return Err(Failure::usage("--watch shows a table").hint(loops));
    }
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    if !io::stdout().is_terminal() {
        return Err(Failure::usage("--watch draws on a terminal, and stdout is not one").hint(loops));
    }
    if is_dumb {
        return Err(Failure::usage("--watch moves the cursor, which the terminal of TERM cannot do").hint(loops));
    }
    Ok(())
}

/// Looks and draws until Ctrl-C.
pub async fn watch(
    args: &ShowArgs,
    interval: Duration,
    what: &str,
    tool: &Tool,
    look: impl AsyncFn() -> Result<Look>,
    interrupted: impl AsyncFn() -> Failure,
) -> Result<Status> {
    let writer = args.output_with_env().writer(OutputMode::Table, &columns(args, OutputMode::Table), tool);
    let writer = writer.optional(&OPTIONAL).only_if_used(&ONLY_IF_USED);
    let mut resized = signal(SignalKind::window_change())
        .map_err(|error| Failure::usage(format!("cannot watch the size of the terminal: {error}")))?;
    let mut table = Watched::default();
    let mut screen = None;
    loop {
        let next = Instant::now() + interval;
        match look().await {
            Err(failure) if failure.status == Status::Interrupted => return Ok(Status::Interrupted),
            // At first nothing is known, so this is a run that failed.
            Err(failure) if screen.is_none() => return Err(failure),
            Err(failure) => table.fail(failure),
            Ok(look) => table.update(look, &writer),
        }
        let screen = match &mut screen {
            Some(screen) => screen,
            none => none.insert(Screen::open()?),
        };
        loop {
            screen.draw(&table.lines(&writer, what, interval))?;
            tokio::select! {
                () = sleep_until(next) => break,
                _ = resized.recv() => {}
                _ = interrupted() => return Ok(Status::Interrupted),
            }
        }
    }
}

/// What is shown, and what was shown before.
#[derive(Default)]
struct Watched {
    records: Vec<Record>,
    rows: Vec<MarkedRow>,
    failures: Vec<Failure>,
    is_begun: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct MarkedRow {
    key: String,
    mark: Mark,
    /// When the mark was made.
    since: Instant,
    cells: Vec<String>,
    bold: Vec<bool>,
}

/// What has become of a host.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mark {
    Same,
    Changed,
    New,
    Gone,
    /// Its region did not answer.
    Stale,
}

impl Mark {
    fn symbol(self) -> char {
        match self {
            Mark::Same => ' ',
            Mark::Changed => '*',
            Mark::New => '+',
            Mark::Gone => '-',
            Mark::Stale => '?',
        }
    }

    fn is_change(self) -> bool {
        matches!(self, Mark::Changed | Mark::New | Mark::Gone)
    }
}

impl Watched {
    /// Nothing answered: all is as it was.
    fn fail(&mut self, failure: Failure) {
        self.failures = vec![failure];
        self.rows.retain(|row| row.mark != Mark::Gone);
        for row in &mut self.rows {
            (row.mark, row.bold) = (Mark::Stale, Vec::new());
        }
    }

    fn update(&mut self, look: Look, writer: &RecordWriter<impl Write>) {
        let mut records = look.records;
        let answered = records.len();
        let known: HashSet<String> = records.iter().map(key).collect();
        let is_unknown = |record: &&Record| (look.is_unknown)(record) && !known.contains(&key(record));
        records.extend(self.records.iter().filter(is_unknown).cloned());
        let is_stale = |place: usize| place >= answered || records[place].has("stale");
        let rows = writer.rows(&records).into_iter().map(|(place, row)| (key(&records[place]), is_stale(place), row));
        self.rows = marked(self.is_begun.then_some(self.rows.as_slice()), rows, Instant::now());
        (self.records, self.failures, self.is_begun) = (records, look.failures, true);
    }

    fn lines(&self, writer: &RecordWriter<impl Write>, what: &str, interval: Duration) -> Vec<String> {
        let (height, width) = Term::stdout().size();
        let (height, width) = (usize::from(height), usize::from(width));
        let row = |row: &MarkedRow| TableRow { cells: row.cells.clone(), bold: row.bold.clone() };
        let table = writer.table_lines(&self.rows.iter().map(row).collect::<Vec<_>>(), width.saturating_sub(2));
        let headers = table.len() - self.rows.len();
        let now = humantime::format_rfc3339_seconds(SystemTime::now());
        let mut lines =
            vec![cut(&format!("Every {}s: {}  {now}  {}", interval.as_secs(), visible(what), self.count()), width)];
        lines.extend(self.failures.iter().map(|failure| cut(&visible(&failure.message.replace('\n', " ")), width)));
        lines.push(String::new());
        lines.extend(table[..headers].iter().map(|line| format!("  {line}")));
        let room = height.saturating_sub(lines.len());
        let mut body: Vec<(&String, Mark)> =
            table[headers..].iter().zip(self.rows.iter().map(|row| row.mark)).collect();
        let mut hidden = Vec::new();
        if body.len() > room {
            // What has changed comes first where not all hosts fit.
            body.sort_by_key(|(_, mark)| !mark.is_change());
            hidden = body.split_off(room.saturating_sub(1));
        }
        lines.extend(body.iter().map(|(line, mark)| format!("{} {line}", mark.symbol())));
        if !hidden.is_empty() {
            let changed = hidden.iter().filter(|(_, mark)| mark.is_change()).count();
            let changed = if changed > 0 { format!(", {changed} of them marked") } else { String::new() };
            lines.push(cut(&format!("  ... and {} more{changed}", hidden.len()), width));
        }
        lines.truncate(height);
        lines
    }

    /// As `3 hosts: 2 running, 1 stopped`.
    fn count(&self) -> String {
        let mut states: Vec<(String, usize)> = Vec::new();
        for record in &self.records {
            let state = record.str("state").unwrap_or_default();
            match states.iter_mut().find(|(known, _)| *known == state) {
                Some((_, count)) => *count += 1,
                None => states.push((state, 1)),
            }
        }
        let states: Vec<String> = states.iter().map(|(state, count)| format!("{count} {}", visible(state))).collect();
        let hosts = if self.records.len() == 1 { "host" } else { "hosts" };
        if states.is_empty() {
            "no hosts".to_string()
        } else {
            format!("{} {hosts}: {}", self.records.len(), states.join(", "))
        }
    }
}

/// Returns what a host is recognized by. An account may be listed by two profiles.
fn key(record: &Record) -> String {
    let name = record.str("instance_id").unwrap_or_else(|| record.host().to_string());
    name + " " + &record.str("aws_profile").unwrap_or_default()
}

/// Marks the rows by what was shown before. A mark stays for [`MARKED_FOR`], and so does a host that is gone, at the
/// end.
fn marked(
    before: Option<&[MarkedRow]>,
    rows: impl Iterator<Item = (String, bool, TableRow)>,
    now: Instant,
) -> Vec<MarkedRow> {
    let is_recent = |row: &MarkedRow| row.mark.is_change() && now < row.since + MARKED_FOR;
    let known: HashMap<&str, &MarkedRow> = before
        .unwrap_or_default()
        .iter()
        .filter(|row| row.mark != Mark::Gone)
        .map(|row| (row.key.as_str(), row))
        .collect();
    let mut rows: Vec<MarkedRow> = rows
        .map(|(key, is_stale, TableRow { cells, .. })| {
            let old = known.get(key.as_str()).copied();
            let has_changed = |(at, cell): (usize, &String)| old.is_some_and(|old| old.cells[at] != *cell);
            let changed: Vec<bool> = cells.iter().enumerate().map(has_changed).collect();
            let (mark, since, bold) = match (old, before) {
                _ if is_stale => (Mark::Stale, now, Vec::new()),
                (None, Some(_)) => (Mark::New, now, vec![true; cells.len()]),
                (Some(old), _) if changed.contains(&true) && !(old.mark == Mark::New && is_recent(old)) => {
                    // Cells that changed a moment ago stay bold too.
                    let is_bold = |at: usize| is_recent(old) && old.bold.get(at) == Some(&true);
                    let bold = changed.iter().enumerate().map(|(at, changed)| *changed || is_bold(at));
                    (Mark::Changed, now, bold.collect())
                }
                (Some(old), _) if is_recent(old) => (old.mark, old.since, old.bold.clone()),
                _ => (Mark::Same, now, Vec::new()),
            };
            MarkedRow { key, mark, since, cells, bold }
        })
        .collect();
    let shown: HashSet<&str> = rows.iter().map(|row| row.key.as_str()).collect();
    let is_gone = |old: &&MarkedRow| !shown.contains(old.key.as_str()) && (old.mark != Mark::Gone || is_recent(old));
    let gone: Vec<MarkedRow> = before.unwrap_or_default().iter().filter(is_gone).cloned().collect();
    rows.extend(gone.into_iter().map(|old| match old.mark {
        Mark::Gone => old,
        _ => MarkedRow { mark: Mark::Gone, since: now, bold: vec![true; old.cells.len()], ..old },
    }));
    rows
}

fn cut(text: &str, width: usize) -> String {
    console::truncate_str(text, width, "…").into_owned()
}

/// The terminal's other screen, which gives way to what was there before.
struct Screen;

impl Screen {
    fn open() -> Result<Screen> {
        write("\x1b[?1049h\x1b[?25l").map(|()| Screen)
    }

    fn draw(&mut self, lines: &[String]) -> Result<()> {
        let lines: Vec<String> = lines.iter().map(|line| format!("{line}\x1b[K")).collect();
        write(&format!("\x1b[H{}\x1b[J", lines.join("\r\n")))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = write("\x1b[?25h\x1b[?1049l");
    }
}

fn write(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| Failure::stdout(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, state: &str) -> (String, bool, TableRow) {
        (key.to_string(), false, TableRow { cells: vec![key.to_string(), state.to_string()], bold: Vec::new() })
    }

    fn marks(rows: &[MarkedRow]) -> String {
        rows.iter().map(|row| format!("{}{}", row.mark.symbol(), row.key)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn marks_stay_for_a_while_and_so_does_a_host_that_is_gone() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let first = marked(None, [row("a", "running"), row("b", "running")].into_iter(), at(0));
        assert_eq!(marks(&first), " a  b");
        assert!(first.iter().all(|row| row.bold.is_empty()));
        let now = || [row("a", "stopped"), row("c", "running")].into_iter();
        let second = marked(Some(&first), now(), at(2));
        assert_eq!(marks(&second), "*a +c -b");
        assert_eq!(second[0].bold, [false, true]);
        let third = marked(Some(&second), now(), at(11));
        assert_eq!(marks(&third), "*a +c -b");
        assert_eq!(third[0].bold, [false, true]);
        let back = marked(Some(&third), [row("b", "running")].into_iter(), at(11));
        assert_eq!(marks(&back), "+b -a -c");
        let last = marked(Some(&third), now(), at(12));
        assert_eq!(marks(&last), " a  c");
        assert!(last.iter().all(|row| row.bold.is_empty()));
    }

    #[test]
    fn hosts_of_a_region_that_does_not_answer_are_stale() {
        let now = Instant::now();
        let mut table = Watched { rows: marked(None, [row("a", "running")].into_iter(), now), ..Watched::default() };
        table.fail(Failure::unreached("down"));
        assert_eq!(marks(&table.rows), "?a");
        let (key, _, cells) = row("a", "running");
        assert_eq!(marks(&marked(Some(&table.rows), [(key, true, cells)].into_iter(), now)), "?a");
    }
}
