//! The command line of `hostrange`.

use crate::chosen::Hosts;
use crate::fold::FoldOptions;
use crate::folded::Folded;
use crate::input::{Loader, Source, stdin_for, union, warn_of_globbed};
use crate::names::Names;
use crate::nodegroups::NodeGroups;
use crate::options::{Axes, Operations, parse_axes, parse_separator};
use crate::output::{Lines, Output, Table};
use crate::query;
use crate::select::{Places, Select, Slice, Split};
use crate::set::{Host, Sink, Step, finished};
use cerveza_manners::{Failure, FormatArgs, OutputMode, Result, Status, Tool};
use cerveza_record::{is_bare, unquote};
use clap::{CommandFactory, Parser};
use num_bigint::BigUint;
use std::io::{self, IsTerminal, Write};

/// Expand, fold, count and combine sets of host names
///
/// Expands expressions such as mysql[1-40] into host names, folds names back into one expression, and answers what is in
/// such a set.
#[derive(Parser, Clone, Debug)]
#[command(name = "hostrange", version, args_override_self = true)]
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
    #[arg(short, long, conflicts_with_all = ["output"])]
    pub fold: bool,

    /// Fold along these numbers of a name only: counted from 1, or with a minus from the end. As in 2, 1-2 or -1
    #[arg(long, value_name = "AXES", requires = "fold", allow_hyphen_values = true, value_parser = parse_axes)]
    pub axis: Option<Axes>,

    /// Fold numbers in even steps, as in [0-10/2], where at least N are in a row
    #[arg(long, value_name = "N", requires = "fold", value_parser = clap::value_parser!(u32).range(3..))]
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
    fn mode(&self) -> OutputMode {
        match self.separator.is_some() || self.expand {
            true => OutputMode::Names,
            false => self.output.mode(OutputMode::Names),
        }
    }

    /// Whether records come out whole.
    fn writes_records(&self) -> bool {
        !self.fold && !self.count && self.index.is_none() && self.mode() != OutputMode::Names
    }

    /// Whether one expression is made of all hosts, and nobody counts them.
    fn folds_all(&self) -> bool {
        self.fold && self.nth.is_none() && self.pick.is_none() && self.split.is_none() && self.max.is_none()
    }
}

/// The name that `text` is, bare or in quotes.
fn one_name(text: &str) -> Result<String> {
    match unquote(text) {
        Ok((name, length)) if text.starts_with('"') && length == text.len() => Ok(name),
        _ if is_bare([text]) => Ok(text.to_string()),
        _ => Err(Failure::usage(format!("--index: '{text}' is not a name"))
            .hint("a name with other characters than a host's is written in double quotes")),
    }
}

const MOST_PICKED: u64 = 10_000_000;
const MOST_PARTS: i64 = 1_000_000;

/// The most operations that may nest: each takes some of the stack.
const MOST_NESTED: usize = 300;

/// More names than anybody looks at.
const MOST_TO_LOOK_AT: u64 = 100_000;

pub fn command() -> clap::Command {
    Args::command()
}

/// Reads to the end, then answers or writes: a reader that acts on hosts must not get half of a bad input.
pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    let input = Input::load(args, tool)?;
    let groups = NodeGroups::from_env();
    let mut set = union(&input.sources, &groups)?;
    let is_input_empty = set.most() == BigUint::ZERO;
    if args.operations.nested() > MOST_NESTED {
        return Err(Failure::usage(format!("-i and -X are given more than {MOST_NESTED} times")));
    }
    for ((operator, _), operand) in args.operations.0.iter().zip(&input.operands) {
        set = set.combine(*operator, union(std::slice::from_ref(operand), &groups)?);
    }
    if let Some(asked) = &input.asked {
        let has_all = query::contains(set, union(std::slice::from_ref(asked), &groups)?)?;
        return Ok(if has_all { Status::Done } else { Status::No });
    }
    // Folding drops duplicates itself.
    let keep_duplicates = args.keep_duplicates || args.folds_all();
    let hosts = Hosts::new(set, args.sort && !args.count, keep_duplicates, args.writes_records())?;
    if let Some(name) = &args.index {
        let index = query::index(&hosts, &one_name(name)?)?;
        let index = index.ok_or_else(|| Failure::no(format!("{name} is not in the set")))?;
        return print(&index).map(|()| Status::Done);
    }
    let chosen = Chosen::new(&hosts, args)?;
    let is_empty = match args.count {
        true => {
            let count = chosen.count();
            print(&count)?;
            count == BigUint::ZERO
        }
        false => {
            chosen.refuse_too_many(args)?;
            let is_empty = !chosen.write(args, tool)?;
            if is_empty {
                tool.warn(if is_input_empty { "no hosts: the input was empty" } else { "no host is left" });
            }
            is_empty
        }
    };
    Ok(if is_empty && args.fail_empty { Status::No } else { Status::Done })
}

/// What the arguments name, read.
struct Input {
    sources: Vec<Source>,
    /// The right sides of the operations.
    operands: Vec<Source>,
    /// What --contains asks for.
    asked: Option<Source>,
}

