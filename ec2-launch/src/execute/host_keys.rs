//! Reads the public host keys that cloud-init prints on the console of an instance (`cc_keys_to_console`): they become
//! the record's `host_keys`, by which pssh-rs recognizes the machine.

use cerveza_ec2::{Acted, Ec2, HostKeySearch, Limit};
use cerveza_manners::{Failure, ProgressArgs, Result};
use cerveza_record::Record;
use futures_util::stream::{self, StreamExt};
use std::time::Duration;
use tokio::time::sleep;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How many hosts are asked about at once. The requests keep to their bucket in any case.
const AT_ONCE: usize = 200;

const HINT: &str = "check that the image has cloud-init and that its configuration does not say \
                    `ssh: {emit_keys_to_console: false}`; cloud-init prints the keys at the first boot of an instance \
                    only, and EC2 keeps 64 KB of the console";

/// Adds the keys to the records of all hosts that have not failed. A host whose console shows none before the time
/// limit has failed.
pub async fn add_host_keys(ec2: &Ec2, hosts: &mut [Acted], timeout: Duration, progress: &ProgressArgs) {
    let hosts: Vec<_> = hosts.iter_mut().filter(|host| host.result.is_ok()).collect();
    if hosts.is_empty() {
        return;
    }
    let (limit, bar) = (&Limit::new(timeout), &progress.bar(hosts.len() as u64, "reading host keys"));
    stream::iter(hosts)
        .for_each_concurrent(AT_ONCE, |host| async move {
            match find_keys(ec2, &host.record, limit).await {
                Ok(keys) => {
                    limit.progressed();
                    host.record.set("host_keys", keys);
                }
                Err(failure) => host.result = Err(failure),
            }
            bar.inc(1);
        })
        .await;
    bar.finish_and_clear();
}

async fn find_keys(ec2: &Ec2, host: &Record, limit: &Limit) -> Result<Vec<String>> {
    let mut search = HostKeySearch::default();
    let mut pause = FIRST_PAUSE;
    loop {
        ec2.look_for_host_keys(host, &mut search).await?;
        if let Some(keys) = search.answer() {
            return Ok(keys);
        }
        if search.is_boot_finished() {
            return Err(missing("cloud-init has finished without printing host keys on the console"));
        }
        if limit.is_over() {
            let within = limit.timeout_text();
            return Err(missing(&format!("the console shows no host keys of this boot within {within}")));
        }
        tokio::select! {
            () = sleep(limit.at_most(pause)) => {}
            failure = ec2.interrupted() => return Err(failure.within("its host keys were not read")),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

fn missing(what: &str) -> Failure {
    Failure::unreached(what).hint(HINT)
}
