//! The runner: starts a thread for each attempt, receives their events in one loop, and asks the schedule what is next. So
//! every host is reported exactly once, also after Ctrl-C or if a thread is stuck.

use crate::base::attempt_timer::AttemptTimer;
use crate::base::shutdown::StopReason;
use crate::host::attempt::{Attempt, Event};
use crate::host::job::Job;
use crate::host::outcome::overran;
use crate::host::run_attempt;
use crate::host::slot::Slot;
use crate::host::target::Target;
use crate::run::RunCounts;
use crate::run::retry::{boot_pause, may_be_booting, retry_pause};
use crate::run::schedule::{AttemptEnd, Schedule, Turn};
use cerveza_results::{HostSinks, HostStatus, Outcome, OutputQueue, Phase, Retry, SharedCapture, with_output};
use std::collections::{HashMap, HashSet};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

/// After Ctrl-C, or the run's deadline, commands are terminated on their hosts. Attempts that take longer are abandoned.
const AFTER_STOP: Duration = Duration::from_secs(17);
/// After a second Ctrl-C attempts wait for nothing. Each has this long to report its outcome and its output.
const AFTER_SECOND_STOP: Duration = Duration::from_millis(500);
/// The longest wait for an event. An attempt changes its deadline without one, but becomes overdue only seconds after the change.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const STACK: usize = 512 * 1024;

/// The run as its threads see it.
pub struct Shared {
    pub job: Job,
    pub targets: Vec<Target>,
    pub sinks: HostSinks,
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
        ..Outcome::new(HostStatus::Lost, timer.phase())
    });
    if timer.finish() {
        let _ = events.send(Event::Ended { index, outcome: outcome.into() });
    }
}

pub struct Runner<'a> {
    shared: Arc<Shared>,
    schedule: Schedule,
    events: Sender<Event>,
    queue: &'a OutputQueue,
    counts: &'a RunCounts,
    running: HashMap<usize, Running>,
    /// The last outcomes of hosts that wait for another attempt.
    earlier: HashMap<usize, Outcome>,
    waited_for: HashSet<usize>,
    /// The threads of attempts that were given up.
    pub abandoned: Vec<JoinHandle<()>>,
    pub interrupts: u32,
    /// When the run was stopped, and how long attempts may take after that.
    stop: Option<(Instant, Duration)>,
}

