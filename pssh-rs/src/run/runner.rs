//! Runs the job on all hosts: a thread for each attempt, and one loop that receives their events and asks the schedule
//! what is next. So every host is reported exactly once, also after Ctrl-C or if a thread is stuck. A separate thread
//! writes results, so a slow reader never delays a deadline.

use crate::base::attempt_timer::AttemptTimer;
use crate::base::shutdown::StopReason;
use crate::host::attempt::{Attempt, Event};
use crate::host::job::Job;
use crate::host::outcome::overran;
use crate::host::run_attempt;
use crate::host::slot::Slot;
use crate::host::target::Target;
use crate::run::retry::{boot_pause, may_be_booting, retry_pause};
use crate::run::schedule::{AttemptEnd, Schedule, Turn};
use cerveza_results::{
    HostSinks, HostStatus, Outcome, OutputQueue, Phase, Renderer, Retry, SharedCapture, with_output, write_results,
};
use std::collections::{HashMap, HashSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

/// After Ctrl-C, or the run's deadline, commands are terminated on their hosts. Attempts that take longer are abandoned.
const AFTER_STOP: Duration = Duration::from_secs(17);
/// After a second Ctrl-C attempts wait for nothing. Each has this long to report its outcome and its output.
const AFTER_SECOND_STOP: Duration = Duration::from_millis(500);
/// The longest wait at the end for threads of abandoned attempts.
const JOIN_TIME: Duration = Duration::from_millis(500);
/// The longest wait for an event. Attempts change their deadlines without one, and none is overdue sooner than this.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const STACK: usize = 512 * 1024;

struct Shared {
    job: Job,
    targets: Vec<Target>,
    sinks: HostSinks,
}

/// What an attempt's thread and the runner share.
#[derive(Default)]
struct Controls {
    timer: AttemptTimer,
    slot: Slot,
}

/// An attempt that is under way.
struct Running {
    turn: Turn,
    capture: SharedCapture,
    controls: Arc<Controls>,
    thread: JoinHandle<()>,
    begun: Instant,
    started_at: SystemTime,
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
    /// Hosts with an attempt under way.
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
    let stop_events = events.clone();
    shared.job.shutdown.listen(move |reason| drop(stop_events.send(Event::Stopped(reason))));
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
            abandoned: Vec::new(),
            interrupts: 0,
            stop: None,
        };
        runner.handle_events(&received, || !writer.is_finished());
        queue.close();
        let interrupted = runner.interrupts > 0;
        join_abandoned(runner.abandoned);
        // An attempt may end because of Ctrl-C before the runner gets the event.
        Ok(interrupted || shared.job.shutdown.stop.is_set() && !shared.job.shutdown.is_late())
    })
}

/// Waits for the threads of abandoned attempts, because OpenSSL cleans up at exit, even if a thread is still using it.
fn join_abandoned(threads: Vec<JoinHandle<()>>) {
    let until = Instant::now() + JOIN_TIME;
    for thread in threads {
        while !thread.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Runs one attempt, on its own thread.
fn run_on_thread(shared: &Shared, index: usize, capture: SharedCapture, controls: &Controls, events: &Sender<Event>) {
    let Controls { timer, slot } = controls;
    let attempt = Attempt { job: &shared.job, target: &shared.targets[index], timer, slot, index, events };
    // A panic on one host must not cost the others their records.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut sink = shared.sinks.sink(index, capture);
        let outcome = run_attempt(&attempt, &mut sink);
        sink.finish(outcome)
    }));
    let outcome = outcome.unwrap_or_else(|_| Outcome {
        error: Some("a bug in pssh-rs ended this attempt".to_string()),
        ..Outcome::new(HostStatus::Lost, None)
    });
    if timer.finish() {
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
    /// The threads of attempts that were given up.
    abandoned: Vec<JoinHandle<()>>,
    interrupts: u32,
    /// When the run was stopped, and how long attempts may take after that.
    stop: Option<(Instant, Duration)>,
}

