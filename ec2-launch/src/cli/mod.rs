//! The command line of `ec2-launch`.

pub(crate) mod accounts;
pub(crate) mod hint;
pub(crate) mod memory_command;
pub(crate) mod show;
pub(crate) mod until_args;

use crate::cli::accounts::{each_account, only_profile};
use crate::cli::memory_command::{MemoryArgs, forget, show_memory};
use crate::cli::show::{ProfileArgs, keys, profiles, show};
use crate::cli::until_args::UntilArgs;
use crate::execute::{Options, Until, execute, spare_address_warnings, unconnected};
use crate::library::set_option::Override;
use crate::memory::label;
use crate::memory::queue::{open_queue, write_all};
use crate::memory::remembered_profile::CommandLine;
use crate::plan::facts::{LaunchBy, look_up};
use crate::plan::record::{planned, planned_steps, read_plan};
use crate::plan::{Step, Todo, next_launch_warnings, plan, refuse_all_if_one_is_bad, refuse_duplicates, zone_warnings};
use crate::profile::ElasticIp;
use crate::profile::file::read;
use crate::request::Recipe;
use crate::request::zones::{Spread, refuse_zone, region_wanted, set_region_of_zone};
use crate::tags::check_given_tag;
use cerveza_ec2::{Acted, Ec2, RegionArgs, WaitArgs, block_on, check_records, regions, report, time_for};
use cerveza_manners::{Failure, OutputArgs, ProgressArgs, Result, Status, Tool, saved_values};
use cerveza_record::Record;
use clap::{CommandFactory, Parser, ValueHint};
use futures_util::future::join;
use hostrange::completion::hosts;
use hostrange::{Given, fold, read_given};
use std::collections::{BTreeMap, HashSet};

/// Make named hosts exist and run on EC2
///
/// A running host is left alone, a stopped one is started, and one that does not exist is launched from a profile.
#[derive(Parser, Clone, Debug)]
#[command(name = "ec2-launch", version)]
pub struct Args {
    /// Hosts, as in 'mysql[1-40]'; without any, stdin
    ///
    /// Expressions of hostrange(1). `-` reads names and records from stdin, and so does the absence of hosts.
    #[arg(value_name = "HOST", add = hosts())]
    pub hosts: Vec<String>,

    /// Profile to launch from: a name, FILE or FILE:NAME
    ///
    /// FILE:NAME is one of several profiles in a file [default: the profile that each host was last launched from].
    #[arg(short, long, value_name = "NAME|FILE", add = profiles())]
    pub profile: Option<String>,

    /// Override a key of the profile, as in 'root volume.size=20'
    ///
    /// The value is YAML. Can be repeated.
    #[arg(long, value_name = "KEY=VALUE", add = keys(), value_parser = Override::parse)]
    pub set: Vec<Override>,

    /// Launch in this availability zone, as in us-east-1a
    ///
    /// [default: the zone of the record or the profile, else EC2 chooses]
    #[arg(short, long, value_name = "ZONE", add = saved_values("zone"))]
    pub zone: Option<String>,

    /// Launch in these zones in turn, as in a,b,c
    ///
    /// The number in the name selects the zone: web1 is launched in the first one, web2 in the second. If a name of the
    /// run has no number, the place in the input does. Zones are names or letters; if EC2 has no capacity in one, the
    /// others are tried. A zone in a host's record takes precedence.
    #[arg(long, value_name = "ZONE,...", add = saved_values("zone"), value_delimiter = ',', conflicts_with = "zone")]
    pub spread: Vec<String>,

    /// Launch in this region
    ///
    /// [default: the region of the zone, else of the AWS configuration]
    #[arg(short, long, value_name = "REGION", add = regions())]
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
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["hosts", "profile", "set", "zone", "spread", "tag"])]
    pub plan: Option<String>,

    #[command(flatten)]
    pub until: UntilArgs,

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
    args.until.check()?;
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
    if let Some(recipe) = &recipe {
        warn_once(&check_recipe(recipe, given.hosts.len(), args)?, tool);
    }
    let launch = Launch {
        args,
        tool,
        recipe: recipe.as_ref(),
        command_line: CommandLine {
            zone: args.zone.clone(),
            tags: args.tag.clone(),
            profile: recipe.as_ref().map(|recipe| &recipe.file),
        },
        options: Options {
            until: args.until.until(),
            ssh_target: args.until.ssh_target(),
            host_keys: args.until.host_keys,
            wait_args: &args.wait_args,
            progress: &args.progress,
        },
    };
    let in_account = async |regions, given| launch.run_in_account(regions, given).await;
    let acted = block_on(each_account(&regions, given, in_account))??;
    let notes = launch_notes(&acted, args.dry_run).into_iter().chain(spare_address_warnings(&acted));
    notes.for_each(|note| tool.warn(note));
    report(tool, &args.output, args.dry_run, acted)
}

/// What is the same for the hosts of every account.
struct Launch<'a> {
    args: &'a Args,
    tool: &'a Tool,
    recipe: Option<&'a Recipe>,
    command_line: CommandLine<'a>,
    options: Options<'a>,
}

