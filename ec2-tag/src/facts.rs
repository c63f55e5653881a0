//! Looks up what the decision needs of the account: the tags of volumes, and which instances have a name already.

use crate::plan::{VolumeTags, Volumes, volumes_of};
use crate::wanted::Wanted;
use cerveza_ec2::{Acted, Ec2, Filter, LIVE_STATES};
use cerveza_manners::{Failure, Result};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

#[derive(Debug, Default)]
pub struct Facts {
    pub volumes: Volumes,
    /// Instances (region and id) whose new name another instance has, or gets in this run: its id and the name.
    taken: HashMap<(String, String), (String, String)>,
}

/// What has to be read of one region.
#[derive(Default)]
struct Needed {
    volumes: BTreeSet<String>,
    /// New names, with the instances that are to get them.
    names: BTreeMap<String, BTreeSet<String>>,
}

impl Facts {
    /// Reads what the hosts of one account need. A host fails if its facts cannot be read.
    pub async fn read(
        facts: &RefCell<Facts>,
        ec2: &Ec2,
        acted: &mut [Acted],
        wanted: &Wanted,
        volume_tags: VolumeTags,
    ) {
        let mut regions: BTreeMap<String, Needed> = BTreeMap::new();
        for host in acted.iter().filter(|host| host.result.is_ok()) {
            let (region, id) = host.instance_key();
            let Needed { volumes, names } = regions.entry(region).or_default();
            if volume_tags.any() {
                volumes.extend(volumes_of(&host.record).into_iter().map(|(volume, _)| volume));
            }
            if let Some(name) = new_name(host, wanted) {
                names.entry(name).or_default().insert(id);
            }
        }
        for (region, Needed { volumes, names }) in regions {
            let volumes: Vec<String> = volumes.into_iter().collect();
            let found = async {
                let volumes = if volumes.is_empty() {
                    Vec::new()
                } else {
                    ec2.volumes(&region, "volume-id", &volumes).await.map_err(|failure| {
                        let failure = failure.within("the tags of its volumes are not known");
                        if failure.hint.is_some() { failure } else { failure.hint("--no-volumes tags only the hosts") }
                    })?
                };
                Ok::<_, Failure>((volumes, holders(ec2, &region, names).await?))
            };
            match found.await {
                Ok((volumes, holders)) => {
                    let mut facts = facts.borrow_mut();
                    facts.volumes.extend(volumes.into_iter().map(|volume| (volume.id.clone(), volume)));
                    for (name, ids) in holders.iter().filter(|(_, ids)| ids.len() > 1) {
                        for id in ids {
                            let other = ids.iter().find(|other| *other != id).cloned().unwrap_or_default();
                            facts.taken.insert((region.clone(), id.clone()), (other, name.clone()));
                        }
                    }
                }
                Err(failure) => {
                    let of_region = |host: &&mut Acted| host.result.is_ok() && host.instance_key().0 == region;
                    acted.iter_mut().filter(of_region).for_each(|host| host.result = Err(failure.clone()));
                }
            }
        }
    }

    /// Refuses a name that another live instance has: with two of it neither can be addressed by it.
    pub fn check_name(&self, host: &Acted) -> Result<()> {
        match self.taken.get(&host.instance_key()) {
            None => Ok(()),
            Some((other, name)) => {
                Err(Failure::unreached(format!("{other} already has the name {name}, or gets it in this run")))
            }
        }
    }
}

/// Returns the live instances that have each name, or get it.
async fn holders(
    ec2: &Ec2,
    region: &str,
    mut names: BTreeMap<String, BTreeSet<String>>,
) -> Result<BTreeMap<String, BTreeSet<String>>> {
    if !names.is_empty() {
        let named = [Filter::exact("tag:Name", names.keys()), Filter::new("instance-state-name", LIVE_STATES)];
        for instance in ec2.find(region, &named).await? {
            if let (Some(ids), Some(id)) = (names.get_mut(instance.host()), instance.str("instance_id")) {
                ids.insert(id);
            }
        }
    }
    Ok(names)
}

/// Returns the name that a host gets, if it has another one. A template that fails is said later.
fn new_name(host: &Acted, wanted: &Wanted) -> Option<String> {
    if !wanted.set.iter().any(|(key, _)| key == "Name") {
        return None;
    }
    let tags = wanted.tags_of(&host.record).ok()?;
    let (_, name) = tags.set.into_iter().find(|(key, _)| key == "Name")?;
    (!name.is_empty()).then_some(name)
}
