//! Reads the hosts of a tool: expressions on its command line, files, and names and records on stdin.

pub(crate) mod field;
#[cfg(test)]
mod tests;

use crate::input::field::FieldValues;
use crate::language::parse::parse;
use crate::node_groups::NodeGroups;
use crate::set::visit::{HostVisitor, Visited, finished};
use crate::set::{Host, HostSet, Member};
use cerveza_manners::{Failure, Result, Tool};
use cerveza_record::{Item, LineError, RECORD_KEYS, Record, RecordError, is_bare, is_plain_name, items, read_text};
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

/// More hosts than this are a typing error (`web[1-400000]`), not a fleet.
const MOST_HOSTS: u128 = 100_000;

/// The longest `Name` tag, in characters.
const LONGEST_NAME: usize = 256;

/// The hosts that a tool was given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// Each name once, as a record with only `host`; records unchanged.
    pub hosts: Vec<Record>,
    /// Expressions that could also be one name without its quotes, such as `a,b`.
    pub possible_names: Vec<String>,
}

/// Returns the hosts of `args`, which are expressions, `-` for stdin, or `^FILE` for a file. Without arguments it reads
/// stdin. Reads all input before it returns, so a bad line ends the run before anything is changed.
pub fn read_given(args: &[String], tool: &Tool) -> Result<Given> {
    warn_of_globbed(args, tool);
    given_from(args, stdin_for(args)?)
}

/// Like [`read_given`], but returns `None` if stdin was read and is empty.
pub fn read_given_unless_empty(args: &[String], tool: &Tool) -> Result<Option<Given>> {
    warn_of_globbed(args, tool);
    load_unless_empty(args, &mut Loader::new(stdin_for(args)?))
}

/// Like [`read_given`]. Also returns the hosts of each argument of `excluded`.
pub fn read_hosts_and_excluded(
    args: &[String],
    excluded: &[String],
    tool: &Tool,
) -> Result<(Vec<Record>, Vec<ExcludedHosts>)> {
    warn_of_globbed(args.iter().chain(excluded), tool);
    let mut loader = Loader::new(stdin_for(args)?);
    let records = load_given(args, &mut loader)?.hosts;
    let groups = NodeGroups::from_env();
    let load = |arg: &String| Ok(ExcludedHosts(union(&[loader.load(arg)?], &groups)?.into_owned()));
    Ok((records, excluded.iter().map(load).collect::<Result<_>>()?))
}

/// Hosts to leave out.
pub struct ExcludedHosts(HostSet<'static>);

impl ExcludedHosts {
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

/// Like [`read_given`], from any input, without [`warn_of_globbed`].
pub fn given_from(args: &[String], stdin: impl Read) -> Result<Given> {
    load_given(args, &mut Loader::new(stdin))
}

fn load_given(args: &[String], loader: &mut Loader<impl Read>) -> Result<Given> {
    load_unless_empty(args, loader)?.ok_or_else(|| Failure::usage("no hosts: stdin was empty"))
}

fn load_unless_empty(args: &[String], loader: &mut Loader<impl Read>) -> Result<Option<Given>> {
    let sources = loader.load_all(args)?;
    let groups = NodeGroups::from_env();
    let set = union(&sources, &groups)?;
    if set.len() > MOST_HOSTS {
        let count = set.count()?;
        if count > MOST_HOSTS.into() {
            return Err(Failure::usage(format!("{count} hosts are given: the most is {MOST_HOSTS}")));
        }
    }
    let mut records = Records::default();
    finished(set.for_each_duplicate(&mut records))?;
    if !records.records.is_empty() {
        let possible_names = sources.iter().flat_map(Source::possible_names).map(str::to_string).collect();
        return Ok(Some(Given { hosts: records.records, possible_names }));
    }
    let is_stdin = matches!(args, [] | [_]) && args.iter().all(|arg| arg == "-");
    if is_stdin && sources.iter().all(Source::is_empty) {
        Ok(None)
    } else if is_stdin {
        Err(Failure::usage("no hosts: no host of stdin is left"))
    } else {
        Err(Failure::usage(format!("{}: no host is left", args.join(" "))))
    }
}

/// Warns about arguments that are also files here: a shell has probably expanded an expression without quotes.
pub fn warn_of_globbed<'a>(args: impl IntoIterator<Item = &'a String>, tool: &Tool) {
    let is_file = |arg: &&'a String| is_plain_name(arg) && Path::new(arg.as_str()).symlink_metadata().is_ok();
    let files: Vec<&str> = args.into_iter().filter(is_file).map(String::as_str).collect();
    let Some(first) = files.first() else { return };
    let which = match files.len() {
        1 => format!("{first} is the name of a file"),
        many => format!("{first} and {} more are names of files", many - 1),
    };
    tool.warn(format!(
        "{which} here: quote expressions, or the shell makes names of web[1-3]; what is in a file is ^{first}"
    ));
}

/// Returns stdin. Fails if it is a terminal that was not named by `-`.
pub(crate) fn stdin_for(args: &[String]) -> Result<io::StdinLock<'static>> {
    let stdin = io::stdin();
    if args.is_empty() && stdin.is_terminal() {
        return Err(
            Failure::usage("no hosts are given").hint("name them, as in 'web[1-3]', or pipe names or records in")
        );
    }
    Ok(stdin.lock())
}

/// An argument, a file or stdin, read but not parsed.
pub(crate) struct Source {
    /// The name of the file. `None` for an argument.
    file: Option<String>,
    text: String,
}

/// Reads sources. Stdin can be read once.
pub(crate) struct Loader<R> {
    stdin: Option<R>,
    /// The only field of records to read, if any.
    fields: Option<FieldValues>,
}

