//! The arguments of `ec2-power`, and the job that they ask for.

use cerveza_ec2::{Change, RegionArgs, StopMode, WaitArgs, region_of_zone_option};
use cerveza_manners::{
    ArgValueCompleter, Failure, OutputArgs, ProgressArgs, Result, parse_duration, saved_values, typed_before,
};
use clap::Parser;
use hostrange::completion::hosts;
use std::env;
use std::ffi::OsStr;

/// Start, stop, reboot, resize and terminate EC2 instances
///
/// Hosts are names, expressions, instance ids or records. A host that already is in the new state is left alone.
#[derive(Parser, Clone, Debug)]
#[command(name = "ec2-power", version)]
pub struct Args {
    /// What to do
    #[arg(value_name = "ACTION")]
    pub action: Action,

    /// Hosts, as in 'mysql[1-3]' or an instance id; without any, stdin
    ///
    /// Expressions of hostrange(1). `-` reads names and records from stdin, and so does the absence of hosts. `resize`
    /// takes the new instance type before the hosts.
    #[arg(value_name = "HOST", add = hosts_or_types())]
    pub words: Vec<String>,

    /// With stop: do not shut down the operating system first
    ///
    /// This also stops an instance that is stuck in `stopping`.
    #[arg(long, conflicts_with = "hibernate")]
    pub force: bool,

    /// With stop: save the memory to the root volume
    ///
    /// The instance must have been launched for it.
    #[arg(long)]
    pub hibernate: bool,

    /// Wait until the hosts are in the new state, or `ok`
    ///
    /// `--wait` alone is `--wait=state`: the hosts are running, stopped or terminated (after a reboot: running).
    /// `--wait ok` also waits until EC2's status checks pass. Any other word after a blank is a host.
    #[arg(short, long, value_name = "UNTIL", num_args = 0..=1, require_equals = true, default_missing_value = "state",
        value_enum)]
    wait: Option<Until>,

    #[command(flatten)]
    pub wait_args: WaitArgs,

    /// With terminate: release the hosts' elastic IP addresses
    ///
    /// These are the addresses with the names of the hosts in their tag Name. They are released once the hosts are
    /// terminated. Without this option, they are kept for the next launch.
    #[arg(long)]
    pub release_addresses: bool,

    /// Also change hosts on which an earlier command failed
    ///
    /// The record of such a host has a `status` other than `ok`.
    #[arg(long)]
    pub even_failed: bool,

    /// Warn instead of failing if stdin has no hosts
    #[arg(long)]
    pub allow_empty: bool,

    /// Refuse to change more hosts than this
    ///
    /// [default: CERVEZA_MAX_HOSTS; for terminate at most 10]
    #[arg(long, value_name = "N")]
    pub max: Option<usize>,

    /// Terminate or resize without asking
    #[arg(short, long)]
    pub yes: bool,

    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub region: RegionArgs,

    /// Change only hosts in this availability zone
    ///
    /// A host in another zone is an error. The region is the one of the zone.
    #[arg(short, long, value_name = "ZONE", add = saved_values("zone"))]
    pub zone: Option<String>,

    #[command(flatten, next_help_heading = "Output")]
    pub output: OutputArgs,

    #[command(flatten, next_help_heading = "Output")]
    pub progress: ProgressArgs,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start stopped instances
    Start,
    /// Stop running instances; data on EBS volumes stays, data on instance store is lost
    Stop,
    /// Reboot running instances; they keep their addresses
    Reboot,
    /// Terminate instances for good, with the volumes that are marked for deletion
    Terminate,
    /// Change the instance type; running instances are stopped and started again
    Resize,
}

/// Completes the new instance type after `resize`, else hosts.
fn hosts_or_types() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| match typed_before().last().map(String::as_str) {
        Some("resize") => saved_values("instance_type").complete(typed),
        _ => hosts().complete(typed),
    })
}

/// What is to be done to each host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    Power(Change),
    /// To this instance type.
    Resize(String),
}

/// What is waited for.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The instance is running, stopped or terminated
    State,
    /// It is running and its status checks pass
    Ok,
}

/// The word of `--wait ok`. A host with this name is written `'"ok"'`.
const OK: &str = "ok";

/// The variable that limits every action.
const MAX_HOSTS: &str = "CERVEZA_MAX_HOSTS";

/// The most hosts that are terminated without `--max`.
const MAX_TERMINATED: usize = 10;

