//! `--engine openssh`: one host's command by the system's `ssh`, with the same truth about it as by libssh2. What ssh's
//! own exit status cannot tell (255 may be its own or the command's) is read from its log.

use crate::base::policy::HostKeyPolicy;
use crate::base::shutdown::Stop;
use crate::base::trace::Trace;
use crate::base::wait::Halt;
use crate::connect::proxy_command::{end_group, last_line};
use crate::ffi::Stream;
use crate::host::connection_log::Story;
use crate::host::job::Job;
use crate::host::progress::{Watched, seat};
use crate::host::target::{Target, Way};
use crate::known_hosts::{HostId, lookup_name};
use crate::openssh::control_dir::{Folder, Guard};
use crate::openssh::log::{self, Lines};
use crate::openssh::mux::Client;
use crate::openssh::system::{Hop, SystemSsh, alive_args, through};
use crate::outcome::{HostStatus, Outcome, Phase, Retry};
use crate::session::exec::START;
use crate::session::terminate::{self, Ended, LAST_OUTPUT, SCRIPT_TIME, Word, concluded, last_word, script};
use crate::sink::Sink;
use cerveza_manners::Tool;
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
/// The script that ends a command is started within this.
const ASKING: Duration = Duration::from_secs(3);

/// What all attempts of a run share.
pub struct Engine {
    ssh: SystemSsh,
    folder: Folder,
}

impl Engine {
    pub fn new(ssh: SystemSsh) -> io::Result<Engine> {
        Ok(Engine { ssh, folder: Folder::new()? })
    }
}

