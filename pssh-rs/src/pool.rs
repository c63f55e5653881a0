//! The run over all hosts: a thread an attempt, so many at a time; one collector that hears of everything, so that every
//! host comes out exactly once, also when Ctrl-C comes or a thread is stuck; and one writer, so that who reads the
//! results slowly keeps the collector from nothing.

use crate::attempt::{Job, attempt};
use crate::interrupt::on_interrupt;
use crate::leash::Leash;
use crate::outcome::{HostStatus, Outcome, Phase};
use crate::plan::Target;
use crate::queue::{Queue, Turn};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

/// An attempt that its own deadlines did not end is given up this long after them.
const OVERRUN: Duration = Duration::from_secs(3);
/// After Ctrl-C attempts end within moments; those that do not are left behind.
const AFTER_CTRL_C: Duration = Duration::from_secs(5);
/// A thread that was left behind is not waited for longer than this.
const FAREWELL: Duration = Duration::from_millis(500);
/// With nothing to wait for, as when no thread could be started: look again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// One retry.
const MOST_ATTEMPTS: u32 = 2;
const STACK: usize = 512 * 1024;

struct Shared {
    job: Job,
    targets: Vec<Target>,
}

enum Event {
    Phase { index: usize, phase: Phase, deadline: Option<Instant> },
    Ended { index: usize, outcome: Outcome },
    Written,
    Interrupted,
}

/// What the collector knows of an attempt.
struct Running {
    turn: Turn,
    leash: Arc<Leash>,
    thread: JoinHandle<()>,
    phase: Option<Phase>,
    at: Instant,
    started_at: SystemTime,
    give_up_at: Option<Instant>,
}

/// Runs the job on all targets, at most `fanout` at a time, and calls `write` for each once, as soon as it is done.
/// Whether it was interrupted.
pub fn run(
    job: Job,
    targets: Vec<Target>,
    fanout: usize,
    mut write: impl FnMut(&Target, Outcome) + Send,
) -> io::Result<bool> {
    let shared = Arc::new(Shared { job, targets });
    let mut queue = Queue::default();
    for index in 0..shared.targets.len() {
        queue.push(Turn { index, attempts: 0, not_before: None });
    }
    let (events, received) = channel();
    let (stop, interrupts) = (Arc::clone(&shared.job.stop), events.clone());
    on_interrupt(move || {
        stop.set();
        let _ = interrupts.send(Event::Interrupted);
    })?;
    let (results, to_write) = channel::<(usize, Outcome)>();
    let (targets, written) = (&shared.targets, events.clone());
    thread::scope(|scope| {
        let writer = thread::Builder::new().name("writer".to_string()).spawn_scoped(scope, move || {
            for (index, outcome) in to_write {
                write(&targets[index], outcome);
                let _ = written.send(Event::Written);
            }
        })?;
        let mut collector = Collector {
            shared: Arc::clone(&shared),
            fanout,
            queue,
            events,
            results,
            running: HashMap::new(),
            unwritten: 0,
            left_behind: Vec::new(),
            interrupts: 0,
        };
        collector.collect(&received, || !writer.is_finished());
        say_farewell(collector.left_behind);
        // An attempt may end of Ctrl-C before the collector hears of it.
        Ok(shared.job.stop.is_set())
    })
}

