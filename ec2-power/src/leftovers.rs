//! What terminated hosts leave behind: volumes that are not deleted with them, and elastic IP addresses.

use crate::due::{due_hosts, is_due};
use cerveza_ec2::{Accounts, Acted, NO_ACTION};
use cerveza_manners::{Failure, Result};
use cerveza_record::{Record, Value};
use hostrange::fold;
use std::collections::{HashMap, HashSet};

/// The action of a host that was terminated before and whose addresses are released now.
const RELEASE: &str = "release";

/// What one host leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftover {
    pub volumes: Vec<String>,
    /// Addresses with the host's name that nothing else uses: `--release-addresses` releases them.
    pub own: Vec<String>,
    /// Other addresses that the instance uses.
    pub other: Vec<String>,
}

/// By region and instance id.
pub struct Leftovers {
    by_place: HashMap<(String, String), Leftover>,
    /// Whether the own addresses are to be released.
    releases: bool,
    /// Why the addresses of some hosts are not known.
    unknown: Option<Failure>,
}

impl Leftovers {
    /// Looks up what the hosts leave that are to be terminated, or that were before. Where nothing is to be released it
    /// is no error that addresses cannot be listed.
    pub async fn look_up(accounts: &Accounts, acted: &[Acted], releases: bool) -> Result<Leftovers> {
        let (mut by_place, mut unknown) = (HashMap::new(), None);
        for ec2 in accounts.connected() {
            let hosts = || acted.iter().filter(|host| host.result.is_ok() && ec2.owns(&host.record));
            let (named, used) = (ec2.addresses_by_host(hosts()).await, ec2.addresses_in_use(hosts()).await);
            let named = match named {
                Err(failure) if releases => return Err(accounts.failure_of(ec2.profile(), failure)),
                named => value_or_note(named, &mut unknown),
            };
            let used = value_or_note(used, &mut unknown);
            let leftover = |host: &Acted| {
                let (region, id) = host.instance_key();
                let own = named.get(&(region.clone(), host.record.host().to_string())).into_iter().flatten();
                let own = own.filter(|address| address.is_free_but_for(&id));
                let own: Vec<String> = own.map(|address| address.public_ip.clone()).collect();
                let other = used.get(&(region, id)).into_iter().flatten().map(|address| address.public_ip.clone());
                let other = other.filter(|address| !own.contains(address)).collect();
                Leftover { volumes: kept_volumes(&host.record), own, other }
            };
            by_place.extend(hosts().map(|host| (host.instance_key(), leftover(host))));
        }
        Ok(Leftovers { by_place, releases, unknown })
    }

    fn leftover_of(&self, host: &Acted) -> Leftover {
        self.by_place.get(&host.instance_key()).cloned().unwrap_or_default()
    }

    fn kept_addresses(&self, host: &Acted) -> Vec<String> {
        let Leftover { own, other, .. } = self.leftover_of(host);
        if self.releases { other } else { [own, other].concat() }
    }

    /// Returns the addresses that are to be released, of hosts that were terminated before too.
    pub fn released(&self, acted: &[Acted]) -> Vec<String> {
        let mut released: Vec<String> = Vec::new();
        for host in acted.iter().filter(|host| self.releases && host.result.is_ok()) {
            released.extend(
                self.leftover_of(host)
                    .own
                    .into_iter()
                    .filter(|address| !released.contains(address))
                    .collect::<Vec<_>>(),
            );
        }
        released
    }

    /// Returns how many instances are not changed themselves, but their addresses are to be released.
    pub fn count_only_released(&self, acted: &[Acted]) -> usize {
        let is_only_released = |host: &&Acted| {
            self.releases && host.result.is_ok() && host.action == NO_ACTION && !self.leftover_of(host).own.is_empty()
        };
        acted.iter().filter(is_only_released).map(Acted::instance_key).collect::<HashSet<_>>().len()
    }

    /// Adds to the plan which addresses are to be released.
    pub fn plan_release(&self, acted: &mut [Acted]) {
        for host in acted.iter_mut().filter(|host| self.releases && host.result.is_ok()) {
            note_released(host, self.leftover_of(host).own);
        }
    }

    /// Sets in the records of terminated hosts, or of those to be terminated, what is kept.
    pub fn note_kept(&self, acted: &mut [Acted]) {
        for host in acted.iter_mut().filter(|host| is_due(host) && host.action != RELEASE) {
            let (volumes, addresses) = (self.leftover_of(host).volumes, self.kept_addresses(host));
            for (key, kept) in [("kept_volumes", volumes), ("kept_addresses", addresses)] {
                if !kept.is_empty() {
                    host.record.set(key, kept);
                }
            }
        }
    }

    /// Says what is kept, in one sentence for volumes and one for addresses.
    pub fn sentences(&self, acted: &[Acted]) -> Vec<String> {
        let due = due_hosts(acted);
        let is_own_kept = !self.releases && due.iter().any(|host| !self.leftover_of(host).own.is_empty());
        let hint = if is_own_kept { "; --release-addresses releases those with the hosts' names" } else { "" };
        let of_volumes = due.iter().map(|host| (host.record.host(), self.leftover_of(host).volumes));
        let volumes = sentence(of_volumes, VOLUMES, "kept, which AWS charges for");
        let of_addresses = due.iter().map(|host| (host.record.host(), self.kept_addresses(host)));
        let addresses = sentence(of_addresses, ADDRESSES, "kept, which AWS charges for");
        let unknown = self.unknown.as_ref().filter(|_| !due.is_empty());
        let unknown = unknown.map(|failure| format!("cannot list the elastic IP addresses that are kept: {failure}"));
        volumes.into_iter().chain(addresses.map(|sentence| sentence + hint)).chain(unknown).collect()
    }

