//! Names out of parsed expressions, one at a time: memory does not grow with their number.

use crate::parse::{Numbers, Part, Pattern};
use std::fmt::Write;

/// The names of a [`HostSet`](crate::HostSet). It lends each name from one buffer, so it is no `Iterator`.
pub struct Names<'a> {
    patterns: std::slice::Iter<'a, Pattern>,
    odometer: Option<Odometer<'a>>,
    name: String,
}

impl<'a> Names<'a> {
    pub(crate) fn new(patterns: &'a [Pattern]) -> Names<'a> {
        Names { patterns: patterns.iter(), odometer: None, name: String::new() }
    }

    pub fn next_name(&mut self) -> Option<&str> {
        if !self.odometer.as_mut().is_some_and(Odometer::step) {
            self.odometer = Some(Odometer::new(self.patterns.next()?));
        }
        self.name.clear();
        self.odometer.as_ref()?.write(&mut self.name);
        Some(&self.name)
    }
}

/// Where each group of a pattern stands.
struct Odometer<'a> {
    parts: Vec<Wheel<'a>>,
}

enum Wheel<'a> {
    Text(&'a str),
    /// The range of the group it is in, and the number within that.
    Group {
        ranges: &'a [Numbers],
        range: usize,
        number: u64,
    },
}

impl<'a> Odometer<'a> {
    fn new(pattern: &'a Pattern) -> Odometer<'a> {
        let wheel = |part: &'a Part| match part {
            Part::Text(text) => Wheel::Text(text),
            Part::Group(ranges) => Wheel::Group { ranges, range: 0, number: ranges[0].low },
        };
        Odometer { parts: pattern.iter().map(wheel).collect() }
    }

    /// Turns to the next name; false at the end.
    fn step(&mut self) -> bool {
        for wheel in self.parts.iter_mut().rev() {
            let Wheel::Group { ranges, range, number } = wheel else {
                continue;
            };
            if *number < ranges[*range].high {
                *number += 1;
                return true;
            }
            let turned_over = *range + 1 == ranges.len();
            *range = if turned_over { 0 } else { *range + 1 };
            *number = ranges[*range].low;
            if !turned_over {
                return true;
            }
        }
        false
    }

    fn write(&self, name: &mut String) {
        for wheel in &self.parts {
            match wheel {
                Wheel::Text(text) => name.push_str(text),
                Wheel::Group { ranges, range, number } => {
                    let width = ranges[*range].width;
                    // Writing to a String cannot fail.
                    let _ = write!(name, "{number:0width$}");
                }
            }
        }
    }
}
