//! Launches one host: tries one request after another while EC2 has no capacity.

use crate::execute::twins::live_instance;
use crate::plan::Launch;
use cerveza_ec2::{Ec2, LAUNCHED, LaunchAttempt, LaunchRequest, NO_ACTION, NotLaunched};
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, Value, json};

/// Launches the host of a record, and returns what was done. The record gets the instance, or the place of the last
/// attempt, and `attempts` if EC2 had no capacity for some.
pub async fn launch_host(ec2: &Ec2, record: &mut Record, launch: &Launch) -> Result<&'static str> {
    let host = record.host().to_string();
    let mut failed = FailedAttempts::default();
    for (number, request) in launch.requests.iter().enumerate() {
        record.set("region", request.region.as_str());
        record.set("zone", request.zone.clone());
        if ec2.is_interrupted() {
            return Err(Failure::interrupted().within("not launched"));
        }
        // Each request has its own token, so another run may have launched the host with an earlier request.
        if number > 0
            && let Some(instance) = live_instance(ec2, &request.region, record).await?
        {
            record.merge(instance);
            return Ok(NO_ACTION);
        }
        let attempt = LaunchAttempt { host: &host, generation: &launch.generation, number, request };
        match ec2.launch(attempt).await {
            Ok(instance) => {
                record.merge(instance);
                return Ok(LAUNCHED);
            }
            Err(NotLaunched::Failed(failure)) => return Err(failure),
            Err(NotLaunched::NoCapacity(failure)) => failed.note_failure(record, request, failure),
        }
    }
    Err(failed.failure())
}

/// The attempts that failed because EC2 has no capacity.
#[derive(Default)]
struct FailedAttempts {
    attempts: Vec<Value>,
    last: Option<Failure>,
}

impl FailedAttempts {
    fn note_failure(&mut self, record: &mut Record, request: &LaunchRequest, failure: Failure) {
        self.attempts.push(json!({
            "zone": request.zone,
            "instance_type": request.instance_type,
            "error": failure.message,
        }));
        record.set("attempts", self.attempts.clone());
        self.last = Some(failure);
    }

    fn failure(self) -> Failure {
        let last = self.last.unwrap_or_else(|| Failure::unreached("there is nothing to launch it from"));
        match self.attempts.len() {
            0 | 1 => last,
            count => last.within(format!("all {count} instance types and zones were tried, the last one")),
        }
    }
}
