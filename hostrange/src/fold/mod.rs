//! Names folded into one expression. What it gives, expanded, is the same set of names, each of them once.
//!
//! A name is split into its shape and its numbers, the names of a shape are folded (`numbers` along one axis, `axes`
//! along several), and the words that come out are written (`words`).

mod axes;
mod numbers;
#[cfg(test)]
mod tests;
mod words;

use axes::Grid;
use indexmap::IndexMap;
use numbers::{MOST_DIGITS, Number, Run, join, push_run};
use std::mem;
use words::Words;

/// How names fold. By default along all axes, without steps.
#[derive(Clone, Debug, Default)]
pub struct FoldOptions {
    /// Fold along these axes only: counted from 1, negative from the end. `None`: all.
    pub axes: Option<Vec<i64>>,
    /// Write numbers as a stepped range `[0-10/2]` where at least so many (3 or more) stand in a row. `None`: never.
    pub autostep: Option<usize>,
    /// Write quoted text as one word of a shell: blanks are escapes. `false`: as people read it.
    pub for_shell: bool,
    /// What stands before each word: the `@` of node groups.
    pub before: &'static str,
}

impl FoldOptions {
    /// The axes to fold along, of so many, counted from 0.
    fn folded(&self, count: usize) -> Vec<usize> {
        let is_wanted = |axis: usize| match &self.axes {
            None => true,
            Some(wanted) => wanted.contains(&(axis as i64 + 1)) || wanted.contains(&(axis as i64 - count as i64)),
        };
        (0..count).filter(|axis| is_wanted(*axis)).collect()
    }
}

/// Folds names, added in any order, into a comma-separated expression without duplicates. Shapes keep the order of
/// their first name; within a shape words and numbers ascend.
///
/// A shape is the text around a name's numbers, with `NUMBER` for each of them. Of digits too many for a `Number` the
/// last ones are the number, and those before, the head, are text. Texts are quoted where they have to be.
pub struct Folder {
    options: FoldOptions,
    shapes: IndexMap<Box<[u8]>, Names>,
    /// Of the name last split: its shape, most often that of the next name too, the shape's index, and the numbers.
    shape: Vec<u8>,
    shape_index: usize,
    numbers: Vec<Number>,
    /// Where the next shape is made.
    next_shape: Vec<u8>,
}

/// The names of one shape, by how many numbers it has.
enum Names {
    None,
    One(Vec<Run>),
    /// One name's numbers after the other's.
    Several(Vec<Number>),
}

impl Names {
    fn new(numbers: usize) -> Names {
        match numbers {
            0 => Names::None,
            1 => Names::One(Vec::new()),
            _ => Names::Several(Vec::new()),
        }
    }
}

/// Stands for a number in a shape. No UTF-8 has it.
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
            Names::None => {}
            Names::One(runs) => push_run(runs, self.numbers[0].into()),
            Names::Several(rows) => rows.extend_from_slice(&self.numbers),
        }
    }

    pub fn finish(self) -> String {
        let mut words = Words::new(&self.options);
        for (shape, names) in self.shapes {
            let count = shape.iter().filter(|byte| **byte == NUMBER).count();
            let folded = self.options.folded(count);
            match names {
                Names::None => words.push(&shape, []),
                Names::One(runs) if folded.is_empty() => {
                    push_rows(&mut words, &shape, runs.iter().flat_map(Run::numbers).collect(), count, &folded);
                }
                Names::One(mut runs) => {
                    join(&mut runs);
                    words.push(&shape, [runs.as_slice()]);
                }
                Names::Several(rows) => push_rows(&mut words, &shape, rows, count, &folded),
            }
        }
        words.expression
    }

    /// Finds a name's shape and its numbers.
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
                None => self.shapes.insert_full(self.shape.as_slice().into(), Names::new(self.numbers.len())).0,
            };
        }
    }
}

/// Writes the words of a shape with `count` numbers, folded along some of its axes.
fn push_rows(words: &mut Words, shape: &[u8], rows: Vec<Number>, count: usize, folded: &[usize]) {
    if rows.len() == count {
        // One name, as of most shapes where names are random.
        let runs: Vec<Run> = rows.into_iter().map(Run::from).collect();
        words.push(shape, runs.chunks(1));
        return;
    }
    let mut grid = Grid::new(rows, count);
    grid.fold(folded);
    grid.for_each_row(|groups| words.push(shape, groups.iter().map(Vec::as_slice)));
}

/// Folds names along all their axes. Also the form that hosts have in messages: it has no control characters.
pub fn fold<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut folder = Folder::new(FoldOptions::default());
    names.into_iter().for_each(|name| folder.add(name));
    folder.finish()
}
