//! Executes the plan, one stage after the other. A host that has failed takes no part in later stages, except that
//! each host that runs gets its address.

pub(crate) mod host_keys;
pub(crate) mod launch_host;
pub(crate) mod ssh_wait;
pub(crate) mod twins;

use crate::disks::attach::{attach_volumes, tag_volumes};
use crate::disks::slot::DiskSlot;
use crate::execute::host_keys::add_host_keys;
use crate::execute::launch_host::launch_host;
use crate::execute::ssh_wait::{SshTarget, wait_for_ssh};
use crate::execute::twins::find_twins;
use crate::memory::queue::Queue;
use crate::plan::{Needs, Step, Todo};
use crate::profile::ElasticIp;
use cerveza_ec2::{Acted, AddressNeed, Change, Ec2, FAILED, HostAddress, NO_ACTION, WaitArgs};
use cerveza_manners::{Failure, ProgressArgs, Status};
use cerveza_record::Value;
use futures_util::stream::{self, StreamExt};
use std::collections::HashSet;

/// Launches under way at once. RunInstances has 2 a second, and each may take some seconds.
const LAUNCHES_AT_ONCE: usize = 100;

/// What is waited for.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// EC2 says that the instance is running
    Running,
    /// Its sshd answers too
    Ssh,
    /// Do not wait
    None,
}

/// How the plan is executed.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    pub until: Until,
    /// Where sshd is waited for.
    pub ssh_target: SshTarget,
    /// Whether to read the host keys from the console.
    pub host_keys: bool,
    pub wait_args: &'a WaitArgs,
    pub progress: &'a ProgressArgs,
}

/// What a host's `action` is while its StartInstances is still to come.
const TO_START: &str = "start";
/// The key of a record that has free elastic IPs with the host's name.
const SPARE_ADDRESSES: &str = "spare_addresses";

/// Executes every step and returns each host as it is then. What is to be remembered goes into the queue.
pub async fn execute(ec2: &Ec2, options: &Options<'_>, steps: Vec<Step>, queue: Queue) -> Vec<Acted> {
    let needs: Vec<Needs> = steps.iter().map(|step| step.needs.clone()).collect();
    let mut acted = launch_all(ec2, options, steps, &queue).await;
    start_all(ec2, options, &mut acted).await;
    wait_until_running(ec2, options, &mut acted).await;
    find_twins(ec2, &mut acted).await;
    // A host that lacks a volume still gets its address.
    let running: Vec<bool> = acted.iter().map(|host| host.result.is_ok()).collect();
    let slots: Vec<&[DiskSlot]> = needs.iter().map(|needs| needs.volumes.as_slice()).collect();
    attach_volumes(ec2, &mut acted, &slots, options.wait_args.timeout, options.progress).await;
    tag_volumes(ec2, &mut acted, &slots).await;
    associate_addresses(ec2, options, &needs, &running, &mut acted).await;
    let (timeout, progress) = (options.wait_args.timeout, options.progress);
    if options.until == Until::Ssh {
        wait_for_ssh(&mut acted, &options.ssh_target, timeout, progress, || ec2.interrupted()).await;
    }
    if options.host_keys {
        add_host_keys(ec2, &mut acted, timeout, progress).await;
    }
    for host in &mut acted {
        // They are of the plan that has been executed.
        host.record.remove("plan");
        host.record.remove("reason");
        // The host has it now. Later tools and files need no copy of what may hold secrets.
        if host.result.is_ok() {
            host.record.remove("user_data");
        }
    }
    acted
}

/// Returns a step that is not executed, because there is no connection.
pub fn unconnected(step: Step) -> Acted {
    let failure = step.todo.err().unwrap_or_else(|| Failure::unreached("no connection to EC2"));
    Acted { record: step.record, action: FAILED, result: Err(failure) }
}

/// Launches what is to be launched. The other hosts get the action of their step.
async fn launch_all(ec2: &Ec2, options: &Options<'_>, steps: Vec<Step>, queue: &Queue) -> Vec<Acted> {
    let bar = &options.progress.bar(steps.len() as u64, "launching");
    let begun = stream::iter(steps).map(|step| async move {
        let acted = begin(ec2, step, queue).await;
        bar.inc(1);
        acted
    });
    let acted = begun.buffered(LAUNCHES_AT_ONCE).collect().await;
    bar.finish_and_clear();
    acted
}

async fn begin(ec2: &Ec2, step: Step, queue: &Queue) -> Acted {
    let Step { mut record, todo, needs, .. } = step;
    let mut memory = needs.memory;
    let (action, result) = match todo {
        Ok(Todo::Leave) => (NO_ACTION, Ok(())),
        Ok(Todo::Start) => (TO_START, Ok(())),
        Ok(Todo::Launch(launch)) => match launch_host(ec2, &mut record, &launch).await {
            Ok(action) => {
                memory = memory.map(|memory| memory.launched(&record));
                (action, Ok(()))
            }
            Err(failure) => (FAILED, Err(failure)),
        },
        Err(failure) => (FAILED, Err(failure)),
    };
    if let Some(memory) = memory.filter(|_| result.is_ok()) {
        queue.remember(&record, memory);
    }
    Acted { record, action, result }
}

