//! Shows output as lines. Each line has its host's name and a mark: `!` for stderr, `=` for what the tool itself reports
//! about the host, none for stdout.
//!
//! On a terminal the mark follows the name directly (`web1! text`), so no output can look like a line of another kind,
//! and names are padded to one width. Elsewhere each line is `web1: text`, `web1: ! text` or `web1: = text`, because
//! dshbak, clubak and awk take the text before the first colon as the host.

use crate::output::outcome::{HostStatus, Outcome};
use cerveza_manners::{columns, visible};

/// Names up to this wide are padded to one width.
const WIDEST: usize = 24;
/// The most characters of a line that a table shows.
const LONGEST_LAST: usize = 200;
/// Colours for names. Red is not among them, because it is for errors.
const COLOURS: [&str; 10] = ["36", "32", "33", "35", "34", "96", "92", "93", "95", "94"];
pub const RED: &str = "31";
pub const GREEN: &str = "32";
const YELLOW: &str = "33";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    Stdout,
    Stderr,
    Status,
}

/// How lines look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    pub colour: bool,
    /// Remote output is not escaped.
    pub raw: bool,
    /// On a terminal: the width that names are padded to.
    width: Option<usize>,
}

impl Style {
    pub fn new(colour: bool, raw: bool) -> Style {
        Style { colour, raw, width: None }
    }

    /// Returns the style for lines of these hosts on a terminal.
    pub fn on_terminal<'a>(self, hosts: impl Iterator<Item = &'a str>) -> Style {
        Style { width: Some(width_of(hosts, WIDEST)), ..self }
    }

    pub fn is_on_terminal(&self) -> bool {
        self.width.is_some()
    }

    /// Returns what each line of the host begins with.
    pub fn prefix(&self, host: &str, mark: LineKind) -> Vec<u8> {
        let name = visible(host);
        let pad = " ".repeat(self.width.unwrap_or_default().saturating_sub(columns(&name)));
        let name = self.coloured(colour_of(host), &name);
        let mark = match mark {
            LineKind::Stdout => None,
            LineKind::Stderr => Some(self.coloured(YELLOW, "!")),
            LineKind::Status => Some(self.coloured(RED, "=")),
        };
        match (self.width, mark) {
            (Some(_), mark) => format!("{name}{}{pad} ", mark.as_deref().unwrap_or(":")),
            (None, None) => format!("{name}: "),
            (None, Some(mark)) => format!("{name}: {mark} "),
        }
        .into_bytes()
    }

    pub fn coloured(&self, colour: &str, text: &str) -> String {
        match self.colour {
            true => format!("\x1b[{colour}m{text}\x1b[0m"),
            false => text.to_string(),
        }
    }

    /// Adds one line; `line` has no newline.
    pub fn push_line(&self, text: &mut Vec<u8>, prefix: &[u8], line: &[u8]) {
        text.extend_from_slice(prefix);
        if self.raw {
            text.extend_from_slice(line);
            if self.colour && line.contains(&0x1b) {
                // Resets a colour that the host's output left on.
                text.extend_from_slice(b"\x1b[0m");
            }
        } else {
            push_shown(text, line);
        }
        text.push(b'\n');
    }

    /// Adds all lines of an output.
    pub fn push_lines(&self, text: &mut Vec<u8>, prefix: &[u8], bytes: &[u8]) {
        for line in lines(bytes) {
            self.push_line(text, prefix, line);
        }
    }

    /// Adds the tool's line about a host that is not ok, or where not everything was copied.
    pub fn push_status(&self, text: &mut Vec<u8>, host: &str, outcome: &Outcome) {
        if let Some(said) = said(outcome) {
            text.extend_from_slice(&self.prefix(host, LineKind::Status));
            text.extend_from_slice(self.coloured(RED, &visible(&said)).as_bytes());
            text.push(b'\n');
        }
    }

    /// Adds all lines of a finished host. Adds nothing if it is ok and printed nothing.
    pub fn push_host(&self, text: &mut Vec<u8>, host: &str, outcome: &Outcome) {
        self.push_lines(text, &self.prefix(host, LineKind::Stdout), &outcome.stdout.bytes);
        self.push_lines(text, &self.prefix(host, LineKind::Stderr), &outcome.stderr.bytes);
        self.push_status(text, host, outcome);
    }
}

/// Returns the status and error, such as `failed: the command's exit status is 3`.
fn said(outcome: &Outcome) -> Option<String> {
    match (outcome.status, &outcome.error) {
        (HostStatus::Ok, None) => left_out(outcome),
        (status, Some(error)) => Some(format!("{}: {error}", status.name())),
        (status, None) => Some(status.name().to_string()),
    }
}

