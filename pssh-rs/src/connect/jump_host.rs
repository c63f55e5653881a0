//! Jump hosts. One `ssh -M` for each jump host carries the connections to all hosts behind it. Each is a `direct-tcpip`
//! channel, requested over the control socket of that ssh.

use crate::base::shutdown::Stop;
use crate::base::socket::Socket;
use crate::base::wait::WaitError;
use crate::connect::jump_log::refusal_text;
use crate::connect::jump_master::{Channel, JumpMaster, MasterSetup, can_ask, end_masters};
use crate::system_ssh::control_dir::ControlDir;
use crate::system_ssh::mux::MuxError;
use crate::system_ssh::system::SystemSsh;
use cerveza_manners::Tool;
use cerveza_results::lock;
use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The most channels that are requested at a time, because the handshakes behind them share one connection.
const MOST_OPENING: usize = 32;
/// A jump host is connected to once more if its connection ends during the run.
const MOST_STARTS: u32 = 2;
/// How often a wait checks its deadline.
const DEADLINE_CHECK: Duration = Duration::from_millis(50);

/// Why a host behind a jump host was not reached.
#[derive(Debug)]
pub enum JumpError {
    /// The jump host itself cannot be reached, and will not be tried again.
    Jump(String),
    /// The jump host did not connect to the host.
    Target(String),
    WaitError(WaitError),
}

/// All jump hosts of a run.
pub struct JumpHosts(Arc<Shared>);

struct Shared {
    setup: MasterSetup,
    jumps: Mutex<HashMap<String, Arc<Jump>>>,
}

struct Jump {
    spec: String,
    state: Mutex<JumpState>,
    changed: Condvar,
}

#[derive(Default)]
struct JumpState {
    master: Option<Arc<JumpMaster>>,
    is_starting: bool,
    start_count: u32,
    /// Why it cannot be reached. It is not tried again.
    failure: Option<String>,
    /// How many channels are requested and not answered.
    opening: usize,
}

impl JumpHosts {
    /// `limit` is for connecting to a jump host and logging in there.
    pub fn new(ssh: SystemSsh, limit: Duration, verbose: Option<Tool>) -> io::Result<JumpHosts> {
        let setup = MasterSetup { ssh, folder: ControlDir::new()?, limit, verbose };
        Ok(JumpHosts(Arc::new(Shared { setup, jumps: Mutex::default() })))
    }

    /// Connects to these jump hosts, all at once. Then connects to those that have to ask the user, one after another. If one
    /// fails, each host behind it is reported. Other jump hosts are started with the first host that needs them.
    pub fn start<'a>(&self, specs: impl IntoIterator<Item = &'a str>, stop: &Stop) {
        let jumps: Vec<_> = specs.into_iter().map(|spec| self.0.jump(spec)).collect();
        let is_new = |jump: &Jump| {
            let mut state = lock(&jump.state);
            let is_new = state.master.is_none() && state.start_count == 0 && !state.is_starting;
            state.is_starting |= is_new;
            is_new
        };
        thread::scope(|scope| {
            for jump in jumps.iter().filter(|jump| is_new(jump)) {
                let start = || self.0.start_master(jump, false, stop);
                if thread::Builder::new().spawn_scoped(scope, start).is_err() {
                    self.0.start_master(jump, false, stop);
                }
            }
        });
        let has_to_ask = |why: &String| {
            ["Permission denied (", "Host key verification failed."].iter().any(|sign| why.contains(sign))
        };
        let can_ask = can_ask();
        for jump in jumps.iter().filter(|_| can_ask && !stop.is_set()) {
            let mut state = lock(&jump.state);
            if state.failure.as_ref().is_some_and(has_to_ask) {
                (state.failure, state.start_count, state.is_starting) = (None, 0, true);
                drop(state);
                self.0.start_master(jump, true, stop);
            }
        }
    }

    /// Opens a connection to `host` and `port` as the last jump host of `spec` sees them. The connection needs the channel.
    pub fn open(
        &self,
        spec: &str,
        host: &str,
        port: u16,
        deadline: Instant,
        stop: &Arc<Stop>,
    ) -> Result<(Socket, Channel), JumpError> {
        if host.is_empty() || host.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(JumpError::Target(format!("{host:?} is not an address")));
        }
        let jump = self.0.jump(spec);
        loop {
            let master = self.0.master(&jump, deadline, stop)?;
            let _permit = OpenPermit::acquire(&jump, deadline, stop)?;
            match master.open_channel(host, port, deadline, stop) {
                Ok(opened) => return Ok(opened),
                Err(MuxError::WaitError(wait_error)) => return Err(JumpError::WaitError(wait_error)),
                Err(MuxError::Gone) => jump.remove_master(&master),
                Err(MuxError::Refused(why)) => {
                    let why = master.log.reason(host, port).unwrap_or(why);
                    return Err(JumpError::Target(refusal_text(&jump.spec, host, port, &why)));
                }
            }
        }
    }
}

