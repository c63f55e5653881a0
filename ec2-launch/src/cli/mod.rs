//! The command line of `ec2-launch`.

pub(crate) mod accounts;
pub(crate) mod memory_command;
pub(crate) mod show;

use crate::cli::accounts::{each_account, only_profile};
use crate::cli::memory_command::{MemoryArgs, forget, show_memory};
use crate::cli::show::{ProfileArgs, show};
use crate::execute::waiting::{Until, WaitingArgs};
use crate::execute::{Options, execute, not_done, spare_address_warnings};
use crate::library::set_option::Override;
use crate::memory::queue::{queue, write_all};
use crate::memory::remember::launch_notes;
use crate::memory::remembered_profile::CommandLine;
use crate::plan::facts::look_up;
use crate::plan::record::{planned, planned_steps, read_plan};
use crate::plan::{Step, Todo, plan, refuse_duplicates, refuse_half, zone_warnings};
use crate::profile::ElasticIp;
use crate::profile::file::read;
use crate::request::Recipe;
use crate::request::place::{Spread, region_wanted, settle};
use crate::tags::check_given_tag;
use cerveza_ec2::{Acted, Ec2, RegionArgs, WaitArgs, block_on, check_records, report, time_for};
use cerveza_manners::{Failure, OutputArgs, ProgressArgs, Result, Status, Tool};
use cerveza_record::Record;
use clap::{CommandFactory, Parser};
use futures_util::future::join;
use hostrange::{Given, read_given};
use mkuserdata::Parts;
use std::collections::HashSet;

/// Make named hosts exist and run on EC2
///
/// A running host is left alone, a stopped one is started, and one that does not exist is launched from a profile.
#[derive(Parser, Clone, Debug)]
#[command(name = "ec2-launch", version)]
pub struct Args {
    /// Hosts, as in 'mysql[1-40]'; without any, stdin
    ///
    /// Expressions of hostrange(1). `-` reads names and records from stdin, and so does the absence of hosts.
    #[arg(value_name = "HOST")]
    pub hosts: Vec<String>,

    /// Profile to launch from: a name, FILE or FILE:NAME
    ///
    /// FILE:NAME is one of several profiles in a file [default: the profile that each host was last launched from].
    #[arg(short, long, value_name = "NAME|FILE")]
    pub profile: Option<String>,

    /// Override a key of the profile, as in 'root volume.size=20'
    ///
    /// The value is YAML. Can be repeated.
    #[arg(long, value_name = "KEY=VALUE", value_parser = Override::parse)]
    pub set: Vec<Override>,

    /// Launch in this availability zone, as in us-east-1a
    ///
    /// [default: the zone of the record or the profile, else EC2 chooses]
    #[arg(short, long, value_name = "ZONE")]
    pub zone: Option<String>,

    /// Launch in these zones in turn, as in a,b,c
    ///
    /// The number in the name selects the zone: web1 is launched in the first one, web2 in the second. Zones are names
    /// or letters. A zone in a host's record takes precedence.
    #[arg(long, value_name = "ZONE,...", value_delimiter = ',', conflicts_with = "zone")]
    pub spread: Vec<String>,

    /// Launch in this region
    ///
    /// [default: the region of the zone, else of the AWS configuration]
    #[arg(short, long, value_name = "REGION")]
    pub region: Option<String>,

    /// Add a tag to the hosts that are launched
    ///
    /// Can be repeated.
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = parse_tag)]
    pub tag: Vec<(String, String)>,

    /// Print the plan, and change nothing
    ///
    /// The records say what would be done for each host, why, and what would be requested.
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Execute the plan that --dry-run wrote to a file
    ///
    /// `-` reads it from stdin. If a host has changed since, nothing is done.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["hosts", "profile", "set", "zone", "spread", "tag"])]
    pub plan: Option<String>,

    #[command(flatten)]
    pub waiting: WaitingArgs,

    #[command(flatten)]
    pub wait_args: WaitArgs,

    #[command(flatten)]
    pub memory: MemoryArgs,

    #[command(flatten)]
    pub profiles: ProfileArgs,

    #[command(flatten, next_help_heading = "Output")]
    pub output: OutputArgs,

    #[command(flatten, next_help_heading = "Output")]
    pub progress: ProgressArgs,
}

