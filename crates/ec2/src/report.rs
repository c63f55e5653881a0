//! The end of a run that acted on hosts: each host's record once, failures grouped, one closing line.

use crate::acted::{Acted, NO_ACTION, PROTECTED};
use cerveza_manners::{Column, Failure, OutputArgs, OutputMode, RecordWriter, Result, Status, Tool, was_interrupted};
use cerveza_record::{Record, Value};
use hostrange::fold;
use std::collections::HashSet;

const COLUMNS: [Column; 7] = [
    Column { header: "HOST", key: "host" },
    Column { header: "ACTION", key: "action" },
    Column { header: "INSTANCE", key: "instance_id" },
    Column { header: "STATE", key: "state" },
    Column { header: "ZONE", key: "zone" },
    Column { header: "PRIVATE IP", key: "private_ip" },
    Column { header: "ERROR", key: "error" },
];

/// Of a plan that says why.
const PLAN_COLUMNS: [Column; 5] = [
    Column { header: "HOST", key: "host" },
    Column { header: "ACTION", key: "action" },
    Column { header: "TYPE", key: "instance_type" },
    Column { header: "ZONE", key: "zone" },
    Column { header: "REASON", key: "reason" },
];

/// Writes every record with its `action` and `error`, says on stderr what failed and what was done, and decides the
/// exit status by the gravest failure.
pub fn report(tool: &Tool, args: &OutputArgs, dry_run: bool, acted: Vec<Acted>) -> Result<Status> {
    let is_plan = dry_run && acted.iter().any(|host| host.record.has("reason"));
    let columns = if is_plan { &PLAN_COLUMNS[..] } else { &COLUMNS };
    let mut writer = RecordWriter::stdout(args.mode(OutputMode::Table), columns);
    let mut written = Ok(());
    for host in &acted {
        written = written.and_then(|()| writer.write(&finished(host)));
    }
    let written = written.and_then(|()| writer.finish());
    for (hosts, failure) in grouped(&acted) {
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
    record.set("action", host.action);
    match &host.result {
        Ok(()) => record.remove("error"),
        Err(failure) => record.set("error", Value::from(failure.message.as_str())),
    }
    record
}

/// Failures that say the same, once, with their hosts.
fn grouped(acted: &[Acted]) -> Vec<(Vec<&str>, Failure)> {
    let mut groups: Vec<(Vec<&str>, Failure)> = Vec::new();
    for host in acted {
        let Err(failure) = &host.result else { continue };
        match groups.iter_mut().find(|(_, known)| known == failure) {
            Some((hosts, _)) => hosts.push(host.record.host()),
            None => groups.push((vec![host.record.host()], failure.clone())),
        }
    }
    groups
}

/// `5 hosts: 3 launched, 1 left as is, 1 failed`; of a dry run `to launch`. An instance that was given twice is one host.
fn summary(acted: &[Acted], dry_run: bool) -> String {
    let mut seen = HashSet::new();
    let is_first = |host: &&Acted| host.place().1.is_empty() || seen.insert(host.place());
    let acted: Vec<&Acted> = acted.iter().filter(is_first).collect();
    let mut counts: Vec<(String, usize)> = Vec::new();
    for host in &acted {
        let word = word(host, dry_run);
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
    let hosts = if acted.len() == 1 { "host" } else { "hosts" };
    let plan = if dry_run { " (dry run: nothing was changed)" } else { "" };
    format!("{} {hosts}: {}{plan}", acted.len(), counts.join(", "))
}

/// The word that counts a host in the summary.
fn word(host: &Acted, dry_run: bool) -> String {
    match (&host.result, host.action) {
        (Err(_), "refuse") => "refused".to_string(),
        (Err(_), PROTECTED | "skipped") => host.action.to_string(),
        // Half-done work: the action was done, and something else failed.
        (Err(_), "launched" | "started") => format!("{} with errors", host.action),
        (Err(_), _) => "failed".to_string(),
        (Ok(()), NO_ACTION | "leave") => "left as is".to_string(),
        (Ok(()), action) if dry_run => format!("to {action}"),
        (Ok(()), action) => past(action),
    }
}

/// The past of an action: those of ec2-launch say already what was done.
fn past(action: &str) -> String {
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
        let words = ["start", "stop", "reboot", "terminate", "tag", "launched"].map(past);
        assert_eq!(words, ["started", "stopped", "rebooted", "terminated", "tagged", "launched"]);
        assert_eq!(status(&hosts), Status::Unreached);
        assert_eq!(status(&hosts[..3]), Status::Done);
    }

    #[test]
    fn an_instance_that_was_given_twice_is_one_host() {
        let host = |name: &str| {
            let mut host = acted(name, "stop", Ok(()));
            host.record.set("instance_id", "i-1");
            host
        };
        assert_eq!(summary(&[host("web1"), host("i-1")], false), "1 host: 1 stopped");
    }

    #[test]
    fn one_message_for_all_hosts_it_is_true_of() {
        let failed = || Err(Failure::unreached("refused"));
        let hosts = [acted("web1", "stop", failed()), acted("db1", "stop", Ok(())), acted("web2", "stop", failed())];
        let groups = grouped(&hosts);
        assert_eq!(groups.len(), 1);
        assert_eq!(fold(groups[0].0.iter().copied()), "web[1-2]");
    }

    #[test]
    fn an_error_of_an_earlier_run_does_not_stay() {
        let mut host = acted("web1", "stop", Ok(()));
        host.record.set("error", "old");
        assert_eq!(finished(&host).to_string(), r#"{"host":"web1","action":"stop"}"#);
    }
}
