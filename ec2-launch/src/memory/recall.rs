//! Reads what is remembered of hosts, and decides what is to be remembered.

use crate::memory::remembered_profile::{CommandLine, RecipeReader, digests, warn_of_changes};
use crate::memory::{Memory, tags_note, with_hint};
use crate::request::Recipe;
use cerveza_ec2::{Ec2, Found, MemoryFailure, is_instance_id};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use hostrange::fold;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Instances that have ended are listed for about an hour (EC2 user guide, "Terminate Amazon EC2 instances"). This is
/// less, because clocks differ.
const LISTED: Duration = Duration::from_secs(15 * 60);

/// What earlier runs have left of one host.
#[derive(Clone, Debug, Default)]
pub enum HostRecall {
    /// Nothing is remembered, or nothing was asked for.
    #[default]
    Nothing,
    Memory {
        memory: Box<Memory>,
        /// What to launch the host by, or why that cannot be had. A host that has an instance is never refused. None
        /// with --profile, which counts then.
        recipe: Option<Result<Arc<Recipe>>>,
        /// SHA-256 of the profile's files as they are now.
        files: BTreeMap<String, String>,
    },
    /// There is no memory, but the tags of an instance name the profile.
    Tags {
        /// What to launch the host by, or why not: the profile has changed since or is not here.
        recipe: Result<Arc<Recipe>>,
        instance: Box<Record>,
    },
    /// The memory could not be read.
    Unknown(Failure),
}

/// What the memories of all hosts have in common.
#[derive(Clone, Debug, Default)]
pub struct Recall {
    /// Whether what is done now is to be remembered.
    pub remembers: bool,
    /// SHA-256 of the files of --profile.
    pub files: BTreeMap<String, String>,
    pub warnings: Vec<String>,
}

impl HostRecall {
    /// Returns what to launch the host by.
    pub fn recipe(&self) -> Option<&Recipe> {
        match self {
            HostRecall::Memory { recipe, .. } => recipe.as_ref()?.as_deref().ok(),
            HostRecall::Tags { recipe, .. } => recipe.as_deref().ok(),
            HostRecall::Nothing | HostRecall::Unknown(_) => None,
        }
    }

    /// Makes the record of a host that is launched again what it was.
    pub fn apply(&self, host: &mut Record) -> Result<()> {
        let memory = match self {
            HostRecall::Memory { memory, .. } => memory,
            HostRecall::Tags { recipe, instance } => {
                Memory::from_last_instance(instance).apply(host);
                if let Ok(recipe) = recipe {
                    host.set("remembered", tags_note(&recipe.file));
                }
                return Ok(());
            }
            HostRecall::Nothing | HostRecall::Unknown(_) => return Ok(()),
        };
        if memory.user_data.is_some() && host.str("user_data").is_none() {
            return Err(Failure::usage("its user-data was in its record, and is not remembered")
                .hint("send its record again, as in `mkuserdata --per-host ... | ec2-launch -`"));
        }
        memory.apply(host);
        host.set("remembered", memory.remembered_note());
        Ok(())
    }

    /// Returns why a host without an instance and a profile is not launched. `absent` is the failure that says so.
    pub fn refusal(&self, absent: Failure) -> Failure {
        const HINT: &str = "use --profile to launch it, or --region if it is in another region";
        match self {
            HostRecall::Memory { recipe: Some(Err(failure)), .. } | HostRecall::Tags { recipe: Err(failure), .. } => {
                failure.clone()
            }
            HostRecall::Unknown(failure) => {
                let why = format!("{}, and its memory cannot be read: {}", absent.message, failure.message);
                Failure::unreached(why).hint(HINT)
            }
            _ => absent.hint(HINT),
        }
    }

    /// Returns the id of the last instance that is remembered.
    pub fn last_instance(&self) -> Option<String> {
        self.memory()?.instance_id.clone()
    }

    /// Returns the id of the last instance if it was launched so shortly before `now` that EC2 lists it, even if it has
    /// ended.
    pub fn new_instance(&self, now: SystemTime) -> Option<&str> {
        let memory = self.memory()?;
        let launched = humantime::parse_rfc3339_weak(memory.launch_time.as_deref()?).ok()?;
        let is_old = now.duration_since(launched).is_ok_and(|age| age > LISTED);
        memory.instance_id.as_deref().filter(|_| !is_old)
    }

    fn memory(&self) -> Option<&Memory> {
        match self {
            HostRecall::Memory { memory, .. } => Some(memory),
            _ => None,
        }
    }
}

