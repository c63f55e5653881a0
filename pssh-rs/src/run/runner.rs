//! Runs the job on all hosts: a thread for each attempt, and one loop that receives their events and asks the schedule
//! what is next. So every host is reported exactly once, also after Ctrl-C or if a thread is stuck. A separate thread
//! writes results, so a slow reader never delays a deadline.

use crate::base::shutdown::StopReason;
use crate::host::attempt_handle::AttemptHandle;
use crate::host::job::Job;
use crate::host::libssh2::attempt;
use crate::host::progress::{AttemptProgress, Event};
use crate::host::slot::Slot;
use crate::host::target::Target;
use crate::run::schedule::{AttemptEnd, Schedule, Turn};
use cerveza_results::{
    HostSinks, HostStatus, Outcome, OutputQueue, Phase, Renderer, Retry, SharedCapture, with_output, write_results,
};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

/// An attempt that overruns its own deadline by this much is given up.
const OVERRUN: Duration = Duration::from_secs(3);
/// After Ctrl-C, or the run's deadline, commands are terminated on their hosts. Attempts that take longer are abandoned.
const AFTER_STOP: Duration = Duration::from_secs(17);
/// After a second Ctrl-C attempts wait for nothing. Each has this long to report its outcome and its output.
const AFTER_SECOND_STOP: Duration = Duration::from_millis(500);
/// The longest wait at the end for threads of abandoned attempts.
const JOIN_TIME: Duration = Duration::from_millis(500);
/// The longest wait for an event, in case no thread could be started.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// With --wait, the pause after a host could not be reached: at first, and at most.
const FIRST_BOOT_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_BOOT_PAUSE: Duration = Duration::from_secs(8);
/// With --wait, the pause after a login was refused. sshd adds a penalty of 5 seconds for each refused login and, from 15
/// seconds on, refuses connections (sshd_config(5), PerSourcePenalties): slower than 5 seconds they never add up.
const REFUSED_LOGIN_PAUSE: Duration = Duration::from_secs(8);
const STACK: usize = 512 * 1024;

struct Shared {
    job: Job,
    targets: Vec<Target>,
    sinks: HostSinks,
}

/// An attempt that is under way.
struct Running {
    turn: Turn,
    kept: SharedCapture,
    handle: Arc<AttemptHandle>,
    slot: Arc<Slot>,
    thread: JoinHandle<()>,
    phase: Option<Phase>,
    at: Instant,
    started_at: SystemTime,
    give_up_at: Option<Instant>,
}

/// What to run, and on which hosts.
pub struct RunPlan {
    pub job: Job,
    pub targets: Vec<Target>,
    pub sinks: HostSinks,
    pub schedule: Schedule,
    pub counts: Arc<RunCounts>,
    /// With `--wait`.
    pub waits: bool,
}

/// What the progress bar shows, besides the hosts that are done.
#[derive(Debug, Default)]
pub struct RunCounts {
    /// Hosts that are worked on.
    pub running: AtomicU64,
    /// Hosts that are done and not ok.
    pub failed: AtomicU64,
    /// Hosts that were tried again because of `--wait`.
    pub waited_for: AtomicU64,
}

/// Runs the job on all targets as the schedule says. Each outcome is passed on once, as soon as it is final: through `queue`
/// to `out`, which calls `write` to flush, and to `done`. Returns whether the run was interrupted.
pub fn run(
    plan: RunPlan,
    queue: &OutputQueue,
    out: &mut Renderer,
    write: impl FnMut(&mut Renderer) + Send,
    mut done: impl FnMut(&Target, HostStatus, bool) + Send,
) -> io::Result<bool> {
    let RunPlan { job, targets, sinks, schedule, counts, waits } = plan;
    let shared = Arc::new(Shared { job, targets, sinks });
    let (events, received) = channel();
    let early = events.clone();
    shared.job.shutdown.listen(move |why| drop(early.send(Event::Stopped(why))));
    let (targets, written) = (&shared.targets, events.clone());
    thread::scope(|scope| {
        let writer = thread::Builder::new().name("writer".to_string()).spawn_scoped(scope, move || {
            let record = |index: usize| &targets[index].record;
            write_results(queue, out, record, write, |index, status, unwritten| {
                done(&targets[index], status, unwritten);
                let _ = written.send(Event::Written);
            });
        })?;
        let mut runner = Runner {
            shared: Arc::clone(&shared),
            schedule,
            events,
            queue,
            counts: &counts,
            waits,
            running: HashMap::new(),
            earlier: HashMap::new(),
            waited_for: HashSet::new(),
            left_behind: Vec::new(),
            interrupts: 0,
        };
        runner.collect(&received, || !writer.is_finished());
        queue.close();
        let interrupted = runner.interrupts > 0;
        join_left_behind(runner.left_behind);
        // An attempt may end of Ctrl-C before the collector hears of it.
        Ok(interrupted || shared.job.shutdown.stop.is_set() && !shared.job.shutdown.is_late())
    })
}

