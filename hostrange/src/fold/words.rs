//! `WordWriter`: writes the words of an expression.

use super::numbers::{Number, Run, progressions};
use super::{FoldOptions, NUMBER};
use crate::pattern::digits::{MOST_DIGITS_FOLDED, MOST_DIGITS_READ};
use cerveza_record::{is_bare, quote, quote_as_word};
use std::{mem, str};

/// Returns the texts around the numbers of a shape, one more than there are numbers.
fn texts(shape: &[u8]) -> impl Iterator<Item = &str> {
    // A piece of a name is UTF-8.
    shape.split(|byte| *byte == NUMBER).map(|text| str::from_utf8(text).unwrap_or_default())
}

pub struct WordWriter {
    pub expression: String,
    before: &'static str,
    autostep: Option<usize>,
    quote: fn(&str) -> String,
    /// If the word needs quotes: its text since the last bracket.
    unquoted: Option<String>,
}

impl WordWriter {
    pub fn new(options: &FoldOptions) -> WordWriter {
        let quote = if options.for_shell { quote_as_word } else { quote };
        let (before, autostep) = (options.before, options.autostep);
        WordWriter { expression: String::new(), before, autostep, quote, unquoted: None }
    }

    /// Writes a word: a shape, and the runs of numbers for each of its axes.
    pub fn push<'a>(&mut self, shape: &[u8], groups: impl IntoIterator<Item = &'a [Run]>) {
        if !self.expression.is_empty() {
            self.expression.push(',');
        }
        self.expression.push_str(self.before);
        self.unquoted = (!is_bare(texts(shape))).then(String::new);
        let mut groups = groups.into_iter();
        for text in texts(shape) {
            match groups.next() {
                Some(runs) => self.push_numbers(text, runs),
                None => self.text().push_str(text),
            }
        }
        self.end_text();
    }

    /// Returns the buffer for text outside of brackets.
    fn text(&mut self) -> &mut String {
        self.unquoted.as_mut().unwrap_or(&mut self.expression)
    }

    fn end_text(&mut self) {
        if let Some(text) = self.unquoted.as_mut().map(mem::take).filter(|text| !text.is_empty()) {
            self.expression.push_str(&(self.quote)(&text));
        }
    }

    fn push_numbers(&mut self, text: &str, runs: &[Run]) {
        if let [run] = runs
            && run.is_single()
        {
            self.text().push_str(text);
            run.low.write(self.text());
            return;
        }
        // Digits before a number belong to it, because it was too long for a `Number`.
        let (text, head) = match text.trim_end_matches(|c: char| c.is_ascii_digit()) {
            before if text.len() - before.len() + MOST_DIGITS_FOLDED <= MOST_DIGITS_READ => text.split_at(before.len()),
            _ => (text, ""),
        };
        self.text().push_str(text);
        self.end_text();
        self.expression.push('[');
        match self.autostep {
            None => runs.iter().for_each(|run| self.push_run(head, *run, 1)),
            Some(least) => progressions(runs, least).into_iter().for_each(|(run, step)| self.push_run(head, run, step)),
        }
        // Removes the comma after the last run.
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
