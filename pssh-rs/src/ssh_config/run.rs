//! Runs `ssh -G`: without shell, terminal or stdin, in its own process group, with a deadline.

use super::ConfigSource;
use super::expand::LocalFacts;
use super::query::Query;
use cerveza_manners::visible;
use cerveza_results::lock;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that a run may take: behind it may be a `Match exec` that hangs.
const RUN: Duration = Duration::from_secs(10);
/// After so many that took too long, no more are started.
const LATE: usize = 4;
/// No answer of ssh is larger, in bytes.
const LARGEST: u64 = 64 << 20;

/// A configuration with nothing in it.
pub const NOTHING: &str = "/dev/null";

pub struct Ssh<'a> {
    pub program: &'a OsStr,
    pub source: &'a ConfigSource<'a>,
    pub deadline: Duration,
    runs: AtomicUsize,
    late: AtomicUsize,
}

/// What ssh printed: `keyword value` lines, and its log.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    lines: Vec<(Arc<str>, Arc<[u8]>)>,
    pub log: Arc<[u8]>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SshError {
    /// This machine has no ssh, or it does not run here.
    Unusable { why: String, remedy: &'static str },
    /// The message of ssh, or why it could not be run.
    Failed(String),
}

impl<'a> Ssh<'a> {
    pub fn new(program: &'a OsStr, source: &'a ConfigSource<'a>) -> Ssh<'a> {
        Ssh { program, source, deadline: RUN, runs: AtomicUsize::new(0), late: AtomicUsize::new(0) }
    }

    #[cfg(test)]
    pub fn runs(&self) -> usize {
        self.runs.load(Ordering::Relaxed)
    }

    /// Asks for the configuration of one host.
    pub fn ask(&self, query: &Query) -> Command {
        let mut command = self.command();
        if let Some(address) = &query.address {
            // It comes first, so it decides.
            command.arg("-o").arg(format!("HostName={}", address.replace('%', "%%")));
        }
        if let Some(file) = self.source.file {
            command.arg("-F").arg(file);
        }
        for option in self.source.options {
            command.arg("-o").arg(option);
        }
        if let Some(jump) = self.source.jump {
            command.arg("-J").arg(jump);
        }
        if let Some(user) = &query.user {
            command.arg("-l").arg(user);
        }
        if let Some(port) = query.port {
            command.arg("-p").arg(port.to_string());
        }
        command.arg("--").arg(&query.name);
        command
    }

    /// Asks for the configuration of a host that no file is about: the defaults of ssh, and the facts of this machine.
    pub fn defaults(&self) -> Command {
        let mut command = self.command();
        command.args(["-F", NOTHING, "-o", LocalFacts::QUESTION, "--", &Query::neutral().name]);
        command
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        // With BatchMode Debian's ssh has another ServerAliveInterval, which then looks like the user's.
        command.args(["-G", "-vvv", "-o", "BatchMode=no"]);
        command
    }

    /// Runs all of them, a few at a time.
    pub fn run_all(&self, commands: Vec<Command>) -> Vec<Result<Dump, SshError>> {
        let mut answers = vec![Err(SshError::Failed("`ssh -G` was not run".to_string())); commands.len()];
        let workers = thread::available_parallelism().map_or(2, |cores| cores.get()).max(4).min(commands.len());
        let queue = Mutex::new(commands.into_iter().zip(&mut answers));
        let work = || {
            loop {
                let Some((command, answer)) = lock(&queue).next() else { break };
                *answer = self.run(command);
            }
        };
        thread::scope(|scope| {
            for _ in 1..workers {
                // The thread that is here does the work of those that do not start.
                let _ = thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
        answers
    }

    pub fn run(&self, mut command: Command) -> Result<Dump, SshError> {
        if self.late.load(Ordering::Relaxed) >= LATE {
            return Err(SshError::Failed(format!("`ssh -G` was not run: it hung {LATE} times")));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        self.runs.fetch_add(1, Ordering::Relaxed);
        let mut child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let remedy = "install OpenSSH's client (openssh-client, openssh-clients)";
                SshError::Unusable { why: "it is not installed".to_string(), remedy }
            }
            _ => SshError::Failed(format!("cannot run `ssh -G`: {error}")),
        })?;
        let output = read(&mut child, Instant::now() + self.deadline);
        if !matches!(output, Ok(Some(_))) {
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait();
        }
        match output {
            Ok(Some(output)) if output.status.success() => Ok(Dump::parse(&output.stdout, output.stderr)),
            Ok(Some(output)) => Err(complaint(&output.stderr, output.status)),
            Ok(None) => {
                self.late.fetch_add(1, Ordering::Relaxed);
                let time = self.deadline;
                Err(SshError::Failed(format!("`ssh -G` took longer than {time:?}: a Match exec that hangs?")))
            }
            Err(error) => Err(SshError::Failed(format!("cannot read the output of `ssh -G`: {error}"))),
        }
    }
}

impl Dump {
    fn parse(stdout: &[u8], log: Vec<u8>) -> Dump {
        let split = |line: &[u8]| {
            let at = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
            let value = line.get(at + 1..).unwrap_or_default().into();
            (String::from_utf8_lossy(&line[..at]).to_ascii_lowercase().into(), value)
        };
        let lines = stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(split).collect();
        Dump { lines, log: log.into() }
    }

    pub fn all<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.lines.iter().filter(move |(key, _)| **key == *keyword).map(|(_, value)| &**value)
    }

    pub fn bytes(&self, keyword: &str) -> Option<&[u8]> {
        self.lines.iter().find(|(key, _)| **key == *keyword).map(|(_, value)| &**value)
    }

    pub fn text(&self, keyword: &str) -> Option<String> {
        self.bytes(keyword).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Replaces a value that is there.
    pub fn set(&mut self, keyword: &str, value: Vec<u8>) {
        if let Some((_, old)) = self.lines.iter_mut().find(|(key, _)| **key == *keyword) {
            *old = value.into();
        }
    }
}

impl fmt::Display for SshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SshError::Unusable { why, .. } | SshError::Failed(why) => f.write_str(why),
        }
    }
}

