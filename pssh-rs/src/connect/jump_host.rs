//! Jump hosts. One `ssh -M` for each jump host carries the connections to all hosts behind it. Each is a `direct-tcpip`
//! channel, requested over the control socket of that ssh.
//!
//! ssh is started with `-f`. It logs in, moves to a session of its own, where the terminal's Ctrl-C does not reach it,
//! and its first process exits. So it can ask for a passphrase on the terminal, and an exit status says that the jump
//! host is ready.

use crate::base::shutdown::Stop;
use crate::base::socket::{Socket, pair};
use crate::base::wait::WaitError;
use crate::connect::jump_log::{JumpLog, refusal_text};
use crate::connect::proxy_command::end_group;
use crate::openssh::control_dir::{ControlDir, Guard};
use crate::openssh::mux::{MuxClient, MuxError};
use crate::openssh::system::{JumpSpec, SystemSsh, alive_args, through};
use crate::ssh_config::{ConfigSource, HostSpec, ServerAlive, look_up};
use cerveza_manners::Tool;
use cerveza_results::lock;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// So many channels at a time may be asked for and not yet answered: the handshakes behind them share one connection.
const MOST_OPENS: usize = 32;
/// A jump host is connected to again once, should its connection end in mid-run.
const MOST_STARTS: u32 = 2;
/// Whoever is asked for a passphrase gets this long.
const ASKING: Duration = Duration::from_secs(120);
/// How soon a wait for others looks at its deadline again.
const TICK: Duration = Duration::from_millis(50);
/// What is waited for each jump at the end.
const FAREWELL: Duration = Duration::from_millis(300);

/// Why a host behind a jump was not reached.
#[derive(Debug)]
pub enum JumpError {
    /// The jump host itself cannot be reached, and will not be tried again.
    Jump(String),
    /// The jump host could not or would not connect to the host.
    Target(String),
    WaitError(WaitError),
}

/// Keeps a host's channel through its jump host; dropped it ends.
#[derive(Debug)]
pub struct Channel {
    _client: MuxClient,
}

/// All jumps of a run.
pub struct JumpHosts(Arc<All>);

struct All {
    ssh: SystemSsh,
    folder: ControlDir,
    /// The longest that reaching one may take.
    bound: Duration,
    /// Who tells of each step, with `-v`.
    verbose: Option<Tool>,
    jumps: Mutex<HashMap<String, Arc<Jump>>>,
}

struct Jump {
    spec: String,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    master: Option<Arc<Master>>,
    starting: bool,
    starts: u32,
    /// Why it cannot be reached, for good.
    down: Option<String>,
    opens: usize,
}

/// A running ssh.
struct Master {
    socket: PathBuf,
    pid: Option<Pid>,
    _guard: Option<Guard>,
    log: Arc<JumpLog>,
}

impl JumpHosts {
    /// `bound` is for connecting to a jump host and logging in there together.
    pub fn new(ssh: SystemSsh, bound: Duration, verbose: Option<Tool>) -> io::Result<JumpHosts> {
        Ok(JumpHosts(Arc::new(All { ssh, folder: ControlDir::new()?, bound, verbose, jumps: Mutex::default() })))
    }

