//! `Names`: iterates over the names of a pattern, one at a time or in blocks, in constant memory.
//!
//! A "wheel" is the current string of one bracket. Wheels turn like those of an odometer, the last one fastest.

use crate::pattern::bracket::Bracket;
use crate::pattern::digits;
use crate::pattern::{Part, Pattern};
use std::ops::Range;

/// The remaining names of a pattern. It lends each name from one buffer, so it is not an `Iterator`.
#[derive(Clone)]
pub(crate) struct Names<'a> {
    pattern: &'a Pattern,
    wheels: Vec<Wheel<'a>>,
    /// The name that the wheels show.
    name: Vec<u8>,
    /// Whether that name was returned already. The wheels turn when the next name is requested.
    was_returned: bool,
    /// The index of the next name in the pattern.
    position: u128,
    /// The index after the last name. `u128::MAX` means "or more".
    end: u128,
}

/// The current string of one bracket.
#[derive(Clone)]
struct Wheel<'a> {
    bracket: &'a Bracket,
    segment: usize,
    text: Vec<u8>,
    /// The byte of the name at which `text` begins.
    at: usize,
}

impl<'a> Names<'a> {
    /// Returns the names at these positions of a pattern.
    pub fn new(pattern: &'a Pattern, positions: Range<u128>) -> Names<'a> {
        let wheel = |bracket: &'a Bracket| Wheel { bracket, segment: 0, text: Vec::new(), at: 0 };
        let wheels = pattern.brackets().map(wheel).collect();
        let mut names =
            Names { pattern, wheels, name: Vec::new(), was_returned: false, position: 0, end: positions.end };
        names.go_to(positions.start);
        names
    }

    pub fn pattern(&self) -> &'a Pattern {
        self.pattern
    }

    pub fn position(&self) -> u128 {
        self.position
    }

    /// Returns the number of remaining names.
    pub fn left(&self) -> u128 {
        self.end - self.position
    }

