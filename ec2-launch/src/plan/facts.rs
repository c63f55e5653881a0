//! Looks up everything that the decision needs.

use crate::disks::look_up::{Wanted, host_volumes};
use crate::disks::place::Place;
use crate::disks::places::{HostVolumes, for_launch};
use crate::memory::remember::{Recall, Recalled, recall};
use crate::memory::remembered_profile::CommandLine;
use crate::request::Recipe;
use crate::request::place::Spread;
use cerveza_ec2::{By, Catalog, Ec2, Found, Names, RegionArgs, VISIBLE_AFTER, locate};
use cerveza_manners::Result;
use cerveza_record::Record;
use futures_util::future::join_all;
use hostrange::Given;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep};

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What was looked up. The decision depends only on this, the hosts and the profile.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The region to launch in, unless a host's record names one.
    pub region: String,
    /// What each host is now, in the order of the hosts.
    pub found: Vec<Found>,
    /// What is remembered of the hosts.
    pub recall: Recall,
    /// What is known of the volumes of hosts whose profile has volumes; in the order of the hosts.
    pub volumes: Vec<Result<HostVolumes>>,
    /// What each region that is launched in has of what the profiles name.
    pub catalogs: BTreeMap<String, Catalog>,
}

/// Connects, and looks up what the decision needs. Returns no connection if there is none to be had; then each host
/// says why.
pub async fn look_up(
    regions: &RegionArgs,
    given: &Given,
    command_line: &CommandLine<'_>,
    launch_by: (Option<&Recipe>, &Spread),
    remembers: bool,
) -> (Option<Ec2>, Facts) {
    let (accounts, mut found) = locate(regions, given, By::Name).await;
    let ec2 = accounts.into_first();
    let region = ec2.as_ref().and_then(|ec2| ec2.regions().ok()?.first().cloned()).unwrap_or_default();
    let recall = match ec2.as_ref().filter(|_| remembers) {
        Some(ec2) => recall(ec2, &given.hosts, &found, &region, command_line).await,
        None => Recall::default(),
    };
    if let Some(ec2) = &ec2 {
        see_new_instances(ec2, &given.hosts, &recall, &mut found).await;
    }
    let mut facts = Facts { region, found, recall, volumes: Vec::new(), catalogs: BTreeMap::new() };
    if let Some(ec2) = &ec2 {
        facts.volumes = host_volumes(ec2, &wanted_volumes(&given.hosts, command_line, &facts)).await;
        facts.find_launched_by_others(&given.hosts);
        let regions = names(&given.hosts, launch_by, &facts);
        let catalogs = regions.iter().map(|(region, names)| ec2.catalog(region, names));
        facts.catalogs = regions.keys().cloned().zip(join_all(catalogs).await).collect();
    }
    (ec2, facts)
}