/// Returns the message of an ssh that failed, without its log.
fn complaint(log: &[u8], status: ExitStatus) -> SshError {
    const NOISE: [&str; 4] = ["debug", "OpenSSH_", "Pseudo-terminal will not", "usage:"];
    let log = String::from_utf8_lossy(log);
    let lines: Vec<&str> = log
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !NOISE.iter().any(|noise| line.starts_with(noise)))
        .collect();
    let message = visible(&lines.join("; ")).into_owned();
    if message.starts_with("No user exists for uid ") {
        let remedy = "add it to the user database, or do without with -F none -l USER";
        SshError::Unusable { why: format!("it does not run for an unknown user ({message})"), remedy }
    } else if message.is_empty() {
        SshError::Failed(format!("`ssh -G` failed without a message ({status})"))
    } else {
        SshError::Failed(message)
    }
}

/// Reads both pipes until ssh has exited; `None` if that takes too long.
fn read(child: &mut Child, until: Instant) -> io::Result<Option<Output>> {
    const TICK: Duration = Duration::from_millis(5);
    let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("it has no pipes"));
    };
    ioctl_fionbio(&stdout, true)?;
    ioctl_fionbio(&stderr, true)?;
    let mut output = Output { status: ExitStatus::default(), stdout: Vec::new(), stderr: Vec::new() };
    loop {
        let at_end = drain(&mut stdout, &mut output.stdout)?;
        let status = if at_end { child.try_wait()? } else { None };
        // A child of ssh may hold stderr open for longer than ssh lives, so its end is not waited for.
        drain(&mut stderr, &mut output.stderr)?;
        if let Some(status) = status {
            output.status = status;
            return Ok(Some(output));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        if at_end {
            thread::sleep(left.min(Duration::from_millis(1)));
        } else {
            // A full stderr is read after a tick.
            let mut fds = [PollFd::new(&stdout, PollFlags::IN)];
            match poll(&mut fds, Timespec::try_from(left.min(TICK)).ok().as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Reads what has arrived. Returns whether the pipe is at its end.
fn drain(pipe: &mut impl Read, to: &mut Vec<u8>) -> io::Result<bool> {
    let read = pipe.by_ref().take(LARGEST).read_to_end(to);
    if to.len() as u64 >= LARGEST {
        return Err(io::Error::other("it is too large"));
    }
    match read {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        read => read.map(|_| true),
    }
}