/// Waits for the threads of abandoned attempts, because OpenSSL cleans up at exit, even if a thread is still using it.
fn join_left_behind(threads: Vec<JoinHandle<()>>) {
    let until = Instant::now() + JOIN_TIME;
    for thread in threads {
        while !thread.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What the thread of an attempt does.
fn run_attempt(
    shared: &Shared,
    index: usize,
    kept: SharedCapture,
    handle: &AttemptHandle,
    slot: &Slot,
    events: &Sender<Event>,
) {
    let mut progress = AttemptProgress { index, handle, slot, events };
    let target = &shared.targets[index];
    // A panic on one host must not cost the others their records.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut sink = shared.sinks.sink(index, kept);
        let outcome = attempt(&shared.job, target, &mut progress, &mut sink);
        sink.finish(outcome)
    }));
    let outcome = outcome.unwrap_or_else(|_| Outcome {
        error: Some("a bug in pssh-rs ended this attempt".to_string()),
        ..Outcome::new(HostStatus::Lost, None)
    });
    if handle.finish() {
        let _ = events.send(Event::Ended { index, outcome: outcome.into() });
    }
}

struct Runner<'a> {
    shared: Arc<Shared>,
    schedule: Schedule,
    events: Sender<Event>,
    queue: &'a OutputQueue,
    counts: &'a RunCounts,
    waits: bool,
    running: HashMap<usize, Running>,
    /// The last outcomes of hosts that wait for another attempt.
    earlier: HashMap<usize, Outcome>,
    waited_for: HashSet<usize>,
    left_behind: Vec<JoinHandle<()>>,
    interrupts: u32,
}

