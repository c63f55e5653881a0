//! The command line of `ec2-power`.

use crate::confirm::confirm;
use crate::plan::{Step, Todo, plan};
use cerveza_ec2::{Acted, Change, Ec2, Interrupt, NO_ACTION, RegionArgs, WaitArgs, block_on, folded, report};
use cerveza_manners::{OutputArgs, ProgressArgs, Result, Status, Tool};
use clap::{CommandFactory, Parser};
use hostrange::read_hosts;

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

async fn execute(args: &Args, ec2: &Ec2, steps: Vec<Step>) -> Vec<Acted> {
    let interrupt = Interrupt::watch();
    let mut acted: Vec<Acted> = steps.into_iter().map(|step| planned(args.change, step)).collect();
    ec2.change_all(&mut acted, |host| host.action != NO_ACTION, args.change, &interrupt).await;
    match args.wait {
        true => {
            let state = args.change.end_state();
            ec2.wait_all(&mut acted, |_| true, state, &args.wait_args, &args.progress, &interrupt).await;
        }
        false => ec2.refresh_all(&mut acted).await,
    }
    acted
}