    /// Says which addresses are to be released, of hosts that were terminated before too.
    pub fn release_sentence(&self, acted: &[Acted]) -> Option<String> {
        let mut seen = HashSet::new();
        let is_first = |host: &&Acted| self.releases && host.result.is_ok() && seen.insert(host.instance_key());
        let hosts = acted.iter().filter(is_first).map(|host| (host.record.host(), self.leftover_of(host).own));
        sentence(hosts, ADDRESSES, "to be released")
    }
}

/// Returns what was read, or nothing, and keeps the first failure.
fn value_or_note<T: Default>(read: Result<T>, unknown: &mut Option<Failure>) -> T {
    read.unwrap_or_else(|failure| {
        unknown.get_or_insert(failure);
        T::default()
    })
}

/// One and many of what is left.
type Things = [&'static str; 2];

const VOLUMES: Things = ["1 volume is", "volumes are"];
const ADDRESSES: Things = ["1 elastic IP address is", "elastic IP addresses are"];

/// `db[1-2]: 2 volumes are kept: vol-1, vol-2`, or nothing if no host has such a thing.
fn sentence<'a>(
    hosts: impl Iterator<Item = (&'a str, Vec<String>)>,
    [one, many]: Things,
    what: &str,
) -> Option<String> {
    let (names, things): (Vec<&str>, Vec<Vec<String>>) = hosts.filter(|(_, things)| !things.is_empty()).unzip();
    let all = things.concat();
    let count = match all.len() {
        0 => return None,
        1 => one.to_string(),
        count => format!("{count} {many}"),
    };
    Some(format!("{}: {count} {what}: {}", fold(names), listed(&all)))
}

/// Sets the addresses that were released, or are to be. A host that was terminated before gets an action of its own.
pub fn note_released(host: &mut Acted, released: Vec<String>) {
    if !released.is_empty() {
        host.record.set("released_addresses", released);
        host.action = if host.action == NO_ACTION { RELEASE } else { host.action };
    }
}

/// Returns the volumes that EC2 does not delete with the instance.
fn kept_volumes(record: &Record) -> Vec<String> {
    let Some(Value::Array(volumes)) = record.get("volumes") else { return Vec::new() };
    let kept = volumes.iter().filter(|volume| volume["delete_on_termination"] == Value::Bool(false));
    kept.filter_map(|volume| volume["volume_id"].as_str().map(str::to_string)).collect()
}

/// Returns the first ones, and how many more there are.
fn listed(all: &[String]) -> String {
    const SHOWN: usize = 20;
    match all.len().saturating_sub(SHOWN) {
        0 => all.join(", "),
        more => format!("{} and {more} more", all[..SHOWN].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(name: &str, volumes: &str) -> Acted {
        let line = format!(r#"{{"host":"{name}","instance_id":"i-{name}","region":"r","volumes":[{volumes}]}}"#);
        Acted { record: Record::parse(&line).unwrap(), action: "terminate", result: Ok(()) }
    }

    fn leftovers(acted: &[Acted], own: &[&str], releases: bool) -> Leftovers {
        let own: Vec<String> = own.iter().map(|address| address.to_string()).collect();
        let leftover =
            |host: &Acted| Leftover { volumes: kept_volumes(&host.record), own: own.clone(), other: Vec::new() };
        Leftovers {
            by_place: acted.iter().map(|host| (host.instance_key(), leftover(host))).collect(),
            releases,
            unknown: None,
        }
    }

    const KEPT: &str =
        r#"{"volume_id":"vol-1","delete_on_termination":false},{"volume_id":"vol-2","delete_on_termination":true}"#;

    #[test]
    fn what_is_kept_is_said_and_noted() {
        let mut acted = [host("db1", KEPT), host("db2", "")];
        let kept = leftovers(&acted, &["192.0.2.1"], false);
        assert_eq!(
            kept.sentences(&acted),
            [
                "db1: 1 volume is kept, which AWS charges for: vol-1",
                "db[1-2]: 2 elastic IP addresses are kept, which AWS charges for: 192.0.2.1, 192.0.2.1; \
                 --release-addresses releases those with the hosts' names"
            ]
        );
        kept.note_kept(&mut acted);
        assert_eq!(acted[0].record.get("kept_volumes"), Some(vec!["vol-1"].into()));
        assert!(!acted[1].record.has("kept_volumes") && acted[1].record.has("kept_addresses"));
    }

    #[test]
    fn what_is_released_is_not_kept() {
        let mut acted = [host("db1", "")];
        let released = leftovers(&acted, &["192.0.2.1"], true);
        assert_eq!(released.sentences(&acted), [""; 0]);
        assert_eq!(released.released(&acted), ["192.0.2.1"]);
        let sentence = "db1: 1 elastic IP address is to be released: 192.0.2.1";
        assert_eq!(released.release_sentence(&acted).as_deref(), Some(sentence));
        acted[0].action = NO_ACTION;
        released.plan_release(&mut acted);
        assert_eq!(acted[0].action, RELEASE);
    }
}
