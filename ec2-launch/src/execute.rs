//! Executes the plan: launches and starts, waits, gives addresses. Whatever fails fails for its host alone.

use crate::cli::Args;
use crate::memory_queue::Queue;
use crate::plan::{Step, Todo};
use crate::profile::ElasticIp;
use cerveza_ec2::{Acted, Change, Ec2, LaunchRequest, NO_ACTION};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use futures_util::stream::{self, StreamExt};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// RunInstances refills at 2 a second: more at once are only throttled.
const LAUNCHES_AT_ONCE: usize = 5;

/// Does every step, one kind of it after the other, and gives each host back as it is then. What is to be remembered
/// goes into the queue.
pub async fn execute(args: &Args, ec2: &Ec2, steps: Vec<Step>, queue: Queue) -> Vec<Acted> {
    let elastic_ips: Vec<_> = steps.iter().map(|step| step.elastic_ip.clone()).collect();
    let (groups, queue) = (&resolve_groups(ec2, &steps).await, &queue);
    let bar = &args.progress.bar(steps.len() as u64, "launching");
    let begun = stream::iter(steps).map(|step| async move {
        let acted = begin(ec2, groups, step, queue).await;
        bar.inc(1);
        acted
    });
    let mut acted: Vec<Acted> = begun.buffered(LAUNCHES_AT_ONCE).collect().await;
    bar.finish_and_clear();
    // The stopped ones first: they need not wait for those that are still stopping.
    ec2.change_all(&mut acted, |host| is_start(host) && !is_stopping(host), Change::Start).await;
    let late: HashSet<_> = acted.iter().filter(|host| is_start(host) && is_stopping(host)).map(Acted::place).collect();
    let is_late = |host: &Acted| late.contains(&host.place());
    ec2.wait_all(&mut acted, is_late, "stopped", &args.wait_args, &args.progress).await;
    ec2.change_all(&mut acted, is_late, Change::Start).await;
    match args.waits() {
        true => ec2.wait_all(&mut acted, |_| true, "running", &args.wait_args, &args.progress).await,
        false => ec2.refresh_all(&mut acted).await,
    }
    addresses(ec2, &elastic_ips, &mut acted).await;
    // Where the host runs it has served; later tools and files need no copy of what may hold secrets.
    acted.iter_mut().filter(|host| host.result.is_ok()).for_each(|host| host.record.remove("user_data"));
    acted
}

fn is_start(host: &Acted) -> bool {
    host.action == "start"
}

fn is_stopping(host: &Acted) -> bool {
    host.record.str("state").as_deref() == Some("stopping")
}

/// The ids of the security groups of each subnet, asked for once.
type Groups = HashMap<(String, String), Result<Vec<String>>>;

async fn resolve_groups(ec2: &Ec2, steps: &[Step]) -> Groups {
    let mut groups = Groups::new();
    for step in steps {
        if let Ok(Todo::Launch(request)) = &step.todo
            && let Some(subnet) = &request.subnet_id
        {
            let key = (request.region.clone(), subnet.clone());
            if let Entry::Vacant(unknown) = groups.entry(key) {
                let ids = ec2.security_group_ids(&request.region, subnet, &request.security_groups).await;
                unknown.insert(ids);
            }
        }
    }
    groups
}

/// Launches the host if that is its step.
async fn begin(ec2: &Ec2, groups: &Groups, step: Step, queue: &Queue) -> Acted {
    let Step { mut record, todo, mut memory, .. } = step;
    let action = todo.as_ref().map_or(NO_ACTION, Todo::action);
    let result = match todo {
        Ok(Todo::Launch(_)) if ec2.is_interrupted() => Err(Failure::interrupted().within("not launched")),
        Ok(Todo::Launch(request)) => launch(ec2, groups, *request).await.map(|instance| {
            record.merge(instance);
            memory = memory.take().map(|memory| memory.launched(&record));
        }),
        other => other.map(drop),
    };
    if let Some(memory) = memory.filter(|_| result.is_ok()) {
        queue.remember(&record, memory);
    }
    Acted { record, action, result }
}

async fn launch(ec2: &Ec2, groups: &Groups, mut request: LaunchRequest) -> Result<Record> {
    if let Some(subnet) = &request.subnet_id
        && let Some(ids) = groups.get(&(request.region.clone(), subnet.clone()))
    {
        request.security_groups = ids.clone()?;
    }
    ec2.launch(&request).await
}

/// Gives the hosts the profile's elastic IP, also one that went without it last time. An instance must run first.
async fn addresses(ec2: &Ec2, elastic_ips: &[Option<ElasticIp>], acted: &mut [Acted]) {
    for (host, elastic_ip) in acted.iter_mut().zip(elastic_ips).filter(|(host, _)| host.result.is_ok()) {
        let Some(elastic_ip) = elastic_ip else { continue };
        let (region, id) = host.place();
        let given = match elastic_ip {
            _ if ec2.is_interrupted() => Err(Failure::interrupted()),
            ElasticIp::Address(address) => ec2.associate_address(&region, &id, address).await,
            ElasticIp::Own => ec2.associate_own_address(&region, &id, host.record.host()).await,
        };
        match given {
            Ok(address) => host.record.set("public_ip", address),
            Err(failure) => host.result = Err(failure.within("it runs without its elastic IP")),
        }
    }
}
