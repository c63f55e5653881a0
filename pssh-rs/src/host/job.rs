//! What all attempts of a run share: what is run and copied, keys, limits and the engine.

use crate::auth::KeyStore;
use crate::base::shutdown::Shutdown;
use crate::connect::jump_host::JumpHosts;
use crate::copy::{PullPlan, PushPlan};
use crate::host::openssh;
use crate::session::command_line::CommandWrapper;
use crate::session::script::Script;
use crate::session::sudo::Password;
use cerveza_manners::Tool;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

/// What to run.
#[derive(Debug)]
pub enum Run {
    Nothing,
    Command(String),
    /// A script of this machine with its arguments.
    Script(Arc<Script>, Vec<String>),
    /// The scripts that each host's record names.
    Named,
}

/// What all attempts of a run share.
pub struct Job {
    pub run: Run,
    pub wrapper: CommandWrapper,
    pub password: Password,
    pub push: Option<PushPlan>,
    pub pull: Option<PullPlan>,
    pub stdin: Option<File>,
    pub tty: bool,
    /// How long logging in may take.
    pub auth: Duration,
    /// How long the work on a host may take; `None`: as long as it takes.
    pub timeout: Option<Duration>,
    pub keys: KeyStore,
    /// Where a host needs one.
    pub jumps: Option<JumpHosts>,
    /// Who tells of each step, with `-v`.
    pub verbose: Option<Tool>,
    /// With `--engine openssh`.
    pub openssh: Option<openssh::Engine>,
    pub shutdown: Shutdown,
}

impl Job {
    pub fn copies(&self) -> bool {
        self.push.is_some() || self.pull.is_some()
    }
}
