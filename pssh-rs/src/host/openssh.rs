//! `--engine openssh`: one host's command by the system's `ssh`, with the same truth about it as by libssh2. What ssh's
//! own exit status cannot tell (255 may be its own or the command's) is read from its log.

use crate::base::policy::HostKeyPolicy;
use crate::base::shutdown::Stop;
use crate::base::trace::Trace;
use crate::base::wait::WaitError;
use crate::connect::proxy_command::{end_group, last_line};
use crate::host::connection_log::ConnectionLog;
use crate::host::failure::{exited, not_reached, wait_failed};
use crate::host::job::Job;
use crate::host::progress::{AttemptProgress, wait_for_slot};
use crate::host::target::{Route, Target};
use crate::known_hosts::{HostId, lookup_name};
use crate::openssh::control_dir::{ControlDir, Guard};
use crate::openssh::log::{self, LogLines};
use crate::openssh::mux::MuxClient;
use crate::openssh::system::{JumpSpec, SystemSsh, alive_args, through};
use crate::session::exec::{CommandExit, START};
use crate::session::terminate::{LONGEST, TerminableCommand, terminate};
use cerveza_manners::Tool;
use cerveza_results::{HostStatus, Outcome, Phase, Retry, Sink, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::Pid;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, PipeReader, Read, pipe};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How soon it is looked whether ssh has ended, should something else hold its pipes open.
const TICK: Duration = Duration::from_millis(200);
/// What all attempts of a run share.
pub struct Engine {
    ssh: SystemSsh,
    folder: ControlDir,
}

impl Engine {
    pub fn new(ssh: SystemSsh) -> io::Result<Engine> {
        Ok(Engine { ssh, folder: ControlDir::new()? })
    }
}

/// Runs the job's command on one host. Where something goes wrong before ssh runs, the host is unreachable.
pub fn attempt(
    engine: &Engine,
    job: &Job,
    target: &Target,
    progress: &mut AttemptProgress<'_>,
    sink: &mut dyn Sink<WaitError>,
    line: &str,
) -> Outcome {
    if target.name.contains(|c: char| c.is_control() || c.is_whitespace()) {
        let error = format!("{:?} is no name of a host", target.name);
        return Outcome::error(HostStatus::Unreachable, Phase::Resolve, error);
    }
    // Once it runs ssh logs in and runs the command: it cannot be made to wait for its slot then.
    if let Err(outcome) = wait_for_slot(job, progress, Phase::Resolve, target.connect_timeout) {
        return *outcome;
    }
    let mut running = match Running::start(engine, job, target, line) {
        Ok(running) => running,
        Err(error) => {
            let error = format!("cannot run {}: {error}", engine.ssh.program.display());
            return Outcome::error(HostStatus::Unreachable, Phase::Resolve, error);
        }
    };
    let bounds = Bounds { connect: target.connect_timeout, auth: job.auth, command: job.timeout };
    let wait_error = running.follow(bounds, &job.shutdown.stop, progress, sink);
    // Read before we end the command: whether an exit status of that still arrives is chance.
    let arrived = running.connection_log.exit_code();
    let terminated = wait_error.as_ref().filter(|_| running.connection_log.sent).map(|_| {
        let had_ended = running.connection_log.status || running.connection_log.signal;
        progress.report_phase(Phase::Exec, Some(Instant::now() + LONGEST));
        let age = running.started.elapsed();
        let mut command =
            MuxCommand { running: &mut running, stop: &job.shutdown.abort, sink: &mut *sink, script: None };
        let termination = terminate(&mut command, age);
        if had_ended { format!("it had ended, {}", termination.phrase_of_rest()) } else { termination.phrase() }
    });
    running.outcome(job, wait_error, arrived, terminated, bounds, sink)
}

/// The longest that each phase may take.
#[derive(Clone, Copy)]
struct Bounds {
    connect: Duration,
    auth: Duration,
    command: Option<Duration>,
}

/// A pipe that is read until it ends.
struct Source<R>(Option<R>);

