//! Shows lines of output while the commands run. Only whole lines are shown, so two hosts never share a line.

use crate::display::style::{LineKind, Style, without_return};
use crate::output::capture::whole_chars;
use crate::output::outcome::Outcome;
use crate::output::stream::Stream;
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// A longer line is shown in parts of this length.
const LONGEST_PART: usize = 64 * 1024;
/// On a terminal, an incomplete line is shown after this time without more output, because it may be a prompt.
const PROMPT_WAIT: Duration = Duration::from_secs(1);

pub struct Live {
    style: Style,
    hosts: HashMap<usize, [Line; 2]>,
    done: HashSet<usize>,
}

/// The current line of one stream of a host.
struct Line {
    prefix: Vec<u8>,
    /// The part that is not shown.
    rest: Vec<u8>,
    /// Whether a part of it was shown.
    begun: bool,
    since: Instant,
}

impl Live {
    pub fn new(style: Style) -> Live {
        Live { style, hosts: HashMap::new(), done: HashSet::new() }
    }

    pub fn style(&self) -> Style {
        self.style
    }

    /// Adds to `text` the lines that this output completes.
    pub fn output(
        &mut self,
        text: &mut Vec<u8>,
        (index, host): (usize, &str),
        stream: Stream,
        bytes: &[u8],
        now: Instant,
    ) {
        if self.done.contains(&index) {
            return;
        }
        let style = self.style;
        let lines = self.hosts.entry(index).or_insert_with(|| {
            [LineKind::Stdout, LineKind::Stderr].map(|mark| {
                let prefix = style.prefix(host, mark);
                Line { prefix, rest: Vec::new(), begun: false, since: now }
            })
        });
        lines[stream as usize].add_output(text, &style, bytes, now);
    }

    /// Shows lines without a newline, and the status of the host.
    pub fn end_host(&mut self, text: &mut Vec<u8>, (index, host): (usize, &str), outcome: &Outcome) {
        for mut line in self.hosts.remove(&index).into_iter().flatten() {
            if !line.rest.is_empty() {
                line.end(text, &self.style);
            }
        }
        self.done.insert(index);
        self.style.push_status(text, host, outcome);
    }

    /// Shows incomplete lines after a while, on a terminal. Programs get complete lines.
    pub fn tick(&mut self, text: &mut Vec<u8>, now: Instant) {
        if !self.style.is_on_terminal() {
            return;
        }
        for line in self.hosts.values_mut().flatten() {
            if !line.rest.is_empty() && now.saturating_duration_since(line.since) >= PROMPT_WAIT {
                let whole = whole_chars(&line.rest);
                line.show(text, &self.style, whole);
                line.since = now;
            }
        }
    }
}

impl Line {
    fn add_output(&mut self, text: &mut Vec<u8>, style: &Style, bytes: &[u8], now: Instant) {
        let mut left = bytes;
        while let Some(end) = memchr::memchr(b'\n', left) {
            let line = &left[..end];
            left = &left[end + 1..];
            if self.rest.is_empty() && !self.begun && line.len() <= LONGEST_PART {
                style.push_line(text, &self.prefix, without_return(line));
            } else {
                self.add_part(text, style, line);
                self.end(text, style);
            }
        }
        if !left.is_empty() {
            self.add_part(text, style, left);
            self.since = now;
        }
    }

    fn add_part(&mut self, text: &mut Vec<u8>, style: &Style, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let mut shown = 0;
        while self.rest.len() - shown > LONGEST_PART {
            let part = &self.rest[shown..][..LONGEST_PART];
            let part = &part[..whole_chars(part)];
            style.push_line(text, &self.prefix, part);
            shown += part.len();
        }
        if shown > 0 {
            self.rest.drain(..shown);
            self.begun = true;
        }
    }

    fn show(&mut self, text: &mut Vec<u8>, style: &Style, count: usize) {
        if count > 0 {
            style.push_line(text, &self.prefix, without_return(&self.rest[..count]));
            self.rest.drain(..count);
            self.begun = true;
        }
    }

