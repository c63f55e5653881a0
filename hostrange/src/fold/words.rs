//! The words of an expression, written.

use super::NUMBER;
use super::numbers::{MOST_DIGITS, Number, Run, progressions};

/// The digits that a parser takes for one number.
const MOST_READ: usize = 255;

pub struct Words {
    pub expression: String,
    autostep: Option<usize>,
}

impl Words {
    pub fn new(autostep: Option<usize>) -> Words {
        Words { expression: String::new(), autostep }
    }

    /// Writes the names of a shape that have any of the numbers of each group.
    pub fn push<'a>(&mut self, shape: &str, groups: impl IntoIterator<Item = &'a [Run]>) {
        if !self.expression.is_empty() {
            self.expression.push(',');
        }
        let mut groups = groups.into_iter();
        for text in shape.split_inclusive(NUMBER) {
            match text.strip_suffix(NUMBER).zip(groups.next()) {
                Some((text, runs)) => self.push_numbers(text, runs),
                None => self.expression.push_str(text),
            }
        }
    }

    fn push_numbers(&mut self, text: &str, runs: &[Run]) {
        if let [run] = runs
            && run.is_single()
        {
            self.expression.push_str(text);
            run.low.write(&mut self.expression);
            return;
        }
        // Digits before a number belong to it: it was too long for a `Number`.
        let (text, head) = match text.trim_end_matches(|c: char| c.is_ascii_digit()) {
            before if text.len() - before.len() + MOST_DIGITS <= MOST_READ => text.split_at(before.len()),
            _ => (text, ""),
        };
        self.expression.push_str(text);
        self.expression.push('[');
        match self.autostep {
            None => runs.iter().for_each(|run| self.push_run(head, *run, 1)),
            Some(least) => progressions(runs, least).into_iter().for_each(|(run, step)| self.push_run(head, run, step)),
        }
        // The comma after the last.
        self.expression.pop();
        self.expression.push(']');
    }

    fn push_run(&mut self, head: &str, run: Run, step: u64) {
        self.push_number(head, run.low);
        if !run.is_single() {
            self.expression.push('-');
            self.push_number(head, run.high);
        }
        if step > 1 {
            self.expression.push('/');
            self.expression.push_str(&step.to_string());
        }
        self.expression.push(',');
    }

    fn push_number(&mut self, head: &str, number: Number) {
        self.expression.push_str(head);
        number.write(&mut self.expression);
    }
}
