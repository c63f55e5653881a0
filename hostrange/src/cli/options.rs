//! Options that clap has no type for: -x, -i and -X in the order of the command line, axes and separators.

use crate::set::Operator;
use clap::error::Error;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

/// The operators of -x, -i and -X with their expressions, in the order given.
#[derive(Clone, Debug, Default)]
pub struct Operations(pub(crate) Vec<(Operator, String)>);

impl Operations {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

const OPTIONS: [(&str, char, Operator, &str); 3] = [
    ("exclude", 'x', Operator::Difference, "Remove the hosts of EXPR (like !)"),
    ("intersect", 'i', Operator::Intersection, "Keep only hosts that are also in EXPR (like &)"),
    ("xor", 'X', Operator::SymmetricDifference, "Keep hosts that are in exactly one of the set and EXPR (like ^)"),
];

impl clap::Args for Operations {
    fn augment_args(command: Command) -> Command {
        let option = |(name, short, _, help): (&'static str, char, Operator, &'static str)| {
            let more = "-x, -i and -X can be repeated. They apply to all arguments, in the order given";
            let arg = Arg::new(name).short(short).long(name).value_name("EXPR").action(ArgAction::Append);
            arg.help(help).long_help(format!("{help}. {more}"))
        };
        command.args(OPTIONS.map(option))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Operations {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Operations, Error> {
        let mut found: Vec<(usize, Operator, String)> = Vec::new();
        for (name, _, operator, _) in OPTIONS {
            let expressions = matches.get_many::<String>(name).into_iter().flatten().cloned();
            let indices = matches.indices_of(name).into_iter().flatten();
            found.extend(indices.zip(expressions).map(|(index, expression)| (index, operator, expression)));
        }
        found.sort_by_key(|(index, _, _)| *index);
        Ok(Operations(found.into_iter().map(|(_, operator, expression)| (operator, expression)).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Operations::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Numbers of a name, counted from 1, or from the end if negative.
#[derive(Clone, Debug, PartialEq)]
pub struct Axes(pub(crate) Vec<i64>);

/// More numbers than any name has.
const MOST_AXES: i64 = 256;

pub(crate) fn parse_axes(text: &str) -> Result<Axes, String> {
    let wrong = || format!("'{text}': axes count from 1, or with a minus from the end, as in 2, 1-2, 1,3 or -1");
    let number = |text: &str| text.parse::<i64>().ok().filter(|at| (1..=MOST_AXES).contains(&at.abs()));
    let mut axes = Vec::new();
    for item in text.split(',') {
        match item.split_once('-') {
            Some((first, last)) if !first.is_empty() => {
                let (first, last) = (number(first).ok_or_else(wrong)?, number(last).ok_or_else(wrong)?);
                if first > last {
                    return Err(wrong());
                }
                axes.extend(first..=last);
            }
            _ => axes.push(number(item).ok_or_else(wrong)?),
        }
    }
    Ok(Axes(axes))
}

/// Replaces `\n`, `\t`, `\0` and `\\` as printf(1) does. Any other backslash stays.
pub(crate) fn parse_separator(text: &str) -> Result<String, String> {
    let mut separator = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let escaped = match (c, chars.peek()) {
            ('\\', Some('n')) => '\n',
            ('\\', Some('t')) => '\t',
            ('\\', Some('0')) => '\0',
            ('\\', Some('\\')) => '\\',
            _ => {
                separator.push(c);
                continue;
            }
        };
        separator.push(escaped);
        chars.next();
    }
    if separator.is_empty() {
        return Err("an empty separator would run names together".to_string());
    }
    Ok(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_numbers_and_ranges_from_either_end() {
        let axes = |text| parse_axes(text).map(|axes| axes.0).ok();
        assert_eq!(axes("1,3"), Some(vec![1, 3]));
        assert_eq!(axes("1-3"), Some(vec![1, 2, 3]));
        assert_eq!(axes("-1"), Some(vec![-1]));
        assert_eq!(["0", "", "3-1", "1-", "x", "999"].map(axes), [const { None }; 6]);
    }

    #[test]
    fn a_separator_is_written_as_in_printf() {
        let separator = |text| parse_separator(text).unwrap();
        assert_eq!([r"\n", r"\t", r"\0", r"\\n", r"\x", ", "].map(separator), ["\n", "\t", "\0", "\\n", "\\x", ", "]);
    }
}
