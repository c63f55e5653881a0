//! `Number`: a number in a name, with its zeros in front. `Run`: a range of numbers.

use crate::pattern::digits::MOST_DIGITS_FOLDED;

/// A string of 1 to 17 digits. `1` and `01` are different; they ascend by value, then by length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(u64);

const LENGTH_BITS: u32 = 5;

impl Number {
    const fn new(value: u64, length: usize) -> Number {
        Number(value << LENGTH_BITS | length as u64)
    }

    /// Parses up to `MOST_DIGITS_FOLDED` digits.
    pub fn parse(digits: &str) -> Number {
        Number::new(digits.bytes().fold(0, |value, digit| value * 10 + u64::from(digit - b'0')), digits.len())
    }

    fn value(self) -> u64 {
        self.0 >> LENGTH_BITS
    }

    fn length(self) -> usize {
        (self.0 & ((1 << LENGTH_BITS) - 1)) as usize
    }

    /// Whether a range that starts with this number writes the greater number `next` in the same way: after 8 comes 9, not 09.
    fn pads(self, next: Number) -> bool {
        let digits = next.value().checked_ilog10().map_or(1, |log| log as usize + 1);
        next.length() == self.length().max(digits)
    }

    pub fn write(self, out: &mut String) {
        let mut digits = [b'0'; MOST_DIGITS_FOLDED];
        let digits = &mut digits[..self.length()];
        let mut value = self.value();
        for digit in digits.iter_mut().rev() {
            *digit += (value % 10) as u8;
            value /= 10;
        }
        out.extend(digits.iter().copied().map(char::from));
    }
}

/// All numbers from `low` to `high` in the padding of `low`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    pub low: Number,
    pub high: Number,
}

impl From<Number> for Run {
    fn from(number: Number) -> Run {
        Run { low: number, high: number }
    }
}

impl Run {
    /// Returns `count` numbers from `low` on, all of its length.
    pub fn new(low: Number, count: u64) -> Run {
        Run { low, high: Number::new(low.value() + count - 1, low.length()) }
    }

    pub fn is_single(&self) -> bool {
        self.low == self.high
    }

    /// Returns how many numbers there are.
    pub fn count(&self) -> u64 {
        self.high.value() - self.low.value() + 1
    }

    /// Adds `next` if it overlaps or continues this run. Both have ends of one length, so 10 does not continue 9: that is
    /// left to `join`, because 10 continues 09 if that is there too.
    pub fn extend(&mut self, next: Run) -> bool {
        let is_met = self.low <= next.low && self.low.length() == next.low.length() && self.is_met_by(next);
        if is_met {
            self.high = self.high.max(next.high);
        }
        is_met
    }

    /// Whether `next`, which does not start before this run, overlaps or continues it.
    pub fn is_met_by(self, next: Run) -> bool {
        next.low.value() <= self.high.value() + 1 && self.high.pads(next.low)
    }

    /// Returns the numbers of a run whose ends have the same length.
    pub fn numbers(&self) -> impl Iterator<Item = Number> + use<> {
        let length = self.low.length();
        (self.low.value()..=self.high.value()).map(move |value| Number::new(value, length))
    }
}

/// Sorts runs, each with ends of the same length, and joins those that overlap or continue each other.
pub fn join(runs: &mut Vec<Run>) {
    runs.sort_unstable_by_key(|run| run.low);
    // For each length of numbers the last run that ends with it.
    let mut ending = [None; MOST_DIGITS_FOLDED + 1];
    let mut kept = 0;
    for at in 0..runs.len() {
        let run = runs[at];
        let length = run.low.length();
        let is_met = |length: &usize| ending[*length].is_some_and(|before: usize| runs[before].is_met_by(run));
        let before = match [length, length - 1].into_iter().find(is_met).and_then(|met| ending[met].take()) {
            Some(before) => {
                runs[before].high = runs[before].high.max(run.high);
                before
            }
            None => {
                runs[kept] = run;
                kept += 1;
                kept - 1
            }
        };
        ending[length] = Some(before);
    }
    runs.truncate(kept);
}

