//! Reads input line by line. Each line is a record or text.

use crate::{Record, RecordError, unquoted};
use std::fmt;
use std::io::{self, BufRead, Read};

/// The longest line, in bytes. Records with some megabytes of remote output are usual; /dev/zero is a mistake.
const LONGEST: usize = 256 << 20;

/// How many bytes are read before the length of a line is checked.
const CHUNK: u64 = 1 << 20;

/// The content of one line of input.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'a> {
    Record(Record),
    /// A name or an expression, without white space around it. It is not checked here.
    Text(&'a str),
}

/// A line that could not be read, with its number, counted from 1 over all lines of the input.
#[derive(Debug)]
pub enum LineError {
    Io(io::Error),
    NotUtf8 {
        line: usize,
    },
    TooLong {
        line: usize,
    },
    NotARecord {
        line: usize,
        why: RecordError,
    },
    /// `#include FILE` of pdsh, as a comment, would leave out hosts.
    Include {
        line: usize,
    },
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineError::Io(error) => write!(f, "cannot read: {error}"),
            LineError::NotUtf8 { line } => write!(f, "line {line}: not UTF-8"),
            LineError::TooLong { line } => write!(f, "line {line}: longer than {} MiB", LONGEST >> 20),
            LineError::NotARecord { line, why } => write!(f, "line {line}: {why}"),
            LineError::Include { line } => {
                write!(f, "line {line}: #include is not read here: remove it, and give the other file too, as ^FILE")
            }
        }
    }
}

impl std::error::Error for LineError {}

/// Reads all of an input, up to a line that cannot be one.
pub fn read_text(mut input: impl Read) -> Result<String, LineError> {
    let line_of = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    let mut bytes = Vec::new();
    let mut line_start = 0;
    loop {
        let start = bytes.len();
        let read = (&mut input).take(CHUNK).read_to_end(&mut bytes).map_err(LineError::Io)?;
        if let Some(newline) = bytes[start..].iter().rposition(|byte| *byte == b'\n') {
            line_start = start + newline + 1;
        }
        if bytes.len() - line_start > LONGEST {
            return Err(LineError::TooLong { line: line_of(&bytes[..line_start]) });
        }
        // To ask a terminal again after its end would take a second Ctrl-D.
        if (read as u64) < CHUNK {
            break;
        }
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = line_of(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        LineError::NotUtf8 { line }
    })
}

/// Calls `visit` with each line of an input, without white space around it, and its number. Only one line is in memory.
/// Ends at a line that cannot be one.
pub fn each_line(
    mut input: impl BufRead,
    mut visit: impl FnMut(usize, &str) -> Result<(), LineError>,
) -> Result<(), LineError> {
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let read = (&mut input).take(LONGEST as u64 + 2).read_until(b'\n', &mut bytes).map_err(LineError::Io)?;
        if read == 0 {
            break;
        }
        if read > LONGEST + 1 {
            return Err(LineError::TooLong { line });
        }
        let text = str::from_utf8(&bytes).map_err(|_| LineError::NotUtf8 { line })?;
        visit(line, if line == 1 { without_byte_order_mark(text).trim() } else { text.trim() })?;
        // To ask a terminal again after its end would take a second Ctrl-D.
        if bytes.last() != Some(&b'\n') {
            break;
        }
    }
    Ok(())
}