/// Refuses a word that is meant as a value of `--wait`, where it would be a host.
fn check_wait_word(word: &str) -> Result<()> {
    let Some(what) = wait_hint(word) else { return Ok(()) };
    let host = format!("a host with this name is written '\"{word}\"'");
    Err(Failure::usage(format!("--wait {word}: {what}")).hint(host))
}

/// Returns what to write instead of this value of `--wait`.
pub fn wait_hint(word: &str) -> Option<String> {
    match word {
        "state" | "pending" | "running" | "stopping" | "stopped" | "shutting-down" | "terminated" => {
            Some("--wait alone waits for the state that the action leads to".to_string())
        }
        _ => parse_duration(word)
            .ok()
            .map(|_| format!("the time limit is an option of its own: --wait --timeout {word}")),
    }
}

impl Job {
    /// Returns the word in the record's `action`.
    pub fn action(&self) -> &'static str {
        match self {
            Job::Power(Change::Start) => "start",
            Job::Power(Change::Stop(StopMode::Hibernate)) => "hibernate",
            Job::Power(Change::Stop(_)) => "stop",
            Job::Power(Change::Reboot) => "reboot",
            Job::Power(Change::Terminate) => "terminate",
            Job::Resize(_) => "resize",
        }
    }

    /// Returns the command line without its hosts.
    pub fn command(&self) -> String {
        match self {
            Job::Resize(name) => format!("ec2-power resize {name}"),
            Job::Power(Change::Stop(StopMode::Hibernate)) => "ec2-power stop --hibernate".to_string(),
            Job::Power(_) => format!("ec2-power {}", self.action()),
        }
    }

    pub fn is_terminate(&self) -> bool {
        *self == Job::Power(Change::Terminate)
    }
}

impl Args {
    /// Returns the job, and the words that name its hosts. Refuses options that do not go together.
    pub fn job(&self) -> Result<(Job, Vec<String>)> {
        let mut words = self.words.clone();
        if self.is_wait_ok() {
            words.retain(|word| word != OK);
        }
        if self.wait == Some(Until::State) {
            words.iter().try_for_each(|word| check_wait_word(word))?;
        }
        let goes_with = |option, action| Err(Failure::usage(format!("{option} goes with {action} only")));
        match self.action {
            Action::Stop => {}
            _ if self.force => return goes_with("--force", "stop"),
            _ if self.hibernate => return goes_with("--hibernate", "stop"),
            _ => {}
        }
        if self.release_addresses && self.action != Action::Terminate {
            return goes_with("--release-addresses", "terminate");
        }
        if self.until() == Some(Until::Ok) && matches!(self.action, Action::Stop | Action::Terminate) {
            return goes_with("--wait ok", "start, reboot and resize")
                .map_err(|failure: Failure| failure.hint("EC2 checks only running instances"));
        }
        let job = match self.action {
            Action::Start => Job::Power(Change::Start),
            Action::Stop if self.force => Job::Power(Change::Stop(StopMode::Force)),
            Action::Stop if self.hibernate => Job::Power(Change::Stop(StopMode::Hibernate)),
            Action::Stop => Job::Power(Change::Stop(StopMode::Shutdown)),
            Action::Reboot => Job::Power(Change::Reboot),
            Action::Terminate => Job::Power(Change::Terminate),
            Action::Resize => {
                let is_type = |word: &&String| word.contains('.') && !word.contains(['[', ',', '"']);
                let Some(name) = words.first().filter(is_type).cloned() else {
                    return Err(Failure::usage("resize takes the new instance type before the hosts")
                        .hint("as in: ec2-power resize m7g.large web1"));
                };
                words.remove(0);
                Job::Resize(name)
            }
        };
        Ok((job, words))
    }

    pub fn until(&self) -> Option<Until> {
        match self.wait {
            None if self.release_addresses => Some(Until::State),
            Some(_) if self.is_wait_ok() => Some(Until::Ok),
            until => until,
        }
    }

    /// Returns whether `ok` comes after `--wait` without an equals sign, where it would be a host.
    fn is_wait_ok(&self) -> bool {
        self.wait == Some(Until::State) && self.words.iter().any(|word| word == OK)
    }

