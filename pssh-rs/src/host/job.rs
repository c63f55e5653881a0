//! The job of a run, which all attempts share: what is run and copied, keys, limits and the engine.

use crate::auth::KeyStore;
use crate::base::shutdown::Shutdown;
use crate::connect::jump_host::JumpHosts;
use crate::copy::{PullPlan, PushPlan};
use crate::session::command_line::CommandWrapper;
use crate::session::script::Script;
use crate::session::sudo::Password;
use crate::system_ssh::SshRunner;
use cerveza_manners::Tool;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

/// What to run.
#[derive(Debug)]
pub enum Work {
    Nothing,
    Command(String),
    /// A script of this machine with its arguments.
    Script(Arc<Script>, Vec<String>),
    /// The scripts that each host's record names.
    ScriptsOfRecord,
}

/// What to do on every host, and the means for it.
pub struct Job {
    pub work: Work,
    pub wrapper: CommandWrapper,
    pub password: Password,
    pub push: Option<PushPlan>,
    pub pull: Option<PullPlan>,
    pub stdin: Option<File>,
    pub tty: bool,
    /// Time limit for logging in.
    pub auth: Duration,
    /// Time limit for the work on a host, if any.
    pub timeout: Option<Duration>,
    pub keys: KeyStore,
    /// If a host needs one.
    pub jumps: Option<JumpHosts>,
    /// With `-v`: writes each step.
    pub verbose: Option<Tool>,
    /// With `--engine openssh`.
    pub openssh: Option<SshRunner>,
    pub shutdown: Shutdown,
}

impl Job {
    pub fn copies(&self) -> bool {
        self.push.is_some() || self.pull.is_some()
    }
}
