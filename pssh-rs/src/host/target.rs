//! One host as it was resolved: where it is, how it is reached, and by which keys.

use crate::auth::Offer;
use crate::base::policy::{Engine, HostKeyPolicy};
use crate::known_hosts::{HostKeys, KnownHosts};
use crate::session::script::Script;
use crate::ssh_config::{AddressFamily, HostOptions};
use cerveza_record::Record;
use cerveza_results::{HostStatus, Phase};
use std::sync::Arc;
use std::time::Duration;

/// One host: who logs in, where, and how it is reached.
#[derive(Clone, Debug)]
pub struct Target {
    pub record: Record,
    /// The host's name without a `user@`: what ssh_config and known_hosts are asked for.
    pub name: String,
    pub user: String,
    pub port: u16,
    /// Where to connect to: an IP address or a name to resolve.
    pub address: String,
    pub family: AddressFamily,
    pub route: Route,
    pub engine: Engine,
    /// Of looking up, connecting and the handshake, each.
    pub connect_timeout: Duration,
    pub offer: Offer,
    pub host_key: HostKeyPolicy,
    pub known_hosts: Arc<KnownHosts>,
    /// Those that the record carries: they decide.
    pub host_keys: Option<HostKeys>,
    pub options: Arc<HostOptions>,
    /// The scripts that the record names.
    pub scripts: Vec<Arc<Script>>,
    /// Why nothing is tried on this host.
    pub problem: Option<Problem>,
}

/// What carries the connection to a host.
#[derive(Clone, Debug, PartialEq)]
pub enum Route {
    Direct,
    /// Through these hosts, as ssh's ProxyJump names them.
    Jump(String),
    /// Through a command of this machine.
    Proxy(String),
}

/// What is wrong with a host before it is connected to.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    pub status: HostStatus,
    pub phase: Phase,
    pub error: String,
}

impl Target {
    /// Where it is, for messages.
    pub fn place(&self) -> String {
        match &self.route {
            Route::Direct => format!("{} port {}", self.address, self.port),
            Route::Jump(jump) => format!("{} port {} through {jump}", self.address, self.port),
            Route::Proxy(_) => format!("{} port {} through its ProxyCommand", self.address, self.port),
        }
    }
}
