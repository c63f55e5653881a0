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
    /// How many names are still to come; `u64::MAX` stands for more than anybody lives to see.
    left: u64,
    /// The position at which it ends.
    end: BigUint,
    /// The position is that to which it went, and the names taken since.
    start: BigUint,
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
        let end = pattern.count();
        let (name, left, start) = (Vec::new(), small(&end), BigUint::ZERO);
        let mut names = Names { pattern, wheels, name, given: false, left, end, start, taken: 0 };
        names.compose();
        names
    }

    pub fn pattern(&self) -> &'a Pattern {
        self.pattern
    }

    /// [`Names::remaining`], where it fits; else `u64::MAX`.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// How many names are still to come.
    pub fn remaining(&self) -> BigUint {
        &self.end - self.position()
    }

    /// Whether all names of the pattern are still to come.
    pub fn is_whole(&self) -> bool {
        self.remaining() == self.pattern.count()
    }

    /// The names that are still to come as patterns.
    pub fn parts(&self) -> Vec<Pattern> {
        let mut parts = Vec::new();
        cut(self.pattern, &BigUint::ZERO, &self.position(), &self.end, &mut parts);
        parts
    }

    /// How many names of the pattern come before the next one.
    pub fn position(&self) -> BigUint {
        &self.start + self.taken
    }

    /// Takes off the next `count` names, or all that are left.
    pub fn split_off(&mut self, count: &BigUint) -> Names<'a> {
        let middle = (self.position() + count).min(self.end.clone());
        let mut part = self.clone();
        part.end = middle.clone();
        part.left = small(&part.remaining());
        self.go_to(middle);
        self.left = small(&self.remaining());
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
        (self.start, self.taken, self.given) = (position, 0, false);
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

/// Adds the names of `pattern`, the first of which is at `start`, that are from `first` up to `end`.
fn cut(pattern: &Pattern, start: &BigUint, first: &BigUint, end: &BigUint, parts: &mut Vec<Pattern>) {
    let after = start + pattern.count();
    if first <= start && after <= *end {
        parts.push(pattern.clone());
    } else if *first < after && start < end {
        let (low, high) = pattern.halves();
        let middle = start + low.count();
        cut(&low, start, first, end, parts);
        cut(&high, &middle, first, end, parts);
    }
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
