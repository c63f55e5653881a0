//! The command line of `ec2-tag`.

use crate::execute::{cost, execute, not_alone, outcome};
use crate::facts::Facts;
use crate::plan::{TagChange, VolumeTags, changes, refuse_conflicts, remove_first};
use crate::show::{changes_cell, renamed, show};
use crate::wanted::Wanted;
use crate::words::sort_words;
use cerveza_ec2::{
    Acted, By, DEVICE_TAG, Ec2, Found, NO_ACTION, RegionArgs, block_on, check_identity, check_records, locate,
    refuse_filters, report_with, time_notice,
};
use cerveza_manners::{Column, Failure, OutputArgs, OutputMode, ProgressArgs, Result, Status, Tool, saved_tag_filters};
use cerveza_record::Record;
use clap::{CommandFactory, Parser};
use hostrange::completion::hosts_and;
use hostrange::read_given;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// Set and remove tags of EC2 instances and their volumes
///
/// Sets and removes tags of instances, and of the volumes attached to them.
#[derive(Parser, Clone, Debug)]
#[command(name = "ec2-tag", version)]
pub struct Args {
    /// Tags to set (KEY=VALUE) or remove (KEY-), and hosts, as in 'mysql[1-3]'
    ///
    /// Hosts are expressions of hostrange(1) or instance ids. `-` reads names and records from stdin, and so does the
    /// absence of hosts. In VALUE, {{ FIELD }} is a field of the host's record, as in 'fqdn={{ host }}.example.com'.
    #[arg(value_name = "KEY=VALUE|KEY-|HOST", add = hosts_and(saved_tag_filters))]
    pub words: Vec<String>,

    /// Tag the EBS volumes of the hosts too (the default)
    #[arg(long, overrides_with = "no_volumes")]
    pub volumes: bool,

    /// Tag only the instances
    #[arg(long, overrides_with = "volumes")]
    pub no_volumes: bool,

    /// Tag each volume with the name and the device of its host
    ///
    /// The keys are Name and device, and a device is like /dev/sdf. No other tag is needed.
    #[arg(long, conflicts_with = "no_volumes")]
    pub device_names: bool,

    /// Show tags before and after, and change nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub region: RegionArgs,

    #[command(flatten, next_help_heading = "Output")]
    pub output: OutputArgs,

    #[command(flatten, next_help_heading = "Output")]
    pub progress: ProgressArgs,
}

const COLUMNS: [Column; 6] = [
    Column { header: "HOST", key: "host" },
    Column { header: "AWS PROFILE", key: "aws_profile" },
    Column { header: "ACTION", key: "action" },
    Column { header: "INSTANCE", key: "instance_id" },
    Column { header: "ERROR", key: "error" },
    // At the end, because it is never cut.
    Column { header: "CHANGES", key: "changes" },
];

impl Args {
    fn volume_tags(&self) -> VolumeTags {
        VolumeTags { as_host: !self.no_volumes, device_names: self.device_names }
    }
}

pub fn command() -> clap::Command {
    Args::command()
}

/// Sorts the words, reads the hosts, looks them up with their volumes, decides for all of them, tags, reports.
pub fn run(args: &Args, tool: &Tool) -> Result<Status> {
    let (wanted, words) = sort_words(&args.words)?;
    check_wanted(&wanted, args)?;
    refuse_filters(&words, "ec2-tag KEY=VALUE")?;
    let given = read_given(&words, tool)?;
    check_records(&given.hosts)?;
    if given.hosts.len() > 1 && wanted.common_value("Name").is_some() {
        return Err(Failure::usage("several hosts cannot have one name: set Name of one host at a time")
            .hint("a value can be made of each host's record, as in 'Name={{ host }}-old'"));
    }
    let mut acted = block_on(async {
        let (accounts, found) = locate(&args.region, &given, By::Instance).await;
        accounts.warn_of_denied(tool);
        let mut acted: Vec<Acted> =
            given.hosts.into_iter().zip(found).map(|(host, found)| looked_up(host, found)).collect();
        let facts = RefCell::new(Facts::default());
        accounts
            .in_each_account(&mut acted, async |ec2, hosts| {
                Facts::read(&facts, ec2, hosts, &wanted, args.volume_tags()).await
            })
            .await;
        let plans = decide(&mut acted, &wanted, args.volume_tags(), &facts.into_inner());
        if let Some(warning) = renamed(plans.changes.values().flatten()) {
            tool.warn(warning);
        }
        let (resources, time) = plans.cost(&acted);
        if let Some(time) = time_notice(plans.changed_hosts(), time) {
            tool.warn(time);
        }
        if !args.dry_run {
            let bar = args.progress.bar(resources as u64, "tagging");
            let done = |count: usize| bar.inc(count as u64);
            accounts.in_each_account(&mut acted, async |ec2, hosts| tag(ec2, hosts, &plans, &done).await).await;
            bar.finish_and_clear();
        } else {
            acted.iter_mut().for_each(|host| show_plan(host, &plans));
        }
        acted
    })?;
    if args.output.mode(OutputMode::Table) == OutputMode::Table {
        acted.iter_mut().for_each(|host| host.record.set("changes", changes_cell(&host.record)));
    }
    report_with(tool, &args.output, args.dry_run, acted, &COLUMNS)
}