impl Runner<'_> {
    /// Handles events until all hosts are done, or until `writing` returns false, which only a bug can cause.
    fn collect(&mut self, events: &Receiver<Event>, writing: impl Fn() -> bool) {
        while !self.schedule.is_over() && writing() {
            let now = Instant::now();
            self.begin_due(now);
            self.counts.running.store(self.running.len() as u64, Ordering::Relaxed);
            if let Ok(event) = events.recv_timeout(self.wait(Instant::now())) {
                self.note_received(event);
            }
            // First read all events: an overdue attempt may have reported a new deadline, or its end.
            while let Ok(event) = events.try_recv() {
                self.note_received(event);
            }
            self.give_up_overdue();
            for index in self.schedule.refused() {
                self.refuse(index);
            }
            if let Some(why) = self.schedule.why_over() {
                self.close(HostStatus::Skipped, &format!("not tried: {why}"));
            }
        }
    }

    fn wait(&self, now: Instant) -> Duration {
        let give_up = self.running.values().filter_map(|running| running.give_up_at).min();
        let next = give_up.into_iter().chain(self.schedule.wakes_at(now)).min();
        next.map_or(LOOK_AGAIN, |at| at.saturating_duration_since(now).min(LOOK_AGAIN))
    }

    fn stopped(&self) -> bool {
        self.shared.job.shutdown.stop.is_set()
    }

    fn begin_due(&mut self, now: Instant) {
        while let Some(index) = self.schedule.grant(now) {
            self.grant(index);
        }
        while !self.stopped()
            && let Some(turn) = self.schedule.begin(now)
        {
            match self.start(turn) {
                Ok(running) => drop(self.running.insert(turn.index, running)),
                // With fewer threads it takes longer; that is all.
                Err(_) if !self.running.is_empty() => return self.schedule.give_back(turn),
                Err(error) => {
                    let error = Some(format!("no thread could be started: {error}"));
                    let outcome = Outcome { error, ..Outcome::new(HostStatus::Unreachable, None) };
                    self.schedule.ended(turn, AttemptEnd::default(), now, pause);
                    self.emit(turn.index, Outcome { attempts: turn.attempts, ..outcome });
                }
            }
        }
    }

    fn start(&self, turn: Turn) -> io::Result<Running> {
        let (handle, slot) = (Arc::new(AttemptHandle::default()), Arc::new(Slot::default()));
        let kept = self.shared.sinks.kept();
        let (shared, own_kept, held, wanted, events) =
            (Arc::clone(&self.shared), Arc::clone(&kept), Arc::clone(&handle), Arc::clone(&slot), self.events.clone());
        let thread = thread::Builder::new().name("host".to_string()).stack_size(STACK);
        let (at, started_at) = (Instant::now(), SystemTime::now());
        let thread = thread.spawn(move || run_attempt(&shared, turn.index, own_kept, &held, &wanted, &events))?;
        Ok(Running { turn, kept, handle, slot, thread, phase: None, at, started_at, give_up_at: None })
    }

    fn grant(&self, index: usize) {
        if let Some(running) = self.running.get(&index) {
            running.slot.grant();
        }
    }

    fn refuse(&self, index: usize) {
        if let Some(running) = self.running.get(&index) {
            running.slot.refuse();
        }
    }

    fn note_received(&mut self, event: Event) {
        match event {
            Event::Phase { index, phase, deadline } => {
                // A deadline that has passed while something was cleaned up gives the attempt a moment, too.
                let give_up_at = deadline.map(|deadline| deadline.max(Instant::now()) + OVERRUN);
                let give_up_at = self.sooner_if_stopped(give_up_at);
                if let Some(running) = self.running.get_mut(&index) {
                    running.give_up_at = give_up_at;
                    running.phase = Some(phase);
                }
            }
            Event::Answers { index } => {
                if self.schedule.refuses() {
                    self.refuse(index);
                } else if self.schedule.answers(index) {
                    self.grant(index);
                }
            }
            Event::LoggedIn { index } => self.schedule.logged_in(index),
            Event::Ended { index, outcome } => {
                if let Some(running) = self.running.remove(&index) {
                    let outcome = outcome_of(&running, *outcome);
                    // It ends with this event.
                    let _ = running.thread.join();
                    self.finish(running.turn, outcome);
                }
            }
            Event::Written => self.schedule.written(),
            Event::Stopped(StopReason::Signal) => self.interrupt(),
            Event::Stopped(StopReason::Deadline) => {
                self.close(HostStatus::Skipped, "not tried: the run's deadline had passed");
                self.give_up_by(Instant::now() + AFTER_STOP);
            }
        }
    }

    /// Queues the host for another attempt, or reports its outcome.
    fn finish(&mut self, turn: Turn, outcome: Outcome) {
        // A wrong record or setting stays wrong.
        let may_boot = self.waits && may_be_booting(&outcome) && self.shared.targets[turn.index].problem.is_none();
        let end = AttemptEnd { retry: outcome.retry, may_boot };
        let pause = |attempts| if may_boot { boot_pause(outcome.status, attempts) } else { pause(attempts) };
        match self.schedule.ended(turn, end, Instant::now(), pause) {
            true => {
                if may_boot && self.waited_for.insert(turn.index) {
                    self.counts.waited_for.fetch_add(1, Ordering::Relaxed);
                }
                self.earlier.insert(turn.index, outcome);
            }
            false => self.emit(turn.index, outcome),
        }
    }

    fn emit(&mut self, index: usize, outcome: Outcome) {
        self.schedule.done(outcome.mark());
        self.queue.done(index, outcome);
    }

    fn interrupt(&mut self) {
        self.interrupts += 1;
        self.close(HostStatus::Cancelled, "interrupted");
        let now = Instant::now();
        self.give_up_by(now + if self.interrupts > 1 { AFTER_SECOND_STOP } else { AFTER_STOP });
    }

    /// Starts no more hosts. Reports hosts that were never tried with `status`, the others with their last outcome.
    fn close(&mut self, status: HostStatus, why: &str) {
        for (index, attempts) in self.schedule.close() {
            let outcome = match self.earlier.remove(&index) {
                Some(outcome) if attempts > 0 => outcome,
                _ => Outcome { error: Some(why.to_string()), attempts, ..Outcome::new(status, None) },
            };
            self.emit(index, outcome);
        }
    }

    fn give_up_by(&mut self, at: Instant) {
        for running in self.running.values_mut() {
            running.give_up_at = Some(running.give_up_at.map_or(at, |give_up_at| give_up_at.min(at)));
        }
    }

    fn sooner_if_stopped(&self, give_up_at: Option<Instant>) -> Option<Instant> {
        let stop = match (self.stopped(), self.interrupts) {
            (false, _) => return give_up_at,
            (true, 0 | 1) => Instant::now() + AFTER_STOP,
            (true, _) => Instant::now() + AFTER_SECOND_STOP,
        };
        Some(give_up_at.map_or(stop, |give_up_at| give_up_at.min(stop)))
    }

    /// Reports the hosts whose attempt overran, and cuts their connections. Their threads are abandoned.
    fn give_up_overdue(&mut self) {
        let now = Instant::now();
        // If it has just ended, its event is about to arrive.
        let overdue = |running: &Running| running.give_up_at.is_some_and(|at| at <= now) && running.handle.give_up();
        let overdue: Vec<Running> = self.running.extract_if(|_, running| overdue(running)).map(|(_, it)| it).collect();
        for running in overdue {
            let outcome = match self.stopped() {
                false => stuck(running.phase),
                true => Outcome { phase: running.phase, ..Outcome::stopped(self.shared.job.shutdown.is_late()) },
            };
            let mut outcome = with_output(&running.kept, outcome_of(&running, outcome));
            if let (Some(Phase::Exec), Some(error)) = (running.phase, &mut outcome.error) {
                error.push_str("; the command may still be running");
            }
            self.schedule.ended(running.turn, AttemptEnd::default(), now, pause);
            self.emit(running.turn.index, outcome);
            self.left_behind.push(running.thread);
        }
    }
}