impl Input {
    fn load(args: &Args, tool: &Tool) -> Result<Input> {
        let operands = args.operations.0.iter().map(|(_, expression)| expression);
        warn_of_globbed(args.expressions.iter().chain(operands.clone()), tool);
        let mut loader = Loader::new(stdin_for(&args.expressions)?);
        let sources = match args.expressions.as_slice() {
            [] => vec![loader.load("-")?],
            words => words.iter().map(|word| loader.load(word)).collect::<Result<_>>()?,
        };
        let operands = operands.map(|word| loader.load(word)).collect::<Result<_>>()?;
        let asked = args.contains.as_ref().map(|word| loader.load(word)).transpose()?;
        Ok(Input { sources, operands, asked })
    }
}

/// The hosts that come out: all, or those at some places.
struct Chosen<'s> {
    hosts: &'s Hosts<'s>,
    places: Option<Places>,
}

impl Chosen<'_> {
    fn new<'s>(hosts: &'s Hosts<'s>, args: &Args) -> Result<Chosen<'s>> {
        let places = match (&args.nth, args.pick) {
            (Some(slice), _) => Some(match slice.counts_from_end() {
                true => slice.places(Some(&hosts.count())),
                false => slice.places(None),
            }),
            (None, Some(count)) => Some(Places::pick(count, &hosts.count(), args.seed).map_err(Failure::usage)?),
            (None, None) => None,
        };
        Ok(Chosen { hosts, places })
    }

    fn count(&self) -> BigUint {
        let total = self.hosts.count();
        match &self.places {
            Some(places) => places.count(&total),
            None => total,
        }
    }

    fn refuse_too_many(&self, args: &Args) -> Result<()> {
        let place = match args.mode() {
            _ if args.fold => None,
            OutputMode::Table => Some("a table"),
            _ => io::stdout().is_terminal().then_some("a terminal"),
        };
        let Some(most) = args.max.or(place.map(|_| MOST_TO_LOOK_AT)) else { return Ok(()) };
        let count = self.count();
        if count <= most.into() {
            return Ok(());
        }
        Err(match (args.max, place) {
            (None, Some(place)) => Failure::usage(format!("{count} hosts are more than {place} is for"))
                .hint(format!("write names or JSON lines to a file or pipe, or give --max {count}")),
            _ => Failure::usage(format!("{count} hosts are more than --max {most}")),
        })
    }

    /// Writes them; false where there is none.
    fn write(&self, args: &Args, tool: &Tool) -> Result<bool> {
        let mut output = output(args, tool)?;
        let any = match args.split {
            Some(parts) => self.feed(&mut Split::new(&self.count(), parts, &mut *output))?,
            None => self.feed(&mut *output)?,
        };
        output.finish()?;
        Ok(any)
    }

    fn feed(&self, sink: &mut dyn Sink) -> Result<bool> {
        let mut watch = Watch { sink, any: false };
        finished(match self.places.clone() {
            Some(places) => self.hosts.feed(&mut Select::new(places, &mut watch)),
            None => self.hosts.feed(&mut watch),
        })?;
        Ok(watch.any)
    }
}

/// Sees whether any host comes by.
struct Watch<'s> {
    sink: &'s mut dyn Sink,
    any: bool,
}

impl Sink for Watch<'_> {
    fn host(&mut self, host: Host<'_>) -> Step {
        self.any = true;
        self.sink.host(host)
    }

    fn names(&mut self, names: &mut Names<'_>) -> Step {
        self.any |= names.left() > 0;
        self.sink.names(names)
    }

    fn idle(&mut self) -> Step {
        self.sink.idle()
    }
}

fn output(args: &Args, tool: &Tool) -> Result<Box<dyn Output>> {
    let separator = match (args.separator.as_deref(), args.split) {
        (Some("\n" | "\0"), Some(_)) => {
            return Err(Failure::usage(
                "--split writes a line a part: another separator than \\n and \\0 has to tell the names apart",
            ));
        }
        (Some(separator), _) => separator,
        (None, Some(_)) => " ",
        (None, None) if args.expand => " ",
        (None, None) => "\n",
    };
    Ok(match args.mode() {
        _ if args.fold => Box::new(Folded::new(fold_options(args))),
        OutputMode::Names => Box::new(Lines::names(separator)?),
        OutputMode::Json => Box::new(Lines::json()?),
        OutputMode::Table | OutputMode::Csv | OutputMode::Tsv => {
            Box::new(Table::new(&args.output, args.split.is_some(), tool))
        }
    })
}

fn fold_options(args: &Args) -> FoldOptions {
    FoldOptions {
        axes: args.axis.as_ref().map(|axes| axes.0.clone()),
        autostep: args.autostep.map(|least| least as usize),
        for_shell: true,
    }
}

fn print(answer: &BigUint) -> Result<()> {
    writeln!(io::stdout(), "{answer}").map_err(|error| Failure::stdout(&error))
}
