//! A job and targets for tests without a server.

use crate::auth::{KeyStore, Offer};
use crate::base::policy::HostKeyPolicy;
use crate::base::shutdown::Shutdown;
use crate::host::job::{Job, Work};
use crate::host::target::{Problem, Route, Target};
use crate::session::command_line::CommandWrapper;
use crate::session::sudo::{NoPassword, Password};
use cerveza_record::Record;
use cerveza_results::{HostStatus, Phase};
use std::sync::Arc;
use std::time::Duration;

pub fn job() -> Job {
    let limit = Duration::from_secs(20);
    Job {
        work: Work::Command("true".to_string()),
        wrapper: CommandWrapper::default(),
        password: Password::new(Box::new(|_| Err(NoPassword::Because("a test has no terminal".to_string())))),
        push: None,
        pull: None,
        stdin: None,
        tty: false,
        auth: limit,
        timeout: None,
        keys: KeyStore::new(limit),
        jumps: None,
        verbose: None,
        openssh: None,
        shutdown: Shutdown::new().unwrap(),
    }
}

/// A host at this port of the loopback address.
pub fn target(port: u16, connect_timeout: Duration) -> Target {
    Target {
        record: Record::parse(r#"{"host":"a"}"#).unwrap(),
        name: "a".to_string(),
        user: "me".to_string(),
        port,
        address: "127.0.0.1".to_string(),
        route: Route::Direct,
        connect_timeout,
        offer: Offer::default(),
        host_key: HostKeyPolicy::Strict,
        known_hosts: Arc::default(),
        host_keys: None,
        options: Arc::default(),
        scripts: Vec::new(),
        problem: None,
    }
}

/// A host that is not tried.
pub fn target_with_problem() -> Target {
    let problem = Problem { status: HostStatus::Auth, phase: Phase::Auth, error: "no such user".to_string() };
    Target { problem: Some(problem), ..target(9, Duration::from_secs(1)) }
}