/// Starts stopped hosts, and those that are still stopping once they are stopped. Another run may do the same.
async fn start_all(ec2: &Ec2, options: &Options<'_>, acted: &mut [Acted]) {
    let is_due = |host: &Acted, state: &str| host.action == TO_START && is_in(host, state);
    // The stopped ones first: they need not wait for those that are still stopping.
    ec2.change_all(acted, |host| is_due(host, "stopped"), Change::Start).await;
    look_again(ec2, acted).await;
    let late: HashSet<_> = acted.iter().filter(|host| is_due(host, "stopping")).map(Acted::instance_key).collect();
    let is_late = |host: &Acted| late.contains(&host.instance_key());
    let settled = ["stopped", "pending", "running"];
    ec2.wait_all(acted, is_late, &settled, options.wait_args, options.progress).await;
    ec2.change_all(acted, |host| is_late(host) && is_due(host, "stopped"), Change::Start).await;
    for host in acted.iter_mut().filter(|host| host.action == TO_START) {
        host.action = if host.result.is_ok() { "started" } else { FAILED };
    }
}

/// Looks again at hosts that could not be started because of their state: somebody is stopping them.
async fn look_again(ec2: &Ec2, acted: &mut [Acted]) {
    let is_refused = |host: &&mut Acted| {
        let failure = host.result.as_ref().err();
        host.action == TO_START && failure.is_some_and(|failure| failure.message.contains("IncorrectInstanceState"))
    };
    let mut refused: Vec<Acted> = Vec::new();
    for host in acted.iter_mut().filter(is_refused) {
        refused.push(Acted { result: Ok(()), ..host.clone() });
    }
    ec2.refresh_all(&mut refused).await;
    for again in refused {
        if let Some(host) = acted.iter_mut().find(|host| host.instance_key() == again.instance_key())
            && !is_in(&again, "stopped")
        {
            *host = again;
        }
    }
}

fn is_in(host: &Acted, state: &str) -> bool {
    host.record.str("state").as_deref() == Some(state)
}

/// Adds a failure to those that a host has.
fn fail(host: &mut Acted, failure: Failure) {
    host.result = Err(match &host.result {
        Ok(()) => failure,
        Err(first) => Failure {
            status: first.status.max(failure.status),
            message: format!("{}; {}", first.message, failure.message),
            ..first.clone()
        },
    });
}

async fn wait_until_running(ec2: &Ec2, options: &Options<'_>, acted: &mut [Acted]) {
    if options.until == Until::None {
        ec2.refresh_all(acted).await;
    } else {
        ec2.wait_all(acted, |_| true, &["running"], options.wait_args, options.progress).await;
    }
}

/// Says which addresses carry a host's name, cost money and serve nothing. A run that was killed has left them.
pub fn spare_address_warnings(acted: &[Acted]) -> Vec<String> {
    let warning = |host: &Acted| {
        let Value::Array(spare) = host.record.get(SPARE_ADDRESSES)? else { return None };
        let spare: Vec<&str> = spare.iter().filter_map(Value::as_str).collect();
        let (are, them) = if spare.len() == 1 { ("is", "it") } else { ("are", "them") };
        let (name, spare) = (host.record.host(), spare.join(", "));
        Some(format!(
            "{name}: {spare} {are} allocated for it too and not in use: a killed run left {them}. \
             `aws ec2 release-address` releases {them}"
        ))
    };
    acted.iter().filter_map(warning).collect()
}

/// Gives the hosts their elastic IP, also those that went without it last time, and those that lack a volume. An
/// instance must be running for that. After Ctrl-C nothing more is begun.
async fn associate_addresses(ec2: &Ec2, options: &Options<'_>, needs: &[Needs], running: &[bool], acted: &mut [Acted]) {
    let (mut hosts, mut wanted) = (Vec::new(), Vec::new());
    for ((host, needs), runs) in acted.iter_mut().zip(needs).zip(running) {
        let is_interrupted = host.result.as_ref().is_err_and(|failure| failure.status == Status::Interrupted);
        let Some(elastic_ip) = needs.elastic_ip.as_ref().filter(|_| *runs && !is_interrupted) else { continue };
        let (region, instance_id) = host.instance_key();
        let given = match elastic_ip {
            ElasticIp::Own => None,
            ElasticIp::Address(address) => Some(address.clone()),
        };
        wanted.push(AddressNeed { region, host: host.record.host().to_string(), instance_id, given });
        hosts.push(host);
    }
    if wanted.is_empty() {
        return;
    }
    let bar = options.progress.bar(wanted.len() as u64, "addresses");
    let given = ec2.associate_addresses(&wanted, options.wait_args.timeout, || bar.inc(1)).await;
    bar.finish_and_clear();
    for (host, given) in hosts.into_iter().zip(given) {
        match given {
            Ok(HostAddress { public_ip, spare }) => {
                if host.record.str("public_ip").as_ref() != Some(&public_ip) {
                    host.record.set("public_ip", public_ip);
                    // It was that of another address.
                    host.record.set("public_dns", Value::Null);
                }
                if !spare.is_empty() {
                    host.record.set(SPARE_ADDRESSES, spare);
                }
            }
            Err(failure) => fail(host, failure.within("it runs without its elastic IP")),
        }
    }
}