    /// Connects to these now, all at once; then, one after another, to those that want something of who is at the
    /// terminal. One that fails is told of to each host behind it; other jumps start with the first host that needs them.
    pub fn start<'a>(&self, specs: impl IntoIterator<Item = &'a str>, stop: &Stop) {
        let jumps: Vec<_> = specs.into_iter().map(|spec| self.0.jump(spec)).collect();
        let begin = |jump: &Jump| {
            let mut state = lock(&jump.state);
            let idle = state.master.is_none() && state.starts == 0 && !state.starting;
            state.starting |= idle;
            idle
        };
        thread::scope(|scope| {
            for jump in jumps.iter().filter(|jump| begin(jump)) {
                let start = || self.0.start_one(jump, false, stop);
                if thread::Builder::new().spawn_scoped(scope, start).is_err() {
                    self.0.start_one(jump, false, stop);
                }
            }
        });
        let can_ask = std::env::var_os("SSH_ASKPASS").is_some() || File::open("/dev/tty").is_ok();
        let wants =
            |why: &String| ["Permission denied (", "Host key verification failed."].iter().any(|w| why.contains(w));
        for jump in jumps.iter().filter(|_| can_ask && !stop.is_set()) {
            let mut state = lock(&jump.state);
            if state.down.as_ref().is_some_and(wants) {
                (state.down, state.starts, state.starting) = (None, 0, true);
                drop(state);
                self.0.start_one(jump, true, stop);
            }
        }
    }

    /// A connection to `host` and `port` as the last jump host of `spec` sees them. The channel is to be kept as long.
    pub fn open(
        &self,
        spec: &str,
        host: &str,
        port: u16,
        deadline: Instant,
        stop: &Arc<Stop>,
    ) -> Result<(Socket, Channel), JumpError> {
        if host.is_empty() || host.contains(|c: char| c.is_control() || c.is_whitespace()) {
            return Err(JumpError::Target(format!("{host:?} is no address")));
        }
        let jump = self.0.jump(spec);
        loop {
            let master = self.0.master(&jump, deadline, stop)?;
            let _turn = Turn::take(&jump, deadline, stop)?;
            match forward(&master, host, port, deadline, stop) {
                Ok(opened) => return Ok(opened),
                Err(MuxError::WaitError(wait_error)) => return Err(JumpError::WaitError(wait_error)),
                Err(MuxError::Gone) => self.0.is_gone(&jump, &master),
                Err(MuxError::Refused(why)) => {
                    let why = master.log.reason(host, port).unwrap_or(why);
                    return Err(JumpError::Target(refusal_text(&jump.spec, host, port, &why)));
                }
            }
        }
    }
}

impl All {
    fn jump(&self, spec: &str) -> Arc<Jump> {
        let mut jumps = lock(&self.jumps);
        let new = || Arc::new(Jump { spec: spec.to_string(), state: Mutex::default(), changed: Condvar::new() });
        Arc::clone(jumps.entry(spec.to_string()).or_insert_with(new))
    }

    /// The jump's master, started by the first who needs it while the others wait.
    fn master(
        self: &Arc<All>,
        jump: &Arc<Jump>,
        deadline: Instant,
        stop: &Arc<Stop>,
    ) -> Result<Arc<Master>, JumpError> {
        loop {
            let state = lock(&jump.state);
            if let Some(why) = &state.down {
                return Err(JumpError::Jump(why.clone()));
            }
            let mut state = match (&state.master, state.starting) {
                (Some(master), _) => return Ok(Arc::clone(master)),
                (None, true) => wait(jump, state, deadline, stop)?,
                (None, false) => state,
            };
            if state.master.is_none() && !state.starting && state.down.is_none() {
                state.starting = true;
                drop(state);
                // By a thread and a bound of its own: its start is for all, not only for the host that came first.
                let (all, the_jump, the_stop) = (Arc::clone(self), Arc::clone(jump), Arc::clone(stop));
                let thread = thread::Builder::new().name("jump".to_string()).stack_size(256 * 1024);
                if thread.spawn(move || all.start_one(&the_jump, false, &the_stop)).is_err() {
                    self.start_one(jump, false, stop);
                }
            }
        }
    }