impl Shared {
    fn jump(&self, spec: &str) -> Arc<Jump> {
        let mut jumps = lock(&self.jumps);
        let new = || Arc::new(Jump { spec: spec.to_string(), state: Mutex::default(), changed: Condvar::new() });
        Arc::clone(jumps.entry(spec.to_string()).or_insert_with(new))
    }

    /// Returns the master of a jump host. The first host that needs it starts it, while the others wait.
    fn master(
        self: &Arc<Shared>,
        jump: &Arc<Jump>,
        deadline: Instant,
        stop: &Arc<Stop>,
    ) -> Result<Arc<JumpMaster>, JumpError> {
        let mut state = lock(&jump.state);
        loop {
            if let Some(why) = &state.failure {
                return Err(JumpError::Jump(why.clone()));
            }
            if let Some(master) = &state.master {
                return Ok(Arc::clone(master));
            }
            if state.is_starting {
                state = jump.wait(state, deadline, stop)?;
                continue;
            }
            state.is_starting = true;
            drop(state);
            // On a separate thread and with its own limit, because its start is for all hosts behind it, not only for the first.
            let (shared, own_jump, own_stop) = (Arc::clone(self), Arc::clone(jump), Arc::clone(stop));
            let thread = thread::Builder::new().name("jump".to_string()).stack_size(256 * 1024);
            if thread.spawn(move || shared.start_master(&own_jump, false, &own_stop)).is_err() {
                self.start_master(jump, false, stop);
            }
            state = lock(&jump.state);
        }
    }

    /// Starts the master of a jump host that is marked as starting.
    fn start_master(&self, jump: &Jump, ask: bool, stop: &Stop) {
        // Even a panic must not leave hosts waiting.
        let result = catch_unwind(AssertUnwindSafe(|| self.setup.start(&jump.spec, ask, stop)));
        let mut state = lock(&jump.state);
        state.is_starting = false;
        state.start_count += 1;
        match result {
            Ok(Ok(master)) => state.master = Some(Arc::new(master)),
            Ok(Err(_)) if stop.is_set() => state.failure = Some("interrupted".to_string()),
            Ok(Err(why)) => state.failure = Some(format!("jump host {:?} cannot be reached: {why}", jump.spec)),
            Err(_) => state.failure = Some(format!("jump host {:?}: a bug in pssh-rs", jump.spec)),
        }
        jump.changed.notify_all();
    }
}

impl Jump {
    /// Removes a master that has ended while a host needed it.
    fn remove_master(&self, master: &Arc<JumpMaster>) {
        let mut state = lock(&self.state);
        if state.master.as_ref().is_some_and(|current| Arc::ptr_eq(current, master)) {
            state.master = None;
            if state.start_count >= MOST_STARTS {
                let why = master.log.last_words().unwrap_or_else(|| "ssh ended".to_string());
                state.failure = Some(format!("the connection to jump host {:?} was lost: {why}", self.spec));
            }
            self.changed.notify_all();
        }
    }

    /// Waits for a change of the state, but not for long.
    fn wait<'a>(
        &'a self,
        state: MutexGuard<'a, JumpState>,
        deadline: Instant,
        stop: &Stop,
    ) -> Result<MutexGuard<'a, JumpState>, JumpError> {
        if stop.is_set() {
            return Err(JumpError::WaitError(WaitError::Stopped));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(JumpError::WaitError(WaitError::Deadline));
        }
        Ok(self.changed.wait_timeout(state, left.min(DEADLINE_CHECK)).unwrap_or_else(PoisonError::into_inner).0)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let jumps = self.jumps.get_mut().unwrap_or_else(PoisonError::into_inner);
        let masters: Vec<_> = jumps.values().filter_map(|jump| lock(&jump.state).master.take()).collect();
        end_masters(&masters);
    }
}

/// The permission to request a channel, of which a jump host has `MOST_OPENING`.
struct OpenPermit<'a>(&'a Jump);

impl<'a> OpenPermit<'a> {
    fn acquire(jump: &'a Jump, deadline: Instant, stop: &Stop) -> Result<OpenPermit<'a>, JumpError> {
        let mut state = lock(&jump.state);
        while state.opening >= MOST_OPENING {
            state = jump.wait(state, deadline, stop)?;
        }
        state.opening += 1;
        Ok(OpenPermit(jump))
    }
}

impl Drop for OpenPermit<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).opening -= 1;
        self.0.changed.notify_all();
    }
}
