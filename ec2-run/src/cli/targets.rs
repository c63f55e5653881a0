//! Reads the hosts, and finds the instance of each.

use crate::cli::args::Args;
use crate::run::target::{Instance, Place, Problem, Target};
use cerveza_ec2::{Accounts, By, Ec2, Found, check_identity, check_records, locate, refuse_filters};
use cerveza_manners::{Failure, Result, Status, Tool};
use cerveza_record::Record;
use cerveza_results::{HostStatus, Phase, without_result};
use hostrange::{ExcludedHosts, Given, fold, read_hosts_and_excluded};
use std::collections::HashSet;

const HOSTS: &str =
    "name hosts with -w, as in -w 'web[1-3]', or pipe names or records in: ec2-ls role=web | ec2-run -- uptime";

/// The hosts of the run, and those that each `--exclude` leaves out.
pub struct GivenHosts {
    pub records: Vec<Record>,
    pub excluded: Vec<ExcludedHosts>,
}

pub fn read_hosts(args: &Args, tool: &Tool) -> Result<GivenHosts> {
    refuse_filters(&args.hosts, "ec2-run")?;
    let (records, excluded) = read_hosts_and_excluded(&args.hosts, &args.exclude, tool)
        .map_err(|failure| if failure.message.starts_with("no hosts") { failure.hint(HOSTS) } else { failure })?;
    check_records(&records)?;
    Ok(GivenHosts { records, excluded })
}

/// Connects to the accounts, and finds the instance of each host. An instance is left out by its name or its id, and is
/// kept once if it is given several times. If no host can be looked up, the third is why.
pub async fn find_instances(
    args: &Args,
    GivenHosts { records, excluded }: GivenHosts,
    tool: &Tool,
) -> Result<(Accounts, Vec<Target>, Option<Failure>)> {
    let given = Given { hosts: records, possible_names: Vec::new() };
    let (accounts, found) = locate(&args.regions(), &given, By::Record).await;
    accounts.warn_of_denied(tool);
    let mut why_none = None;
    let mut hosts: Vec<(Record, Found)> = given.hosts.into_iter().zip(found).collect();
    for (expression, excluded) in args.exclude.iter().zip(excluded) {
        let before = hosts.len();
        hosts.retain(|(record, found)| !is_excluded(&excluded, record, found));
        if hosts.is_empty() {
            return Err(Failure::usage("no host is left: -x leaves out all of them"));
        }
        if hosts.len() == before {
            tool.warn(format!("-x {expression} leaves out no host"));
        }
    }
    let targets = hosts.into_iter().map(|(record, found)| {
        if let Found::Unknown(failure) = &found
            && failure.status >= Status::Usage
        {
            why_none.get_or_insert(failure.clone());
        }
        target(record, found, &accounts, args.resume)
    });
    let targets = keep_once(targets.collect(), tool);
    Ok((accounts, targets, why_none))
}

fn is_excluded(excluded: &ExcludedHosts, record: &Record, found: &Found) -> bool {
    let instance = found.clone().instance(record).ok();
    let named = |record: &Record| {
        excluded.contains(record.host()) || record.str("instance_id").is_some_and(|id| excluded.contains(&id))
    };
    named(record) || instance.as_ref().is_some_and(named)
}

/// Drops targets whose instance comes before, so no command runs twice at the same time on one host.
fn keep_once(targets: Vec<Target>, tool: &Tool) -> Vec<Target> {
    let mut seen = HashSet::new();
    let (once, again): (Vec<Target>, Vec<Target>) = targets
        .into_iter()
        .partition(|target| target.instance.as_ref().is_err() || seen.insert(target.instance.clone().ok()));
    if !again.is_empty() {
        let hosts = fold(again.iter().map(|target| target.record.host()));
        tool.warn(format!("{hosts}: given more than once; each instance runs the command once"));
    }
    once
}

fn target(record: Record, found: Found, accounts: &Accounts, resume: bool) -> Target {
    let command = record.str("command_id").filter(|_| resume);
    if resume && command.is_none() {
        let why = record.str("error").unwrap_or("no command was sent: the record has no command_id".to_string());
        let problem = Problem { status: HostStatus::Unreachable, phase: Phase::Lookup, why };
        return Target { record: without_result(&record), instance: Err(problem) };
    }
    let checked = |instance: Record| check_identity(&record, &instance).map(|()| instance);
    let instance = match found.instance(&record).and_then(checked) {
        Ok(instance) => instance,
        Err(failure) => return Target { record, instance: Err(not_found(&failure)) },
    };
    let mut merged = record;
    merged.merge(instance);
    let text = |key| merged.str(key).unwrap_or_default();
    let state = text("state");
    let is_its = |ec2: &&Ec2| ec2.owns(&merged);
    let instance = match accounts.connected().collect::<Vec<_>>().iter().position(is_its) {
        _ if !resume && matches!(state.as_str(), "terminated" | "shutting-down") => Err(Problem {
            status: HostStatus::Unreachable,
            phase: Phase::Lookup,
            why: format!("the instance is {state}"),
        }),
        Some(account) => {
            let place = Place { account, region: text("region") };
            Ok(Instance { place, id: text("instance_id"), command })
        }
        None => Err(not_found(&Failure::unreached("no account of this run has the instance"))),
    };
    Target { record: without_result(&merged), instance }
}

fn not_found(failure: &Failure) -> Problem {
    let hint = failure.hint.as_ref().map_or(String::new(), |hint| format!(" ({hint})"));
    let why = format!("{}{hint}", failure.message);
    let status = if failure.status == Status::Interrupted { HostStatus::Cancelled } else { HostStatus::Unreachable };
    Problem { status, phase: Phase::Lookup, why }
}
