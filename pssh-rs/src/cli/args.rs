//! The command line of `pssh-rs`.

use crate::base::policy::{Engine, HostKeyPolicy};
use crate::session::command_line::Variable;
use cerveza_manners::{OutputArgs, ProgressArgs, parse_duration};
use cerveza_results::{DisplayArgs, RolloutArgs};
use clap::Parser;
use clap::builder::{OsStringValueParser, TypedValueParser};
use std::path::PathBuf;
use std::time::Duration;

/// Run a command on many hosts over SSH
///
/// Runs one command on every host, or a script, or copies files, and writes a record a host, as soon as that host is done:
/// what it printed, its exit status, or why it was not reached.
#[derive(Parser, Clone, Debug)]
#[command(
    name = "pssh-rs",
    version,
    override_usage = "pssh-rs [OPTIONS] [--] COMMAND...\n       pssh-rs [OPTIONS] --script FILE [--] [ARGUMENT...]\n       pssh-rs [OPTIONS] --push FILE:PATH | --pull PATH:FOLDER | --run FIELD"
)]
pub struct Args {
    /// Hosts, as in 'web[1-3]' or 'n[1-2][01-10],db1!n105' (hostrange(1) has the language); may be given again; `-`
    /// reads names and records from stdin, as does no -w at all. A name may be written user@host, host:port or
    /// [address]:port
    #[arg(short = 'w', long, value_name = "EXPR")]
    pub hosts: Vec<String>,

    /// Leave out these hosts, as in 'web3' or '@down'; may be given again. A host with a user or port is left out by its
    /// name alone, too
    #[arg(short = 'x', long, value_name = "EXPR")]
    pub exclude: Vec<String>,

    /// Upload this script over the same connection, run it with the words of the command as its arguments, and remove it
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    pub script: Option<PathBuf>,

    /// Run the scripts of this machine that each record names in this field, such as startup_scripts (ec2-launch sets
    /// it), in order, until one fails
    #[arg(long, value_name = "FIELD")]
    pub run: Option<String>,

    /// Give this file to the command's standard input, on every host; `-` is our own standard input. A pipe is read once, up
    /// to 1 GiB, into a temporary file
    #[arg(long, value_name = "FILE")]
    pub stdin: Option<PathBuf>,

    /// Before anything is run, copy a file or folder of this machine to a path on every host; may be given again. Mode
    /// and time are kept, files are replaced as a whole, and what is there already is not sent
    #[arg(long, value_name = "FILE[:PATH]", value_parser = OsStringValueParser::new())]
    pub push: Vec<std::ffi::OsString>,

    /// After all was run, copy a file or folder, wildcards too, from every host to FOLDER/HOST; may be given again
    /// [default folder: pulled]
    #[arg(long, value_name = "PATH[:FOLDER]", value_parser = OsStringValueParser::new())]
    pub pull: Vec<std::ffi::OsString>,

    /// Run it with sudo(8), as root or as USER. Where a sudo wants a password it is asked for, once
    #[arg(long, value_name = "USER", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub sudo: Option<String>,

    /// Set a variable for the command; may be given again
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<Variable>,

    /// Run the command in this folder
    #[arg(long, value_name = "FOLDER")]
    pub chdir: Option<String>,

    /// Give the command a terminal, which some ask for; its stderr then comes out as stdout, and lines end as terminals
    /// end them
    #[arg(long)]
    pub tty: bool,

    /// Log in as this user where a host has none of its own [default: ssh_config's User, else who runs pssh-rs]
    #[arg(short = 'l', long, value_name = "USER", env = "PSSH_RS_USER", hide_env_values = true)]
    pub user: Option<String>,

    /// Connect to this port where a host has none of its own [default: ssh_config's Port, else 22]
    #[arg(short, long, value_name = "PORT", env = "PSSH_RS_PORT", hide_env_values = true,
        value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,

    /// Log in with this private key file, before the agent's keys; may be given again, or as a list separated by
    /// colons [default: ssh_config's IdentityFile, else the usual files in ~/.ssh, after the agent's keys]
    #[arg(short, long, value_name = "FILE", env = "PSSH_RS_IDENTITY", hide_env_values = true, value_delimiter = ':',
        value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub identity: Vec<PathBuf>,

    /// Read this instead of ~/.ssh/config and /etc/ssh/ssh_config; `none` reads none
    #[arg(short = 'F', long, value_name = "FILE", env = "PSSH_RS_SSH_CONFIG", hide_env_values = true)]
    pub ssh_config: Option<PathBuf>,

    /// Set an option of ssh_config(5), as ssh -o does; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    pub ssh_option: Vec<String>,

    /// Connect through this host, or through a list of them separated by commas; one connection to it carries all
    #[arg(short = 'J', long, value_name = "[USER@]HOST[:PORT]")]
    pub jump: Option<String>,

    /// Connect to the address in this field of the record, such as public_ip or host; a record that lacks it is
    /// `unreachable` [default: private_ip, else public_ip, else host]
    #[arg(long, value_name = "FIELD")]
    pub address: Option<String>,

    /// What speaks SSH
    #[arg(long, value_name = "ENGINE", env = "PSSH_RS_ENGINE", hide_env_values = true, value_enum,
        default_value_t = Engine::Libssh2)]
    pub engine: Engine,

    /// What to do about host keys [default: ssh_config's StrictHostKeyChecking, else strict]
    #[arg(long, value_name = "POLICY", env = "PSSH_RS_HOST_KEY", hide_env_values = true, value_enum)]
    pub host_key: Option<HostKeyPolicy>,

    /// Read host keys from this file; may be given again, or as a list separated by colons; accept-new adds to the
    /// first [default: ssh_config's UserKnownHostsFile and GlobalKnownHostsFile]
    #[arg(long, value_name = "FILE", env = "PSSH_RS_KNOWN_HOSTS", hide_env_values = true, value_delimiter = ':',
        value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub known_hosts: Vec<PathBuf>,

    /// Give what is done on a host this long, in seconds or as in 5m; where it takes longer the command is ended and
    /// the host is a `timeout` [default: as long as it takes]
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,

    /// Give looking up a host, connecting to it and the SSH handshake this long each [default: ssh_config's
    /// ConnectTimeout, else 10]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub connect_timeout: Option<Duration>,

    /// Give logging in this long
    #[arg(long, value_name = "TIME", default_value = "20", value_parser = parse_duration)]
    pub auth_timeout: Duration,

    /// Wait this long, from a host's first attempt, for the host to let us in: a host that refuses the connection, does
    /// not answer or rejects the login, as one that is still booting does, is tried again [default: do not wait]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub wait: Option<Duration>,

    /// Give the whole run this long: then commands are ended, and hosts not yet tried are `skipped`
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub deadline: Option<Duration>,

    /// Run on at most this many hosts at a time; hosts that do not answer do not count
    #[arg(short, long, value_name = "NUMBER", env = "PSSH_RS_FANOUT", hide_env_values = true, default_value_t = 64,
        value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub fanout: u16,

    #[command(flatten)]
    pub rollout: RolloutArgs,

    /// Write what would be run where, as records with a `plan`, and connect to nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Write to stderr what is tried on each host up to its login: address, algorithms, host key, and each login key
    /// with the server's answer
    #[arg(short, long)]
    pub verbose: bool,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub display: DisplayArgs,

    #[command(flatten)]
    pub progress: ProgressArgs,

    /// The command, for the remote shell; its words are joined by blanks, as ssh does. Options end before its first
    /// word
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub command: Vec<String>,
}

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
