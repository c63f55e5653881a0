//! Reports a run that acted on hosts: each host's record once, failures grouped, one closing line.

use crate::change::acted::{Acted, NO_ACTION, PROTECTED, SKIPPED};
use crate::client::failure_groups::grouped;
use crate::config::aws_profile::AWS_PROFILE;
use cerveza_manners::{Column, Failure, OutputArgs, OutputMode, Result, Status, Tool, shorten, was_interrupted};
use cerveza_record::{Record, Value};
use hostrange::fold;
use std::collections::{BTreeSet, HashSet};

const COLUMNS: [Column; 6] = [
    Column { header: "HOST", key: "host" },
    Column { header: "ACTION", key: "action" },
    Column { header: "STATE", key: "state" },
    Column { header: "ZONE", key: "zone" },
    Column { header: "INSTANCE", key: "instance_id" },
    Column { header: "ERROR", key: "error" },
];

/// The second column if the hosts are in several accounts.
const ACCOUNT_COLUMN: Column = Column { header: "AWS PROFILE", key: AWS_PROFILE };

/// The columns of a plan whose records have a `reason`.
const PLAN_COLUMNS: [Column; 5] = [
    Column { header: "HOST", key: "host" },
    Column { header: "ACTION", key: "action" },
    Column { header: "TYPE", key: "instance_type" },
    Column { header: "ZONE", key: "zone" },
    Column { header: "REASON", key: "reason" },
];

/// Writes every record with its `action` and `error`, says on stderr what failed and what was done, and returns the
/// exit status by the gravest failure.
pub fn report(tool: &Tool, args: &OutputArgs, dry_run: bool, acted: Vec<Acted>) -> Result<Status> {
    let is_plan = dry_run && acted.iter().any(|host| host.record.has("reason"));
    let columns = if is_plan { PLAN_COLUMNS.to_vec() } else { columns(&acted) };
    report_with(tool, args, dry_run, acted, &columns)
}

/// [`report`] with a table of these columns.
pub fn report_with(
    tool: &Tool,
    args: &OutputArgs,
    dry_run: bool,
    acted: Vec<Acted>,
    columns: &[Column],
) -> Result<Status> {
    let mode = args.mode(OutputMode::Table);
    let writer = args.writer(OutputMode::Table, columns, tool).optional(&["zone", "instance_type", "instance_id"]);
    let mut writer = writer.only_if_used(&[AWS_PROFILE, "error"]).uncut(&["changes"]);
    let mut written = Ok(());
    for host in &acted {
        let mut record = finished(host);
        if let (OutputMode::Table, Err(failure)) = (mode, &host.result) {
            record.set("error", shorten(&failure.message).as_ref());
        }
        written = written.and_then(|()| writer.write(&record));
    }
    let written = written.and_then(|()| writer.finish());
    let failures = acted.iter().filter_map(|host| Some((host.record.host(), host.result.as_ref().err()?)));
    for (hosts, failure) in grouped(failures) {
        tool.failure(&Failure { message: format!("{}: {}", fold(hosts), failure.message), ..failure });
    }
    tool.summary(summary(&acted, dry_run));
    match written {
        // The change is made: a reader that left early does not make it a failure.
        Err(failure) if !failure.is_closed_pipe() => Err(failure),
        _ if was_interrupted() => Ok(Status::Interrupted),
        _ => Ok(status(&acted)),
    }
}

fn finished(host: &Acted) -> Record {
    let mut record = host.record.clone();
    record.set("action", host.shown_action());
    match &host.result {
        Ok(()) => record.remove("error"),
        Err(failure) => record.set("error", Value::from(failure.message.as_str())),
    }
    record
}

fn columns(acted: &[Acted]) -> Vec<Column> {
    let mut columns = COLUMNS.to_vec();
    if profiles(acted.iter()).len() > 1 {
        columns.insert(1, ACCOUNT_COLUMN);
    }
    columns
}

