//! The options of `hostrange`.

use crate::cli::node_groups::{GroupSource, parse_source};
use crate::cli::options::{Axes, Operations, parse_axes, parse_separator};
use crate::fold::FoldOptions;
use crate::output::groups::Shown;
use crate::output::select::Slice;
use cerveza_manners::{FormatArgs, OutputMode};
use clap::{ArgGroup, Parser};

/// Expand, fold, count and combine sets of host names
///
/// Expands expressions such as mysql[1-40] into host names, folds names back into one expression, and answers what is in
/// such a set.
#[derive(Parser, Clone, Debug)]
#[command(name = "hostrange", version, args_override_self = true)]
#[command(group(ArgGroup::new("folding").multiple(true)))]
#[command(mut_arg("names", |arg| arg.help("Write names, one a line, also in a pipe: the short form of --output names")))]
pub struct Args {
    /// Expressions, as in 'web[1-3]' or 'n[1-2][01-10],db1!n105'; `-` reads names, expressions and records from stdin, as
    /// does no expression at all; `^FILE` reads them from a file
    #[arg(value_name = "EXPR")]
    pub expressions: Vec<String>,

    /// Write names on one line, with blanks between them: the short form of -s ' '
    #[arg(short, long, conflicts_with_all = ["fold", "count", "index", "contains", "output"])]
    pub expand: bool,

    /// Fold the hosts into one expression
    #[arg(short, long, group = "folding", conflicts_with_all = ["output"])]
    pub fold: bool,

    /// Group the hosts by a field of their records, such as zone, tags.role or status: a line a value with the hosts
    /// folded, or with --count how many they are. Hosts without the field are in the last line, after `-`
    #[arg(long, value_name = "KEY", group = "folding", conflicts_with_all = ["names", "expand", "separator", "index",
          "contains", "split", "keep_duplicates"])]
    pub by: Option<String>,

    /// List the node groups of SOURCE, `*` for all sources [default: the default source]. With EXPR, list those that have
    /// any of these hosts. With --fold, show the hosts of each group, with --count how many they are
    #[arg(long, value_name = "SOURCE", group = "folding", num_args = 0..=1, require_equals = true,
          default_missing_value = "", value_parser = parse_source, conflicts_with_all = ["by", "names", "expand",
          "separator", "nth", "index", "contains", "pick", "split", "sort", "keep_duplicates", "max"])]
    pub groups: Option<GroupSource>,

    /// Fold the hosts into node groups of SOURCE where they are a whole group, and all others into names [default: the
    /// default source]
    #[arg(long, value_name = "SOURCE", group = "folding", num_args = 0..=1, require_equals = true,
          default_missing_value = "", value_parser = parse_source, conflicts_with_all = ["by", "groups", "count", "output",
          "names", "expand", "separator", "nth", "index", "contains", "pick", "split", "keep_duplicates", "max"])]
    pub regroup: Option<GroupSource>,

    /// Fold along these numbers of a name only: counted from 1, or with a minus from the end. As in 2, 1-2 or -1
    #[arg(long, value_name = "AXES", requires = "folding", allow_hyphen_values = true, value_parser = parse_axes)]
    pub axis: Option<Axes>,

    /// Fold numbers in even steps, as in [0-10/2], where at least N are in a row
    #[arg(long, value_name = "N", requires = "folding", value_parser = clap::value_parser!(u32).range(3..))]
    pub autostep: Option<u32>,

    /// Print how many hosts there are
    #[arg(short, long, conflicts_with_all = ["fold", "output"])]
    pub count: bool,

    /// Take the hosts at these places, in the order of the set: 0 is the first, -1 the last, 10-19 ten of them, 5- all
    /// from the sixth; several are separated by commas. Places beyond the end are empty
    #[arg(long, value_name = "SLICE", allow_hyphen_values = true)]
    pub nth: Option<Slice>,

    /// Print the place of NAME, counted from 0; with exit status 1 where it is not in the set
    #[arg(long, value_name = "NAME", conflicts_with_all = ["fold", "count", "nth", "output"])]
    pub index: Option<String>,

    /// Print nothing; the exit status is 0 if all hosts of EXPR are in the set, 1 if not, and 2 where that cannot be told
    #[arg(long, value_name = "EXPR", conflicts_with_all = ["fold", "count", "nth", "index", "output"])]
    pub contains: Option<String>,

    /// Take N hosts at random, in the order of the set
    #[arg(long, value_name = "N", conflicts_with_all = ["nth", "index", "contains"],
          value_parser = clap::value_parser!(u64).range(1..=MOST_PICKED))]
    pub pick: Option<u64>,

    /// Make --pick take the same hosts for the same seed
    #[arg(long, value_name = "S", requires = "pick")]
    pub seed: Option<u64>,

    /// Cut the hosts, in order, into N parts whose sizes differ by one at the most: a line a part, and a key "split" in
    /// records. Fewer hosts make fewer parts
    #[arg(long, value_name = "N", conflicts_with_all = ["count", "index", "contains"],
          value_parser = clap::value_parser!(u32).range(1..=MOST_PARTS))]
    pub split: Option<u32>,

    #[command(flatten)]
    pub operations: Operations,

    /// Sort the hosts: numbers by value, web2 before web10
    #[arg(long)]
    pub sort: bool,

    /// Keep hosts that are given more than once
    #[arg(long, conflicts_with_all = ["fold", "index", "contains"])]
    pub keep_duplicates: bool,

    /// Write names with SEP between them, in place of a line each. \n, \t and \0 are understood: \0 ends each name, for
    /// xargs -0
    #[arg(short, long, value_name = "SEP", conflicts_with_all = ["fold", "count", "index", "contains", "output"],
          allow_hyphen_values = true, value_parser = parse_separator)]
    pub separator: Option<String>,

    /// Exit with status 1 where no host is left
    #[arg(long)]
    pub fail_empty: bool,

    /// Refuse to write more than N hosts. Without it there is no bound in a pipe or file, and 100000 on a terminal or in
    /// a table
    #[arg(long, value_name = "N")]
    pub max: Option<u64>,

    #[command(flatten)]
    pub output: FormatArgs,
}