/// Returns the runs with their steps. At least `least` evenly spaced single numbers become one run.
pub fn progressions(runs: &[Run], least: usize) -> Vec<(Run, u64)> {
    let mut stepped: Vec<(Run, u64)> = runs.iter().map(|run| (*run, 1)).collect();
    let singles: Vec<usize> = (0..runs.len()).filter(|at| runs[*at].is_single()).collect();
    let number = |at: usize| runs[singles[at]].low;
    let step = |at: usize| number(at + 1).value() - number(at).value();
    let mut start = 0;
    while start + 1 < singles.len() {
        let mut last = start;
        while last + 1 < singles.len() && step(last) == step(start) && number(last).pads(number(last + 1)) {
            last += 1;
        }
        if last > start && step(start) > 1 && last - start + 1 >= least {
            stepped[singles[start]] = (Run { low: number(start), high: number(last) }, step(start));
            // A step of 0 marks numbers that are in the new run.
            singles[start + 1..=last].iter().for_each(|at| stepped[*at].1 = 0);
            start = last + 1;
        } else {
            start = last.max(start + 1);
        }
    }
    stepped.retain(|(_, step)| *step > 0);
    stepped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(numbers: &str) -> Vec<Run> {
        let mut runs = Vec::new();
        numbers.split(',').for_each(|number| runs.push(Number::parse(number).into()));
        join(&mut runs);
        runs
    }

    fn shown(run: Run) -> String {
        let mut shown = String::new();
        run.low.write(&mut shown);
        if !run.is_single() {
            shown.push('-');
            run.high.write(&mut shown);
        }
        shown
    }

    fn joined(numbers: &str) -> String {
        runs(numbers).into_iter().map(shown).collect::<Vec<_>>().join(",")
    }

    fn stepped(numbers: &str, least: usize) -> String {
        let stepped = progressions(&runs(numbers), least);
        let shown = |(run, step)| if step == 1 { shown(run) } else { format!("{}/{step}", shown(run)) };
        stepped.into_iter().map(shown).collect::<Vec<_>>().join(",")
    }

    #[test]
    fn a_run_has_the_padding_of_its_low_end() {
        assert_eq!(joined("8,9,10,11"), "8-11");
        assert_eq!(joined("08,09,10"), "08-10");
        assert_eq!(joined("8,08,09,10"), "8,08-10");
        assert_eq!(joined("98,99,100,101"), "98-101");
        assert_eq!(joined("098,099,100"), "098-100");
        assert_eq!(joined("99,0100"), "99,0100");
        assert_eq!(joined("0,1,00,01,000"), "0-1,00-01,000");
        assert_eq!(joined("9,09,10,99,099,100"), "9,09-10,99,099-100");
        assert_eq!(joined("99999999999999998,99999999999999999"), "99999999999999998-99999999999999999");
    }

    #[test]
    fn runs_may_overlap_and_come_in_any_order() {
        let run = |low, high| Run { low: Number::parse(low), high: Number::parse(high) };
        let mut runs = vec![run("20", "30"), run("35", "36"), run("10", "25"), run("3", "9"), run("07", "08")];
        assert!(runs[0].extend(run("31", "40")) && runs[0].extend(run("35", "36")));
        assert!(!runs[3].extend(run("10", "12")) && !runs[2].extend(run("3", "9")));
        join(&mut runs);
        assert_eq!(runs, [run("3", "40"), run("07", "08")]);
    }

    #[test]
    fn single_numbers_in_a_row_become_steps() {
        assert_eq!(stepped("0,2,4,6,8,10", 3), "0-10/2");
        assert_eq!(stepped("0,2,4", 4), "0,2,4");
        assert_eq!(stepped("1,2,4,6,8,9", 3), "1-2,4,6,8-9");
        assert_eq!(stepped("0,3,4,5,8,16", 3), "0-16/8,3-5");
        assert_eq!(stepped("1,3,5,10,15,20", 3), "1-5/2,10-20/5");
        assert_eq!(stepped("1,3,6,9", 3), "1,3-9/3");
        assert_eq!(stepped("7,9,11,13", 3), "7-13/2");
        assert_eq!(stepped("07,09,11,13", 3), "07-13/2");
        assert_eq!(stepped("7,09,11,13", 3), "7,09-13/2");
    }
}
