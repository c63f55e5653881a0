//! Finds hosts with a second live instance ("twins"): EC2 keeps only launches of one zone apart from each other.

use cerveza_ec2::{Acted, Ec2, Filter, Found, LAUNCHED, LIVE_STATES};
use cerveza_manners::{Failure, Result};
use cerveza_record::Record;
use std::collections::BTreeMap;

/// Fails launched hosts that have a second live instance.
pub async fn find_twins(ec2: &Ec2, acted: &mut [Acted]) {
    let mut regions: BTreeMap<String, Vec<&mut Acted>> = BTreeMap::new();
    for host in acted.iter_mut().filter(|host| host.action == LAUNCHED && host.result.is_ok()) {
        regions.entry(host.instance_key().0).or_default().push(host);
    }
    for (region, hosts) in regions {
        let names: Vec<&str> = hosts.iter().map(|host| host.record.host()).collect();
        let live = live_instances(ec2, &region, &names).await;
        for host in hosts {
            match live.as_ref().map(|live| live.get(host.record.host())) {
                Ok(Some(instances)) if instances.len() > 1 => {
                    let all = described(instances).join(", ");
                    let why = format!("another run has launched it at the same time: it has {all}");
                    let hint =
                        "terminate all but one, by its id, as in `ec2-power terminate i-...`; ec2-ls lists the ids";
                    host.result = Err(Failure::unreached(why).hint(hint));
                }
                Ok(_) => {}
                Err(failure) => {
                    let why = "it may have been launched twice, which cannot be checked";
                    host.result = Err(failure.clone().within(why));
                }
            }
        }
    }
}

/// Returns the live instance of a name, if there is one.
pub async fn live_instance(ec2: &Ec2, region: &str, record: &Record) -> Result<Option<Record>> {
    let mut live = live_instances(ec2, region, &[record.host()]).await?.remove(record.host()).unwrap_or_default();
    match live.len() {
        0 | 1 => Ok(live.pop()),
        _ => Found::Several(described(&live)).instance(record).map(Some),
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

fn described(instances: &[Record]) -> Vec<String> {
    let text = |instance: &Record, key| instance.str(key).unwrap_or_default();
    instances.iter().map(|it| format!("{} in {}", text(it, "instance_id"), text(it, "zone"))).collect()
}