/// Returns the text without the byte order mark that some editors write at its start.
fn without_byte_order_mark(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

/// Returns the line without the comment at its end. A comment has a blank before it, and is not in quotes.
fn without_comment(text: &str) -> &str {
    if !text.contains('#') {
        return text;
    }
    let is_comment = |(at, c): &(usize, char)| *c == '#' && text[..*at].ends_with(char::is_whitespace);
    match unquoted(text).find(is_comment) {
        Some((at, _)) => text[..at].trim_end(),
        None => text,
    }
}

/// Returns whether a line without white space around it names a file to read, as pdsh has it in WCOLL files.
pub fn is_include(line: &str) -> bool {
    line.strip_prefix("#include").is_some_and(|rest| rest.starts_with([' ', '\t']))
}

/// Returns the items of an input with their line numbers; blank lines and `#` comments are skipped.
pub fn items(text: &str) -> impl Iterator<Item = Result<(usize, Item<'_>), LineError>> {
    let lines = without_byte_order_mark(text).split('\n').enumerate().map(|(number, line)| (number + 1, line.trim()));
    let lines = lines.filter(|(_, line)| !line.is_empty() && (!line.starts_with('#') || is_include(line)));
    lines.map(|(line, text)| {
        if is_include(text) {
            Err(LineError::Include { line })
        } else if text.starts_with('{') {
            match Record::parse(text) {
                Ok(record) => Ok((line, Item::Record(record))),
                Err(why) => Err(LineError::NotARecord { line, why }),
            }
        } else {
            Ok((line, Item::Text(without_comment(text))))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(input: &str) -> Result<Vec<(usize, Item<'_>)>, String> {
        items(input).collect::<Result<_, _>>().map_err(|error| error.to_string())
    }

    fn text(line: usize, text: &str) -> (usize, Item<'_>) {
        (line, Item::Text(text))
    }

    #[test]
    fn blank_lines_and_comments_are_skipped_but_counted() {
        let input = "# fleet\n\n  web1 \r\n\t#x\nweb[2-3]\nweb4\t # down # twice\nweb5#6\n\"a #1\" # \"x\"\n\"# 2\"";
        let mut items = vec![text(3, "web1"), text(5, "web[2-3]"), text(6, "web4"), text(7, "web5#6")];
        items.extend([text(8, "\"a #1\""), text(9, "\"# 2\"")]);
        assert_eq!(all(input).unwrap(), items);
    }

    #[test]
    fn names_and_records_mix() {
        let record = Record::parse(r#"{"host":"db1","x":1}"#).unwrap();
        let input = "web1\n{\"host\":\"db1\",\"x\":1}";
        assert_eq!(all(input).unwrap(), [text(1, "web1"), (2, Item::Record(record))]);
    }

    #[test]
    fn a_bad_line_is_named_by_number_and_ends_the_input() {
        assert_eq!(
            all("a\n{\"host\":\nb\n").unwrap_err(),
            "line 2: broken JSON at column 8: EOF while parsing a value"
        );
        assert_eq!(read_text(&b"a\nb\xff\n"[..]).unwrap_err().to_string(), "line 2: not UTF-8");
    }

    #[test]
    fn an_include_of_pdsh_is_no_comment() {
        let why = "line 2: #include is not read here: remove it, and give the other file too, as ^FILE";
        assert_eq!(all("a\n #include /etc/hosts.web\n").unwrap_err(), why);
        assert_eq!(all("#included\n# include x\n#include").unwrap(), []);
    }

    #[test]
    fn the_end_of_a_terminal_is_asked_for_once() {
        struct Terminal {
            typed: &'static [u8],
            ended: bool,
        }
        impl Read for Terminal {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                assert!(!self.ended, "a read beyond the end");
                let read = self.typed.read(buffer)?;
                self.ended = read == 0;
                Ok(read)
            }
        }
        assert_eq!(read_text(Terminal { typed: b"web1\nweb2\n", ended: false }).unwrap(), "web1\nweb2\n");
    }

    #[test]
    fn a_line_without_an_end_ends_the_input() {
        let error = read_text(io::Cursor::new("web1\n").chain(io::repeat(0))).unwrap_err();
        assert_eq!(error.to_string(), "line 2: longer than 256 MiB");
    }

    #[test]
    fn lines_are_visited_one_after_another() {
        let visited = |input: &[u8]| {
            let mut lines = Vec::new();
            let end = each_line(input, |line, text| {
                lines.push(format!("{line}:{text}"));
                if text == "stop" { Err(LineError::TooLong { line }) } else { Ok(()) }
            });
            (lines.join(" "), end.map_err(|error| error.to_string()))
        };
        assert_eq!(visited("\u{feff}a\r\n\n b\nc".as_bytes()), ("1:a 2: 3:b 4:c".to_string(), Ok(())));
        assert_eq!(visited(b"a\n"), ("1:a".to_string(), Ok(())));
        assert_eq!(visited(b"a\nb\xff\n"), ("1:a".to_string(), Err("line 2: not UTF-8".to_string())));
        let too_long = Err("line 1: longer than 256 MiB".to_string());
        assert_eq!(visited(b"stop\nb"), ("1:stop".to_string(), too_long));
    }

    #[test]
    fn a_line_too_long_to_visit_ends_the_input() {
        let input = io::BufReader::new(io::Cursor::new("web1\n").chain(io::repeat(0)));
        let error = each_line(input, |_, _| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "line 2: longer than 256 MiB");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_name() {
        assert_eq!(all("\u{feff}web1\n").unwrap(), [text(1, "web1")]);
    }
}
