//! The command line options of `hostrange`.

use crate::cli::options::{Axes, GroupSource, Operations, Slice, parse_axes, parse_separator, parse_source};
use crate::completion::hosts;
use crate::fold::FoldOptions;
use crate::output::group_lines::GroupLine;
use crate::set::listing::Repeats;
use cerveza_manners::{FormatArgs, OutputMode, record_keys};
use clap::{ArgGroup, Parser};

/// Expand, fold, count and combine sets of host names
///
/// Expands expressions such as web[1-40] into host names, folds names back into one expression, and answers questions
/// about the set. In a pipe it writes a record per host; on a terminal, a name per line.
#[derive(Parser, Clone, Debug)]
#[command(name = "hostrange", version, args_override_self = true)]
#[command(group(ArgGroup::new("folding").multiple(true)))]
#[command(mut_arg("names", |arg| arg.help("Print one name per line, also in a pipe (same as -o names)")))]
#[command(mut_arg("output", |arg| arg.help("Output format").long_help(FORMATS)))]
#[command(mut_arg("columns", |arg| arg.help("Columns of a table, csv or tsv, separated by commas").long_help(COLUMNS)))]
#[command(mut_arg("no_header", |arg| arg.hide_short_help(true)))]
#[command(mut_arg("color", |arg| arg.hide_short_help(true)))]
pub struct Args {
    /// Host expressions such as 'web[1-3]', `-` for stdin (the default), or `^FILE` for a file
    ///
    /// Several are a union. Stdin and files hold names, expressions and records (JSON objects with a "host"), one per line.
    #[arg(value_name = "EXPR", add = hosts())]
    pub expressions: Vec<String>,

    #[command(flatten, next_help_heading = "Operations")]
    pub operations: Operations,

    /// Print the hosts as one expression, such as web[1-3]
    #[arg(short, long, group = "folding", conflicts_with_all = ["output"], help_heading = "Output")]
    pub fold: bool,

    /// Fold only along these numbers of a name
    ///
    /// Numbers are counted from 1, or from the end with a minus: 2, 1-2 or -1.
    #[arg(long, value_name = "AXES", requires = "folding", allow_hyphen_values = true, value_parser = parse_axes,
          hide_short_help = true, help_heading = "Output")]
    pub axis: Option<Axes>,

    /// Fold N or more evenly spaced numbers into a range with a step, such as [0-10/2]
    #[arg(long, value_name = "N", requires = "folding", value_parser = clap::value_parser!(u32).range(3..),
          hide_short_help = true, help_heading = "Output")]
    pub autostep: Option<u32>,

    /// Print the number of hosts
    #[arg(short, long, conflicts_with_all = ["fold", "output"], help_heading = "Output")]
    pub count: bool,

    /// Print the names on one line, separated by spaces (same as -s ' ')
    #[arg(short, long, conflicts_with_all = ["fold", "count", "index", "contains", "output"], help_heading = "Output")]
    pub expand: bool,

    /// Print the names separated by SEP instead of newlines
    ///
    /// Understands \n, \t and \0. \0 also ends the last name, for xargs -0.
    #[arg(short, long, value_name = "SEP", conflicts_with_all = ["fold", "count", "index", "contains", "output"],
          allow_hyphen_values = true, value_parser = parse_separator, help_heading = "Output")]
    pub separator: Option<String>,

    /// Print a line per value of a record field such as zone, with its hosts
    ///
    /// KEY is a field or a path such as tags.role. With --count the line has the number of hosts. Hosts without the field
    /// are in the last line, `-`.
    #[arg(long, value_name = "KEY", add = record_keys(), group = "folding", conflicts_with_all = ["names", "expand", "separator", "index",
          "contains", "split", "keep_duplicates"], help_heading = "Output")]
    pub by: Option<String>,

    /// Split the hosts, in order, into N parts of equal size
    ///
    /// With -1, -e or --fold, each part is one line. Records get a key "split" with the number of their part. Sizes differ
    /// by at most one. Fewer hosts make fewer parts.
    #[arg(long, value_name = "N", conflicts_with_all = ["count", "index", "contains"],
          value_parser = clap::value_parser!(u32).range(1..=MOST_PARTS), help_heading = "Output")]
    pub split: Option<u32>,

    #[command(flatten, next_help_heading = "Output")]
    pub output: FormatArgs,

    /// Sort the hosts by name; numbers by value: web2 before web10
    #[arg(long, help_heading = "Selection")]
    pub sort: bool,

    /// Select hosts by position: 0 (first), -1 (last), 10-19, 5-
    ///
    /// Several positions are separated by commas. Hosts keep the order of the set. Positions beyond the end select nothing.
    #[arg(long, value_name = "SLICE", allow_hyphen_values = true, help_heading = "Selection")]
    pub nth: Option<Slice>,

    /// Select N hosts at random, in the order of the set
    #[arg(long, value_name = "N", conflicts_with_all = ["nth", "index", "contains"],
          value_parser = clap::value_parser!(u64).range(1..=MOST_PICKED), help_heading = "Selection")]
    pub pick: Option<u64>,

    /// Make --pick select the same hosts for the same S
    #[arg(long, value_name = "S", requires = "pick", hide_short_help = true, help_heading = "Selection")]
    pub seed: Option<u64>,

    /// Keep hosts that are given more than once [default: each host once]
    #[arg(long, conflicts_with_all = ["fold", "index", "contains"], hide_short_help = true, help_heading = "Selection")]
    pub keep_duplicates: bool,

    /// Exit with 0 if the set has all hosts of EXPR, 1 if not; print nothing
    ///
    /// Exits with 2 if that cannot be decided.
    #[arg(long, value_name = "EXPR", add = hosts(), conflicts_with_all = ["fold", "count", "nth", "index", "output"],
          help_heading = "Questions and checks")]
    pub contains: Option<String>,

    /// Print the position of NAME, counted from 0; exit with 1 if it is missing
    #[arg(long, value_name = "NAME", add = hosts(), conflicts_with_all = ["fold", "count", "nth", "output"],
          help_heading = "Questions and checks")]
    pub index: Option<String>,

    /// Exit with status 1 if no host is left
    #[arg(long, hide_short_help = true, help_heading = "Questions and checks")]
    pub fail_empty: bool,

    /// Write nothing and exit with 2 if there are more than N hosts
    ///
    /// The default is 100000 on a terminal and for a table. A pipe has no limit.
    #[arg(long, value_name = "N", hide_short_help = true, help_heading = "Questions and checks")]
    pub max: Option<u64>,

    /// List the node groups of SOURCE, of all (`*`), or of the default source
    ///
    /// With EXPR, list those that have any of its hosts. With --fold, also print the hosts of each group, with --count their
    /// number.
    #[arg(long, value_name = "SOURCE", group = "folding", num_args = 0..=1, require_equals = true,
          default_missing_value = "", value_parser = parse_source, conflicts_with_all = ["by", "names", "expand",
          "separator", "nth", "index", "contains", "pick", "split", "sort", "keep_duplicates", "max"],
          help_heading = "Node groups")]
    pub groups: Option<GroupSource>,

    /// Like --fold, but write whole node groups of SOURCE as @GROUP
    #[arg(long, value_name = "SOURCE", group = "folding", num_args = 0..=1, require_equals = true,
          default_missing_value = "", value_parser = parse_source, conflicts_with_all = ["by", "groups", "count", "output",
          "names", "expand", "separator", "nth", "index", "contains", "pick", "split", "keep_duplicates", "max"],
          help_heading = "Node groups")]
    pub regroup: Option<GroupSource>,
}