impl<'a> Runner<'a> {
    pub fn new(
        shared: Arc<Shared>,
        schedule: Schedule,
        events: Sender<Event>,
        queue: &'a OutputQueue,
        counts: &'a RunCounts,
    ) -> Runner<'a> {
        Runner {
            shared,
            schedule,
            events,
            queue,
            counts,
            running: HashMap::new(),
            earlier: HashMap::new(),
            waited_for: HashSet::new(),
            abandoned: Vec::new(),
            interrupts: 0,
            stop: None,
        }
    }

    /// Handles events until all hosts are done, or until `is_writing` returns false, which only a bug can cause.
    pub fn handle_events(&mut self, events: &Receiver<Event>, is_writing: impl Fn() -> bool) {
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
            for index in self.schedule.take_refused() {
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
                    self.schedule.give_up(turn);
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
            Event::WantsSlot { index } => {
                if self.schedule.refuses() {
                    self.set_slot(index, Slot::refuse);
                } else if self.schedule.answers(index, Instant::now()) {
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
        let has_problem = self.shared.targets[turn.index].problem.is_some();
        let may_boot = self.schedule.waits_for_boot() && may_be_booting(&outcome) && !has_problem;
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
        let target = &self.shared.targets[index];
        let is_only_name = target.record.host() == target.address && target.record.iter().nth(1).is_none();
        if outcome.phase == Some(Phase::Resolve) && outcome.status == HostStatus::Unreachable && is_only_name {
            self.counts.unresolved.get_or_init(|| target.address.clone());
        }
        if outcome.copied.as_ref().is_some_and(|copied| !copied.skipped.is_empty()) {
            self.counts.partly_copied.fetch_add(1, Ordering::Relaxed);
        }
        self.schedule.add_mark(outcome.mark());
        self.queue.send_outcome(index, outcome);
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
            self.schedule.give_up(running.turn);
            self.emit(running.turn.index, outcome);
            self.abandoned.push(running.thread);
        }
    }
}

impl Running {
    /// Adds times and the number of attempts to an outcome.
    fn complete(&self, outcome: Outcome) -> Outcome {
        if outcome.status == HostStatus::Skipped {
            return Outcome { attempts: self.turn.attempts, phase: None, ..outcome };
        }
        Outcome {
            attempts: self.turn.attempts + u32::from(outcome.retry != Retry::Again),
            started_at: Some(self.started_at),
            duration: self.begun.elapsed(),
            ..outcome
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::test_support::{job, target_with_problem};
    use crate::run::schedule::Width;
    use crate::run::{RunPlan, run};
    use cerveza_manners::{OutputArgs, Tool};
    use cerveza_results::{Budget, DisplayArgs, Limits, Renderer, Rollout, RolloutRules};
    use clap::Parser;
    use std::sync::mpsc::channel;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        display: DisplayArgs,
        #[command(flatten)]
        output: OutputArgs,
    }

    const HOSTS: usize = 20;

    fn plan(job: Job, rules: &RolloutRules) -> RunPlan {
        let limits = Limits { stream: 100, budget: Budget::new(1000), tool: "pssh-rs" };
        RunPlan {
            job,
            targets: (0..HOSTS).map(|_| target_with_problem()).collect(),
            sinks: HostSinks { limits, queue: None, outdir: None },
            schedule: Schedule::new(Rollout::new(HOSTS, rules), Width { fanout: 4, open: 8 }),
            counts: Arc::default(),
        }
    }

    /// Runs the plan. Returns the status of each host, in the order of their ends, and whether the run was interrupted.
    fn statuses(plan: RunPlan) -> (Vec<HostStatus>, bool) {
        // Sorted records are held until the end, and the end is not written here.
        let args = Args::parse_from(["x", "--sort", "host"]);
        let mut out = Renderer::new(&args.display, &args.output, ["a"].into_iter(), &Tool { name: "x" }).unwrap();
        let (queue, mut statuses) = (OutputQueue::new(1000), Vec::new());
        let interrupted = run(plan, &queue, &mut out, |_| (), |_, status, _| statuses.push(status)).unwrap();
        (statuses, interrupted)
    }

    #[test]
    fn every_host_is_reported_once() {
        assert_eq!(statuses(plan(job(), &RolloutRules::default())), (vec![HostStatus::Auth; HOSTS], false));
    }

    #[test]
    fn an_interrupted_run_reports_every_host() {
        let job = job();
        job.shutdown.stop.set();
        assert_eq!(statuses(plan(job, &RolloutRules::default())), (vec![HostStatus::Cancelled; HOSTS], true));
    }

    fn runner<'a>(events: &Sender<Event>, queue: &'a OutputQueue, counts: &'a RunCounts) -> Runner<'a> {
        let RunPlan { job, targets, sinks, schedule, .. } = plan(job(), &RolloutRules::default());
        let shared = Arc::new(Shared { job, targets, sinks });
        Runner::new(shared, schedule, events.clone(), queue, counts)
    }

    #[test]
    fn an_attempt_that_hangs_is_given_up_after_a_stop() {
        let (queue, counts, (events, _)) = (OutputQueue::new(1000), RunCounts::default(), channel());
        let mut runner = runner(&events, &queue, &counts);
        let now = Instant::now();
        let turn = runner.schedule.begin(now).unwrap();
        let (capture, controls) = (runner.shared.sinks.kept(), Arc::new(Controls::default()));
        controls.timer.start(Phase::Exec, None);
        let thread = thread::spawn(|| ());
        let running = Running {
            turn,
            capture,
            controls: Arc::clone(&controls),
            thread,
            begun: now,
            started_at: SystemTime::now(),
        };
        runner.running.insert(turn.index, running);
        runner.give_up_overdue();
        assert_eq!(runner.running.len(), 1);
        runner.stop = Some((now, Duration::ZERO));
        runner.give_up_overdue();
        assert_eq!((runner.running.len(), runner.abandoned.len()), (0, 1));
        assert!(!controls.timer.finish());
    }

    #[test]
    fn a_second_stop_shortens_the_time_that_attempts_have() {
        let (queue, counts, (events, _)) = (OutputQueue::new(1000), RunCounts::default(), channel());
        let mut runner = runner(&events, &queue, &counts);
        let limit_after = |runner: &mut Runner<'_>, reason| {
            runner.handle_event(Event::Stopped(reason));
            runner.stop.unwrap().1
        };
        assert_eq!(limit_after(&mut runner, StopReason::Deadline), AFTER_STOP);
        assert_eq!(limit_after(&mut runner, StopReason::Signal), AFTER_STOP);
        assert_eq!(limit_after(&mut runner, StopReason::Signal), AFTER_SECOND_STOP);
    }
}
