//! The command line of `mkuserdata`.

use crate::listing::{self, Action};
use crate::merge::merge_type;
use crate::operand::Operand;
use crate::part::Part;
use crate::parts::{Options, Parts, UserData};
use crate::{Effort, LIMIT, Setting, cost, output};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cerveza_manners::{
    Column, Failure, Format, OutputArgs, OutputMode, ProgressArgs, RecordWriter, Result, Status, Tool,
};
use cerveza_record::Record;
use clap::{CommandFactory, Parser};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Build cloud-init user-data from parts
///
/// Puts shell scripts, cloud-configs and other parts into one compressed MIME message, which cloud-init takes apart again
/// into the same bytes; or takes apart and checks what there is.
#[derive(Parser, Clone, Debug)]
#[command(
    name = "mkuserdata",
    version,
    override_usage = "mkuserdata [OPTIONS] PART[:TYPE]...\n       mkuserdata --list|--check|--extract DIR [FILE...]"
)]
pub struct Args {
    /// Part files, in order. How a file begins says what it is: `#!`, `#cloud-config`... ; or :TYPE behind it does, as in
    /// setup.sh:x-shellscript-per-boot. A file that ends in `.j2` is a template. `-` reads stdin
    #[arg(value_name = "PART")]
    pub parts: Vec<PathBuf>,

    /// Read names and records of hosts from stdin, and write each as a record with its user-data, in base64, under
    /// `user_data`. Templates are rendered for each
    #[arg(long, conflicts_with_all = ["size", "base64"])]
    pub per_host: bool,

    /// Give templates a name whose value is the text VALUE, over what a host's record has. A dot leads into an object:
    /// --set tags.role=db
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<Setting>,

    /// How cloud-init is to merge each cloud-config with those before it (X-Merge-Type): as in
    /// 'list(append)+dict(recurse_list)+str()'; `append`, to append lists and merge mappings, stands for
    /// 'list(append)+dict(no_replace,recurse_list)+str()'
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub merge: Option<String>,

    /// For the instance of this number in its launch alone (Launch-Index): all parts, or one given as PART=NUMBER
    #[arg(long, value_name = "[PART=]NUMBER")]
    pub launch_index: Vec<String>,

    /// Leave the names of scripts as they are. Without it they get numbers in front where cloud-init, which runs them
    /// sorted by name, would not run them in the order given
    #[arg(long)]
    pub keep_names: bool,

    /// Only warn where cloud-init would do what nobody expects. With --extract, write over files that are there
    #[arg(long)]
    pub force: bool,

    /// Write to FILE instead of stdout. It appears whole or not at all
    #[arg(short, long, value_name = "FILE")]
    pub write: Option<PathBuf>,

    /// Write the user-data in base64, as the API takes it
    #[arg(long)]
    pub base64: bool,

    /// Write plain MIME, not compressed
    #[arg(long)]
    pub no_gzip: bool,

    /// Write plain MIME with this boundary between the parts
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub boundary: Option<String>,

    /// Compress in a hundredth of the time, mostly to some 5% more bytes: for thousands of hosts whose user-data varies much.
    /// What would then not fit is compressed the other way
    #[arg(long)]
    pub fast: bool,

    /// The most bytes it may have, before base64
    #[arg(long, value_name = "BYTES", default_value_t = LIMIT)]
    pub limit: usize,

    /// Write what each part costs of the user-data, the dearest first, in place of it (beside --write, to stdout)
    #[arg(long)]
    pub size: bool,

    /// List the parts of existing user-data in FILE or on stdin, and say what is wrong with it: plain or gzip, one part or
    /// MIME, or in the records of `ec2-ls --user-data`
    #[arg(long, conflicts_with_all = BUILDING)]
    pub list: bool,

    /// The same, and exit with 1 if anything is wrong
    #[arg(long, conflicts_with_all = BUILDING, conflicts_with = "list")]
    pub check: bool,

    /// The same, and write the parts to files in DIR, of records to a folder a host
    #[arg(long, value_name = "DIR", conflicts_with_all = BUILDING, conflicts_with_all = ["list", "check"])]
    pub extract: Option<PathBuf>,

    #[command(flatten)]
    pub progress: ProgressArgs,

    #[command(flatten)]
    pub output: OutputArgs,
}

/// Options that make user-data.
const BUILDING: [&str; 12] = [
    "per_host",
    "set",
    "merge",
    "launch_index",
    "keep_names",
    "write",
    "base64",
    "no_gzip",
    "boundary",
    "fast",
    "limit",
    "size",
];

/// What a table of hosts shows; user-data itself is no text for people.
const COLUMNS: [Column; 2] = [Column { header: "HOST", key: "host" }, Column { header: "BYTES", key: "size" }];

pub fn command() -> clap::Command {
    Args::command()
}

