//! What became of one host, and its record.

use crate::copied::Copied;
use crate::output::Output;
use base64::prelude::{BASE64_STANDARD, Engine};
use cerveza_manners::Status;
use cerveza_record::{Record, Value, json};
use std::time::{Duration, SystemTime};

/// How a host ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostStatus {
    Ok,
    /// The command ended with a status other than 0, or the server would not run it.
    Failed,
    /// A signal ended the command.
    Signaled,
    /// A deadline passed while logging in or running.
    Timeout,
    /// No SSH connection came about, or it ended before the command was sent.
    Unreachable,
    /// Every key was refused.
    Auth,
    /// The host's key is unknown, changed or revoked.
    HostKey,
    /// The connection ended before the command's exit status arrived: what it did is not known.
    Lost,
    /// Ctrl-C came first.
    Cancelled,
    /// It was never tried: the rollout had ended before its turn.
    Skipped,
}

impl HostStatus {
    pub fn name(self) -> &'static str {
        match self {
            HostStatus::Ok => "ok",
            HostStatus::Failed => "failed",
            HostStatus::Signaled => "signaled",
            HostStatus::Timeout => "timeout",
            HostStatus::Unreachable => "unreachable",
            HostStatus::Auth => "auth",
            HostStatus::HostKey => "hostkey",
            HostStatus::Lost => "lost",
            HostStatus::Cancelled => "cancelled",
            HostStatus::Skipped => "skipped",
        }
    }

    /// What the host makes of the run's exit status.
    pub fn exit(self) -> Status {
        match self {
            HostStatus::Ok => Status::Done,
            HostStatus::Failed | HostStatus::Signaled => Status::No,
            _ => Status::Unreached,
        }
    }
}

/// How far an attempt came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    Resolve,
    Connect,
    Handshake,
    HostKey,
    Auth,
    Exec,
}

impl Phase {
    pub fn name(self) -> &'static str {
        match self {
            Phase::Resolve => "resolve",
            Phase::Connect => "connect",
            Phase::Handshake => "handshake",
            Phase::HostKey => "hostkey",
            Phase::Auth => "auth",
            Phase::Exec => "exec",
        }
    }
}

/// Whether another attempt may help and can do no harm: the server had not yet heard of the command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    #[default]
    Never,
    Once,
    /// The server hung up before it said anything, as it may do to shed load.
    Closed,
    /// The server said that it sheds load: later it may not.
    Shed,
    /// Nothing was tried: a live host waited too long for a slot. It does not count.
    Again,
}

/// What a host that is done counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Good,
    /// The command ran and failed, or may have.
    Failed,
    /// It was not started.
    Unreached,
}

/// What became of one host.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub status: HostStatus,
    /// `None` where nothing was begun.
    pub phase: Option<Phase>,
    /// Only one that really arrived.
    pub exit_code: Option<u32>,
    pub signal: Option<String>,
    pub stdout: Output,
    pub stderr: Output,
    pub error: Option<String>,
    /// Of the attempt that this is the outcome of.
    pub started_at: Option<SystemTime>,
    pub duration: Duration,
    pub attempts: u32,
    /// Whether its files of `--outdir` are not whole.
    pub unwritten: bool,
    /// What was copied, where that was asked for.
    pub copied: Option<Copied>,
    pub retry: Retry,
}

impl Outcome {
    pub fn new(status: HostStatus, phase: Option<Phase>) -> Outcome {
        Outcome {
            status,
            phase,
            exit_code: None,
            signal: None,
            stdout: Output::default(),
            stderr: Output::default(),
            error: None,
            started_at: None,
            duration: Duration::ZERO,
            attempts: 0,
            unwritten: false,
            copied: None,
            retry: Retry::Never,
        }
    }

    pub fn error(status: HostStatus, phase: Phase, error: impl Into<String>) -> Outcome {
        Outcome { error: Some(error.into()), ..Outcome::new(status, Some(phase)) }
    }

    /// What the host counts as in a rollout: where nothing was started there nothing failed.
    pub fn mark(&self) -> Mark {
        match (self.status, self.phase) {
            (HostStatus::Ok, _) => Mark::Good,
            (_, Some(Phase::Exec)) => Mark::Failed,
            _ => Mark::Unreached,
        }
    }

    /// Whether a host that is still booting ends an attempt like this: it cannot be reached, or has not installed the
    /// login's keys. A host key that is not the right one is not among them, because sshd shows none before the host has
    /// its final keys. Nothing was run.
    pub fn may_boot(&self) -> bool {
        match (self.status, self.phase) {
            (_, None | Some(Phase::Exec)) => false,
            (HostStatus::Unreachable | HostStatus::Auth, _) => true,
            (status, phase) => (status, phase) == (HostStatus::Timeout, Some(Phase::Auth)),
        }
    }

    /// The outcome of a host that the end of the run came before: by its deadline (`late`) or by Ctrl-C.
    pub fn stopped(late: bool) -> Outcome {
        let (status, error) = match late {
            true => (HostStatus::Timeout, "the run's deadline has passed"),
            false => (HostStatus::Cancelled, "interrupted"),
        };
        Outcome { error: Some(error.to_string()), ..Outcome::new(status, None) }
    }
}

/// What pssh-rs adds to a record, and replaces there when it comes from an earlier run.
const RESULT_KEYS: [&str; 14] = [
    "status",
    "phase",
    "exit_code",
    "signal",
    "stdout",
    "stderr",
    "encoding",
    "truncated",
    "attempts",
    "started_at",
    "duration_ms",
    "error",
    "copied",
    "plan",
];

/// The record without the results of an earlier run.
pub fn without_result(record: &Record) -> Record {
    let mut record = record.clone();
    for key in RESULT_KEYS {
        record.remove(key);
    }
    record
}

/// The record of a host with its outcome.
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

/// A stream as text; as its bytes where it is not UTF-8. Where the command did not get to its end, half a character may be
/// the last: that one is left out.
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

/// Both streams as text, or, where one is not UTF-8, both as base64: one word then tells how to read either.
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

    #[test]
    fn only_a_host_that_ran_nothing_may_be_booting() {
        let may_boot = |status, phase| Outcome::new(status, phase).may_boot();
        for (status, phase) in [
            (HostStatus::Unreachable, Phase::Resolve),
            (HostStatus::Unreachable, Phase::Connect),
            (HostStatus::Unreachable, Phase::Handshake),
            (HostStatus::Unreachable, Phase::Auth),
            (HostStatus::Auth, Phase::Auth),
            (HostStatus::Timeout, Phase::Auth),
        ] {
            assert!(may_boot(status, Some(phase)), "{status:?}");
        }
        for (status, phase) in [
            (HostStatus::HostKey, Phase::HostKey),
            (HostStatus::Timeout, Phase::Exec),
            (HostStatus::Lost, Phase::Exec),
            (HostStatus::Failed, Phase::Exec),
            (HostStatus::Cancelled, Phase::Connect),
        ] {
            assert!(!may_boot(status, Some(phase)), "{status:?}");
        }
        assert!(!may_boot(HostStatus::Unreachable, None));
    }

    #[test]
    fn only_ok_is_done() {
        use HostStatus::*;
        assert_eq!(Ok.exit(), Status::Done);
        for status in [Failed, Signaled] {
            assert_eq!(status.exit(), Status::No);
        }
        for status in [Timeout, Unreachable, Auth, HostKey, Lost, Cancelled, Skipped] {
            assert_eq!(status.exit(), Status::Unreached);
        }
    }
}
