//! Captures the output of a command: the beginning and the end of each stream, within a limit for each stream and a
//! memory budget for the run.

use crate::output::stream::Stream;
use std::fs;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What each stream may keep even if the budget is used up: half for its beginning, half for its end.
const FLOOR: usize = 8 * 1024;
/// How far from a cut the end of a line is searched.
const NEAR: usize = 1024;

/// The memory budget for all streams of a run.
#[derive(Debug)]
pub struct Budget {
    most: usize,
    used: AtomicUsize,
}

impl Budget {
    pub fn new(most: usize) -> Arc<Budget> {
        Arc::new(Budget { most, used: AtomicUsize::new(0) })
    }

    /// Returns 512 MiB, or a quarter of the memory of this machine or container if that is less.
    pub fn of_machine() -> Arc<Budget> {
        const MOST: usize = 512 * 1024 * 1024;
        let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
            let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
            kib.trim().strip_suffix(" kB")?.parse::<usize>().ok()?.checked_mul(1024)
        });
        // The file has "max" if there is no limit.
        let container = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
        let container = container.and_then(|text| text.trim().parse::<usize>().ok());
        let least = memory.into_iter().chain(container).min();
        Budget::new(least.map_or(MOST, |bytes| MOST.min(bytes / 4)))
    }

    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// Bytes taken from a budget. They are given back when this is dropped.
#[derive(Debug, Default)]
struct BudgetShare {
    budget: Option<Arc<Budget>>,
    bytes: usize,
}

impl BudgetShare {
    /// Takes more bytes. Returns false if the budget is used up.
    fn grow(&mut self, more: usize) -> bool {
        if let Some(budget) = &self.budget {
            let used = budget.used.fetch_add(more, Ordering::Relaxed);
            if used.saturating_add(more) > budget.most {
                budget.used.fetch_sub(more, Ordering::Relaxed);
                return false;
            }
        }
        self.bytes += more;
        true
    }

    fn grow_anyway(&mut self, more: usize) {
        if let Some(budget) = &self.budget {
            budget.used.fetch_add(more, Ordering::Relaxed);
        }
        self.bytes += more;
    }