    /// Shows the rest of the line at its end. If the line was shown in parts, nothing may be left of it.
    fn end(&mut self, text: &mut Vec<u8>, style: &Style) {
        let rest = without_return(&self.rest);
        if !(self.begun && rest.is_empty()) {
            style.push_line(text, &self.prefix, rest);
        }
        self.rest.clear();
        self.begun = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::display::style::tests::outcome;
    use crate::output::outcome::HostStatus;
    use proptest::prelude::*;

    const A: (usize, &str) = (0, "a");
    const B: (usize, &str) = (1, "b");

    fn plain() -> Live {
        Live::new(Style::default())
    }

    fn taken(text: &mut Vec<u8>) -> String {
        String::from_utf8(std::mem::take(text)).unwrap()
    }

    #[test]
    fn a_line_is_shown_when_it_is_whole_and_the_rest_when_the_host_is_done() {
        let (mut live, mut text, now) = (plain(), Vec::new(), Instant::now());
        live.output(&mut text, A, Stream::Stdout, b"one\ntw", now);
        live.output(&mut text, B, Stream::Stderr, b"warn\n", now);
        assert_eq!(taken(&mut text), "a: one\nb: ! warn\n");
        live.output(&mut text, A, Stream::Stdout, b"o\r\nthree", now);
        assert_eq!(taken(&mut text), "a: two\n");
        live.end_host(&mut text, A, &outcome(HostStatus::Lost, "one\ntwo\nthree", ""));
        live.output(&mut text, A, Stream::Stdout, b"too late\n", now);
        assert_eq!(taken(&mut text), "a: three\na: = lost\n");
    }

    #[test]
    fn a_prompt_is_shown_to_people_after_a_while_and_its_newline_makes_no_empty_line() {
        let (mut live, mut text, now) = (plain(), Vec::new(), Instant::now());
        live.output(&mut text, A, Stream::Stdout, b"Password: ", now);
        live.tick(&mut text, now + PROMPT_WAIT);
        assert_eq!(taken(&mut text), "");
        let mut live = Live::new(Style::default().on_terminal(std::iter::empty()));
        live.output(&mut text, A, Stream::Stdout, b"Password: ", now);
        live.tick(&mut text, now + PROMPT_WAIT / 2);
        assert_eq!(taken(&mut text), "");
        live.tick(&mut text, now + PROMPT_WAIT);
        assert_eq!(taken(&mut text), "a: Password: \n");
        live.output(&mut text, A, Stream::Stdout, b"\r\n\nok\n", now);
        assert_eq!(taken(&mut text), "a: \na: ok\n");
    }

    #[test]
    fn a_line_without_end_is_shown_in_parts() {
        let (mut live, mut text, now) = (plain(), Vec::new(), Instant::now());
        live.output(&mut text, A, Stream::Stdout, "é".repeat(LONGEST_PART).as_bytes(), now);
        let shown = taken(&mut text);
        assert_eq!(shown, format!("a: {}\n", "é".repeat(LONGEST_PART / 2)));
        live.output(&mut text, A, Stream::Stdout, b"\n", now);
        assert_eq!(taken(&mut text), shown);
    }

    proptest! {
        #[test]
        fn any_chunking_shows_the_same_whole_lines_without_control_characters(
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                "[aé\r\n\t\u{9b}\u{202e}\u{1b}]{0,300}".prop_map(String::into_bytes),
                (LONGEST_PART - 100..2 * LONGEST_PART, any::<u8>()).prop_map(|(len, byte)| [vec![byte; len], b"\r\nx\n".to_vec()].concat()),
            ],
            cuts in proptest::collection::vec(0..2 * LONGEST_PART, 0..8),
        ) {
            let shown = |chunks: &[&[u8]]| {
                let (mut live, mut text, now) = (plain(), Vec::new(), Instant::now());
                for chunk in chunks {
                    live.output(&mut text, A, Stream::Stdout, chunk, now);
                    live.output(&mut text, B, Stream::Stderr, b".", now);
                    assert!(text.is_empty() || text.ends_with(b"\n"));
                }
                live.end_host(&mut text, A, &outcome(HostStatus::Ok, "", ""));
                taken(&mut text)
            };
            let whole = shown(&[&bytes]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(shown(&chunks), whole.clone());
            for line in whole.lines() {
                prop_assert!(line.starts_with("a: "), "{line:?}");
                prop_assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{line:?}");
            }
        }
    }
}