/// Returns what the launches of all hosts name, by region. A host that cannot be launched is refused later.
fn names(hosts: &[Record], (given, spread): (Option<&Recipe>, &Spread), facts: &Facts) -> BTreeMap<String, Names> {
    let mut regions: BTreeMap<String, Names> = BTreeMap::new();
    for (at, (host, found)) in hosts.iter().zip(&facts.found).enumerate() {
        let recalled = facts.recall.hosts.get(at);
        let recipe = given.or(recalled.and_then(Recalled::recipe));
        let (Some(recipe), Found::Absent(_) | Found::Ended(_)) = (recipe, found) else { continue };
        let mut host = host.clone();
        let applied = recalled.filter(|_| given.is_none()).map_or(Ok(()), |recalled| recalled.apply(&mut host));
        let region = host.str("region").unwrap_or(facts.region.clone());
        let sets = &recipe.file.profile.volume_sets;
        let disks = facts.volumes_of(at).and_then(|known| for_launch(host.host(), sets, &known, &region));
        if let Some(zone) = disks.ok().and_then(|disks| disks.zone) {
            host.set("zone", zone);
        }
        if let Ok(attempts) = applied.and_then(|()| recipe.attempts(&host, &region, &spread.zones(at, &region))) {
            recipe.add_names(&attempts, regions.entry(region.clone()).or_default());
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
    let wanted = |(at, (host, found)): (usize, (&'a Record, &'a Found))| {
        let recalled = || Some(&facts.recall.hosts.get(at)?.recipe()?.file);
        let ids = match command_line.profile.or_else(recalled) {
            Some(file) if file.profile.volume_sets.is_empty() => return None,
            Some(file) => file.profile.volume_sets.iter().filter_map(|set| set.volume_id.clone()).collect(),
            // The records of a plan have all that is to be done.
            None => planned_places(host)?.into_iter().filter_map(|place| place.attach).collect(),
        };
        let (name, region) = match found {
            Found::One(instance) => (instance.host(), instance.str("region")),
            Found::Absent(_) | Found::Ended(_) => (host.host(), host.str("region")),
            Found::Several(_) | Found::Unknown(_) => return None,
        };
        let region = Some(region.unwrap_or(facts.region.clone())).filter(|region| !region.is_empty())?;
        Some(Wanted { region, host: name, ids })
    };
    hosts.iter().zip(&facts.found).enumerate().map(wanted).collect()
}

impl Facts {
    /// Returns what could not be looked up, or not in full.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let of_catalogs = self.catalogs.values().flat_map(|catalog| catalog.warnings.iter().cloned());
        let of_volumes =
            self.volumes.iter().filter_map(|known| known.as_ref().err()).map(|failure| failure.to_string());
        self.recall.warnings.iter().cloned().chain(of_catalogs).chain(of_volumes)
    }

    /// Returns what is known of a host's volumes.
    pub fn volumes_of(&self, host: usize) -> Result<HostVolumes> {
        self.volumes.get(host).cloned().unwrap_or_else(|| Ok(HostVolumes::default()))
    }

    /// Takes note of instances that were launched after the hosts were looked up, and before their volumes were.
    fn find_launched_by_others(&mut self, hosts: &[Record]) {
        for ((host, found), known) in hosts.iter().zip(&mut self.found).zip(&self.volumes) {
            if let (Found::Absent(_) | Found::Ended(_), Ok(known)) = (&*found, known)
                && let Some(instance) = known.live_instance(host.host())
            {
                *found = Found::One(instance.clone());
            }
        }
    }
}

/// Looks again at hosts whose last instance has just been launched and cannot be seen, until it can or the time is
/// over. Such a host only seems to be absent.
async fn see_new_instances(ec2: &Ec2, hosts: &[Record], recall: &Recall, found: &mut [Found]) {
    let deadline = Instant::now() + VISIBLE_AFTER;
    let mut pause = FIRST_PAUSE;
    loop {
        let now = SystemTime::now();
        let unseen = recall.hosts.iter().zip(found.iter_mut()).zip(hosts);
        let unseen: Vec<_> = unseen.filter(|((recalled, found), _)| is_unseen(recalled, found, now)).collect();
        if unseen.is_empty() || Instant::now() + pause > deadline {
            return;
        }
        tokio::select! {
            () = sleep(pause) => {}
            _ = ec2.interrupted() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
        let again = ec2.locate_again(unseen.iter().map(|(_, host)| Record::clone(host)).collect()).await;
        for (((_, found), _), again) in unseen.into_iter().zip(again) {
            *found = again;
        }
    }
}

/// Returns whether the last instance of a host was launched just before `now` and is not among those found.
fn is_unseen(recalled: &Recalled, found: &Found, now: SystemTime) -> bool {
    let Some(new) = recalled.new_instance(now) else { return false };
    match found {
        Found::Absent(_) => true,
        Found::Ended(last) => last.str("instance_id").as_deref() != Some(new),
        Found::One(_) | Found::Several(_) | Found::Unknown(_) => false,
    }
}

/// Returns what the plan in a record says of volumes, if it does.
fn planned_places(record: &Record) -> Option<Vec<Place>> {
    serde_json::from_value(record.get("plan")?.get("volumes")?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use cerveza_manners::Failure;

    #[test]
    fn only_an_instance_that_was_just_launched_may_be_unseen() {
        let launch_time = Some("2026-01-02T03:00:00Z".to_string());
        let memory = Memory { instance_id: Some("i-2".into()), launch_time, ..Memory::default() };
        let recipe = Err(Failure::unreached("none"));
        let recalled = Recalled::Memory { memory: Box::new(memory), recipe, files: Default::default() };
        let at = |time| humantime::parse_rfc3339(time).unwrap();
        let ended = |id: &str| Found::Ended(Record::parse(&format!(r#"{{"host":"a","instance_id":"{id}"}}"#)).unwrap());
        let absent = Found::Absent(vec!["us-east-1".into()]);
        let soon = at("2026-01-02T03:00:20Z");
        assert!(is_unseen(&recalled, &absent, soon));
        assert!(is_unseen(&recalled, &ended("i-1"), soon));
        assert!(!is_unseen(&recalled, &ended("i-2"), soon));
        assert!(!is_unseen(&Recalled::Nothing, &absent, soon));
        // The clocks of this machine and of EC2 differ.
        assert!(is_unseen(&recalled, &absent, at("2026-01-02T02:59:00Z")));
        assert!(!is_unseen(&recalled, &absent, at("2026-01-02T04:30:00Z")));
    }
}
