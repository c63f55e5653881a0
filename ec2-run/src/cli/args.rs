//! The command line of `ec2-run`.

use crate::run::runner::Shell;
use cerveza_ec2::{BucketPrefix, RegionArgs};
use cerveza_manners::{OutputArgs, ProgressArgs, Variable, parse_duration};
use cerveza_results::{DisplayArgs, RolloutArgs};
use clap::Parser;
use hostrange::completion::hosts;
use std::path::PathBuf;
use std::time::Duration;

/// Run a command on many EC2 hosts without SSH
///
/// Runs a command or script on each host through SSM Run Command. Writes a record for each host as soon as that host is done:
/// what the command printed, its exit status, or why the host was not reached.
#[derive(Parser, Clone, Debug)]
#[command(
    name = "ec2-run",
    version,
    override_usage = "ec2-run [OPTIONS] [--] COMMAND...\n       ec2-run [OPTIONS] --script FILE [--] [ARGUMENT...]\n       ec2-run [OPTIONS] --resume [COMMAND_ID...]",
    mut_arg("columns", |arg| arg.hide_short_help(true)),
    mut_arg("sort", |arg| arg.hide_short_help(true))
)]
pub struct Args {
    /// Command for sh on the host
    ///
    /// Its words are joined by blanks. Options end before its first word.
    #[arg(value_name = "COMMAND", trailing_var_arg = true)]
    pub command: Vec<String>,

    /// Hosts, as in 'web[1-3]'; without it, stdin has the hosts
    ///
    /// An expression of hostrange(1), or an instance id. `-` reads names and records from stdin. May be given more than
    /// once.
    #[arg(short = 'w', long, value_name = "EXPR", add = hosts())]
    pub hosts: Vec<String>,

    /// Leave out these hosts, as in 'web3' or '@down'
    ///
    /// May be given more than once.
    #[arg(short = 'x', long, value_name = "EXPR", add = hosts())]
    pub exclude: Vec<String>,

    /// Send a local script, run it and remove it; COMMAND is its arguments
    #[arg(long, value_name = "FILE", help_heading = RUN)]
    pub script: Option<PathBuf>,

    /// Run as this user instead of root
    #[arg(long, value_name = "USER", help_heading = RUN)]
    pub user: Option<String>,

    /// Set an environment variable of the command
    ///
    /// SSM keeps it in its history for 30 days: pass no secrets. May be given more than once.
    #[arg(long, value_name = "NAME=VALUE", help_heading = RUN)]
    pub env: Vec<Variable>,

    /// Run the command in this folder
    ///
    /// [default: the user's home]
    #[arg(long, value_name = "FOLDER", help_heading = RUN)]
    pub chdir: Option<String>,

    /// What runs the command
    #[arg(long, value_name = "SHELL", value_enum, default_value_t = Shell::Sh, help_heading = RUN, hide_short_help = true)]
    pub shell: Shell,

    /// Collect the results of commands that an earlier run has sent
    ///
    /// COMMAND is their ids. Without any, the records on stdin have them as `command_id`. Neither Ctrl-C nor --deadline
    /// cancels these commands.
    #[arg(long, conflicts_with_all = ["script", "user", "env", "chdir", "hosts", "exclude", "timeout", "wait",
        "delivery_timeout", "shell", "serial", "batch"], help_heading = RUN)]
    pub resume: bool,

    /// Time limit for each host, as in 90 or 5m
    ///
    /// The command is killed and the host is reported as `timeout` [default: 48 hours, the most that SSM allows; at most 47h can be given].
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration, help_heading = LIMITS)]
    pub timeout: Option<Duration>,

    /// Time limit for the whole run
    ///
    /// Running commands are cancelled, and the remaining hosts are `skipped`.
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = LIMITS)]
    pub deadline: Option<Duration>,

    /// Wait this long for hosts whose agent is not online
    ///
    /// They may still be booting [default: do not wait].
    #[arg(long, value_name = "TIME", value_parser = parse_duration, help_heading = LIMITS)]
    pub wait: Option<Duration>,

    /// Time limit for the agent to fetch the command
    ///
    /// Then the command is cancelled on that host, which is `unreachable`.
    #[arg(long, value_name = "TIME", default_value = "60", value_parser = parse_duration, help_heading = LIMITS, hide_short_help = true)]
    pub delivery_timeout: Duration,

    /// Give up on hosts if SSM does not answer for this time
    ///
    /// They are `lost`: the command may be running.
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration, help_heading = LIMITS, hide_short_help = true)]
    pub api_timeout: Duration,

    /// Number of hosts at a time
    #[arg(short, long, value_name = "NUMBER", default_value_t = 500,
        value_parser = clap::value_parser!(u16).range(1..=10_000), help_heading = LIMITS)]
    pub fanout: u16,

    #[command(flatten)]
    pub rollout: RolloutArgs,

    #[command(flatten)]
    pub region: RegionArgs,

    /// Show what would run where; send nothing
    ///
    /// Writes records with a `plan`, which has the whole script. Looks up the hosts and their agents.
    #[arg(long)]
    pub dry_run: bool,

    /// Show on stderr the id of each command
    #[arg(short, long, hide_short_help = true)]
    pub verbose: bool,

    #[command(flatten, next_help_heading = OUTPUT)]
    pub output: OutputArgs,

    /// Get complete output through this bucket of S3
    ///
    /// SSM Agent writes the output of each host to it. What SSM itself does not keep is read from it, and then removed.
    #[arg(long, value_name = "BUCKET[/PREFIX]", help_heading = OUTPUT, hide_short_help = true)]
    pub output_bucket: Option<BucketPrefix>,

    /// Leave the outputs in the bucket
    #[arg(long, requires = "output_bucket", help_heading = OUTPUT, hide_short_help = true)]
    pub keep: bool,

    #[command(flatten)]
    pub display: DisplayArgs,

    #[command(flatten)]
    pub progress: ProgressArgs,
}

impl Args {
    /// Returns where the hosts are looked up. While SSM throttles, --api-timeout is the limit too.
    pub fn regions(&self) -> RegionArgs {
        RegionArgs { timeout: Some(self.api_timeout), ..self.region.clone() }
    }
}

const RUN: &str = "What to run";
const LIMITS: &str = "Limits";
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
        let args = Args::try_parse_from(["ec2-run", "-w", "a", "ls", "-l", "--user", "/"]).unwrap();
        assert_eq!(args.command, ["ls", "-l", "--user", "/"]);
        let args = Args::try_parse_from(["ec2-run", "--resume", "id"]).unwrap();
        assert_eq!((args.resume, args.command), (true, vec!["id".to_string()]));
    }
}
