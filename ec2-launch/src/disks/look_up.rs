//! Looks up the volumes of hosts: those with their names, and those that their profiles name by id.

use super::choose::HostVolumes;
use cerveza_ec2::{Attachment, EbsVolume, Ec2, VISIBLE_AFTER};
use cerveza_manners::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// What is looked up for one host.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    pub region: String,
    pub host: &'a str,
    /// The volumes that the profile or the plan names.
    pub ids: Vec<String>,
}

/// Returns what is known of each host's volumes, in order; nothing of `None`.
pub async fn host_volumes(ec2: &Ec2, wanted: &[Option<Wanted<'_>>]) -> Vec<Result<HostVolumes>> {
    let mut regions: BTreeMap<&str, Vec<&Wanted>> = BTreeMap::new();
    for wanted in wanted.iter().flatten() {
        regions.entry(&wanted.region).or_default().push(wanted);
    }
    let mut known = BTreeMap::new();
    for (region, wanted) in regions {
        known.insert(region, look_up(ec2, region, &wanted).await);
    }
    let of_host = |wanted: &Option<Wanted>| {
        let Some((wanted, known)) = wanted.as_ref().and_then(|it| Some((it, known.get(it.region.as_str())?))) else {
            return Ok(HostVolumes::default());
        };
        let known = known.as_ref().map_err(|failure| failure.clone().within("its volumes cannot be looked up"))?;
        let is_meant = |volume: &&EbsVolume| volume.tag("Name") == Some(wanted.host) || wanted.ids.contains(&volume.id);
        let volumes: Vec<EbsVolume> = known.volumes.iter().filter(is_meant).cloned().collect();
        let attachments = volumes.iter().flat_map(|volume| &volume.attachments);
        let holder = |attachment: &Attachment| known.holders.get_key_value(&attachment.instance_id);
        let holders = attachments.filter_map(holder).map(|(id, holder)| (id.clone(), holder.clone())).collect();
        Ok(HostVolumes { volumes, holders })
    };
    wanted.iter().map(of_host).collect()
}

/// Looks until all instances that use one of the volumes are listed: a new one may be missing for a while.
async fn look_up(ec2: &Ec2, region: &str, wanted: &[&Wanted<'_>]) -> Result<HostVolumes> {
    let deadline = Instant::now() + VISIBLE_AFTER;
    let mut pause = FIRST_PAUSE;
    loop {
        let known = look_up_region(ec2, region, wanted).await?;
        let attachments = known.volumes.iter().flat_map(|volume| &volume.attachments);
        let is_new = attachments.into_iter().any(|attachment| !known.holders.contains_key(&attachment.instance_id));
        if !is_new || Instant::now() + pause > deadline {
            return Ok(known);
        }
        tokio::select! {
            () = sleep(pause) => {}
            _ = ec2.interrupted() => return Ok(known),
        }
        pause *= 2;
    }
}

async fn look_up_region(ec2: &Ec2, region: &str, wanted: &[&Wanted<'_>]) -> Result<HostVolumes> {
    let hosts: BTreeSet<String> = wanted.iter().map(|wanted| wanted.host.to_string()).collect();
    let ids: BTreeSet<String> = wanted.iter().flat_map(|wanted| wanted.ids.iter().cloned()).collect();
    let mut volumes = ec2.volumes(region, "tag:Name", &hosts.into_iter().collect::<Vec<_>>()).await?;
    for volume in ec2.volumes(region, "volume-id", &ids.into_iter().collect::<Vec<_>>()).await? {
        if volumes.iter().all(|known| known.id != volume.id) {
            volumes.push(volume);
        }
    }
    let holders = ec2.holders(region, &volumes).await?;
    Ok(HostVolumes { volumes, holders })
}
