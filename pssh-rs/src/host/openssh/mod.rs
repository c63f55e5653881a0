//! `--engine openssh`: runs the command of one host by the system's `ssh`. ssh's exit status is ambiguous (255 may be
//! its own or the command's), so its log is read too.

mod connection_log;
mod host_key;
mod mux_command;
mod outcome;

use crate::base::shutdown::Stop;
use crate::base::trace::Trace;
use crate::base::wait::WaitError;
use crate::connect::proxy_command::end_group;
use crate::host::job::Job;
use crate::host::progress::{AttemptProgress, wait_for_slot};
use crate::host::target::{Route, Target};
use crate::openssh::Engine;
use crate::openssh::control_dir::Guard;
use crate::openssh::log::{self, LogLines};
use crate::openssh::system::{JumpSpec, alive_args, through};
use crate::session::exec::START;
use crate::session::terminate::{LONGEST, terminate};
use cerveza_manners::Tool;
use cerveza_results::{HostStatus, Outcome, Phase, Sink, Stream};
use connection_log::ConnectionLog;
use host_key::host_key_options;
use mux_command::MuxCommand;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::Pid;
use std::fs::{self, File};
use std::io::{self, PipeReader, Read, pipe};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How soon it is looked whether ssh has ended, should something else hold its pipes open.
const TICK: Duration = Duration::from_millis(200);

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
}

impl Drop for Running {
    fn drop(&mut self) {
        end_group(&mut self.child);
        remove(&self.log_path);
        remove(&self.socket);
        self.known.as_deref().map(remove);
    }
}

fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}
