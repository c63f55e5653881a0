//! Folds names into one expression. Expanded, it gives the same names, each once.
//!
//! A "shape" is the text around the numbers of a name. Names of the same shape are folded (`numbers` along one axis, `axes`
//! along several), and the result is written as words (`words`).

mod axes;
mod numbers;
#[cfg(test)]
mod tests;
mod words;

use axes::Grid;
use indexmap::IndexMap;
use numbers::{MOST_DIGITS, Number, Run, join, push_run};
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
    shapes: IndexMap<Box<[u8]>, ShapeNames>,
    /// The shape of the last name, its index, and the numbers. The next name often has the same shape.
    shape: Vec<u8>,
    shape_index: usize,
    numbers: Vec<Number>,
    /// A buffer for the shape of the next name.
    next_shape: Vec<u8>,
}

/// The names of one shape, by the number of its axes.
enum ShapeNames {
    None,
    One(Vec<Run>),
    /// The numbers of all names, name by name.
    Several(Vec<Number>),
}

impl ShapeNames {
    fn new(numbers: usize) -> ShapeNames {
        match numbers {
            0 => ShapeNames::None,
            1 => ShapeNames::One(Vec::new()),
            _ => ShapeNames::Several(Vec::new()),
        }
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
        self.split(name);
        match &mut self.shapes[self.shape_index] {
            ShapeNames::None => {}
            ShapeNames::One(runs) => push_run(runs, self.numbers[0].into()),
            ShapeNames::Several(rows) => rows.extend_from_slice(&self.numbers),
        }
    }

    pub fn finish(self) -> String {
        let mut words = WordWriter::new(&self.options);
        for (shape, names) in self.shapes {
            let count = shape.iter().filter(|byte| **byte == NUMBER).count();
            let folded = self.options.folded(count);
            match names {
                ShapeNames::None => words.push(&shape, []),
                ShapeNames::One(runs) if folded.is_empty() => {
                    push_rows(&mut words, &shape, runs.iter().flat_map(Run::numbers).collect(), count, &folded);
                }
                ShapeNames::One(mut runs) => {
                    join(&mut runs);
                    words.push(&shape, [runs.as_slice()]);
                }
                ShapeNames::Several(rows) => push_rows(&mut words, &shape, rows, count, &folded),
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
            let head_end = end - digits.min(MOST_DIGITS);
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
                None => self.shapes.insert_full(self.shape.as_slice().into(), ShapeNames::new(self.numbers.len())).0,
            };
        }
    }
}

/// Writes the words of a shape with `count` numbers, folded along some of its axes.
fn push_rows(words: &mut WordWriter, shape: &[u8], rows: Vec<Number>, count: usize, folded: &[usize]) {
    if rows.len() == count {
        // One name. Random names have many such shapes.
        let runs: Vec<Run> = rows.into_iter().map(Run::from).collect();
        words.push(shape, runs.chunks(1));
        return;
    }
    let mut grid = Grid::new(rows, count);
    grid.fold(folded);
    grid.for_each_row(|groups| words.push(shape, groups.iter().map(Vec::as_slice)));
}

/// Folds names along all axes, as messages show them. The result has no control characters.
pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut folder = Folder::new(FoldOptions::default());
    names.into_iter().for_each(|name| folder.add(name));
    folder.finish()
}
