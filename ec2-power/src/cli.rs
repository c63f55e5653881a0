//! A run of `ec2-power`: reads the hosts, looks them up, decides, asks, does, reports.

use crate::args::{Args, Job};
use crate::confirm::{ask, question};
use crate::due::{due_hosts, is_due};
use crate::execute::execute;
use crate::guard::{check_count, check_ec2_protection};
use crate::identity::check_again;
use crate::leftovers::Leftovers;
use crate::plan::{Rules, plan};
use crate::resize::{check_type, note_reasons, resize};
use cerveza_ec2::{
    Accounts, Acted, By, Change, Ec2, RegionArgs, block_on, check_records, locate, refuse_filters, report, report_with,
    time_notice,
};
use cerveza_manners::{Column, Failure, Result, Status, Tool};
use clap::CommandFactory;
use hostrange::{read_given, read_given_unless_empty};
use std::collections::BTreeMap;

pub fn command() -> clap::Command {
    Args::command()
}

pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    let (job, words) = args.job()?;
    refuse_filters(&words, &job.command())?;
    let regions = RegionArgs { timeout: Some(args.wait_args.timeout), ..args.regions()? };
    let most = args.most()?;
    let given = if args.allow_empty { read_given_unless_empty(&words, tool)? } else { Some(read_given(&words, tool)?) };
    let Some(given) = given else {
        tool.warn("stdin has no hosts, so there is nothing to do (--allow-empty)");
        return Ok(Status::Done);
    };
    check_records(&given.hosts)?;
    let (acted, refusal) = block_on(async {
        let by = if args.release_addresses { By::LastInstance } else { By::Instance };
        let (accounts, found) = locate(&regions, &given, by).await;
        accounts.warn_of_denied(tool);
        let rules = Rules { job: &job, zone: args.zone.as_deref(), even_failed: args.even_failed };
        let mut acted = plan(&rules, given.hosts, found);
        let refusal = carry_out(args, most, tool, &accounts, &job, &mut acted).await;
        (acted, refusal)
    })?;
    let status = match job {
        Job::Resize(_) if !args.dry_run => report_with(tool, &args.output, false, acted, &RESIZE_COLUMNS),
        _ => report(tool, &args.output, args.dry_run, acted),
    }?;
    match refusal {
        // Otherwise it is the failure of each host.
        Err(failure) if args.dry_run && failure.status != Status::Interrupted => {
            tool.failure(&failure);
            Ok(status.max(failure.status))
        }
        _ => Ok(status),
    }
}

/// Of hosts that get another instance type.
const RESIZE_COLUMNS: [Column; 8] = [
    Column { header: "HOST", key: "host" },
    Column { header: "ACCOUNT", key: "aws_profile" },
    Column { header: "ACTION", key: "action" },
    Column { header: "TYPE", key: "instance_type" },
    Column { header: "STATE", key: "state" },
    Column { header: "ZONE", key: "zone" },
    Column { header: "INSTANCE", key: "instance_id" },
    Column { header: "ERROR", key: "error" },
];

/// Checks, asks and does what is planned. The error is why nothing was done; all hosts that would be changed have it
/// too, except in a dry run.
async fn carry_out(
    args: &Args,
    most: Option<usize>,
    tool: &Tool,
    accounts: &Accounts,
    job: &Job,
    acted: &mut Vec<Acted>,
) -> Result<()> {
    if let Job::Resize(name) = job {
        accounts.in_each_account(acted, async |ec2, acted| check_type(ec2, name, acted).await).await;
    }
    let asks = !args.yes && matches!(job, Job::Power(Change::Terminate) | Job::Resize(_));
    if asks || args.dry_run {
        check_ec2_protection(tool, accounts, job, acted).await;
    }
    let leftovers = if job.is_terminate() {
        Leftovers::look_up(accounts, acted, args.release_addresses).await.map(Some)
    } else {
        Ok(None)
    };
    let leftovers = match leftovers {
        Ok(leftovers) => leftovers,
        Err(failure) => return refuse(args, acted, failure),
    };
    let releasing = leftovers.as_ref().map_or(0, |leftovers| leftovers.count_only_released(acted));
    let counted = check_count(most, due_hosts(acted).len() + releasing);
    if let Some(time) = request_time(job, acted) {
        tool.warn(time);
    }
    if args.dry_run {
        show_plan(tool, job, leftovers.as_ref(), acted);
        return counted;
    }
    if let Err(failure) = counted {
        return refuse(args, acted, failure);
    }
    let notes = leftovers.as_ref().map(|leftovers| leftovers.sentences(acted)).unwrap_or_default();
    let released = leftovers.as_ref().map(|leftovers| leftovers.released(acted)).unwrap_or_default();
    if let Some(question) = question(job, acted, &notes, &released).filter(|_| asks) {
        if let Err(failure) = ask(accounts, job, question).await {
            return refuse(args, acted, failure);
        }
        accounts.in_each_account(acted, async |ec2, acted| check_again(ec2, job, acted).await).await;
    }
    let in_account = async |ec2: &Ec2, acted: &mut Vec<Acted>| match job {
        Job::Power(change) => execute(args, ec2, *change, acted).await,
        Job::Resize(name) => resize(args, ec2, name, acted).await,
    };
    accounts.in_each_account(acted, in_account).await;
    if let Some(leftovers) = &leftovers {
        leftovers.note_kept(acted);
        leftovers.sentences(acted).iter().for_each(|sentence| tool.warn(sentence));
    }
    Ok(())
}

/// Adds to the records of a dry run what else becomes of the hosts, and says it on stderr.
fn show_plan(tool: &Tool, job: &Job, leftovers: Option<&Leftovers>, acted: &mut [Acted]) {
    if let Job::Resize(name) = job {
        note_reasons(name, acted);
    }
    if let Some(leftovers) = leftovers {
        leftovers.note_kept(acted);
        leftovers.sentences(acted).iter().for_each(|sentence| tool.warn(sentence));
        leftovers.release_sentence(acted).iter().for_each(|sentence| tool.warn(sentence));
        leftovers.plan_release(acted);
    }
}

/// Fails all hosts that would be changed, or whose addresses would be released.
fn refuse(args: &Args, acted: &mut [Acted], failure: Failure) -> Result<()> {
    let is_concerned = |host: &&mut Acted| is_due(host) || args.release_addresses && host.result.is_ok();
    for host in acted.iter_mut().filter(|host| !args.dry_run && is_concerned(host)) {
        host.fail(failure.clone().within("not changed"));
    }
    Err(failure)
}

/// Says how long the requests take because of EC2's request limits.
fn request_time(job: &Job, acted: &[Acted]) -> Option<String> {
    let change = match job {
        Job::Power(change) => *change,
        Job::Resize(_) => Change::Start,
    };
    let hosts = due_hosts(acted);
    let mut regions: BTreeMap<String, usize> = BTreeMap::new();
    hosts.iter().for_each(|host| *regions.entry(host.instance_key().0).or_default() += 1);
    time_notice(hosts.len(), regions.values().map(|count| change.time_for(*count)).max()?)
}
