//! `pssh-rs`: runs a command on many hosts over SSH and says truly what became of it on each.
//!
//! Data flows one way: `cli` reads options and hosts, `plan` decides where each host is, `setup` reads keys and known
//! hosts, `pool` takes the hosts from its `queue`, runs `attempt`s side by side, each on a `leash`, and hands an `outcome` a
//! host to `view`, which writes it.
//!
//! An attempt goes through `resolve`, `connect`, `link` (the SSH session under our own clock), `known_hosts`, `auth` and
//! `exec`. Every wait in them ends by a deadline or by Ctrl-C; `pool` gives up on a thread that overruns all the same.

mod attempt;
mod auth;
mod bounded;
mod cli;
mod connect;
mod exec;
mod ffi;
mod identity;
mod interrupt;
mod known_hosts;
mod leash;
mod limits;
mod lines;
mod link;
mod outcome;
mod plan;
mod pool;
mod queue;
mod setup;
mod summary;
mod view;

pub use cli::{Args, HostKeyPolicy, command, run};
