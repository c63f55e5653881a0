//! Instances that were launched a moment ago: EC2 may not list them for some seconds ("Eventual consistency in the
//! Amazon EC2 API", Amazon EC2 Developer Guide).

use crate::client::Ec2;
use crate::client::attempts::VISIBLE_AFTER;
use aws_sdk_ec2::primitives::{DateTime, DateTimeFormat};
use cerveza_record::Record;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep};

/// In seconds. More than [`VISIBLE_AFTER`], because clocks differ.
const NEW: i64 = 300;

pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Returns whether the host's record is of a launch that may still be invisible: less than five minutes ago, or by the
/// tool before if the record has no launch time.
pub fn is_new(host: &Record) -> bool {
    let age = || {
        let launched = DateTime::from_str(&host.str("launch_time")?, DateTimeFormat::DateTime).ok()?;
        Some(DateTime::from(SystemTime::now()).secs() - launched.secs())
    };
    let is_launched = || host.str("action").as_deref() == Some("launched");
    host.str("instance_id").is_some() && age().map_or_else(is_launched, |age| age < NEW)
}

impl Ec2 {
    /// Waits until these instances (region, id) are listed, in whatever state, or [`VISIBLE_AFTER`] is over.
    pub async fn wait_until_listed(&self, instances: &[(String, String)]) {
        let (deadline, mut pause) = (Instant::now() + VISIBLE_AFTER, FIRST_PAUSE);
        loop {
            // One whose region does not answer is not waited for.
            let listed = self.refresh(instances).await;
            if instances.iter().all(|(_, id)| listed.contains_key(id)) || Instant::now() + pause > deadline {
                return;
            }
            sleep(pause).await;
            pause *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_launch_of_the_last_minutes_is_new() {
        let now = DateTime::from(SystemTime::now());
        let is_new = |action: &str, seconds: Option<i64>| {
            let mut host = Record::named("web1");
            host.set("instance_id", "i-1");
            host.set("action", action);
            let time = |ago| DateTime::from_secs(now.secs() - ago).fmt(DateTimeFormat::DateTime).ok();
            host.set("launch_time", seconds.and_then(time));
            is_new(&host)
        };
        assert!(is_new("launched", Some(10)));
        assert!(is_new("unchanged", Some(10)));
        assert!(is_new("launched", None));
        assert!(!is_new("launched", Some(3600)));
        assert!(!is_new("unchanged", None));
        assert!(!super::is_new(&Record::named("web1")));
    }
}
