//! A running ssh: its arguments, its pipes, and its log.

use super::connection_log::ConnectionLog;
use super::host_key::host_key_options;
use crate::base::attempt_timer::AttemptTimer;
use crate::base::process_group::end_group;
use crate::base::shutdown::Stop;
use crate::base::trace::Trace;
use crate::base::wait::{WaitError, check};
use crate::host::job::Job;
use crate::host::target::{Route, Target};
use crate::system_ssh::SshRunner;
use crate::system_ssh::control_dir::Guard;
use crate::system_ssh::log::{self, LogLines};
use crate::system_ssh::system::{JumpSpec, alive_args, through};
use cerveza_manners::Tool;
use cerveza_results::{Phase, Sink, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::Pid;
use std::fs::{self, File};
use std::io::{self, PipeReader, Read, pipe};
use std::os::fd::AsFd;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is checked whether ssh has ended, in case another process holds its pipes open.
const END_CHECK: Duration = Duration::from_millis(200);
/// How many bytes of stderr are kept, for ssh's own messages.
const LAST_STDERR: usize = 4096;

/// A pipe that is read until it ends.
struct Source<R>(Option<R>);

impl<R: Read> Source<R> {
    /// Reads what has arrived and calls `handle` with it. Returns whether there was anything. Stops after a while, for the
    /// other pipes.
    fn read(&mut self, buffer: &mut [u8], mut handle: impl FnMut(&[u8])) -> bool {
        const TURNS: usize = 32;
        for turn in 0..TURNS {
            let Some(reader) = &mut self.0 else { return turn > 0 };
            match reader.read(buffer) {
                Ok(len) if len > 0 => handle(&buffer[..len]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return turn > 0,
                Ok(_) | Err(_) => self.0 = None,
            }
        }
        true
    }
}

pub struct SshProcess {
    pub started: Instant,
    pub connection_log: ConnectionLog,
    /// The last bytes of its stderr, which may hold a message of ssh itself.
    pub last_stderr: Vec<u8>,
    pub jump: Option<String>,
    pub socket: PathBuf,
    pub has_exited: bool,
    child: Child,
    _guard: Guard,
    /// Files to remove at the end.
    files: Vec<PathBuf>,
    log: File,
    lines: LogLines,
    stdout: Source<PipeReader>,
    stderr: Source<PipeReader>,
    verbose: Option<Tool>,
    host: String,
}

/// Opens a file again, for a host that reads it from its beginning. The file may have no name.
#[cfg(target_os = "linux")]
fn open_again(file: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Elsewhere, /dev/fd gives all hosts one position in the file.
#[cfg(not(target_os = "linux"))]
fn open_again(_: &File) -> io::Result<File> {
    Err(io::Error::other("on this system, --stdin needs the libssh2 engine"))
}

impl SshProcess {
    pub fn start(runner: &SshRunner, job: &Job, target: &Target, line: &str) -> io::Result<SshProcess> {
        let (log_path, log) = runner.folder.fifo()?;
        let socket = runner.folder.name("socket");
        let (stdout, stdout_writer) = pipe()?;
        let (stderr, stderr_writer) = pipe()?;
        ioctl_fionbio(&stdout, true)?;
        ioctl_fionbio(&stderr, true)?;
        let mut command = Command::new(&runner.ssh.program);
        command.args(["-T", "-M", "-S"]).arg(&socket).arg("-E").arg(&log_path);
        let own_known_hosts = host_key_options(runner, target, &mut command)?;
        add_options(&mut command, runner, target)?;
        command.args(["-l", &target.user, "-p", &target.port.to_string(), "--", &target.name, line]);
        let stdin = match &job.stdin {
            Some(file) => Stdio::from(open_again(file)?),
            None => Stdio::null(),
        };
        command.stdin(stdin).stdout(stdout_writer).stderr(stderr_writer);
        // The terminal's Ctrl-C does not reach ssh, because the remote command is terminated through it first.
        command.process_group(0);
        let spawned = command.spawn();
        // It holds the other ends of the pipes.
        drop(command);
        let child = spawned.inspect_err(|_| drop(fs::remove_file(&log_path)))?;
        Ok(SshProcess {
            started: Instant::now(),
            connection_log: ConnectionLog::new(line),
            last_stderr: Vec::new(),
            jump: match &target.route {
                Route::Jump(jump) => Some(jump.clone()),
                Route::Direct | Route::Proxy(_) => None,
            },
            files: [log_path, socket.clone()].into_iter().chain(own_known_hosts).collect(),
            socket,
            has_exited: false,
            _guard: runner.folder.guard(Pid::from_child(&child)),
            child,
            log,
            lines: LogLines::default(),
            stdout: Source(Some(stdout)),
            stderr: Source(Some(stderr)),
            verbose: job.verbose,
            host: target.record.host().to_string(),
        })
    }

    /// Returns whether ssh has ended and all of its output was read.
    pub fn is_over(&mut self, stop: &Stop, sink: &mut dyn Sink<WaitError>) -> bool {
        if !self.has_exited {
            self.has_exited = !matches!(self.child.try_wait(), Ok(None));
            // What it wrote before it ended is in the pipes by now.
            if self.has_exited {
                while matches!(self.read(&|| check(None, stop), sink), Ok(true)) {}
            }
        }
        self.has_exited
    }

    /// Ends ssh, and reads the rest of its output. Does not wait for a slow reader of our own output.
    pub fn finish(&mut self, sink: &mut dyn Sink<WaitError>) {
        end_group(&mut self.child);
        while self.read(&|| Err(WaitError::Stopped), sink).unwrap_or(true) {}
    }

    /// Returns ssh's own exit status, if it has ended.
    pub fn exit_code(&mut self) -> Option<i32> {
        self.child.try_wait().ok().flatten().and_then(|status| status.code())
    }

    /// Reads what has arrived on all pipes. Waits if there is nothing, also for `other`. The time that the reader of our
    /// own output takes is added to the deadline.
    pub fn transfer(
        &mut self,
        timer: &AttemptTimer,
        stop: &Stop,
        other: Option<&PipeReader>,
        sink: &mut dyn Sink<WaitError>,
    ) -> Result<(), WaitError> {
        let (now, deadline) = (Instant::now(), timer.deadline());
        check(deadline, stop)?;
        let before = sink.reader_time();
        let touch_and_check = || {
            timer.touch();
            check(None, stop)
        };
        let any = self.read(&touch_and_check, sink)?;
        timer.postpone(sink.reader_time() - before);
        if any {
            return Ok(());
        }
        sink.flush();
        let left = deadline.map_or(END_CHECK, |deadline| deadline.saturating_duration_since(now).min(END_CHECK));
        let timeout = Timespec::try_from(left + Duration::from_millis(1)).ok();
        let mut fds = vec![PollFd::new(stop, PollFlags::IN)];
        let sources = [
            Some(self.log.as_fd()),
            self.stdout.0.as_ref().map(AsFd::as_fd),
            self.stderr.0.as_ref().map(AsFd::as_fd),
            other.map(AsFd::as_fd),
        ];
        fds.extend(sources.into_iter().flatten().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        if !matches!(poll(&mut fds, timeout.as_ref()), Ok(_) | Err(Errno::INTR)) {
            // Without a wait, this must not become a busy loop. The deadline still holds.
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Reads what has arrived. Returns whether there was anything. Waits for a slow reader of our own output until `check`
    /// fails.
    fn read(
        &mut self,
        check: &dyn Fn() -> Result<(), WaitError>,
        sink: &mut dyn Sink<WaitError>,
    ) -> Result<bool, WaitError> {
        let mut buffer = [0; 32 * 1024];
        let mut any = self.read_log(&mut buffer);
        let SshProcess { stdout, stderr, last_stderr, .. } = self;
        let mut failed = None;
        let mut write = |stream, bytes: &[u8]| failed = failed.take().or(sink.write(stream, bytes, check).err());
        any |= stdout.read(&mut buffer, |bytes| write(Stream::Stdout, bytes));
        any |= stderr.read(&mut buffer, |bytes| {
            last_stderr.extend_from_slice(bytes);
            last_stderr.drain(..last_stderr.len().saturating_sub(LAST_STDERR));
            write(Stream::Stderr, bytes);
        });
        failed.map_or(Ok(any), Err)
    }

    fn read_log(&mut self, buffer: &mut [u8]) -> bool {
        let trace = Trace::new(self.verbose, &self.host);
        // 0 is not the end of the log: before ssh opens it, the pipe has no writer.
        let Ok(len) = self.log.read(buffer) else { return false };
        self.lines.read(&buffer[..len], |line| {
            if self.connection_log.phase < Phase::Exec {
                trace.say(|| log::text(line));
            }
            self.connection_log.read_line(line);
        });
        len > 0
    }
}

/// Adds the options that hold for every host, those of the jump hosts, and those of ssh_config that we have read.
fn add_options(command: &mut Command, runner: &SshRunner, target: &Target) -> io::Result<()> {
    let timeout = format!("ConnectTimeout={}", target.connect_timeout.as_secs().max(1) + 1);
    let common = ["BatchMode=yes", &timeout, "ClearAllForwardings=yes", "RequestTTY=no", "PermitLocalCommand=no"];
    if let Route::Jump(jump) = &target.route {
        let jumps = JumpSpec::parse_list(jump).map_err(io::Error::other)?;
        let options = [&common[..], &["LogLevel=ERROR", "ControlMaster=no", "ControlPath=none"]].concat();
        command.args(through(&runner.ssh, &options, &jumps));
    }
    let options = [&common[..], &["LogLevel=DEBUG1", "ControlPersist=no", "RemoteCommand=none"]].concat();
    command.args(runner.ssh.args(&options)).args(alive_args(target.options.server_alive));
    if target.address != target.name {
        command.args(["-o", &format!("HostName={}", target.address.replace('%', "%%"))]);
    }
    Ok(())
}

impl Drop for SshProcess {
    fn drop(&mut self) {
        end_group(&mut self.child);
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
    }
}
