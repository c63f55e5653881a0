//! Makes the closing line: the number of hosts with each status, their names, and the time of the run.

use crate::output::outcome::HostStatus;
use cerveza_manners::Status;
use cerveza_record::natural_cmp;
use hostrange::fold;
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest list of hosts. The line is for people, and the records have all hosts.
const LONGEST_LIST: usize = 100;

#[derive(Default)]
pub struct Summary {
    hosts: BTreeMap<HostStatus, Vec<String>>,
    /// How many hosts were tried again because of `--wait`.
    pub waited_for: u64,
    /// The folders that files were copied to.
    pub copied_to: Vec<String>,
    /// On how many hosts not everything was copied.
    pub partly_copied: u64,
    /// Hosts whose files of `--outdir` are incomplete.
    unwritten: Vec<String>,
}

impl Summary {
    pub fn add(&mut self, status: HostStatus, host: &str) {
        self.hosts.entry(status).or_default().push(host.to_string());
    }

    pub fn add_unwritten(&mut self, host: &str) {
        self.unwritten.push(host.to_string());
    }

    /// Returns a line such as `4 ok; 1 failed: web3; 2 unreachable: db[1-2]; took 3.2s`.
    pub fn line(&self, took: Option<Duration>) -> String {
        let parts = self.hosts.iter().map(|(status, hosts)| match status {
            HostStatus::Ok => format!("{} ok", hosts.len()),
            status => format!("{} {}: {}", hosts.len(), status.name(), listed(hosts)),
        });
        let unwritten = (!self.unwritten.is_empty())
            .then(|| format!("the files of {} are not whole: {}", self.unwritten.len(), listed(&self.unwritten)));
        let waited_for = (self.waited_for > 0).then(|| format!("{} waited for", self.waited_for));
        let copied_to = (!self.copied_to.is_empty() && self.hosts.contains_key(&HostStatus::Ok))
            .then(|| format!("copied to {}", self.copied_to.join(", ")));
        let partly_copied = (self.partly_copied > 0)
            .then(|| format!("not all was copied on {}, see copied in the records", self.partly_copied));
        let parts = parts
            .chain(copied_to)
            .chain(partly_copied)
            .chain(waited_for)
            .chain(unwritten)
            .chain(took.map(|took| format!("took {}", short_time(took))));
        parts.collect::<Vec<_>>().join("; ")
    }

    /// Returns the exit status of the run: the gravest of all hosts. A file that could not be written counts like a stdout that
    /// could not.
    pub fn status(&self) -> Status {
        let statuses = self.hosts.keys().map(|status| status.exit());
        let unwritten = (!self.unwritten.is_empty()).then_some(Status::Usage);
        statuses.chain(unwritten).max().unwrap_or(Status::Done)
    }
}

/// Returns the hosts, folded. A long list is cut, and ends with the number of the other hosts.
fn listed(hosts: &[String]) -> String {
    let mut names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    names.sort_by(|a, b| natural_cmp(a, b));
    let text = fold(names.iter().copied());
    if text.len() <= LONGEST_LIST {
        return text;
    }
    // As many as fit. The fold of more names is almost never shorter.
    let (mut fit, mut too_many) = (1, names.len());
    while fit + 1 < too_many {
        let middle = fit + (too_many - fit) / 2;
        if fold(names[..middle].iter().copied()).len() <= LONGEST_LIST {
            fit = middle;
        } else {
            too_many = middle;
        }
    }
    match names.len() - fit {
        0 => text,
        more => format!("{} … and {more} more", fold(names[..fit].iter().copied())),
    }
}