impl<R: Read> Source<R> {
    /// Takes what has arrived, up to a bound, so that others have their turn. Whether it was anything.
    fn read(&mut self, buffer: &mut [u8], mut take: impl FnMut(&[u8])) -> bool {
        const TURNS: usize = 32;
        for turn in 0..TURNS {
            let Some(reader) = &mut self.0 else { return turn > 0 };
            match reader.read(buffer) {
                Ok(len) if len > 0 => take(&buffer[..len]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return turn > 0,
                Ok(_) | Err(_) => self.0 = None,
            }
        }
        true
    }
}

struct Running {
    started: Instant,
    child: Child,
    exited: bool,
    _guard: Guard,
    jump: Option<String>,
    /// A known_hosts file of its own.
    known: Option<PathBuf>,
    socket: PathBuf,
    log_path: PathBuf,
    log: Source<File>,
    lines: LogLines,
    stdout: Source<PipeReader>,
    stderr: Source<PipeReader>,
    connection_log: ConnectionLog,
    /// The last of its stderr, where ssh itself may have said something.
    last_stderr: Vec<u8>,
    verbose: Option<Tool>,
    host: String,
    user: String,
}

impl Running {
    fn start(engine: &Engine, job: &Job, target: &Target, line: &str) -> io::Result<Running> {
        let (log_path, log) = engine.folder.fifo()?;
        let socket = engine.folder.name("socket");
        let (stdout, their_stdout) = pipe()?;
        let (stderr, their_stderr) = pipe()?;
        ioctl_fionbio(&stdout, true)?;
        ioctl_fionbio(&stderr, true)?;
        let timeout = format!("ConnectTimeout={}", target.connect_timeout.as_secs().max(1) + 1);
        let first = [
            "BatchMode=yes",
            &timeout,
            "LogLevel=DEBUG1",
            "ControlPersist=no",
            "ClearAllForwardings=yes",
            "RequestTTY=no",
            "PermitLocalCommand=no",
            "RemoteCommand=none",
        ];
        let mut command = Command::new(&engine.ssh.program);
        command.args(["-T", "-M", "-S"]).arg(&socket).arg("-E").arg(&log_path);
        let known = host_key_options(engine, target, &mut command)?;
        if let Route::Jump(jump) = &target.route {
            let hops = JumpSpec::list(jump).map_err(io::Error::other)?;
            let of_hops = [
                "BatchMode=yes",
                &timeout,
                "LogLevel=ERROR",
                "ControlMaster=no",
                "ControlPath=none",
                "ClearAllForwardings=yes",
                "RequestTTY=no",
                "PermitLocalCommand=no",
            ];
            command.args(through(&engine.ssh, &of_hops, &hops));
        }
        command.args(engine.ssh.args(&first));
        command.args(alive_args(target.options.server_alive));
        if target.address != target.name {
            command.args(["-o", &format!("HostName={}", target.address.replace('%', "%%"))]);
        }
        command.args(["-l", &target.user, "-p", &target.port.to_string(), "--", &target.name, line]);
        let stdin = match &job.stdin {
            // Opened again for each host, which reads it from its beginning. It may have no name.
            Some(file) => Stdio::from(File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?),
            None => Stdio::null(),
        };
        command.stdin(stdin).stdout(their_stdout).stderr(their_stderr);
        // Out of reach of the terminal's Ctrl-C: the remote command is ended first, through it.
        command.process_group(0);
        let spawned = command.spawn();
        // It holds the pipes' other ends.
        drop(command);
        let child = spawned.inspect_err(|_| drop(fs::remove_file(&log_path)))?;
        Ok(Running {
            started: Instant::now(),
            _guard: engine.folder.guard(Pid::from_child(&child)),
            child,
            exited: false,
            jump: match &target.route {
                Route::Jump(jump) => Some(jump.clone()),
                Route::Direct | Route::Proxy(_) => None,
            },
            known,
            socket,
            log_path,
            log: Source(Some(log)),
            lines: LogLines::default(),
            stdout: Source(Some(stdout)),
            stderr: Source(Some(stderr)),
            connection_log: ConnectionLog::new(line),
            last_stderr: Vec::new(),
            verbose: job.verbose,
            host: target.record.host().to_string(),
            user: target.user.clone(),
        })
    }

    /// Until ssh has ended, or why it was not waited for.
    fn follow(
        &mut self,
        bounds: Bounds,
        stop: &Stop,
        progress: &mut AttemptProgress<'_>,
        sink: &mut dyn Sink<WaitError>,
    ) -> Option<WaitError> {
        let bound = |connection_log: &ConnectionLog| match connection_log.phase {
            Phase::Exec if connection_log.sent => bounds.command,
            Phase::Exec => Some(START),
            Phase::Auth => Some(bounds.auth),
            _ => Some(bounds.connect),
        };
        let mut at = None;
        let mut deadline = None;
        let mut opened = false;
        loop {
            // A deadline a phase: what else is logged meanwhile does not move it.
            if at != Some((self.connection_log.phase, self.connection_log.sent)) {
                at = Some((self.connection_log.phase, self.connection_log.sent));
                deadline = bound(&self.connection_log).map(|bound| Instant::now() + bound);
                let phase = self.connection_log.phase;
                if phase == Phase::Exec && !opened {
                    opened = true;
                    progress.logged_in();
                    sink.open();
                }
                // The command's own deadline moves while our reader takes no more, so only this loop knows it.
                progress.report_phase(phase, deadline.filter(|_| !self.connection_log.sent));
            }
            if self.is_over(stop, sink) {
                return None;
            }
            if let Err(why) = self.turn(&mut deadline, stop, None, sink) {
                return Some(why);
            }
        }
    }

