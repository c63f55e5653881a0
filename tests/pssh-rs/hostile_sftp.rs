//! SFTP servers that send endless listings or no answer: each limit is reported, and memory stays small.

use crate::started::{Ended, Started};
use crate::{error, fleet, host, hosts};
use kit::{Sandbox, SshServer};
use serde_json::json;
use std::fs;

/// Pulls `source` from a server whose SFTP behaves as the word says.
fn pull(word: &str, source: &str) -> (Ended, u64, Sandbox) {
    let (sandbox, sshd) = fleet();
    let _server = SshServer::start(&sshd, sshd.at(80));
    let user = format!("sftp-{word}");
    let run = Started::new(&sandbox, &["-l", &user, "--pull", source, "-t", "100"], host("odd", 80));
    let (ended, peak) = run.end_and_peak();
    (ended, peak, sandbox)
}

/// A single host, with everything that a run needs.
const SMALL: u64 = 250;

#[test]
fn endless_folder_is_given_up_within_its_memory_limit() {
    for (word, source) in [("names", "d"), ("long", "*")] {
        let (ended, peak, _sandbox) = pull(word, source);
        let record = &ended.records[0];
        assert_eq!((ended.code, &record["status"]), (1, &json!("failed")), "{word} {source}: {record}");
        let limit = "the names that the host lists take more than 64 MiB: pull less at a time";
        assert!(error(record).contains(limit), "{word} {source}: {record}");
        assert!(peak < SMALL, "{word} {source}: {peak} MiB");
    }
}

#[test]
fn unmatched_names_are_counted_and_not_kept() {
    let (ended, peak, _sandbox) = pull("names", "no*match");
    let record = &ended.records[0];
    assert_eq!((ended.code, &record["status"]), (1, &json!("failed")), "{record}");
    assert!(error(record).contains("the host has listed more than 1000000 names"), "{record}");
    assert!(peak < 100, "{peak} MiB");
}

#[test]
fn endlessly_deep_tree_is_given_up() {
    let (ended, _, _sandbox) = pull("deep", "d");
    let record = &ended.records[0];
    assert_eq!((ended.code, &record["status"]), (1, &json!("failed")), "{record}");
    assert!(error(record).contains("more than 64 folders deep"), "{record}");
}

#[test]
fn endless_empty_file_is_given_up_and_removed() {
    let (ended, _, sandbox) = pull("endless", "d:got");
    let record = &ended.records[0];
    assert_eq!((ended.code, &record["status"]), (1, &json!("failed")), "{record}");
    assert_eq!(error(record), "d/d: its size is 0, and more than 256 MiB came");
    assert_eq!(fs::read_dir(sandbox.dir().join("got/odd/d")).unwrap().count(), 0);
}

#[test]
fn unrequested_answers_are_not_kept() {
    for (word, status) in [("flood", "lost"), ("early-flood", "failed")] {
        let (ended, peak, _sandbox) = pull(word, "d");
        let record = &ended.records[0];
        assert_eq!(record["status"], status, "{record}");
        assert!(error(record).contains("the server sends what it was not asked for"), "{record}");
        assert!(peak < SMALL, "{peak} MiB");
    }
}

#[test]
fn wildcard_in_a_large_folder_needs_little_memory() {
    let (sandbox, _sshd) = fleet();
    sandbox
        .sh("mkdir large && cd large && seq 60000 | sed 's/$/-a-name-of-ordinary-length.log/' | xargs touch")
        .exits(0);
    sandbox.file("large/one-that-is-wanted", "x");
    let pull = format!("{}/large/one*:got", sandbox.dir().display());
    let (ended, peak) = Started::new(&sandbox, &["--pull", &pull], hosts(1)).end_and_peak();
    assert_eq!((ended.code, &ended.records[0]["copied"]["files"]), (0, &json!(1)), "{:?}", ended.records);
    assert!(peak < 60, "{peak} MiB");
    assert_eq!(fs::read_to_string(sandbox.dir().join("got/web1/one-that-is-wanted")).unwrap(), "x");
}

#[test]
fn silent_sftp_server_is_a_timeout_with_its_duration() {
    let (ended, ..) = pull("mute", "f");
    let record = &ended.records[0];
    assert_eq!((ended.code, &record["status"]), (3, &json!("timeout")), "{record}");
    assert_eq!(error(record), "no answer from the SFTP server within 15s");
}
