//! Launches one host: tries one request after another while EC2 has no capacity.

use crate::plan::Launch;
use cerveza_ec2::{Ec2, Filter, LIVE_STATES, LaunchAttempt, LaunchRequest, NotLaunched};
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, Value, json};
use std::collections::BTreeMap;

/// Launches the host of a record, and returns what was done. The record gets the instance, or the place of the last
/// attempt, and `attempts` if EC2 had no capacity for some.
pub async fn launch_host(ec2: &Ec2, record: &mut Record, launch: &Launch) -> Result<&'static str> {
    let host = record.host().to_string();
    let mut attempts = Attempts::default();
    for (number, request) in launch.attempts.iter().enumerate() {
        record.set("region", request.region.as_str());
        record.set("zone", request.zone.clone());
        if ec2.is_interrupted() {
            return Err(Failure::interrupted().within("not launched"));
        }
        // Each request has its own token, so another run may have had luck with one of those before.
        if number > 0
            && let Some(instance) = live_instance(ec2, &request.region, &host).await?
        {
            record.merge(instance);
            return Ok("unchanged");
        }
        let attempt = LaunchAttempt { host: &host, generation: &launch.generation, number, request };
        match ec2.launch(attempt).await {
            Ok(instance) => {
                record.merge(instance);
                return Ok("launched");
            }
            Err(NotLaunched::Failed(failure)) => return Err(failure),
            Err(NotLaunched::NoCapacity(failure)) => attempts.note_failure(record, request, failure),
        }
    }
    Err(attempts.failure())
}

/// The attempts that failed because EC2 has no capacity.
#[derive(Default)]
struct Attempts {
    failed: Vec<Value>,
    last: Option<Failure>,
}

impl Attempts {
    fn note_failure(&mut self, record: &mut Record, request: &LaunchRequest, failure: Failure) {
        self.failed.push(json!({
            "zone": request.zone,
            "instance_type": request.instance_type,
            "error": failure.message,
        }));
        record.set("attempts", self.failed.clone());
        self.last = Some(failure);
    }

    fn failure(self) -> Failure {
        let last = self.last.unwrap_or_else(|| Failure::unreached("there is nothing to launch it from"));
        match self.failed.len() {
            0 | 1 => last,
            count => last.within(format!("all {count} instance types and zones were tried, the last one")),
        }
    }
}

/// Returns the live instance of a name, if there is one.
async fn live_instance(ec2: &Ec2, region: &str, host: &str) -> Result<Option<Record>> {
    let mut live = live_instances(ec2, region, &[host]).await?;
    match live.remove(host).unwrap_or_default() {
        instances if instances.len() > 1 => Err(Failure::unreached(format!(
            "several live instances have this name: {}",
            instances.iter().map(described).collect::<Vec<_>>().join(", ")
        ))),
        instances => Ok(instances.into_iter().next()),
    }
}

/// Returns the live instances of some names.
async fn live_instances(ec2: &Ec2, region: &str, hosts: &[&str]) -> Result<BTreeMap<String, Vec<Record>>> {
    let mut live: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for instance in ec2.find(region, &[Filter::exact("tag:Name", hosts)]).await? {
        if instance.str("state").is_some_and(|state| LIVE_STATES.contains(&state.as_str())) {
            live.entry(instance.host().to_string()).or_default().push(instance);
        }
    }
    Ok(live)
}

fn described(instance: &Record) -> String {
    let text = |key| instance.str(key).unwrap_or_default();
    format!("{} in {}", text("instance_id"), text("zone"))
}

/// Finds the hosts (region, name) that have more than one live instance: EC2 keeps only launches of one zone apart from
/// each other. Returns for each what is wrong.
pub async fn twins(ec2: &Ec2, hosts: &[(String, String)]) -> BTreeMap<String, Failure> {
    let mut regions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (region, host) in hosts {
        regions.entry(region).or_default().push(host);
    }
    let mut twins = BTreeMap::new();
    for (region, hosts) in regions {
        match live_instances(ec2, region, &hosts).await {
            Ok(live) => {
                twins.extend(live.into_iter().filter(|(_, instances)| instances.len() > 1).map(|(host, instances)| {
                    let all: Vec<String> = instances.iter().map(described).collect();
                    let why = format!("another run has launched it at the same time: it has {}", all.join(", "));
                    (
                        host,
                        Failure::unreached(why)
                            .hint("terminate all but one, by its id, as in `ec2-power terminate i-...`"),
                    )
                }))
            }
            Err(failure) => {
                let why = failure.within("it may have been launched twice, which cannot be checked");
                twins.extend(hosts.iter().map(|host| (host.to_string(), why.clone())));
            }
        }
    }
    twins
}