    /// Starts the master of a jump that is marked as starting.
    fn start_one(&self, jump: &Jump, ask: bool, stop: &Stop) {
        // Should this panic, nobody is left waiting.
        struct Started<'a>(&'a Jump, Option<Result<Master, String>>, bool);
        impl Drop for Started<'_> {
            fn drop(&mut self) {
                let mut state = lock(&self.0.state);
                state.starting = false;
                state.starts += 1;
                match self.1.take() {
                    Some(Ok(master)) => state.master = Some(Arc::new(master)),
                    // Stopped: no fault of the jump host, and nobody asks again.
                    Some(Err(_)) if self.2 => state.down = Some("interrupted".to_string()),
                    Some(Err(why)) => {
                        state.down = Some(format!("jump host {:?} cannot be reached: {why}", self.0.spec));
                    }
                    None => state.down = Some(format!("jump host {:?}: a bug in pssh-rs", self.0.spec)),
                }
                self.0.changed.notify_all();
            }
        }
        let mut started = Started(jump, None, false);
        let result = self.run(&jump.spec, ask, stop);
        started.2 = stop.is_set();
        started.1 = Some(result);
    }

    fn run(&self, spec: &str, ask: bool, stop: &Stop) -> Result<Master, String> {
        let hops = JumpSpec::list(spec)?;
        let (last, earlier) = hops.split_last().ok_or("no jump host is named")?;
        let failed = |error: io::Error| format!("cannot run {}: {error}", self.ssh.program.display());
        let (log_path, reader) = self.folder.fifo().map_err(failed)?;
        let socket = self.folder.name("socket");
        // What ProxyCommands and hops before it say on stderr goes to the log too.
        let stderr = OpenOptions::new().write(true).open(&log_path).map_err(failed)?;
        let batch = if ask { "BatchMode=no" } else { "BatchMode=yes" };
        let timeout = format!("ConnectTimeout={}", self.bound.as_secs().max(1));
        let first =
            [batch, &timeout, "ControlMaster=no", "ControlPath=none", "ClearAllForwardings=yes", "RequestTTY=no"];
        let mut command = Command::new(&self.ssh.program);
        command.args(["-f", "-N", "-T", "-M", "-S"]).arg(&socket).arg("-E").arg(&log_path);
        let own = [
            batch,
            &timeout,
            "LogLevel=DEBUG1",
            "ControlPersist=no",
            "ClearAllForwardings=yes",
            "PermitLocalCommand=no",
        ];
        command.args(through(&self.ssh, &first, earlier));
        command.args(self.ssh.args(&own));
        command.args(alive_args(self.alive(last))).args(["-o", "TCPKeepAlive=yes"]);
        command.args(last.args()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(stderr));
        if !ask {
            command.process_group(0);
        }
        let log = JumpLog::follow(reader, self.verbose, spec).map_err(failed)?;
        let spawned = command.spawn();
        // It holds our end of the log's pipe, which then would never end.
        drop(command);
        let mut child = spawned.map_err(failed)?;
        let guard = self.folder.guard(Pid::from_child(&child));
        let bound = if ask { ASKING } else { self.bound };
        let until = Instant::now() + bound;
        let ended = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Ok(status),
                Ok(None) if stop.is_set() => break Err("interrupted".to_string()),
                Ok(None) if Instant::now() >= until => {
                    break Err(format!("not done within {}", humantime::format_duration(bound)));
                }
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                Err(error) => break Err(failed(error)),
            }
        };
        drop(guard);
        match ended {
            Ok(status) if status.success() => Ok(self.serve(socket, log)),
            Ok(status) => Err(log.last_words().unwrap_or_else(|| exited(status))),
            Err(why) => {
                match ask {
                    // It is in our own process group.
                    true => {
                        let _ = child.kill();
                        let _ = child.wait();
                    }
                    false => end_group(&mut child),
                }
                Err(why)
            }
        }
    }

    /// When the jump host counts as gone.
    fn alive(&self, hop: &JumpSpec) -> ServerAlive {
        let asked = HostSpec { name: &hop.host, address: None, user: hop.user.as_deref(), port: hop.port };
        let source =
            ConfigSource { file: self.ssh.config.as_deref(), options: &self.ssh.options, ..ConfigSource::default() };
        let answers = look_up(&[asked], &source, &mut |_| ()).unwrap_or_default();
        let answer = answers.into_iter().flatten().next();
        answer.map_or(ServerAlive::default(), |answer| answer.options.server_alive)
    }

    fn serve(&self, socket: PathBuf, log: Arc<JumpLog>) -> Master {
        let quiet = Stop::new().ok();
        let deadline = Instant::now() + Duration::from_secs(5);
        let pid = quiet.and_then(|stop| MuxClient::connect(&socket, deadline, &stop).ok()?.pid(deadline, &stop).ok());
        let pid = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        Master { socket, pid, _guard: pid.map(|pid| self.folder.guard(pid)), log }
    }

    /// The master went away under a host that needed it.
    fn is_gone(&self, jump: &Jump, master: &Arc<Master>) {
        let mut state = lock(&jump.state);
        if state.master.as_ref().is_some_and(|current| Arc::ptr_eq(current, master)) {
            state.master = None;
            if state.starts >= MOST_STARTS {
                let why = master.log.last_words().unwrap_or_else(|| "ssh ended".to_string());
                state.down = Some(format!("the connection to jump host {:?} was lost: {why}", jump.spec));
            }
            jump.changed.notify_all();
        }
    }
}