    /// Removes and returns the next `count` names, or all that are left.
    pub fn split_off(&mut self, count: u128) -> Names<'a> {
        let mut part = self.clone();
        part.end = self.position.saturating_add(count).min(self.end);
        self.go_to(part.end);
        part
    }

    /// Moves before the name at index `position`.
    fn go_to(&mut self, position: u128) {
        let mut rest = position;
        for wheel in self.wheels.iter_mut().rev() {
            let size = wheel.bracket.len();
            let (segment, index) = wheel.bracket.locate(rest % size);
            (wheel.segment, wheel.text) = (segment, wheel.bracket.segments[segment].nth(index));
            rest /= size;
        }
        self.compose();
        (self.position, self.was_returned) = (position, false);
    }

    pub fn next_name(&mut self) -> Option<&str> {
        if self.position == self.end {
            return None;
        }
        self.position += 1;
        if self.was_returned {
            self.turn();
        }
        self.was_returned = true;
        // The parts of an expression are UTF-8.
        Some(std::str::from_utf8(&self.name).unwrap_or_default())
    }

    /// Removes the next names that differ only in their last number, which goes up by one and keeps its length. Returns the
    /// first of them and how many there are: one if the last number is not that of a bracket.
    pub fn next_series(&mut self) -> Option<(String, u64)> {
        let first = self.next_name()?.to_string();
        let wheel = self.wheels.last_mut()?;
        let segment = &wheel.bracket.segments[wheel.segment];
        let (start, end) = (wheel.at, wheel.at + wheel.text.len());
        let is_number = !segment.is_letter() && segment.step == 1 && wheel.text.len() <= digits::MOST_DIGITS_FOLDED;
        if !is_number || first.as_bytes()[end..].iter().any(u8::is_ascii_digit) {
            return Some((first, 1));
        }
        let more = segment.steps_from(&wheel.text).min(self.end - self.position).min(u64::MAX.into());
        digits::add(&mut wheel.text, more, 1);
        self.name[start..end].copy_from_slice(&wheel.text);
        self.position += more;
        Some((first, more as u64 + 1))
    }

    /// Writes names, each between `before` and `after`, to `block[used..]` until it is full, names run out, or a name is
    /// very long. Returns the new `used`.
    pub fn fill(&mut self, block: &mut [u8], mut used: usize, before: &[u8], after: &[u8]) -> usize {
        while self.left() > 0 {
            if self.was_returned {
                self.turn();
                self.was_returned = false;
            }
            let Some(wheel) = self.wheels.last_mut() else { break };
            let line = [before, &self.name, after].concat();
            let segment = &wheel.bracket.segments[wheel.segment];
            let digits = before.len() + wheel.at..before.len() + wheel.at + wheel.text.len();
            let most = segment.steps_from(&wheel.text).saturating_add(1).min(self.end - self.position);
            let step = |line: &mut [u8]| segment.step_on(&mut line[digits.clone()]);
            // Copying a fixed number of bytes is much faster. The next line overwrites the surplus.
            let (lines, last) = match line.len() {
                0..=16 => repeat::<16>(&line, most, &mut block[used..], step),
                17..=32 => repeat::<32>(&line, most, &mut block[used..], step),
                33..=64 => repeat::<64>(&line, most, &mut block[used..], step),
                65..=512 => repeat::<512>(&line, most, &mut block[used..], step),
                _ => break,
            };
            if lines == 0 {
                break;
            }
            used += lines * line.len();
            self.position += lines as u128;
            self.was_returned = true;
            wheel.text.copy_from_slice(&last[digits]);
            wheel.patch(&mut self.name);
        }
        used
    }

    /// Turns the wheels to the next name; after the last name to the first.
    fn turn(&mut self) {
        let mut fits = true;
        for wheel in self.wheels.iter_mut().rev() {
            let length = wheel.text.len();
            let is_over = wheel.turn();
            if wheel.text.len() == length {
                wheel.patch(&mut self.name)
            } else {
                fits = false
            }
            if !is_over {
                break;
            }
        }
        if !fits {
            self.compose();
        }
    }

    fn compose(&mut self) {
        self.name.clear();
        let mut wheels = self.wheels.iter_mut();
        for part in &self.pattern.parts {
            match part {
                Part::Text(text) => self.name.extend_from_slice(text.as_bytes()),
                Part::Bracket(_) => {
                    if let Some(wheel) = wheels.next() {
                        wheel.at = self.name.len();
                        self.name.extend_from_slice(&wheel.text);
                    }
                }
            }
        }
    }
}

/// Copies `line` to `block` up to `most` times while there is room for `WIDTH` bytes, and calls `step` in between.
/// Returns the number of copies, and the last line.
fn repeat<const WIDTH: usize>(line: &[u8], most: u128, block: &mut [u8], step: impl Fn(&mut [u8])) -> (usize, Vec<u8>) {
    let mut wide = [0; WIDTH];
    wide[..line.len()].copy_from_slice(line);
    let room = block.len().checked_sub(WIDTH).map_or(0, |room| room / line.len() + 1);
    let lines = most.min(room as u128) as usize;
    let mut at = 0;
    for number in 0..lines {
        if number > 0 {
            step(&mut wide);
        }
        block[at..at + WIDTH].copy_from_slice(&wide);
        at += line.len();
    }
    (lines, wide[..line.len()].to_vec())
}

impl Wheel<'_> {
    /// Turns by one string. Returns true if it starts over.
    fn turn(&mut self) -> bool {
        let segments = &self.bracket.segments;
        if segments[self.segment].advance(&mut self.text) {
            return false;
        }
        self.segment = (self.segment + 1) % segments.len();
        self.text.clear();
        self.text.extend_from_slice(segments[self.segment].low.as_bytes());
        self.segment == 0
    }

    fn patch(&self, name: &mut [u8]) {
        name[self.at..self.at + self.text.len()].copy_from_slice(&self.text);
    }
}