/// Returns `ok, but not all was copied: /var/log/b: the symbolic link leads nowhere (and 3 more)`.
fn left_out(outcome: &Outcome) -> Option<String> {
    let copied = outcome.copied.as_ref()?;
    let first = copied.skipped.first()?;
    let more = match copied.skipped.len() as u64 - 1 + copied.more_skipped {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(format!("ok, but not all was copied: {first}{more}"))
}

/// Returns the columns that the widest of the names takes, as shown; names wider than `most` do not count.
pub fn width_of<'a>(names: impl Iterator<Item = &'a str>, most: usize) -> usize {
    let widths = names.map(|name| columns(&visible(name)));
    widths.filter(|width| *width <= most).max().unwrap_or_default()
}

/// Returns the colour of a name, which is the same in every run.
fn colour_of(host: &str) -> &'static str {
    // FNV-1a, because the hash of std may change with its release.
    let hash = host
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    COLOURS[(hash >> 32) as usize % COLOURS.len()]
}

/// Returns the lines of an output, without newlines.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(|line| without_return(line.strip_suffix(b"\n").unwrap_or(line)))
}

pub fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Adds remote output with control characters escaped, except tabs.
fn push_shown(text: &mut Vec<u8>, line: &[u8]) {
    if line.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return text.extend_from_slice(line);
    }
    for (number, part) in String::from_utf8_lossy(line).split('\t').enumerate() {
        if number > 0 {
            text.push(b'\t');
        }
        text.extend_from_slice(visible(part).as_bytes());
    }
}

/// Returns the last line of stdout if the command is ok, of stderr if it failed, and otherwise the error.
pub fn last_line(outcome: &Outcome) -> String {
    let error = || outcome.error.clone();
    let (stdout, stderr) =
        (|| cerveza_manners::last_line(&outcome.stdout.bytes), || cerveza_manners::last_line(&outcome.stderr.bytes));
    let line = match outcome.status {
        HostStatus::Ok => stdout().or_else(stderr).or_else(error),
        HostStatus::Failed | HostStatus::Signaled => stderr().or_else(stdout).or_else(error),
        _ => error(),
    };
    let line = line.unwrap_or_default();
    match line.char_indices().nth(LONGEST_LAST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::output::capture::Output;
    use crate::output::outcome::Phase;

    pub fn outcome(status: HostStatus, stdout: &str, stderr: &str) -> Outcome {
        Outcome { stdout: Output::of(stdout), stderr: Output::of(stderr), ..Outcome::new(status, Some(Phase::Exec)) }
    }

    fn host_lines(style: &Style, host: &str, outcome: &Outcome) -> String {
        let mut text = Vec::new();
        style.push_host(&mut text, host, outcome);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn every_line_names_its_host_and_none_moves_the_cursor() {
        let plain = Style::default();
        let ok = outcome(HostStatus::Ok, "a\tb\r\n\x1b[2Jc", "warn\n\n");
        assert_eq!(host_lines(&plain, "web1", &ok), "web1: a\tb\nweb1: \\u{1b}[2Jc\nweb1: ! warn\nweb1: ! \n");
        assert_eq!(host_lines(&plain, "web1", &outcome(HostStatus::Ok, "", "")), "");
        let failed = Outcome { error: Some("exit status 3".to_string()), ..outcome(HostStatus::Failed, "", "") };
        assert_eq!(host_lines(&plain, "w\n1", &failed), "w\\n1: = failed: exit status 3\n");
    }

    #[test]
    fn names_are_coloured_by_name_and_padded_up_to_a_width() {
        let colour = Style::new(true, false).on_terminal(std::iter::empty());
        let failed = outcome(HostStatus::Failed, "a\n", "b\n");
        assert_eq!(
            host_lines(&colour, "w", &failed),
            "\x1b[34mw\x1b[0m: a\n\x1b[34mw\x1b[0m\x1b[33m!\x1b[0m b\n\x1b[34mw\x1b[0m\x1b[31m=\x1b[0m \x1b[31mfailed\x1b[0m\n"
        );
        let long = "x".repeat(30);
        let names = ["web10", "a", &long];
        let shown =
            |style: Style| names.map(|host| host_lines(&style, host, &outcome(HostStatus::Ok, "1", ""))).concat();
        let style = Style::new(false, false);
        assert_eq!(shown(style.on_terminal(names.into_iter())), format!("web10: 1\na:     1\n{long}: 1\n"));
        assert_eq!(shown(style), format!("web10: 1\na: 1\n{long}: 1\n"));
    }

    #[test]
    fn raw_output_is_as_it_is_and_keeps_its_colour_to_itself() {
        let raw = Style { raw: true, colour: true, ..Style::default() };
        let mut text = Vec::new();
        raw.push_lines(&mut text, b"> ", b"\x1b[31mred\nplain \xff\n");
        assert_eq!(text, b"> \x1b[31mred\x1b[0m\n> plain \xff\n");
    }

    #[test]
    fn the_last_line_is_of_what_there_is() {
        assert_eq!(last_line(&outcome(HostStatus::Ok, "a\n b \n\n", "c\n")), "b");
        assert_eq!(last_line(&outcome(HostStatus::Ok, "", "c\n")), "c");
        assert_eq!(last_line(&outcome(HostStatus::Ok, "", "")), "");
    }
}
