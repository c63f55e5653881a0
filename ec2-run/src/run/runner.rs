//! Decides which command begins when, and hands each host's outcome to the output queue, once.

use crate::run::command::CommandRun;
use crate::run::outcome::{HostResult, Stop, not_sent};
use crate::run::plan::{PlannedCommand, commands, width};
use crate::run::target::Target;
use crate::script::frame::Part;
use cerveza_ec2::{BucketPrefix, Ec2};
use cerveza_manners::Tool;
use cerveza_results::{HostSink, HostSinks, HostStatus, Outcome, OutputQueue, Phase, Rollout, Sink, Stream};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep_until};

/// What runs the script on the host.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    /// sh, on Linux
    Sh,
    /// PowerShell, on Windows
    Powershell,
}

impl Shell {
    /// AWS's document for it.
    pub fn document(self) -> &'static str {
        match self {
            Shell::Sh => "AWS-RunShellScript",
            Shell::Powershell => "AWS-RunPowerShellScript",
        }
    }
}

/// What all commands of a run share.
#[derive(Clone, Debug)]
pub struct Settings {
    pub shell: Shell,
    pub script: String,
    /// Tells the commands of this run from all others.
    pub run_id: String,
    /// Time limit for the command on each host.
    pub limit: Option<Duration>,
    /// Time limit for an agent to fetch the command.
    pub delivery: Duration,
    /// A command is lost if SSM does not answer for this time.
    pub api_timeout: Duration,
    pub fanout: usize,
    /// The most hosts of a command.
    pub hosts_per_command: usize,
    /// With --resume: the commands go on when the run is stopped.
    pub keeps_running: bool,
    /// Where SSM Agent puts the complete output.
    pub output: Option<BucketPrefix>,
    /// Outputs are not removed from the bucket.
    pub keeps_output: bool,
    pub tool: Tool,
    /// The id of each command is shown.
    pub is_verbose: bool,
}

/// How many outputs are read from the bucket at a time.
const DOWNLOADS: usize = 8;

pub struct Runner<'a> {
    pub accounts: Vec<&'a Ec2>,
    pub settings: Settings,
    targets: &'a [Target],
    sinks: HostSinks,
    queue: Arc<OutputQueue>,
    state: RefCell<State>,
    stop: watch::Sender<Option<Stop>>,
    /// A host is done.
    changed: Notify,
    /// Lets so many outputs be read from the bucket at a time.
    pub downloads: Semaphore,
    /// Whether a warning said that an output was not removed.
    has_warned: Cell<bool>,
}

struct State {
    rollout: Rollout,
    /// Whether the commands of the rollout's batch are not in `waiting`.
    is_new_batch: bool,
    waiting: VecDeque<PlannedCommand>,
    /// Of the commands under way: how many hosts may run at a time, and how many are not done.
    running: BTreeMap<usize, (usize, usize)>,
    sent: usize,
    /// The command that each host was in last.
    command_of: Vec<Option<usize>>,
    /// Which hosts are not done.
    open: Vec<bool>,
    /// No command begins any more.
    is_closed: bool,
}

