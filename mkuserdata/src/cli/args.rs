//! The command line: its options, and combinations that make no sense.

use crate::build::operand;
use crate::build::user_data_size::LIMIT;
use crate::cli::report::Action;
use cerveza_manners::{
    ArgValueCompleter, Failure, OutputArgs, PathCompleter, ProgressArgs, Result, ValueCompleter, fitting,
};
use cerveza_template::Setting;
use clap::{CommandFactory, Parser, ValueHint};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Build and check cloud-init user-data for EC2 instances
///
/// Puts shell scripts, cloud-configs and other parts into one compressed MIME message, the user-data of a new instance.
/// cloud-init takes the message apart into the same bytes. With --list, --check or --extract, reads existing user-data.
#[derive(Parser, Clone, Debug)]
#[command(
    name = "mkuserdata",
    version,
    override_usage = "mkuserdata [OPTIONS] PART[:TYPE]...\n       mkuserdata --list|--check|--extract DIR [FILE...]"
)]
pub struct Args {
    /// Part files, in order; `-` reads stdin
    ///
    /// The first line of a file tells its type: `#!`, `#cloud-config` and others. FILE:TYPE sets the type, as in
    /// setup.sh:x-shellscript-per-boot. FILE:raw, as the only part, is passed through unchanged. A file whose name ends in
    /// `.j2` is a template.
    #[arg(value_name = "PART", value_hint = ValueHint::FilePath)]
    pub parts: Vec<PathBuf>,

    /// Write the user-data to FILE instead of stdout
    ///
    /// The file appears whole or not at all.
    #[arg(short, long, value_name = "FILE", help_heading = BUILD)]
    pub write: Option<PathBuf>,

    /// Set the value of a name in templates, as in tags.role=db
    ///
    /// It replaces the value of the host's record. A dot in KEY leads into an object. VALUE is text.
    #[arg(long, value_name = "KEY=VALUE", help_heading = BUILD)]
    pub set: Vec<Setting>,

    /// Build user-data for each host whose name or record is on stdin
    ///
    /// Templates are rendered for each host. Writes each host as a record with its user-data, in base64, in the key
    /// `user_data`.
    #[arg(long, conflicts_with_all = ["size", "base64"], help_heading = BUILD)]
    pub per_host: bool,

    /// Set how cloud-init merges cloud-configs, as in `append`
    ///
    /// Sets X-Merge-Type, which says how a cloud-config is merged with those before it, as in
    /// 'list(append)+dict(recurse_list)+str()'. `append` appends lists and merges mappings; it stands for
    /// 'list(append)+dict(no_replace,recurse_list)+str()'.
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true, help_heading = BUILD)]
    pub merge: Option<String>,

    /// Write how many bytes each part takes, not the user-data
    ///
    /// The largest comes first. With --write, the user-data is written too.
    #[arg(long, help_heading = BUILD)]
    pub size: bool,

    /// Turn errors into warnings; with --extract, overwrite files
    ///
    /// These are the errors about surprising cloud-init behaviour.
    #[arg(long, help_heading = BUILD)]
    pub force: bool,

    /// Compress a hundred times faster, to some 5% more bytes
    ///
    /// For thousands of hosts whose user-data varies much. User-data that would then not fit is compressed thoroughly.
    #[arg(long, help_heading = BUILD)]
    pub fast: bool,

    /// Do not put numbers before the names of scripts
    ///
    /// cloud-init runs scripts sorted by name. Without this option, they get numbers in front if they would otherwise not
    /// run in the order given, or not before `runcmd`.
    #[arg(long, help_heading = BUILD)]
    pub keep_names: bool,

    /// Limit parts to the instance of this number in its launch
    ///
    /// Sets Launch-Index, for all parts or for the part that is named.
    #[arg(long, value_name = "[PART=]NUMBER", help_heading = BUILD)]
    pub launch_index: Vec<String>,

    /// Write the user-data in base64, as the EC2 API takes it
    #[arg(long, help_heading = BUILD)]
    pub base64: bool,

    /// Write plain MIME, not compressed
    #[arg(long, help_heading = BUILD)]
    pub no_gzip: bool,

    /// Write plain MIME with this boundary between the parts
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, help_heading = BUILD)]
    pub boundary: Option<String>,

    /// Largest size in bytes, before base64
    #[arg(long, value_name = "BYTES", default_value_t = LIMIT, help_heading = BUILD)]
    pub limit: usize,

    /// List the parts of existing user-data, and what is wrong
    ///
    /// Reads FILE, or stdin: plain or gzip, one part or MIME, in base64, or in the records of `ec2-ls --user-data`.
    #[arg(long, conflicts_with_all = BUILDING, help_heading = READ)]
    pub list: bool,

    /// Like --list, and exit with 1 if anything is wrong
    #[arg(long, conflicts_with_all = BUILDING, conflicts_with = "list", help_heading = READ)]
    pub check: bool,

    /// Like --list, and write the parts to files in DIR
    ///
    /// Of records, each host gets a folder.
    #[arg(long, value_name = "DIR", conflicts_with_all = BUILDING, conflicts_with_all = ["list", "check"], help_heading = READ)]
    pub extract: Option<PathBuf>,

    /// With --check, validate cloud-configs against a JSON schema
    ///
    /// FILE is cloud-init's schema-cloud-config-v1.json. `auto` finds that of the cloud-init that is installed here.
    #[arg(long, value_name = "FILE|auto", add = schemas(), requires = "check", conflicts_with_all = ["list", "extract"], help_heading = READ)]
    pub schema: Option<PathBuf>,

    #[command(flatten, next_help_heading = "Output of rows")]
    pub output: OutputArgs,

    #[command(flatten, next_help_heading = "Output of rows")]
    pub progress: ProgressArgs,
}