/// Reads the parts, builds, writes; or reads what there is. Nothing is written before all is built.
pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    refuse_misuse(args, io::stdout().is_terminal(), io::stdin().is_terminal())?;
    if let Some(action) = action(args) {
        return listing::run(&action, args.output.mode(OutputMode::Table), &files(args), args.force, tool);
    }
    let parts = Parts::new(read(args)?, options(args)?)?;
    if !args.set.is_empty() && parts.templates().next().is_none() {
        tool.warn("--set gives names to templates, and no part is one: their files end in .j2");
    }
    parts.warnings().iter().for_each(|warning| tool.warn(warning));
    match args.per_host {
        true => write_records(args, &parts, tool)?,
        false => write_one(args, &parts, tool)?,
    }
    Ok(Status::Done)
}

impl Args {
    /// The file to write to; `-` is stdout here too.
    fn file(&self) -> Option<&Path> {
        self.write.as_deref().filter(|file| !is_stdin(file))
    }
}

fn is_reading(args: &Args) -> bool {
    args.list || args.check || args.extract.is_some()
}

fn action(args: &Args) -> Option<Action> {
    match (&args.extract, args.list, args.check) {
        (Some(folder), ..) => Some(Action::Extract(folder.clone())),
        (None, true, _) => Some(Action::List),
        (None, _, true) => Some(Action::Check),
        (None, false, false) => None,
    }
}

/// What is to be read: stdin where no file is given.
fn files(args: &Args) -> Vec<PathBuf> {
    match args.parts.is_empty() {
        true => vec![PathBuf::from("-")],
        false => args.parts.clone(),
    }
}

/// What clap cannot tell.
fn refuse_misuse(args: &Args, stdout_is_terminal: bool, stdin_is_terminal: bool) -> Result<()> {
    let stdins = files(args).iter().filter(|part| is_stdin(part)).count();
    if args.parts.is_empty() && !is_reading(args) {
        return Err(Failure::usage("no parts are given").hint("name the part files, as in base.txt setup.sh"));
    }
    if args.parts.is_empty() && stdin_is_terminal {
        return Err(Failure::usage("no file is given, and stdin is a terminal").hint("name a file of user-data"));
    }
    if stdins > 1 {
        return Err(Failure::usage("stdin ('-') is given twice"));
    }
    if args.per_host && stdins > 0 {
        return Err(Failure::usage("a part cannot come from stdin ('-') with --per-host: the hosts do"));
    }
    if !args.per_host && stdins == 1 && stdin_is_terminal {
        return Err(Failure::usage("stdin ('-') is a terminal").hint("pipe the part in"));
    }
    if args.per_host && stdin_is_terminal {
        return Err(Failure::usage("--per-host reads hosts from stdin, which is a terminal")
            .hint("pipe names or records in, as from hostrange or ec2-ls"));
    }
    let writes_rows = args.per_host || args.size || is_reading(args);
    if !writes_rows && (args.output.names || args.output.output != Format::Auto) {
        return Err(Failure::usage("--output is for the rows of --per-host, --size, --list, --check and --extract"));
    }
    // Plain MIME and base64 are text, and may well be looked at.
    let text = args.no_gzip || args.boundary.is_some() || args.base64;
    if !writes_rows && args.file().is_none() && !text && stdout_is_terminal {
        return Err(Failure::usage("compressed bytes are not for a terminal")
            .hint("redirect stdout, or use --write FILE, or --no-gzip to look at the text"));
    }
    Ok(())
}

fn is_stdin(part: &Path) -> bool {
    part.to_str().is_some_and(|part| part == "-" || part.starts_with("-:"))
}

fn options(args: &Args) -> Result<Options> {
    Ok(Options {
        gzip: !args.no_gzip && args.boundary.is_none(),
        effort: if args.fast { Effort::Fast } else { Effort::Thorough },
        limit: args.limit,
        boundary: args.boundary.clone(),
        merge_type: args.merge.as_deref().map(merge_type).transpose()?,
        keep_names: args.keep_names,
        force: args.force,
        set: args.set.clone(),
    })
}

fn read(args: &Args) -> Result<Vec<Part>> {
    let read = |part: &PathBuf| Part::read(&Operand::parse(part.as_os_str())?);
    let mut parts: Vec<Part> = args.parts.iter().map(read).collect::<Result<_>>()?;
    // One for all comes before those for some.
    let mut indices: Vec<&String> = args.launch_index.iter().collect();
    indices.sort_by_key(|given| given.contains('='));
    for given in indices {
        let (of, number) = given.rsplit_once('=').map_or((None, given.as_str()), |(part, number)| (Some(part), number));
        let number: u32 = number.parse().map_err(|_| {
            Failure::usage(format!("--launch-index {given}: {number} is no number of an instance in its launch"))
        })?;
        let mut chosen: Vec<&mut Part> =
            parts.iter_mut().filter(|part| of.is_none_or(|of| part.path == of || part.name == of)).collect();
        if chosen.is_empty() {
            return Err(Failure::usage(format!("--launch-index {given}: there is no such part")));
        }
        chosen.iter_mut().for_each(|part| part.launch_index = Some(number));
    }
    Ok(parts)
}

