//! The life of one command: it is sent, polled until each of its hosts is done, and cancelled if the run ends first.

use crate::run::outcome::{CancelReason, Stop, append, from_status, lost, not_sent, stopped};
use crate::run::plan::PlannedCommand;
use crate::run::runner::Runner;
use cerveza_ec2::{Ec2, Invocation, InvocationStatus};
use cerveza_manners::{Failure, Result};
use cerveza_results::{Outcome, Phase};
use futures_util::stream::{self, StreamExt};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep, timeout_at};

/// Pauses between polls: a quarter of the command's age, within these.
const SHORTEST_PAUSE: Duration = Duration::from_millis(300);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long SSM has to confirm that it has cancelled a command. Then the run ends.
const CANCEL_TIME: Duration = Duration::from_secs(10);

/// How long a request may still take when the run is stopped.
pub const SEND_TIME: Duration = Duration::from_secs(5);

/// How many complete outputs of a command are fetched at a time.
const FETCHES: usize = 4;

pub struct CommandRun<'a> {
    pub(super) runner: &'a Runner<'a>,
    pub(super) ec2: &'a Ec2,
    pub(super) region: String,
    /// The hosts that are not done, by instance.
    pub(super) open: BTreeMap<String, usize>,
    /// How many of them may run at a time.
    pub(super) width: usize,
    id: Option<String>,
    /// What SSM said last.
    last: HashMap<String, Invocation>,
    pub(super) reasons: HashMap<String, CancelReason>,
    began: Instant,
    pub(super) began_at: SystemTime,
    /// Until when SSM has time to confirm that the whole command is cancelled.
    pub(super) cancel_until: Option<Instant>,
    /// Since when hosts are pending though others may begin.
    pending_since: Option<Instant>,
    checked_alive: Instant,
    /// Since when SSM lists the command without some of its hosts.
    unlisted_since: Option<Instant>,
}