/// Runs the job's command on one host. Where something goes wrong before ssh runs, the host is unreachable.
pub fn attempt(
    engine: &Engine,
    job: &Job,
    target: &Target,
    watched: &mut Watched<'_>,
    sink: &mut dyn Sink,
    line: &str,
) -> Outcome {
    if target.name.contains(|c: char| c.is_control() || c.is_whitespace()) {
        let error = format!("{:?} is no name of a host", target.name);
        return Outcome::error(HostStatus::Unreachable, Phase::Resolve, error);
    }
    // Once it runs ssh logs in and runs the command: it cannot be made to wait for its slot then.
    if let Err(outcome) = seat(job, watched, Phase::Resolve, target.connect_timeout) {
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
    let halt = running.follow(bounds, &job.ending.end, watched, sink);
    // Read before we end the command: whether an exit status of that still arrives is chance.
    let arrived = running.story.exit_code();
    let ended = halt.filter(|_| running.story.sent).map(|_| {
        let had_ended = running.story.status || running.story.signal;
        watched.tell(Phase::Exec, Some(Instant::now() + terminate::LONGEST));
        let ended = running.end(&job.ending.now, sink);
        if had_ended { format!("it had ended, {}", ended.phrase_of_rest()) } else { ended.phrase() }
    });
    running.outcome(halt, arrived, ended, bounds, job.ending.is_late(), sink)
}

/// The longest that each phase may take.
#[derive(Clone, Copy)]
struct Bounds {
    connect: Duration,
    auth: Duration,
    command: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Deadline,
    Stopped,
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
    lines: Lines,
    stdout: Source<PipeReader>,
    stderr: Source<PipeReader>,
    story: Story,
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
        let known = trust(engine, target, &mut command)?;
        if let Way::Jump(jump) = &target.way {
            let hops = Hop::list(jump).map_err(io::Error::other)?;
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
            jump: match &target.way {
                Way::Jump(jump) => Some(jump.clone()),
                Way::Direct | Way::Proxy(_) => None,
            },
            known,
            socket,
            log_path,
            log: Source(Some(log)),
            lines: Lines::default(),
            stdout: Source(Some(stdout)),
            stderr: Source(Some(stderr)),
            story: Story::new(line),
            last_stderr: Vec::new(),
            verbose: job.verbose,
            host: target.record.host().to_string(),
            user: target.user.clone(),
        })
    }

    /// Until ssh has ended, or why it was not waited for.
    fn follow(&mut self, bounds: Bounds, stop: &Stop, watched: &mut Watched<'_>, sink: &mut dyn Sink) -> Option<Why> {
        let bound = |story: &Story| match story.phase {
            Phase::Exec if story.sent => bounds.command,
            Phase::Exec => Some(START),
            Phase::Auth => Some(bounds.auth),
            _ => Some(bounds.connect),
        };
        let mut at = None;
        let mut deadline = None;
        let mut opened = false;
        loop {
            // A deadline a phase: what else is logged meanwhile does not move it.
            if at != Some((self.story.phase, self.story.sent)) {
                at = Some((self.story.phase, self.story.sent));
                deadline = bound(&self.story).map(|bound| Instant::now() + bound);
                let phase = self.story.phase;
                if phase == Phase::Exec && !opened {
                    opened = true;
                    watched.logged_in();
                    sink.open();
                }
                // The command's own deadline moves while our reader takes no more, so only this loop knows it.
                watched.tell(phase, deadline.filter(|_| !self.story.sent));
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
    fn is_over(&mut self, stop: &Stop, sink: &mut dyn Sink) -> bool {
        if !self.exited {
            self.exited = !matches!(self.child.try_wait(), Ok(None));
            // What it wrote before it ended is in the pipes by now.
            if self.exited {
                while self.read(Some(stop), sink) == Ok(true) {}
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
        sink: &mut dyn Sink,
    ) -> Result<(), Why> {
        let now = Instant::now();
        if stop.is_set() {
            return Err(Why::Stopped);
        }
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Err(Why::Deadline);
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
    fn read(&mut self, stop: Option<&Stop>, sink: &mut dyn Sink) -> Result<bool, Why> {
        let mut buffer = [0; 32 * 1024];
        let Running { log: log_source, lines, story, stdout, stderr, last_stderr, verbose, host, .. } = self;
        let trace = Trace::new(*verbose, host);
        // Before ssh opens its log the pipe has no writer, and reads as ended.
        let mut any = match log_source.0.as_mut().map(|log| log.read(&mut buffer)) {
            Some(Ok(len)) => {
                lines.take(&buffer[..len], |line| {
                    if story.phase < Phase::Exec {
                        trace.say(|| log::text(line));
                    }
                    story.line(line);
                });
                len > 0
            }
            _ => false,
        };
        let check = || match stop {
            Some(stop) if !stop.is_set() => Ok(()),
            _ => Err(Halt::Stopped),
        };
        let mut taken = Ok(());
        any |= stdout.read(&mut buffer, |bytes| taken = sink.take(Stream::Stdout, bytes, &check));
        any |= stderr.read(&mut buffer, |bytes| {
            last_stderr.extend_from_slice(bytes);
            last_stderr.drain(..last_stderr.len().saturating_sub(4096));
            taken = sink.take(Stream::Stderr, bytes, &check);
        });
        match taken {
            Err(_) if stop.is_some() => Err(Why::Stopped),
            _ => Ok(any),
        }
    }

    /// Ends the remote command by a script on the same connection.
    fn end(&mut self, stop: &Stop, sink: &mut dyn Sink) -> Ended {
        let ended = self.by_script(stop, sink).unwrap_or(Ended::No);
        // Its exit status and last output are on their way, perhaps.
        let mut until = Some(Instant::now() + LAST_OUTPUT);
        while ended != Ended::No && !self.is_over(stop, sink) && self.turn(&mut until, stop, None, sink).is_ok() {}
        concluded(ended, self.exited)
    }

    fn by_script(&mut self, stop: &Stop, sink: &mut dyn Sink) -> Option<Ended> {
        let asking = Instant::now() + ASKING;
        let client = Client::connect(&self.socket, asking, stop).ok()?;
        let (mut reader, writer) = pipe().ok()?;
        ioctl_fionbio(&reader, true).ok()?;
        let null = File::options().read(true).write(true).open("/dev/null").ok()?;
        let script = script(self.started.elapsed());
        client.session(&script, [null.as_fd(), writer.as_fd(), null.as_fd()], asking, stop).ok()?;
        drop(writer);
        let mut deadline = Some(Instant::now() + SCRIPT_TIME);
        let (mut printed, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let ended = match reader.read(&mut buffer) {
                Ok(len) => {
                    printed.extend_from_slice(&buffer[..len]);
                    // Its end, or a login shell that prints without one.
                    len == 0 || printed.len() > 64 * 1024
                }
                Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            };
            match last_word(&printed) {
                Some(Word::Ended(ended)) => return Some(ended),
                Some(Word::Left | Word::Nothing) => return None,
                _ if ended || self.is_over(stop, sink) => return None,
                _ => self.turn(&mut deadline, stop, Some(&reader), sink).ok()?,
            }
        }
    }

    fn outcome(
        mut self,
        halt: Option<Why>,
        arrived: Option<u32>,
        ended: Option<String>,
        bounds: Bounds,
        late: bool,
        sink: &mut dyn Sink,
    ) -> Outcome {
        end_group(&mut self.child);
        while self.read(None, sink) == Ok(true) {}
        let story = &self.story;
        // Both, or it is not known: the log's number, and ssh's own exit status, which are its low 8 bits.
        let own = self.child.try_wait().ok().flatten().and_then(|status| status.code());
        let code = match halt {
            Some(_) => arrived,
            None => story.exit_code().filter(|code| own == Some((code & 0xff) as i32)),
        };
        let phase = story.phase;
        let said = || {
            // A jump host's trouble is on stderr: that the proxy ended is all that ssh itself knows.
            let why = story.why().filter(|why| why != "Connection closed by UNKNOWN port 65535" || story.sent);
            let of_jump = |why| match &self.jump {
                Some(jump) => format!("jump host {jump:?} did not let us through: {why}"),
                None => why,
            };
            let why = why.or_else(|| last_line(&self.last_stderr).map(of_jump)).or_else(|| story.why());
            why.unwrap_or_else(|| "ssh ended and did not say why".to_string())
        };
        let unreached = |status, error: String| Outcome::error(status, phase, error);
        let outcome = match halt {
            Some(Why::Stopped) => {
                let outcome = Outcome { phase: Some(phase), ..Outcome::stopped(late) };
                let error = ended.and_then(|ended| Some(format!("{}; {ended}", outcome.error.as_ref()?)));
                Outcome { error: error.or(outcome.error.clone()), ..outcome }
            }
            Some(Why::Deadline) => too_late(story, ended, bounds),
            None if story.denied => unreached(HostStatus::Failed, "the server refused to run the command".to_string()),
            None if story.signal => {
                unreached(HostStatus::Signaled, "a signal ended the command (ssh does not tell which)".to_string())
            }
            None if story.sent => match code {
                Some(0) => Outcome::new(HostStatus::Ok, Some(Phase::Exec)),
                Some(code) => unreached(HostStatus::Failed, format!("the command's exit status is {code}")),
                None => unreached(HostStatus::Lost, format!("no exit status of the command arrived: {}", said())),
            },
            None if story.host_key_failed => Outcome::error(HostStatus::HostKey, Phase::HostKey, said()),
            None if story.auth_failed => {
                Outcome::error(HostStatus::Auth, Phase::Auth, story.refusal(&self.user).unwrap_or_else(said))
            }
            None => Outcome { retry: may_pass(phase, &said()), ..unreached(HostStatus::Unreachable, said()) },
        };
        let exit_code = code.filter(|_| !self.story.signal);
        Outcome { exit_code, ..outcome }
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
fn trust(engine: &Engine, target: &Target, command: &mut Command) -> io::Result<Option<PathBuf>> {
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

/// The outcome of an attempt whose time was up.
fn too_late(story: &Story, ended: Option<String>, bounds: Bounds) -> Outcome {
    let within = |bound| format!("not done within {}", humantime::format_duration(bound));
    match (story.phase, ended) {
        (Phase::Exec, Some(ended)) => {
            let error = format!("the command: {}; {ended}", within(bounds.command.unwrap_or_default()));
            Outcome::error(HostStatus::Timeout, Phase::Exec, error)
        }
        (Phase::Exec, None) => {
            Outcome::error(HostStatus::Timeout, Phase::Exec, format!("starting the command: {}", within(START)))
        }
        (Phase::Auth, _) => {
            Outcome::error(HostStatus::Timeout, Phase::Auth, format!("while logging in: {}", within(bounds.auth)))
        }
        (phase, _) => {
            let what = match phase {
                Phase::Resolve => "the address was not found",
                Phase::Connect => "no connection",
                _ => "no SSH handshake",
            };
            Outcome::error(HostStatus::Unreachable, phase, format!("{what}: {}", within(bounds.connect)))
        }
    }
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
