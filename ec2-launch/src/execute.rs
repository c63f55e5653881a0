//! Executes the plan: launches and starts, waits, gives addresses. Whatever fails fails for its host alone.

use crate::cli::Args;
use crate::plan::{Step, Todo};
use crate::profile::ElasticIp;
use crate::request::Recipe;
use cerveza_ec2::{Acted, Change, Ec2, Interrupt, LaunchRequest, NO_ACTION};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use futures_util::stream::{self, StreamExt};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// RunInstances refills at 2 a second: more at once are only throttled.
const LAUNCHES_AT_ONCE: usize = 5;

/// Does every step, one after the other kind of it, and gives each host back as it is then.
pub async fn execute(args: &Args, ec2: &Ec2, recipe: Option<&Recipe>, steps: Vec<Step>) -> Vec<Acted> {
    let interrupt = &Interrupt::watch();
    let groups = &resolve_groups(ec2, &steps).await;
    let bar = &args.progress.bar(steps.len() as u64, "launching");
    let begun = stream::iter(steps).map(|step| async move {
        let acted = begin(ec2, groups, interrupt, step).await;
        bar.inc(1);
        acted
    });
    let mut acted: Vec<Acted> = begun.buffered(LAUNCHES_AT_ONCE).collect().await;
    bar.finish_and_clear();
    let is_start = |host: &Acted| host.action == "start";
    let is_stopping = |host: &Acted| is_start(host) && host.record.str("state").as_deref() == Some("stopping");
    ec2.wait_all(&mut acted, is_stopping, "stopped", &args.wait_args, &args.progress, interrupt).await;
    ec2.change_all(&mut acted, is_start, Change::Start, interrupt).await;
    match args.waits() {
        true => ec2.wait_all(&mut acted, |_| true, "running", &args.wait_args, &args.progress, interrupt).await,
        false => ec2.refresh_all(&mut acted).await,
    }
    if let Some(recipe) = recipe {
        addresses(ec2, recipe, interrupt, &mut acted).await;
        acted.iter_mut().for_each(|host| name_scripts(recipe, &mut host.record));
    }
    acted
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
async fn begin(ec2: &Ec2, groups: &Groups, interrupt: &Interrupt, step: Step) -> Acted {
    let Step { mut record, todo } = step;
    let action = todo.as_ref().map_or(NO_ACTION, Todo::action);
    let result = match todo {
        Ok(Todo::Launch(_)) if interrupt.is_set() => Err(Failure::interrupted().within("not launched")),
        Ok(Todo::Launch(request)) => launch(ec2, groups, *request).await.map(|instance| {
            record.merge(instance);
            // It is the instance's now; later tools and files need no copy of what may hold secrets.
            record.remove("user_data");
        }),
        other => other.map(drop),
    };
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

/// Gives the launched hosts the profile's elastic IP. An instance must run first.
async fn addresses(ec2: &Ec2, recipe: &Recipe, interrupt: &Interrupt, acted: &mut [Acted]) {
    let Some(elastic_ip) = &recipe.file.profile.elastic_ip else { return };
    for host in acted.iter_mut().filter(|host| host.action == "launch" && host.result.is_ok()) {
        if interrupt.is_set() {
            host.result = Err(Failure::interrupted().within("launched without its elastic IP"));
            continue;
        }
        let (region, id) = host.place();
        let given = match elastic_ip {
            ElasticIp::Address(address) => ec2.associate_address(&region, &id, address).await,
            ElasticIp::Own => ec2.associate_own_address(&region, &id, host.record.host()).await,
        };
        match given {
            Ok(address) => host.record.set("public_ip", address),
            Err(failure) => host.result = Err(failure.within("launched without its elastic IP")),
        }
    }
}

/// Names the profile's scripts in the record, for what runs them over SSH.
fn name_scripts(recipe: &Recipe, record: &mut Record) {
    let profile = &recipe.file.profile;
    for (key, scripts) in
        [("startup_scripts", &profile.startup_scripts), ("shutdown_scripts", &profile.shutdown_scripts)]
    {
        if !scripts.is_empty() {
            let paths = scripts.iter().map(|script| recipe.file.folder.join(script).to_string_lossy().into_owned());
            record.set(key, paths.collect::<Vec<_>>());
        }
    }
}
