//! Asks on the terminal before instances are terminated or resized.

use crate::args::Job;
use crate::due::{due_hosts, is_due};
use cerveza_ec2::{Accounts, Acted, grouped};
use cerveza_manners::{Failure, Result, table, visible};
use hostrange::fold;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};

/// A question whose right answer is a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    text: String,
    count: usize,
}

/// What the table of the hosts shows: what they are, and where.
const COLUMNS: [(&str, &str); 7] = [
    ("HOST", "host"),
    ("INSTANCE", "instance_id"),
    ("TYPE", "instance_type"),
    ("STATE", "state"),
    ("REGION", "region"),
    ("ACCOUNT", "account"),
    ("AWS PROFILE", "aws_profile"),
];

/// Returns what to ask: a table of the hosts, those that are not changed, `notes`, and the number to type. `None` if
/// nothing is to be done.
pub fn question(job: &Job, acted: &[Acted], notes: &[String], released: &[String]) -> Option<Question> {
    let hosts = due_hosts(acted);
    let count = if hosts.is_empty() { released.len() } else { hosts.len() };
    let things = |count: usize, thing: &str| format!("{count} {thing}{}", if count == 1 { "" } else { "s" });
    let what = match job {
        _ if hosts.is_empty() => format!("release {}", addresses(released)),
        Job::Resize(name) => {
            format!("resize {} to {name}; running hosts are stopped and started", things(count, "host"))
        }
        Job::Power(_) if released.is_empty() => format!("{} {}", job.action(), things(count, "host")),
        Job::Power(_) => {
            format!("{} {} and release {}", job.action(), things(count, "host"), addresses(released))
        }
    };
    let mut text = String::new();
    if !hosts.is_empty() {
        let profile = |host: &Acted| host.record.str("aws_profile");
        let has_several = hosts.iter().any(|host| profile(host) != profile(hosts[0]));
        let columns = COLUMNS.iter().filter(|(_, key)| has_several || *key != "aws_profile");
        let headers: Vec<&str> = columns.clone().map(|(header, _)| *header).collect();
        let cells = |host: &&Acted| columns.clone().map(|(_, key)| host.record.get(key)).collect();
        text = table(&headers, hosts.iter().map(cells));
    }
    for note in not_changed(job, acted).iter().chain(notes) {
        text.push_str(&format!("{}\n", visible(note)));
    }
    text.push_str(&format!("type {count} to {}: ", visible(&what)));
    (count > 0).then_some(Question { text, count })
}

/// Says which hosts are not changed, one line for each reason.
fn not_changed(job: &Job, acted: &[Acted]) -> Vec<String> {
    let failures = acted.iter().filter_map(|host| Some((host.record.host(), host.result.as_ref().err()?)));
    let failed = grouped(failures).into_iter();
    let failed = failed.map(|(hosts, failure)| format!("not changed: {}: {failure}", fold(hosts)));
    let key = if matches!(job, Job::Resize(_)) { "instance_type" } else { "state" };
    let mut as_is: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for host in acted.iter().filter(|host| host.result.is_ok() && !is_due(host)) {
        as_is.entry(host.record.str(key).unwrap_or_default()).or_default().push(host.record.host());
    }
    let as_is = as_is.into_iter().map(|(is, hosts)| format!("left as is: {}: {is} already", fold(hosts)));
    failed.chain(as_is).collect()
}

fn addresses(released: &[String]) -> String {
    match released {
        [one] => one.clone(),
        many => format!("{} addresses ({})", many.len(), many.join(", ")),
    }
}

/// Asks on the terminal itself, because stdin may be a pipe of records. Anything but the number is a no.
pub async fn ask(accounts: &Accounts, job: &Job, question: Question) -> Result<()> {
    let count = question.count;
    let answer = accounts.unless_interrupted(move || read_answer(&question.text)).await?;
    match answer {
        Ok(Some(answer)) if answer.trim() == count.to_string() => Ok(()),
        Ok(Some(_)) => Err(Failure::usage("not confirmed")),
        Ok(None) => Err(Failure::usage("cannot ask for confirmation without a terminal")
            .hint(format!("--yes makes it {} without a question", job.action()))),
        Err(error) => Err(Failure::usage(format!("cannot ask on the terminal: {error}"))),
    }
}

/// Returns the line that is typed, or `None` if there is no terminal.
fn read_answer(text: &str) -> io::Result<Option<String>> {
    let Ok(mut terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") else { return Ok(None) };
    terminal.write_all(text.as_bytes())?;
    let mut answer = String::new();
    BufReader::new(terminal).read_line(&mut answer)?;
    Ok(Some(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cerveza_ec2::{Change, NO_ACTION};
    use cerveza_record::Record;

    fn host(name: &str, action: &'static str) -> Acted {
        let line = format!(
            r#"{{"host":"{name}","instance_id":"i-{name}","state":"running","region":"us-east-1","account":"111122223333","instance_type":"m5.large"}}"#
        );
        Acted { record: Record::parse(&line).unwrap(), action, result: Ok(()) }
    }

    #[test]
    fn the_question_shows_the_hosts_and_asks_for_their_number() {
        let mut acted = ["web1", "web2", "web3", "db1", "db2"].map(|name| host(name, "terminate"));
        acted[2].action = NO_ACTION;
        acted[3..].iter_mut().for_each(|host| host.fail(Failure::unreached("protected by its tag")));
        let asked =
            question(&Job::Power(Change::Terminate), &acted, &["web1: 1 volume is kept".to_string()], &[]).unwrap();
        let expected = "HOST  INSTANCE  TYPE      STATE    REGION     ACCOUNT\n\
                        web1  i-web1    m5.large  running  us-east-1  111122223333\n\
                        web2  i-web2    m5.large  running  us-east-1  111122223333\n\
                        not changed: db[1-2]: protected by its tag\n\
                        left as is: web3: running already\n\
                        web1: 1 volume is kept\n\
                        type 2 to terminate 2 hosts: ";
        assert_eq!(asked, Question { text: expected.to_string(), count: 2 });
    }

    #[test]
    fn the_question_says_what_else_is_done() {
        let last = |job: &Job, acted: &[Acted], released: &[&str]| {
            let released: Vec<String> = released.iter().map(|address| address.to_string()).collect();
            question(job, acted, &[], &released).map(|asked| asked.text.lines().last().unwrap_or_default().to_string())
        };
        let (terminate, resize) = (Job::Power(Change::Terminate), Job::Resize("m7g.large".to_string()));
        assert_eq!(
            last(&terminate, &[host("a", "terminate")], &["192.0.2.1"]).unwrap(),
            "type 1 to terminate 1 host and release 192.0.2.1: "
        );
        assert_eq!(
            last(&terminate, &[host("a", NO_ACTION)], &["192.0.2.1", "192.0.2.2"]).unwrap(),
            "type 2 to release 2 addresses (192.0.2.1, 192.0.2.2): "
        );
        assert_eq!(
            last(&resize, &[host("a", "resize")], &[]).unwrap(),
            "type 1 to resize 1 host to m7g.large; running hosts are stopped and started: "
        );
        assert_eq!(last(&terminate, &[host("a", NO_ACTION)], &[]), None);
    }
}
