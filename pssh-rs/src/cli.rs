//! The command line of `pssh-rs`.

use crate::limits::room_for;
use crate::plan::{Choice, Target, plan, planned};
use crate::summary::Summary;
use crate::view::Out;
use crate::{pool, setup};
use cerveza_manners::{
    Column, Failure, OutputArgs, OutputMode, ProgressArgs, RecordWriter, Result, Status, Tool, parse_duration,
};
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{CommandFactory, Parser, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Run a command on many hosts over SSH
///
/// Runs one command on every host and writes a record a host, as soon as that host is done: what it printed, its exit
/// status, or why it was not reached.
#[derive(Parser, Clone, Debug)]
#[command(name = "pssh-rs", version, override_usage = "pssh-rs [OPTIONS] [--] COMMAND...")]
pub struct Args {
    /// Hosts, as in 'web[1-3]' or 'n[1-2][01-10],db1!n105' (hostrange(1) has the language); may be given again; `-`
    /// reads names and records from stdin, as does no -w at all. A name may be written user@host
    #[arg(short = 'w', long, value_name = "EXPR")]
    pub hosts: Vec<String>,

    /// Log in as this user [default: who runs pssh-rs]
    #[arg(short = 'l', long, value_name = "USER", env = "PSSH_RS_USER", hide_env_values = true)]
    pub user: Option<String>,

    /// Connect to this port
    #[arg(
        short,
        long,
        value_name = "PORT",
        env = "PSSH_RS_PORT",
        hide_env_values = true,
        default_value_t = 22,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub port: u16,

    /// Log in with this private key file, before the agent's keys; may be given again, or as a list separated by
    /// colons [default: ~/.ssh/id_ed25519, id_ecdsa and id_rsa, after the agent's keys]
    #[arg(short, long, value_name = "FILE", env = "PSSH_RS_IDENTITY", hide_env_values = true, value_delimiter = ':',
        value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub identity: Vec<PathBuf>,

    /// Run on at most this many hosts at a time
    #[arg(
        short,
        long,
        value_name = "NUMBER",
        env = "PSSH_RS_FANOUT",
        hide_env_values = true,
        default_value_t = 64,
        value_parser = clap::value_parser!(u16).range(1..=10_000)
    )]
    pub fanout: u16,

    /// Give the command this long on each host, in seconds or as in 5m; a host where it takes longer is a `timeout`
    /// [default: as long as it takes]
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,

    /// Give looking up a host, connecting to it and the SSH handshake this long each
    #[arg(long, value_name = "TIME", default_value = "10", value_parser = parse_duration)]
    pub connect_timeout: Duration,

    /// Connect to the address in this field of the record, such as public_ip or host; a record that lacks it is
    /// `unreachable` [default: private_ip, else public_ip, else host]
    #[arg(long, value_name = "FIELD")]
    pub address: Option<String>,

    /// What to do about host keys
    #[arg(
        long,
        value_name = "POLICY",
        env = "PSSH_RS_HOST_KEY",
        hide_env_values = true,
        value_enum,
        default_value_t = HostKeyPolicy::Strict
    )]
    pub host_key: HostKeyPolicy,

    /// Read host keys from this file; may be given again, or as a list separated by colons; accept-new adds to the
    /// first [default: ~/.ssh/known_hosts and known_hosts2, /etc/ssh/ssh_known_hosts and ssh_known_hosts2]
    #[arg(long, value_name = "FILE", env = "PSSH_RS_KNOWN_HOSTS", hide_env_values = true, value_delimiter = ':',
        value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub known_hosts: Vec<PathBuf>,

    /// Write what would be run where, as records with a `plan`, and connect to nothing
    #[arg(long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub progress: ProgressArgs,

    /// The command, for the remote shell; its words are joined by blanks, as ssh does. Options end before its first
    /// word
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub command: Vec<String>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// Refuse a host whose key is not known
    Strict,
    /// Trust the key of a host seen for the first time, and keep it; refuse one that changed
    AcceptNew,
    /// Trust any key: whoever answers gets the command
    Off,
}

const PLAN_COLUMNS: [Column; 3] = [
    Column { header: "HOST", key: "host" },
    Column { header: "PLAN", key: "plan" },
    Column { header: "ERROR", key: "error" },
];

pub fn command() -> clap::Command {
    Args::command()
}

/// Checks, reads the hosts, plans, and runs the plan or writes it.
pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    let command = args.command.join(" ");
    if command.trim().is_empty() {
        return Err(Failure::usage("no command is given").hint("write it last, as in: pssh-rs -w 'web[1-3]' -- uptime"));
    }
    let user = match args.user.as_deref().filter(|user| !user.is_empty()) {
        Some(user) => user.to_string(),
        None => setup::local_user()?,
    };
    // Before stdin is read: who typed a wrong key file should not have to wait for a pipe to end.
    let job = match args.dry_run {
        true => None,
        false => Some(setup::job(args, command.clone(), tool)?),
    };
    let choice = Choice { user: &user, port: args.port, address: args.address.as_deref() };
    let targets = plan(hostrange::read_hosts(&args.hosts, tool)?, choice);
    let Some(job) = job else {
        return write_plan(&targets, &command, &args.output);
    };

    let bar = args.progress.bar(targets.len() as u64, "hosts");
    let mut out = Out::new(&args.output);
    let mut summary = Summary::default();
    let (fanout, warning) = room_for(args.fanout.into());
    if let Some(warning) = warning {
        tool.warn(warning);
    }
    let interrupted = pool::run(job, targets, fanout, |target, outcome| {
        summary.add(outcome.status, target.record.host());
        bar.suspend(|| out.write(&target.record, outcome));
        bar.inc(1);
    });
    bar.finish_and_clear();
    let interrupted = interrupted.map_err(|error| Failure::usage(format!("cannot start a thread: {error}")))?;
    let finished = out.finish();
    tool.summary(summary.line());
    finished?;
    Ok(match interrupted {
        true => Status::Interrupted,
        false => summary.status(),
    })
}

fn write_plan(targets: &[Target], command: &str, output: &OutputArgs) -> Result<Status> {
    let mut writer = RecordWriter::stdout(output.mode(OutputMode::Table), &PLAN_COLUMNS);
    for target in targets {
        writer.write(&planned(target, command))?;
    }
    writer.finish()?;
    Ok(match targets.iter().all(|target| target.address.is_ok()) {
        true => Status::Done,
        false => Status::Unreached,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_made() {
        command().debug_assert();
    }

    #[test]
    fn options_end_before_the_command() {
        let args = Args::try_parse_from(["pssh-rs", "-w", "a", "ls", "-l", "--port", "/"]).unwrap();
        assert_eq!(args.command, ["ls", "-l", "--port", "/"]);
        let args = Args::try_parse_from(["pssh-rs", "-t", "1.5", "--", "-x", "--", "y"]).unwrap();
        assert_eq!(args.command, ["-x", "--", "y"]);
        assert_eq!(args.timeout, Some(Duration::from_millis(1500)));
        assert!(Args::try_parse_from(["pssh-rs", "--no-such", "ls"]).is_err());
        assert!(Args::try_parse_from(["pssh-rs", "-p", "0", "ls"]).is_err());
    }
}
