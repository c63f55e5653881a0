//! Looks up everything that the decision needs.

use crate::disks::choose::{Disks, HostVolumes, for_launch};
use crate::disks::look_up::{Wanted, host_volumes};
use crate::disks::slot::DiskSlot;
use crate::memory::recall::{HostRecall, Recall, recall};
use crate::memory::remembered_profile::CommandLine;
use crate::request::Recipe;
use crate::request::zones::Spread;
use cerveza_ec2::{By, Catalog, Ec2, Found, Names, RegionArgs, VISIBLE_AFTER, locate};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use futures_util::future::join_all;
use hostrange::Given;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::iter::repeat_with;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What was looked up. The decision depends only on this, the hosts and the profile.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The region to launch in, unless a host's record names one.
    pub region: Option<String>,
    /// In the order of the hosts.
    pub hosts: Vec<HostFacts>,
    pub recall: Recall,
    /// What each region that is launched in has of what the profiles name.
    pub catalogs: BTreeMap<String, Catalog>,
}

/// What was looked up of one host.
#[derive(Clone, Debug)]
pub struct HostFacts {
    /// What the host is now.
    pub found: Found,
    pub recalled: HostRecall,
    /// What is known of its volumes, if its profile has volumes.
    pub volumes: Result<HostVolumes>,
}

/// What the command line says of launches.
#[derive(Clone, Copy, Debug)]
pub struct LaunchBy<'a> {
    /// That of --profile.
    pub recipe: Option<&'a Recipe>,
    pub spread: &'a Spread,
}

/// Connects, and looks up what the decision needs. Returns no connection if there is none to be had; then each host
/// says why.
pub async fn look_up(
    regions: &RegionArgs,
    given: &Given,
    command_line: &CommandLine<'_>,
    launch_by: LaunchBy<'_>,
    remembers: bool,
) -> (Option<Ec2>, Facts) {
    let (accounts, found) = locate(regions, given, By::Name).await;
    let Some(ec2) = accounts.into_first() else {
        let hosts = found.into_iter().map(HostFacts::new).collect();
        return (None, Facts { hosts, ..Facts::default() });
    };
    let region = ec2.regions().ok().and_then(|regions| regions.first().cloned());
    let (recall, recalled) = if remembers {
        recall(&ec2, &given.hosts, &found, region.as_deref().unwrap_or_default(), command_line).await
    } else {
        Default::default()
    };
    let recalled = recalled.into_iter().chain(repeat_with(HostRecall::default));
    let hosts =
        found.into_iter().zip(recalled).map(|(found, recalled)| HostFacts { recalled, ..HostFacts::new(found) });
    let mut facts = Facts { region, hosts: hosts.collect(), recall, catalogs: BTreeMap::new() };
    see_new_instances(&ec2, &given.hosts, &mut facts.hosts).await;
    let volumes = host_volumes(&ec2, &wanted_volumes(&given.hosts, command_line, &facts)).await;
    for (host, volumes) in facts.hosts.iter_mut().zip(volumes) {
        host.volumes = volumes;
    }
    facts.find_launched_by_others(&given.hosts);
    let regions = names_to_look_up(&given.hosts, launch_by, &facts);
    let catalogs = regions.iter().map(|(region, names)| ec2.catalog(region, names));
    facts.catalogs = regions.keys().cloned().zip(join_all(catalogs).await).collect();
    (Some(ec2), facts)
}

/// Returns what the launches of all hosts name, by region. A host that cannot be launched is refused later.
fn names_to_look_up(hosts: &[Record], launch_by: LaunchBy<'_>, facts: &Facts) -> BTreeMap<String, Names> {
    let mut regions: BTreeMap<String, Names> = BTreeMap::new();
    for (index, (record, host)) in hosts.iter().zip(&facts.hosts).enumerate() {
        let Some(recipe) = host.recipe(launch_by).filter(|_| host.is_absent()) else { continue };
        let mut record = record.clone();
        let Ok((region, _)) = host.prepare_launch(&mut record, recipe, launch_by, facts) else { continue };
        if let Ok(choices) = recipe.choices(&record, &region, &launch_by.spread.zones(index, &region)) {
            recipe.add_names(&choices, regions.entry(region).or_default());
        }
    }
    regions
}

/// Returns the hosts whose volumes are looked up.
fn wanted_volumes<'a>(
    hosts: &'a [Record],
    command_line: &'a CommandLine<'_>,
    facts: &'a Facts,
) -> Vec<Option<Wanted<'a>>> {
    let wanted = |(record, host): (&'a Record, &'a HostFacts)| {
        let recalled = || Some(&host.recalled.recipe()?.file);
        let ids = match command_line.profile.or_else(recalled) {
            Some(file) if file.profile.volume_sets.is_empty() => return None,
            Some(file) => file.profile.volume_sets.iter().filter_map(|set| set.volume_id.clone()).collect(),
            // The records of a plan have all that is to be done.
            None => planned_slots(record)?.into_iter().filter_map(|slot| slot.attach).collect(),
        };
        let record = match &host.found {
            Found::One(instance) => instance,
            Found::Absent(_) | Found::Ended(_) => record,
            Found::Several(_) | Found::Unknown(_) => return None,
        };
        let region = record.str("region").or(facts.region.clone())?;
        Some(Wanted { region, host: record.host(), ids })
    };
    hosts.iter().zip(&facts.hosts).map(wanted).collect()
}

impl HostFacts {
    pub fn new(found: Found) -> HostFacts {
        HostFacts { found, recalled: HostRecall::Nothing, volumes: Ok(HostVolumes::default()) }
    }

    /// Returns whether the host has no instance, so it may be launched.
    pub fn is_absent(&self) -> bool {
        matches!(self.found, Found::Absent(_) | Found::Ended(_))
    }