const BUILD: &str = "Build";
const READ: &str = "Read existing user-data";

/// Options for building, which do not go with --list, --check and --extract.
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

/// Completes `auto` and files.
fn schemas() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let mut found = fitting(typed, vec!["auto".to_string()]);
        found.extend(PathCompleter::file().complete(typed));
        found
    })
}

/// Returns what `mkuserdata` has for an option that it does not have, or for a wrong value of one.
pub fn hint(word: &str) -> Option<String> {
    let hint = match word {
        "--host" => "the name in templates is a variable: --set host=NAME",
        "--output=" => "-o is the format of a listing; to write user-data to a file: -w FILE",
        _ => return None,
    };
    Some(hint.to_string())
}

pub fn command() -> clap::Command {
    Args::command()
}

impl Args {
    /// Returns the file to write to. `-` is stdout here too.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.write.as_deref().filter(|file| !is_stdin(file))
    }

    fn is_reading(&self) -> bool {
        self.list || self.check || self.extract.is_some()
    }

    /// Returns what to do with existing user-data, or `None` to build.
    pub(crate) fn action(&self) -> Option<Action> {
        match (&self.extract, self.list, self.check) {
            (Some(folder), ..) => Some(Action::Extract(folder.clone())),
            (None, true, _) => Some(Action::List),
            (None, _, true) => Some(Action::Check),
            (None, false, false) => None,
        }
    }

    /// Returns the files to read: stdin if none is given.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        if self.parts.is_empty() { vec![PathBuf::from("-")] } else { self.parts.clone() }
    }

    /// Fails for combinations that clap cannot check.
    pub(crate) fn refuse_misuse(&self, stdout_is_terminal: bool, stdin_is_terminal: bool) -> Result<()> {
        let stdins = self.files().iter().filter(|part| is_stdin(part)).count();
        if self.parts.is_empty() && !self.is_reading() {
            return Err(Failure::usage("no parts are given").hint("name the part files, as in base.txt setup.sh"));
        }
        if self.parts.is_empty() && stdin_is_terminal {
            return Err(Failure::usage("no file is given, and stdin is a terminal").hint("name a file of user-data"));
        }
        if stdins > 1 {
            return Err(Failure::usage("stdin ('-') is given twice"));
        }
        if self.per_host && stdins > 0 {
            return Err(Failure::usage("a part cannot come from stdin ('-') with --per-host: the hosts do"));
        }
        if !self.per_host && stdins == 1 && stdin_is_terminal {
            return Err(Failure::usage("stdin ('-') is a terminal").hint("pipe the part in"));
        }
        if self.per_host && stdin_is_terminal {
            return Err(Failure::usage("--per-host reads hosts from stdin, which is a terminal")
                .hint("pipe in names or records, as from hostrange or ec2-ls"));
        }
        let writes_rows = self.per_host || self.size || self.is_reading();
        if !writes_rows && !self.output.is_auto() {
            return Err(Failure::usage(
                "--output is for the rows of --per-host, --size, --list, --check and --extract",
            ));
        }
        // Plain MIME and base64 are text, and may well be looked at.
        let text = self.no_gzip || self.boundary.is_some() || self.base64;
        if !writes_rows && self.file().is_none() && !text && stdout_is_terminal {
            return Err(Failure::usage("compressed bytes are not for a terminal")
                .hint("redirect stdout, or use --write FILE, or --no-gzip to look at the text"));
        }
        Ok(())
    }
}

fn is_stdin(part: &Path) -> bool {
    operand::is_stdin(part) || part.to_str().is_some_and(|part| part.starts_with("-:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misuse(args: &[&str], stdout_is_terminal: bool) -> Option<String> {
        let args = Args::parse_from([&["mkuserdata"], args].concat());
        args.refuse_misuse(stdout_is_terminal, false).err().map(|failure| failure.message)
    }

    #[test]
    fn the_clap_definition_is_valid() {
        command().debug_assert();
    }

    #[test]
    fn compressed_bytes_are_not_written_to_a_terminal() {
        let refused = "compressed bytes are not for a terminal";
        assert_eq!(misuse(&["a"], true).as_deref(), Some(refused));
        assert_eq!(misuse(&["a"], false), None);
        for text in ["-wx", "--no-gzip", "--boundary=x", "--base64", "--per-host", "--size", "--list", "--check"] {
            assert_eq!(misuse(&["a", text], true), None, "{text}");
        }
    }

    #[test]
    fn combinations_that_make_no_sense_are_refused() {
        assert_eq!(misuse(&["-", "--", "-:cloud-config"], false).as_deref(), Some("stdin ('-') is given twice"));
        assert!(misuse(&["a", "-1"], false).is_some());
        assert!(misuse(&["-", "--per-host"], false).is_some());
        for together in [&["--list", "--check"][..], &["--list", "--fast"], &["--check", "-w", "x"]] {
            assert!(Args::try_parse_from([&["mkuserdata", "a"], together].concat()).is_err(), "{together:?}");
        }
    }
}