impl Launch<'_> {
    /// Looks up the hosts of one account, makes the plan, and executes it unless this is a dry run.
    async fn run_in_account(&self, regions: RegionArgs, given: Given) -> Result<Vec<Acted>> {
        let (args, tool) = (self.args, self.tool);
        let spread = Spread::new(&args.spread, &given.hosts);
        let launch_by = LaunchBy { recipe: self.recipe, spread: &spread };
        let remembers = !args.memory.no_remember && args.plan.is_none();
        let (ec2, facts) = look_up(&regions, &given, &self.command_line, launch_by, remembers).await;
        let mut warnings: Vec<String> = facts.warnings().collect();
        for (recipe, hosts) in facts.remembered_recipes() {
            warnings.extend(check_recipe(recipe, hosts, args)?);
        }
        let mut steps = match args.plan {
            Some(_) => planned_steps(given.hosts, &facts),
            None => plan(given.hosts, launch_by, &facts),
        };
        let mut needs = steps.iter().filter(|step| step.todo.is_ok()).filter_map(|step| step.needs.running());
        if let Some(why) = needs.next().filter(|_| self.options.until == Until::None) {
            return Err(Failure::usage(format!("{why}: leave out --wait none")));
        }
        warnings.extend(zone_warnings(&steps, args.zone.as_deref()));
        warnings.extend(next_launch_warnings(&steps, self.recipe.filter(|_| !args.set.is_empty()), &args.tag));
        warnings.extend(steps.iter().flat_map(|step| step.notes().to_vec()));
        warn_once(&warnings, tool);
        if args.memory.no_remember {
            steps.iter_mut().for_each(|step| step.needs.memory = None);
        }
        if args.dry_run {
            launch_time_note(&steps).iter().for_each(|note| tool.warn(note));
            return Ok(steps.into_iter().map(planned).collect());
        }
        // Without a connection each step is a failure.
        let Some(ec2) = ec2 else { return Ok(steps.into_iter().map(unconnected).collect()) };
        Ok(carry_out(&ec2, &self.options, refuse_all_if_one_is_bad(steps), tool).await)
    }
}

/// Refuses a profile that cannot be launched for so many hosts. Returns the warnings of its user-data.
fn check_recipe(recipe: &Recipe, hosts: usize, args: &Args) -> Result<Vec<String>> {
    refuse_several_hosts(recipe, hosts)?;
    Ok(user_data_warnings(recipe, args.until.host_keys))
}

/// Reads the hosts of the command line, of stdin or of a plan, each with the region that it is launched in.
fn given_hosts(args: &Args, region: Option<&str>, tool: &Tool) -> Result<Given> {
    let mut given = match &args.plan {
        Some(file) => Given { hosts: read_plan(file)?, possible_names: Vec::new() },
        None => read_given(&args.hosts, tool)?,
    };
    if !args.spread.is_empty() {
        args.hosts.iter().try_for_each(|word| refuse_zone(word))?;
    }
    check_records(&given.hosts)?;
    refuse_duplicates(&given.hosts)?;
    for host in &mut given.hosts {
        set_region_of_zone(host, region)?;
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
    let (queue, orders) = open_queue();
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
fn launch_time_note(steps: &[Step]) -> Option<String> {
    let launches = steps.iter().filter(|step| matches!(step.todo, Ok(Todo::Launch(_)))).count();
    let time = time_for("RunInstances", launches);
    let text =
        || format!("these {launches} launches take {} s because of EC2's request limits", time.as_secs_f64().ceil());
    (!time.is_zero()).then(text)
}

/// Refuses a profile of several hosts that asks for what only one host can have.
fn refuse_several_hosts(recipe: &Recipe, hosts: usize) -> Result<()> {
    // The path in the profile, and what only one host can have.
    let address = match &recipe.file.profile.elastic_ip {
        Some(ElasticIp::Address(address)) => Some(("elastic ip".to_string(), format!("elastic ip {address}"))),
        Some(ElasticIp::Own) | None => None,
    };
    let key = |path: &str| path.rsplit('/').next().unwrap_or_default().to_string();
    let setting = recipe.path_of_one_host().map(|path| (path.clone(), key(&path)));
    let volume = recipe.file.profile.volume_sets.iter().find_map(|set| set.volume_id.as_ref());
    let volume = volume.map(|id| ("volumes".to_string(), format!("volume {id}")));
    let Some((path, what)) = address.or(setting).or(volume).filter(|_| hosts > 1) else { return Ok(()) };
    let place = recipe.file.place_of(&path);
    Err(Failure::usage(format!("{place}: {hosts} hosts cannot have the one {what} of the profile")))
}

/// Returns the warnings of the profile's user-data, with `host_keys` also those of what prevents host keys.
fn user_data_warnings(recipe: &Recipe, host_keys: bool) -> Vec<String> {
    let Some(parts) = &recipe.parts else { return Vec::new() };
    let of_console = if host_keys { parts.console_warnings() } else { &[] };
    let warnings = parts.warnings().iter().chain(of_console);
    warnings.map(|warning| format!("profile {}: {warning}", recipe.file.name)).collect()
}

/// Says which hosts were, or would be, launched as remembered, and by what.
pub fn launch_notes(hosts: &[Acted], dry_run: bool) -> Vec<String> {
    let mut notes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for host in hosts {
        if host.result.is_err() {
            continue;
        }
        let Some(remembered) = host.record.get("remembered") else { continue };
        let text = |key: &str| remembered[key].as_str().unwrap_or_default().to_string();
        let label = label(&text("profile"), &text("digest"), &text("since"));
        let done = if dry_run { "to be launched" } else { "launched" };
        notes.entry(format!("{done} from memory: profile {label}")).or_default().push(host.record.host());
    }
    notes.into_iter().map(|(note, hosts)| format!("{}: {note}", fold(hosts))).collect()
}