pub fn command() -> clap::Command {
    Args::command()
}

fn parse_tag(text: &str) -> std::result::Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    check_given_tag(key, value).map(|()| (key.to_string(), value.to_string()))
}

/// Reads the profile and the hosts, looks up, decides, executes, and writes the records.
pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    args.waiting.check()?;
    if let Some(status) = show(&args.profiles, &args.set, &args.output, tool)? {
        return Ok(status);
    }
    if args.profile.is_none() && !args.set.is_empty() {
        return Err(Failure::usage("--set sets keys of the profile that --profile or --show-profile names: give one"));
    }
    let region = region_wanted(args.region.as_deref(), args.zone.as_deref(), &args.spread)?;
    let recipe = match &args.profile {
        Some(name) => Some(Recipe::new(read(name, &args.set)?, args.zone.clone(), args.tag.clone())?),
        None => None,
    };
    let given = given_hosts(args, region.as_deref(), tool)?;
    let regions = RegionArgs { region: region.into_iter().collect(), has_one_region: true, ..RegionArgs::default() };
    if args.memory.show_memory || args.memory.forget {
        return run_memory_command(args, given.hosts, regions, tool);
    }
    let mut warnings = Vec::new();
    if let Some(recipe) = &recipe {
        check(recipe, given.hosts.len(), args.waiting.host_keys, &mut warnings)?;
    }
    let command_line = CommandLine {
        zone: args.zone.clone(),
        tags: args.tag.clone(),
        profile: recipe.as_ref().map(|recipe| &recipe.file),
    };
    let options = Options {
        until: args.waiting.until(),
        ssh_place: args.waiting.ssh_place(),
        host_keys: args.waiting.host_keys,
        wait_args: &args.wait_args,
        progress: &args.progress,
    };
    let in_account = async |regions: RegionArgs, given: Given| -> Result<Vec<Acted>> {
        let mut warnings = warnings.clone();
        let spread = Spread::new(&args.spread, &given.hosts);
        let (launch_by, remembers) = ((recipe.as_ref(), &spread), !args.memory.no_remember && args.plan.is_none());
        let (ec2, facts) = look_up(&regions, &given, &command_line, launch_by, remembers).await;
        warnings.extend(facts.warnings());
        for recipe in facts.recall.recipes() {
            check(recipe, given.hosts.len(), args.waiting.host_keys, &mut warnings)?;
        }
        let mut steps = match args.plan {
            Some(_) => planned_steps(given.hosts, &facts),
            None => plan(given.hosts, recipe.as_ref(), &spread, &facts),
        };
        let mut needs = steps.iter().filter(|step| step.todo.is_ok()).filter_map(|step| step.needs.running());
        if let Some(why) = needs.next().filter(|_| options.until == Until::None) {
            return Err(Failure::usage(format!("{why}: leave out --wait none")));
        }
        warnings.extend(zone_warnings(&steps, args.zone.as_deref()));
        warnings.extend(steps.iter().flat_map(|step| step.notes().to_vec()));
        warn_once(&warnings, tool);
        if args.memory.no_remember {
            steps.iter_mut().for_each(|step| step.needs.memory = None);
        }
        if args.dry_run {
            launch_time(&steps).iter().for_each(|note| tool.warn(note));
            return Ok(steps.into_iter().map(planned).collect());
        }
        // Without a connection each step is a failure.
        let Some(ec2) = ec2 else { return Ok(steps.into_iter().map(not_done).collect()) };
        Ok(carry_out(&ec2, &options, refuse_half(steps), tool).await)
    };
    let acted = block_on(each_account(&regions, given, in_account))??;
    let notes = launch_notes(&acted, args.dry_run).into_iter().chain(spare_address_warnings(&acted));
    notes.for_each(|note| tool.warn(note));
    report(tool, &args.output, args.dry_run, acted)
}

