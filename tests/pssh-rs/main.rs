//! `pssh-rs` against a real sshd: the record of each host, however it ends.

mod dead;
mod display;
mod ending;
mod engine;
mod files;
mod frozen;
mod handshake;
mod host_keys;
mod hostile_sftp;
mod input;
mod interrupt;
mod login;
mod long_lines;
mod no_open_port;
mod piped_stdin;
mod reach;
mod rollout;
mod sessions;
mod settings;
mod ssh_config;
mod started;
mod stopping;
mod sudo;
mod truth;
mod volume;
mod wait;

use kit::{Sandbox, Sshd};
use serde_json::Value;

/// A sandbox whose pssh-rs can log in to a sshd of its own.
fn fleet() -> (Sandbox, Sshd) {
    let (mut sandbox, sshd) = (Sandbox::new(), Sshd::start());
    sshd.open_to(&mut sandbox);
    (sandbox, sshd)
}

/// The record of a host at 127.0.0.N.
fn host(name: &str, last: u8) -> String {
    format!("{{\"host\":\"{name}\",\"private_ip\":\"127.0.0.{last}\"}}\n")
}

/// Hosts `web1` to `webN` at 127.0.0.1 to 127.0.0.N.
fn hosts(count: u8) -> String {
    (1..=count).map(|number| host(&format!("web{number}"), number)).collect()
}

/// The one record of `name`.
#[track_caller]
fn of<'a>(records: &'a [Value], name: &str) -> &'a Value {
    let found: Vec<&Value> = records.iter().filter(|record| record["host"] == name).collect();
    assert_eq!(found.len(), 1, "{name} came out {} times: {records:?}", found.len());
    found[0]
}

/// The record's error.
#[track_caller]
fn error(record: &Value) -> &str {
    record["error"].as_str().unwrap_or_else(|| panic!("no error in {record}"))
}
