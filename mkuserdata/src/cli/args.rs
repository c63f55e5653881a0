//! What the command line can say, and what of it makes no sense together.

use crate::build::operand;
use crate::build::user_data_size::LIMIT;
use crate::cli::report::Action;
use cerveza_manners::{Failure, OutputArgs, ProgressArgs, Result};
use cerveza_template::Setting;
use clap::{CommandFactory, Parser};
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
    /// setup.sh:x-shellscript-per-boot; FILE:raw, alone, is passed through unchanged. A file that ends in `.j2` is a
    /// template. `-` reads stdin
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
    /// sorted by name, would not run them in the order given and before `runcmd`
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

    /// With --check, validate cloud-configs against cloud-init's own JSON schema: schema-cloud-config-v1.json, or `auto`
    /// for the one of the cloud-init that is installed here
    #[arg(long, value_name = "FILE|auto", requires = "check", conflicts_with_all = ["list", "extract"])]
    pub schema: Option<PathBuf>,

    /// The same as --list, and write the parts to files in DIR, of records to a folder a host
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

pub fn command() -> clap::Command {
    Args::command()
}

impl Args {
    /// The file to write to; `-` is stdout here too.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.write.as_deref().filter(|file| !is_stdin(file))
    }

    fn is_reading(&self) -> bool {
        self.list || self.check || self.extract.is_some()
    }

    /// What is to be done with existing user-data, if that is what is asked for.
    pub(crate) fn action(&self) -> Option<Action> {
        match (&self.extract, self.list, self.check) {
            (Some(folder), ..) => Some(Action::Extract(folder.clone())),
            (None, true, _) => Some(Action::List),
            (None, _, true) => Some(Action::Check),
            (None, false, false) => None,
        }
    }

    /// What is to be read: stdin where no file is given.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        match self.parts.is_empty() {
            true => vec![PathBuf::from("-")],
            false => self.parts.clone(),
        }
    }

    /// What clap cannot tell.
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
                .hint("pipe names or records in, as from hostrange or ec2-ls"));
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
}
