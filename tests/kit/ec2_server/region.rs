//! What one region of the account holds, and how that changes as time goes by.

use super::catalog::{Catalog, Placement};
use super::params::{ApiError, Params};
use super::run_command::RunCommand;
use super::s3::S3;
use super::status::Health;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant, SystemTime};

pub const ACCOUNT: &str = "123456789012";

pub type Tags = BTreeMap<String, String>;

/// How the server behaves. The default is EC2 at its quickest: new instances are visible and run at once.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long RunInstances takes to answer, after its effect.
    pub launch_delay: Duration,
    /// How long a new instance and its volumes cannot be found, as RunInstances' "eventual consistency" has it.
    pub invisible: Duration,
    /// How many DescribeInstances that would have found a new instance do not find it.
    pub invisible_describes: u32,
    pub pending: Duration,
    pub stopping: Duration,
    pub shutting_down: Duration,
    /// How long a terminated instance is still listed. EC2 does that for about an hour.
    pub listed: Duration,
    /// How long a volume takes to attach or detach.
    pub attaching: Duration,
    /// How much faster than EC2's the token buckets refill; `None` is without buckets.
    pub buckets: Option<f64>,
    /// Whether the account has a default VPC.
    pub default_vpc: bool,
    /// How many addresses the account may have.
    pub addresses: usize,
    /// The ids of a server come after this number, so two servers can have ids of their own.
    pub ids_after: u64,
    /// How long a command of SSM cannot be found after it was sent.
    pub command_invisible: Duration,
    pub s3: S3,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            launch_delay: Duration::ZERO,
            invisible: Duration::ZERO,
            invisible_describes: 0,
            pending: Duration::ZERO,
            stopping: Duration::ZERO,
            shutting_down: Duration::ZERO,
            listed: Duration::from_secs(3600),
            attaching: Duration::ZERO,
            buckets: None,
            default_vpc: true,
            addresses: 10_000,
            ids_after: 0,
            command_invisible: Duration::ZERO,
            s3: S3::default(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Instance {
    pub id: String,
    pub reservation: String,
    pub state: &'static str,
    /// When the state becomes the next one.
    pub(super) changes: Instant,
    pub(super) visible: Instant,
    pub(super) invisible_describes: u32,
    pub launched: SystemTime,
    /// All parameters of the RunInstances that made it.
    pub request: Params,
    pub tags: Tags,
    pub image_id: String,
    pub instance_type: String,
    pub architecture: &'static str,
    pub place: Placement,
    /// Ids and names.
    pub groups: Vec<(String, String)>,
    pub private_ip: String,
    /// An address of its own; an elastic one hides it.
    pub public_ip: Option<String>,
    pub ipv6: Option<String>,
    pub user_data: Option<String>,
    pub termination_protection: bool,
    pub stop_protection: bool,
    pub root_device: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Volume {
    pub id: String,
    pub(super) visible: Instant,
    pub created: SystemTime,
    /// In GiB.
    pub size: i64,
    pub kind: String,
    pub iops: Option<i64>,
    pub throughput: Option<i64>,
    pub encrypted: bool,
    pub kms_key: Option<String>,
    pub snapshot: Option<String>,
    pub zone: String,
    pub tags: Tags,
    pub attachment: Option<Attachment>,
}

#[derive(Clone, Debug)]
pub struct Attachment {
    pub instance: String,
    pub device: String,
    pub delete_on_termination: bool,
    /// `attaching`, `attached` or `detaching`.
    pub state: &'static str,
    pub(super) changes: Instant,
}

#[derive(Clone, Debug)]
pub struct Address {
    pub id: String,
    pub ip: String,
    pub tags: Tags,
    /// The id of the association, and that of the instance.
    pub association: Option<(String, String)>,
}

#[derive(Clone, Debug)]
pub struct Parameter {
    pub name: String,
    pub value: String,
    pub kind: String,
    pub tier: &'static str,
    pub version: i64,
    pub modified: SystemTime,
}

pub struct Region {
    pub name: String,
    pub catalog: Catalog,
    pub instances: Vec<Instance>,
    pub volumes: Vec<Volume>,
    pub addresses: Vec<Address>,
    pub parameters: BTreeMap<String, Parameter>,
    /// Client tokens of RunInstances with their zone: the parameters and the ids of the instances.
    pub(super) launches: HashMap<String, (Params, Vec<String>)>,
    /// Client tokens of CreateVolume: the parameters and the id of the volume.
    pub(super) creations: HashMap<String, (Params, String)>,
    /// Zones and types, any for `None`, without capacity.
    pub exhausted: Vec<(Option<String>, Option<String>)>,
    /// Instance types that EC2 begins to start, and stops again.
    pub unstartable: Vec<String>,
    /// Zones that are down.
    pub down: BTreeSet<String>,
    /// The console's output by the Name of the host or the id of the instance, and when it was written.
    pub consoles: HashMap<String, (String, SystemTime)>,
    /// The health of instances by their Name or id. Without it they are well.
    pub health: HashMap<String, Health>,
    /// Why instances are in their state, by their Name or id: code and message.
    pub state_reasons: HashMap<String, (&'static str, &'static str)>,
    /// Commands of Systems Manager.
    pub run_command: RunCommand,
    next_id: u64,
}

impl Region {
    pub fn new(name: &str, options: &Options) -> Region {
        Region {
            name: name.to_string(),
            catalog: Catalog::new(name, options.default_vpc),
            instances: Vec::new(),
            volumes: Vec::new(),
            addresses: Vec::new(),
            parameters: BTreeMap::new(),
            launches: HashMap::new(),
            creations: HashMap::new(),
            exhausted: Vec::new(),
            unstartable: Vec::new(),
            down: BTreeSet::new(),
            consoles: HashMap::new(),
            health: HashMap::new(),
            state_reasons: HashMap::new(),
            run_command: RunCommand::default(),
            next_id: options.ids_after,
        }
    }

    pub(super) fn number(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A new id, such as `vol-0000000000000001c`: ids of a kind rise.
    pub(super) fn id(&mut self, kind: &str) -> String {
        format!("{kind}-{:017x}", self.number())
    }

    /// Lets happen what is due by now.
    pub(super) fn settle(&mut self, options: &Options) {
        let now = Instant::now();
        for at in 0..self.instances.len() {
            let instance = &mut self.instances[at];
            if instance.changes > now {
                continue;
            }
            match instance.state {
                "pending" if self.unstartable.contains(&instance.instance_type) => instance.state = "stopped",
                "pending" => instance.state = "running",
                "stopping" => instance.state = "stopped",
                "shutting-down" => {
                    instance.state = "terminated";
                    instance.changes = now + options.listed;
                    let id = instance.id.clone();
                    self.let_go(&id);
                }
                _ => {}
            }
        }
        self.instances.retain(|instance| instance.state != "terminated" || instance.changes > now);
        for volume in &mut self.volumes {
            let Some(attachment) = volume.attachment.as_mut().filter(|attachment| attachment.changes <= now) else {
                continue;
            };
            match attachment.state {
                "attaching" => attachment.state = "attached",
                "detaching" => volume.attachment = None,
                _ => {}
            }
        }
    }

    /// A terminated instance loses its volumes and its address: "DeleteOnTermination ... If true, the volume is deleted"
    /// (EbsBlockDevice); an elastic address is disassociated when its instance is terminated (EC2 user guide).
    fn let_go(&mut self, id: &str) {
        let is_of = |volume: &Volume| volume.attachment.as_ref().is_some_and(|attachment| attachment.instance == id);
        let ends =
            |volume: &Volume| volume.attachment.as_ref().is_some_and(|attachment| attachment.delete_on_termination);
        self.volumes.retain(|volume| !is_of(volume) || !ends(volume));
        for at in 0..self.volumes.len() {
            if is_of(&self.volumes[at]) {
                self.volumes[at].attachment = None;
            }
        }
        let is_of = |address: &&mut Address| address.association.as_ref().is_some_and(|(_, instance)| instance == id);
        self.addresses.iter_mut().filter(is_of).for_each(|address| address.association = None);
    }

    /// The positions of the instances of these ids; an error that names those which are unknown or not visible.
    pub(super) fn instances_of(&self, ids: &[String]) -> Result<Vec<usize>, ApiError> {
        let malformed = ids.iter().find(|id| !id.starts_with("i-") || id.len() < 10);
        if let Some(id) = malformed {
            return Err(ApiError::new("InvalidInstanceID.Malformed", format!("Invalid id: \"{id}\"")));
        }
        let now = Instant::now();
        let at = |id: &String| self.instances.iter().position(|one| one.id == *id && one.visible <= now);
        let unknown: Vec<_> = ids.iter().filter(|id| at(id).is_none()).cloned().collect();
        match unknown.as_slice() {
            [] => Ok(ids.iter().filter_map(at).collect()),
            [id] => Err(ApiError::new("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"))),
            ids => {
                let message = format!("The instance IDs '{}' do not exist", ids.join(", "));
                Err(ApiError::new("InvalidInstanceID.NotFound", message))
            }
        }
    }

    pub(super) fn instance(&self, id: &str) -> Result<usize, ApiError> {
        Ok(self.instances_of(&[id.to_string()])?[0])
    }

    pub(super) fn volume(&self, id: &str) -> Result<usize, ApiError> {
        let now = Instant::now();
        let found = self.volumes.iter().position(|volume| volume.id == id && volume.visible <= now);
        found.ok_or_else(|| ApiError::new("InvalidVolume.NotFound", format!("The volume '{id}' does not exist.")))
    }

    pub(super) fn address(&self, id: &str) -> Result<usize, ApiError> {
        let message = || format!("The allocation ID '{id}' does not exist");
        let found = self.addresses.iter().position(|address| address.id == id);
        found.ok_or_else(|| ApiError::new("InvalidAllocationID.NotFound", message()))
    }

    /// Sets a parameter of Systems Manager, also a public one.
    pub fn put_parameter(&mut self, name: &str, value: &str) {
        let (name, value, kind) = (name.to_string(), value.to_string(), "String".to_string());
        let parameter =
            Parameter { name: name.clone(), value, kind, tier: "Standard", version: 1, modified: SystemTime::now() };
        self.parameters.insert(name, parameter);
    }

    /// The elastic address of an instance.
    pub fn address_of(&self, instance: &str) -> Option<&Address> {
        self.addresses.iter().find(|address| address.association.as_ref().is_some_and(|(_, id)| id == instance))
    }

    pub fn volumes_of<'a>(&'a self, instance: &'a str) -> impl Iterator<Item = (&'a Volume, &'a Attachment)> {
        let attached = |volume: &'a Volume| Some((volume, volume.attachment.as_ref()?));
        self.volumes.iter().filter_map(attached).filter(move |(_, attachment)| attachment.instance == instance)
    }

    /// The instances that carry this Name and are not terminated or about to be.
    pub fn live(&self, host: &str) -> Vec<&Instance> {
        let is_live = |instance: &&Instance| !["shutting-down", "terminated"].contains(&instance.state);
        let has_name = |instance: &&Instance| instance.tags.get("Name").is_some_and(|name| name == host);
        self.instances.iter().filter(is_live).filter(has_name).collect()
    }
}
