//! The names of one pattern, one at a time or in blocks: memory does not grow with their number.

use crate::bracket::Bracket;
use crate::pattern::{Part, Pattern, Place};
use num_bigint::BigUint;

/// The names of a pattern that are still to come. It lends each from one buffer, so it is no `Iterator`.
#[derive(Clone)]
pub(crate) struct Names<'a> {
    pattern: &'a Pattern,
    wheels: Vec<Wheel<'a>>,
    /// The name at which the wheels stand.
    name: Vec<u8>,
    /// Whether that name was given out already: the wheels turn when the next one is asked for.
    given: bool,
    left: u64,
    /// How many names were left out or taken: of the first it was skipped to, and since.
    skipped: BigUint,
    taken: u64,
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
        let left = small(&pattern.count());
        let mut names =
            Names { pattern, wheels, name: Vec::new(), given: false, left, skipped: BigUint::ZERO, taken: 0 };
        names.compose();
        names
    }

    pub fn pattern(&self) -> &'a Pattern {
        self.pattern
    }

    /// How many names are still to come; `u64::MAX` stands for more than anybody lives to see.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// [`Names::left`], exactly.
    pub fn remaining(&self) -> BigUint {
        match self.left {
            u64::MAX => self.pattern.count() - self.position(),
            left => left.into(),
        }
    }

    /// Whether all names of the pattern are still to come.
    pub fn is_whole(&self) -> bool {
        self.remaining() == self.pattern.count()
    }

    /// How many names of the pattern come before the next one.
    pub fn position(&self) -> BigUint {
        &self.skipped + self.taken
    }

    /// Takes off the next `count` names, or all that are left.
    pub fn split_off(&mut self, count: &BigUint) -> Names<'a> {
        let remaining = self.remaining();
        let count = count.min(&remaining);
        let mut part = self.clone();
        part.left = small(count);
        self.go_to(self.position() + count);
        self.left = small(&(&remaining - count));
        part
    }

    /// Stands before the name that `position` others come before.
    fn go_to(&mut self, position: BigUint) {
        let mut rest = position.clone();
        for wheel in self.wheels.iter_mut().rev() {
            let size = wheel.bracket.count();
            let (segment, index) = wheel.bracket.locate(&(&rest % &size));
            (wheel.segment, wheel.text) = (segment, wheel.bracket.segments[segment].nth(&index));
            rest /= size;
        }
        self.compose();
        (self.skipped, self.taken, self.given) = (position, 0, false);
    }

    pub fn next_name(&mut self) -> Option<&str> {
        self.advance().then(|| self.name())
    }

    /// Goes to the next name; false at the end.
    pub fn advance(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        self.taken += 1;
        if self.given {
            self.turn();
        }
        self.given = true;
        true
    }

    /// The name that was gone to last.
    pub fn name(&self) -> &str {
        // The parts of an expression are UTF-8.
        std::str::from_utf8(&self.name).unwrap_or_default()
    }

    /// Whether the brackets gave these places to that name.
    pub fn is_at(&self, places: &[Place]) -> bool {
        let here = self.wheels.iter().map(|wheel| Place { segment: wheel.segment, length: wheel.text.len() });
        here.eq(places.iter().copied())
    }

    /// Writes names, each between `before` and `after`, into `block` from `used` on, as long as there are names and room,
    /// and none is very long. Gives what is used then.
    pub fn fill(&mut self, block: &mut [u8], mut used: usize, before: &[u8], after: &[u8]) -> usize {
        while self.left > 0 {
            if self.given {
                self.turn();
                self.given = false;
            }
            let Some(wheel) = self.wheels.last_mut() else { break };
            let line = [before, &self.name, after].concat();
            let segment = &wheel.bracket.segments[wheel.segment];
            let digits = before.len() + wheel.at..before.len() + wheel.at + wheel.text.len();
            let most = segment.steps_from(&wheel.text).unwrap_or(u64::MAX - 1).saturating_add(1).min(self.left);
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
            used += lines as usize * line.len();
            self.left -= lines;
            self.taken += lines;
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
fn repeat<const WIDTH: usize>(line: &[u8], most: u64, block: &mut [u8], step: impl Fn(&mut [u8])) -> (u64, Vec<u8>) {
    let mut wide = [0; WIDTH];
    wide[..line.len()].copy_from_slice(line);
    let room = block.len().checked_sub(WIDTH).map_or(0, |room| room / line.len() + 1);
    let lines = most.min(room as u64);
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

fn small(count: &BigUint) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
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
