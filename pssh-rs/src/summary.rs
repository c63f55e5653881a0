//! The closing line: how many hosts ended how, and which they were.

use crate::outcome::HostStatus;
use cerveza_manners::Status;
use hostrange::fold_or_list;
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Summary {
    hosts: BTreeMap<HostStatus, Vec<String>>,
}

impl Summary {
    pub fn add(&mut self, status: HostStatus, host: &str) {
        self.hosts.entry(status).or_default().push(host.to_string());
    }

    /// `4 ok; 1 failed: web3; 2 unreachable: db[1-2]`
    pub fn line(&self) -> String {
        let parts = self.hosts.iter().map(|(status, hosts)| match status {
            HostStatus::Ok => format!("{} ok", hosts.len()),
            status => format!("{} {}: {}", hosts.len(), status.name(), fold_or_list(hosts.iter().map(String::as_str))),
        });
        parts.collect::<Vec<_>>().join("; ")
    }

    /// The run's exit status: the gravest of the hosts.
    pub fn status(&self) -> Status {
        let statuses = self.hosts.keys().map(|status| status.exit());
        statuses.max().unwrap_or(Status::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(hosts: &[(HostStatus, &str)]) -> Summary {
        let mut summary = Summary::default();
        for (status, host) in hosts {
            summary.add(*status, host);
        }
        summary
    }

    #[test]
    fn bad_hosts_are_named_folded_or_as_they_are() {
        use HostStatus::*;
        let all = summary(&[(Unreachable, "db2"), (Ok, "web1"), (Failed, "web3"), (Ok, "web2"), (Unreachable, "db1")]);
        assert_eq!(all.line(), "2 ok; 1 failed: web3; 2 unreachable: db[1-2]");
        assert_eq!(summary(&[(Lost, "a b"), (Lost, "c")]).line(), "2 lost: a b, c");
        assert_eq!(summary(&[(Lost, "x\npssh-rs: 5 ok")]).line(), "1 lost: x\\npssh-rs: 5 ok");
    }

    #[test]
    fn the_gravest_host_decides() {
        use HostStatus::*;
        assert_eq!(summary(&[(Ok, "a")]).status(), Status::Done);
        assert_eq!(summary(&[(Ok, "a"), (Signaled, "b")]).status(), Status::No);
        assert_eq!(summary(&[(Failed, "a"), (Timeout, "b")]).status(), Status::Unreached);
    }
}