impl<'a> CommandRun<'a> {
    pub fn new(runner: &'a Runner<'a>, command: PlannedCommand, width: usize) -> CommandRun<'a> {
        let open = command.hosts.into_iter().map(|at| (runner.instance_id(at), at)).collect();
        CommandRun {
            runner,
            ec2: runner.accounts[command.place.account],
            region: command.place.region,
            open,
            width,
            id: command.id,
            last: HashMap::new(),
            reasons: HashMap::new(),
            began: Instant::now(),
            began_at: SystemTime::now(),
            cancel_until: None,
            pending_since: None,
            checked_alive: Instant::now(),
            unlisted_since: None,
        }
    }

    /// Runs until each host is done.
    pub async fn run(mut self, number: usize) {
        if self.id.is_none() {
            self.id = self.send(number).await;
        }
        if let Some(id) = self.id.clone() {
            self.runner.note_sent(&id, &self.region, self.open.len());
            self.poll(&id).await;
        }
    }

    async fn poll(&mut self, id: &str) {
        let api_timeout = self.runner.settings.api_timeout;
        let mut heard = Instant::now();
        loop {
            let pause = (self.began.elapsed() / 4).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            self.pause(pause).await;
            if let Some(stop) = self.runner.stop()
                && self.cancel_until.is_none()
            {
                self.cancel_all(id, stop).await;
            }
            let mut failed = None;
            match self.list(id).await {
                Ok(invocations) => {
                    let is_listed = !invocations.is_empty();
                    self.note_invocations(id, invocations).await;
                    if is_listed {
                        heard = Instant::now();
                    }
                }
                Err(failure) => failed = Some(failure),
            }
            if self.open.is_empty() {
                return;
            }
            if self.cancel_until.is_some_and(|until| Instant::now() >= until) {
                return self.finish_unconfirmed();
            }
            if heard.elapsed() >= api_timeout {
                let time = humantime::format_duration(api_timeout);
                let why = match failed {
                    Some(failure) => format!("SSM has not answered for {time}: {}", failure.message),
                    None => format!("SSM has not listed the command for {time}"),
                };
                return self.finish_all(|id| append(lost(&why), &format!("ec2-run --resume {id} collects it")));
            }
            self.finish_unlisted(id);
            if self.cancel_until.is_none() {
                if !self.runner.settings.keeps_running {
                    self.cancel_unfetched(id).await;
                }
                self.check_alive().await;
            }
            if self.open.is_empty() {
                return;
            }
        }
    }

    /// Waits, but not longer than until the run is stopped, if this command does not know that yet.
    async fn pause(&self, pause: Duration) {
        let stopped = self.runner.stopped();
        tokio::select! {
            () = sleep(pause) => {}
            () = stopped, if self.cancel_until.is_none() => {}
        }
    }

    /// Lists the invocations, within the time that a cancelled command has left.
    async fn list(&self, id: &str) -> Result<Vec<Invocation>> {
        let listing = self.ec2.command_invocations(&self.region, id);
        match self.cancel_until {
            Some(until) => timeout_at(until, listing).await.unwrap_or_else(|_| Err(no_answer())),
            None => tokio::select! {
                listed = listing => listed,
                () = self.runner.stopped() => Ok(Vec::new()),
            },
        }
    }

    /// Takes note of what SSM says, and finishes the hosts that are done.
    async fn note_invocations(&mut self, id: &str, invocations: Vec<Invocation>) {
        let mut done = Vec::new();
        for invocation in invocations {
            if !self.open.contains_key(&invocation.instance_id) {
                continue;
            }
            if invocation.status.is_open() {
                self.last.insert(invocation.instance_id.clone(), invocation);
            } else {
                done.push(invocation);
            }
        }
        let this = &*self;
        let results = stream::iter(&done).map(|invocation| async move {
            let at = this.open.get(&invocation.instance_id).copied();
            let mut host = this.done_host(id, invocation, at?).await;
            this.set_times(&mut host.result.outcome, Some(invocation));
            Some((invocation.instance_id.clone(), at?, host))
        });
        let mut results = Box::pin(results.buffer_unordered(FETCHES));
        let (mut finished, mut removable) = (Vec::new(), Vec::new());
        while let Some(done) = results.next().await {
            let Some((instance, at, host)) = done else { continue };
            if host.is_removable {
                removable.push(instance.clone());
            }
            this.runner.finish_into(at, host.result, host.sink);
            finished.push(instance);
        }
        drop(results);
        for instance in finished {
            self.open.remove(&instance);
            self.last.remove(&instance);
        }
        self.remove_outputs(id, &removable).await;
    }

    /// Asks SSM to cancel the whole command.
    async fn cancel_all(&mut self, id: &str, stop: Stop) {
        let time = if self.runner.settings.keeps_running { Duration::ZERO } else { CANCEL_TIME };
        let until = Instant::now() + time;
        self.cancel_until = Some(until);
        for instance in self.open.keys() {
            self.reasons.entry(instance.clone()).or_insert(CancelReason::Stop(stop));
        }
        if self.runner.settings.keeps_running {
            return;
        }
        // Whether it worked is in the invocations.
        let _ = timeout_at(until, self.ec2.cancel_command(&self.region, id, &[])).await;
    }

    /// Cancels the command on hosts whose agents have not fetched it in time, though they may.
    async fn cancel_unfetched(&mut self, id: &str) {
        let limit = self.runner.settings.delivery;
        let is = |status: InvocationStatus| self.last.values().filter(move |one| one.status == status);
        let pending: Vec<String> = is(InvocationStatus::Pending).map(|one| one.instance_id.clone()).collect();
        let may_begin = is(InvocationStatus::InProgress).count() < self.width;
        if pending.is_empty() || !may_begin {
            self.pending_since = None;
            return;
        }
        if self.pending_since.get_or_insert_with(Instant::now).elapsed() < limit {
            return;
        }
        if self.ec2.cancel_command(&self.region, id, &pending).await.is_ok() {
            self.pending_since = None;
            for instance in pending {
                self.reasons.insert(instance, CancelReason::NotFetched(limit));
            }
        }
    }

    /// Gives up hosts that SSM has not listed for long, though it lists the command.
    fn finish_unlisted(&mut self, id: &str) {
        let api_timeout = self.runner.settings.api_timeout;
        let unlisted: Vec<String> =
            self.open.keys().filter(|instance| !self.last.contains_key(*instance)).cloned().collect();
        if unlisted.is_empty() {
            self.unlisted_since = None;
        } else if self.unlisted_since.get_or_insert_with(Instant::now).elapsed() >= api_timeout {
            let why = format!("SSM does not list the instance for the command {id}");
            for instance in unlisted {
                if let Some(at) = self.open.remove(&instance) {
                    let mut outcome = lost(&why);
                    self.set_times(&mut outcome, None);
                    self.runner.finish(at, outcome.into());
                }
            }
        }
    }

    /// Gives up hosts on which the command began and whose agents have been silent since: they may have crashed.
    async fn check_alive(&mut self) {
        let interval = self.runner.settings.delivery;
        if self.checked_alive.elapsed() < interval {
            return;
        }
        self.checked_alive = Instant::now();
        let began = self.last.values().filter(|one| one.status == InvocationStatus::InProgress);
        let ids: Vec<String> = began.map(|one| one.instance_id.clone()).collect();
        if ids.is_empty() {
            return;
        }
        // Where agents cannot be looked up nothing is known.
        let Ok(agents) = self.ec2.ssm_agents(&self.region, &ids).await else { return };
        let silent: Vec<String> =
            ids.into_iter().filter(|id| !agents.get(id).is_some_and(|agent| agent.is_online)).collect();
        for instance in silent {
            if let Some(at) = self.open.remove(&instance) {
                let invocation = self.last.remove(&instance);
                let mut outcome = lost("SSM Agent went silent after the command began");
                if let Some(id) = &self.id {
                    outcome = append(outcome, &format!("ec2-run --resume {id} collects it"));
                }
                self.set_times(&mut outcome, invocation.as_ref());
                self.runner.finish(at, outcome.into());
            }
        }
    }

    /// Finishes the hosts that SSM has not confirmed as cancelled.
    fn finish_unconfirmed(&mut self) {
        for (instance, at) in std::mem::take(&mut self.open) {
            let reason = self.reasons.get(&instance).copied();
            let last = self.last.remove(&instance);
            let mut outcome = match &last {
                _ if self.runner.settings.keeps_running => {
                    let stop = self.runner.stop().unwrap_or(Stop::Interrupted);
                    append(Outcome { phase: Some(Phase::Exec), ..stopped(stop) }, "the command goes on")
                }
                Some(invocation) => from_status(invocation, reason),
                None => append(lost("SSM has not listed the command"), "it was to be cancelled"),
            };
            self.set_times(&mut outcome, last.as_ref());
            self.runner.finish(at, outcome.into());
        }
    }

    /// Finishes all hosts of a command that was not sent because the run was stopped.
    pub(super) fn finish_unsent(&mut self, stop: Stop) {
        for at in std::mem::take(&mut self.open).into_values() {
            self.runner.finish(at, not_sent(stop).into());
        }
    }

    /// Finishes all hosts. `outcome` gets the id of the command.
    pub(super) fn finish_all(&mut self, outcome: impl Fn(&str) -> Outcome) {
        for at in std::mem::take(&mut self.open).into_values() {
            let mut outcome = outcome(self.id.as_deref().unwrap_or_default());
            self.set_times(&mut outcome, None);
            self.runner.finish(at, outcome.into());
        }
    }

    /// Sets what is known of when the command ran on a host, by SSM's clock if SSM says it.
    fn set_times(&self, outcome: &mut Outcome, invocation: Option<&Invocation>) {
        outcome.command_id = self.id.clone();
        outcome.attempts = 1;
        let started = invocation.and_then(|invocation| invocation.started_at);
        let finished = invocation.and_then(|invocation| invocation.finished_at);
        outcome.started_at = started.or(Some(self.began_at));
        outcome.duration = match (started, finished) {
            (Some(started), Some(finished)) => finished.duration_since(started).unwrap_or_default(),
            _ => self.began.elapsed(),
        };
    }
}

pub fn no_answer() -> Failure {
    Failure::unreached("SSM did not answer in time")
}
