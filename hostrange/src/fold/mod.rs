//! Folds names into one expression. Expanded, it gives the same names, each once.
//!
//! A "shape" is the text around the numbers of a name. Names of the same shape are folded (`numbers` along one axis, `axes`
//! along several), and the result is written as words (`words`).

mod axes;
mod numbers;
#[cfg(test)]
mod tests;
mod words;

use crate::pattern::digits::MOST_DIGITS_FOLDED;
use axes::Grid;
use indexmap::IndexMap;
use numbers::{Number, Run, join};
use std::mem;
use words::WordWriter;

/// How to fold names. The default is along all axes, without steps.
#[derive(Clone, Debug, Default)]
pub struct FoldOptions {
    /// Fold only along these axes, counted from 1, or from the end if negative. `None`: all.
    pub axes: Option<Vec<i64>>,
    /// Write at least so many (3 or more) evenly spaced numbers as a range with a step, `[0-10/2]`. `None`: never.
    pub autostep: Option<usize>,
    /// Write blanks in quoted text as escapes, so a shell does not split it. `false`: write it as people read it.
    pub for_shell: bool,
    /// Text before each word: the `@` of node groups.
    pub before: &'static str,
}

impl FoldOptions {
    /// Returns which of `count` axes to fold along, counted from 0.
    fn folded(&self, count: usize) -> Vec<usize> {
        let is_wanted = |axis: usize| match &self.axes {
            None => true,
            Some(wanted) => wanted.contains(&(axis as i64 + 1)) || wanted.contains(&(axis as i64 - count as i64)),
        };
        (0..count).filter(|axis| is_wanted(*axis)).collect()
    }
}

/// Folds names, added in any order, into a comma-separated expression without duplicates. Shapes keep the order of
/// their first name. Within a shape words and numbers ascend.
///
/// A shape has the byte `NUMBER` for each number. If a name has more digits in a row than a `Number`, the last ones are the
/// number and the others are text.
pub struct Folder {
    options: FoldOptions,
    shapes: IndexMap<Box<[u8]>, Rows>,
    /// The shape of the last name, its index, and the numbers. The next name often has the same shape.
    shape: Vec<u8>,
    shape_index: usize,
    numbers: Vec<Number>,
    /// A buffer for the shape of the next name.
    next_shape: Vec<u8>,
}

/// The names of one shape. A "row" is a series of names that differ only in their last number.
#[derive(Default)]
pub struct Rows {
    /// The numbers before the last one, row by row.
    heads: Vec<Number>,
    /// The last numbers of each row.
    runs: Vec<Run>,
}

impl Rows {
    /// Adds `count` names. Extends the last row if it can, so sorted names take little memory.
    fn push(&mut self, numbers: &[Number], count: u64) {
        let Some((last, head)) = numbers.split_last() else { return };
        let run = Run::new(*last, count);
        if self.heads.ends_with(head) && self.runs.last_mut().is_some_and(|runs| runs.extend(run)) {
            return;
        }
        self.heads.extend_from_slice(head);
        self.runs.push(run);
    }
}

/// Stands for a number in a shape. UTF-8 never contains this byte.
const NUMBER: u8 = 0xff;

impl Folder {
    pub fn new(options: FoldOptions) -> Folder {
        Folder {
            options,
            shapes: IndexMap::new(),
            shape: Vec::new(),
            shape_index: 0,
            numbers: Vec::new(),
            next_shape: Vec::new(),
        }
    }

    pub fn add(&mut self, name: &str) {
        self.add_series(name, 1);
    }

    /// Adds `count` names. `first` is the first; the last number of the others goes up by one and keeps its length.
    pub fn add_series(&mut self, first: &str, count: u64) {
        self.split(first);
        self.shapes[self.shape_index].push(&self.numbers, count);
    }

    pub fn finish(self) -> String {
        let mut words = WordWriter::new(&self.options);
        for (shape, mut rows) in self.shapes {
            let count = shape.iter().filter(|byte| **byte == NUMBER).count();
            let folded = self.options.folded(count);
            match rows.runs.as_slice() {
                [] => words.push(&shape, []),
                // One row. Random names have many such shapes.
                [run] if run.is_single() || folded.contains(&(count - 1)) => {
                    let numbers: Vec<Run> = rows.heads.into_iter().map(Run::from).chain([*run]).collect();
                    words.push(&shape, numbers.chunks(1));
                }
                _ if count == 1 && folded == [0] => {
                    join(&mut rows.runs);
                    words.push(&shape, [rows.runs.as_slice()]);
                }
                _ => {
                    let mut grid = Grid::new(&rows);
                    grid.fold(&folded);
                    grid.for_each_row(|runs| words.push(&shape, runs.iter().copied()));
                }
            }
        }
        words.expression
    }

    /// Splits a name into its shape and its numbers.
    fn split(&mut self, name: &str) {
        self.next_shape.clear();
        self.numbers.clear();
        let mut rest = name;
        while let Some(start) = rest.bytes().position(|byte| byte.is_ascii_digit()) {
            let digits = rest[start..].bytes().take_while(u8::is_ascii_digit).count();
            let end = start + digits;
            let head_end = end - digits.min(MOST_DIGITS_FOLDED);
            self.next_shape.extend_from_slice(&rest.as_bytes()[..head_end]);
            self.next_shape.push(NUMBER);
            self.numbers.push(Number::parse(&rest[head_end..end]));
            rest = &rest[end..];
        }
        self.next_shape.extend_from_slice(rest.as_bytes());
        if self.next_shape != self.shape {
            mem::swap(&mut self.shape, &mut self.next_shape);
            self.shape_index = match self.shapes.get_index_of(self.shape.as_slice()) {
                Some(index) => index,
                None => self.shapes.insert_full(self.shape.as_slice().into(), Rows::default()).0,
            };
        }
    }
}

/// Folds names along all axes, as messages show them. The result has no control characters.
pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut folder = Folder::new(FoldOptions::default());
    names.into_iter().for_each(|name| folder.add(name));
    folder.finish()
}