fn write_one(args: &Args, parts: &Parts, tool: &Tool) -> Result<()> {
    let built = parts.build(None).map_err(|failure| match parts.templates().next() {
        // Without either it is a name that a host's record would have, most likely.
        Some(_) if args.set.is_empty() && failure.hint.is_none() => {
            failure.hint("--per-host renders templates from the records of hosts, --set KEY=VALUE gives a name once")
        }
        _ => failure,
    });
    let UserData { bytes, warnings } = built?;
    warnings.iter().for_each(|warning| tool.warn(warning));
    let size = bytes.len();
    let bytes = match args.base64 {
        true => format!("{}\n", BASE64_STANDARD.encode(bytes)).into_bytes(),
        false => bytes,
    };
    match args.file() {
        Some(file) => output::to_file(file, &bytes)?,
        None if args.size => {}
        None => output::to_stdout(&bytes)?,
    }
    if args.size {
        let costs = parts.costs(None)?;
        output::to_stdout(cost::rows(args.output.mode(OutputMode::Table), &costs).as_bytes())?;
        tool.summary(format!("{size} bytes of user-data, of {} there may be", args.limit));
    }
    Ok(())
}

fn write_records(args: &Args, parts: &Parts, tool: &Tool) -> Result<()> {
    let mode = args.output.mode(OutputMode::Table);
    let records = hostrange::read_hosts(&[], tool)?;
    let bar = args.progress.bar(records.len() as u64, "building");
    let built = parts.build_all(&records, || bar.inc(1));
    bar.finish_and_clear();
    let built = built?;
    warn(&records, &built, tool);
    let Some(file) = args.file() else {
        return write_rows(RecordWriter::stdout(mode, &COLUMNS), mode, records, built);
    };
    let mut text = Vec::new();
    write_rows(RecordWriter::new(&mut text, mode, &COLUMNS), mode, records, built)?;
    output::to_file(file, &text)
}

fn write_rows(
    mut writer: RecordWriter<impl Write>,
    mode: OutputMode,
    records: Vec<Record>,
    built: Vec<UserData>,
) -> Result<()> {
    for (mut record, UserData { bytes, .. }) in records.into_iter().zip(built) {
        match mode {
            OutputMode::Table => {
                record = Record::named(record.host());
                record.set("size", bytes.len());
            }
            _ => record.set("user_data", BASE64_STANDARD.encode(bytes)),
        }
        writer.write(&record)?;
    }
    writer.finish()
}

/// Says once what was found for many hosts.
fn warn(records: &[Record], built: &[UserData], tool: &Tool) {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (record, built) in records.iter().zip(built) {
        for warning in &built.warnings {
            found.entry(warning).or_default().push(record.host());
        }
    }
    for (warning, hosts) in found {
        match hosts.len() {
            1 => tool.warn(format!("{}: {warning}", hosts[0])),
            many => tool.warn(format!("{} and {} more: {warning}", hosts[0], many - 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misuse(args: &[&str], stdout_is_terminal: bool) -> Option<String> {
        let args = Args::parse_from([&["mkuserdata"], args].concat());
        refuse_misuse(&args, stdout_is_terminal, false).err().map(|failure| failure.message)
    }

    #[test]
    fn the_command_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn bytes_do_not_go_to_a_terminal() {
        let refused = "compressed bytes are not for a terminal";
        assert_eq!(misuse(&["a"], true).as_deref(), Some(refused));
        assert_eq!(misuse(&["a"], false), None);
        for text in ["-wx", "--no-gzip", "--boundary=x", "--base64", "--per-host", "--size", "--list", "--check"] {
            assert_eq!(misuse(&["a", text], true), None, "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_together_is_said() {
        assert_eq!(misuse(&["-", "--", "-:cloud-config"], false).as_deref(), Some("stdin ('-') is given twice"));
        assert!(misuse(&["a", "-1"], false).is_some());
        assert!(misuse(&["-", "--per-host"], false).is_some());
        for together in [&["--list", "--check"][..], &["--list", "--fast"], &["--check", "-w", "x"]] {
            assert!(Args::try_parse_from([&["mkuserdata", "a"], together].concat()).is_err(), "{together:?}");
        }
    }

    #[test]
    fn user_data_can_be_for_one_instance_of_a_launch() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
        for name in ["a.sh", "b.sh"] {
            std::fs::write(file(name), "#!/bin/sh\n").unwrap();
        }
        let indices = |given: &[&str]| {
            let words = ["mkuserdata", &file("a.sh"), &file("b.sh")].map(str::to_string);
            let options = given.iter().map(|given| format!("--launch-index={given}"));
            let parts = read(&Args::parse_from(words.into_iter().chain(options)))?;
            Ok(parts.iter().map(|part| part.launch_index).collect::<Vec<_>>())
        };
        assert_eq!(indices(&["1"]), Ok(vec![Some(1), Some(1)]));
        assert_eq!(indices(&["b.sh=0", "1"]), Ok(vec![Some(1), Some(0)]));
        let why = |given: &str| indices(&[given]).map_err(|failure: Failure| failure.message).unwrap_err();
        assert_eq!(why("c.sh=0"), "--launch-index c.sh=0: there is no such part");
        assert_eq!(why("-1"), "--launch-index -1: -1 is no number of an instance in its launch");
    }
}