    fn set(&mut self, bytes: usize) {
        if let Some(budget) = &self.budget {
            budget.used.fetch_add(bytes, Ordering::Relaxed);
            budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for BudgetShare {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Clone for BudgetShare {
    fn clone(&self) -> BudgetShare {
        let mut share = BudgetShare { budget: self.budget.clone(), bytes: 0 };
        share.grow_anyway(self.bytes);
        share
    }
}

/// The limits on output that is kept.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Of each stream, in bytes.
    pub stream: usize,
    pub budget: Arc<Budget>,
    /// The name of the program, for the line that replaces omitted output.
    pub tool: &'static str,
}

/// One stream of remote output, as far as it was kept. A line replaces omitted bytes and says how many there were.
#[derive(Clone, Debug, Default)]
pub struct Output {
    pub bytes: Vec<u8>,
    pub truncated: bool,
    /// The budget that the bytes count in.
    _share: BudgetShare,
}

impl Output {
    /// Makes output that is complete and counts in no budget.
    #[cfg(test)]
    pub fn of(bytes: impl Into<Vec<u8>>) -> Output {
        Output { bytes: bytes.into(), ..Output::default() }
    }
}

impl PartialEq for Output {
    fn eq(&self, other: &Output) -> bool {
        self.bytes == other.bytes && self.truncated == other.truncated
    }
}

impl Eq for Output {}

impl Hash for Output {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

/// Captures both streams of a host. Several commands of a host add to the same streams, one after another.
#[derive(Debug)]
pub struct Capture {
    stdout: StreamCapture,
    stderr: StreamCapture,
}

impl Capture {
    pub fn new(limits: &Limits) -> Capture {
        Capture { stdout: StreamCapture::new(limits), stderr: StreamCapture::new(limits) }
    }

    /// Never fails and never waits. Output beyond the limits is dropped, so the command never stalls.
    pub fn take(&mut self, stream: Stream, bytes: &[u8]) {
        match stream {
            Stream::Stdout => self.stdout.take(bytes),
            Stream::Stderr => self.stderr.take(bytes),
        }
    }

    pub fn into_outputs(self) -> (Output, Output) {
        (self.stdout.finish(), self.stderr.finish())
    }
}

/// A buffer that grows to `most` bytes. Then its second half becomes a ring with the latest bytes.
#[derive(Debug)]
struct StreamCapture {
    buffer: Vec<u8>,
    most: usize,
    /// The position of the oldest byte in the ring.
    oldest: usize,
    lost: u64,
    share: BudgetShare,
    tool: &'static str,
}

impl StreamCapture {
    fn new(limits: &Limits) -> StreamCapture {
        let share = BudgetShare { budget: Some(Arc::clone(&limits.budget)), bytes: 0 };
        StreamCapture { buffer: Vec::new(), most: limits.stream, oldest: 0, lost: 0, share, tool: limits.tool }
    }

    fn take(&mut self, bytes: &[u8]) {
        let room = self.room_for(bytes.len());
        let (first, rest) = bytes.split_at(room);
        self.buffer.extend_from_slice(first);
        if !rest.is_empty() {
            self.turn(rest);
        }
    }

    /// Grows the buffer as far as allowed. Returns how many of this many bytes fit.
    fn room_for(&mut self, count: usize) -> usize {
        let len = self.buffer.len();
        let wanted = len.saturating_add(count).min(self.most);
        if wanted > self.share.bytes {
            let mut size = wanted.max(2 * len).min(self.most);
            let more = size - self.share.bytes;
            if !self.share.grow(more) {
                self.most = self.most.min(self.share.bytes.max(FLOOR));
                size = self.most;
                self.share.grow_anyway(size - self.share.bytes);
            }
            self.buffer.reserve_exact(size - len);
        }
        count.min(self.most - len)
    }

    /// Writes bytes into the ring, over its oldest bytes.
    fn turn(&mut self, bytes: &[u8]) {
        self.lost += bytes.len() as u64;
        let ring = &mut self.buffer[self.most / 2..];
        let bytes = &bytes[bytes.len().saturating_sub(ring.len())..];
        if ring.is_empty() {
            return;
        }
        let (to_end, from_start) = bytes.split_at(bytes.len().min(ring.len() - self.oldest));
        ring[self.oldest..][..to_end.len()].copy_from_slice(to_end);
        ring[..from_start.len()].copy_from_slice(from_start);
        self.oldest = (self.oldest + bytes.len()) % ring.len();
    }

    fn finish(mut self) -> Output {
        if self.lost > 0 {
            self.mark_gap();
        }
        if self.share.bytes > self.buffer.len() + self.buffer.len() / 4 {
            self.buffer.shrink_to_fit();
            self.share.set(self.buffer.len());
        }
        Output { bytes: self.buffer, truncated: self.lost > 0, _share: self.share }
    }

    /// Puts the ring in order, and adds the line about omitted bytes.
    fn mark_gap(&mut self) {
        let middle = self.most / 2;
        self.buffer[middle..].rotate_left(self.oldest);
        let head = end_of_head(&self.buffer[..middle]);
        let tail = middle + start_of_tail(&self.buffer[middle..]);
        let lost = self.lost + (tail - head) as u64;
        let newline = match self.buffer[..head].last() {
            None | Some(b'\n') => "",
            Some(_) => "\n",
        };
        let line = format!("{newline}[{}: {lost} bytes left out]\n", self.tool);
        self.buffer.reserve_exact(line.len());
        self.buffer.splice(head..tail, line.into_bytes());
    }
}

/// Returns where to cut the beginning of an output: after the end of a line if one is near, else between characters.
fn end_of_head(head: &[u8]) -> usize {
    let near = head.len() - NEAR.min(head.len() / 2);
    match memchr::memrchr(b'\n', &head[near..]) {
        Some(at) => near + at + 1,
        None => whole_chars(head),
    }
}

/// Returns where the end of an output begins: after the end of a line if one is near, else between characters.
fn start_of_tail(tail: &[u8]) -> usize {
    match memchr::memchr(b'\n', &tail[..NEAR.min(tail.len() / 2)]) {
        Some(at) if at + 1 < tail.len() => at + 1,
        _ => tail.iter().take(3).take_while(|byte| is_inside(**byte)).count(),
    }
}

/// Returns the length of the bytes without an incomplete UTF-8 character at their end.
pub fn whole_chars(bytes: &[u8]) -> usize {
    let inside = bytes.iter().rev().take(3).take_while(|byte| is_inside(**byte)).count();
    let Some(lead) = bytes.len().checked_sub(inside + 1) else { return bytes.len() };
    let length = match bytes[lead] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    match inside + 1 < length {
        true => lead,
        false => bytes.len(),
    }
}

fn is_inside(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits(stream: usize, budget: usize) -> Limits {
        Limits { stream, budget: Budget::new(budget), tool: "pssh-rs" }
    }

    fn kept(stream: usize, chunks: &[&[u8]]) -> Output {
        let mut kept = Capture::new(&limits(stream, usize::MAX));
        chunks.iter().for_each(|chunk| kept.take(Stream::Stdout, chunk));
        let (stdout, stderr) = kept.into_outputs();
        assert!(stderr.bytes.is_empty() && !stderr.truncated);
        stdout
    }

    #[test]
    fn head_and_tail_are_kept_at_line_ends_with_the_gap_between_them() {
        let text: String = (10..99).map(|number| format!("line {number}\n")).collect();
        let output = kept(40, &[text.as_bytes()]);
        let shown = "line 10\nline 11\n[pssh-rs: 680 bytes left out]\nline 97\nline 98\n";
        assert_eq!(String::from_utf8(output.bytes).unwrap(), shown);
        assert_eq!(16 + 680 + 16, text.len());
        assert!(output.truncated);
        assert_eq!(kept(40, &[&[b'x'; 40]]), Output::of([b'x'; 40]));
    }

    #[test]
    fn a_cut_goes_through_no_character() {
        let output = kept(11, &["日本語日本語日本語".as_bytes()]);
        assert_eq!(String::from_utf8(output.bytes).unwrap(), "日\n[pssh-rs: 18 bytes left out]\n本語");
        assert_eq!(kept(0, &[b"abc"]).bytes, b"[pssh-rs: 3 bytes left out]\n");
        assert_eq!(kept(1, &[b"abc"]).bytes, b"[pssh-rs: 2 bytes left out]\nc");
        assert_eq!(kept(0, &[]), Output::default());
    }

    #[test]
    fn where_the_budget_is_used_up_a_stream_keeps_little_and_stalls_nobody() {
        let limits = limits(1 << 20, 100_000);
        let mut first = Capture::new(&limits);
        first.take(Stream::Stdout, &[b'a'; 90_000]);
        let mut second = Capture::new(&limits);
        for _ in 0..100 {
            second.take(Stream::Stderr, &[b'b'; 30_000]);
        }
        assert!(limits.budget.used() <= 100_000 + FLOOR);
        let (first, second) = (first.into_outputs(), second.into_outputs());
        assert_eq!((first.0.bytes.len(), first.0.truncated), (90_000, false));
        assert!(second.1.truncated && second.1.bytes.len() <= FLOOR + 64);
        let copy = first.clone();
        drop((first, second));
        assert!(limits.budget.used() >= 90_000);
        drop(copy);
        assert_eq!(limits.budget.used(), 0);
    }

    proptest! {
        #[test]
        fn any_chunking_keeps_what_the_whole_keeps(
            bytes in prop_oneof![proptest::collection::vec(any::<u8>(), 0..300), "[aé\n]{0,200}".prop_map(String::into_bytes)],
            cuts in proptest::collection::vec(0..300usize, 0..8),
            most in 0..200usize,
        ) {
            let whole = kept(most, &[&bytes]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(kept(most, &chunks), whole.clone());
            prop_assert!(whole.bytes.len() <= most + 64);
            prop_assert_eq!(whole.truncated, bytes.len() > most);
            if String::from_utf8(bytes).is_ok() {
                prop_assert!(String::from_utf8(whole.bytes).is_ok());
            }
        }

        #[test]
        fn the_budget_is_given_back(
            streams in proptest::collection::vec(proptest::collection::vec(0..40_000usize, 0..6), 0..6),
            most in 0..60_000usize,
            total in 0..100_000usize,
        ) {
            let limits = limits(most, total);
            let count = streams.len();
            let outputs: Vec<_> = streams.into_iter().map(|chunks| {
                let mut kept = Capture::new(&limits);
                chunks.into_iter().for_each(|len| kept.take(Stream::Stdout, &vec![b'x'; len]));
                kept.into_outputs()
            }).collect();
            prop_assert!(limits.budget.used() <= total + count * FLOOR);
            drop(outputs);
            prop_assert_eq!(limits.budget.used(), 0);
        }
    }
}
