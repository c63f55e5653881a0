//! The command line of `pssh-rs`.

use crate::base::policy::{Engine, HostKeyPolicy};
use crate::cli::completion::{SCRIPT_KEYS, ssh_hosts};
use cerveza_manners::{ADDRESS_KEYS, OutputArgs, ProgressArgs, Variable, fixed_words, parse_duration};
use cerveza_results::{DisplayArgs, RolloutArgs};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Parser, ValueHint};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Run a command on many hosts over SSH
///
/// Runs a command or script on each host, or copies files. Writes a record for each host as soon as that host is finished:
/// what the command printed and its exit status, or why the host was not reached.
#[derive(Parser, Clone, Debug)]
#[command(
    name = "pssh-rs",
    version,
    override_usage = "pssh-rs [OPTIONS] [--] COMMAND...\n       pssh-rs [OPTIONS] --script FILE [--] [ARGUMENT...]\n       pssh-rs [OPTIONS] {--push FILE[:PATH] | --pull PATH[:FOLDER]}... [[--] COMMAND...]",
    mut_arg("names", |arg| arg.help("Write the names of all hosts, also of failed ones (same as -o names)").long_help(NAMES)),
    mut_arg("columns", |arg| arg.hide_short_help(true)),
    mut_arg("sort", |arg| arg.hide_short_help(true))
)]
pub struct Args {
    /// Command to run on each host
    ///
    /// Its words are joined by blanks and given to the login shell, as with ssh(1). Options end before its first word.
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub command: Vec<String>,

    /// Hosts, as in 'web[1-3]' [default: read them from stdin]
    ///
    /// An expression of hostrange(1), as in 'n[1-2][01-10],db1!n105'. A name may be user@host, host:port or
    /// [address]:port. `-` reads names and records from stdin, and `^FILE` from a file, as in '^hosts.txt'. May be given
    /// more than once.
    #[arg(short = 'w', long, value_name = "EXPR", add = ssh_hosts())]
    pub hosts: Vec<String>,

    /// Leave out these hosts, as in 'web3', or '@down' for a node group
    ///
    /// The name alone also leaves out a host with a user or port. May be given more than once.
    #[arg(short = 'x', long, value_name = "EXPR", add = ssh_hosts())]
    pub exclude: Vec<String>,

    /// Upload and run a local script; COMMAND is its arguments
    ///
    /// The script is removed from the host afterwards.
    #[arg(long, value_name = "FILE", conflicts_with = "run", help_heading = RUN)]
    pub script: Option<PathBuf>,

    /// Run the local scripts that each record lists in FIELD
    ///
    /// For example startup_scripts, which ec2-launch sets. The scripts run in order, until one fails.
    #[arg(long, value_name = "FIELD", add = fixed_words(SCRIPT_KEYS), help_heading = RUN, hide_short_help = true)]
    pub run: Option<String>,

    /// Send a file to the command's standard input on each host
    ///
    /// `-` sends the standard input of pssh-rs. A pipe is first copied to a temporary file of at most 1 GiB.
    #[arg(long, value_name = "FILE", help_heading = RUN, hide_short_help = true)]
    pub stdin: Option<PathBuf>,

    /// Copy a file or folder to each host before anything runs
    ///
    /// Keeps mode and modification time, and skips files that are already the same. Without PATH, copies to the home
    /// directory. May be given more than once.
    #[arg(long, value_name = "FILE[:PATH]", value_hint = ValueHint::AnyPath, value_parser = OsStringValueParser::new(), help_heading = RUN)]
    pub push: Vec<std::ffi::OsString>,

    /// Copy files from each host to FOLDER/HOST after the command
    ///
    /// Nothing is copied from a host where the command failed.
    /// PATH may be a folder, or contain wildcards. FOLDER is `pulled` by default. May be given more than once.
    #[arg(long, value_name = "PATH[:FOLDER]", value_parser = OsStringValueParser::new(), help_heading = RUN)]
    pub pull: Vec<std::ffi::OsString>,

    /// Run with sudo(8), as root or as USER
    ///
    /// If a host's sudo asks for a password, pssh-rs asks for it once.
    #[arg(long, value_name = "USER", num_args = 0..=1, require_equals = true, default_missing_value = "", help_heading = RUN)]
    pub sudo: Option<String>,

