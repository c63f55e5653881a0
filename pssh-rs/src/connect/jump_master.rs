//! The `ssh -M` of one jump host: starts it, asks it for connections, and ends it.
//!
//! ssh is started with `-f`. It logs in, moves to a session of its own, where the terminal's Ctrl-C does not reach it,
//! and its first process exits. So it can ask for a passphrase on the terminal, and an exit status says that the jump
//! host is ready.

use crate::base::process_group::end_group;
use crate::base::shutdown::Stop;
use crate::base::socket::{Socket, pair};
use crate::base::wait::WaitError;
use crate::connect::jump_log::JumpLog;
use crate::ssh_config::{ConfigSource, HostSpec, ServerAlive, look_up};
use crate::system_ssh::control_dir::{ControlDir, Guard};
use crate::system_ssh::mux::{MuxClient, MuxError};
use crate::system_ssh::system::{JumpSpec, SystemSsh, alive_args, through};
use cerveza_manners::Tool;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Time limit for a start that asks the user for a passphrase.
const ASKING: Duration = Duration::from_secs(120);
/// Time limit for asking a master for its process id.
const PID: Duration = Duration::from_secs(5);
/// Time limit for ending all masters.
const ENDING: Duration = Duration::from_millis(300);

/// Keeps a host's channel through its jump host. The channel ends when this is dropped.
#[derive(Debug)]
pub struct Channel {
    _client: MuxClient,
}

/// How masters are started.
pub struct MasterSetup {
    pub ssh: SystemSsh,
    pub folder: ControlDir,
    /// Time limit for connecting to a jump host and logging in there.
    pub limit: Duration,
    /// With `-v`, each step is written.
    pub verbose: Option<Tool>,
}

/// A running ssh.
pub struct JumpMaster {
    socket: PathBuf,
    pid: Option<Pid>,
    _guard: Option<Guard>,
    pub log: Arc<JumpLog>,
}

impl MasterSetup {
    /// Starts the master of a jump host, and waits until it is logged in. With `ask` it may ask the user.
    pub fn start(&self, spec: &str, ask: bool, stop: &Stop) -> Result<JumpMaster, String> {
        let failed = |error: io::Error| format!("cannot run {}: {error}", self.ssh.program.display());
        let (log_path, reader) = self.folder.fifo().map_err(failed)?;
        let socket = self.folder.name("socket");
        let (mut command, limit) = self.command(spec, ask, &socket, &log_path)?;
        // The log also gets what ProxyCommands and earlier jump hosts write to stderr.
        let stderr = OpenOptions::new().write(true).open(&log_path).map_err(failed)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        let log = JumpLog::follow(reader, self.verbose, spec).map_err(failed)?;
        let spawned = command.spawn();
        // It holds our end of the log's pipe, which would never end.
        drop(command);
        let mut child = spawned.map_err(failed)?;
        let guard = self.folder.guard(Pid::from_child(&child));
        let ended = wait_for_exit(&mut child, limit, stop);
        drop(guard);
        match ended {
            Ok(status) if status.success() => Ok(self.master(socket, log)),
            Ok(status) => Err(log.last_words().unwrap_or_else(|| exit_text(status))),
            Err(why) => {
                if ask {
                    // It is in our own process group.
                    let _ = child.kill();
                    let _ = child.wait();
                } else {
                    end_group(&mut child);
                }
                Err(why)
            }
        }
    }

