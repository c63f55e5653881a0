//! Folds names with several numbers: a grid with a row per name and a column per axis, folded along one axis at a time.
//! An "axis" is the position of a number in the name.

use super::numbers::{Number, Run, join};
use indexmap::IndexSet;
use std::cmp::Reverse;
use std::{iter, mem, slice};

/// Limit of axes to fold along. 32 axes with two numbers each are 2^32 names already.
const MOST_FOLDED: usize = 32;

pub struct Grid {
    /// Row by row, for each axis the id of a number or of a set of numbers.
    cells: Vec<usize>,
    axes: Vec<Axis>,
}

struct Axis {
    /// The numbers that occur, ascending. The id of a number is its index here.
    numbers: Vec<Number>,
    /// The sets of two or more numbers that occur, each as ascending ids. Their own ids follow those of the numbers.
    sets: IndexSet<Box<[usize]>>,
}

impl Axis {
    fn ids(&self) -> usize {
        self.numbers.len() + self.sets.len()
    }

    /// Returns the ids of the numbers that an id stands for.
    fn members<'a>(&'a self, id: &'a usize) -> &'a [usize] {
        match id.checked_sub(self.numbers.len()) {
            None => slice::from_ref(id),
            Some(set) => &self.sets[set],
        }
    }
}

impl Grid {
    /// Makes a grid of rows of `width` numbers each.
    pub fn new(rows: Vec<Number>, width: usize) -> Grid {
        let mut cells = vec![0; rows.len()];
        let mut axes = Vec::with_capacity(width);
        for axis in 0..width {
            let in_axis = rows.iter().enumerate().skip(axis).step_by(width);
            let mut column: Vec<(Number, usize)> = in_axis.map(|(cell, number)| (*number, cell)).collect();
            column.sort_unstable();
            let mut numbers: Vec<Number> = Vec::new();
            for (number, cell) in column {
                if numbers.last() != Some(&number) {
                    numbers.push(number);
                }
                cells[cell] = numbers.len() - 1;
            }
            axes.push(Axis { numbers, sets: IndexSet::new() });
        }
        Grid { cells, axes }
    }

    /// Folds along the axes of `wanted`, first along the axis with the most numbers, and of several such along the last.
    /// Afterwards no two rows differ along only one of them.
    pub fn fold(&mut self, wanted: &[usize]) {
        let numbers = |axis: usize| self.axes[axis].numbers.len();
        let mut order: Vec<usize> = wanted.iter().copied().filter(|axis| numbers(*axis) > 1).collect();
        order.sort_unstable_by_key(|axis| Reverse((numbers(*axis), *axis)));
        order.truncate(MOST_FOLDED);
        order.into_iter().for_each(|axis| self.fold_along(axis));
    }

    /// Merges the rows that differ only in `axis`, and removes duplicates.
    fn fold_along(&mut self, axis: usize) {
        // The first sort key weighs least, so the numbers of `axis` ascend within rows that are otherwise equal.
        let others = (0..self.axes.len()).filter(|other| *other != axis);
        let order = self.sorted(iter::once(axis).chain(others), |_, id| id);
        let is_alike = |a: &usize, b: &usize| {
            let (a, b) = (self.row(*a), self.row(*b));
            a[..axis] == b[..axis] && a[axis + 1..] == b[axis + 1..]
        };
        let numbers = self.axes[axis].numbers.len();
        let mut cells = Vec::new();
        let mut sets: IndexSet<Box<[usize]>> = IndexSet::new();
        let mut set = Vec::new();
        for rows in order.chunk_by(is_alike) {
            set.clear();
            set.extend(rows.iter().map(|row| self.row(*row)[axis]));
            set.dedup();
            let id = match set.as_slice() {
                [number] => *number,
                set => numbers + sets.get_index_of(set).unwrap_or_else(|| sets.insert_full(set.into()).0),
            };
            cells.extend_from_slice(self.row(rows[0]));
            let start = cells.len() - self.axes.len();
            cells[start + axis] = id;
        }
        self.cells = cells;
        self.axes[axis].sets = sets;
    }

    /// Calls `take` with each row, ascending, as the runs along each axis.
    pub fn for_each_row(&self, mut take: impl FnMut(&[Vec<Run>])) {
        let mut order = self.sorted((0..self.axes.len()).rev(), |axis, id| self.axes[axis].members(&id)[0]);
        order.dedup_by(|a, b| self.row(*a) == self.row(*b));
        let mut groups = vec![Vec::new(); self.axes.len()];
        for row in order {
            for ((axis, id), runs) in self.axes.iter().zip(self.row(row)).zip(&mut groups) {
                runs.clear();
                runs.extend(axis.members(id).iter().map(|id| Run::from(axis.numbers[*id])));
                join(runs);
            }
            take(&groups);
        }
    }

    fn row(&self, row: usize) -> &[usize] {
        &self.cells[row * self.axes.len()..][..self.axes.len()]
    }

    /// Returns the rows sorted by one axis after the other; the last one weighs most. It is a counting sort, which is faster
    /// than comparing because the keys are ids of the axis.
    fn sorted(&self, axes: impl Iterator<Item = usize>, key: impl Fn(usize, usize) -> usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.cells.len() / self.axes.len()).collect();
        let mut sorted = order.clone();
        for axis in axes.filter(|axis| self.axes[*axis].ids() > 1) {
            let key = |row: usize| key(axis, self.row(row)[axis]);
            let mut places = vec![0; self.axes[axis].ids()];
            order.iter().for_each(|row| places[key(*row)] += 1);
            let mut start = 0;
            for place in &mut places {
                start += mem::replace(place, start);
            }
            for row in &order {
                let place = &mut places[key(*row)];
                sorted[*place] = *row;
                *place += 1;
            }
            mem::swap(&mut order, &mut sorted);
        }
        order
    }
}
