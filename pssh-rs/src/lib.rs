//! `pssh-rs`: runs a command on many hosts over SSH and says truly what became of it on each.
//!
//! Data flows one way: `cli` reads options (`args`) and hosts; `targets` asks `ssh_config` of them, and `plan` decides
//! where and how each is reached; `setup` reads what this machine has for it (keys, scripts, files). Then `pool` begins
//! an attempt a host when `schedule` says so, which `rollout` has a say in, and hands the outcomes to `view`, which writes them.
//!
//! An `attempt` goes through `resolve` and `connect` (or `jump`, or `proxy`), `greeting`, `link` (the SSH session under our own
//! clock), `host_key` (by what `known_hosts` says), `auth`, and `work`: `copy`, `exec`, `script`. What a command prints goes to a
//! `sink`. Every wait ends by a deadline or by Ctrl-C; `pool` gives up on a thread that overruns all the same.
//!
//! `openssh` is the other engine: the system's ssh.

mod auth;
mod base;
mod cli;
mod connect;
mod copied;
mod copy;
mod ffi;
mod host;
mod known_hosts;
mod lines;
mod openssh;
mod outcome;
mod outdir;
mod output;
mod pool;
mod rollout;
mod schedule;
mod session;
mod sink;
mod ssh_config;
mod summary;
mod view;

pub use base::policy::{Engine, HostKeyPolicy};
pub use cli::args::Args;
pub use cli::hint::hint;
pub use cli::{command, run};
