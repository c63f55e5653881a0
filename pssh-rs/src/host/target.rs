//! A target: where a host is, how it is reached, and which keys it is offered.

use crate::auth::Offer;
use crate::base::policy::HostKeyPolicy;
use crate::known_hosts::verifier::HostKeyVerifier;
use crate::known_hosts::{HostId, HostKeys, KnownHosts};
use crate::session::script::Script;
use crate::ssh_config::HostOptions;
use cerveza_record::Record;
use cerveza_results::{HostStatus, Phase};
use std::sync::Arc;
use std::time::Duration;

/// One host: the user, the address, and the route to it.
#[derive(Clone, Debug)]
pub struct Target {
    pub record: Record,
    /// The host's name without `user@`, as ssh_config and known_hosts know it.
    pub name: String,
    pub user: String,
    pub port: u16,
    /// Where to connect to: an IP address or a name to resolve.
    pub address: String,
    pub route: Route,
    /// Time limit for each of: looking up, connecting, the handshake.
    pub connect_timeout: Duration,
    pub offer: Offer,
    pub host_key: HostKeyPolicy,
    pub known_hosts: Arc<KnownHosts>,
    /// The keys in the record. They decide instead of known_hosts.
    pub host_keys: Option<HostKeys>,
    /// What ssh_config says. For what is also a field here, the command line and the record were asked first.
    pub options: Arc<HostOptions>,
    /// The scripts that the record names.
    pub scripts: Vec<Arc<Script>>,
    /// Why nothing is tried on this host.
    pub problem: Option<Problem>,
}

/// How a host is reached.
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
    /// Returns what decides about the host's key. A record's address is another name of the host.
    pub fn host_key_verifier(&self) -> HostKeyVerifier<'_> {
        let host = match &self.options.host_key_alias {
            Some(alias) => HostId::alias(alias),
            None => HostId::new(&self.name, &self.address, self.port),
        };
        let hash_names = self.options.hash_known_hosts;
        HostKeyVerifier::new(host, &self.known_hosts, self.host_keys.as_ref(), self.host_key, hash_names)
    }

    /// Returns the address and route, for messages.
    pub fn place(&self) -> String {
        match &self.route {
            Route::Direct => format!("{} port {}", self.address, self.port),
            Route::Jump(jump) => format!("{} port {} through {jump}", self.address, self.port),
            Route::Proxy(_) => format!("{} port {} through its ProxyCommand", self.address, self.port),
        }
    }
}
