//! SSM Agent on a host of the server: really runs a command in a shell, or does what a test schedules.
//!
//! What it does with output, exit statuses and signals follows the source of amazon-ssm-agent: `runscript.go`,
//! `executers.go`, `iohandler.go`, `pluginutil.go`.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// What the agent of a host does. The default agent is online and runs the command at once.
#[derive(Clone, Debug)]
pub struct Agent {
    pub ping: Ping,
    /// How long a command is under way to the host.
    pub delivery: Duration,
    pub action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    Online,
    /// The agent was registered and is silent.
    ConnectionLost,
    /// There is no agent, or its role does not allow it to register.
    Unregistered,
}

#[derive(Clone, Debug)]
pub enum Action {
    /// Runs the command in a shell.
    Run,
    /// Ends so after a time, with this exit status and standard output. Nothing is run.
    Answer { after: Duration, code: i32, stdout: String },
    /// Begins and then says nothing more.
    Vanish,
    /// The command stays pending.
    Ignore,
    /// SSM itself ends the invocation with this detailed status, such as `Undeliverable`.
    End(&'static str),
}

impl Default for Agent {
    fn default() -> Agent {
        Agent { ping: Ping::Online, delivery: Duration::ZERO, action: Action::Run }
    }
}

impl Agent {
    pub fn that(action: Action) -> Agent {
        Agent { action, ..Agent::default() }
    }

    pub fn with_ping(ping: Ping) -> Agent {
        Agent { ping, ..Agent::default() }
    }
}

/// How a script ended, as the agent reports it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// `Success`, `Failed`, `TimedOut` or `Cancelled`.
    pub status: &'static str,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// Both as they were, which is what the agent puts into a bucket.
    pub raw: [Vec<u8>; 2],
    pub finished: Option<SystemTime>,
}

/// A script that was started.
#[derive(Clone, Debug)]
pub struct Execution {
    pub started: SystemTime,
    began: Instant,
    limit: Duration,
    process: Option<u32>,
    state: Arc<Mutex<State>>,
    answer: Option<(Duration, Report)>,
}

#[derive(Debug, Default)]
struct State {
    /// Why the agent has killed the script: `TimedOut` or `Cancelled`.
    killed: Option<&'static str>,
    report: Option<Report>,
}

const TITLE: &str = "\n----------ERROR-------\n";
const CUT: &str = "---Output truncated---";
const CUT_ERROR: &str = "---Error truncated----";

impl Execution {
    pub fn start(agent: &Agent, script: &str, limit: Duration, environment: &[(&str, &str)]) -> Execution {
        let state = Arc::new(Mutex::new(State::default()));
        let mut execution = Execution {
            started: SystemTime::now(),
            began: Instant::now(),
            limit,
            process: None,
            state: state.clone(),
            answer: None,
        };
        match &agent.action {
            Action::Run => execution.process = Some(spawn(script, environment, state)),
            Action::Answer { after, code, stdout } => {
                let status = if *code == 0 { "Success" } else { "Failed" };
                let raw = [stdout.clone().into_bytes(), Vec::new()];
                let report = Report { status, code: *code, stdout: stdout.clone(), raw, ..Report::default() };
                execution.answer = Some((*after, report));
            }
            Action::Vanish | Action::Ignore | Action::End(_) => {}
        }
        execution
    }

    /// The end, once there is one.
    pub fn report(&self) -> Option<Report> {
        if self.began.elapsed() > self.limit {
            self.kill("TimedOut");
        }
        if let Some((after, report)) = &self.answer
            && self.began.elapsed() >= *after
        {
            return Some(Report { finished: Some(self.started + *after), ..report.clone() });
        }
        self.state.lock().unwrap_or_else(PoisonError::into_inner).report.clone()
    }

    /// Kills the process group, as the agent does.
    pub fn kill(&self, why: &'static str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.killed.is_some() || state.report.is_some() {
            return;
        }
        state.killed = Some(why);
        match self.process {
            Some(process) => {
                let group = rustix::process::Pid::from_raw(process as i32).expect("a process id");
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            None if self.answer.is_some() => {
                state.report =
                    Some(Report { status: why, code: 137, finished: Some(SystemTime::now()), ..Report::default() });
            }
            None => {}
        }
    }
}

fn spawn(script: &str, environment: &[(&str, &str)], state: Arc<Mutex<State>>) -> u32 {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).env_clear().envs(environment.iter().copied()).current_dir("/usr/bin");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().expect("a shell");
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (mut stdout, mut stderr) = (stdout.expect("a pipe"), stderr.expect("a pipe"));
    let process = child.id();
    std::thread::spawn(move || {
        let errors = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            stderr.read_to_end(&mut bytes).map(|_| bytes).unwrap_or_default()
        });
        let mut bytes = Vec::new();
        let _ = stdout.read_to_end(&mut bytes);
        let errors = errors.join().unwrap_or_default();
        let status = child.wait().expect("a child to wait for");
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        state.report = Some(report(status, state.killed, &bytes, &errors));
    });
    process
}

fn report(status: ExitStatus, killed: Option<&'static str>, stdout: &[u8], stderr: &[u8]) -> Report {
    // Go's ExitStatus is -1 for a process that a signal ended.
    let code = match (killed, status.signal()) {
        (Some(_), _) => 137,
        (None, Some(_)) => -1,
        (None, None) => status.code().unwrap_or(-1),
    };
    let status = match (killed, code) {
        (Some(why), _) => why,
        (None, 0 | 168) => "Success",
        (None, 137) => "TimedOut",
        // The agent would reboot the host.
        (None, 194) => panic!("a script ended with 194, which reboots its host"),
        _ => "Failed",
    };
    let mut raw = [stdout.to_vec(), stderr.to_vec()];
    let mut stderr = text(stderr);
    if status == "Failed" {
        let exit = if code < 0 { "signal: killed".to_string() } else { format!("exit status {code}") };
        let error = format!("{}failed to run commands: {exit}", if stderr.is_empty() { "" } else { "\n" });
        raw[1].extend_from_slice(error.as_bytes());
        stderr += &error;
    }
    Report { status, code, stdout: text(stdout), stderr, raw, finished: Some(SystemTime::now()) }
}

/// JSON takes no other bytes.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What GetCommandInvocation has of a text: `StringPrefix` of the agent.
pub fn prefix(text: &str, most: usize) -> String {
    const SUFFIX: &str = "--output truncated--";
    if text.len() < most { text.to_string() } else { cut(text, most - SUFFIX.len()).to_string() + SUFFIX }
}

/// What ListCommandInvocations has of both streams: `TruncateOutput` of the agent.
pub fn listed(stdout: &str, stderr: &str) -> String {
    const CAPACITY: usize = 2500;
    let title = if stderr.is_empty() { "" } else { TITLE };
    let room = CAPACITY - title.len();
    if stdout.len() + stderr.len() < room {
        return format!("{stdout}{title}{stderr}");
    }
    match (stdout.len() > room / 2, stderr.len() > room / 2) {
        (true, true) => {
            let half = (room - CUT.len() - CUT_ERROR.len()) / 2;
            format!("{}{CUT}{title}{}{CUT_ERROR}", cut(stdout, half), cut(stderr, half))
        }
        (false, _) => format!("{stdout}{title}{}{CUT_ERROR}", cut(stderr, room - CUT_ERROR.len() - stdout.len())),
        (true, false) => format!("{}{CUT}{title}{stderr}", cut(stdout, room - CUT.len() - stderr.len())),
    }
}

fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