    /// Returns the regions to look for hosts in: that of --zone, else those of --region.
    pub fn regions(&self) -> Result<RegionArgs> {
        let Some(zone) = &self.zone else { return Ok(self.region.clone()) };
        let given = self.region.region.join(",");
        let region = region_of_zone_option(zone, Some(given.as_str()).filter(|given| !given.is_empty()))?;
        Ok(RegionArgs { region: vec![region], ..self.region.clone() })
    }

    /// Returns the most hosts that may be changed. CERVEZA_MAX_HOSTS never allows more than there would be without it.
    pub fn most(&self) -> Result<Option<usize>> {
        if self.max.is_some() {
            return Ok(self.max);
        }
        let text = env::var(MAX_HOSTS).ok().filter(|text| !text.is_empty());
        let of_environment = text.map(|text| {
            let why = || Failure::usage(format!("{MAX_HOSTS}: {text:?} is not a number of hosts"));
            text.trim().parse::<usize>().map_err(|_| why())
        });
        let of_action = (self.action == Action::Terminate).then_some(MAX_TERMINATED);
        Ok(of_environment.transpose()?.into_iter().chain(of_action).min())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(words: &[&str]) -> std::result::Result<(Job, Vec<String>, Option<Until>), String> {
        let args = Args::parse_from([&["ec2-power"], words].concat());
        let (job, hosts) = args.job().map_err(|failure| failure.message)?;
        Ok((job, hosts, args.until()))
    }

    #[test]
    fn wait_takes_ok_and_leaves_hosts_alone() {
        let waits =
            |words: &[&str]| job(&[&["start"], words].concat()).map(|(_, hosts, until)| (hosts.join(" "), until));
        let is = |hosts: &str, until| Ok((hosts.to_string(), until));
        assert_eq!(waits(&["web1"]), is("web1", None));
        assert_eq!(waits(&["--wait", "web1", "web2"]), is("web1 web2", Some(Until::State)));
        assert_eq!(waits(&["web1", "-w", "web2"]), is("web1 web2", Some(Until::State)));
        assert_eq!(waits(&["--wait", "ok", "web1"]), is("web1", Some(Until::Ok)));
        assert_eq!(waits(&["web1", "-w=ok", "web2"]), is("web1 web2", Some(Until::Ok)));
        assert_eq!(waits(&["--wait", "\"ok\""]), is("\"ok\"", Some(Until::State)));
        assert_eq!(waits(&["ok"]), is("ok", None));
        assert_eq!(waits(&["5m", "running"]), is("5m running", None));
        assert_eq!(waits(&["--wait", "\"5m\"", "web5"]), is("\"5m\" web5", Some(Until::State)));
        assert_eq!(
            waits(&["--wait", "5m", "web1"]).unwrap_err(),
            "--wait 5m: the time limit is an option of its own: --wait --timeout 5m"
        );
        assert_eq!(
            waits(&["web1", "--wait", "running"]).unwrap_err(),
            "--wait running: --wait alone waits for the state that the action leads to"
        );
        assert_eq!(
            job(&["stop", "--wait", "ok", "a"]).unwrap_err(),
            "--wait ok goes with start, reboot and resize only"
        );
        let resized = job(&["resize", "--wait", "ok", "m5.large", "web1"]).unwrap();
        assert_eq!((resized.0, resized.1.join(" ")), (Job::Resize("m5.large".into()), "web1".to_string()));
    }

    #[test]
    fn options_go_with_their_action() {
        let stop = |mode| Job::Power(Change::Stop(mode));
        assert_eq!(job(&["stop", "--force", "web1"]).unwrap().0, stop(StopMode::Force));
        assert_eq!(job(&["stop", "--hibernate", "web1"]).unwrap().0, stop(StopMode::Hibernate));
        assert_eq!(job(&["terminate", "--force", "a"]).unwrap_err(), "--force goes with stop only");
        assert_eq!(job(&["start", "--hibernate", "a"]).unwrap_err(), "--hibernate goes with stop only");
    }

    #[test]
    fn resize_takes_a_type_first() {
        let (job_found, hosts, _) = job(&["resize", "m7g.large", "web[1-2]"]).unwrap();
        assert_eq!((job_found, hosts), (Job::Resize("m7g.large".into()), vec!["web[1-2]".to_string()]));
        assert!(job(&["resize", "m7g.large"]).unwrap().1.is_empty());
        for words in [&["resize"][..], &["resize", "web1"], &["resize", "web[1-2].example"]] {
            assert_eq!(job(words).unwrap_err(), "resize takes the new instance type before the hosts", "{words:?}");
        }
    }
}