    /// Set an environment variable for the command
    ///
    /// May be given more than once.
    #[arg(long, value_name = "NAME=VALUE", help_heading = RUN, hide_short_help = true)]
    pub env: Vec<Variable>,

    /// Run the command in this folder of the host
    #[arg(long, value_name = "FOLDER", help_heading = RUN, hide_short_help = true)]
    pub chdir: Option<String>,

    /// Allocate a terminal, like `ssh -t`
    ///
    /// stderr is merged into stdout, and lines end with \r\n.
    #[arg(long, help_heading = RUN, hide_short_help = true)]
    pub tty: bool,

    /// User to log in as
    ///
    /// Applies to hosts without a user of their own [default: User of ssh_config, else the user who runs pssh-rs].
    #[arg(short = 'l', long, value_name = "USER", env = "PSSH_RS_USER", hide_env_values = true, help_heading = SSH)]
    pub user: Option<String>,

    /// Port to connect to
    ///
    /// Applies to hosts without a port of their own [default: Port of ssh_config, else 22].
    #[arg(short, long, value_name = "PORT", env = "PSSH_RS_PORT", hide_env_values = true,
        value_parser = clap::value_parser!(u16).range(1..), help_heading = SSH, hide_short_help = true)]
    pub port: Option<u16>,

    /// Private key file to log in with
    ///
    /// Tried before the keys of the agent. May be given more than once, or as a list separated by colons
    /// [default: IdentityFile of ssh_config, else the usual files in ~/.ssh, after the keys of the agent].
    #[arg(short, long, value_name = "FILE", env = "PSSH_RS_IDENTITY", hide_env_values = true, value_delimiter = ':',
        value_parser = OsStringValueParser::new().map(in_home), help_heading = SSH)]
    pub identity: Vec<PathBuf>,

    /// Read this file instead of ~/.ssh/config and /etc/ssh/ssh_config
    ///
    /// `none` reads no file.
    #[arg(short = 'F', long, value_name = "FILE", env = "PSSH_RS_SSH_CONFIG", hide_env_values = true,
        value_parser = OsStringValueParser::new().map(in_home), help_heading = SSH, hide_short_help = true)]
    pub ssh_config: Option<PathBuf>,

    /// Set an option of ssh_config(5), like `ssh -o`
    ///
    /// May be given more than once.
    #[arg(long, value_name = "KEY=VALUE", help_heading = SSH, hide_short_help = true)]
    pub ssh_option: Vec<String>,

    /// Connect through this host, like `ssh -J`
    ///
    /// A list separated by commas is a chain of jump hosts. Each jump host gets one connection, which all hosts behind it
    /// share.
    #[arg(short = 'J', long, value_name = "[USER@]HOST[:PORT]", add = ssh_hosts(), help_heading = SSH)]
    pub jump: Option<String>,

    /// Field of the record with the address to connect to
    ///
    /// For example public_ip or host. A host whose record lacks the field is `unreachable` [default: private_ip, else
    /// public_ip, else host].
    #[arg(long, value_name = "FIELD", add = fixed_words(ADDRESS_KEYS), help_heading = SSH, hide_short_help = true)]
    pub address: Option<String>,

    /// SSH implementation: built-in, or the ssh program
    #[arg(long, value_name = "ENGINE", env = "PSSH_RS_ENGINE", hide_env_values = true, value_enum,
        default_value_t = Engine::Libssh2, help_heading = SSH, hide_short_help = true)]
    pub engine: Engine,

    /// Which unknown host keys to accept
    ///
    /// `strict` accepts none, `accept-new` stores keys of new hosts, `off` accepts all [default: StrictHostKeyChecking
    /// of ssh_config, else strict]. pssh-rs never asks: StrictHostKeyChecking=ask counts as strict.
    #[arg(long, value_name = "POLICY", env = "PSSH_RS_HOST_KEY", hide_env_values = true, value_enum, help_heading = SSH, hide_short_help = true)]
    pub host_key: Option<HostKeyPolicy>,

    /// Files with known host keys
    ///
    /// May be given more than once, or as a list separated by colons. `--host-key accept-new` adds to the first file
    /// [default: UserKnownHostsFile and GlobalKnownHostsFile of ssh_config].
    #[arg(long, value_name = "FILE", env = "PSSH_RS_KNOWN_HOSTS", hide_env_values = true, value_delimiter = ':',
        value_parser = OsStringValueParser::new().map(in_home), help_heading = SSH, hide_short_help = true)]
    pub known_hosts: Vec<PathBuf>,

    /// Time limit for each host, as in 90 or 5m
    ///
    /// The command is killed and the host is reported as `timeout`. TIME is in seconds (90, 0.5), or numbers with ms, s,
    /// m, h or d (5m, 1h30m) [default: none].
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration, help_heading = LIMITS)]
    pub timeout: Option<Duration>,

    /// Time limit for each of DNS, TCP connection and SSH handshake
    ///
    /// [default: ConnectTimeout of ssh_config, else 10]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = LIMITS, hide_short_help = true)]
    pub connect_timeout: Option<Duration>,

    /// Time limit for the login
    #[arg(long, value_name = "TIME", default_value = "20", value_parser = parse_duration, help_heading = LIMITS, hide_short_help = true)]
    pub auth_timeout: Duration,

    /// Keep trying to reach each host for this time
    ///
    /// Retries a host that refuses the connection, does not answer or rejects the login, for example because it is
    /// still booting. The time starts with the first attempt [default: do not wait].
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = LIMITS)]
    pub wait: Option<Duration>,

    /// Time limit for the whole run
    ///
    /// Running commands are killed, and the remaining hosts are `skipped`.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = LIMITS)]
    pub deadline: Option<Duration>,

    /// Number of hosts at a time
    ///
    /// Hosts that do not answer at once leave their place to others.
    #[arg(short, long, value_name = "NUMBER", env = "PSSH_RS_FANOUT", hide_env_values = true, default_value_t = 64,
        value_parser = clap::value_parser!(u16).range(1..=10_000), help_heading = LIMITS)]
    pub fanout: u16,

    #[command(flatten)]
    pub rollout: RolloutArgs,

    /// Show what would run on which host, without connecting
    ///
    /// Write it before the command: a --dry-run after the first word of the command is part of the command, which then
    /// runs. The records have a `plan`.
    #[arg(long)]
    pub dry_run: bool,

    /// Show on stderr how each host is reached and logged in to
    ///
    /// Shows the address, the algorithms, the host key, and each login key with the server's answer.
    #[arg(short, long, hide_short_help = true)]
    pub verbose: bool,

    #[command(flatten, next_help_heading = OUTPUT)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub display: DisplayArgs,

    #[command(flatten)]
    pub progress: ProgressArgs,
}

