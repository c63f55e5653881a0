//! Waits until EC2's status checks of running instances pass.

use crate::change::acted::{Acted, chosen};
use crate::change::limit::Limit;
use crate::change::wait::WaitArgs;
use crate::client::Ec2;
use crate::client::failure::is_denied;
use crate::describe::find::by_region;
use crate::describe::status::Health;
use cerveza_manners::{Failure, ProgressArgs, Result};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::sleep;

/// The checks of a new instance take minutes.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

fn is_ok(health: &Health) -> bool {
    health.status_checks.as_deref() == Some("ok")
}

impl Ec2 {
    /// Waits until the status checks of the running hosts that `wanted` holds of pass. Puts the health that was seen
    /// last into their records.
    pub async fn wait_for_checks(
        &self,
        hosts: &mut [Acted],
        wanted: impl Fn(&Acted) -> bool,
        args: &WaitArgs,
        progress: &ProgressArgs,
    ) {
        let mut hosts = chosen(hosts, wanted);
        let places: Vec<_> = hosts.iter().map(|host| host.instance_key()).collect();
        let mut open: HashSet<(String, String)> = places.into_iter().collect();
        let bar = progress.bar(open.len() as u64, "checking");
        let (limit, mut pause) = (Limit::new(args.timeout), FIRST_PAUSE);
        let mut seen: HashMap<String, Result<Health>> = HashMap::new();
        loop {
            let waiting: Vec<_> = open.iter().cloned().collect();
            for (region, ids) in by_region(&waiting) {
                let ids: Vec<String> = ids.into_iter().map(str::to_string).collect();
                let found = tokio::select! {
                    found = self.health(region, &ids) => found,
                    () = limit.over() => continue,
                    () = self.interrupt.wait() => continue,
                };
                match found {
                    Ok(found) => seen.extend(found.into_iter().map(|(id, health)| (id, Ok(health)))),
                    Err(failure) => seen.extend(ids.into_iter().map(|id| (id, Err(failure.clone())))),
                }
            }
            let before = open.len();
            // Without the permission, the checks stay unknown.
            open.retain(|(_, id)| !seen.get(id).is_some_and(|seen| seen.as_ref().map_or_else(is_denied, is_ok)));
            if open.len() < before {
                bar.inc((before - open.len()) as u64);
                limit.progressed();
            }
            if open.is_empty() || limit.is_over() || self.is_interrupted() {
                break;
            }
            tokio::select! {
                () = sleep(limit.at_most(pause)) => {}
                () = self.interrupt.wait() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        bar.finish_and_clear();
        for host in &mut hosts {
            let last = seen.get(&host.instance_key().1);
            if let Some(Ok(health)) = last {
                health.set_in(&mut host.record);
            }
            if !matches!(last, Some(Ok(health)) if is_ok(health)) {
                host.result = Err(self.unchecked(last, &limit));
            }
        }
    }

    fn unchecked(&self, last: Option<&Result<Health>>, limit: &Limit) -> Failure {
        let seen = match last {
            Some(Ok(Health { status_checks: Some(checks), .. })) => format!("its status checks are {checks}"),
            Some(Ok(_)) => "it has no status checks".to_string(),
            Some(Err(failure)) if is_denied(failure) => {
                return failure.clone().within("its status checks are unknown");
            }
            Some(Err(failure)) => format!("its status checks are unknown: {failure}"),
            None => "its status checks were not seen".to_string(),
        };
        if self.is_interrupted() {
            Failure::interrupted().within(seen)
        } else {
            Failure::unreached(format!("{seen} after {}", limit.timeout_text()))
                .hint("wait longer with --timeout, or look at the instance's console")
        }
    }
}
