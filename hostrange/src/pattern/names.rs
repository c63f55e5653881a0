//! The names of one pattern, one at a time or in blocks: memory does not grow with their number.

use crate::pattern::bracket::Bracket;
use crate::pattern::{Part, Pattern};

/// The names of a pattern that are still to come. It lends each from one buffer, so it is no `Iterator`.
#[derive(Clone)]
pub(crate) struct Names<'a> {
    pattern: &'a Pattern,
    wheels: Vec<Wheel<'a>>,
    /// The name at which the wheels stand.
    name: Vec<u8>,
    /// Whether that name was given out already: the wheels turn when the next one is asked for.
    given: bool,
    /// How many names of the pattern come before the next one.
    position: u128,
    /// The position at which it ends. `u128::MAX` stands for more, which nobody lives to see.
    end: u128,
}

/// Where one bracket stands.
#[derive(Clone)]
struct Wheel<'a> {
    bracket: &'a Bracket,
    segment: usize,
    text: Vec<u8>,
    /// The place of `text` in the name.
    at: usize,
}

impl<'a> Names<'a> {
    pub fn new(pattern: &'a Pattern) -> Names<'a> {
        let wheel = |bracket: &'a Bracket| Wheel {
            bracket,
            segment: 0,
            text: bracket.segments[0].low.as_bytes().to_vec(),
            at: 0,
        };
        let wheels = pattern.brackets().map(wheel).collect();
        let mut names = Names { pattern, wheels, name: Vec::new(), given: false, position: 0, end: pattern.len() };
        names.compose();
        names
    }

    pub fn pattern(&self) -> &'a Pattern {
        self.pattern
    }

    pub fn position(&self) -> u128 {
        self.position
    }

    /// How many names are still to come.
    pub fn left(&self) -> u128 {
        self.end - self.position
    }

    /// Takes off the next `count` names, or all that are left.
    pub fn split_off(&mut self, count: u128) -> Names<'a> {
        let mut part = self.clone();
        part.end = self.position.saturating_add(count).min(self.end);
        self.go_to(part.end);
        part
    }

    /// Stands before the name that `position` others come before.
    fn go_to(&mut self, position: u128) {
        let mut rest = position;
        for wheel in self.wheels.iter_mut().rev() {
            let size = wheel.bracket.len();
            let (segment, index) = wheel.bracket.locate(rest % size);
            (wheel.segment, wheel.text) = (segment, wheel.bracket.segments[segment].nth(index));
            rest /= size;
        }
        self.compose();
        (self.position, self.given) = (position, false);
    }

    pub fn next_name(&mut self) -> Option<&str> {
        if self.position == self.end {
            return None;
        }
        self.position += 1;
        if self.given {
            self.turn();
        }
        self.given = true;
        // The parts of an expression are UTF-8.
        Some(std::str::from_utf8(&self.name).unwrap_or_default())
    }

    /// Writes names, each between `before` and `after`, into `block` from `used` on, as long as there are names and room,
    /// and none is very long. Gives what is used then.
    pub fn fill(&mut self, block: &mut [u8], mut used: usize, before: &[u8], after: &[u8]) -> usize {
        while self.left() > 0 {
            if self.given {
                self.turn();
                self.given = false;
            }
            let Some(wheel) = self.wheels.last_mut() else { break };
            let line = [before, &self.name, after].concat();
            let segment = &wheel.bracket.segments[wheel.segment];
            let digits = before.len() + wheel.at..before.len() + wheel.at + wheel.text.len();
            let most = segment.steps_from(&wheel.text).saturating_add(1).min(self.end - self.position);
            let step = |line: &mut [u8]| segment.step_on(&mut line[digits.clone()]);
            // To copy a fixed number of bytes, some of which the next line overwrites, is much faster.
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
            self.given = true;
            wheel.text.copy_from_slice(&last[digits]);
            wheel.patch(&mut self.name);
        }
        used
    }

    /// Turns to the next name, from the last to the first.
    fn turn(&mut self) {
        let mut fits = true;
        for wheel in self.wheels.iter_mut().rev() {
            let length = wheel.text.len();
            let is_over = wheel.turn();
            match wheel.text.len() == length {
                true => wheel.patch(&mut self.name),
                false => fits = false,
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

/// Copies `line` to `block` up to `most` times, as often as there is room for `WIDTH` bytes, and steps on in between.
/// Gives how often, and the last line.
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
    /// Turns on by one: true where it begins anew.
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