impl Runner<'_> {
    /// Handles events until all hosts are done, or until `is_writing` returns false, which only a bug can cause.
    fn handle_events(&mut self, events: &Receiver<Event>, is_writing: impl Fn() -> bool) {
        while !self.schedule.is_over() && is_writing() {
            self.begin_due(Instant::now());
            self.counts.running.store(self.running.len() as u64, Ordering::Relaxed);
            if let Ok(event) = events.recv_timeout(self.longest_wait(Instant::now())) {
                self.handle_event(event);
            }
            while let Ok(event) = events.try_recv() {
                self.handle_event(event);
            }
            self.give_up_overdue();
            for index in self.schedule.refused() {
                self.set_slot(index, Slot::refuse);
            }
            if let Some(why) = self.schedule.why_over() {
                self.close(HostStatus::Skipped, &format!("not tried: {why}"));
            }
        }
    }

    fn longest_wait(&self, now: Instant) -> Duration {
        let give_up = self.running.values().filter_map(|running| running.controls.timer.give_up_at(self.stop)).min();
        let next = give_up.into_iter().chain(self.schedule.wakes_at(now)).min();
        next.map_or(LONGEST_WAIT, |at| at.saturating_duration_since(now).min(LONGEST_WAIT))
    }

    /// Grants slots, and begins with the hosts whose turn it is.
    fn begin_due(&mut self, now: Instant) {
        while let Some(index) = self.schedule.grant(now) {
            self.set_slot(index, Slot::grant);
        }
        while !self.shared.job.shutdown.stop.is_set()
            && let Some(turn) = self.schedule.begin(now)
        {
            match self.start(turn) {
                Ok(running) => drop(self.running.insert(turn.index, running)),
                // With fewer threads the run only takes longer.
                Err(_) if !self.running.is_empty() => return self.schedule.give_back(turn),
                Err(error) => {
                    let error = Some(format!("no thread could be started: {error}"));
                    let outcome = Outcome { error, ..Outcome::new(HostStatus::Unreachable, None) };
                    self.schedule.ended(turn, AttemptEnd::default(), now, retry_pause);
                    self.emit(turn.index, Outcome { attempts: turn.attempts, ..outcome });
                }
            }
        }
    }

    fn start(&self, turn: Turn) -> io::Result<Running> {
        let (capture, controls) = (self.shared.sinks.kept(), Arc::new(Controls::default()));
        let (begun, started_at) = (Instant::now(), SystemTime::now());
        let work = {
            let (shared, events) = (Arc::clone(&self.shared), self.events.clone());
            let (capture, controls) = (Arc::clone(&capture), Arc::clone(&controls));
            move || run_on_thread(&shared, turn.index, capture, &controls, &events)
        };
        let thread = thread::Builder::new().name("host".to_string()).stack_size(STACK).spawn(work)?;
        Ok(Running { turn, capture, controls, thread, begun, started_at })
    }

    fn set_slot(&self, index: usize, set: impl FnOnce(&Slot)) {
        if let Some(running) = self.running.get(&index) {
            set(&running.controls.slot);
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Answers { index } => {
                if self.schedule.refuses() {
                    self.set_slot(index, Slot::refuse);
                } else if self.schedule.answers(index) {
                    self.set_slot(index, Slot::grant);
                }
            }
            Event::LoggedIn { index } => self.schedule.logged_in(index),
            Event::Ended { index, outcome } => {
                if let Some(running) = self.running.remove(&index) {
                    let outcome = running.complete(*outcome);
                    // The thread ends after it has sent this event.
                    let _ = running.thread.join();
                    self.retry_or_emit(running.turn, outcome);
                }
            }
            Event::Written => self.schedule.written(),
            Event::Stopped(StopReason::Signal) => {
                self.interrupts += 1;
                self.close(HostStatus::Cancelled, "interrupted");
                if self.interrupts > 1 {
                    self.stop = Some((Instant::now(), AFTER_SECOND_STOP));
                } else {
                    self.stop.get_or_insert((Instant::now(), AFTER_STOP));
                }
            }
            Event::Stopped(StopReason::Deadline) => {
                self.close(HostStatus::Skipped, "not tried: the run's deadline had passed");
                self.stop.get_or_insert((Instant::now(), AFTER_STOP));
            }
        }
    }

    /// Queues the host for another attempt, or reports its outcome.
    fn retry_or_emit(&mut self, turn: Turn, outcome: Outcome) {
        // A wrong record or setting stays wrong.
        let may_boot = self.waits && may_be_booting(&outcome) && self.shared.targets[turn.index].problem.is_none();
        let end = AttemptEnd { retry: outcome.retry, may_boot };
        let pause = |attempts| if may_boot { boot_pause(outcome.status, attempts) } else { retry_pause(attempts) };
        if self.schedule.ended(turn, end, Instant::now(), pause) {
            if may_boot && self.waited_for.insert(turn.index) {
                self.counts.waited_for.fetch_add(1, Ordering::Relaxed);
            }
            self.earlier.insert(turn.index, outcome);
        } else {
            self.emit(turn.index, outcome);
        }
    }

    /// Reports the final outcome of a host.
    fn emit(&mut self, index: usize, outcome: Outcome) {
        self.schedule.done(outcome.mark());
        self.queue.done(index, outcome);
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

    /// Reports the hosts whose attempt overran, and cuts their connections. Their threads are abandoned.
    fn give_up_overdue(&mut self) {
        let (now, stop) = (Instant::now(), self.stop);
        let is_overdue = |running: &Running| running.controls.timer.give_up_overdue(now, stop);
        let overdue: Vec<Running> =
            self.running.extract_if(|_, running| is_overdue(running)).map(|(_, running)| running).collect();
        for running in overdue {
            let phase = running.controls.timer.phase();
            let shutdown = &self.shared.job.shutdown;
            let mut outcome = if shutdown.stop.is_set() {
                Outcome { phase, ..Outcome::stopped(shutdown.is_late()) }
            } else {
                overran(phase)
            };
            if phase == Some(Phase::Exec) {
                outcome = outcome.add_error("the command may still be running");
            }
            let outcome = with_output(&running.capture, running.complete(outcome));
            self.schedule.ended(running.turn, AttemptEnd::default(), now, retry_pause);
            self.emit(running.turn.index, outcome);
            self.abandoned.push(running.thread);
        }
    }
}

impl Running {
    /// Adds times and the number of attempts to an outcome.
    fn complete(&self, outcome: Outcome) -> Outcome {
        let was_tried = outcome.status != HostStatus::Skipped && outcome.retry != Retry::Again;
        Outcome {
            attempts: self.turn.attempts + u32::from(was_tried),
            started_at: Some(self.started_at),
            duration: self.begun.elapsed(),
            ..outcome
        }
    }
}
