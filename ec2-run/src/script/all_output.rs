//! Reads all that the script printed, as it arrives, and takes the complete output of the command out of it: after the frame
//! there may be another one, which has the output as it is.

use crate::script::frame::Header;
use cerveza_results::Stream;

/// No first line of a frame is longer.
const LONGEST_LINE: usize = 200;

#[derive(Debug)]
pub struct AllOutputReader {
    state: State,
    stdout_left: u64,
    stderr_left: u64,
}

#[derive(Debug)]
enum State {
    /// The first line of a frame, as far as it has arrived.
    Header(Vec<u8>),
    /// A line with compressed output.
    CompressedLine,
    Output,
    /// This is not what the script prints.
    Invalid,
}

impl AllOutputReader {
    pub fn new() -> AllOutputReader {
        AllOutputReader { state: State::Header(Vec::new()), stdout_left: 0, stderr_left: 0 }
    }

    /// Takes the next bytes, and hands the output among them to `receive`.
    pub fn read(&mut self, mut bytes: &[u8], mut receive: impl FnMut(Stream, &[u8])) {
        while !bytes.is_empty() {
            let end_of_line = bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
            match &mut self.state {
                State::Header(line) => {
                    let (part, rest) = bytes.split_at(end_of_line.unwrap_or(bytes.len()));
                    line.extend_from_slice(part);
                    bytes = rest;
                    if line.len() > LONGEST_LINE {
                        self.state = State::Invalid;
                    } else if end_of_line.is_some() {
                        let header = std::str::from_utf8(line).ok().and_then(Header::parse).map(|(header, _)| header);
                        self.begin(header);
                    }
                }
                State::CompressedLine => {
                    bytes = &bytes[end_of_line.unwrap_or(bytes.len())..];
                    if end_of_line.is_some() {
                        self.state = State::Header(Vec::new());
                    }
                }
                State::Output => {
                    for (stream, left) in
                        [(Stream::Stdout, &mut self.stdout_left), (Stream::Stderr, &mut self.stderr_left)]
                    {
                        let most = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                        let (part, rest) = bytes.split_at(most);
                        *left -= part.len() as u64;
                        bytes = rest;
                        if !part.is_empty() {
                            receive(stream, part);
                        }
                    }
                    // Nothing of the command follows.
                    return;
                }
                State::Invalid => return,
            }
        }
    }

    fn begin(&mut self, header: Option<Header>) {
        self.state = match header {
            None => State::Invalid,
            Some(header) => match header.plain_sizes() {
                Some((stdout, stderr)) => {
                    (self.stdout_left, self.stderr_left) = (stdout, stderr);
                    State::Output
                }
                None if header.has_compressed_line() => State::CompressedLine,
                None => State::Header(Vec::new()),
            },
        };
    }

    /// Returns how many bytes of stdout and of stderr have not arrived, or `None` if the output has not begun.
    pub fn left(&self) -> Option<(u64, u64)> {
        matches!(self.state, State::Output).then_some((self.stdout_left, self.stderr_left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of an object that arrives in parts of this size.
    fn read(object: &[u8], size: usize) -> (Vec<u8>, Vec<u8>, Option<(u64, u64)>) {
        let (mut reader, mut stdout, mut stderr) = (AllOutputReader::new(), Vec::new(), Vec::new());
        for part in object.chunks(size) {
            reader.read(part, |stream, bytes| match stream {
                Stream::Stdout => stdout.extend_from_slice(bytes),
                Stream::Stderr => stderr.extend_from_slice(bytes),
            });
        }
        (stdout, stderr, reader.left())
    }

    #[test]
    fn the_plain_output_is_taken_out_however_it_arrives() {
        let plain = b"ec2-run: exit=3 late=0 stdout=4 stderr=3 ends=0 as=text\n\xff\na\nerr".as_slice();
        let gzip = b"ec2-run: exit=3 late=0 stdout=4 stderr=3 ends=0 as=gzip\nH4sI\n".as_slice();
        let none = b"ec2-run: exit=3 late=0 stdout=4 stderr=3 ends=4096 as=none\n".as_slice();
        for object in [plain.to_vec(), [gzip, plain].concat(), [none, plain].concat(), [gzip, plain, b"more"].concat()]
        {
            for size in [1, 2, 7, 1000] {
                assert_eq!(read(&object, size), (b"\xff\na\n".to_vec(), b"err".to_vec(), Some((0, 0))), "{size}");
            }
        }
        assert_eq!(read(&plain[..plain.len() - 5], 3), (b"\xff\n".to_vec(), Vec::new(), Some((2, 3))));
    }

    #[test]
    fn what_the_script_did_not_print_is_not_output() {
        for object in [b"<html>\n".to_vec(), vec![b'x'; 1000], Vec::new(), b"ec2-run: exit=0".to_vec()] {
            assert_eq!(read(&object, 10), (Vec::new(), Vec::new(), None));
        }
    }
}
