//! `pssh-rs`: runs a command on many hosts over SSH and reports exactly what happened on each.
//!
//! A folder imports only from folders below it:
//!
//! - `cli`: from options and hosts to targets and a job; `--dry-run`.
//! - `run`: which host begins when, and a thread for each attempt.
//! - `host`: one attempt at one host, by libssh2 or by the system's ssh, and its outcome.
//! - `copy`: `--push` and `--pull`. `auth`: logging in with keys, certificates and an agent.
//! - `session`: an SSH session with our own deadlines; running and terminating a command on it.
//! - `connect`: TCP, jump hosts and ProxyCommands; the banner.
//! - `system_ssh`: the system's ssh as a program, for jump hosts and the openssh engine.
//! - `ssh_config`: what ssh_config says about each host.
//! - `known_hosts`: the decision about a host's key.
//! - `ffi`: calls of libssh2 that the `ssh2` crate lacks. `base`: waits, stop signals, sockets, small readers.

mod auth;
mod base;
mod cli;
mod connect;
mod copy;
mod ffi;
mod host;
mod known_hosts;
mod run;
mod session;
mod ssh_config;
mod system_ssh;

pub use base::policy::{Engine, HostKeyPolicy};
pub use cli::args::Args;
pub use cli::hint::hint;
pub use cli::{command, run};