/// Returns the profiles that the accounts of the hosts are named by.
fn profiles<'a>(acted: impl Iterator<Item = &'a Acted>) -> BTreeSet<Option<String>> {
    acted.map(|host| host.record.str(AWS_PROFILE)).collect()
}

/// `5 hosts: 3 launched, 1 left as is, 1 failed`; of a dry run `to launch`. Hosts of several accounts are counted by
/// account. An instance that was given twice is one host.
fn summary(acted: &[Acted], dry_run: bool) -> String {
    let mut seen = HashSet::new();
    let is_first = |host: &&Acted| host.instance_key().1.is_empty() || seen.insert(host.instance_key());
    let acted: Vec<&Acted> = acted.iter().filter(is_first).collect();
    let profiles = profiles(acted.iter().copied());
    let counted = match profiles.len() {
        0 | 1 => counts(&acted, dry_run),
        _ => {
            let of_profile = |profile: Option<String>| {
                let mut its = acted.clone();
                its.retain(|host| host.record.str(AWS_PROFILE) == profile);
                let counts = counts(&its, dry_run);
                match profile {
                    Some(profile) => format!("{counts} in {profile}"),
                    None => counts,
                }
            };
            profiles.into_iter().map(of_profile).collect::<Vec<_>>().join("; ")
        }
    };
    let hosts = if acted.len() == 1 { "host" } else { "hosts" };
    let plan = if dry_run { " (dry run: nothing was changed)" } else { "" };
    format!("{} {hosts}: {counted}{plan}", acted.len())
}

/// `3 launched, 1 left as is`.
fn counts(acted: &[&Acted], dry_run: bool) -> String {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for host in acted {
        let word = summary_word(host, dry_run);
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    counts.join(", ")
}

/// Returns the word that counts a host in the summary.
fn summary_word(host: &Acted, dry_run: bool) -> String {
    match (&host.result, host.action) {
        (Err(_), "refuse") => "refused".to_string(),
        (Err(_), PROTECTED | SKIPPED) => host.action.to_string(),
        // Half-done work: the action was done, and something else failed.
        (Err(_), "launched" | "started") => format!("{} with errors", host.action),
        (Err(_), "terminate") if host.record.str("state").as_deref() == Some("terminated") => {
            "terminated with errors".to_string()
        }
        (Err(_), _) => "failed".to_string(),
        (Ok(()), NO_ACTION | "leave") => "left as is".to_string(),
        (Ok(()), action) if dry_run => format!("to {action}"),
        (Ok(()), action) => under_way(action, host).map_or_else(|| past_tense(action), str::to_string),
    }
}

/// Returns what a host still does after the action, by its state.
fn under_way(action: &str, host: &Acted) -> Option<&'static str> {
    match (action, host.record.str("state")?.as_str()) {
        ("stop", "stopping") => Some("stopping"),
        ("hibernate", "stopping") => Some("hibernating"),
        ("start", "pending") => Some("starting"),
        ("terminate", "shutting-down") => Some("terminating"),
        _ => None,
    }
}

/// Returns the past of an action: those of ec2-launch say already what was done.
fn past_tense(action: &str) -> String {
    match action {
        "stop" => "stopped".to_string(),
        "tag" => "tagged".to_string(),
        "forgotten" | "launched" | "started" => action.to_string(),
        action => format!("{}ed", action.trim_end_matches('e')),
    }
}