    /// Whether ssh has ended and all of its output was read.
    fn is_over(&mut self, stop: &Stop, sink: &mut dyn Sink<WaitError>) -> bool {
        if !self.exited {
            self.exited = !matches!(self.child.try_wait(), Ok(None));
            // What it wrote before it ended is in the pipes by now.
            if self.exited {
                while matches!(self.read(Some(stop), sink), Ok(true)) {}
            }
        }
        self.exited
    }

    /// Reads what there is of everything; waits where there is nothing. The time that our own reader takes is added to the
    /// deadline.
    fn turn(
        &mut self,
        deadline: &mut Option<Instant>,
        stop: &Stop,
        other: Option<&PipeReader>,
        sink: &mut dyn Sink<WaitError>,
    ) -> Result<(), WaitError> {
        let now = Instant::now();
        if stop.is_set() {
            return Err(WaitError::Stopped);
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Err(WaitError::Deadline);
        }
        let before = sink.reader_time();
        if self.read(Some(stop), sink)? {
            *deadline = deadline.map(|deadline| deadline + (sink.reader_time() - before));
            return Ok(());
        }
        sink.flush();
        let left = deadline.map_or(TICK, |deadline| deadline.saturating_duration_since(now).min(TICK));
        let timeout = Timespec::try_from(left + Duration::from_millis(1)).ok();
        let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
        let sources = [
            self.log.0.as_ref().map(AsFd::as_fd),
            self.stdout.0.as_ref().map(AsFd::as_fd),
            self.stderr.0.as_ref().map(AsFd::as_fd),
            other.map(AsFd::as_fd),
        ];
        fds.extend(sources.into_iter().flatten().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            // Nothing that a wait could be made of: the deadline still holds.
            Err(_) => {
                std::thread::sleep(Duration::from_millis(20));
                Ok(())
            }
        }
    }

    /// Takes what has arrived; whether it was anything. With a `stop` it waits for a slow reader until that comes.
    fn read(&mut self, stop: Option<&Stop>, sink: &mut dyn Sink<WaitError>) -> Result<bool, WaitError> {
        let mut buffer = [0; 32 * 1024];
        let Running { log: log_source, lines, connection_log, stdout, stderr, last_stderr, verbose, host, .. } = self;
        let trace = Trace::new(*verbose, host);
        // Before ssh opens its log the pipe has no writer, and reads as ended.
        let mut any = match log_source.0.as_mut().map(|log| log.read(&mut buffer)) {
            Some(Ok(len)) => {
                lines.take(&buffer[..len], |line| {
                    if connection_log.phase < Phase::Exec {
                        trace.say(|| log::text(line));
                    }
                    connection_log.line(line);
                });
                len > 0
            }
            _ => false,
        };
        let check = || match stop {
            Some(stop) if !stop.is_set() => Ok(()),
            _ => Err(WaitError::Stopped),
        };
        let mut taken = Ok(());
        any |= stdout.read(&mut buffer, |bytes| taken = sink.take(Stream::Stdout, bytes, &check));
        any |= stderr.read(&mut buffer, |bytes| {
            last_stderr.extend_from_slice(bytes);
            last_stderr.drain(..last_stderr.len().saturating_sub(4096));
            taken = sink.take(Stream::Stderr, bytes, &check);
        });
        match taken {
            Err(_) if stop.is_some() => Err(WaitError::Stopped),
            _ => Ok(any),
        }
    }

