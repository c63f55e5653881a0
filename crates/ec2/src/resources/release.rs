//! Releases the addresses of hosts that were terminated.

use crate::change::acted::Acted;
use crate::client::{CONCURRENCY, Ec2};
use crate::describe::find::{Filter, by_region};
use crate::instance::LIVE_STATES;
use crate::instance::id::is_instance_id;
use crate::resources::address::Address;
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, Value};
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Addresses by region and host.
pub type Addresses = HashMap<(String, String), Vec<Address>>;

impl Ec2 {
    /// Returns the addresses that carry the names of these hosts.
    pub async fn addresses_by_host(&self, hosts: impl Iterator<Item = &Acted>) -> Result<Addresses> {
        let mut regions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for host in hosts {
            let names = regions.entry(host.instance_key().0).or_default();
            // An instance without a name goes by its id, which is not the name of an address.
            if !is_instance_id(host.record.host()) {
                names.push(host.record.host().to_string());
            }
        }
        let mut found = Addresses::new();
        for (region, names) in regions {
            for address in self.addresses_of(&region, &names).await? {
                found.entry((region.clone(), address.name.clone())).or_default().push(address);
            }
        }
        Ok(found)
    }

    /// Returns the addresses that the instances of these hosts use, by region and instance id, whatever their names.
    pub async fn addresses_in_use(&self, hosts: impl Iterator<Item = &Acted>) -> Result<Addresses> {
        let places: Vec<_> = hosts.map(Acted::instance_key).collect();
        let mut found = Addresses::new();
        for (region, ids) in by_region(&places) {
            let ids: Vec<String> = ids.into_iter().map(str::to_string).collect();
            for address in self.addresses(region, "instance-id", &ids).await? {
                let id = address.instance_id.clone().unwrap_or_default();
                found.entry((region.to_string(), id)).or_default().push(address);
            }
        }
        Ok(found)
    }

    /// Releases the addresses that carry the names of these terminated hosts, and sets the records'
    /// `released_addresses`. An address that something else uses, or whose name another live instance has, is kept, and
    /// its host has failed.
    pub async fn release_addresses(&self, hosts: &mut [&mut Acted]) {
        let found = match self.addresses_by_host(hosts.iter().map(|host| &**host)).await {
            Ok(found) => found,
            Err(failure) => return fail(hosts.iter_mut(), &failure),
        };
        let living = match self.names_in_use(&found).await {
            Ok(living) => living,
            Err(failure) => {
                let concerned = hosts.iter_mut().filter(|host| found.contains_key(&key(host)));
                return fail(concerned, &failure);
            }
        };
        let (found, living) = (&found, &living);
        let mut seen = HashSet::new();
        // A host may be given twice.
        let hosts = hosts.iter_mut().filter(|host| seen.insert(key(host)));
        stream::iter(hosts)
            .for_each_concurrent(CONCURRENCY, |host| async move {
                let Some(addresses) = found.get(&key(host)) else { return };
                let (released, result) = match living.get(&key(host)) {
                    Some(id) => (Vec::new(), Err(Failure::unreached(format!("{id} has its name now")))),
                    None => self.release_of(host, addresses).await,
                };
                let left = addresses.iter().map(|address| address.public_ip.clone());
                let left: Vec<String> = left.filter(|address| !released.contains(address)).collect();
                note_kept(&mut host.record, &left, &released);
                if let Err(failure) = result {
                    host.result = Err(kept(failure, &left));
                }
                host.record.set("released_addresses", released);
            })
            .await;
    }

    /// Live instances by region and name, of the names that addresses have.
    async fn names_in_use(&self, addresses: &Addresses) -> Result<HashMap<(String, String), String>> {
        let mut regions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (region, host) in addresses.keys() {
            regions.entry(region).or_default().push(host);
        }
        let mut living = HashMap::new();
        for (region, hosts) in regions {
            let live = Filter::new("instance-state-name", LIVE_STATES);
            for instance in self.find(region, &[Filter::exact("tag:Name", hosts), live]).await? {
                let id = instance.str("instance_id").unwrap_or_default();
                living.insert((region.to_string(), instance.host().to_string()), id);
            }
        }
        Ok(living)
    }

    async fn release_of(&self, host: &Acted, addresses: &[Address]) -> (Vec<String>, Result<()>) {
        let (region, instance_id) = host.instance_key();
        let mut released = Vec::new();
        for address in addresses {
            match &address.association_id {
                // The instance is terminated: EC2 disassociates the address itself, maybe a moment later.
                Some(association) if address.instance_id.as_ref() == Some(&instance_id) => {
                    match self.disassociate(&region, association).await {
                        Err(error) if error.code != "InvalidAssociationID.NotFound" => {
                            return (released, Err(error.failure));
                        }
                        _ => {}
                    }
                }
                Some(_) => {
                    let failure = format!("{} is in use by {}", address.public_ip, address.holder());
                    return (released, Err(Failure::unreached(failure)));
                }
                None => {}
            }
            if let Err(error) = self.release(&region, &address.allocation_id).await {
                // An answer that was lost may have been that it is released.
                let now = self.addresses(&region, "allocation-id", std::slice::from_ref(&address.allocation_id)).await;
                if !error.is_ambiguous || !now.is_ok_and(|now| now.is_empty()) {
                    return (released, Err(error.failure));
                }
            }
            released.push(address.public_ip.clone());
        }
        (released, Ok(()))
    }
}

fn key(host: &Acted) -> (String, String) {
    (host.instance_key().0, host.record.host().to_string())
}

/// Corrects which addresses outlive the instance. A record of an earlier run may have them already.
fn note_kept(record: &mut Record, left: &[String], released: &[String]) {
    let known = match record.get("kept_addresses") {
        Some(Value::Array(known)) => known,
        _ => Vec::new(),
    };
    let known = known.iter().filter_map(Value::as_str).filter(|address| !released.iter().any(|it| it == address));
    let mut kept: Vec<String> = known.map(str::to_string).collect();
    for address in left {
        if !kept.contains(address) {
            kept.push(address.clone());
        }
    }
    if !kept.is_empty() || record.has("kept_addresses") {
        record.set("kept_addresses", kept);
    }
}

/// Returns the failure of a host that keeps these addresses.
fn kept(failure: Failure, addresses: &[String]) -> Failure {
    let names = if addresses.is_empty() { String::new() } else { format!(" {}", addresses.join(", ")) };
    failure.within(format!("it is terminated, but its elastic IP{names} is not released"))
}

fn fail<'a, 'b: 'a>(hosts: impl Iterator<Item = &'a mut &'b mut Acted>, failure: &Failure) {
    hosts.for_each(|host| host.result = Err(kept(failure.clone(), &[])));
}
