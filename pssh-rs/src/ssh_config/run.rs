//! Runs `ssh -G`: without shell, terminal or stdin, in its own process group, with a deadline.

use super::Source;
use super::query::Query;
use cerveza_manners::visible;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that a run may take: behind it may be a `Match exec` that hangs.
const RUN: Duration = Duration::from_secs(10);
/// After so many that took too long, no more are started.
const LATE: usize = 4;
/// No answer of ssh is larger, in bytes.
const LARGEST: usize = 64 << 20;

/// Facts of this machine ride on an option that we do not use, since ssh asks the user database, and not HOME.
const FACTS: &str = "ControlPath=~/|%u|%i|%L|%l";

/// A configuration with nothing in it.
pub const NOTHING: &str = "/dev/null";

pub struct Ssh<'a> {
    pub program: &'a OsStr,
    pub source: &'a Source<'a>,
    pub deadline: Duration,
    runs: AtomicUsize,
    late: AtomicUsize,
}

/// What ssh answered: `keyword value` lines, and what it said of the files that it read.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    lines: Vec<(String, Vec<u8>)>,
    pub log: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    /// There is no such program.
    Missing,
    /// The user database does not know who runs it; ssh's own words.
    NoAccount(String),
    /// ssh's own words, or why it could not be asked.
    Failed(String),
}

impl<'a> Ssh<'a> {
    pub fn new(program: &'a OsStr, source: &'a Source<'a>) -> Ssh<'a> {
        Ssh { program, source, deadline: RUN, runs: AtomicUsize::new(0), late: AtomicUsize::new(0) }
    }

    #[cfg(test)]
    pub fn runs(&self) -> usize {
        self.runs.load(Ordering::Relaxed)
    }

    /// What holds for one host.
    pub fn ask(&self, query: &Query) -> Result<Dump, Trouble> {
        let mut command = self.command();
        self.add_source(&mut command, query.address.as_deref());
        self.finish(command, query)
    }

    /// The same, with the facts of this machine and a log that names the files.
    pub fn probe(&self, query: &Query) -> Result<Dump, Trouble> {
        let mut command = self.command();
        command.args(["-vvv", "-o", FACTS]);
        self.add_source(&mut command, query.address.as_deref());
        self.finish(command, query)
    }

    /// What holds where nothing is configured; its log must name `NOTHING`.
    pub fn defaults(&self) -> Result<Dump, Trouble> {
        let mut command = self.command();
        command.args(["-vvv", "-F", NOTHING]);
        self.finish(command, &Query::neutral())
    }

    /// Asks for each, a few side by side.
    pub fn ask_all(&self, queries: &[&Query]) -> Vec<Result<Dump, Trouble>> {
        let workers = thread::available_parallelism().map_or(2, |cores| cores.get()).max(4).min(queries.len());
        let next = AtomicUsize::new(0);
        let take = || {
            let mut done = Vec::new();
            while let Some((at, query)) = {
                let at = next.fetch_add(1, Ordering::Relaxed);
                queries.get(at).map(|query| (at, query))
            } {
                done.push((at, self.ask(query)));
            }
            done
        };
        let mut all = vec![Err(Trouble::Failed("it was not asked".to_string())); queries.len()];
        thread::scope(|scope| {
            let workers: Vec<_> =
                (0..workers).filter_map(|_| thread::Builder::new().spawn_scoped(scope, take).ok()).collect();
            // Where not one thread could be started, this one does it all.
            let own = if workers.is_empty() { take() } else { Vec::new() };
            for (at, dump) in workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).chain(own) {
                all[at] = dump;
            }
        });
        all
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        // With BatchMode Debian's ssh has another ServerAliveInterval, which then looks like the user's.
        command.args(["-G", "-o", "BatchMode=no"]);
        command
    }

    fn add_source(&self, command: &mut Command, address: Option<&str>) {
        if let Some(address) = address {
            // First, so that it decides.
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
    }

    fn finish(&self, mut command: Command, query: &Query) -> Result<Dump, Trouble> {
        if self.late.load(Ordering::Relaxed) >= LATE {
            return Err(Trouble::Failed(format!("`ssh -G` was not asked: it hung {LATE} times")));
        }
        if let Some(user) = &query.user {
            command.arg("-l").arg(user);
        }
        if let Some(port) = query.port {
            command.arg("-p").arg(port.to_string());
        }
        command.arg("--").arg(&query.name);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        self.runs.fetch_add(1, Ordering::Relaxed);
        let child = command.spawn().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Trouble::Missing,
            _ => Trouble::Failed(format!("cannot run `ssh -G`: {error}")),
        })?;
        match collect(child, Instant::now() + self.deadline) {
            Ok(Some((status, stdout, log))) if status.success() => Ok(Dump::parse(&stdout, log)),
            Ok(Some((status, _, log))) => {
                let why = complaint(&log, status);
                Err(if why.starts_with("No user exists for uid ") {
                    Trouble::NoAccount(why)
                } else {
                    Trouble::Failed(why)
                })
            }
            Ok(None) => {
                self.late.fetch_add(1, Ordering::Relaxed);
                let time = self.deadline;
                Err(Trouble::Failed(format!("`ssh -G` took longer than {time:?}: a Match exec that hangs?")))
            }
            Err(error) => Err(Trouble::Failed(format!("cannot read what `ssh -G` says: {error}"))),
        }
    }
}