/// Lets the threads that were left behind end before the program does: at its exit OpenSSL takes itself apart, also
/// under a thread that is still using it.
fn say_farewell(threads: Vec<JoinHandle<()>>) {
    let until = Instant::now() + FAREWELL;
    for thread in threads {
        while !thread.is_finished() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The life of an attempt's thread.
fn work(shared: &Shared, index: usize, leash: &Leash, events: &Sender<Event>) {
    let mut watch = |phase, deadline| drop(events.send(Event::Phase { index, phase, deadline }));
    let target = &shared.targets[index];
    // A bug that one host brings to light must not cost the others their records.
    let outcome = catch_unwind(AssertUnwindSafe(|| attempt(&shared.job, target, leash, &mut watch)));
    let outcome = outcome.unwrap_or_else(|_| Outcome {
        error: Some("a bug in pssh-rs ended this attempt".to_string()),
        ..Outcome::new(HostStatus::Lost, None)
    });
    if leash.end() {
        let _ = events.send(Event::Ended { index, outcome });
    }
}

struct Collector {
    shared: Arc<Shared>,
    fanout: usize,
    queue: Queue,
    events: Sender<Event>,
    results: Sender<(usize, Outcome)>,
    running: HashMap<usize, Running>,
    /// Outcomes that the writer has not written yet. They count as running, which bounds what is held in memory.
    unwritten: usize,
    left_behind: Vec<JoinHandle<()>>,
    interrupts: u32,
}

impl Collector {
    /// Until all is done; or `writing` is no longer, which only a bug can bring about.
    fn collect(&mut self, events: &Receiver<Event>, writing: impl Fn() -> bool) {
        while !(self.queue.is_empty() && self.running.is_empty() && self.unwritten == 0) && writing() {
            let now = Instant::now();
            self.start_due(now);
            if let Ok(event) = events.recv_timeout(self.wait(now)) {
                self.hear(event);
            }
            // All that was said first: what came after an old deadline may be a new one, or the end.
            while let Ok(event) = events.try_recv() {
                self.hear(event);
            }
            self.give_up_overdue();
        }
    }

    fn has_room(&self) -> bool {
        self.running.len() + self.unwritten < self.fanout && !self.shared.job.stop.is_set()
    }

    fn wait(&self, now: Instant) -> Duration {
        let give_up = self.running.values().filter_map(|running| running.give_up_at).min();
        let due = self.queue.next_due(now).filter(|_| self.has_room());
        let next = give_up.into_iter().chain(due).min();
        next.map_or(LOOK_AGAIN, |at| at.saturating_duration_since(now).min(LOOK_AGAIN))
    }

    fn start_due(&mut self, now: Instant) {
        while self.has_room() {
            let Some(turn) = self.queue.take(now) else { return };
            match self.start(turn) {
                Ok(running) => drop(self.running.insert(turn.index, running)),
                // With fewer threads it takes longer; that is all.
                Err(_) if !self.running.is_empty() => return self.queue.give_back(turn),
                Err(error) => {
                    let error = Some(format!("no thread could be started: {error}"));
                    let attempts = turn.attempts;
                    self.emit(turn.index, Outcome { error, attempts, ..Outcome::new(HostStatus::Unreachable, None) });
                }
            }
        }
    }

    fn start(&self, turn: Turn) -> io::Result<Running> {
        let leash = Arc::new(Leash::default());
        let (shared, held, events) = (Arc::clone(&self.shared), Arc::clone(&leash), self.events.clone());
        let thread = thread::Builder::new().name("host".to_string()).stack_size(STACK);
        let (at, started_at) = (Instant::now(), SystemTime::now());
        let thread = thread.spawn(move || work(&shared, turn.index, &held, &events))?;
        Ok(Running { turn, leash, thread, phase: None, at, started_at, give_up_at: None })
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Phase { index, phase, deadline } => {
                let give_up_at = self.sooner_if_interrupted(deadline.map(|deadline| deadline + OVERRUN));
                if let Some(running) = self.running.get_mut(&index) {
                    running.give_up_at = give_up_at;
                    running.phase = Some(phase);
                }
            }
            Event::Ended { index, outcome } => {
                if let Some(running) = self.running.remove(&index) {
                    let outcome = outcome_of(&running, outcome);
                    // It ends with this event.
                    let _ = running.thread.join();
                    self.finish(index, outcome);
                }
            }
            Event::Written => self.unwritten -= 1,
            Event::Interrupted => self.interrupt(),
        }
    }

    /// Sends the host to the end of the queue for another try, or out.
    fn finish(&mut self, index: usize, outcome: Outcome) {
        if outcome.retry && outcome.attempts < MOST_ATTEMPTS && !self.shared.job.stop.is_set() {
            let not_before = Some(Instant::now() + pause());
            self.queue.push(Turn { index, attempts: outcome.attempts, not_before });
        } else {
            self.emit(index, outcome);
        }
    }

    fn emit(&mut self, index: usize, outcome: Outcome) {
        if self.results.send((index, outcome)).is_ok() {
            self.unwritten += 1;
        }
    }

    fn interrupt(&mut self) {
        self.interrupts += 1;
        for turn in self.queue.clear() {
            self.emit(turn.index, Outcome { attempts: turn.attempts, ..Outcome::cancelled() });
        }
        let give_up_at = self.sooner_if_interrupted(None);
        for running in self.running.values_mut() {
            running.give_up_at = give_up_at;
        }
    }

    fn sooner_if_interrupted(&self, give_up_at: Option<Instant>) -> Option<Instant> {
        match self.interrupts {
            0 => give_up_at,
            1 => Some(Instant::now() + AFTER_CTRL_C),
            _ => Some(Instant::now()),
        }
    }

    /// Lets the hosts out whose attempt overran, and cuts their connection. Their threads are left to themselves.
    fn give_up_overdue(&mut self) {
        let now = Instant::now();
        // One that has ended all the same is about to say so.
        let overdue = |running: &Running| running.give_up_at.is_some_and(|at| at <= now) && running.leash.give_up();
        let overdue: Vec<Running> = self.running.extract_if(|_, running| overdue(running)).map(|(_, it)| it).collect();
        for running in overdue {
            let outcome = match self.interrupts {
                0 => stuck(running.phase),
                _ => Outcome { phase: running.phase, ..Outcome::cancelled() },
            };
            self.emit(running.turn.index, outcome_of(&running, outcome));
            self.left_behind.push(running.thread);
        }
    }
}

fn outcome_of(running: &Running, outcome: Outcome) -> Outcome {
    Outcome {
        attempts: running.turn.attempts + 1,
        started_at: Some(running.started_at),
        duration: running.at.elapsed(),
        ..outcome
    }
}

/// The outcome of an attempt that its own deadlines did not end.
fn stuck(phase: Option<Phase>) -> Outcome {
    let (status, error) = match phase {
        None => (HostStatus::Unreachable, "stuck before anything was begun"),
        Some(Phase::Resolve) => (HostStatus::Unreachable, "stuck while looking up the address"),
        Some(Phase::Connect) => (HostStatus::Unreachable, "stuck while connecting"),
        Some(Phase::Handshake) => (HostStatus::Unreachable, "stuck: the server sent much and said nothing"),
        Some(Phase::HostKey) => (HostStatus::HostKey, "stuck while keeping the host key"),
        Some(Phase::Auth) => (HostStatus::Timeout, "stuck while logging in (does the agent answer?)"),
        Some(Phase::Exec) => (HostStatus::Timeout, "stuck while the command ran"),
    };
    Outcome { error: Some(error.to_string()), ..Outcome::new(status, phase) }
}

/// A pause before the second try, of a random length: hosts that were refused together must not come back together.
fn pause() -> Duration {
    let random = RandomState::new().build_hasher().finish();
    Duration::from_millis(300 + random % 700)
}
