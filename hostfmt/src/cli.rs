//! The command line of `hostfmt`: read the hosts, render, write.

use crate::fleet::{Fleet, texts};
use crate::format::{FORMATS, Format, Template};
use crate::render::{Options, check, render};
use cerveza_manners::{
    ADDRESS_KEYS, ArgValueCompleter, Failure, PathCompleter, Result, Status, Tool, ValueCompleter, fitting,
    fixed_words, key_hint, keys_of, record_keys, typed_before, visible, write_file, write_stdout,
};
use cerveza_record::{Record, Value};
use cerveza_template::{Setting, put_settings};
use clap::{CommandFactory, Parser, ValueHint};
use hostrange::{fold, read_given};
use serde_json::Map;
use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Write EC2 hosts for other programs: hosts, BIND, Ansible and others
///
/// Reads records of hosts and writes a file for another program: a hosts file, a zone, an inventory, or the output of
/// your own template.
#[derive(Parser, Clone, Debug)]
#[command(
    name = "hostfmt",
    version,
    override_usage = "hostfmt [OPTIONS] FORMAT|FILE.j2 [FILE...]\n       hostfmt --list\n       hostfmt --show FORMAT"
)]
pub struct Args {
    /// Format (see --list), or a template file
    ///
    /// The name of a template file ends in `.j2` or contains a slash.
    #[arg(value_name = "FORMAT|FILE.j2", add = formats(true), required_unless_present_any = ["list", "show"])]
    pub format: Option<String>,

    /// Files with records or names of hosts; `-` is stdin [default: stdin]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<String>,

    /// Set a variable of the template, as in zone=example.com
    #[arg(short = 'D', long, value_name = "KEY=VALUE", add = settings())]
    pub set: Vec<Setting>,

    /// Group hosts by this field, as in zone or tags.role
    ///
    /// If the value is a list, the host is in a group for each item.
    #[arg(short, long, value_name = "KEY", add = record_keys(), default_value = GROUP_BY)]
    pub group_by: String,

    /// Field with the address, as in public_ip or ipv6
    ///
    /// A host without this field is refused [default: private_ip, else public_ip, else ipv6, else host].
    #[arg(long, value_name = "FIELD", add = fixed_words(ADDRESS_KEYS))]
    pub address: Option<String>,

    /// Leave out hosts that are refused, and exit with 3
    ///
    /// Without this option, nothing is written if a host is refused.
    #[arg(long)]
    pub skip: bool,

    /// Write to this file instead of stdout
    ///
    /// The file is replaced in one step, and stays as it is if anything fails.
    #[arg(short, long, value_name = "FILE")]
    pub write: Option<PathBuf>,

    /// List the formats with their settings
    #[arg(short, long, exclusive = true)]
    pub list: bool,

    /// Print the template of a format, as a start for your own
    #[arg(long, value_name = "FORMAT", add = formats(false), exclusive = true)]
    pub show: Option<String>,
}

/// What hosts are grouped by unless the command line says it.
const GROUP_BY: &str = "security_groups";

/// Returns the clap definition, for man page and completions.
pub fn command() -> clap::Command {
    Args::command()
}

/// Returns what `hostfmt` has for an option that it does not have.
pub fn hint(word: &str) -> Option<String> {
    let hint = match word {
        "--domain" | "--user" | "--zone" => return Some(format!("this is a setting: -D {}=VALUE", &word[2..])),
        "-o" | "--output" => "the format is the first word; to write to a file: -w FILE",
        _ => return None,
    };
    Some(hint.to_string())
}

/// Completes a format, or also the file of a template.
fn formats(with_files: bool) -> ArgValueCompleter {
    ArgValueCompleter::new(move |typed: &OsStr| {
        let mut found = fitting(typed, FORMATS.iter().map(|format| format.name.to_string()).collect());
        if with_files {
            let is_template = |path: &Path| path.extension().is_some_and(|end| end == "j2");
            found.extend(PathCompleter::any().filter(is_template).complete(typed));
        }
        found
    })
}

/// Completes the settings of the format, which `--list` names after its semicolon.
fn settings() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let format = FORMATS.iter().find(|format| typed_before().iter().any(|word| word == format.name));
        let settings = format.and_then(|format| format.about.split_once("; ")).map_or("", |(_, settings)| settings);
        let names = settings.split(", ").filter_map(|setting| setting.split(['=', ' ']).next());
        fitting(typed, names.filter(|name| !name.is_empty()).map(|name| format!("{name}=")).collect())
    })
}