impl<'a> Runner<'a> {
    pub fn new(
        accounts: Vec<&'a Ec2>,
        settings: Settings,
        targets: &'a [Target],
        rollout: Rollout,
        sinks: HostSinks,
        queue: Arc<OutputQueue>,
    ) -> Runner<'a> {
        let state = State {
            rollout,
            is_new_batch: true,
            waiting: VecDeque::new(),
            running: BTreeMap::new(),
            sent: 0,
            command_of: vec![None; targets.len()],
            open: vec![true; targets.len()],
            is_closed: false,
        };
        Runner {
            accounts,
            settings,
            targets,
            sinks,
            queue,
            state: RefCell::new(state),
            stop: watch::channel(None).0,
            changed: Notify::new(),
            downloads: Semaphore::new(DOWNLOADS),
            has_warned: Cell::new(false),
        }
    }

    /// Runs until each host is done. `interrupted` returns on Ctrl-C. Returns what stopped the run early.
    pub async fn run(&self, interrupted: impl Future<Output = ()>, deadline: Option<Instant>) -> Option<Stop> {
        let mut active: FuturesUnordered<LocalBoxFuture<'_, usize>> = FuturesUnordered::new();
        let mut interrupted = std::pin::pin!(interrupted);
        let late = async {
            match deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let mut late = std::pin::pin!(late);
        loop {
            self.begin_batches();
            while let Some((number, command, width)) = self.next_command() {
                let run = CommandRun::new(self, command, width).run(number);
                active.push(Box::pin(async move {
                    run.await;
                    number
                }));
            }
            if active.is_empty() {
                break;
            }
            // In this order: a send that Ctrl-C has ended must find the run stopped.
            tokio::select! {
                biased;
                () = &mut interrupted, if self.stop() != Some(Stop::Interrupted) => self.stop_run(Stop::Interrupted),
                () = &mut late, if self.stop().is_none() => self.stop_run(Stop::Deadline),
                Some(number) = active.next() => drop(self.state.borrow_mut().running.remove(&number)),
                () = self.changed.notified() => {}
            }
        }
        // Only a bug leaves a host here; it must have its record all the same.
        self.close(|| Outcome::error(HostStatus::Lost, Phase::Deliver, "a bug in ec2-run lost this host"));
        self.stop()
    }

    pub fn instance_id(&self, at: usize) -> String {
        self.targets[at].instance.as_ref().map(|instance| instance.id.clone()).unwrap_or_default()
    }

    pub fn stop(&self) -> Option<Stop> {
        *self.stop.borrow()
    }

    /// Returns once the run is to stop.
    pub async fn stopped(&self) {
        // The sender lives as long as this runner.
        let _ = self.stop.subscribe().wait_for(|stop| stop.is_some()).await;
    }

    /// How many more hosts may fail, if that is limited.
    pub fn failures_left(&self) -> Option<usize> {
        self.state.borrow().rollout.failures_left()
    }

    /// Notes that a command is under way.
    pub fn note_sent(&self, id: &str, region: &str, hosts: usize) {
        if self.settings.is_verbose {
            let hosts = if hosts == 1 { "1 host".to_string() } else { format!("{hosts} hosts") };
            self.settings.tool.warn(format!("command {id} in {region}: {hosts}"));
        }
    }

    /// Says once that outputs stay in the bucket.
    pub fn warn_of_unremoved(&self, output: &BucketPrefix, why: &str) {
        if !self.has_warned.replace(true) {
            let what =
                format!("outputs stay in {output}: {why} (to remove them takes s3:DeleteObject; --keep keeps them)");
            self.settings.tool.warn(what);
        }
    }

    /// Returns what takes the output of a host, for [`Runner::finish_into`].
    pub fn sink(&self, at: usize) -> HostSink<'_> {
        let mut sink = self.sinks.sink(at, self.sinks.kept());
        Sink::<Infallible>::open(&mut sink);
        sink
    }

    /// Hands the outcome of a host to the output queue, with its output. Only the first outcome of a host counts.
    pub fn finish(&self, at: usize, result: HostResult) {
        self.finish_into(at, result, None);
    }

    /// As [`Runner::finish`], if a part of the output is in `sink`.
    pub fn finish_into(&self, at: usize, result: HostResult, sink: Option<HostSink<'_>>) {
        let mut state = self.state.borrow_mut();
        if !std::mem::replace(&mut state.open[at], false) {
            return;
        }
        let HostResult { outcome, stdout, stderr } = result;
        let mark = outcome.mark();
        let mut sink = sink.unwrap_or_else(|| match outcome.phase {
            Some(Phase::Exec) => self.sink(at),
            _ => self.sinks.sink(at, self.sinks.kept()),
        });
        for (stream, part) in [(Stream::Stdout, &stdout), (Stream::Stderr, &stderr)] {
            for bytes in [part.head.as_slice(), gap(part).as_bytes(), part.tail.as_slice()] {
                write(&mut sink, stream, bytes);
            }
        }
        let mut outcome = sink.finish(outcome);
        outcome.stdout.truncated |= stdout.left_out > 0;
        outcome.stderr.truncated |= stderr.left_out > 0;
        self.queue.send_outcome(at, outcome);
        if let Some(number) = state.command_of[at]
            && let Some((_, open)) = state.running.get_mut(&number)
        {
            *open -= 1;
        }
        state.is_new_batch |= state.rollout.add_mark(mark);
        self.changed.notify_one();
    }

    /// Makes the commands of a batch that begins. Hosts that nothing can run on are done at once.
    fn begin_batches(&self) {
        loop {
            if self.state.borrow().is_closed {
                return;
            }
            let why = self.state.borrow().rollout.why_over();
            if let Some(why) = why {
                let error = format!("not tried: {why}");
                return self
                    .close(|| Outcome { error: Some(error.clone()), ..Outcome::new(HostStatus::Skipped, None) });
            }
            let mut state = self.state.borrow_mut();
            if !std::mem::replace(&mut state.is_new_batch, false) {
                return;
            }
            let batch = state.rollout.batch();
            state.waiting = commands(self.targets, batch.clone(), self.settings.hosts_per_command);
            drop(state);
            for at in batch {
                if let Err(problem) = &self.targets[at].instance {
                    self.finish(at, problem.outcome().into());
                }
            }
        }
    }

    /// Returns the next command if it may begin, with its number and how many of its hosts may run at a time.
    fn next_command(&self) -> Option<(usize, PlannedCommand, usize)> {
        let mut state = self.state.borrow_mut();
        let running: usize = state.running.values().map(|(width, open)| open.min(width)).sum();
        let hosts = state.waiting.front()?.hosts.len();
        let width = width(hosts, running, self.settings.fanout)?;
        let command = state.waiting.pop_front()?;
        state.sent += 1;
        let number = state.sent;
        state.running.insert(number, (width, command.hosts.len()));
        command.hosts.iter().for_each(|at| state.command_of[*at] = Some(number));
        Some((number, command, width))
    }

    /// Stops the run: no command begins, and those under way are cancelled.
    fn stop_run(&self, stop: Stop) {
        self.stop.send_replace(Some(stop));
        self.accounts.iter().for_each(|ec2| ec2.end_sending());
        self.close(|| not_sent(stop));
    }

    /// Finishes all hosts that belong to no command under way.
    fn close(&self, outcome: impl Fn() -> Outcome) {
        let mut state = self.state.borrow_mut();
        state.is_closed = true;
        state.waiting.clear();
        let is_under_way = |at: &usize| state.command_of[*at].is_some_and(|number| state.running.contains_key(&number));
        let closed: Vec<usize> = (0..state.open.len()).filter(|at| state.open[*at] && !is_under_way(at)).collect();
        drop(state);
        for at in closed {
            let outcome = match &self.targets[at].instance {
                Err(problem) => problem.outcome(),
                Ok(_) => outcome(),
            };
            self.finish(at, outcome.into());
        }
    }
}

/// Writes output to a sink.
pub fn write(sink: &mut HostSink<'_>, stream: Stream, bytes: &[u8]) {
    if let Err(never) = Sink::<Infallible>::write(sink, stream, bytes, &|| Ok(())) {
        match never {}
    }
}

/// The line between both ends of an output.
fn gap(part: &Part) -> String {
    if part.left_out == 0 {
        return String::new();
    }
    let newline = if part.head.last().is_none_or(|byte| *byte == b'\n') { "" } else { "\n" };
    if part.left_out == Part::UNKNOWN {
        format!("{newline}[ec2-run: the rest was left out]\n")
    } else {
        format!("{newline}[ec2-run: {} bytes left out]\n", part.left_out)
    }
}