    /// Returns the command that starts the master, and its time limit.
    fn command(&self, spec: &str, ask: bool, socket: &Path, log: &Path) -> Result<(Command, Duration), String> {
        let jumps = JumpSpec::parse_list(spec)?;
        let (last, earlier) = jumps.split_last().ok_or("no jump host is named")?;
        let batch = if ask { "BatchMode=no" } else { "BatchMode=yes" };
        let timeout = format!("ConnectTimeout={}", self.limit.as_secs().max(1));
        let common = [batch, &timeout, "ClearAllForwardings=yes"];
        let own = [&common[..], &["LogLevel=DEBUG1", "ControlPersist=no", "PermitLocalCommand=no"]].concat();
        let for_earlier = [&common[..], &["ControlMaster=no", "ControlPath=none", "RequestTTY=no"]].concat();
        let mut command = Command::new(&self.ssh.program);
        command.args(["-f", "-N", "-T", "-M", "-S"]).arg(socket).arg("-E").arg(log);
        command.args(through(&self.ssh, &for_earlier, earlier)).args(self.ssh.args(&own));
        command.args(alive_args(self.server_alive(last))).args(["-o", "TCPKeepAlive=yes"]).args(last.args());
        if !ask {
            command.process_group(0);
        }
        Ok((command, if ask { ASKING } else { self.limit }))
    }

    /// Returns when the jump host counts as gone.
    fn server_alive(&self, jump: &JumpSpec) -> ServerAlive {
        let asked = HostSpec { name: &jump.host, address: None, user: jump.user.as_deref(), port: jump.port };
        let source =
            ConfigSource { file: self.ssh.config.as_deref(), options: &self.ssh.options, ..ConfigSource::default() };
        let answers = look_up(&[asked], &source, &mut |_| ()).unwrap_or_default();
        let answer = answers.into_iter().flatten().next();
        answer.map_or(ServerAlive::default(), |answer| answer.options.server_alive)
    }

    fn master(&self, socket: PathBuf, log: Arc<JumpLog>) -> JumpMaster {
        let never = Stop::new().ok();
        let deadline = Instant::now() + PID;
        let pid = never.and_then(|stop| MuxClient::connect(&socket, deadline, &stop).ok()?.pid(deadline, &stop).ok());
        let pid = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        JumpMaster { socket, pid, _guard: pid.map(|pid| self.folder.guard(pid)), log }
    }
}

impl JumpMaster {
    /// Opens a channel to `host` and `port` as the jump host sees them.
    pub fn open_channel(
        &self,
        host: &str,
        port: u16,
        deadline: Instant,
        stop: &Stop,
    ) -> Result<(Socket, Channel), MuxError> {
        let client = MuxClient::connect(&self.socket, deadline, stop)?;
        let (ours, theirs) = pair().map_err(|error| MuxError::WaitError(WaitError::Io(error)))?;
        client.forward(host, port, theirs.as_fd(), deadline, stop)?;
        Ok((Socket::new(ours), Channel { _client: client }))
    }
}

/// Ends masters. All of them are asked to end before any is waited for.
pub fn end_masters(masters: &[Arc<JumpMaster>]) {
    let (Ok(never), until) = (Stop::new(), Instant::now() + ENDING) else { return };
    for master in masters {
        if let Ok(client) = MuxClient::connect(&master.socket, until, &never) {
            let _ = client.terminate(until, &never);
        }
    }
    for pid in masters.iter().filter_map(|master| master.pid) {
        while test_kill_process(pid).is_ok() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }
    // If the log has ended, the process is gone, and its number may soon be that of another process.
    for pid in masters.iter().filter(|master| !master.log.has_ended()).filter_map(|master| master.pid) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Returns whether the user can be asked for a passphrase or about a host key.
pub fn can_ask() -> bool {
    std::env::var_os("SSH_ASKPASS").is_some() || File::open("/dev/tty").is_ok()
}

fn wait_for_exit(child: &mut Child, limit: Duration, stop: &Stop) -> Result<ExitStatus, String> {
    let until = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) if stop.is_set() => return Err("interrupted".to_string()),
            Ok(None) if Instant::now() >= until => {
                return Err(format!("not done within {}", humantime::format_duration(limit)));
            }
            Ok(None) => thread::sleep(Duration::from_millis(5)),
            Err(error) => return Err(format!("cannot wait for ssh: {error}")),
        }
    }
}

fn exit_text(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("ssh ended with status {code} and did not say why"),
        None => "ssh was killed".to_string(),
    }
}
