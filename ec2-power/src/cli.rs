//! The command line of `ec2-power`.

use crate::confirm::confirm;
use crate::plan::plan;
use cerveza_ec2::{
    Accounts, Acted, Addresses, By, Change, Ec2, NO_ACTION, RegionArgs, WaitArgs, block_on, check_records, locate,
    region_of_zone_option, report,
};
use cerveza_manners::{Failure, OutputArgs, ProgressArgs, Result, Status, Tool};
use cerveza_record::Value;
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

    /// Release the elastic IP addresses that carry the names of the terminated hosts; waits until they are terminated.
    /// Without it the addresses are kept for the next launch
    #[arg(long)]
    pub release_addresses: bool,

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

/// The action of a host that was terminated before and whose addresses are released now.
const RELEASE: &str = "release";

pub fn command() -> clap::Command {
    Args::command()
}

/// Reads the hosts, looks them up, decides, asks, does, reports.
pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    let regions = regions(args)?;
    let given = read_given(&args.hosts, tool)?;
    check_records(&given.hosts)?;
    if args.release_addresses && args.change != Change::Terminate {
        return Err(Failure::usage("--release-addresses goes with terminate only"));
    }
    let acted = block_on(async {
        let by = if args.release_addresses { By::LastInstance } else { By::Instance };
        let (accounts, found) = locate(&regions, &given, by).await;
        accounts.warn_of_denied(tool);
        let mut acted = plan(args.change, args.zone.as_deref(), given.hosts, found);
        accounts.connected().for_each(|ec2| ec2.set_timeout(args.wait_args.timeout));
        let addresses = addresses(args, &accounts, &acted).await?;
        if args.dry_run {
            if args.release_addresses {
                plan_release(&mut acted, &addresses);
            }
            return Ok(acted);
        }
        if args.change == Change::Terminate && !args.yes {
            ask(&acted, args.release_addresses.then_some(&addresses))?;
        }
        accounts.each(&mut acted, async |ec2, acted| execute(args, ec2, acted).await).await;
        if !args.release_addresses {
            tell_of_kept(tool, &acted, &addresses);
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
    Ok(RegionArgs { region: vec![region], ..args.region.clone() })
}

/// Looks up the addresses of the hosts that are to be terminated, and of those that were before. Where nothing is to be released it is no error that
/// they cannot be listed.
async fn addresses(args: &Args, accounts: &Accounts, acted: &[Acted]) -> Result<Addresses> {
    let mut addresses = Addresses::new();
    if args.change != Change::Terminate {
        return Ok(addresses);
    }
    for ec2 in accounts.connected() {
        let hosts = acted.iter().filter(|host| host.result.is_ok() && ec2.owns(&host.record));
        match ec2.addresses_by_host(hosts).await {
            Ok(found) => addresses.extend(found),
            Err(failure) if args.release_addresses => return Err(accounts.failure_of(ec2.profile(), failure)),
            Err(_) => {}
        }
    }
    Ok(addresses)
}

/// The addresses of a host that is to be terminated: those that nothing but it uses.
fn addresses_of(host: &Acted, addresses: &Addresses) -> Vec<String> {
    let (region, id) = host.place();
    let own = addresses.get(&(region, host.record.host().to_string())).into_iter().flatten();
    let own = own.filter(|address| address.is_free_but_for(&id));
    own.map(|address| address.public_ip.clone()).collect()
}

fn plan_release(acted: &mut [Acted], addresses: &Addresses) {
    for host in acted.iter_mut().filter(|host| host.result.is_ok()) {
        let own = addresses_of(host, addresses);
        if !own.is_empty() {
            host.record.set("released_addresses", own);
            host.action = if host.action == NO_ACTION { RELEASE } else { host.action };
        }
    }
}

fn tell_of_kept(tool: &Tool, acted: &[Acted], addresses: &Addresses) {
    let kept = |host: &&Acted| is_due(host) && !addresses_of(host, addresses).is_empty();
    let hosts: Vec<&Acted> = acted.iter().filter(kept).collect();
    if !hosts.is_empty() {
        let count: usize = hosts.iter().map(|host| addresses_of(host, addresses).len()).sum();
        let names = fold(hosts.iter().map(|host| host.record.host()));
        let what = if count == 1 { "1 elastic IP address is" } else { &format!("{count} elastic IP addresses are") };
        tool.warn(format!("{names}: {what} kept, which AWS charges for; --release-addresses releases them"));
    }
}

/// Asks before hosts are terminated, and before their addresses are released.
fn ask(acted: &[Acted], released: Option<&Addresses>) -> Result<()> {
    let due: Vec<&Acted> = acted.iter().filter(|host| is_due(host)).collect();
    let hosts = due.iter().map(|host| host.record.host());
    let released = released.into_iter().flat_map(|addresses| {
        let own = |host| addresses_of(host, addresses);
        acted.iter().filter(|host| host.result.is_ok()).flat_map(own)
    });
    let released: Vec<String> = released.collect();
    let (and, release) = match released.len() {
        0 => ("", String::new()),
        1 => (" and ", format!("release {}", released[0])),
        many => (" and ", format!("release {many} addresses: {}", released.join(", "))),
    };
    let release = if due.is_empty() { release } else { format!("{and}{release}") };
    match due.len() {
        0 if release.is_empty() => Ok(()),
        0 => confirm(&format!("{release}?")),
        1 => confirm(&format!("terminate {}{release}?", fold(hosts))),
        many => confirm(&format!("terminate {many} hosts: {}{release}?", fold(hosts))),
    }
}

fn is_due(host: &Acted) -> bool {
    host.result.is_ok() && host.action != NO_ACTION
}

async fn execute(args: &Args, ec2: &Ec2, acted: &mut [Acted]) {
    if matches!(args.change, Change::Stop | Change::Reboot) {
        // EC2 refuses both for an instance that is still pending.
        let is_pending = |host: &Acted| is_due(host) && host.record.str("state").as_deref() == Some("pending");
        let settled = ["running", "stopping", "stopped"];
        ec2.wait_all(acted, is_pending, &settled, &args.wait_args, &args.progress).await;
    }
    ec2.change_all(acted, is_due, args.change).await;
    match args.wait || args.release_addresses {
        true => ec2.wait_all(acted, |_| true, &[args.change.end_state()], &args.wait_args, &args.progress).await,
        false => ec2.refresh_all(acted).await,
    }
    if args.release_addresses {
        // Also those of a host that was terminated before: a run that was interrupted is completed.
        let mut ended: Vec<&mut Acted> = acted.iter_mut().filter(|host| is_terminated(host)).collect();
        ec2.release_addresses(&mut ended).await;
        for host in ended {
            let is_released =
                matches!(host.record.get("released_addresses"), Some(Value::Array(own)) if !own.is_empty());
            host.action = if is_released && host.action == NO_ACTION { RELEASE } else { host.action };
        }
    }
}

fn is_terminated(host: &Acted) -> bool {
    host.result.is_ok() && host.record.str("state").as_deref() == Some("terminated")
}