/// Returns a time such as `0.3s`, `42s`, `3m 5s`, `2h 0m`.
fn short_time(took: Duration) -> String {
    let seconds = took.as_secs();
    match seconds {
        0..10 => format!("{}.{}s", seconds, took.subsec_millis() / 100),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        _ => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Option<Duration> = Some(Duration::from_millis(3250));

    fn summary(hosts: &[(HostStatus, &str)]) -> Summary {
        let mut summary = Summary::default();
        for (status, host) in hosts {
            summary.add(*status, host);
        }
        summary
    }

    #[test]
    fn bad_hosts_are_named_folded() {
        use HostStatus::*;
        let all = summary(&[(Unreachable, "db2"), (Ok, "web1"), (Failed, "web3"), (Ok, "web2"), (Unreachable, "db1")]);
        assert_eq!(all.line(TOOK), "2 ok; 1 failed: web3; 2 unreachable: db[1-2]; took 3.2s");
        let ended = summary(&[(Skipped, "a3"), (Cancelled, "a2"), (Ok, "a1")]);
        assert_eq!(ended.line(TOOK), "1 ok; 1 cancelled: a2; 1 skipped: a3; took 3.2s");
        assert_eq!(summary(&[(Lost, "a b"), (Lost, "c")]).line(TOOK), r#"2 lost: "a b",c; took 3.2s"#);
        assert_eq!(summary(&[(Lost, "x\npssh-rs: 5 ok")]).line(TOOK), r#"1 lost: "x\npssh-rs: 5 ok"; took 3.2s"#);
    }

    #[test]
    fn hosts_that_were_waited_for_are_counted() {
        let mut all = summary(&[(HostStatus::Ok, "a"), (HostStatus::Auth, "b")]);
        all.waited_for = 2;
        all.copied_to = vec!["pulled/".to_string()];
        assert_eq!(all.line(TOOK), "1 ok; 1 auth: b; copied to pulled/; 2 waited for; took 3.2s");
        all.partly_copied = 1;
        let line =
            "1 ok; 1 auth: b; copied to pulled/; not all was copied on 1, see copied in the records; 2 waited for";
        assert_eq!(all.line(None), line);
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let mut all = Summary::default();
        // Squares do not fold to ranges.
        (1..=500).for_each(|number| all.add(HostStatus::Lost, &format!("n{}", number * number)));
        (1..=500).for_each(|number| all.add(HostStatus::Failed, &format!("rack {}", number * number)));
        let line = all.line(TOOK);
        let parts: Vec<&str> = line.split("; ").collect();
        assert!(parts[0].starts_with("500 failed: \"rack \"[1,4,9,16,25,") && parts[0].ends_with(" more"), "{line}");
        assert!(parts[1].starts_with("500 lost: n[1,4,9,16,25,"), "{line}");
        let (names, more) = parts[1].split_once(" … and ").unwrap();
        let more: usize = more.strip_suffix(" more").unwrap().parse().unwrap();
        assert_eq!(names.split(',').count() + more, 500);
        assert!(line.len() < 300, "{line}");
        let one = summary(&[(HostStatus::Lost, &"x".repeat(200))]);
        assert_eq!(one.line(TOOK), format!("1 lost: {}; took 3.2s", "x".repeat(200)));
    }

    #[test]
    fn the_gravest_host_decides() {
        use HostStatus::*;
        assert_eq!(summary(&[(Ok, "a")]).status(), Status::Done);
        assert_eq!(summary(&[(Ok, "a"), (Signaled, "b")]).status(), Status::No);
        assert_eq!(summary(&[(Failed, "a"), (Timeout, "b")]).status(), Status::Unreached);
        let mut unwritten = summary(&[(Ok, "a")]);
        unwritten.add_unwritten("a");
        assert_eq!(unwritten.status(), Status::Usage);
        assert_eq!(unwritten.line(TOOK), "1 ok; the files of 1 are not whole: a; took 3.2s");
    }

    #[test]
    fn times_are_short_to_read() {
        let short = |seconds| short_time(Duration::from_secs_f64(seconds));
        assert_eq!([short(0.04), short(59.9), short(185.0), short(7260.0)], ["0.0s", "59s", "3m 5s", "2h 1m"]);
    }
}
