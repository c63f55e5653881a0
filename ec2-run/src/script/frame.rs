//! Reads the frame that the script prints: a line with exit status and sizes, then the output of the command.

use base64::prelude::{BASE64_STANDARD, Engine};
use flate2::read::GzDecoder;
use std::io::Read;

/// What is left of one output: all of it, or both ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub head: Vec<u8>,
    pub tail: Vec<u8>,
    /// How many bytes are missing between head and tail.
    pub left_out: u64,
}

impl Part {
    /// The value of `left_out` if it is not known how much is missing.
    pub const UNKNOWN: u64 = u64::MAX;
}

/// What became of the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// `None` if the command was killed because of its time limit.
    pub exit: Option<u32>,
    /// Whether the command was killed because of its time limit.
    pub is_late: bool,
    pub stdout: Part,
    pub stderr: Part,
}

/// The first line of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub exit: Option<u32>,
    pub is_late: bool,
    stdout: u64,
    stderr: u64,
    /// Of an output of more than twice this size only both ends of this size are there. 0: it is whole.
    ends: u64,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    /// gzip in base64, on one line.
    Gzip,
    /// The host has no gzip or no base64.
    Missing,
}

impl Header {
    /// Reads the first line. Returns it with the text after it; `None` if this is not a frame.
    pub fn parse(text: &str) -> Option<(Header, &str)> {
        let (line, body) = text.split_once('\n')?;
        let mut fields = line.strip_prefix("ec2-run: ")?.split(' ');
        let mut field = |key: &str| fields.next()?.strip_prefix(key)?.strip_prefix('=');
        let exit = match field("exit")? {
            "" => None,
            code => Some(code.parse().ok()?),
        };
        let is_late = field("late")? == "1";
        let mut number = |key| field(key)?.parse::<u64>().ok();
        let (stdout, stderr, ends) = (number("stdout")?, number("stderr")?, number("ends")?);
        let form = match field("as")? {
            "text" => Form::Text,
            "gzip" => Form::Gzip,
            "none" => Form::Missing,
            _ => return None,
        };
        Some((Header { exit, is_late, stdout, stderr, ends, form }, body))
    }

    /// Returns the frame, or `None` if its output was cut off.
    pub fn frame(&self, body: &str) -> Option<Frame> {
        let bytes = match self.form {
            Form::Text => body.as_bytes().to_vec(),
            Form::Gzip => self.decompress(body)?,
            Form::Missing => Vec::new(),
        };
        let (stdout, rest) = self.part(self.stdout, &bytes)?;
        let (stderr, _) = self.part(self.stderr, rest)?;
        Some(Frame { exit: self.exit, is_late: self.is_late, stdout, stderr })
    }

    /// Returns the sizes of stdout and stderr if they follow as they are, not compressed and not cut.
    pub fn plain_sizes(&self) -> Option<(u64, u64)> {
        (self.form == Form::Text && self.ends == 0).then_some((self.stdout, self.stderr))
    }

    /// Returns whether a line with compressed output follows.
    pub fn has_compressed_line(&self) -> bool {
        self.form == Form::Gzip
    }

    /// Returns the frame as if all its output were missing.
    pub fn without_output(&self) -> Frame {
        let part = |size| Part { left_out: size, ..Part::default() };
        Frame { exit: self.exit, is_late: self.is_late, stdout: part(self.stdout), stderr: part(self.stderr) }
    }

    /// How many bytes of an output of this size are there.
    fn kept(&self, size: u64) -> u64 {
        match self.form {
            Form::Missing => 0,
            _ if self.ends > 0 && size > 2 * self.ends => 2 * self.ends,
            _ => size,
        }
    }

    /// A line that ends too early may still be valid base64; then its CRC or its size is wrong.
    fn decompress(&self, body: &str) -> Option<Vec<u8>> {
        let size = self.kept(self.stdout) + self.kept(self.stderr);
        let compressed = BASE64_STANDARD.decode(body.lines().next()?).ok()?;
        let mut bytes = Vec::new();
        // At most what the header says, so a strange host does not fill the memory.
        GzDecoder::new(compressed.as_slice()).take(size + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 == size).then_some(bytes)
    }

    fn part<'a>(&self, size: u64, bytes: &'a [u8]) -> Option<(Part, &'a [u8])> {
        let kept = self.kept(size);
        let (bytes, rest) = bytes.split_at_checked(usize::try_from(kept).ok()?)?;
        let left_out = size - kept;
        let (head, tail) = bytes.split_at(if left_out > 0 { bytes.len() / 2 } else { bytes.len() });
        Some((Part { head: head.to_vec(), tail: tail.to_vec(), left_out }, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &str) -> Option<Frame> {
        let (header, body) = Header::parse(text)?;
        header.frame(body)
    }

    #[test]
    fn text_is_divided_by_its_sizes() {
        let text = "ec2-run: exit=3 late=0 stdout=3 stderr=2 ends=0 as=text\na\nbx\n\n----------ERROR-------\nmore";
        let found = frame(text).unwrap();
        assert_eq!((found.exit, found.stdout.head, found.stderr.head), (Some(3), b"a\nb".to_vec(), b"x\n".to_vec()));
    }

    #[test]
    fn output_that_was_cut_off_is_not_taken_for_whole() {
        assert_eq!(frame("ec2-run: exit=0 late=0 stdout=9 stderr=0 ends=0 as=text\nabc"), None);
        let gzip = "ec2-run: exit=0 late=0 stdout=3 stderr=0 ends=0 as=gzip\nH4sIAAAAAAAAA0tMSgYAwkEkNQMAAAA=\n";
        assert_eq!(frame(gzip).unwrap().stdout.head, b"abc");
        for len in 56..gzip.len() - 1 {
            assert_eq!(frame(&gzip[..len]), None, "{len}");
        }
    }

    #[test]
    fn other_text_is_not_a_frame() {
        for text in ["", "hello\n", "ec2-run: exit=x late=0 stdout=0 stderr=0 ends=0 as=text\n", "ec2-run: exit=0\n"] {
            assert_eq!(Header::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_host_without_gzip_leaves_its_output_out() {
        let found = frame("ec2-run: exit=0 late=0 stdout=5000 stderr=0 ends=4096 as=none\n").unwrap();
        assert_eq!((found.exit, found.stdout.left_out), (Some(0), 5000));
    }
}
