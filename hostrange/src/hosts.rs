//! Where a tool's hosts come from: expressions on its command line, or names and records on stdin.

use crate::parse;
use cerveza_manners::{Failure, Result};
use cerveza_record::{Item, Lines, Record};
use std::collections::HashSet;
use std::io::{self, BufRead, IsTerminal};

/// More hosts than this are a slip (`web[1-400000]`), not a fleet.
const MOST_HOSTS: u128 = 100_000;

/// The hosts of a run: `words` are expressions, of which `-` stands for stdin; without any word stdin is read. Names
/// become records of nothing but `host`, once each; records come through as they are. Reads to the end before it
/// returns, so that a bad line ends the run before anything is changed.
pub fn read_hosts(words: &[String]) -> Result<Vec<Record>> {
    let stdin = io::stdin();
    if words.is_empty() && stdin.is_terminal() {
        return Err(
            Failure::usage("no hosts are given").hint("name them, as in 'web[1-3]', or pipe names or records in")
        );
    }
    hosts_from(words, stdin.lock())
}

/// [`read_hosts`] from any input.
pub fn hosts_from(words: &[String], stdin: impl BufRead) -> Result<Vec<Record>> {
    let mut hosts = Hosts::default();
    let mut stdin = Some(stdin);
    if words.is_empty() {
        hosts.take_lines(stdin.take())?;
    }
    for word in words {
        match word.as_str() {
            "-" => hosts.take_lines(stdin.take())?,
            expression => hosts.take_expression(expression)?,
        }
    }
    match hosts.records.is_empty() {
        true => Err(Failure::usage("no hosts: stdin was empty")),
        false => Ok(hosts.records),
    }
}

#[derive(Default)]
struct Hosts {
    records: Vec<Record>,
    /// The names that came as names: a set. Records are not, each comes out as it came in.
    names: HashSet<String>,
}

impl Hosts {
    fn take_lines(&mut self, input: Option<impl BufRead>) -> Result<()> {
        let Some(input) = input else {
            return Err(Failure::usage("stdin ('-') is given twice"));
        };
        for item in Lines::new(input) {
            match item.map_err(|error| Failure::usage(format!("stdin: {error}")))? {
                (_, Item::Record(record)) => self.records.push(record),
                (line, Item::Text(text)) => self.take_expression(&text).map_err(|failure| Failure {
                    message: format!("stdin: line {line}: {}", failure.message),
                    ..failure
                })?,
            }
        }
        Ok(())
    }

    fn take_expression(&mut self, expression: &str) -> Result<()> {
        let set = parse(expression)?;
        if set.count().is_none_or(|count| count > MOST_HOSTS) {
            let many = set.count().map_or("more than 2^128".to_string(), |count| count.to_string());
            return Err(Failure::usage(format!("{expression} stands for {many} hosts: the most is {MOST_HOSTS}")));
        }
        let mut names = set.names();
        while let Some(name) = names.next_name() {
            if self.names.insert(name.to_string()) {
                self.records.push(Record::named(name));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(words: &[&str], stdin: &str) -> std::result::Result<Vec<String>, String> {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        hosts_from(&words, stdin.as_bytes())
            .map(|records| records.iter().map(Record::to_string).collect())
            .map_err(|failure| failure.message)
    }

    #[test]
    fn without_words_stdin_is_read_and_else_only_on_a_dash() {
        assert_eq!(hosts(&[], "a\n{\"host\":\"b\",\"x\":1}\n").unwrap(), [r#"{"host":"a"}"#, r#"{"host":"b","x":1}"#]);
        assert_eq!(hosts(&["a"], "b\n").unwrap(), [r#"{"host":"a"}"#]);
        assert_eq!(hosts(&["a", "-"], "b\n").unwrap(), [r#"{"host":"a"}"#, r#"{"host":"b"}"#]);
        assert_eq!(hosts(&["-", "-"], "b\n").unwrap_err(), "stdin ('-') is given twice");
    }

    #[test]
    fn names_are_a_set_and_records_are_not() {
        assert_eq!(hosts(&["n[1-2]", "n[2-3]"], "").unwrap().len(), 3);
        assert_eq!(hosts(&[], "{\"host\":\"a\"}\n{\"host\":\"a\"}\n").unwrap().len(), 2);
    }

    #[test]
    fn bad_input_names_its_line() {
        assert_eq!(hosts(&[], "").unwrap_err(), "no hosts: stdin was empty");
        assert_eq!(hosts(&[], "a\n\n{\"x\":1}\n").unwrap_err(), "stdin: line 3: the record has no \"host\"");
        let shown = hosts(&[], "a\nb;c\n").unwrap_err();
        assert!(shown.starts_with("stdin: line 2: bad expression: a host name has no ';' in it\n"), "{shown}");
        assert_eq!(hosts(&["n[1-999999]"], "").unwrap_err(), "n[1-999999] stands for 999999 hosts: the most is 100000");
    }
}