impl Recall {
    /// Returns what is to be remembered of a host, unless that is remembered already. `instance` is the host with the
    /// instance that it has; without one it is launched.
    pub fn next_memory(
        &self,
        host: &Record,
        instance: Option<&Record>,
        given: Option<&Recipe>,
        recalled: &HostRecall,
    ) -> Option<Memory> {
        let old = recalled.memory();
        let memory = match (given, recalled, instance) {
            _ if !self.remembers => return None,
            (Some(recipe), ..) => Memory::for_launch(host, recipe, &self.files),
            (None, HostRecall::Memory { recipe: Some(Ok(recipe)), files, .. }, None) => {
                Memory { profile: old.and_then(|old| old.profile.clone()), ..Memory::for_launch(host, recipe, files) }
            }
            (None, HostRecall::Memory { memory, .. }, Some(_)) => Memory::clone(memory),
            (None, HostRecall::Tags { recipe: Ok(recipe), .. }, None) => {
                Memory::for_launch(host, recipe, &digests(&recipe.file))
            }
            _ => return None,
        };
        let memory = match old {
            Some(old) => memory.continues(old),
            None => memory,
        };
        match instance {
            None => Some(memory),
            Some(instance) => Some(memory.with_instance(instance, old)).filter(|memory| Some(memory) != old),
        }
    }
}

pub const PERMISSIONS: &str = "to remember hosts, ec2-launch needs the permissions ssm:GetParameters and ssm:PutParameter on \
                           parameter/cerveza/hosts/*; use --no-remember to do without";

/// Reads what is remembered of each host. `region` is that of hosts without one of their own.
pub async fn recall(
    ec2: &Ec2,
    hosts: &[Record],
    found: &[Found],
    region: &str,
    args: &CommandLine<'_>,
) -> (Recall, Vec<HostRecall>) {
    let place = |host: &Record| (host.str("region").unwrap_or(region.to_string()), host.host().to_string());
    let is_asked = |host: &Record, found: &Found| {
        !is_instance_id(host.host()) && !matches!(found, Found::Unknown(_) | Found::Several(_))
    };
    let places: Vec<_> =
        hosts.iter().zip(found).filter(|(host, found)| is_asked(host, found)).map(|(host, _)| place(host)).collect();
    let texts = tokio::select! {
        texts = ec2.read_memory(&places) => texts,
        failure = ec2.interrupted() => {
            let failed = |place: &(String, String)| (place.clone(), Err(MemoryFailure::new(failure.clone())));
            places.iter().map(failed).collect()
        }
    };
    let denied = texts.values().any(|text| text.as_ref().is_err_and(|failure| failure.denied));
    let files = args.profile.map(digests).unwrap_or_default();
    let mut recall = Recall { remembers: !denied, files, ..Recall::default() };
    let mut recalled = Vec::new();
    let mut reader = RecipeReader::new(args);
    let mut failures: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (host, found) in hosts.iter().zip(found) {
        let place = place(host);
        let memory = match texts.get(&place).filter(|_| is_asked(host, found)) {
            Some(Ok(Some(text))) => Memory::parse(text).map(Some),
            Some(Err(MemoryFailure { failure, denied: true, .. })) => Err(failure.clone().hint(PERMISSIONS)),
            Some(Err(MemoryFailure { failure, .. })) => Err(failure.clone()),
            Some(Ok(None)) | None => Ok(None),
        };
        if let Err(failure) = &memory {
            failures.entry(with_hint(failure)).or_default().push(host.host());
        }
        recalled.push(recall_host(&mut reader, found, memory, denied, &mut recall.warnings));
    }
    let unread = failures.into_iter().map(|(why, hosts)| {
        if denied {
            // It is the same for all hosts.
            format!("memory is not used: {why}")
        } else {
            format!("{}: memory cannot be read: {why}", fold(hosts))
        }
    });
    recall.warnings.splice(0..0, unread.collect::<Vec<_>>());
    recall.warnings.dedup();
    (recall, recalled)
}

/// Returns what is known of a host. `denied` says that the account lacks the permission to read memories. Then the tags
/// of an ended instance serve.
fn recall_host(
    reader: &mut RecipeReader<'_>,
    found: &Found,
    memory: Result<Option<Memory>>,
    denied: bool,
    warnings: &mut Vec<String>,
) -> HostRecall {
    let instance = match found {
        Found::One(instance) => Some(instance),
        Found::Ended(last) if denied || memory.is_ok() => Some(last),
        _ => None,
    };
    let has_instance = matches!(found, Found::One(_));
    match memory {
        Ok(Some(memory)) => {
            let (recipe, files) = match reader.args.profile {
                Some(_) => Default::default(),
                None => {
                    let (recipe, files) = reader.remembered_recipe(&memory, has_instance, warnings);
                    (Some(recipe), files)
                }
            };
            if !has_instance && matches!(recipe, Some(Ok(_))) {
                warn_of_changes(&memory, &files, warnings);
            }
            HostRecall::Memory { memory: memory.into(), recipe, files }
        }
        other => {
            let instance = instance.filter(|_| reader.args.profile.is_none());
            let tags =
                instance.and_then(|instance| Some((reader.tagged_recipe(instance, has_instance)?, instance.clone())));
            match tags {
                Some((recipe, instance)) => HostRecall::Tags { recipe, instance: instance.into() },
                None => other.map_or_else(HostRecall::Unknown, |_| HostRecall::Nothing),
            }
        }
    }
}