impl Drop for All {
    fn drop(&mut self) {
        let jumps = self.jumps.get_mut().unwrap_or_else(PoisonError::into_inner);
        // All of them are told before any is waited for.
        let masters: Vec<_> = jumps.values().filter_map(|jump| lock(&jump.state).master.take()).collect();
        let (Ok(stop), until) = (Stop::new(), Instant::now() + FAREWELL) else { return };
        for master in &masters {
            if let Ok(client) = MuxClient::connect(&master.socket, until, &stop) {
                let _ = client.terminate(until, &stop);
            }
        }
        for pid in masters.iter().filter_map(|master| master.pid) {
            while test_kill_process(pid).is_ok() && Instant::now() < until {
                thread::sleep(Duration::from_millis(1));
            }
        }
        // Only what the control socket's end did not prove to be gone: a number may be another's soon.
        for master in masters.iter().filter(|master| !master.log.has_ended()) {
            if let Some(pid) = master.pid {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// One of the `MOST_OPENS`.
struct Turn<'a>(&'a Jump);

impl<'a> Turn<'a> {
    fn take(jump: &'a Jump, deadline: Instant, stop: &Stop) -> Result<Turn<'a>, JumpError> {
        let mut state = lock(&jump.state);
        while state.opens >= MOST_OPENS {
            state = wait(jump, state, deadline, stop)?;
        }
        state.opens += 1;
        Ok(Turn(jump))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.0.state).opens -= 1;
        self.0.changed.notify_all();
    }
}

/// Waits for a change, and at most for a moment.
fn wait<'a>(
    jump: &'a Jump,
    state: MutexGuard<'a, State>,
    deadline: Instant,
    stop: &Stop,
) -> Result<MutexGuard<'a, State>, JumpError> {
    if stop.is_set() {
        return Err(JumpError::WaitError(WaitError::Stopped));
    }
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(JumpError::WaitError(WaitError::Deadline));
    }
    Ok(jump.changed.wait_timeout(state, left.min(TICK)).unwrap_or_else(PoisonError::into_inner).0)
}

fn forward(
    master: &Master,
    host: &str,
    port: u16,
    deadline: Instant,
    stop: &Stop,
) -> Result<(Socket, Channel), MuxError> {
    let client = MuxClient::connect(&master.socket, deadline, stop)?;
    let (ours, theirs) = pair().map_err(|error| MuxError::WaitError(WaitError::Io(error)))?;
    client.forward(host, port, theirs.as_fd(), deadline, stop)?;
    Ok((Socket::new(ours), Channel { _client: client }))
}

fn exited(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("ssh ended with status {code} and did not say why"),
        None => "ssh was killed".to_string(),
    }
}