fn outcome_of(running: &Running, outcome: Outcome) -> Outcome {
    Outcome {
        attempts: running.turn.attempts + u32::from(was_tried(&outcome)),
        started_at: Some(running.started_at),
        duration: running.at.elapsed(),
        ..outcome
    }
}

fn was_tried(outcome: &Outcome) -> bool {
    outcome.status != HostStatus::Skipped && outcome.retry != Retry::Again
}

/// Whether a host that is still booting ends an attempt like this: it cannot be reached, or has not installed the login's
/// keys. A host key that is not the right one is not among them, because sshd shows none before the host has its final
/// keys. Nothing was run.
fn may_be_booting(outcome: &Outcome) -> bool {
    match (outcome.status, outcome.phase) {
        (_, None | Some(Phase::Exec)) => false,
        (HostStatus::Unreachable | HostStatus::Auth, _) => true,
        (status, phase) => (status, phase) == (HostStatus::Timeout, Some(Phase::Auth)),
    }
}

/// The outcome of an attempt that overran its deadline.
fn stuck(phase: Option<Phase>) -> Outcome {
    let (status, error) = match phase {
        None => (HostStatus::Unreachable, "stuck before anything was begun"),
        Some(Phase::Lookup | Phase::Resolve) => (HostStatus::Unreachable, "stuck while looking up the address"),
        Some(Phase::Deliver | Phase::Connect) => (HostStatus::Unreachable, "stuck while connecting"),
        Some(Phase::Handshake) => (HostStatus::Unreachable, "stuck: the server sent much and said nothing"),
        Some(Phase::HostKey) => (HostStatus::HostKey, "stuck while keeping the host key"),
        Some(Phase::Auth) => (HostStatus::Timeout, "stuck while logging in"),
        Some(Phase::Exec) => (HostStatus::Timeout, "stuck while the command ran"),
    };
    Outcome { error: Some(error.to_string()), ..Outcome::new(status, phase) }
}

/// The pause before another attempt. It grows with the number of attempts, and is random so that hosts that were refused
/// together do not come back together.
fn pause(attempts: u32) -> Duration {
    Duration::from_millis(300 + random() % 700) * 2u32.pow(attempts.saturating_sub(1).min(4))
}

/// The pause before a host that may be booting is tried again. Up to half of it is random.
fn boot_pause(status: HostStatus, attempts: u32) -> Duration {
    let pause = match status {
        HostStatus::Unreachable => {
            (FIRST_BOOT_PAUSE * 2u32.pow(attempts.saturating_sub(1).min(4))).min(LONGEST_BOOT_PAUSE)
        }
        _ => REFUSED_LOGIN_PAUSE,
    };
    pause + pause * (random() % 500) as u32 / 1000
}

fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_that_ran_nothing_may_be_booting() {
        let may_boot = |status, phase| may_be_booting(&Outcome::new(status, phase));
        for (status, phase) in [
            (HostStatus::Unreachable, Phase::Resolve),
            (HostStatus::Unreachable, Phase::Connect),
            (HostStatus::Unreachable, Phase::Handshake),
            (HostStatus::Unreachable, Phase::Auth),
            (HostStatus::Auth, Phase::Auth),
            (HostStatus::Timeout, Phase::Auth),
        ] {
            assert!(may_boot(status, Some(phase)), "{status:?}");
        }
        for (status, phase) in [
            (HostStatus::HostKey, Phase::HostKey),
            (HostStatus::Timeout, Phase::Exec),
            (HostStatus::Lost, Phase::Exec),
            (HostStatus::Failed, Phase::Exec),
            (HostStatus::Cancelled, Phase::Connect),
        ] {
            assert!(!may_boot(status, Some(phase)), "{status:?}");
        }
        assert!(!may_boot(HostStatus::Unreachable, None));
    }
}
