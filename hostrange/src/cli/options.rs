//! Options that clap has no type for: -x, -i and -X in the order of the command line, axes, separators,
//! positions and sources of groups.

use crate::completion::hosts;
use crate::pattern::positions::Positions;
use crate::set::Operator;
use clap::error::Error;
use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};
use std::str::FromStr;

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
            let arg = Arg::new(name).short(short).long(name).value_name("EXPR").action(ArgAction::Append).add(hosts());
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

/// The value of --nth: `0`, `-1`, `10-19`, `5-`, `-3-`, or several, separated by commas.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// The first and the last position of each range. `None`: it goes on to the end.
    ranges: Vec<(i128, Option<i128>)>,
}

impl FromStr for Slice {
    type Err = String;

    fn from_str(text: &str) -> Result<Slice, String> {
        let wrong = |item: &str| format!("'{item}' is not a position: use 0, -1 (the last), 10-19 or 5-");
        let ranges = text.split(',').map(|item| range(item.trim()).ok_or_else(|| wrong(item)));
        Ok(Slice { ranges: ranges.collect::<Result<_, _>>()? })
    }
}

fn range(item: &str) -> Option<(i128, Option<i128>)> {
    let number = |text: &str| text.parse::<i128>().ok().filter(|_| !text.starts_with('+'));
    // A dash at the start is a sign.
    let dash = item.bytes().enumerate().skip(1).find(|(_, byte)| *byte == b'-').map(|(at, _)| at);
    let Some(dash) = dash else {
        return number(item).map(|at| (at, Some(at)));
    };
    let first = number(&item[..dash])?;
    let last = match &item[dash + 1..] {
        "" => None,
        last => Some(number(last)?),
    };
    let goes_up = |last: i128| last.signum() != first.signum() || last >= first;
    last.is_none_or(goes_up).then_some((first, last))
}

impl Slice {
    /// Whether a position counts from the end, so the number of hosts must be known.
    pub fn counts_from_end(&self) -> bool {
        self.ranges.iter().any(|(first, last)| *first < 0 || last.is_some_and(|last| last < 0))
    }

    /// Returns the positions in a set of `total` hosts. `None` is allowed if nothing counts from the end.
    pub(crate) fn positions(&self, total: Option<u128>) -> Positions {
        // `None` is before the first host.
        let position = |at: i128| match u128::try_from(at) {
            Ok(place) => Some(place),
            Err(_) => total.unwrap_or_default().checked_sub(at.unsigned_abs()),
        };
        let most = total.unwrap_or(u128::MAX);
        let ranges = self.ranges.iter().filter_map(|(first, last)| {
            let end = match last {
                Some(last) => (position(*last)? + 1).min(most),
                None => most,
            };
            Some(position(*first).unwrap_or_default()..end).filter(|range| !range.is_empty())
        });
        Positions::new(ranges.collect())
    }
}

/// The value of --groups and --regroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupSource {
    Default,
    Named(String),
    All,
}

/// Parses `SOURCE`, `@SOURCE:` and `*`. An empty text is the default source.
pub(crate) fn parse_source(text: &str) -> Result<GroupSource, String> {
    let name = text.strip_prefix('@').unwrap_or(text);
    match name.strip_suffix(':').unwrap_or(name) {
        "" => Ok(GroupSource::Default),
        "*" => Ok(GroupSource::All),
        name if name.contains(':') => Err("give the source alone, as in racks or @racks:".to_string()),
        name => Ok(GroupSource::Named(name.to_string())),
    }
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

    fn positions(text: &str, total: u128) -> Vec<u128> {
        let positions = text.parse::<Slice>().unwrap().positions(Some(total));
        let all: Vec<u128> = positions.ranges().iter().cloned().flatten().collect();
        assert_eq!(positions.count_before(total), all.len() as u128);
        all
    }

    #[test]
    fn positions_count_from_either_end() {
        assert_eq!(positions("0", 5), [0]);
        assert_eq!(positions("-1", 5), [4]);
        assert_eq!(positions("1-2", 5), [1, 2]);
        assert_eq!(positions("-2-", 5), [3, 4]);
        assert_eq!(positions("-3--2", 5), [2, 3]);
        assert_eq!(positions("3-,0,0", 5), [0, 3, 4]);
        assert_eq!(positions("1--2", 5), [1, 2, 3]);
        assert_eq!(positions("3-99", 5), [3, 4]);
        assert_eq!(positions("5", 5), [0u128; 0]);
        assert_eq!(positions("-9", 5), [0u128; 0]);
        assert_eq!(positions("-9-0", 5), [0]);
    }

    #[test]
    fn positions_beyond_the_end_do_not_count() {
        let count = |text: &str| text.parse::<Slice>().unwrap().positions(None).count_before(3);
        assert_eq!(["5", "0-9", "1-", "7-", "2,8"].map(count), [0, 3, 2, 0, 1]);
    }

    #[test]
    fn a_text_that_is_not_a_position_is_refused() {
        for bad in ["", "a", "1,", "5-2", "-1--2", "1-2-3", "+1", "--1"] {
            assert!(bad.parse::<Slice>().is_err(), "{bad}");
        }
    }
}