const FORMATS: &str = "Output format: JSON lines, names (one per line), a table, or csv or tsv with a header line. `auto` is \
    JSON lines in a pipe or file, and names on a terminal";
const COLUMNS: &str = "Columns of a table, csv or tsv, separated by commas: keys of the records, such as \
    host,tags.role,zone, and `age`, the time since the launch. Without --output the result is a table";

impl Args {
    /// The output format of hosts that are not folded.
    pub(crate) fn mode(&self) -> OutputMode {
        if self.separator.is_some() || self.expand { OutputMode::Names } else { self.output.mode(OutputMode::Names) }
    }

    /// Whether hosts are folded or grouped, so there is not a line for each of them.
    pub(crate) fn folds_or_groups(&self) -> bool {
        self.fold || self.by.is_some()
    }

    /// What is written for a host that is given more than once.
    pub(crate) fn repeats(&self) -> Repeats {
        let has_names =
            self.folds_or_groups() || self.count || self.index.is_some() || self.mode() == OutputMode::Names;
        if self.keep_duplicates || self.folds_all() {
            Repeats::Kept
        } else if has_names {
            Repeats::Once
        } else {
            Repeats::Records
        }
    }

    /// What a line has for each group.
    pub(crate) fn group_line(&self, by_default: GroupLine) -> GroupLine {
        if self.fold {
            GroupLine::Hosts
        } else if self.count {
            GroupLine::Count
        } else {
            by_default
        }
    }

    /// Whether one expression is made of all hosts and nothing counts them. The fold itself removes duplicates then.
    fn folds_all(&self) -> bool {
        self.fold
            && self.by.is_none()
            && self.nth.is_none()
            && self.pick.is_none()
            && self.split.is_none()
            && self.max.is_none()
    }

    /// The options of the fold.
    pub(crate) fn fold_options(&self) -> FoldOptions {
        FoldOptions {
            axes: self.axis.as_ref().map(|axes| axes.0.clone()),
            autostep: self.autostep.map(|least| least as usize),
            for_shell: true,
            before: "",
        }
    }
}

/// Returns what `hostrange` has for an option that it does not have.
pub fn hint(word: &str) -> Option<String> {
    matches!(word, "--group-by" | "-g").then(|| "to group hosts by a key of their records: --by KEY".to_string())
}

const MOST_PICKED: u64 = 10_000_000;
const MOST_PARTS: i64 = 1_000_000;
