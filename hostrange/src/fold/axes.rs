//! Folds names with several numbers: a grid with a row per name and a column per axis, folded along one axis at a time.
//! An "axis" is the position of a number in the name.

use super::Rows;
use super::numbers::{Run, join};
use hashbrown::DefaultHashBuilder;
use indexmap::IndexSet;
use std::cmp::Reverse;
use std::mem;

/// Limit of axes to fold along. 32 axes with two numbers each are 2^32 names already.
const MOST_AXES_FOLDED: usize = 32;

pub struct Grid {
    /// Row by row, for each axis the id of a set of numbers.
    cells: Vec<usize>,
    axes: Vec<Axis>,
}

/// The sets of numbers that occur on an axis, as `join` leaves them. The id of a set is its index here.
type Axis = IndexSet<Box<[Run]>, DefaultHashBuilder>;

fn set_id(axis: &mut Axis, runs: &[Run]) -> usize {
    axis.get_index_of(runs).unwrap_or_else(|| axis.insert_full(runs.into()).0)
}

impl Grid {
    pub fn new(rows: &Rows) -> Grid {
        let head_width = rows.heads.len() / rows.runs.len();
        let mut grid = Grid { cells: Vec::new(), axes: vec![Axis::default(); head_width + 1] };
        for (row, last) in rows.runs.iter().enumerate() {
            let head = &rows.heads[row * head_width..][..head_width];
            let numbers = head.iter().map(|number| Run::from(*number)).chain([*last]);
            grid.cells.extend(grid.axes.iter_mut().zip(numbers).map(|(axis, run)| set_id(axis, &[run])));
        }
        grid
    }

    /// Folds along the axes of `wanted`, first along the axis with the most numbers, and of several such along the last.
    /// Afterwards no two rows differ along only one of them.
    pub fn fold(&mut self, wanted: &[usize]) {
        let numbers: Vec<u64> = self.axes.iter().map(count_numbers).collect();
        let mut order: Vec<usize> = wanted.iter().copied().filter(|axis| numbers[*axis] > 1).collect();
        order.sort_unstable_by_key(|axis| Reverse((numbers[*axis], *axis)));
        order.truncate(MOST_AXES_FOLDED);
        // Rows that are series are folded along their last number already.
        if order.first() != Some(&(self.axes.len() - 1)) {
            self.split_series();
        }
        order.into_iter().for_each(|axis| self.fold_along(axis));
    }

    /// Makes a row for each number of the last axis.
    fn split_series(&mut self) {
        let mut cells = Vec::new();
        let mut numbers = Axis::default();
        for row in self.cells.chunks(self.axes.len()) {
            let (last, head) = (row[row.len() - 1], &row[..row.len() - 1]);
            for number in self.axes[row.len() - 1][last].iter().flat_map(Run::numbers) {
                cells.extend_from_slice(head);
                cells.push(set_id(&mut numbers, &[number.into()]));
            }
        }
        self.cells = cells;
        self.axes.pop();
        self.axes.push(numbers);
    }

    /// Merges the rows that differ only in `axis`, and removes duplicates.
    fn fold_along(&mut self, axis: usize) {
        let others = (0..self.axes.len()).filter(|other| *other != axis);
        let order = self.sorted(others, |_, id| id);
        let is_alike = |a: &usize, b: &usize| {
            let (a, b) = (self.row(*a), self.row(*b));
            a[..axis] == b[..axis] && a[axis + 1..] == b[axis + 1..]
        };
        let mut cells = Vec::new();
        let mut sets = Axis::default();
        let mut runs = Vec::new();
        for rows in order.chunk_by(is_alike) {
            runs.clear();
            runs.extend(rows.iter().flat_map(|row| self.axes[axis][self.row(*row)[axis]].iter().copied()));
            join(&mut runs);
            let start = cells.len();
            cells.extend_from_slice(self.row(rows[0]));
            cells[start + axis] = set_id(&mut sets, &runs);
        }
        self.cells = cells;
        self.axes[axis] = sets;
    }

    /// Calls `visit` with each row, ascending, as the runs along each axis.
    pub fn for_each_row(&self, mut visit: impl FnMut(&[&[Run]])) {
        let ranks: Vec<Vec<usize>> = self.axes.iter().map(rank_by_first).collect();
        let mut order = self.sorted((0..self.axes.len()).rev(), |axis, id| ranks[axis][id]);
        order.dedup_by(|a, b| self.row(*a) == self.row(*b));
        for row in order {
            let runs: Vec<&[Run]> = self.axes.iter().zip(self.row(row)).map(|(axis, id)| &*axis[*id]).collect();
            visit(&runs);
        }
    }

    fn row(&self, row: usize) -> &[usize] {
        &self.cells[row * self.axes.len()..][..self.axes.len()]
    }

    /// Returns the rows sorted by one axis after the other; the last one weighs most. It is a counting sort, which is faster
    /// than comparing because the keys are less than the number of ids.
    fn sorted(&self, axes: impl Iterator<Item = usize>, key: impl Fn(usize, usize) -> usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.cells.len() / self.axes.len()).collect();
        let mut sorted = order.clone();
        for axis in axes.filter(|axis| self.axes[*axis].len() > 1) {
            let key = |row: usize| key(axis, self.row(row)[axis]);
            let mut places = vec![0; self.axes[axis].len()];
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

/// Returns how many numbers occur on an axis.
fn count_numbers(axis: &Axis) -> u64 {
    let mut runs: Vec<Run> = axis.iter().flatten().copied().collect();
    join(&mut runs);
    runs.iter().map(Run::count).sum()
}

/// Returns for each set how many lower first numbers there are.
fn rank_by_first(axis: &Axis) -> Vec<usize> {
    let first = |id: &usize| axis[*id][0].low;
    let mut ids: Vec<usize> = (0..axis.len()).collect();
    ids.sort_unstable_by_key(first);
    let mut ranks = vec![0; ids.len()];
    for (rank, ids) in ids.chunk_by(|a, b| first(a) == first(b)).enumerate() {
        ids.iter().for_each(|id| ranks[*id] = rank);
    }
    ranks
}
