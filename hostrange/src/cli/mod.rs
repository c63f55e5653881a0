//! The `hostrange` command: reads the hosts, selects some, and writes them or answers a question.

pub(crate) mod args;
mod group_options;
pub(crate) mod options;
pub(crate) mod query;

use crate::cli::args::Args;
use crate::cli::group_options::{group_rows, regroup};
use crate::cli::options::GroupSource;
use crate::input::field::FieldValues;
use crate::input::{Loader, Source, stdin_for, union, warn_of_globbed};
use crate::node_groups::NodeGroups;
use crate::output::by::Grouped;
use crate::output::fold_lines::Folded;
use crate::output::group_lines::{GroupLine, write_by_value, write_node_groups};
use crate::output::split::Split;
use crate::output::{Lines, Output, Table};
use crate::pattern::names::Names;
use crate::pattern::positions::Positions;
use crate::set::listing::Listing;
use crate::set::select::{Select, pick};
use crate::set::visit::{HostVisitor, Visited, finished};
use crate::set::{Host, HostSet};
use cerveza_manners::{Failure, OutputMode, Result, Status, Tool};
use clap::CommandFactory;
use num_bigint::BigUint;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

pub fn command() -> clap::Command {
    Args::command()
}

/// Runs the command. Reads all input before it writes, so a bad line never sends half of the hosts down a pipe.
pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    refuse_names_of_groups(args)?;
    let groups = NodeGroups::from_env();
    if let Some(source) = &args.groups {
        return list_groups(args, source, &groups, tool);
    }
    let input = Input::load(args, tool)?;
    let set = input.set(args, &groups)?;
    if let Some(contained) = &input.contained {
        let has_all = query::contains(&set, &union(std::slice::from_ref(contained), &groups)?)?;
        return Ok(if has_all { Status::Done } else { Status::No });
    }
    if let Some(source) = &args.regroup {
        let expression = regroup(set, source, &args.fold_options(), &groups, tool)?;
        expression.iter().try_for_each(print)?;
        return Ok(exit_status(args, &input, expression.is_none(), tool));
    }
    let listing = Listing::new(set, args.repeats());
    let listing = if args.sort && !args.count { listing.sorted()? } else { listing };
    if let Some(name) = &args.index {
        return print_index(&listing, name);
    }
    let selection = Selection::new(&listing, args)?;
    if args.count && args.by.is_none() {
        return print_count(&selection, args);
    }
    selection.refuse_too_many(args)?;
    let is_empty = match &input.fields {
        Some(fields) => !write_by_field(&selection, fields, args, tool)?,
        None => !selection.write(args, tool)?,
    };
    Ok(exit_status(args, &input, is_empty, tool))
}

fn refuse_names_of_groups(args: &Args) -> Result<()> {
    let has_groups = args.by.is_some() || args.groups.is_some();
    if has_groups && !args.output.is_auto() && args.output.mode(OutputMode::Names) == OutputMode::Names {
        return Err(Failure::usage("--by and --groups write groups, not names")
            .hint("-o json, and jq -r .hosts, give an expression for each group"));
    }
    Ok(())
}

fn print_index(listing: &Listing<'_>, name: &str) -> Result<Status> {
    let index = query::index(listing, &query::parse_name(name)?)?;
    print(index.ok_or_else(|| Failure::no(format!("{name} is not in the set")))?)?;
    Ok(Status::Done)
}

fn print_count(selection: &Selection<'_>, args: &Args) -> Result<Status> {
    let count = selection.count()?;
    print(&count)?;
    Ok(if count == BigUint::ZERO && args.fail_empty { Status::No } else { Status::Done })
}

/// Returns the exit status. Warns if there was no host.
fn exit_status(args: &Args, input: &Input, is_empty: bool, tool: &Tool) -> Status {
    if is_empty {
        tool.warn(if input.is_empty { "no hosts: the input was empty" } else { "no host is left" });
    }
    if is_empty && args.fail_empty { Status::No } else { Status::Done }
}

/// Writes the hosts of each value of a field. Returns false if there are no hosts.
fn write_by_field(selection: &Selection<'_>, fields: &FieldValues, args: &Args, tool: &Tool) -> Result<bool> {
    let (line, options) = (args.group_line(GroupLine::Hosts), args.fold_options());
    let mut grouped = Grouped::new(fields, Some(&options).filter(|_| line.has_hosts(&args.output)));
    let any = selection.for_each_host(&mut grouped)?;
    if any {
        fields.warn_if_unknown(tool);
    }
    write_by_value(&fields.path, &grouped.rows(), line, &args.output, tool)?;
    Ok(any)
}

/// Lists node groups. Reads hosts only if the arguments name some.
fn list_groups(args: &Args, source: &GroupSource, groups: &NodeGroups, tool: &Tool) -> Result<Status> {
    let (line, options) = (args.group_line(GroupLine::Label), args.fold_options());
    let options = Some(&options).filter(|_| line.has_hosts(&args.output));
    let rows = if args.expressions.is_empty() && args.operations.is_empty() {
        group_rows(source, None, line == GroupLine::Count, options, groups, tool)?
    } else {
        let input = Input::load(args, tool)?;
        group_rows(source, Some(&input.set(args, groups)?), true, options, groups, tool)?
    };
    write_node_groups(&rows, line, &args.output, tool)?;
    Ok(if rows.is_empty() && args.fail_empty { Status::No } else { Status::Done })
}

/// The input that the arguments name.
struct Input {
    sources: Vec<Source>,
    /// The expressions of -x, -i and -X.
    operands: Vec<Source>,
    /// The expression of --contains.
    contained: Option<Source>,
    /// The values of the field of --by.
    fields: Option<FieldValues>,
    is_empty: bool,
}