/// Reads the hosts, renders, and writes. Nothing is written before all is rendered.
pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    if args.list {
        return write_stdout(listing().as_bytes()).map(|()| Status::Done);
    }
    if let Some(name) = &args.show {
        return write_stdout(Format::named(name)?.source.as_bytes()).map(|()| Status::Done);
    }
    let template = Template::find(args.format.as_deref().unwrap_or_default())?;
    let has_groups = check(&template, &args.set)?;
    let fleet = Fleet::new(read_records(&args.files, tool)?, template.policy.hosts);
    if !fleet.left_out.is_empty() {
        let (count, hosts) = (count_of(fleet.left_out.len()), fold(fleet.left_out.iter().map(String::as_str)));
        tool.warn(format!("{} leaves out {count} by state: {hosts}", template.label));
    }
    if args.group_by != GROUP_BY && !has_groups {
        tool.warn(format!("{} has no groups, so --group-by is ignored", template.label));
    } else if args.group_by != GROUP_BY && !fleet.hosts.iter().any(|record| !texts(record, &args.group_by).is_empty()) {
        let hint = key_hint(&args.group_by, &known_keys(&fleet.hosts));
        tool.warn(format!("no host has {}, so there are no groups{hint}", args.group_by));
    }
    warn_of_empty_columns(&args.set, &fleet.hosts, tool);
    let rendered = render(&template, &fleet.hosts, &options(args)?)?;
    match &args.write {
        Some(file) => write_file(file, rendered.text.as_bytes())?,
        None => write_stdout(shown(&rendered.text, io::stdout().is_terminal()).as_bytes())?,
    }
    for warning in &rendered.warnings {
        tool.warn(format!("{}: {warning}", template.label));
    }
    if rendered.left_out.is_empty() {
        return Ok(Status::Done);
    }
    let count = count_of(rendered.left_out_count);
    tool.warn(format!("{} cannot hold {count}, left out:\n  {}", template.label, rendered.left_out.join("\n  ")));
    Ok(Status::Unreached)
}

/// Returns the keys of the first record that has more than a name.
fn known_keys(hosts: &[Arc<Record>]) -> Vec<String> {
    let first = hosts.iter().find(|host| host.iter().nth(1).is_some());
    first.map(|host| keys_of(host.iter())).unwrap_or_default()
}

/// Warns of the columns that the setting `columns` names and no record has.
fn warn_of_empty_columns(settings: &[Setting], hosts: &[Arc<Record>], tool: &Tool) {
    let mut set = Map::new();
    put_settings(&mut set, settings);
    let known = known_keys(hosts);
    let Some(columns) = set.get("columns").and_then(Value::as_str).filter(|_| !known.is_empty()) else { return };
    let is_missing = |key: &&str| !hosts.iter().any(|host| host.has(key) || !host.values_at(key).is_empty());
    for key in columns.split(',').filter(is_missing) {
        tool.warn(format!("no record has the key {key}{}", key_hint(key, &known)));
    }
}

fn options(args: &Args) -> Result<Options> {
    Ok(Options {
        settings: args.set.clone(),
        group_by: args.group_by.clone(),
        address: args.address.clone(),
        skip: args.skip,
        serial: serial()?,
    })
}

/// Returns the time as a serial number. SOURCE_DATE_EPOCH stands in for the clock, as in reproducible builds.
fn serial() -> Result<u64> {
    const VARIABLE: &str = "SOURCE_DATE_EPOCH";
    match std::env::var(VARIABLE).ok().filter(|value| !value.is_empty()) {
        Some(value) => {
            value.parse().map_err(|_| Failure::usage(format!("{VARIABLE} is not a number of seconds: {value}")))
        }
        None => Ok(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())),
    }
}

fn read_records(files: &[String], tool: &Tool) -> Result<Vec<Record>> {
    if files.is_empty() && io::stdin().is_terminal() {
        return Err(Failure::usage("no hosts are given").hint("pipe in records, as from ec2-ls, or name a file"));
    }
    // As hostrange's language has it, ^FILE is what the file holds.
    let word = |file: &String| if file == "-" { file.clone() } else { format!("^{file}") };
    Ok(read_given(&files.iter().map(word).collect::<Vec<_>>(), tool)?.hosts)
}

fn count_of(hosts: usize) -> String {
    if hosts == 1 { "1 host".to_string() } else { format!("{hosts} hosts") }
}

/// Text of others reaches a terminal with its control characters made visible.
fn shown(text: &str, is_terminal: bool) -> String {
    let line = |line: &str| line.split('\t').map(visible).collect::<Vec<_>>().join("\t");
    if is_terminal { text.split('\n').map(line).collect::<Vec<_>>().join("\n") } else { text.to_string() }
}

/// Returns a line for each format.
fn listing() -> String {
    FORMATS.iter().map(|format| format!("{:<11} {}\n", format.name, format.about)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn a_terminal_sees_control_characters_as_escapes() {
        assert_eq!(shown("a\tb\x1b[31m\nc\u{9b}\n", true), "a\tb\\u{1b}[31m\nc\\u{9b}\n");
        assert_eq!(shown("a\x1b", false), "a\x1b");
    }
}