/// Expands `~/`, which shells leave alone in `--identity=~/x`, after a colon, and in a variable in quotes. ssh(1) does too.
fn in_home(file: OsString) -> PathBuf {
    let file = PathBuf::from(file);
    match (file.strip_prefix("~"), std::env::home_dir()) {
        (Ok(below), Some(home)) => home.join(below),
        _ => file,
    }
}

/// Returns the files of an option. An empty value in the environment is no file.
pub fn nonempty(files: &[PathBuf]) -> Vec<PathBuf> {
    files.iter().filter(|file| !file.as_os_str().is_empty()).cloned().collect()
}

const RUN: &str = "What to run";
const NAMES: &str = "Write the names of all hosts, one per line, also of those that failed (same as -o names). To select \
    hosts by their status, use json and jq(1)";
const LIMITS: &str = "Limits";
const SSH: &str = "SSH";
const OUTPUT: &str = "Output";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_made() {
        Args::command().debug_assert();
    }

    #[test]
    fn options_end_before_the_command() {
        let args = Args::try_parse_from(["pssh-rs", "-w", "a", "ls", "-l", "--port", "/"]).unwrap();
        assert_eq!(args.command, ["ls", "-l", "--port", "/"]);
        let args = Args::try_parse_from(["pssh-rs", "-t", "1.5", "--", "-x", "--", "y"]).unwrap();
        assert_eq!(args.command, ["-x", "--", "y"]);
        assert_eq!(args.timeout, Some(Duration::from_millis(1500)));
        let args = Args::try_parse_from(["pssh-rs", "--sudo", "--batch", "1,10%", "id"]).unwrap();
        assert_eq!((args.sudo.as_deref(), args.rollout.batch.len(), args.command.len()), (Some(""), 2, 1));
        let args = Args::try_parse_from(["pssh-rs", "--sudo=it", "id"]).unwrap();
        assert_eq!(args.sudo.as_deref(), Some("it"));
    }
}
