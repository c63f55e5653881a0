//! Where a tool's hosts come from: expressions on its command line, or names and records on stdin.

use crate::{HostSet, parse};
use cerveza_manners::{Failure, Result};
use cerveza_record::{Item, Lines, Record};
use std::collections::HashSet;
use std::io::{self, BufRead, IsTerminal};

/// More hosts than this are a slip (`web[1-400000]`), not a fleet.
const MOST_HOSTS: u128 = 100_000;

/// One thing that was given as hosts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    Set { text: String, set: HostSet },
    Record(Record),
}

/// The hosts of a run: `words` are expressions, of which `-` stands for stdin; without any word stdin is read. Names
/// become records of nothing but `host`, once each; records come through as they are. Reads to the end before it
/// returns, so that a bad line ends the run before anything is changed.
pub fn read_hosts(words: &[String]) -> Result<Vec<Record>> {
    expand(entries(words)?)
}

/// [`read_hosts`] from any input.
pub fn hosts_from(words: &[String], stdin: impl BufRead) -> Result<Vec<Record>> {
    expand(entries_from(words, stdin)?)
}

/// What was given, parsed and not expanded. stdin of a terminal is not waited for.
pub(crate) fn entries(words: &[String]) -> Result<Vec<Entry>> {
    let stdin = io::stdin();
    if words.is_empty() && stdin.is_terminal() {
        return Err(
            Failure::usage("no hosts are given").hint("name them, as in 'web[1-3]', or pipe names or records in")
        );
    }
    entries_from(words, stdin.lock())
}

fn entries_from(words: &[String], stdin: impl BufRead) -> Result<Vec<Entry>> {
    let stdin_alone = ["-".to_string()];
    let words = if words.is_empty() { &stdin_alone } else { words };
    let mut stdin = Some(stdin);
    let mut entries = Vec::new();
    for word in words {
        match word.as_str() {
            "-" => {
                let stdin = stdin.take().ok_or_else(|| Failure::usage("stdin ('-') is given twice"))?;
                entries.extend(lines(stdin)?);
            }
            text => entries.push(Entry::Set { text: text.to_string(), set: parse(text)? }),
        }
    }
    match entries.is_empty() {
        true => Err(Failure::usage("no hosts: stdin was empty")),
        false => Ok(entries),
    }
}

fn lines(input: impl BufRead) -> Result<Vec<Entry>> {
    let entry = |item| match item {
        (_, Item::Record(record)) => Ok(Entry::Record(record)),
        (line, Item::Text(text)) => match parse(&text) {
            Ok(set) => Ok(Entry::Set { text, set }),
            Err(error) => Err(Failure::from(error).within(format!("stdin: line {line}"))),
        },
    };
    Lines::new(input).map(|item| entry(item.map_err(|error| Failure::usage(format!("stdin: {error}")))?)).collect()
}

fn expand(entries: Vec<Entry>) -> Result<Vec<Record>> {
    for entry in &entries {
        if let Entry::Set { text, set } = entry
            && set.count().is_none_or(|count| count > MOST_HOSTS)
        {
            let many = set.count().map_or("more than 2^128".to_string(), |count| count.to_string());
            return Err(Failure::usage(format!("{text} stands for {many} hosts: the most is {MOST_HOSTS}")));
        }
    }
    let mut hosts = Vec::new();
    for_each_host(entries, |host| {
        hosts.push(host);
        Ok(())
    })?;
    Ok(hosts)
}

/// Names of which those that came before are remembered: some gigabytes of memory at the most.
pub(crate) const MOST_REMEMBERED: u128 = 20_000_000;

/// Gives every record and name to `each`, as they are expanded. The names that come as names are a set: one that came
/// before is left out; records are not, each comes out as it came in.
pub(crate) fn for_each_host(entries: Vec<Entry>, mut each: impl FnMut(Record) -> Result<()>) -> Result<()> {
    let is_distinct = matches!(entries.as_slice(), [Entry::Set { set, .. }] if set.is_plainly_distinct());
    let mut seen = HashSet::new();
    for entry in entries {
        match entry {
            Entry::Record(record) => each(record)?,
            Entry::Set { text, set } => {
                if !is_distinct && set.count().is_none_or(|count| count > MOST_REMEMBERED) {
                    let why = format!("more than {MOST_REMEMBERED} names, of which one may come twice");
                    return Err(Failure::usage(format!("{text} stands for {why}")));
                }
                let mut names = set.names();
                while let Some(name) = names.next_name() {
                    if is_distinct || seen.insert(name.to_string()) {
                        each(Record::named(name))?;
                    }
                }
            }
        }
    }
    Ok(())
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
