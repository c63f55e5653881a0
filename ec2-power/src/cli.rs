//! The command line of `ec2-power`.

use crate::confirm::confirm;
use crate::plan::plan;
use cerveza_ec2::{
    Acted, By, Change, Ec2, NO_ACTION, RegionArgs, WaitArgs, block_on, check_records, locate, region_of_zone_option,
    report,
};
use cerveza_manners::{Failure, OutputArgs, ProgressArgs, Result, Status, Tool};
use clap::{CommandFactory, Parser};
use hostrange::{fold, read_given};

/// Start, stop, reboot and terminate EC2 instances
///
/// Changes the power of hosts given as records, names or instance ids. What is in the state already is left alone.
#[derive(Parser, Clone, Debug)]
#[command(name = "ec2-power", version)]
pub struct Args {
    /// What to do
    #[arg(value_name = "ACTION")]
    pub change: Change,

    /// Hosts: expressions as in 'mysql[1-3]' (hostrange(1) has the language), or instance ids; `-` reads names and
    /// records from stdin, as does no host at all
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

    /// Change only hosts in this availability zone; a host in another zone is an error. The zone names the region too
    #[arg(short, long, value_name = "ZONE")]
    pub zone: Option<String>,

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
    let regions = regions(args)?;
    let given = read_given(&args.hosts, tool)?;
    check_records(&given.hosts)?;
    let acted = block_on(async {
        let (ec2, found) = locate(&regions, &given, By::Instance).await;
        let mut acted = plan(args.change, args.zone.as_deref(), given.hosts, found);
        if let Some(ec2) = ec2.filter(|_| !args.dry_run) {
            if args.change == Change::Terminate && !args.yes {
                ask(&acted)?;
            }
            execute(args, &ec2, &mut acted).await;
        }
        Ok::<_, Failure>(acted)
    })??;
    report(tool, &args.output, args.dry_run, acted)
}

/// Returns the regions to look for hosts in: that of --zone, else those of --region.
fn regions(args: &Args) -> Result<RegionArgs> {
    let Some(zone) = &args.zone else { return Ok(args.region.clone()) };
    let given = args.region.region.join(",");
    let region = region_of_zone_option(zone, Some(given.as_str()).filter(|given| !given.is_empty()))?;
    Ok(RegionArgs { region: vec![region] })
}

fn ask(acted: &[Acted]) -> Result<()> {
    let hosts: Vec<&str> = acted.iter().filter(|host| is_due(host)).map(|host| host.record.host()).collect();
    match hosts.len() {
        0 => Ok(()),
        1 => confirm(&format!("terminate {}?", hosts[0])),
        many => confirm(&format!("terminate {many} hosts: {}?", fold(hosts))),
    }
}

fn is_due(host: &Acted) -> bool {
    host.result.is_ok() && host.action != NO_ACTION
}

async fn execute(args: &Args, ec2: &Ec2, acted: &mut [Acted]) {
    ec2.change_all(acted, is_due, args.change).await;
    match args.wait {
        true => ec2.wait_all(acted, |_| true, &[args.change.end_state()], &args.wait_args, &args.progress).await,
        false => ec2.refresh_all(acted).await,
    }
}
