//! Attaches existing volumes to instances. A volume that an instance which is ending still has is waited for.
//!
//! A volume is attached to one instance at a time, so AttachVolume cannot take effect twice: whatever a call says, the
//! next look at the volume tells what became of it.

use crate::change::limit::Limit;
use crate::client::failure::failure;
use crate::client::verdict::{code, is_ambiguous};
use crate::client::{CONCURRENCY, Ec2};
use crate::instance::has_ended;
use crate::resources::volumes::EbsVolume;
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tokio::time::sleep;

/// A volume that an instance is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachNeed {
    pub region: String,
    pub instance_id: String,
    pub volume_id: String,
    pub device: String,
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is done next for a volume.
#[derive(Debug, PartialEq)]
enum Next {
    Done,
    Attach,
    /// Looks again, and says this if it was the last look.
    Wait(String),
    Fail(Failure),
}

impl Ec2 {
    /// Attaches each volume and waits until it is attached; returns one result for each, in order. `done` is called
    /// once for each.
    pub async fn attach_volumes(&self, needs: &[AttachNeed], timeout: Duration, done: impl Fn()) -> Vec<Result<()>> {
        let limit = Limit::new(timeout);
        let mut results: Vec<Option<Result<()>>> = needs.iter().map(|_| None).collect();
        // What the last AttachVolume of a volume said.
        let mut refused: HashMap<usize, Failure> = HashMap::new();
        let mut pause = FIRST_PAUSE;
        loop {
            let pending: Vec<usize> = (0..needs.len()).filter(|index| results[*index].is_none()).collect();
            if pending.is_empty() {
                break;
            }
            let seen = self.see_volumes(pending.iter().map(|index| &needs[*index])).await;
            let is_last = limit.is_over();
            let (mut to_attach, mut has_progressed) = (Vec::new(), false);
            for index in pending {
                let need = &needs[index];
                let result = match seen[&need.region].as_ref().map(|seen| next(need, seen)) {
                    Ok(Next::Done) => Ok(()),
                    Ok(Next::Fail(failure)) => Err(failure),
                    Err(failure) => Err(failure.clone()),
                    Ok(_) if self.is_interrupted() => Err(Failure::interrupted()),
                    Ok(Next::Attach) if !is_last => {
                        to_attach.push(index);
                        continue;
                    }
                    Ok(Next::Wait(_)) if !is_last => continue,
                    Ok(next) => Err(timed_out(need, next, refused.get(&index), &limit)),
                };
                results[index] = Some(result);
                has_progressed = true;
                done();
            }
            let attached =
                stream::iter(to_attach).map(|index| async move { (index, self.attach(&needs[index]).await) });
            for (index, attached) in attached.buffer_unordered(CONCURRENCY).collect::<Vec<_>>().await {
                match attached {
                    Ok(()) => has_progressed = true,
                    Err(AttachError::LookAgain(failure)) => drop(refused.insert(index, failure)),
                    Err(AttachError::Refused(failure)) => {
                        results[index] = Some(Err(failure));
                        done();
                    }
                }
            }
            if has_progressed {
                limit.progressed();
                pause = FIRST_PAUSE;
            }
            if results.iter().all(Option::is_some) {
                break;
            }
            tokio::select! {
                () = sleep(limit.at_most(pause)) => {}
                () = self.interrupt.wait() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        results.into_iter().map(|result| result.unwrap_or_else(|| Err(Failure::interrupted()))).collect()
    }

    async fn attach(&self, need: &AttachNeed) -> std::result::Result<(), AttachError> {
        let region = need.region.as_str();
        let request = self.client(region).attach_volume().volume_id(&need.volume_id).instance_id(&need.instance_id);
        let request = request.device(&need.device);
        let error = match self.call("AttachVolume", region, 1, || request.clone().send()).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let failure = failure("AttachVolume", region, &error);
        match code(&error) {
            // Another run has attached it just now, or EC2 does not list the instance as running yet.
            Some("VolumeInUse" | "IncorrectState" | "IncorrectInstanceState") => Err(AttachError::LookAgain(failure)),
            _ if is_ambiguous(&error) => Err(AttachError::LookAgain(failure)),
            _ => Err(AttachError::Refused(failure)),
        }
    }

    /// Looks at the volumes of each region, and at the instances that have them.
    async fn see_volumes<'a>(
        &self,
        needs: impl Iterator<Item = &'a AttachNeed>,
    ) -> BTreeMap<String, Result<SeenVolumes>> {
        let mut regions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for need in needs {
            regions.entry(&need.region).or_default().insert(need.volume_id.clone());
        }
        let mut seen = BTreeMap::new();
        for (region, ids) in regions {
            let ids: Vec<String> = ids.into_iter().collect();
            seen.insert(region.to_string(), self.see_volumes_in(region, &ids).await);
        }
        seen
    }

    async fn see_volumes_in(&self, region: &str, ids: &[String]) -> Result<SeenVolumes> {
        let volumes = self.volumes(region, "volume-id", ids).await?;
        let holders = self.holders(region, &volumes).await?;
        Ok(SeenVolumes { volumes, holders })
    }

    /// Returns the instances that use these volumes, by id. One that is not listed may be new.
    pub async fn holders(&self, region: &str, volumes: &[EbsVolume]) -> Result<HashMap<String, Record>> {
        let attachments = volumes.iter().flat_map(|volume| &volume.attachments);
        let ids: BTreeSet<&str> = attachments.map(|attachment| attachment.instance_id.as_str()).collect();
        self.instances(region, ids).await
    }
}

/// Why AttachVolume has not attached a volume.
enum AttachError {
    /// The state of the volume decides what to do.
    LookAgain(Failure),
    Refused(Failure),
}

/// One look at the volumes of a region.
struct SeenVolumes {
    volumes: Vec<EbsVolume>,
    /// The instances that have one of them.
    holders: HashMap<String, Record>,
}

impl EbsVolume {
    /// Returns the instance that keeps the volume from being attached to `instance_id`, if any: one that lives, or that
    /// is too new to be among `holders`.
    pub fn live_holder(&self, instance_id: Option<&str>, holders: &HashMap<String, Record>) -> Option<&str> {
        let is_live = |id: &&str| !holders.get(*id).is_some_and(has_ended);
        let ids = self.attachments.iter().map(|attachment| attachment.instance_id.as_str());
        ids.filter(|id| Some(*id) != instance_id).find(is_live)
    }
}

fn next(need: &AttachNeed, seen: &SeenVolumes) -> Next {
    let id = need.volume_id.as_str();
    let Some(volume) = seen.volumes.iter().find(|volume| volume.id == *id) else {
        return Next::Fail(Failure::unreached(format!("there is no volume {id} in {}", need.region)));
    };
    if let Some(own) = volume.attachment_to(&need.instance_id) {
        return match own.state.as_str() {
            "attached" => Next::Done,
            state => Next::Wait(format!("{id} is still {state}")),
        };
    }
    if let Some(other) = volume.attachments.first() {
        let holder = &other.instance_id;
        if volume.live_holder(Some(&need.instance_id), &seen.holders).is_some() && other.state != "detaching" {
            return Next::Fail(Failure::unreached(format!("{id} is in use by {holder}")).hint(IN_USE));
        }
        let state = seen.holders.get(holder).and_then(|holder| holder.str("state"));
        let state = state.map_or(String::new(), |state| format!(", which is {state}"));
        return Next::Wait(format!("{id} is still attached to {holder}{state}"));
    }
    match volume.state.as_str() {
        "available" => Next::Attach,
        state @ ("creating" | "in-use") => Next::Wait(format!("{id} is still {state}")),
        state => Next::Fail(Failure::unreached(format!("{id} is in the state {state}"))),
    }
}

const IN_USE: &str = "ec2-launch does not take a volume away from an instance: detach it first";

fn timed_out(need: &AttachNeed, next: Next, refused: Option<&Failure>, limit: &Limit) -> Failure {
    let why = match (next, refused) {
        (Next::Wait(why), _) => why,
        (_, Some(failure)) => failure.message.clone(),
        _ => format!("{} is not attached", need.volume_id),
    };
    Failure::unreached(format!("{why} after {}", limit.timeout_text()))
        .hint("run the same command again, or wait longer with --timeout")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::volumes::Attachment;

    fn next_with(state: &str, attachments: &[(&str, &str)], holders: &[(&str, &str)]) -> Next {
        let need = AttachNeed {
            region: "us-east-1".into(),
            instance_id: "i-1".into(),
            volume_id: "vol-1".into(),
            device: "/dev/sdf".into(),
        };
        let attachments = attachments.iter().map(|(instance, state)| Attachment {
            instance_id: instance.to_string(),
            state: state.to_string(),
            ..Attachment::default()
        });
        let volume = EbsVolume {
            id: "vol-1".into(),
            state: state.into(),
            attachments: attachments.collect(),
            ..EbsVolume::default()
        };
        let holder = |(id, state): &(&str, &str)| {
            let mut record = Record::named("web1");
            record.set("state", *state);
            (id.to_string(), record)
        };
        let holders = holders.iter().map(holder).collect();
        next(&need, &SeenVolumes { volumes: vec![volume], holders })
    }

    #[test]
    fn free_volume_is_attached_and_waited_for() {
        assert_eq!(next_with("available", &[], &[]), Next::Attach);
        assert_eq!(next_with("creating", &[], &[]), Next::Wait("vol-1 is still creating".into()));
        let attaching = next_with("in-use", &[("i-1", "attaching")], &[("i-1", "running")]);
        assert_eq!(attaching, Next::Wait("vol-1 is still attaching".into()));
        assert_eq!(next_with("in-use", &[("i-1", "attached")], &[("i-1", "running")]), Next::Done);
        assert!(matches!(next_with("error", &[], &[]), Next::Fail(_)));
    }

    #[test]
    fn volume_of_an_instance_that_is_ending_is_waited_for_and_never_taken_from_a_live_one() {
        for state in ["shutting-down", "terminated"] {
            let why = format!("vol-1 is still attached to i-0, which is {state}");
            assert_eq!(next_with("in-use", &[("i-0", "attached")], &[("i-0", state)]), Next::Wait(why));
        }
        assert!(matches!(next_with("in-use", &[("i-0", "attached")], &[]), Next::Fail(_)));
        assert!(matches!(next_with("in-use", &[("i-0", "detaching")], &[("i-0", "running")]), Next::Wait(_)));
        let Next::Fail(failure) = next_with("in-use", &[("i-0", "attached")], &[("i-0", "stopped")]) else {
            panic!("takes a volume from an instance");
        };
        assert_eq!(failure.message, "vol-1 is in use by i-0");
    }
}