impl Input {
    fn load(args: &Args, tool: &Tool) -> Result<Input> {
        let operands = args.operations.0.iter().map(|(_, expression)| expression);
        warn_of_globbed(args.expressions.iter().chain(operands.clone()), tool);
        let stdin = stdin_for(&args.expressions)?;
        let mut loader = match &args.by {
            Some(path) => Loader::for_field(stdin, path),
            None => Loader::new(stdin),
        };
        let sources = loader.load_all(&args.expressions)?;
        let operands = operands.map(|arg| loader.load(arg)).collect::<Result<_>>()?;
        let contained = args.contains.as_ref().map(|arg| loader.load(arg)).transpose()?;
        let is_empty = sources.iter().all(Source::is_empty);
        Ok(Input { sources, operands, contained, fields: loader.into_fields(), is_empty })
    }

    /// Returns the hosts of all arguments, after -x, -i and -X.
    fn set(&self, args: &Args, groups: &NodeGroups) -> Result<HostSet<'_>> {
        let mut set = union(&self.sources, groups)?;
        for ((operator, _), operand) in args.operations.0.iter().zip(&self.operands) {
            let operand = union(std::slice::from_ref(operand), groups)?;
            set = set.combine(*operator, operand).map_err(Failure::usage)?;
        }
        Ok(set)
    }
}

/// Limit of hosts on a terminal and in a table.
const MOST_ON_TERMINAL: u64 = 100_000;

/// The hosts to write: all, or those at the positions of --nth or --pick.
struct Selection<'s> {
    listing: &'s Listing<'s>,
    positions: Option<Positions>,
}

impl Selection<'_> {
    fn new<'s>(listing: &'s Listing<'s>, args: &Args) -> Result<Selection<'s>> {
        let positions = match (&args.nth, args.pick) {
            (Some(slice), _) => Some(if slice.counts_from_end() {
                slice.positions(Some(listing.len()?))
            } else {
                slice.positions(None)
            }),
            (None, Some(count)) => Some(pick(count, listing.len()?, args.seed)),
            (None, None) => None,
        };
        Ok(Selection { listing, positions })
    }

    fn count(&self) -> Result<BigUint> {
        if self.positions.is_some() { Ok(self.len()?.into()) } else { self.listing.count() }
    }

    fn len(&self) -> Result<u128> {
        let total = self.listing.len()?;
        Ok(self.positions.as_ref().map_or(total, |positions| positions.count_before(total)))
    }

    fn refuse_too_many(&self, args: &Args) -> Result<()> {
        let place = match args.mode() {
            _ if args.folds_or_groups() => None,
            OutputMode::Table => Some("a table"),
            _ => io::stdout().is_terminal().then_some("a terminal"),
        };
        let Some(most) = args.max.or(place.map(|_| MOST_ON_TERMINAL)) else { return Ok(()) };
        let count = self.count()?;
        if count <= most.into() {
            return Ok(());
        }
        Err(match (args.max, place) {
            (None, Some(place)) => Failure::usage(format!("{count} hosts are too many for {place}"))
                .hint(format!("write names or JSON lines to a file or pipe, or use --max {count}")),
            _ => Failure::usage(format!("{count} hosts are more than --max {most}")),
        })
    }

    /// Writes the hosts. Returns false if there are none.
    fn write(&self, args: &Args, tool: &Tool) -> Result<bool> {
        let mut output = output(args, tool)?;
        let any = match args.split {
            Some(parts) => self.for_each_host(&mut Split::new(self.len()?, parts, &mut *output))?,
            None => self.for_each_host(&mut *output)?,
        };
        output.finish()?;
        Ok(any)
    }

    fn for_each_host(&self, visitor: &mut dyn HostVisitor) -> Result<bool> {
        let mut seen = HostsSeen { visitor, any: false };
        finished(match self.positions.clone() {
            Some(positions) => self.listing.for_each_host(&mut Select::new(positions, &mut seen)),
            None => self.listing.for_each_host(&mut seen),
        })?;
        Ok(seen.any)
    }
}

/// Notes whether any host is visited.
struct HostsSeen<'s> {
    visitor: &'s mut dyn HostVisitor,
    any: bool,
}

impl HostVisitor for HostsSeen<'_> {
    fn visit_host(&mut self, host: &Host<'_>) -> Visited {
        self.any = true;
        self.visitor.visit_host(host)
    }

    fn visit_run(&mut self, run: &mut Names<'_>) -> Visited {
        self.any |= run.left() > 0;
        self.visitor.visit_run(run)
    }
}

fn output(args: &Args, tool: &Tool) -> Result<Box<dyn Output>> {
    let separator = match (args.separator.as_deref(), args.split) {
        (Some("\n" | "\0"), Some(_)) => {
            return Err(Failure::usage("--split writes a line per part, so the separator cannot be \\n or \\0"));
        }
        (Some(separator), _) => separator,
        (None, Some(_)) => " ",
        (None, None) if args.expand => " ",
        (None, None) => "\n",
    };
    Ok(match args.mode() {
        _ if args.fold => Box::new(Folded::new(args.fold_options())),
        OutputMode::Names => Box::new(Lines::names(separator)?),
        OutputMode::Json => Box::new(Lines::json()?),
        OutputMode::Table | OutputMode::Csv | OutputMode::Tsv => {
            Box::new(Table::new(&args.output, args.split.is_some(), tool))
        }
    })
}

fn print(answer: impl Display) -> Result<()> {
    writeln!(io::stdout(), "{answer}").map_err(|error| Failure::stdout(&error))
}