impl Args {
    /// How hosts are written, where that is not folded.
    pub(crate) fn mode(&self) -> OutputMode {
        match self.separator.is_some() || self.expand {
            true => OutputMode::Names,
            false => self.output.mode(OutputMode::Names),
        }
    }

    /// Whether records come out whole.
    pub(crate) fn writes_records(&self) -> bool {
        !self.folds() && !self.count && self.index.is_none() && self.mode() != OutputMode::Names
    }

    /// Whether hosts come out in expressions.
    pub(crate) fn folds(&self) -> bool {
        self.fold || self.by.is_some() || self.regroup.is_some()
    }

    /// What a line says of a group, where there are groups.
    pub(crate) fn shown(&self, by_default: Shown) -> Shown {
        match (self.fold, self.count) {
            (true, _) => Shown::Hosts,
            (false, true) => Shown::Count,
            (false, false) => by_default,
        }
    }

    /// Whether one expression is made of all hosts, and nobody counts them.
    pub(crate) fn folds_all(&self) -> bool {
        self.fold
            && self.by.is_none()
            && self.nth.is_none()
            && self.pick.is_none()
            && self.split.is_none()
            && self.max.is_none()
    }

    /// How hosts are folded.
    pub(crate) fn fold_options(&self) -> FoldOptions {
        FoldOptions {
            axes: self.axis.as_ref().map(|axes| axes.0.clone()),
            autostep: self.autostep.map(|least| least as usize),
            for_shell: true,
            before: "",
        }
    }
}

const MOST_PICKED: u64 = 10_000_000;
const MOST_PARTS: i64 = 1_000_000;
