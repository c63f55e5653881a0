//! Keeps hosts from being changed by mistake: a failed command before, the tag `cerveza:protect`, EC2's own protection,
//! and `--max`.

use crate::args::Job;
use crate::due::{due_hosts, is_due, is_in};
use cerveza_ec2::{Accounts, Acted, Change, Ec2, StopMode};
use cerveza_manners::{Failure, Result, Status, Tool};
use cerveza_record::{Record, Value};
use std::cell::RefCell;

/// The tag that protects an instance: `stop`, `terminate`, or both, separated by commas.
const PROTECT_TAG: &str = "cerveza:protect";

/// Refuses a host whose record has the result of a command that has failed: `ec2-ls | pssh-rs --run script | ec2-power
/// stop`.
pub fn check_status(record: &Record) -> Result<()> {
    let status = match record.get("status") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::String(status)) => status,
        Some(other) => other.to_string(),
    };
    let detail = match (record.str("error"), record.get("exit_code"), record.str("signal")) {
        (Some(error), ..) => format!(": {error}"),
        (_, Some(Value::Number(code)), _) => format!(": exit code {code}"),
        (_, _, Some(signal)) => format!(": signal {signal}"),
        _ => String::new(),
    };
    let message = format!("skipped, because its earlier command did not succeed ({status}{detail})");
    match status.as_str() {
        "ok" => Ok(()),
        // As pssh-rs exits for them.
        "failed" | "signaled" => Err(Failure::no(message)),
        _ => Err(Failure::unreached(message)),
    }
    .map_err(|failure| failure.hint("--even-failed changes such hosts too"))
}

/// Refuses an instance that its tag protects. A value that is neither `stop` nor `terminate` protects from both.
pub fn check_protection(job: &Job, instance: &Record) -> Result<()> {
    let word = match job {
        Job::Power(Change::Stop(_)) | Job::Resize(_) => "stop",
        Job::Power(Change::Terminate) => "terminate",
        Job::Power(Change::Start | Change::Reboot) => return Ok(()),
    };
    let Some(Value::Object(tags)) = instance.get("tags") else { return Ok(()) };
    let Some(value) = tags.get(PROTECT_TAG).and_then(Value::as_str) else { return Ok(()) };
    let words: Vec<String> = value.split(',').map(|word| word.trim().to_lowercase()).collect();
    let is_known = words.iter().all(|word| matches!(word.as_str(), "stop" | "terminate"));
    if is_known && !words.iter().any(|known| known == word) {
        Ok(())
    } else {
        Err(Failure::unreached(format!("protected by its tag {PROTECT_TAG}={value}"))
            .hint(format!("`ec2-tag {PROTECT_TAG}- HOST` removes the tag")))
    }
}

/// The most hosts whose protection by EC2 is looked up, because it takes a call for each.
const MOST_LOOKED_UP: usize = 100;

/// Looks up which hosts EC2 itself protects, so a plan or a question does not count on them. Warns if that is not
/// known.
pub async fn check_ec2_protection(tool: &Tool, accounts: &Accounts, job: &Job, acted: &mut Vec<Acted>) {
    let change = match job {
        Job::Power(Change::Start | Change::Reboot) => return,
        Job::Power(change) => *change,
        Job::Resize(_) => Change::Stop(StopMode::Shutdown),
    };
    if due_hosts(acted).len() > MOST_LOOKED_UP {
        tool.warn(format!("EC2's own protection is not checked for more than {MOST_LOOKED_UP} hosts"));
        return;
    }
    // A stopped host is resized without a stop.
    let is_concerned =
        |host: &Acted| is_due(host) && (job.is_terminate() || is_in(host, "running") || is_in(host, "pending"));
    let unknown = RefCell::new(None);
    let check = async |ec2: &Ec2, acted: &mut Vec<Acted>| {
        if let Some(failure) = ec2.check_protection(acted, is_concerned, change).await {
            unknown.borrow_mut().get_or_insert(failure);
        }
    };
    accounts.in_each_account(acted, check).await;
    if let Some(failure) = unknown.into_inner().filter(|failure| failure.status != Status::Interrupted) {
        tool.failure(&failure.within("EC2's own protection is not checked"));
    }
}

/// Refuses the whole run if more hosts are to be changed than `most`.
pub fn check_count(most: Option<usize>, count: usize) -> Result<()> {
    let Some(most) = most.filter(|most| count > *most) else { return Ok(()) };
    let hosts = if count == 1 { "host" } else { "hosts" };
    Err(Failure::usage(format!("{count} {hosts} would be changed, and at most {most} are allowed"))
        .hint(format!("to change all of them, add --max {count}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(line: &str) -> Record {
        Record::parse(line).unwrap()
    }

    #[test]
    fn a_failed_command_skips_its_host_with_the_reason() {
        for (line, status, why) in [
            (r#"{"host":"a"}"#, Status::Done, ""),
            (r#"{"host":"a","status":"ok","exit_code":0}"#, Status::Done, ""),
            (r#"{"host":"a","status":"failed","exit_code":3,"error":null}"#, Status::No, "(failed: exit code 3)"),
            (
                r#"{"host":"a","status":"signaled","exit_code":null,"signal":"KILL"}"#,
                Status::No,
                "(signaled: signal KILL)",
            ),
            (r#"{"host":"a","status":"unreachable","error":"no route"}"#, Status::Unreached, "(unreachable: no route)"),
            (r#"{"host":"a","status":"skipped"}"#, Status::Unreached, "(skipped)"),
        ] {
            let result = check_status(&record(line));
            let message = result.as_ref().err().map(|failure| failure.message.clone()).unwrap_or_default();
            assert!(message.ends_with(why), "{line}: {message}");
            assert_eq!(result.err().map_or(Status::Done, |failure| failure.status), status, "{line}");
        }
    }

    #[test]
    fn tag_protects_from_what_it_names() {
        let stop = Job::Power(Change::Stop(StopMode::Force));
        let terminate = Job::Power(Change::Terminate);
        let resize = Job::Resize("m5.large".to_string());
        let start = Job::Power(Change::Start);
        for (value, protects) in [
            ("stop", [true, false, true, false]),
            ("terminate", [false, true, false, false]),
            ("stop,terminate", [true, true, true, false]),
            (" Terminate , STOP ", [true, true, true, false]),
            ("yes", [true, true, true, false]),
            ("", [true, true, true, false]),
        ] {
            let instance = record(&format!(r#"{{"host":"a","tags":{{"{PROTECT_TAG}":"{value}"}}}}"#));
            let found = [&stop, &terminate, &resize, &start].map(|job| check_protection(job, &instance).is_err());
            assert_eq!(found, protects, "{value}");
        }
        assert_eq!(check_protection(&stop, &record(r#"{"host":"a","tags":{}}"#)), Ok(()));
    }
}
