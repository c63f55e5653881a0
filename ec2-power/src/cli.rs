//! The command line of `ec2-power`.

use crate::confirm::confirm;
use crate::plan::{Step, Todo, plan};
use cerveza_ec2::{Acted, Change, Ec2, Interrupt, NO_ACTION, RegionArgs, WaitArgs, block_on, folded, report};
use cerveza_manners::{Failure, OutputArgs, ProgressArgs, Result, Status, Tool};
use cerveza_record::Record;
use clap::{CommandFactory, Parser};
use hostrange::read_hosts;
use std::collections::{BTreeMap, HashMap};

/// Start, stop, reboot and terminate EC2 instances
///
/// Changes the power of hosts given as records, names or instance ids. What is in the state already is left alone.
#[derive(Parser, Clone, Debug)]
#[command(name = "ec2-power", version)]
pub struct Args {
    /// What to do
    #[arg(value_name = "ACTION")]
    pub change: Change,

    /// Hosts: expressions as in 'mysql[1-3]', or instance ids; `-` reads names and records from stdin, as does no host
    /// at all
    #[arg(value_name = "HOST")]
    pub hosts: Vec<String>,

    /// Wait until the instances are running, stopped or terminated (after a reboot: running)
    #[arg(short, long)]
    pub wait: bool,

    #[command(flatten)]
    pub wait_args: WaitArgs,

    /// Terminate without asking
    #[arg(short, long)]
    pub yes: bool,

    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub region: RegionArgs,

    #[command(flatten)]
    pub output: OutputArgs,

    #[command(flatten)]
    pub progress: ProgressArgs,
}

pub fn command() -> clap::Command {
    Args::command()
}

/// Reads the hosts, looks them up, decides, asks, does, reports.
pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    let hosts = read_hosts(&args.hosts)?;
    let acted = block_on(async {
        let ec2 = Ec2::connect(&args.region).await?;
        let found = ec2.locate(&hosts).await?;
        let steps = plan(args.change, hosts, found);
        if args.dry_run {
            return Ok(steps.into_iter().map(|step| planned(args.change, step)).collect());
        }
        if args.change == Change::Terminate && !args.yes {
            ask(&steps)?;
        }
        Ok(execute(args, &ec2, steps).await)
    })?;
    report(tool, &args.output, args.dry_run, acted)
}

fn planned(change: Change, step: Step) -> Acted {
    let action = match step.todo {
        Ok(Todo::Nothing) => NO_ACTION,
        _ => change.word(),
    };
    Acted { record: step.record, action, result: step.todo.map(drop) }
}

fn ask(steps: &[Step]) -> Result<()> {
    let hosts: Vec<&str> =
        steps.iter().filter(|step| step.todo == Ok(Todo::Change)).map(|step| step.record.host()).collect();
    match hosts.len() {
        0 => Ok(()),
        1 => confirm(&format!("terminate {}?", hosts[0])),
        many => confirm(&format!("terminate {many} hosts: {}?", folded(&hosts))),
    }
}

/// Region and id of an instance that was found.
fn place(record: &Record) -> (String, String) {
    (record.str("region").unwrap_or_default(), record.str("instance_id").unwrap_or_default())
}

async fn execute(args: &Args, ec2: &Ec2, steps: Vec<Step>) -> Vec<Acted> {
    let interrupt = Interrupt::watch();
    let mut regions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for step in steps.iter().filter(|step| step.todo == Ok(Todo::Change)) {
        let (region, id) = place(&step.record);
        let ids = regions.entry(region).or_default();
        // A host that was given twice is changed once.
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let mut results: HashMap<String, Result<()>> = HashMap::new();
    for (region, ids) in regions {
        let changed = ec2.change(&region, args.change, &ids, &interrupt).await;
        results.extend(ids.into_iter().zip(changed));
    }
    let mut acted: Vec<Acted> = steps
        .into_iter()
        .map(|step| {
            let result = results.get(&place(&step.record).1).cloned();
            let mut acted = planned(args.change, step);
            acted.result = acted.result.and_then(|()| result.unwrap_or(Ok(())));
            acted
        })
        .collect();
    settle(args, ec2, &interrupt, &mut acted).await;
    acted
}

/// Gives the records the state the instances are in now, and with --wait waits for the one they are to end in.
async fn settle(args: &Args, ec2: &Ec2, interrupt: &Interrupt, acted: &mut [Acted]) {
    let good = |acted: &&mut Acted| acted.result.is_ok();
    let places: Vec<_> = acted.iter_mut().filter(good).map(|acted| place(&acted.record)).collect();
    if !args.wait {
        let now = ec2.refresh(&places).await;
        for acted in acted.iter_mut().filter(good) {
            if let Some(record) = now.get(&place(&acted.record).1) {
                acted.record.merge(record.clone());
            }
        }
        return;
    }
    let bar = args.progress.bar(places.len() as u64, "waiting");
    let state = args.change.end_state();
    let waited = ec2.wait(&places, state, args.wait_args.timeout, interrupt, || bar.inc(1)).await;
    bar.finish_and_clear();
    for acted in acted.iter_mut().filter(good) {
        let Some(waited) = waited.get(&place(&acted.record).1) else {
            acted.result = Err(Failure::interrupted());
            continue;
        };
        if let Some(record) = &waited.record {
            acted.record.merge(record.clone());
        }
        acted.result = waited.outcome.clone();
    }
}
