//! Reads input line by line and tells records from text.

use crate::{Record, RecordError};
use std::fmt;
use std::io::{self, BufRead, Read};

/// In bytes. Some megabytes of remote output in a record are usual; /dev/zero is a slip.
const LONGEST: u64 = 256 << 20;

/// What one line of input holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    Record(Record),
    /// A name or an expression, without white space around it. It is not checked here.
    Text(String),
}

/// A line that could not be read, with its number, counted from 1 over all lines of the input.
#[derive(Debug)]
pub enum LineError {
    Io(io::Error),
    NotUtf8 { line: usize },
    TooLong { line: usize },
    NotARecord { line: usize, why: RecordError },
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineError::Io(error) => write!(f, "cannot read: {error}"),
            LineError::NotUtf8 { line } => write!(f, "line {line}: not UTF-8"),
            LineError::TooLong { line } => write!(f, "line {line}: longer than {} MiB", LONGEST >> 20),
            LineError::NotARecord { line, why } => write!(f, "line {line}: {why}"),
        }
    }
}

impl std::error::Error for LineError {}

/// Iterates over the items of an input with their line numbers; blank lines and `#` comments are skipped. After an
/// error it ends.
pub struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    line: usize,
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    pub fn new(input: R) -> Lines<R> {
        Lines { input, buffer: Vec::new(), line: 0, ended: false }
    }

    /// The next item, `None` at the end.
    fn read(&mut self) -> Result<Option<(usize, Item)>, LineError> {
        loop {
            self.buffer.clear();
            let mut input = (&mut self.input).take(LONGEST + 1);
            if input.read_until(b'\n', &mut self.buffer).map_err(LineError::Io)? == 0 {
                return Ok(None);
            }
            self.line += 1;
            let line = self.line;
            if self.buffer.len() as u64 > LONGEST {
                return Err(LineError::TooLong { line });
            }
            let text = std::str::from_utf8(&self.buffer).map_err(|_| LineError::NotUtf8 { line })?;
            // An editor's byte order mark is no part of the first name.
            let text = if line == 1 { text.trim_start_matches('\u{feff}') } else { text };
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if !text.starts_with('{') {
                return Ok(Some((line, Item::Text(text.to_string()))));
            }
            let record = Record::parse(text).map_err(|why| LineError::NotARecord { line, why })?;
            return Ok(Some((line, Item::Record(record))));
        }
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<(usize, Item), LineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let item = self.read();
        self.ended = !matches!(item, Ok(Some(_)));
        item.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(input: &[u8]) -> Result<Vec<(usize, Item)>, String> {
        Lines::new(input).collect::<Result<_, _>>().map_err(|error| error.to_string())
    }

    fn text(line: usize, text: &str) -> (usize, Item) {
        (line, Item::Text(text.to_string()))
    }

    #[test]
    fn blank_lines_and_comments_are_skipped_but_counted() {
        let input = b"# fleet\n\n  web1 \r\n\t#x\nweb[2-3]";
        assert_eq!(items(input).unwrap(), [text(3, "web1"), text(5, "web[2-3]")]);
    }

    #[test]
    fn names_and_records_mix() {
        let record = Record::parse(r#"{"host":"db1","x":1}"#).unwrap();
        let input = b"web1\n{\"host\":\"db1\",\"x\":1}";
        assert_eq!(items(input).unwrap(), [text(1, "web1"), (2, Item::Record(record))]);
    }

    #[test]
    fn a_bad_line_is_named_by_number_and_ends_the_input() {
        assert_eq!(
            items(b"a\n{\"host\":\nb\n").unwrap_err(),
            "line 2: broken JSON at column 8: EOF while parsing a value"
        );
        assert_eq!(items(b"a\nb\xff\n").unwrap_err(), "line 2: not UTF-8");
        let mut lines = Lines::new(&b"{}\nweb1\n"[..]);
        assert!(lines.next().unwrap().is_err());
        assert!(lines.next().is_none());
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_name() {
        assert_eq!(items("\u{feff}web1\n".as_bytes()).unwrap(), [text(1, "web1")]);
    }
}
