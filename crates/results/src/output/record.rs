//! Makes the record of a host with its outcome.

use crate::output::capture::Output;
use crate::output::copied::Copied;
use crate::output::outcome::{HostStatus, Outcome, Phase};
use base64::prelude::{BASE64_STANDARD, Engine};
use cerveza_record::{RESULTS, Record, Value, json};

/// Returns the record without the results of an earlier run.
pub fn without_result(record: &Record) -> Record {
    let mut record = record.clone();
    for key in RESULTS {
        record.remove(key.name);
    }
    record.remove("plan");
    record
}

/// Returns the record of a host with its outcome.
pub fn with_result(record: &Record, outcome: Outcome) -> Record {
    let mut record = without_result(record);
    let truncated = outcome.stdout.truncated || outcome.stderr.truncated;
    let ended = matches!(outcome.status, HostStatus::Ok | HostStatus::Failed);
    let (stdout, stderr, encoding) = encode(text(outcome.stdout, ended), text(outcome.stderr, ended));
    record.set("status", outcome.status.name());
    record.set("phase", outcome.phase.map(Phase::name));
    record.set("exit_code", outcome.exit_code);
    record.set("signal", outcome.signal);
    record.set("stdout", stdout);
    record.set("stderr", stderr);
    if let Some(encoding) = encoding {
        record.set("encoding", encoding);
    }
    if truncated {
        record.set("truncated", true);
    }
    if let Some(copied) = outcome.copied {
        record.set("copied", copied_value(copied));
    }
    if let Some(id) = outcome.command_id {
        record.set("command_id", id);
    }
    record.set("attempts", outcome.attempts);
    let started_at = outcome.started_at.map(|at| humantime::format_rfc3339_millis(at).to_string());
    record.set("started_at", started_at);
    record.set("duration_ms", outcome.duration.as_millis() as u64);
    record.set("error", outcome.error);
    record
}

fn copied_value(copied: Copied) -> Value {
    let mut value = json!({"files": copied.files, "bytes": copied.bytes, "unchanged": copied.unchanged});
    if let Some(fields) = value.as_object_mut().filter(|_| !copied.skipped.is_empty()) {
        let more = (copied.more_skipped > 0).then(|| format!("and {} more", copied.more_skipped));
        fields.insert("skipped".to_string(), copied.skipped.into_iter().chain(more).collect());
    }
    value
}

/// Returns a stream as text, or as bytes if it is not UTF-8. If the command was ended, an incomplete character at the end is
/// left out.
fn text(output: Output, ended: bool) -> Result<String, Vec<u8>> {
    String::from_utf8(output.bytes).or_else(|error| {
        let (at, cut) = (error.utf8_error().valid_up_to(), error.utf8_error().error_len().is_none());
        let mut bytes = error.into_bytes();
        if cut && !ended {
            bytes.truncate(at);
        }
        String::from_utf8(bytes).map_err(|error| error.into_bytes())
    })
}

/// Returns both streams as text, or both as base64 if one is not UTF-8, so one `encoding` applies to both.
fn encode(stdout: Result<String, Vec<u8>>, stderr: Result<String, Vec<u8>>) -> (Value, Value, Option<&'static str>) {
    let base64 = |stream: Result<String, Vec<u8>>| {
        let bytes = stream.map_or_else(|bytes| bytes, String::into_bytes);
        Value::from(BASE64_STANDARD.encode(bytes))
    };
    match (stdout, stderr) {
        (Ok(stdout), Ok(stderr)) => (stdout.into(), stderr.into(), None),
        (stdout, stderr) => (base64(stdout), base64(stderr), Some("base64")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};

    fn outcome() -> Outcome {
        Outcome {
            exit_code: Some(0),
            attempts: 1,
            started_at: Some(SystemTime::UNIX_EPOCH),
            duration: Duration::from_millis(12),
            ..Outcome::new(HostStatus::Ok, Some(Phase::Exec))
        }
    }

    #[test]
    fn a_result_replaces_that_of_an_earlier_run_and_keeps_the_rest() {
        let record = Record::parse(
            r#"{"z":1.0,"status":"lost","host":"web1","error":"x","encoding":"base64","truncated":true,"tags":{"b":1}}"#,
        )
        .unwrap();
        let mut outcome = outcome();
        outcome.stdout = Output::of("hi\n");
        assert_eq!(
            with_result(&record, outcome).to_string(),
            r#"{"z":1.0,"host":"web1","tags":{"b":1},"status":"ok","phase":"exec","exit_code":0,"signal":null,"stdout":"hi\n","stderr":"","attempts":1,"started_at":"1970-01-01T00:00:00.000Z","duration_ms":12,"error":null}"#
        );
    }

    #[test]
    fn bytes_that_are_no_text_make_both_streams_base64() {
        let mut outcome = outcome();
        outcome.stdout = Output::of(b"\xff\x00");
        outcome.stderr = Output::of("plain");
        let record = with_result(&Record::named("a"), outcome);
        assert_eq!(record.str("stdout").unwrap(), "/wA=");
        assert_eq!(record.str("stderr").unwrap(), "cGxhaW4=");
        assert_eq!(record.str("encoding").unwrap(), "base64");
    }

    #[test]
    fn half_a_character_of_a_command_that_was_ended_is_left_out_and_makes_no_base64() {
        let record = |status| {
            let (stdout, stderr) = (Output::of(b"ab\xc3"), Output::of("é"));
            with_result(&Record::named("a"), Outcome { status, stdout, stderr, ..outcome() })
        };
        for status in [HostStatus::Timeout, HostStatus::Lost] {
            let record = record(status);
            assert_eq!(record.str("stdout").unwrap(), "ab");
            assert_eq!(record.str("stderr").unwrap(), "é");
            assert_eq!(record.str("encoding"), None);
        }
        assert_eq!(record(HostStatus::Ok).str("encoding").unwrap(), "base64");
    }
}