    fn outcome(
        mut self,
        job: &Job,
        wait_error: Option<WaitError>,
        arrived: Option<u32>,
        terminated: Option<String>,
        bounds: Bounds,
        sink: &mut dyn Sink<WaitError>,
    ) -> Outcome {
        end_group(&mut self.child);
        while matches!(self.read(None, sink), Ok(true)) {}
        let connection_log = &self.connection_log;
        // Both, or it is not known: the log's number, and ssh's own exit status, which are its low 8 bits.
        let own = self.child.try_wait().ok().flatten().and_then(|status| status.code());
        let code = match &wait_error {
            Some(_) => arrived,
            None => connection_log.exit_code().filter(|code| own == Some((code & 0xff) as i32)),
        };
        let phase = connection_log.phase;
        let said = || {
            // A jump host's trouble is on stderr: that the proxy ended is all that ssh itself knows.
            let why = connection_log
                .why()
                .filter(|why| why != "Connection closed by UNKNOWN port 65535" || connection_log.sent);
            let of_jump = |why| match &self.jump {
                Some(jump) => format!("jump host {jump:?} did not let us through: {why}"),
                None => why,
            };
            let why = why.or_else(|| last_line(&self.last_stderr).map(of_jump)).or_else(|| connection_log.why());
            why.unwrap_or_else(|| "ssh ended and did not say why".to_string())
        };
        let failed = |status, error: String| Outcome::error(status, phase, error);
        let outcome = match wait_error {
            Some(error) => cut_short(job, connection_log, error, bounds, terminated),
            None if connection_log.denied => {
                failed(HostStatus::Failed, "the server refused to run the command".to_string())
            }
            None if connection_log.signal => {
                failed(HostStatus::Signaled, "a signal ended the command (ssh does not tell which)".to_string())
            }
            None if connection_log.sent => match code {
                Some(code) => exited(&CommandExit { exit_code: Some(code), signal: None }),
                None => failed(HostStatus::Lost, format!("no exit status of the command arrived: {}", said())),
            },
            None if connection_log.host_key_failed => Outcome::error(HostStatus::HostKey, Phase::HostKey, said()),
            None if connection_log.auth_failed => {
                Outcome::error(HostStatus::Auth, Phase::Auth, connection_log.refusal(&self.user).unwrap_or_else(said))
            }
            None => Outcome { retry: may_pass(phase, &said()), ..failed(HostStatus::Unreachable, said()) },
        };
        let exit_code = code.filter(|_| !self.connection_log.signal);
        Outcome { exit_code, ..outcome }
    }
}

/// The remote command, terminated through ssh's control socket.
struct MuxCommand<'a> {
    running: &'a mut Running,
    stop: &'a Stop,
    sink: &'a mut dyn Sink<WaitError>,
    script: Option<Script>,
}

/// A script on the same connection.
struct Script {
    _client: MuxClient,
    stdout: PipeReader,
    ended: bool,
}

impl TerminableCommand for MuxCommand<'_> {
    fn start_script(&mut self, script: &str, deadline: Instant) -> Result<(), WaitError> {
        let failed = |_| WaitError::Io(io::Error::other("ssh's control socket takes no command"));
        let client = MuxClient::connect(&self.running.socket, deadline, self.stop).map_err(failed)?;
        let (stdout, writer) = pipe().map_err(WaitError::Io)?;
        ioctl_fionbio(&stdout, true).map_err(|error| WaitError::Io(error.into()))?;
        let null = File::options().read(true).write(true).open("/dev/null").map_err(WaitError::Io)?;
        client.session(script, [null.as_fd(), writer.as_fd(), null.as_fd()], deadline, self.stop).map_err(failed)?;
        self.script = Some(Script { _client: client, stdout, ended: false });
        Ok(())
    }

    fn script_ended(&self) -> bool {
        self.script.as_ref().is_none_or(|script| script.ended)
    }

    fn transfer(&mut self, deadline: &mut Instant, printed: Option<&mut Vec<u8>>) -> Result<(), WaitError> {
        if self.stop.is_set() {
            return Err(WaitError::Stopped);
        }
        if *deadline <= Instant::now() {
            return Err(WaitError::Deadline);
        }
        if let Some((script, printed)) = self.script.as_mut().zip(printed) {
            let mut buffer = [0; 4096];
            match script.stdout.read(&mut buffer) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Ok(len) if len > 0 => {
                    printed.extend_from_slice(&buffer[..len]);
                    return Ok(());
                }
                Ok(_) | Err(_) => {
                    script.ended = true;
                    return Ok(());
                }
            }
        }
        if self.running.is_over(self.stop, self.sink) {
            return Err(WaitError::Io(io::Error::other("ssh has ended")));
        }
        let mut until = Some(*deadline);
        let script = self.script.as_ref().filter(|script| !script.ended).map(|script| &script.stdout);
        let turned = self.running.turn(&mut until, self.stop, script, self.sink);
        *deadline = until.unwrap_or(*deadline);
        turned
    }

    fn output_ended(&mut self) -> bool {
        self.running.is_over(self.stop, self.sink)
    }

    /// ssh's control socket has no request for it.
    fn send_signal(&mut self, _signal: &str, _deadline: Instant) -> Result<(), WaitError> {
        Err(WaitError::Io(io::ErrorKind::Unsupported.into()))
    }

    fn has_exit(&self) -> bool {
        self.running.connection_log.status || self.running.connection_log.signal
    }

    fn is_closed(&self) -> bool {
        self.running.exited
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end_group(&mut self.child);
        remove(&self.log_path);
        remove(&self.socket);
        self.known.as_deref().map(remove);
    }
}