impl Dump {
    fn parse(stdout: &[u8], log: Vec<u8>) -> Dump {
        let split = |line: &[u8]| {
            let at = line.iter().position(|&byte| byte == b' ').unwrap_or(line.len());
            let value = line.get(at + 1..).unwrap_or_default().to_vec();
            (String::from_utf8_lossy(&line[..at]).to_ascii_lowercase(), value)
        };
        let lines = stdout.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(split).collect();
        Dump { lines, log }
    }

    pub fn all<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.lines.iter().filter(move |(key, _)| key == keyword).map(|(_, value)| value.as_slice())
    }

    pub fn bytes(&self, keyword: &str) -> Option<&[u8]> {
        self.lines.iter().find(|(key, _)| key == keyword).map(|(_, value)| value.as_slice())
    }

    pub fn text(&self, keyword: &str) -> Option<String> {
        self.bytes(keyword).map(|value| String::from_utf8_lossy(value).into_owned())
    }
}

/// ssh's own words, without those of its log.
fn complaint(log: &[u8], status: ExitStatus) -> String {
    const NOISE: [&str; 4] = ["debug", "OpenSSH_", "Pseudo-terminal will not", "usage:"];
    let log = String::from_utf8_lossy(log);
    let words: Vec<&str> = log
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !NOISE.iter().any(|noise| line.starts_with(noise)))
        .collect();
    match words.is_empty() {
        true => format!("`ssh -G` failed without a word ({status})"),
        false => visible(&words.join("; ")).into_owned(),
    }
}

type Collected = (ExitStatus, Vec<u8>, Vec<u8>);

/// Reads both pipes until ssh is gone; `None` where that takes too long, and then all of its group are ended.
fn collect(mut child: Child, until: Instant) -> io::Result<Option<Collected>> {
    let done = read(&mut child, until);
    if !matches!(done, Ok(Some(_))) {
        if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = child.wait();
    }
    done
}

fn read(child: &mut Child, until: Instant) -> io::Result<Option<Collected>> {
    let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::Error::other("it has no pipes"));
    };
    let mut taken = [Vec::new(), Vec::new()];
    let mut open = [true, true];
    let mut buffer = vec![0; 1 << 16];
    loop {
        // A child of ssh's may hold stderr open for longer than ssh lives.
        let exited = if open[0] { None } else { child.try_wait()? };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let wait = match exited {
            Some(_) => Duration::ZERO,
            None if open[0] => left,
            None => left.min(Duration::from_millis(1)),
        };
        let ready = {
            let both: [BorrowedFd<'_>; 2] = [std::os::fd::AsFd::as_fd(&stdout), std::os::fd::AsFd::as_fd(&stderr)];
            wait_for(both, open, wait)?
        };
        for at in 0..2 {
            if ready[at] {
                let pipe: &mut dyn Read = if at == 0 { &mut stdout } else { &mut stderr };
                match pipe.read(&mut buffer)? {
                    0 => open[at] = false,
                    length => taken[at].extend_from_slice(&buffer[..length]),
                }
                if taken[at].len() > LARGEST {
                    return Err(io::Error::other("it says too much"));
                }
            }
        }
        if let Some(status) = exited
            && (ready == [false, false])
        {
            let [stdout, stderr] = taken;
            return Ok(Some((status, stdout, stderr)));
        }
    }
}

/// Which of the open pipes have something to read, or have ended.
fn wait_for(pipes: [BorrowedFd<'_>; 2], open: [bool; 2], wait: Duration) -> io::Result<[bool; 2]> {
    let indices: Vec<usize> = (0..2).filter(|&at| open[at]).collect();
    let mut fds: Vec<PollFd<'_>> =
        indices.iter().map(|&at| PollFd::from_borrowed_fd(pipes[at], PollFlags::IN)).collect();
    let time = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: wait.subsec_nanos().into() };
    match poll(&mut fds, Some(&time)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut ready = [false, false];
    for (fd, at) in fds.iter().zip(indices) {
        ready[at] = !fd.revents().is_empty();
    }
    Ok(ready)
}