/// Reads the hosts of the command line, of stdin or of a plan, each with the region that it is launched in.
fn given_hosts(args: &Args, region: Option<&str>, tool: &Tool) -> Result<Given> {
    let mut given = match &args.plan {
        Some(file) => Given { hosts: read_plan(file)?, possible_names: Vec::new() },
        None => read_given(&args.hosts, tool)?,
    };
    check_records(&given.hosts)?;
    refuse_duplicates(&given.hosts)?;
    for host in &mut given.hosts {
        settle(host, region)?;
    }
    Ok(given)
}

/// Shows or forgets what is remembered of the hosts.
fn run_memory_command(args: &Args, hosts: Vec<Record>, regions: RegionArgs, tool: &Tool) -> Result<Status> {
    let regions = RegionArgs { account: only_profile(&hosts)?.into_iter().collect(), ..regions };
    if args.memory.show_memory {
        show_memory(hosts, &regions, &args.output, tool)
    } else {
        forget(hosts, &regions, args.dry_run, &args.output, tool)
    }
}

/// Executes the steps, and remembers the hosts at the same time.
async fn carry_out(ec2: &Ec2, options: &Options<'_>, steps: Vec<Step>, tool: &Tool) -> Vec<Acted> {
    ec2.set_timeout(options.wait_args.timeout);
    let (queue, orders) = queue();
    // In a box: the compiler bounds how deep futures may be nested.
    let executed = Box::pin(execute(ec2, options, steps, queue));
    let (acted, warnings) = join(executed, write_all(ec2, orders)).await;
    warnings.iter().for_each(|warning| tool.warn(warning));
    acted
}

fn warn_once(warnings: &[String], tool: &Tool) {
    let mut seen = HashSet::new();
    warnings.iter().filter(|warning| seen.insert(*warning)).for_each(|warning| tool.warn(warning));
}

/// Says how long the launches take because of EC2's request limits, if they do not all begin at once.
fn launch_time(steps: &[Step]) -> Option<String> {
    let launches = steps.iter().filter(|step| matches!(step.todo, Ok(Todo::Launch(_)))).count();
    let time = time_for("RunInstances", launches);
    let text =
        || format!("these {launches} launches take {} s because of EC2's request limits", time.as_secs_f64().ceil());
    (!time.is_zero()).then(text)
}

/// Refuses what a profile asks for and cannot be had, before anything is done. Adds the warnings of its user-data.
fn check<'a>(recipe: &'a Recipe, hosts: usize, host_keys: bool, warnings: &mut Vec<String>) -> Result<()> {
    if let Some(ElasticIp::Address(address)) = &recipe.file.profile.elastic_ip
        && hosts > 1
    {
        return Err(Failure::usage(format!("{hosts} hosts cannot have the one elastic ip {address} of the profile")));
    }
    if let Some(path) = recipe.path_of_one_host().filter(|_| hosts > 1) {
        let (place, key) = (recipe.file.place_of(&path), path.rsplit('/').next().unwrap_or_default());
        return Err(Failure::usage(format!("{place}: {hosts} hosts cannot have the one {key} of the profile")));
    }
    let mut ids = recipe.file.profile.volume_sets.iter().filter_map(|set| set.volume_id.as_ref());
    if let Some(id) = ids.next().filter(|_| hosts > 1) {
        return Err(Failure::usage(format!("{hosts} hosts cannot have the one volume {id} of the profile")));
    }
    let of_console = |parts: &'a Parts| if host_keys { parts.console_warnings() } else { &[] };
    let new = recipe.parts.iter().flat_map(|parts| parts.warnings().iter().chain(of_console(parts)));
    warnings.extend(new.map(|warning| format!("profile {}: {warning}", recipe.file.name)));
    Ok(())
}
