//! Waiting until EC2's status checks of running instances pass.

use crate::acted::{Acted, chosen};
use crate::client::Ec2;
use crate::failure::failure;
use crate::find::by_region;
use crate::limit::Limit;
use crate::wait::WaitArgs;
use cerveza_manners::{Failure, ProgressArgs, Result};
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::sleep;

/// The checks of a new instance take minutes.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

impl Ec2 {
    /// Waits until the status checks of the running hosts that `wanted` holds of pass. Sets `status_checks` in their records
    /// to what was seen last: the worse of the system's and the instance's.
    pub async fn wait_for_checks(
        &self,
        hosts: &mut [Acted],
        wanted: impl Fn(&Acted) -> bool,
        args: &WaitArgs,
        progress: &ProgressArgs,
    ) {
        let mut hosts = chosen(hosts, wanted);
        let places: Vec<_> = hosts.iter().map(|host| host.place()).collect();
        let mut open: HashSet<(String, String)> = places.into_iter().collect();
        let bar = progress.bar(open.len() as u64, "checking");
        let (limit, mut pause) = (Limit::new(args.timeout), FIRST_PAUSE);
        let mut seen: HashMap<String, Result<String>> = HashMap::new();
        loop {
            let waiting: Vec<_> = open.iter().cloned().collect();
            for (region, ids) in by_region(&waiting) {
                let ids: Vec<String> = ids.into_iter().map(str::to_string).collect();
                let found = tokio::select! {
                    found = self.status_checks(region, &ids) => found,
                    () = limit.over() => continue,
                    () = self.interrupt.wait() => continue,
                };
                match found {
                    Ok(found) => seen.extend(found.into_iter().map(|(id, checks)| (id, Ok(checks)))),
                    Err(failure) => seen.extend(ids.into_iter().map(|id| (id, Err(failure.clone())))),
                }
            }
            let before = open.len();
            open.retain(|(_, id)| !matches!(seen.get(id), Some(Ok(checks)) if checks == "ok"));
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
            let last = seen.get(&host.place().1);
            if let Some(Ok(checks)) = last {
                host.record.set("status_checks", checks.as_str());
            }
            if open.contains(&host.place()) {
                host.result = Err(self.unchecked(last, &limit));
            }
        }
    }

    fn unchecked(&self, last: Option<&Result<String>>, limit: &Limit) -> Failure {
        let seen = match last {
            Some(Ok(checks)) => format!("its status checks are {checks}"),
            Some(Err(failure)) => format!("its status checks are unknown: {failure}"),
            None => "its status checks were not seen".to_string(),
        };
        match self.is_interrupted() {
            true => Failure::interrupted().within(seen),
            false => Failure::unreached(format!("{seen} after {}", limit.words()))
                .hint("wait longer with --timeout, or look at the instance's console"),
        }
    }

    /// The worse of the system's and the instance's status check, by id.
    async fn status_checks(&self, region: &str, ids: &[String]) -> Result<HashMap<String, String>> {
        const GRAVEST: [&str; 4] = ["impaired", "insufficient-data", "initializing", "ok"];
        let mut found = HashMap::new();
        for ids in ids.chunks(100) {
            let request = self.client(region).describe_instance_status().set_instance_ids(Some(ids.to_vec()));
            let request = request.include_all_instances(true);
            let page = self.call_batch("DescribeInstanceStatus", region, 1, || request.clone().send()).await;
            let page = page.map_err(|error| failure("DescribeInstanceStatus", region, &error))?;
            for status in page.instance_statuses() {
                let checks = [status.system_status(), status.instance_status()].into_iter().flatten();
                let checks = checks.filter_map(|checks| Some(checks.status()?.as_str()));
                let worst = checks.min_by_key(|checks| GRAVEST.iter().position(|known| known == checks).unwrap_or(4));
                found.insert(
                    status.instance_id().unwrap_or_default().to_string(),
                    worst.unwrap_or("unknown").to_string(),
                );
            }
        }
        Ok(found)
    }
}