    /// Returns what to launch the host by.
    pub fn recipe<'a>(&'a self, launch_by: LaunchBy<'a>) -> Option<&'a Recipe> {
        launch_by.recipe.or(self.recalled.recipe())
    }

    /// Gives the record of a host that is launched what is remembered of it, and the zone of its volumes. Returns its
    /// region and its volumes.
    pub fn prepare_launch(
        &self,
        record: &mut Record,
        recipe: &Recipe,
        launch_by: LaunchBy<'_>,
        facts: &Facts,
    ) -> Result<(String, Disks)> {
        let region = record.str("region").or(facts.region.clone());
        let region = region.ok_or_else(|| Failure::usage("its region is not known"))?;
        let known = self.volumes.as_ref().map_err(Failure::clone)?;
        let disks = for_launch(record.host(), &recipe.file.profile.volume_sets, known, &region)?;
        disks.check_zone(recipe.zone.clone().or(record.str("zone")).as_deref())?;
        if launch_by.recipe.is_none() {
            self.recalled.apply(record)?;
        }
        if let Some(zone) = &disks.zone {
            record.set("zone", zone.as_str());
        }
        Ok((region, disks))
    }
}

impl Facts {
    /// Returns what could not be looked up, or not in full.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let of_catalogs = self.catalogs.values().flat_map(|catalog| catalog.warnings.iter().cloned());
        let of_volumes = self.hosts.iter().filter_map(|host| host.volumes.as_ref().err()).map(Failure::to_string);
        self.recall.warnings.iter().cloned().chain(of_catalogs).chain(of_volumes)
    }

    /// Returns the remembered recipes, each once, and how many hosts have the same profile.
    pub fn remembered_recipes(&self) -> Vec<(&Recipe, usize)> {
        let recipes = || self.hosts.iter().filter_map(|host| host.recalled.recipe());
        let mut hosts: HashMap<&str, usize> = HashMap::new();
        recipes().for_each(|recipe| *hosts.entry(&recipe.file.digest).or_default() += 1);
        let mut seen = HashSet::new();
        let first = recipes().filter(|recipe| seen.insert(std::ptr::from_ref::<Recipe>(recipe)));
        first.map(|recipe| (recipe, hosts[recipe.file.digest.as_str()])).collect()
    }

    /// Takes note of instances that were launched after the hosts were looked up, and before their volumes were.
    fn find_launched_by_others(&mut self, hosts: &[Record]) {
        for (record, host) in hosts.iter().zip(&mut self.hosts).filter(|(_, host)| host.is_absent()) {
            if let Ok(known) = &host.volumes
                && let Some(instance) = known.live_instance(record.host())
            {
                host.found = Found::One(instance.clone());
            }
        }
    }
}

/// Looks again at hosts whose last instance has just been launched and cannot be seen, until it can or the time is
/// over. Such a host only seems to be absent.
async fn see_new_instances(ec2: &Ec2, records: &[Record], hosts: &mut [HostFacts]) {
    let deadline = Instant::now() + VISIBLE_AFTER;
    let mut pause = FIRST_PAUSE;
    loop {
        let now = SystemTime::now();
        let unseen = hosts.iter_mut().zip(records);
        let unseen: Vec<_> = unseen.filter(|(host, _)| is_unseen(&host.recalled, &host.found, now)).collect();
        if unseen.is_empty() || Instant::now() + pause > deadline {
            return;
        }
        tokio::select! {
            () = sleep(pause) => {}
            _ = ec2.interrupted() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        let again = ec2.locate_again(unseen.iter().map(|(_, record)| Record::clone(record)).collect()).await;
        for ((host, _), again) in unseen.into_iter().zip(again) {
            host.found = again;
        }
    }
}

/// Returns whether the last instance of a host was launched just before `now` and is not among those found.
fn is_unseen(recalled: &HostRecall, found: &Found, now: SystemTime) -> bool {
    let Some(new) = recalled.new_instance(now) else { return false };
    match found {
        Found::Absent(_) => true,
        Found::Ended(last) => last.str("instance_id").as_deref() != Some(new),
        Found::One(_) | Found::Several(_) | Found::Unknown(_) => false,
    }
}

/// Returns what the plan in a record says of volumes, if it does.
fn planned_slots(record: &Record) -> Option<Vec<DiskSlot>> {
    serde_json::from_value(record.get("plan")?.get("volumes")?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;

    #[test]
    fn only_an_instance_that_was_just_launched_may_be_unseen() {
        let launch_time = Some("2026-01-02T03:00:00Z".to_string());
        let memory = Memory { instance_id: Some("i-2".into()), launch_time, ..Memory::default() };
        let recalled = HostRecall::Memory { memory: Box::new(memory), recipe: None, files: Default::default() };
        let at = |time| humantime::parse_rfc3339(time).unwrap();
        let ended = |id: &str| Found::Ended(Record::parse(&format!(r#"{{"host":"a","instance_id":"{id}"}}"#)).unwrap());
        let absent = Found::Absent(vec!["us-east-1".into()]);
        let soon = at("2026-01-02T03:00:20Z");
        assert!(is_unseen(&recalled, &absent, soon));
        assert!(is_unseen(&recalled, &ended("i-1"), soon));
        assert!(!is_unseen(&recalled, &ended("i-2"), soon));
        assert!(!is_unseen(&HostRecall::Nothing, &absent, soon));
        // The clocks of this machine and of EC2 differ.
        assert!(is_unseen(&recalled, &absent, at("2026-01-02T02:59:00Z")));
        assert!(!is_unseen(&recalled, &absent, at("2026-01-02T04:30:00Z")));
    }
}