fn check_wanted(wanted: &Wanted, args: &Args) -> Result<()> {
    if args.device_names && wanted.has_tag(DEVICE_TAG) {
        return Err(Failure::usage(format!("--device-names sets the tag {DEVICE_TAG} itself")));
    }
    if wanted.is_empty() && !args.device_names {
        Err(Failure::usage("no tag is given").hint("KEY=VALUE sets one, KEY- removes one"))
    } else {
        Ok(())
    }
}

fn looked_up(mut record: Record, found: Found) -> Acted {
    record.remove("changes");
    let instance = found.instance(&record);
    let instance = instance.and_then(|instance| check_identity(&record, &instance).map(|()| instance));
    let result = instance.map(|instance| record.merge(instance));
    Acted { record, action: NO_ACTION, result }
}

/// What is to be done.
#[derive(Default)]
struct Plans {
    /// The changes of each host, by its region and id.
    changes: HashMap<(String, String), Vec<TagChange>>,
    /// The resources whose tags are removed before others are set.
    remove_first: HashSet<String>,
}

impl Plans {
    /// Returns the changes of these hosts of one account by region.
    fn by_region<'a>(&self, acted: impl IntoIterator<Item = &'a Acted>) -> BTreeMap<String, BTreeSet<TagChange>> {
        let mut regions: BTreeMap<String, BTreeSet<TagChange>> = BTreeMap::new();
        for host in acted.into_iter().filter(|host| host.result.is_ok()) {
            let changes = self.changes.get(&host.instance_key()).into_iter().flatten().cloned();
            regions.entry(host.instance_key().0).or_default().extend(changes);
        }
        regions
    }

    /// Returns how many resources are tagged, and how long that takes at least: accounts are tagged side by side, and
    /// the regions of an account one after the other.
    fn cost(&self, acted: &[Acted]) -> (usize, Duration) {
        let mut accounts: BTreeMap<Option<String>, Vec<&Acted>> = BTreeMap::new();
        for host in acted {
            accounts.entry(host.record.str("aws_profile")).or_default().push(host);
        }
        let (mut resources, mut longest) = (0, Duration::ZERO);
        for hosts in accounts.into_values() {
            let costs: Vec<_> =
                self.by_region(hosts).values().map(|changes| cost(changes, &self.remove_first)).collect();
            resources += costs.iter().map(|(count, _)| count).sum::<usize>();
            longest = longest.max(costs.iter().map(|(_, time)| *time).sum());
        }
        (resources, longest)
    }

    fn changed_hosts(&self) -> usize {
        self.changes.values().filter(|changes| !changes.is_empty()).count()
    }
}

/// Decides what changes for each host. Where a host is refused, no host has changes: half of a fleet must not be
/// tagged.
fn decide(acted: &mut [Acted], wanted: &Wanted, volume_tags: VolumeTags, facts: &Facts) -> Plans {
    let mut hosts: Vec<&mut Acted> = acted.iter_mut().filter(|host| host.result.is_ok()).collect();
    let plan = |host: &Acted| {
        let tags = wanted.tags_of(&host.record)?;
        facts.check_name(host)?;
        changes(&host.record, &tags, volume_tags, &facts.volumes)
    };
    let mut plans: Vec<(String, Result<Vec<TagChange>>)> =
        hosts.iter().map(|host| (host.instance_key().1, plan(host))).collect();
    refuse_conflicts(&mut plans);
    let is_refused = plans.iter().any(|(_, plan)| plan.is_err());
    let mut decided = Plans::default();
    for (host, (_, plan)) in hosts.iter_mut().zip(plans) {
        match plan {
            Err(failure) => host.fail(failure),
            Ok(_) if is_refused => host.fail(not_alone()),
            Ok(changes) => {
                host.action = if changes.is_empty() { "unchanged" } else { "tag" };
                // A host may be given twice, with fields of its own.
                decided.remove_first.extend(remove_first(&host.record, &changes, &facts.volumes));
                decided.changes.entry(host.instance_key()).or_default().extend(changes);
            }
        }
    }
    decided.changes.values_mut().for_each(|changes| {
        changes.sort();
        changes.dedup();
    });
    decided
}

fn show_plan(host: &mut Acted, plans: &Plans) {
    if host.result.is_ok()
        && let Some(changes) = plans.changes.get(&host.instance_key())
    {
        show(&mut host.record, changes);
    }
}

/// Makes the changes of the hosts of one account, region by region.
async fn tag(ec2: &Ec2, acted: &mut [Acted], plans: &Plans, done: &impl Fn(usize)) {
    for (region, changes) in plans.by_region(&*acted) {
        let results = execute(ec2, &region, &changes, &plans.remove_first, done).await;
        for host in acted.iter_mut().filter(|host| host.result.is_ok() && host.instance_key().0 == region) {
            let Some(changes) = plans.changes.get(&host.instance_key()) else { continue };
            let (made, result) = outcome(changes, &results);
            show(&mut host.record, &made);
            host.result = result;
            if made.is_empty() {
                host.note_not_done();
            }
        }
    }
}
