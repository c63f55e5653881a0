//! The command line of `mkuserdata`.

use crate::part::Part;
use crate::{Parts, output};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cerveza_manners::{Column, Failure, Format, OutputArgs, OutputMode, RecordWriter, Result, Status, Tool};
use cerveza_record::Record;
use clap::{CommandFactory, Parser};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// Build cloud-init user-data from parts
///
/// Puts shell scripts, cloud-configs and other parts into one gzip-compressed MIME message, which cloud-init takes
/// apart again into the same bytes.
#[derive(Parser, Clone, Debug)]
#[command(name = "mkuserdata", version, override_usage = "mkuserdata [OPTIONS] PART...")]
pub struct Args {
    /// Part files, in order. How a file begins says what it is: `#!`, `#cloud-config`... A file that ends in `.j2` is a
    /// template, rendered for each host under --per-host. `-` reads stdin
    #[arg(value_name = "PART")]
    pub parts: Vec<PathBuf>,

    /// Read names and records of hosts from stdin, and write each as a record with its user-data, in base64, under
    /// `user_data`
    #[arg(long, conflicts_with = "write")]
    pub per_host: bool,

    /// Write to FILE instead of stdout: in a moment, so that no one ever reads a half
    #[arg(short, long, value_name = "FILE")]
    pub write: Option<PathBuf>,

    /// Write plain MIME, not compressed
    #[arg(long)]
    pub no_gzip: bool,

    #[command(flatten)]
    pub output: OutputArgs,
}

/// What a table of hosts shows; user-data itself is no text for people.
const COLUMNS: [Column; 2] = [Column { header: "HOST", key: "host" }, Column { header: "SIZE", key: "size" }];

pub fn command() -> clap::Command {
    Args::command()
}

/// Reads the parts, builds, writes. Nothing is written before all is built.
pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    refuse_misuse(args, io::stdout().is_terminal(), io::stdin().is_terminal())?;
    let parts = read(args)?;
    if !args.per_host
        && let Some(template) = parts.templates().next()
    {
        return Err(Failure::usage(format!("{template} is a template: it needs the hosts to render it for"))
            .hint("add --per-host and pipe names or records in"));
    }
    for warning in parts.warnings() {
        tool.warn(warning);
    }
    match (args.per_host, &args.write) {
        (true, _) => write_records(&parts, args.output.mode(OutputMode::Table), tool)?,
        (false, Some(file)) => output::to_file(file, &parts.build_fixed()?)?,
        (false, None) => output::to_stdout(&parts.build_fixed()?)?,
    }
    Ok(Status::Done)
}

/// What clap cannot tell.
fn refuse_misuse(args: &Args, stdout_is_terminal: bool, stdin_is_terminal: bool) -> Result<()> {
    if args.parts.is_empty() {
        return Err(Failure::usage("no parts are given").hint("name the part files, as in base.txt setup.sh"));
    }
    let stdins = args.parts.iter().filter(|part| is_stdin(part)).count();
    if stdins > 1 {
        return Err(Failure::usage("stdin ('-') is given twice"));
    }
    if args.per_host {
        return match stdins {
            0 => Ok(()),
            _ => Err(Failure::usage("a part cannot come from stdin ('-') with --per-host: the hosts do")),
        };
    }
    if args.output.names || args.output.output != Format::Auto {
        return Err(Failure::usage("--output is for the records of --per-host"));
    }
    if stdins == 1 && stdin_is_terminal {
        return Err(Failure::usage("stdin ('-') is a terminal").hint("pipe the part in"));
    }
    // Plain MIME is text, and may well be looked at.
    if args.write.is_none() && !args.no_gzip && stdout_is_terminal {
        return Err(Failure::usage("compressed bytes are not for a terminal")
            .hint("redirect stdout, or use --write FILE, or --no-gzip to look at the text"));
    }
    Ok(())
}

fn is_stdin(part: &Path) -> bool {
    part.as_os_str() == "-"
}

fn read(args: &Args) -> Result<Parts> {
    let read = |part: &PathBuf| match is_stdin(part) {
        true => Part::stdin(),
        false => Part::read(part),
    };
    let parts = Parts::new(args.parts.iter().map(read).collect::<Result<_>>()?)?;
    Ok(match args.no_gzip {
        true => parts.without_gzip(),
        false => parts,
    })
}

fn write_records(parts: &Parts, mode: OutputMode, tool: &Tool) -> Result<()> {
    let records = hostrange::read_hosts(&[], tool)?;
    let user_data = parts.build_all(&records)?;
    let mut writer = RecordWriter::stdout(mode, &COLUMNS);
    for (mut record, user_data) in records.into_iter().zip(user_data) {
        match mode {
            OutputMode::Table => {
                record = Record::named(record.host());
                record.set("size", user_data.len());
            }
            _ => record.set("user_data", BASE64_STANDARD.encode(user_data)),
        }
        writer.write(&record)?;
    }
    writer.finish()
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
        assert_eq!(misuse(&["a", "-w", "x"], true), None);
        assert_eq!(misuse(&["a", "--no-gzip"], true), None);
        assert_eq!(misuse(&["a", "--per-host"], true), None);
    }

    #[test]
    fn what_makes_no_sense_together_is_said() {
        assert_eq!(misuse(&["-", "-"], false).as_deref(), Some("stdin ('-') is given twice"));
        assert_eq!(misuse(&["a", "-1"], false).as_deref(), Some("--output is for the records of --per-host"));
        assert!(misuse(&["-", "--per-host"], false).is_some());
    }
}