impl<R: Read> Loader<R> {
    pub fn new(stdin: R) -> Loader<R> {
        Loader { stdin: Some(stdin), fields: None }
    }

    /// Reads only one field of each record. Sources then have a name in place of each record.
    pub fn for_field(stdin: R, path: &str) -> Loader<R> {
        Loader { stdin: Some(stdin), fields: Some(FieldValues::new(path)) }
    }

    /// Returns the values of that field.
    pub fn into_fields(self) -> Option<FieldValues> {
        self.fields
    }

    fn read(&mut self, input: impl Read) -> std::result::Result<String, LineError> {
        match &mut self.fields {
            Some(fields) => fields.read(input),
            None => read_text(input),
        }
    }

    /// Reads all arguments, or stdin if there are none.
    pub fn load_all(&mut self, args: &[String]) -> Result<Vec<Source>> {
        if args.is_empty() { Ok(vec![self.load("-")?]) } else { args.iter().map(|arg| self.load(arg)).collect() }
    }

    /// Reads stdin for `-` and a file for `^FILE`. Any other argument is an expression.
    pub fn load(&mut self, arg: &str) -> Result<Source> {
        let (file, text) = match arg.strip_prefix('^') {
            _ if arg == "-" || arg == "^-" => {
                let stdin = self.stdin.take().ok_or_else(|| Failure::usage("stdin ('-') is given twice"))?;
                ("stdin".to_string(), self.read(stdin))
            }
            Some("") => return Err(Failure::usage("the name of a file is missing after ^")),
            Some(file) => {
                let opened = File::open(file).map_err(|error| Failure::usage(format!("{file}: {error}")))?;
                (file.to_string(), self.read(opened))
            }
            None if arg.trim().is_empty() => {
                return Err(Failure::usage("an expression is empty").hint("is it a variable that is not set?"));
            }
            None => return Ok(Source { file: None, text: arg.to_string() }),
        };
        let text = text.map_err(|error| not_a_line(&file, &error))?;
        Ok(Source { file: Some(file), text })
    }
}

/// Returns the union of all sources.
pub(crate) fn union<'a>(sources: &'a [Source], groups: &NodeGroups) -> Result<HostSet<'a>> {
    let mut set = HostSet::default();
    for source in sources {
        set.append(source.parse(groups)?);
    }
    Ok(set.expand_many_patterns())
}

impl Source {
    /// Whether it has no names, records or expressions.
    pub fn is_empty(&self) -> bool {
        items(&self.text).next().is_none()
    }

    /// Returns the expressions that could also be one name.
    fn possible_names(&self) -> impl Iterator<Item = &str> {
        let lines = self.file.as_ref().map(|_| self.text.lines().map(str::trim));
        let argument = self.file.is_none().then_some(self.text.as_str());
        let may_be_name = |text: &&str| {
            !is_plain_name(text)
                && !text.is_empty()
                && !text.starts_with(['"', '{', '#'])
                && !is_bare([*text])
                && text.chars().count() <= LONGEST_NAME
        };
        lines.into_iter().flatten().chain(argument).filter(may_be_name)
    }

    fn parse(&self, groups: &NodeGroups) -> Result<HostSet<'_>> {
        let Some(file) = &self.file else {
            return parse(&self.text, groups).map_err(|error| error.failure(true));
        };
        if let Some(Ok((line, Item::Text(text)))) = items(&self.text).next()
            && is_heading(text)
        {
            return Err(Failure::usage(format!("{file}: line {line} is the heading of a table, not a host"))
                .hint("records are read as JSON: pipe the output of ec2-ls without -o csv, tsv or table"));
        }
        let mut set = HostSet::default();
        let mut members = Vec::new();
        for item in items(&self.text) {
            match item.map_err(|error| not_a_line(file, &error))? {
                (_, Item::Record(record)) => members.push(Member::Host(Host::Record(record.into()))),
                (_, Item::Text(name)) if is_plain_name(name) => members.push(Member::Host(name.into())),
                (line, Item::Text(text)) => {
                    let parsed = parse(text, groups).map_err(|error| {
                        let failure = error.failure(false).within(format!("{file}: line {line}"));
                        if text.starts_with('[') { failure.hint(ONE_A_LINE) } else { failure }
                    })?;
                    set.append(HostSet::new(std::mem::take(&mut members)));
                    set.append(parsed);
                }
            }
        }
        set.append(HostSet::new(members));
        Ok(set)
    }
}

/// Returns whether a line is the first one of `-o csv`, `tsv` or `table`.
fn is_heading(line: &str) -> bool {
    let is_key = |word: &str| RECORD_KEYS.iter().any(|(_, keys)| keys.iter().any(|key| key.name == word));
    let mut words = line.split([',', '\t']);
    line.starts_with("HOST  ") || words.next() == Some("host") && words.next().is_some_and(is_key)
}

const ONE_A_LINE: &str = "a record is one line of JSON: jq -c '.[]' makes them of an array";

fn not_a_line(file: &str, error: &LineError) -> Failure {
    let failure = Failure::usage(format!("{file}: {error}"));
    match error {
        LineError::NotARecord { why: RecordError::Json { .. }, .. } => failure.hint(ONE_A_LINE),
        _ => failure,
    }
}

/// Collects hosts as records: each name once, records as they come.
#[derive(Default)]
struct Records {
    records: Vec<Record>,
    names: HashSet<String>,
}

impl HostVisitor for Records {
    fn visit_host(&mut self, host: &Host<'_>) -> Visited {
        match host {
            Host::Record(record) => self.records.push(Record::clone(record)),
            Host::Name(name) if self.names.insert(name.to_string()) => self.records.push(Record::named(host.name())),
            Host::Name(_) => {}
        }
        Ok(())
    }
}