fn status(acted: &[Acted]) -> Status {
    let failures: Vec<&Failure> = acted.iter().filter_map(|host| host.result.as_ref().err()).collect();
    failures.iter().map(|failure| failure.status).max().unwrap_or(Status::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acted(host: &str, action: &'static str, result: Result<()>) -> Acted {
        Acted { record: Record::named(host), action, result }
    }

    #[test]
    fn the_summary_counts_what_was_done() {
        let failed = || Err(Failure::unreached("refused"));
        let hosts = [
            acted("web1", "launched", Ok(())),
            acted("web2", "launched", Ok(())),
            acted("web3", "unchanged", Ok(())),
            acted("web4", "failed", failed()),
            acted("web5", "launched", failed()),
        ];
        let expected = "5 hosts: 2 launched, 1 left as is, 1 failed, 1 launched with errors";
        assert_eq!(summary(&hosts, false), expected);
        let hosts_to_be = [acted("web1", "launch", Ok(())), acted("web2", "refuse", failed())];
        assert_eq!(summary(&hosts_to_be, true), "2 hosts: 1 to launch, 1 refused (dry run: nothing was changed)");
        let words = ["start", "stop", "reboot", "terminate", "tag", "launched"].map(past_tense);
        assert_eq!(words, ["started", "stopped", "rebooted", "terminated", "tagged", "launched"]);
        assert_eq!(status(&hosts), Status::Unreached);
        assert_eq!(status(&hosts[..3]), Status::Done);
    }

    #[test]
    fn what_is_still_under_way_is_not_said_to_be_done() {
        let host = |action, state| {
            let mut host = acted("web1", action, Ok(()));
            host.record.set("state", state);
            summary_word(&host, false)
        };
        assert_eq!(host("stop", "stopping"), "stopping");
        assert_eq!(host("stop", "stopped"), "stopped");
        assert_eq!(host("start", "pending"), "starting");
        assert_eq!(host("start", "running"), "started");
        assert_eq!(host("terminate", "shutting-down"), "terminating");
        assert_eq!(host("launched", "pending"), "launched");
    }

    #[test]
    fn hosts_of_several_accounts_are_counted_by_account() {
        let of = |name: &str, profile: &str, result| {
            let mut host = acted(name, "stop", result);
            host.record.set(AWS_PROFILE, profile);
            host
        };
        let mut hosts = vec![of("web1", "dev", Ok(())), of("web2", "dev", Ok(()))];
        assert_eq!(summary(&hosts, false), "2 hosts: 2 stopped");
        assert!(columns(&hosts).iter().all(|column| column.key != AWS_PROFILE));
        hosts.push(of("web3", "prod", Err(Failure::unreached("refused"))));
        assert_eq!(summary(&hosts, false), "3 hosts: 2 stopped in dev; 1 failed in prod");
        assert!(columns(&hosts).iter().any(|column| column.key == AWS_PROFILE));
    }

    #[test]
    fn an_instance_that_was_given_twice_is_one_host() {
        let host = |name: &str| {
            let mut host = acted(name, "stop", Ok(()));
            host.record.set("instance_id", "i-1");
            host
        };
        assert_eq!(summary(&[host("web1"), host("i-1")], false), "1 host: 1 stopped");
        let mut through = ["b", "a"].map(|profile| {
            let mut host = host("web1");
            host.record.set(AWS_PROFILE, profile);
            host
        });
        assert_eq!(summary(&through, false), "1 host: 1 stopped");
        through[1].record.set("instance_id", "i-2");
        assert_eq!(summary(&through, false), "2 hosts: 1 stopped in a; 1 stopped in b");
    }

    #[test]
    fn a_host_that_has_failed_is_not_unchanged() {
        let action = |action, result| finished(&acted("web1", action, result)).str("action").unwrap();
        assert_eq!(action(NO_ACTION, Ok(())), "unchanged");
        assert_eq!(action(NO_ACTION, Err(Failure::unreached("absent"))), "failed");
        assert_eq!(action("stop", Err(Failure::unreached("it is still stopping"))), "stop");
        assert_eq!(action(PROTECTED, Err(Failure::unreached("by its tag"))), "protected");
    }

    #[test]
    fn an_error_of_an_earlier_run_does_not_stay() {
        let mut host = acted("web1", "stop", Ok(()));
        host.record.set("error", "old");
        assert_eq!(finished(&host).to_string(), r#"{"host":"web1","action":"stop"}"#);
    }
}