/// The same decision about the host's key as the other engine's: the record's own keys decide; else a host is known by
/// its name, where ssh would ask for its address only. Gives the file that was made for it.
fn host_key_options(engine: &Engine, target: &Target, command: &mut Command) -> io::Result<Option<PathBuf>> {
    let mut option = |option: OsString| {
        command.arg("-o").arg(option);
    };
    let named = lookup_name(&target.name, target.port);
    if let Some(keys) = &target.host_keys {
        let path = engine.folder.name("known");
        fs::write(&path, keys.known_hosts(&named))?;
        for (key, value) in [("UserKnownHostsFile=", path.as_os_str()), ("GlobalKnownHostsFile=", "/dev/null".as_ref())]
        {
            let mut line = OsString::from(key);
            line.push(value);
            option(line);
        }
        option(format!("HostKeyAlias={named}").into());
        option("StrictHostKeyChecking=yes".into());
        return Ok(Some(path));
    }
    if target.host_key == HostKeyPolicy::Strict {
        // `ask` would fail without a word: there is nobody to ask.
        option("StrictHostKeyChecking=yes".into());
    }
    if target.options.host_key_alias.is_some() || target.address == target.name {
        return Ok(None);
    }
    let find = |name| target.known_hosts.find(&HostId { names: vec![name], port: target.port });
    let (by_name, by_address) = (find(target.name.as_str()), find(target.address.as_str()));
    // A certificate names hosts, not ports.
    if by_name.has_authorities() && !by_address.has_authorities() {
        option(format!("HostKeyAlias={}", target.name).into());
    } else if !by_name.key_types().is_empty()
        || target.host_key == HostKeyPolicy::AcceptNew && by_address.key_types().is_empty()
    {
        option(format!("HostKeyAlias={named}").into());
    }
    Ok(None)
}

fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

/// The outcome of an attempt whose time was up, or which a stop ended. `terminated`: what became of the command.
fn cut_short(job: &Job, log: &ConnectionLog, error: WaitError, bounds: Bounds, terminated: Option<String>) -> Outcome {
    let (phase, connect) = (log.phase, bounds.connect);
    let outcome = match phase {
        Phase::Exec if log.sent => wait_failed(job, phase, error, bounds.command.unwrap_or_default(), "the command"),
        Phase::Exec => wait_failed(job, phase, error, START, "starting the command"),
        Phase::Auth => wait_failed(job, phase, error, bounds.auth, "while logging in"),
        Phase::Resolve => not_reached(job, phase, error, connect, "the address was not found"),
        Phase::Connect => not_reached(job, phase, error, connect, "no connection"),
        Phase::Handshake | Phase::HostKey => not_reached(job, phase, error, connect, "no SSH handshake"),
    };
    let error = outcome.error.into_iter().chain(terminated).collect::<Vec<_>>().join("; ");
    Outcome { error: Some(error), ..outcome }
}

/// Whether another try may help: the server said no at once, and had not yet heard who we are.
fn may_pass(phase: Phase, why: &str) -> Retry {
    let may_pass = matches!(phase, Phase::Connect | Phase::Handshake)
        && ["Connection refused", "Connection reset", "onnection closed"].iter().any(|sign| why.contains(sign));
    if may_pass { Retry::Once } else { Retry::Never }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        assert!(Retry::Once == may_pass(Phase::Connect, "ssh: connect to host a port 22: Connection refused"));
        assert!(
            Retry::Once == may_pass(Phase::Handshake, "kex_exchange_identification: Connection closed by remote host")
        );
        assert!(Retry::Never == may_pass(Phase::Connect, "ssh: connect to host a port 22: No route to host"));
        assert!(Retry::Never == may_pass(Phase::Auth, "Connection closed by 10.0.0.1 port 22"));
    }
}
