//! Reads the hosts, and finds the instance of each.

use crate::cli::args::Args;
use crate::run::target::{Instance, Place, Problem, Target};
use cerveza_ec2::{Accounts, By, Ec2, Found, check_records, locate, refuse_filters};
use cerveza_manners::{Failure, Result, Status, Tool};
use cerveza_record::Record;
use cerveza_results::{HostStatus, Phase, without_result};
use hostrange::{Given, read_hosts_and_excluded};

/// Reads the hosts of the run, without those of `--exclude`.
pub fn read_records(args: &Args, tool: &Tool) -> Result<Vec<Record>> {
    refuse_filters(&args.hosts, "ec2-run")?;
    let (mut records, excluded) = read_hosts_and_excluded(&args.hosts, &args.exclude, tool)?;
    for (expression, excluded) in args.exclude.iter().zip(excluded) {
        let before = records.len();
        records.retain(|record| !excluded.contains(record.host()));
        if records.is_empty() {
            return Err(Failure::usage("no host is left: -x leaves out all of them"));
        }
        if records.len() == before {
            tool.warn(format!("-x {expression} leaves out no host"));
        }
    }
    check_records(&records)?;
    Ok(records)
}

/// Connects to the accounts, and finds the instance of each host. If no host can be looked up, the second is why.
pub async fn find_instances(
    args: &Args,
    records: Vec<Record>,
    tool: &Tool,
) -> (Accounts, Vec<Target>, Option<Failure>) {
    let given = Given { hosts: records, possible_names: Vec::new() };
    let (accounts, found) = locate(&args.region, &given, By::Record).await;
    accounts.warn_of_denied(tool);
    let mut why_none = None;
    let targets = given.hosts.into_iter().zip(found).map(|(record, found)| {
        if let Found::Unknown(failure) = &found
            && failure.status >= Status::Usage
        {
            why_none.get_or_insert(failure.clone());
        }
        target(record, found, &accounts, args.resume)
    });
    let targets = targets.collect();
    (accounts, targets, why_none)
}

fn target(record: Record, found: Found, accounts: &Accounts, resume: bool) -> Target {
    let command = record.str("command_id").filter(|_| resume);
    let instance = match found.instance(&record) {
        Ok(instance) => instance,
        Err(failure) => return Target { record, instance: Err(not_found(&failure)) },
    };
    let mut merged = record;
    merged.merge(instance);
    let text = |key| merged.str(key).unwrap_or_default();
    let state = text("state");
    let is_its = |ec2: &&Ec2| ec2.owns(&merged);
    let instance = match accounts.connected().collect::<Vec<_>>().iter().position(is_its) {
        _ if matches!(state.as_str(), "terminated" | "shutting-down") => Err(Problem {
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
